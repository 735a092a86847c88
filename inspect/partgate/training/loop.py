"""From labelled folder to bundle and recipe, in one order of events that can be read top to bottom."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from partgate.data.folder import LabelledFolder, Picture, count_classes, read_folder
from partgate.data.labels_csv import SPLITS
from partgate.data.split import SPLIT_FILE, split_pictures, write_split
from partgate.errors import DataError, TrainingError
from partgate.evaluation.threshold import ChosenLimits, choose_limits
from partgate.inference.bundle import Bundle, Geometry, read_bundle, write_bundle
from partgate.inference.engine import PROBABILITIES, OnnxEngine
from partgate.inference.inspector import to_prediction
from partgate.models.classifier import Classifier
from partgate.models.export import Proof, export_onnx, prove_equal
from partgate.parts import Image
from partgate.recipe import Limits, Recipe, save_recipe
from partgate.training.config import TrainingConfig
from partgate.training.features import FeatureSet, Progress, read_part
from partgate.training.head import Examples, FittedHead, fit_head
from partgate.training.look import look
from partgate.training.outcome import describe_bundle, first_recipe, write_facts

BUNDLE_FILE, RECIPE_FILE, FACTS_FILE = "model.partgate", "recipe.yaml", "training.json"
_ENOUGH = 50  # pictures of each side; with five the draw alone moved accuracy by nine points on ELPV


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training left behind."""

    run: Path
    bundle: Bundle
    recipe: Recipe
    limits: ChosenLimits
    sides: Mapping[str, int]  # pictures per side
    notes: tuple[str, ...]


def train(config: TrainingConfig, run: Path, progress: Progress) -> TrainingResult:
    """Learn from a labelled folder and leave bundle, recipe, split and facts in ``run``.

    Everything is written into ``<run>.unfinished`` and renamed at the end, so a run folder is always whole.

    Args:
        config: What to learn from and how.
        run: Folder that does not exist yet.
        progress: Is told what is being done.

    Raises:
        DataError: If the data cannot be used.
        TrainingError: If the run exists, weights are missing, or the exported model is not the trained one.
    """
    started = datetime.now(UTC)
    torch.set_num_threads(1)  # pictures are worked on in parallel; threads inside one would wait for each other
    with _whole_or_nothing(run) as unfinished:
        folder = read_folder(config.data, config.good_class, independent=config.groups == "ignore")
        sides, split_notes = split_pictures(folder, config.split.model_dump(), config.seed, config.stratify_by)
        write_split(unfinished / SPLIT_FILE, folder, sides)

        seen = look([picture for picture in folder.pictures if sides[picture.file] != "test"], config, progress)
        _check_enough(folder, seen.found)
        examples = _examples(seen.found, folder.classes)
        head = fit_head(examples, config.head, config.seed, progress)

        progress("export", 0, 1)
        model = Classifier(seen.network, head.weight, head.bias)
        onnx = export_onnx(model, seen.geometry.height_px, seen.geometry.width_px, model.output_names)
        progress("export", 1, 1)
        validation = [picture for picture in seen.found.pictures if sides[picture.file] == "validation"]
        exported = _run(OnnxEngine(onnx), validation, seen.geometry, config.threads)
        limits = _limits(config, folder, examples, head, exported)
        proof = _prove(model, exported, validation, seen.geometry, folder, limits, progress)

        manifest = describe_bundle(config, folder, seen.found, seen.geometry, seen.backbone, proof, started)
        write_bundle(unfinished / BUNDLE_FILE, manifest, onnx)
        bundle = replace(read_bundle(unfinished / BUNDLE_FILE), path=run / BUNDLE_FILE)
        recipe = first_recipe(config, folder, seen.found, bundle, limits)
        save_recipe(recipe, unfinished / RECIPE_FILE, BUNDLE_FILE)
        few = _few(limits, folder.good_class is not None)
        notes = [*folder.notes, *split_notes, *few, *limits.warnings, *seen.found.unreadable]
        write_facts(unfinished / FACTS_FILE, config, folder, sides, head, limits, proof, notes, started)
    counts = {side: sum(value == side for value in sides.values()) for side in SPLITS}
    return TrainingResult(run, bundle, recipe, limits, counts, tuple(notes))


@contextmanager
def _whole_or_nothing(run: Path) -> Iterator[Path]:
    """Give a folder beside ``run`` that takes its name at the end, or is removed where anything stops the training."""
    unfinished = _open_run(run)
    try:
        yield unfinished
        os.replace(unfinished, run)
    except OSError as error:
        raise TrainingError(f"{run}: cannot be written: {error.strerror or error}; nothing was left there") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _few(limits: ChosenLimits, is_gate: bool) -> list[str]:
    if not is_gate or min(limits.n_good, limits.n_defect) >= _ENOUGH:
        return []
    return [
        f"learned from {limits.n_good} good and {limits.n_defect} defect pictures: chance decides much of the figures; "
        f"from {_ENOUGH} of each on they settle"
    ]


def _open_run(run: Path) -> Path:
    if run.exists():
        raise TrainingError(f"{run}: exists already; name another folder or remove it")
    unfinished = run.with_name(f"{run.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a training that was killed
        unfinished.mkdir(parents=True)
    except OSError as error:
        raise TrainingError(f"{run}: cannot be written: {error.strerror}; name a folder on a writable disk") from error
    return unfinished


def _check_enough(folder: LabelledFolder, found: FeatureSet) -> None:
    left = count_classes(found.pictures)
    missing = [name for name in folder.classes if not left[name]]
    if missing:
        shown = "\n".join(found.unreadable[:5])
        raise DataError(
            f"{folder.folder}: no readable training picture of class {', '.join(missing)}\n{shown}".rstrip()
        )


def _examples(found: FeatureSet, classes: Sequence[str]) -> Examples:
    place = {name: i for i, name in enumerate(classes)}
    return Examples(
        found.features,
        np.array([place[picture.label] for picture in found.pictures]),
        np.array([picture.group for picture in found.pictures]),
        np.array([picture.weight for picture in found.pictures], float),
        len(classes),
    )


def _fitted(pictures: Sequence[Picture], geometry: Geometry) -> Iterator[Image]:
    for picture in pictures:
        yield read_part(picture, geometry)[0]


def _run(engine: OnnxEngine, pictures: Sequence[Picture], geometry: Geometry, threads: int) -> NDArray[np.float32]:
    """Return the exported model's probabilities, (N, C)."""
    with ThreadPoolExecutor(threads) as pool:
        rows = pool.map(lambda picture: engine.run(read_part(picture, geometry)[0], (PROBABILITIES,))[0], pictures)
        return np.array(list(rows), np.float32)


def _limits(
    config: TrainingConfig, folder: LabelledFolder, examples: Examples, head: FittedHead,
    exported: NDArray[np.float32],
) -> ChosenLimits:  # fmt: skip
    """Choose limits on out-of-fold scores, which run through the exported graph's features.

    The exported model's own scores of validation pictures are kept at a distance, so that the proof does not hang on
    the last digit of a float.
    """
    judged = [to_prediction(row, folder.classes, folder.good_class) for row in head.out_of_fold]
    if folder.good_class is None:
        predicted = np.array([folder.classes.index(one.predicted_class) for one in judged])
        is_defect = predicted != examples.labels
    else:
        is_defect = examples.labels != folder.classes.index(folder.good_class)
    avoid = [to_prediction(row, folder.classes, folder.good_class).defect_score for row in exported]
    scores = np.array([one.defect_score for one in judged])
    limits = choose_limits(scores, is_defect, config.decision, avoid, chances=scores)
    if folder.good_class is not None:
        return limits
    # Sorting knows sure and unsure; only a score that is no number is rejected.
    unsure = limits.rechecks_good + limits.false_rejects, limits.n_defect - limits.escapes
    return ChosenLimits(
        limits.recheck_from,
        1.0,
        limits.n_good,
        limits.n_defect,
        limits.escapes,
        0,
        *unsure,
        limits.how,
        limits.warnings,
    )


def _prove(
    model: Classifier, exported: NDArray[np.float32], validation: Sequence[Picture], geometry: Geometry,
    folder: LabelledFolder, limits: ChosenLimits, progress: Progress,
) -> Proof:  # fmt: skip
    def fitted() -> Iterator[Image]:
        for done, picture in enumerate(validation, start=1):
            yield read_part(picture, geometry)[0]
            progress("proof", done, len(validation))

    rule = Limits(recheck_from=limits.recheck_from, reject_from=limits.reject_from).rule()
    return prove_equal(model, exported, fitted(), rule, folder.classes, folder.good_class)
