"""What out-of-fold logits of one draw amount to: AUROC or balanced accuracy, and mistakes at a limit chosen without."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partgate.evaluation.threshold import choose_limits
from partgate.training.calibration import fit_temperature
from partgate.training.examples import Array, Examples, Fold, Rows, worst_rows
from partgate.wishes import Wishes

GATE_MEASURES = ("auroc", "escape_rate", "false_reject_rate")
SORTING_MEASURES = ("balanced_accuracy",)
RATES = ("escape_rate", "false_reject_rate")  # lower is better; of the others an error is what lacks to 1


@dataclass(frozen=True, slots=True)
class Trial:
    """What all draws are tested on."""

    examples: Examples
    of_picture: Rows  # (P,) label of each picture
    weights: Array  # (P,) of the pictures, from labels.csv
    good: int | None  # index of the good class; None sorts by class
    wishes: Wishes  # with a defect share: the limit hangs on it, not on how many were drawn of each class
    counted: Array  # (1 + B, G) how often each group is counted: once, then as B bootstrap draws count it
    member: Rows  # (P,) which group a picture belongs to
    is_balanced: bool

    @property
    def measures(self) -> tuple[str, ...]:
        """Return what is measured, the main one first."""
        return SORTING_MEASURES if self.good is None else GATE_MEASURES


def measure(logits: Array, drawn: NDArray[np.bool_], folds: Sequence[Fold], trial: Trial) -> dict[str, Array]:
    """Return errors by measure, each (1 + B,): as counted, and over bootstrap draws of the tested groups.

    Calibration and limit of each fold come from the drawn pictures of the others, so that neither has seen a tested
    part. NaN where a side has no part.

    Args:
        logits: Out-of-fold, a row per picture and look, shape (N, C).
        drawn: Pictures that were there to learn from, shape (P,).
        folds: By which the logits were made.
        trial: Truth and groups.
    """
    examples, good = trial.examples, trial.good
    margin = np.zeros(len(logits)) if good is None else np.delete(logits, good, 1).max(1) - logits[:, good]
    worst = worst_rows(margin, examples.picture)  # (P,) one row stands for each picture
    sums = _Sums(trial)
    for fold in folds:
        tested = np.isin(worst, fold.held_out)
        known = drawn & ~tested & (trial.weights > 0)
        if len(np.unique(trial.of_picture[known])) < 2:
            continue  # nothing could be learned: neither right nor wrong
        rows = worst[known]
        labels, weights = trial.of_picture[known], trial.weights[known]
        calibration, _ = fit_temperature(logits[rows], labels, weights, examples.classes, trial.is_balanced)
        likely = calibration.apply(logits[worst])  # (P, C)
        if good is None:
            shares = np.bincount(labels, minlength=examples.classes) / len(labels)
            sums.add_sorted((likely / np.maximum(shares, 1e-9)).argmax(1), tested)
        else:
            scores = np.minimum(np.delete(likely, good, 1).sum(1), 1.0)
            limits = choose_limits(scores[known], labels != good, trial.wishes, chances=scores[known])
            sums.add_gated(scores, margin[worst], limits.recheck_from, limits.reject_from, tested)
    return sums.errors()


class _Sums:
    """Counts over folds, each (1 + B,)."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._times = trial.counted[:, trial.member]  # (1 + B, P)
        length = len(trial.counted)
        self._wins, self._pairs = np.zeros(length), np.zeros(length)
        self._events = {name: np.zeros(length) for name in RATES}
        self._parts = {name: np.zeros(length) for name in RATES}
        self._hits = np.zeros((trial.examples.classes, length))
        self._of_class = np.zeros((trial.examples.classes, length))

    def add_gated(
        self, scores: Array, margin: Array, recheck_from: float, reject_from: float, tested: NDArray[np.bool_]
    ) -> None:
        """Count a fold's tested pictures; pairs of good and defect are compared within a fold, under one model."""
        is_defect = self._trial.of_picture != self._trial.good
        defect, good = tested & is_defect, tested & ~is_defect
        of_defect, of_good = self._times[:, defect], self._times[:, good]
        higher = np.sign(margin[defect][:, None] - margin[good]) / 2 + 0.5  # ties count half
        self._wins += ((of_defect @ higher) * of_good).sum(1)
        self._pairs += of_defect.sum(1) * of_good.sum(1)
        self._events["escape_rate"] += self._times[:, defect & (scores < recheck_from)].sum(1)
        self._parts["escape_rate"] += of_defect.sum(1)
        self._events["false_reject_rate"] += self._times[:, good & (scores >= reject_from)].sum(1)
        self._parts["false_reject_rate"] += of_good.sum(1)

    def add_sorted(self, likeliest: Rows, tested: NDArray[np.bool_]) -> None:
        """Count a fold's tested pictures by class."""
        for label in range(self._trial.examples.classes):
            of_class = tested & (self._trial.of_picture == label)
            self._hits[label] += self._times[:, of_class & (likeliest == label)].sum(1)
            self._of_class[label] += self._times[:, of_class].sum(1)

    def errors(self) -> dict[str, Array]:
        """Return what was counted as errors between 0 and 1."""
        with np.errstate(invalid="ignore", divide="ignore"):
            if self._trial.good is None:
                recalls = self._hits / self._of_class
                seen = np.isfinite(recalls)
                return {"balanced_accuracy": 1 - np.where(seen, recalls, 0).sum(0) / seen.sum(0)}
            rates = {name: self._events[name] / self._parts[name] for name in RATES}
            return {"auroc": 1 - self._wins / self._pairs} | rates
