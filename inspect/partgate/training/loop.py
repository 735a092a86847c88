"""From labelled folder to bundle and recipe, in one order of events that can be read top to bottom."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from partgate import __version__
from partgate.data.doubts import OUT_OF_FOLD_FILE
from partgate.data.folder import LabelledFolder, Picture
from partgate.data.labels_csv import SPLITS
from partgate.data.split import SPLIT_FILE, write_split
from partgate.evaluation.threshold_words import ChosenLimits
from partgate.inference.bundle import Bundle, Geometry, read_bundle, write_bundle
from partgate.inference.engine import PROBABILITIES, OnnxEngine
from partgate.inference.outputs import keep_outputs
from partgate.models.classifier import Classifier
from partgate.models.export import Proof, export_onnx, prove_equal
from partgate.models.registry import find_backbone
from partgate.parts import Image
from partgate.recipe import Limits, Recipe, save_recipe
from partgate.training.augment import check_transforms
from partgate.training.config import TrainingConfig
from partgate.training.curves import TENSORBOARD_FOLDER, check_tensorboard, write_curves
from partgate.training.distributed import Team, team_of_torchrun
from partgate.training.features import Progress, read_part
from partgate.training.grouping import Prepared, prepare_folder
from partgate.training.judged import find_limits, too_few, write_out_of_fold
from partgate.training.learn import Say, learn
from partgate.training.model import make_classifier
from partgate.training.outcome import Story, describe_bundle, first_recipe, write_facts
from partgate.training.page import PAGE_FILE, write_page
from partgate.training.run_folder import WORK_FOLDER, check_free, run_folder
from partgate.training.tuning import Kind

BUNDLE_FILE, RECIPE_FILE, FACTS_FILE = "model.partgate", "recipe.yaml", "training.json"
_ENOUGH = 50  # pictures of each side; with five the draw alone moved accuracy by nine points on ELPV


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training left behind."""

    run: Path
    bundle: Bundle
    recipe: Recipe
    limits: ChosenLimits
    kind: Kind  # what the model is made of
    sides: Mapping[str, int]  # pictures per side
    notes: tuple[str, ...]


def train(config: TrainingConfig, run: Path, progress: Progress, say: Say = lambda _: None) -> TrainingResult | None:
    """Learn from a labelled folder and leave bundle, recipe, split and facts in ``run``.

    Everything is written into ``<run>.unfinished`` and renamed at the end, so a run folder is always whole. A training
    that was killed goes on from its last round when it is started again.

    Args:
        config: What to learn from and how.
        run: Folder that does not exist yet.
        progress: Is told what is being done.
        say: Is told in a sentence what the quick model reaches, before fine-tuning begins.

    Returns:
        What was made; ``None`` in all processes of torchrun but the first.

    Raises:
        ConfigError: If the backbone or a transform is unknown.
        DataError: If the data cannot be used.
        TrainingError: If the run exists, weights are missing, or the exported model is not the trained one.
    """
    started, began = datetime.now(UTC), time.monotonic()
    torch.set_num_threads(1)  # pictures and folds are worked on in parallel; threads inside one would wait for others
    find_backbone(config.backbone)
    check_transforms(config.augment, "training file")
    check_tensorboard(config)
    check_free(run)
    with team_of_torchrun() as team:
        shown: Progress = progress if team.leads else lambda step, done, total: None
        data = prepare_folder(config, shown)
        with run_folder(run, _fingerprint(config, data), team) as unfinished:
            return _train(config, run, unfinished, data, team, _Clock(started, began), shown, say)


@dataclass(frozen=True, slots=True)
class _Clock:
    started: datetime
    began: float

    def left(self, minutes: float | None) -> float | None:
        """Return the seconds that are left of a budget."""
        return None if minutes is None else 60 * minutes - (time.monotonic() - self.began)


def _train(
    config: TrainingConfig, run: Path, unfinished: Path, data: Prepared, team: Team, clock: _Clock,
    progress: Progress, say: Say,
) -> TrainingResult | None:  # fmt: skip
    folder, sides = data.folder, data.sides
    pictures = [picture for picture in folder.pictures if sides[picture.file] != "test"]
    work, left = unfinished / WORK_FOLDER, partial(clock.left, config.budget_minutes)
    learned = learn(pictures, folder, config, work, team, progress, say, left)
    if not team.leads:
        return None

    # export, limits, proof
    found, judged, geometry = learned.found, learned.judged, learned.backbone.geometry
    progress("export", 0, 1)
    model = make_classifier(learned.backbone, learned.choice, judged.calibration, folder, config)
    onnx = export_onnx(model, geometry.height_px, geometry.width_px, model.output_names)
    progress("export", 1, 1)
    proven = [picture for picture in found.pictures if sides[picture.file] == "validation"] or list(found.pictures)
    live = keep_outputs(onnx, (PROBABILITIES,))  # what the line runs is what is proven
    exported = _run(OnnxEngine(live), proven, geometry, config.threads)
    limits = find_limits(judged, folder, config, exported)
    proof = _prove(model, exported, proven, geometry, folder, limits, progress)

    # what the run leaves
    write_split(unfinished / SPLIT_FILE, folder, sides)
    write_out_of_fold(unfinished / OUT_OF_FOLD_FILE, judged, found, folder)
    manifest = describe_bundle(config, folder, found, geometry, learned.backbone.facts, proof, clock.started)
    write_bundle(unfinished / BUNDLE_FILE, manifest, onnx)
    bundle = replace(read_bundle(unfinished / BUNDLE_FILE), path=run / BUNDLE_FILE)
    recipe = first_recipe(config, folder, found, bundle, limits)
    save_recipe(recipe, unfinished / RECIPE_FILE, BUNDLE_FILE)
    few = too_few(limits, folder.good_class is not None, _ENOUGH)
    notes = (*data.notes, *few, *limits.warnings, *learned.notes, *found.unreadable)
    story = Story(config, folder, sides, learned, limits, proof, notes, clock.started, data.source)
    write_facts(unfinished / FACTS_FILE, story)
    write_page(unfinished / PAGE_FILE, story, run.name)
    write_curves(unfinished / TENSORBOARD_FOLDER, story)
    counts = {side: sum(value == side for value in sides.values()) for side in SPLITS}
    return TrainingResult(run, bundle, recipe, limits, learned.choice.kind, counts, notes)


def _fingerprint(config: TrainingConfig, data: Prepared) -> str:
    """Return what a stopped training must have in common with this one to be gone on from."""
    rows = [(one.file, one.sha256, one.label, one.group, one.weight, sorted(one.columns.items()), data.sides[one.file])
            for one in data.folder.pictures]  # fmt: skip
    facts = f"{config.model_dump_json()} {rows} {__version__} {torch.__version__}"
    return hashlib.sha256(facts.encode()).hexdigest()


def _run(engine: OnnxEngine, pictures: Sequence[Picture], geometry: Geometry, threads: int) -> NDArray[np.float32]:
    """Return the exported model's probabilities, a row per picture and look, (N, C)."""

    def run(picture: Picture) -> list[NDArray[np.float32]]:
        return [engine.run(seen, (PROBABILITIES,))[0] for seen in read_part(picture, geometry)[0]]

    with ThreadPoolExecutor(threads) as pool:
        return np.array([row for rows in pool.map(run, pictures) for row in rows], np.float32)


def _prove(
    model: Classifier, exported: NDArray[np.float32], pictures: Sequence[Picture], geometry: Geometry,
    folder: LabelledFolder, limits: ChosenLimits, progress: Progress,
) -> Proof:  # fmt: skip
    def fitted() -> Iterator[Image]:
        for done, picture in enumerate(pictures, start=1):
            yield from read_part(picture, geometry)[0]
            progress("proof", done, len(pictures))

    rule = Limits(recheck_from=limits.recheck_from, reject_from=limits.reject_from).rule()
    return prove_equal(model, exported, fitted(), rule, folder.classes, folder.good_class)
