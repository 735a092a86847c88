"""The step after the head: kept maps or pictures, fine-tuning, and whether it is kept, alone or with the head."""

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from partgate.data.folder import Picture
from partgate.models.classifier import Branch, Eye, Parts
from partgate.training.augment import Augmenter
from partgate.training.calibration import fit_temperature
from partgate.training.config import TrainingConfig
from partgate.training.distributed import Team
from partgate.training.examples import Array, Examples, cut_folds, named
from partgate.training.features import FeatureSet, Progress, read_part
from partgate.training.fine_tune import Lesson, Tuned, fine_tune
from partgate.training.head import FittedHead, Linear, calibrated_loss, refit
from partgate.training.learner import choose_place
from partgate.training.look import Backbone, look
from partgate.training.map_store import MapStore, is_complete, open_maps
from partgate.training.material import KeptMaps, KeptPictures, Material
from partgate.training.views import augmented_views, clean_views

Kind = Literal["frozen", "fine-tuned", "mean of both"]
CHECKPOINT_FILE = "fine-tune.pt"
_PICTURES_FILE = "pictures.npy"
_LEAST_GAIN = 0.02  # of the frozen features' loss
_MOST_WORSE = 1.2  # times that loss; worse branches are noise (the mean with it won in 7 of 20 made draws)


@dataclass(frozen=True, slots=True)
class Choice:
    """The branches that the model is made of."""

    kind: Kind
    parts: Parts
    branches: tuple[Branch, ...]
    mix: tuple[float, ...]  # weight of each branch's logits
    out_of_fold: Array  # (N, C) mixed logits of rows not learned from
    losses: dict[Kind, float]  # out-of-fold log loss of what could be chosen


@dataclass(frozen=True, slots=True)
class Quick:
    """What the head knew, and what fine-tuning starts from."""

    config: TrainingConfig
    backbone: Backbone
    found: FeatureSet
    examples: Examples
    head: FittedHead
    store: MapStore | None  # maps of the clean views, where the last stages are to learn


def frozen_choice(parts: Parts, head: FittedHead) -> Choice:
    """Return the head on the frozen backbone, alone."""
    branch = _branch(parts, head.linear)
    return Choice("frozen", parts, (branch,), (1.0,), head.out_of_fold, {"frozen": head.loss})


def _branch(parts: Parts, linear: Linear) -> Branch:
    return Branch(deepcopy(parts.body), linear.weight, linear.bias, linear.mean, linear.std)


def choose(quick: Quick, tuned: Tuned) -> Choice:
    """Return what explains out-of-fold rows best: the frozen features, the fine-tuned branches, or the mean of both.

    Before they are averaged both are brought to one scale, each by its own temperature. Frozen features stay unless the
    others win by a fiftieth of the loss, and where the branches alone are much worse: they cost time on the line, and
    the mean with pure noise wins by chance now and then.
    """
    head, examples, config = quick.head, quick.examples, quick.config
    parts, balance = quick.backbone.cut(whole=config.fine_tune.part == "whole"), config.head.class_balance
    temperatures = [
        fit_temperature(logits, examples.labels, examples.weights, examples.classes, balance)[0].temperature
        for logits in (head.out_of_fold, tuned.out_of_fold)
    ]
    both = (head.out_of_fold / temperatures[0] + tuned.out_of_fold / temperatures[1]) / 2
    losses: dict[Kind, float] = {
        "frozen": head.loss,
        "fine-tuned": tuned.loss,
        "mean of both": calibrated_loss(both, examples, balance),
    }
    kind = min(losses, key=losses.__getitem__)
    if losses[kind] > (1 - _LEAST_GAIN) * head.loss or tuned.loss > _MOST_WORSE * head.loss:
        kind = "frozen"
    count = len(tuned.branches)
    if kind == "frozen":
        chosen = frozen_choice(parts, head)
        return Choice(kind, parts, chosen.branches, chosen.mix, head.out_of_fold, losses)
    if kind == "fine-tuned":
        return Choice(kind, parts, tuned.branches, (1 / count,) * count, tuned.out_of_fold, losses)
    shares = (0.5 / temperatures[0], *[0.5 / temperatures[1] / count] * count)
    return Choice(kind, parts, (_branch(parts, head.linear), *tuned.branches), shares, both, losses)


def tune(quick: Quick, work: Path, team: Team, progress: Progress, seconds: float | None) -> Tuned | str:
    """Return the fine-tuned branches; else in a sentence why there are none.

    Args:
        quick: From the step before.
        work: Folder for what is kept while it learns; a stopped training goes on from what lies there.
        team: The processes that train together.
        progress: Is told about each step.
        seconds: What is left of the budget.
    """
    began = time.monotonic()
    config, settings, examples = quick.config, quick.config.fine_tune, quick.examples
    folds = cut_folds(examples, settings.folds, config.seed)
    heads = refit(examples, folds, quick.head.regularisation, config.head)
    parts = quick.backbone.cut(whole=settings.part == "whole")
    balance = config.head.class_balance
    files = [picture.file for picture in quick.found.pictures]
    lesson = Lesson(
        examples, _material(quick, work, team, progress), folds,
        lambda logits: calibrated_loss(logits, examples, balance), balance, config.seed,
        lambda rows: named(files, rows, examples.picture),
    )  # fmt: skip
    left = None if seconds is None else seconds - (time.monotonic() - began)
    place = choose_place(config.mixed_precision, team)
    starts = [_branch(parts, head) for head in heads]
    return fine_tune(starts, lesson, settings, place, config.threads, progress, work / CHECKPOINT_FILE, left)


def open_store(
    work: Path, pictures: Sequence[Picture], backbone: Backbone, config: TrainingConfig, team: Team
) -> MapStore | None:
    """Return a store for the maps of all views; None where the last stages do not learn, or the maps are there."""
    if config.fine_tune.part != "last_stages" or is_complete(work) or not team.leads:
        return None
    views = len(clean_views(config.flips)) + config.fine_tune.augmented_views
    looks = len(backbone.geometry.look_names) or 1
    return MapStore.make(work, len(pictures), looks, views, backbone.graph, len(backbone.spec.stages))


def _material(quick: Quick, work: Path, team: Team, progress: Progress) -> Material:
    config = quick.config
    augmenter, clean = Augmenter(config.augment, config.seed), clean_views(config.flips)
    if config.fine_tune.part == "whole":
        names = _keep_pictures(quick, work, team, progress)
        pictures = np.load(work / _PICTURES_FILE, mmap_mode="r")
        eye = Eye(quick.backbone.spec)
        return KeptPictures(pictures, names, eye, augmenter, clean, _averaged(config))
    found, store = quick.found, quick.store
    if store is not None:
        views = augmented_views(config.flips, augmenter, config.fine_tune.augmented_views)
        if views:
            further = store.work_on(found.places, len(clean))
            look(found.pictures, quick.backbone, config.threads, progress, views, further)
        store.close()
    team.wait()
    maps, pooled = open_maps(work)
    looks = len(found.looks)
    stored = (found.places[:, None] * looks + np.arange(looks)).ravel()
    return KeptMaps(maps, stored, pooled, _averaged(config))


def _averaged(config: TrainingConfig) -> int:
    return len(clean_views(config.flips)) if config.average_flips else 1


def _keep_pictures(quick: Quick, work: Path, team: Team, progress: Progress) -> list[str]:
    """Write every look of every picture at the network's size, (N, H, W, 3); return what tells them apart."""
    geometry, found = quick.backbone.geometry, quick.found
    shape = (len(quick.examples.labels), geometry.height_px, geometry.width_px, 3)
    if team.leads:
        pictures = np.lib.format.open_memmap(work / _PICTURES_FILE, "w+", np.uint8, shape)
        for place, picture in enumerate(found.pictures):
            seen, _ = read_part(picture, geometry)
            pictures[place * len(seen) : (place + 1) * len(seen)] = seen
            progress("pictures", place + 1, len(found.pictures))
        pictures.flush()
    team.wait()
    return [f"{picture.sha256} {look}" for picture in found.pictures for look in range(len(found.looks))]
