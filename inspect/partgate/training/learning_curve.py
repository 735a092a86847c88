"""The learning curve: training on growing shares of the parts, and what twice the pictures would bring."""

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from partgate.data.folder import LabelledFolder
from partgate.data.groups import GroupSource
from partgate.evaluation.power_law import Outlook, look_ahead
from partgate.training.config import TrainingConfig
from partgate.training.distributed import Team
from partgate.training.examples import Array, Examples, Rows
from partgate.training.features import FeatureSet, Progress
from partgate.training.fine_tune import Tuned
from partgate.training.grouping import prepare_folder
from partgate.training.head import FittedHead, calibrated_loss, fit_head, fit_linear
from partgate.training.labels import make_examples
from partgate.training.learning_curve_draws import FEWEST_DRAWN, Bench, Measured
from partgate.training.learning_curve_measures import Trial
from partgate.training.look import look, open_backbone
from partgate.training.tuning import CHECKPOINT_FILE, Quick, choose, open_store, tune
from partgate.training.views import clean_views

SHARES = (0.125, 0.25, 0.5, 0.75, 1.0)
CLASS_SHARES = (0.125, 0.25, 0.5, 1.0)
FEW_SHARES = (0.25, 0.5, 1.0)  # where each point costs a fine-tuning
DRAWS, TUNED_DRAWS = 12, 2
_SHAKES = 200  # bootstrap draws
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Point:
    """One share, over all draws."""

    share: float
    size: float  # of what could be learned from: geometric mean over the classes that grow; 1 is all
    pictures: Mapping[str, float]  # learned from per class, mean over draws and folds
    errors: Mapping[str, Array]  # per measure (draws, 1 + B)


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve: all classes grow together, or one of them alone."""

    grown: str | None  # the class; None for all
    points: tuple[Point, ...]
    outlook: Mapping[str, Outlook]  # per measure


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """All curves of a folder."""

    folder: LabelledFolder
    source: GroupSource  # how it is known which pictures show the same part
    config: TrainingConfig
    tuned: bool  # the first curve is that of the fine-tuning
    draws: int
    folds: int
    measures: tuple[str, ...]  # the main one first
    curves: tuple[Curve, ...]  # all classes (with fine-tuning that first, then frozen), then each class alone
    pictures: Mapping[str, int]  # per class, without the test side
    groups: Mapping[str, int]
    all_groups: int  # those that show several classes counted once
    defect_groups: int  # of all defect classes together; 0 where no class is the good one
    notes: tuple[str, ...]


def trace_learning_curve(
    config: TrainingConfig, progress: Progress, draws: int | None = None, say: Say = lambda _: None
) -> LearningCurve:
    """Return how errors fall with the number of parts learned from; the test side is not looked at.

    Every draw cuts the groups into folds and takes a share of each class's groups. What is taken is learned from as in
    a training; each fold is tested by what was learned from the others, whole, so that all shares are tested on the
    same parts.

    Args:
        config: With ``fine_tune.part`` other than ``none`` the curve of all classes is fine-tuned at each point, which
            takes long; that of single classes rests on frozen features all the same.
        progress: Is told what is being done.
        draws: How often each share is drawn; by default 12, and 2 with fine-tuning.
        say: Is told how long the fine-tuning will take.

    Raises:
        DataError: If the data cannot be used.
        TrainingError: If weights are missing, or groups are too few for folds.
    """
    torch.set_num_threads(1)
    tunes = config.fine_tune.part != "none"
    data = prepare_folder(config, progress)
    folder = data.folder
    pictures = [picture for picture in folder.pictures if data.sides[picture.file] != "test"]
    with tempfile.TemporaryDirectory(prefix="partgate-curve-") as work:
        backbone = open_backbone(pictures, config)
        views = clean_views(config.flips)
        store = open_store(Path(work), pictures, backbone, config, Team())
        found = look(pictures, backbone, config.threads, progress, views, store)
        averaged = len(views) if config.average_flips else 1
        examples, of_picture = make_examples(found, folder, backbone.geometry, averaged, config.seed)
        trial = _trial(examples, of_picture, found, folder, config)
        # With fine-tuning as many folds as the smallest share has groups: its own folds are then the same.
        bench = Bench(config, trial, min(config.fine_tune.folds, FEWEST_DRAWN) if tunes else config.head.folds)
        curves = _frozen_curves(bench, folder, DRAWS if tunes else draws or DRAWS, progress)
        if tunes:
            head = fit_head(examples, config.head, config.seed, progress)
            tuner = _Tuner(Quick(config, backbone, found, examples, head, store), Path(work), progress)
            curves = [_tuned_curve(bench, tuner, folder, draws or TUNED_DRAWS, say), *curves]
    groups = {name: len({p.group for p in found.pictures if p.label == name}) for name in folder.classes}
    counts = {name: sum(p.label == name for p in found.pictures) for name in folder.classes}
    return LearningCurve(
        folder, data.source, config, tunes, draws or (TUNED_DRAWS if tunes else DRAWS), bench.folds, trial.measures,
        tuple(curves), counts, groups, len({p.group for p in found.pictures}),
        len({p.group for p in found.pictures if folder.good_class not in (None, p.label)}),
        (*data.notes, *found.unreadable),
    )  # fmt: skip


def _trial(
    examples: Examples, of_picture: Rows, found: FeatureSet, folder: LabelledFolder, config: TrainingConfig
) -> Trial:
    good = None if folder.good_class is None else folder.classes.index(folder.good_class)
    names, member = np.unique([picture.group for picture in found.pictures], return_inverse=True)
    shaken = np.random.default_rng(config.seed).multinomial(len(names), np.full(len(names), 1 / len(names)), _SHAKES)
    counted = np.concatenate([np.ones((1, len(names))), shaken]).astype(float)
    wishes = config.decision
    if wishes.defect_share is None and good is not None:  # that of all, however few are drawn of a class
        share = float(np.clip(np.mean(of_picture != good), 1e-6, 1 - 1e-6))
        wishes = wishes.model_copy(update={"defect_share": share})
    weights = np.array([picture.weight for picture in found.pictures], float)
    return Trial(examples, of_picture, weights, good, wishes, counted, member, config.head.class_balance)


def _frozen_curves(bench: Bench, folder: LabelledFolder, draws: int, progress: Progress) -> list[Curve]:
    """Return the curve of all classes and that of each class that has enough groups, on frozen features."""
    classes = range(len(folder.classes))
    grown = [label for label in classes if len(bench.cut(0)[1][label]) > FEWEST_DRAWN]
    steps, done = draws * (len(SHARES) + len(grown) * (len(CLASS_SHARES) - 1)), 0

    def row(label: int | None, share: float) -> list[Measured]:
        nonlocal done
        found = []
        for draw in range(draws):
            taken = bench.take(draw, [share if label in (None, one) else 1.0 for one in classes])
            found.append(bench.measure(draw, taken, bench.head(draw, taken, (label, share))[0]))
            done += 1
            progress("learning curve", done, steps)
        return found

    full = row(None, 1.0)
    return [
        _curve(folder, label, shares, [*(row(label, share) for share in shares[:-1]), full], bench.config.seed)
        for label, shares in [(None, SHARES), *((label, CLASS_SHARES) for label in grown)]
    ]


class _Tuner:
    """Fine-tunes on a share as a training would, and keeps what is better out of fold."""

    def __init__(self, known: Quick, work: Path, progress: Progress) -> None:
        self._known, self._work, self._progress = known, work, progress

    def logits(
        self, bench: Bench, draw: int, share: float, rounds: int | None = None
    ) -> tuple[NDArray[np.bool_], Array]:
        """Return which pictures were taken, (P,), and the out-of-fold logits, (N, C); all rounds unless told."""
        taken = bench.take(draw, [share] * bench.trial.examples.classes)
        logits, strength = bench.head(draw, taken, (None, share))
        examples, balance = bench.examples(taken), bench.config.head.class_balance
        linear = fit_linear(examples, np.arange(len(examples.labels)), strength, balance)
        head = FittedHead(linear, logits, calibrated_loss(logits, examples, balance), strength, bench.folds)
        given = bench.config.fine_tune
        rounds = rounds or _rounds(bench, share)
        patience = math.ceil(given.patience * rounds / given.epochs)
        plan = {"folds": bench.folds, "epochs": rounds, "patience": patience, "least_steps": 1}
        settings = given.model_copy(update=plan)
        config = bench.config.model_copy(update={"seed": bench.config.seed + draw, "fine_tune": settings})
        known = replace(self._known, config=config, examples=examples, head=head)
        (self._work / CHECKPOINT_FILE).unlink(missing_ok=True)  # of another share: nothing to go on from
        tuned = tune(known, self._work, Team(), self._progress, None)
        self._known = replace(self._known, store=None)  # the maps of all views are there now
        return taken, choose(known, tuned).out_of_fold if isinstance(tuned, Tuned) else logits


def _tuned_curve(bench: Bench, tuner: _Tuner, folder: LabelledFolder, draws: int, say: Say) -> Curve:
    """Return the curve of all classes with fine-tuning; says before how long it will take."""
    minutes = _estimate_s(bench, tuner) * draws / 60
    say(f"fine-tuning {draws * len(FEW_SHARES)} times on growing shares: at most about {max(1, round(minutes))} min")
    rows = [[bench.measure(draw, *tuner.logits(bench, draw, share)) for draw in range(draws)] for share in FEW_SHARES]
    return _curve(folder, None, FEW_SHARES, rows, bench.config.seed)


def _rounds(bench: Bench, share: float) -> int:
    """Return how many rounds a training on a share would plan: few pictures go round more often."""
    settings, rows = bench.config.fine_tune, share * len(bench.trial.examples.labels)
    steps = max(1, math.ceil(rows * (bench.folds - 1) / bench.folds / settings.batch_size))
    return max(settings.epochs, math.ceil(settings.least_steps / steps))


def _estimate_s(bench: Bench, tuner: _Tuner) -> float:
    """Return how many seconds the fine-tunings of one draw take at most, by two short ones on the smallest share."""
    smallest, took = FEW_SHARES[0], {}
    for rounds in (1, 1, 3):  # the first one makes the maps of all views and is not counted
        began = time.monotonic()
        tuner.logits(bench, 0, smallest, rounds)
        took[rounds] = time.monotonic() - began
    per_round = max(0.0, took[3] - took[1]) / 2
    fixed = max(0.0, took[1] - per_round)
    return sum(
        fixed + per_round * _rounds(bench, share) * _work(bench, share) / _work(bench, smallest) for share in FEW_SHARES
    )


def _work(bench: Bench, share: float) -> float:
    """Return how many rows a round goes over: those learned from, and a third for each that is judged."""
    rows = len(bench.trial.examples.labels)
    return share * rows * (bench.folds - 1) + rows / 3


def _curve(
    folder: LabelledFolder, label: int | None, shares: Sequence[float], rows: Sequence[Sequence[Measured]], seed: int
) -> Curve:
    """Return a curve of what was measured, (shares, draws); shares that came to the same number of pictures are one."""
    all_ = np.mean([one.pictures for one in rows[-1]], 0)
    points: list[Point] = []
    for share, row in zip(shares, rows, strict=True):
        pictures = np.mean([one.pictures for one in row], 0)
        which = slice(None) if label is None else slice(label, label + 1)
        size = float(np.exp(np.mean(np.log(np.maximum(pictures[which], 1e-9) / np.maximum(all_[which], 1e-9)))))
        errors = {name: np.stack([one.errors[name] for one in row]) for name in row[0].errors}
        point = Point(share, size, dict(zip(folder.classes, map(float, pictures), strict=True)), errors)
        if points and point.size < points[-1].size * 1.05:
            points.pop()  # too few groups to tell two shares apart: the larger one counts
        points.append(point)
    sizes = np.array([point.size for point in points])
    outlook = {
        name: look_ahead(sizes, np.stack([point.errors[name] for point in points], 1), seed)
        for name in points[-1].errors
    }
    return Curve(None if label is None else folder.classes[label], tuple(points), outlook)
