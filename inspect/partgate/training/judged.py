"""What pictures that were not learned from say: calibration, limits, cross-validated figures with their bounds."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from partgate.configfile import write_atomically
from partgate.data.folder import LabelledFolder
from partgate.evaluation.operating_points import worst_of_parts
from partgate.evaluation.rates import auroc, balanced_accuracy, confusion_matrix
from partgate.evaluation.threshold import choose_limits
from partgate.evaluation.threshold_words import ChosenLimits
from partgate.inference.inspector import to_prediction
from partgate.training.calibration import Calibration, fit_calibration
from partgate.training.config import TrainingConfig
from partgate.training.examples import Array, Examples, Rows, worst_rows
from partgate.training.features import FeatureSet

_DRAWS = 500  # of groups, for the interval
_INTERVAL = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Calibrated probabilities of pictures not learned from; of several looks those of the worst."""

    probabilities: Array  # (P, C)
    regions: tuple[str | None, ...]  # (P,) which look decided
    labels: Rows  # (P,)
    groups: NDArray[np.str_]  # (P,)
    parts: tuple[str, ...]  # (P,) a picture without one is a part of its own
    calibration: Calibration
    how: str  # the calibration came about, in a sentence


def calibrate(
    logits: Array, examples: Examples, of_picture: Rows, found: FeatureSet, folder: LabelledFolder,
    config: TrainingConfig,
) -> OutOfFold:  # fmt: skip
    """Return calibrated out-of-fold probabilities, a row per picture.

    Args:
        logits: Out-of-fold, a row per picture and look, shape (N, C).
        examples: The rows.
        of_picture: Label of each picture, shape (P,).
        found: Pictures and looks.
        folder: Classes.
        config: Seed and balance.
    """
    good = None if folder.good_class is None else folder.classes.index(folder.good_class)
    scores = np.zeros(len(logits)) if good is None else np.delete(logits, good, 1).max(1) - logits[:, good]
    worst = worst_rows(scores, examples.picture)
    groups = examples.groups[worst]
    weights = np.array([picture.weight for picture in found.pictures], float)
    calibration, _, how = fit_calibration(
        logits[worst], of_picture, weights, groups, examples.classes, good, config.head.class_balance, config.seed
    )
    looks = len(found.looks)
    regions = tuple(found.looks[row % looks] for row in worst)
    parts = tuple(picture.part or f"picture {picture.file}" for picture in found.pictures)
    return OutOfFold(calibration.apply(logits[worst]), regions, of_picture, groups, parts, calibration, how)


def find_limits(
    judged: OutOfFold, folder: LabelledFolder, config: TrainingConfig, exported: NDArray[np.float32] | None = None
) -> ChosenLimits:
    """Return limits for out-of-fold scores.

    Args:
        judged: Calibrated.
        folder: Classes.
        config: Wishes.
        exported: Probabilities that the exported model gave to further pictures, (N, C); no limit comes near their
            scores, so that the proof does not hang on the last digit of a float.
    """
    predictions = [to_prediction(row, folder.classes, folder.good_class) for row in judged.probabilities]
    if folder.good_class is None:
        predicted = np.array([folder.classes.index(one.predicted_class) for one in predictions])
        is_defect = predicted != judged.labels
    else:
        is_defect = judged.labels != folder.classes.index(folder.good_class)
    rows = [] if exported is None else list(exported)
    avoid = [to_prediction(row, folder.classes, folder.good_class).defect_score for row in rows]
    scores = worst_of_parts(np.array([one.defect_score for one in predictions]), is_defect, judged.parts)
    counted: Literal["part", "picture"] = "part" if len(set(judged.parts)) < len(judged.parts) else "picture"
    limits = choose_limits(scores.values, scores.is_defect, config.decision, avoid, chances=scores.values)
    limits = replace(limits, counted=counted)
    if folder.good_class is not None:
        return limits
    # Sorting knows sure and unsure; only a score that is no number is rejected.
    return replace(
        limits,
        reject_from=1.0,
        false_rejects=0,
        rechecks_good=limits.rechecks_good + limits.false_rejects,
        rechecks_defect=limits.n_defect - limits.escapes,
    )


def describe_limits(limits: ChosenLimits, is_gate: bool) -> str:
    """Return in a sentence what limits do to the pictures they were chosen on."""
    rechecks = limits.rechecks_good + limits.rechecks_defect
    if not is_gate:
        return f"{limits.escapes} of {limits.n_defect + limits.n_good} sorted wrong, {rechecks} rechecked"
    return (
        f"{limits.escapes} of {limits.n_defect} defect {limits.counted}s escape, "
        f"{limits.false_rejects} of {limits.n_good} good ones are rejected, {rechecks} rechecked"
    )


def cross_validated(judged: OutOfFold, folder: LabelledFolder, seed: int) -> dict[str, object]:
    """Return figures of cross-validation by group, each with the interval that drawing other groups would give.

    Source:
        Field, Welsh (2007), "Bootstrapping clustered data" (whole groups are drawn, with replacement).
    """
    names, members = np.unique(judged.groups, return_inverse=True)
    rows_of = [np.flatnonzero(members == place) for place in range(len(names))]
    rng = np.random.default_rng(seed)
    draws = [np.concatenate([rows_of[i] for i in rng.integers(len(names), size=len(names))]) for _ in range(_DRAWS)]
    everything = np.arange(len(judged.labels))
    figures: dict[str, object] = {"pictures": len(judged.labels), "groups": len(names)}
    for name, measure in (("auroc", _auroc), ("balanced_accuracy", _balanced)):
        value = measure(judged, folder, everything)
        drawn = [one for rows in draws if (one := measure(judged, folder, rows)) is not None]
        if value is not None and drawn:
            low, high = (float(edge) for edge in np.quantile(drawn, _INTERVAL))
            figures[name] = {"value": round(value, 4), "from": round(low, 4), "to": round(high, 4)}
    return figures | {"interval": "90 % by drawing groups"}


def _auroc(judged: OutOfFold, folder: LabelledFolder, rows: Rows) -> float | None:
    if folder.good_class is None:
        return None
    good = folder.classes.index(folder.good_class)
    return auroc(1 - judged.probabilities[rows, good], judged.labels[rows] != good)


def _balanced(judged: OutOfFold, folder: LabelledFolder, rows: Rows) -> float | None:
    """Return the mean recall of the class that is likeliest where all classes are equally frequent."""
    shares = np.bincount(judged.labels, minlength=len(folder.classes)) / len(judged.labels)
    likeliest = (judged.probabilities[rows] / np.maximum(shares, 1e-9)).argmax(1)
    names = folder.classes
    truth = [names[i] for i in judged.labels[rows]]
    return balanced_accuracy(confusion_matrix(truth, [names[i] for i in likeliest], names))


def write_out_of_fold(path: Path, judged: OutOfFold, found: FeatureSet, folder: LabelledFolder) -> None:
    """Write what each picture got from a model that had not seen it: ``partgate data check --run`` reads it.

    Raises:
        OSError: If the place is not writable or full.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        ["file", "sha256", "label", "group", "part", "defect_score", *(f"p_{name}" for name in folder.classes)]
    )
    for picture, row in zip(found.pictures, judged.probabilities, strict=True):
        score = to_prediction(row, folder.classes, folder.good_class).defect_score
        values = [f"{value:.6f}" for value in (score, *row)]
        rows.writerow([picture.file, picture.sha256, picture.label, picture.group, picture.part or "", *values])
    write_atomically(path, text.getvalue().encode())


def too_few(limits: ChosenLimits, is_gate: bool, enough: int) -> Sequence[str]:
    """Return a warning where chance decides much of the figures."""
    if not is_gate or min(limits.n_good, limits.n_defect) >= enough:
        return []
    return [
        f"learned from {limits.n_good} good and {limits.n_defect} defect {limits.counted}s: chance decides much of the "
        f"figures; from {enough} of each on they settle"
    ]
