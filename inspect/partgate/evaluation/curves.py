"""Caught defects against false rejects at every limit, and the areas under both curves with their bounds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FINEST = 250  # steps per axis that a chart can show
_EACH_SIDE = 1.959963984540054  # standard normal, 97.5 %: both bounds together hold with 95 %
_STEPS = 60  # halvings of the interval 0..1


@dataclass(frozen=True, slots=True)
class Curve:
    """What each limit would do, from the strictest nobody reaches down to one that rejects every part.

    All arrays have shape (K,): one entry per different score, falling, after a first one above all of them.
    """

    reject_from: NDArray[np.float64]  # infinity where only parts without a score are rejected
    caught: NDArray[np.int64]  # defect parts with at least this score
    false_rejects: NDArray[np.int64]  # good parts with at least this score

    @property
    def n_defect(self) -> int:
        """Return how many defect parts there are."""
        return int(self.caught[-1])

    @property
    def n_good(self) -> int:
        """Return how many good parts there are."""
        return int(self.false_rejects[-1])


def trace_curve(scores: NDArray[np.float64], is_defect: NDArray[np.bool_]) -> Curve:
    """Return how many defect parts are caught and how many good ones rejected at every limit.

    Equal scores go over the limit together. A part without a score (NaN) is rejected whatever the limit is, as on the
    line, so the curve begins with those.

    Args:
        scores: Defect scores, shape (N,).
        is_defect: Truth, shape (N,).

    Source:
        Fawcett (2006), "An introduction to ROC analysis", Pattern Recognition Letters 27, algorithm 1; NaN: own.

    Example:
        >>> curve = trace_curve(np.array([0.9, 0.4, 0.4, np.nan]), np.array([True, True, False, False]))
        >>> curve.reject_from.tolist(), curve.caught.tolist(), curve.false_rejects.tolist()
        ([inf, 0.9, 0.4], [0, 1, 2], [1, 1, 2])
    """
    known = np.isfinite(scores)
    without = is_defect[~known]
    found, place = np.unique(-scores[known], return_inverse=True)
    caught = np.bincount(place, is_defect[known], len(found)).astype(np.int64)
    false_rejects = np.bincount(place, ~is_defect[known], len(found)).astype(np.int64)
    return Curve(
        np.concatenate([[np.inf], -found]),
        np.cumsum(np.concatenate([[int(without.sum())], caught])),
        np.cumsum(np.concatenate([[int((~without).sum())], false_rejects])),
    )


def area_under_roc(curve: Curve) -> float | None:
    """Return the chance that a random defect part scores higher than a random good part; ties count half.

    Returns:
        0..1, or ``None`` where one side is empty.

    Source:
        Hanley, McNeil (1982), "The meaning and use of the area under a ROC curve", Radiology 143 (trapezia).
    """
    if not curve.n_defect or not curve.n_good:
        return None
    caught = np.concatenate([[0], curve.caught]).astype(float)
    wide = np.diff(np.concatenate([[0], curve.false_rejects]))
    return float(((caught[1:] + caught[:-1]) / 2 * wide).sum() / (curve.n_defect * curve.n_good))


def average_precision(curve: Curve) -> float | None:
    """Return the mean share of defects among the rejected parts, over the limits at which each defect part is caught.

    Returns:
        0..1, or ``None`` without a defect part.

    Source:
        The step-wise sum of scikit-learn's ``average_precision_score``; no interpolation (Davis, Goadrich (2006), "The
        relationship between precision-recall and ROC curves", ICML).
    """
    if not curve.n_defect:
        return None
    rejected = curve.caught + curve.false_rejects
    precision = curve.caught / np.maximum(rejected, 1)
    return float((np.diff(np.concatenate([[0], curve.caught])) * precision).sum() / curve.n_defect)


def bound_area(area: float, n_defect: int, n_good: int) -> tuple[float, float]:
    """Return the two-sided 95 % bounds of the area under the ROC curve; never empty, not even at an area of 1.

    The true areas whose own standard error still makes the measured one plausible. Parts count as independent.

    Args:
        area: Measured, 0..1.
        n_defect: Defect parts, at least 1.
        n_good: Good parts, at least 1.

    Source:
        Newcombe (2006), "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2",
        Statistics in Medicine 25, method 5, on the standard error of Hanley, McNeil (1982); solved by bisection.

    Example:
        >>> [round(bound, 3) for bound in bound_area(1.0, 20, 20)]
        [0.899, 1.0]
    """
    middle = (n_defect + n_good) / 2 - 1

    def error(theta: float) -> float:
        spread = 1 + middle * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return math.sqrt(theta * (1 - theta) * spread / (n_defect * n_good))

    return _plausible(area, error)


def bound_average_precision(precision: float, n_defect: int) -> tuple[float, float]:
    """Return the two-sided 95 % bounds of the average precision, as of a share of the defect parts.

    Source:
        Boyd, Eng, Page (2013), "Area under the precision-recall curve: point estimates and confidence intervals", ECML
        PKDD (binomial interval), in the form of Wilson (1927), which is not empty at 1.

    Example:
        >>> [round(bound, 3) for bound in bound_average_precision(1.0, 20)]
        [0.839, 1.0]
    """
    return _plausible(precision, lambda theta: math.sqrt(theta * (1 - theta) / n_defect))


def _plausible(measured: float, error: Callable[[float], float]) -> tuple[float, float]:
    """Return the lowest and highest truth that lies within so many of its own standard errors of what was measured."""

    def edge(outer: float) -> float:
        inner = measured
        for _ in range(_STEPS):
            middle = (inner + outer) / 2
            if abs(middle - measured) <= _EACH_SIDE * error(middle):
                inner = middle
            else:
                outer = middle
        return inner

    return edge(0.0), edge(1.0)


def describe_curves(
    scores: NDArray[np.float64], is_defect: NDArray[np.bool_], limits: Sequence[float]
) -> dict[str, Any]:
    """Return the report's section on both curves; areas are null where good or defect parts are missing.

    Args:
        scores: Defect scores, shape (N,); NaN is rejected whatever the limit.
        is_defect: Truth, shape (N,).
        limits: Limits of the rule in force; the curve keeps a point at each.

    Returns:
        ``n_good``, ``n_defect``; ``points`` with ``reject_from`` (null above all scores), ``caught`` and
        ``false_rejects``, thinned to what a chart can show; ``chosen``, a point per limit; both areas with ``lower``
        and ``upper``.
    """
    curve = trace_curve(scores, is_defect)
    roc, precision = area_under_roc(curve), average_precision(curve) if curve.n_good else None
    return {
        "n_good": curve.n_good,
        "n_defect": curve.n_defect,
        "points": [_point(curve, index, curve.reject_from[index]) for index in _told_apart(curve)],
        "chosen": [_point(curve, int((curve.reject_from >= limit).sum()) - 1, limit) for limit in limits],
        "roc_area": None if roc is None else _with_bounds(roc, bound_area(roc, curve.n_defect, curve.n_good)),
        "average_precision": None
        if precision is None
        else _with_bounds(precision, bound_average_precision(precision, curve.n_defect)),
    }


def _with_bounds(value: float, bounds: tuple[float, float]) -> dict[str, float]:
    return {"value": value, "lower": bounds[0], "upper": bounds[1]}


def _point(curve: Curve, index: int, limit: float) -> dict[str, Any]:
    return {
        "reject_from": float(limit) if math.isfinite(limit) else None,
        "caught": int(curve.caught[index]),
        "false_rejects": int(curve.false_rejects[index]),
    }


def _told_apart(curve: Curve) -> list[int]:
    """Return the points that a chart can tell apart: corners of the steps, at least one step of the grid away."""
    share = np.stack([
        curve.caught / max(1, curve.n_defect),
        curve.false_rejects / max(1, curve.n_good),
        curve.caught / np.maximum(1, curve.caught + curve.false_rejects),
    ])  # fmt: skip
    kept = [0]
    for index in range(1, share.shape[1]):
        if np.abs(share[:, index] - share[:, kept[-1]]).max() >= 1 / _FINEST:
            kept.append(index)
    last = share.shape[1] - 1
    return kept if kept[-1] == last else [*kept, last]
