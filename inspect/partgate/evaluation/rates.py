"""Counts and rates over arrays: confusion matrix, exact bounds, AUROC. A rate never goes without its counts."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-9
"""Share by which a computed bound may lie above a limit and still be taken as equal to it."""

_STEPS = 200  # halvings of the interval 0..1 at most; it ends earlier where no float lies between


def upper_bound(events: int, trials: int, confidence: float = 0.95) -> float:
    """Return the exact one-sided upper bound of a rate: the largest rate that still gives so few events by chance.

    Args:
        events: How often it was seen, 0..trials.
        trials: Out of how many.
        confidence: One-sided.

    Returns:
        Rate between 0 and 1; 1 where every trial was an event or there was none.

    Raises:
        ValueError: If the counts are impossible.

    Source:
        Clopper, Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of the binomial",
        Biometrika 26; solved by bisection.

    Example:
        >>> round(upper_bound(0, 59), 3), round(upper_bound(3, 412), 4)
        (0.05, 0.0187)
    """
    _check_counts(events, trials)
    if trials == 0 or events == trials:
        return 1.0
    at_most = _at_most(events, trials)
    return bisect(lambda rate: at_most(rate) > 1 - confidence)


def lower_bound(events: int, trials: int, confidence: float = 0.95) -> float:
    """Return the exact one-sided lower bound of a rate; see :func:`upper_bound`.

    Example:
        >>> round(lower_bound(7, 149), 4)
        0.0223
    """
    _check_counts(events, trials)
    if events == 0:
        return 0.0
    at_most = _at_most(events - 1, trials)
    return bisect(lambda rate: 1 - at_most(rate) < 1 - confidence)


def _check_counts(events: int, trials: int) -> None:
    if not 0 <= events <= trials:
        raise ValueError(f"counts must satisfy 0 <= events <= trials, got {events} of {trials}")


def bisect(is_below: Callable[[float], bool], low: float = 0.0, high: float = 1.0) -> float:
    """Return where a claim that holds from ``low`` on stops to hold, as closely as floats can tell.

    Args:
        is_below: True up to the value that is looked for.
        low: Where the search begins.
        high: Where it ends.
    """
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def _at_most(events: int, trials: int) -> Callable[[float], float]:
    """Return a function: the binomial probability of at most so many events at a rate between 0 and 1."""
    k = np.arange(events + 1)
    ways = math.lgamma(trials + 1) - np.array([math.lgamma(n + 1) + math.lgamma(trials - n + 1) for n in range(len(k))])

    def chance(rate: float) -> float:
        logs = ways + k * math.log(rate) + (trials - k) * math.log1p(-rate)
        top = float(logs.max())
        return min(1.0, math.exp(top) * float(np.exp(logs - top).sum()))

    return chance


def chance_of_at_most(events: int, trials: int, rate: float) -> float:
    """Return the chance to see at most so many events where the true rate is ``rate`` (binomial).

    Example:
        >>> round(chance_of_at_most(0, 299, 0.005), 3), chance_of_at_most(0, 5, 0.0)
        (0.223, 1.0)
    """
    _check_counts(min(events, trials), trials)
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be between 0 and 1, got {rate}")
    if events >= trials or rate == 0:
        return 1.0
    return _at_most(events, trials)(rate) if rate < 1 else 0.0


def parts_needed(rate: float, errors: int = 0, confidence: float = 0.95) -> int:
    """Return how many different parts, with so many events among them, show that a rate is at most ``rate``.

    The smallest number whose upper bound is not above the rate.

    Args:
        rate: To be shown, between 0 and 1.
        errors: Events that may be seen.
        confidence: One-sided.

    Raises:
        ValueError: If the rate or the errors are impossible.

    Source:
        Clopper, Pearson (1934), as :func:`upper_bound`, solved for the number of trials.

    Example:
        >>> parts_needed(0.05), parts_needed(0.02), parts_needed(0.01), parts_needed(0.01, errors=1)
        (59, 149, 299, 473)
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must be between 0 and 1, got {rate}")
    if errors < 0:
        raise ValueError(f"errors must be 0 or more, got {errors}")

    def is_enough(parts: int) -> bool:
        return chance_of_at_most(errors, parts, rate) <= (1 - confidence) * (1 + ROUNDING)

    too_few, enough = errors, errors + 1
    while not is_enough(enough):
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if is_enough(middle) else (middle, enough)
    return enough


def confusion_matrix(truth: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> list[list[int]]:
    """Return counts: a row per true class, a column per predicted class, in the order of ``classes``.

    Example:
        >>> confusion_matrix(["dent", "good", "good"], ["good", "good", "good"], ["dent", "good"])
        [[0, 1], [0, 2]]
    """
    place = {name: i for i, name in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), int)
    for row, column in zip(truth, predicted, strict=True):
        matrix[place[row], place[column]] += 1
    return [[int(count) for count in row] for row in matrix]


def balanced_accuracy(matrix: Sequence[Sequence[int]]) -> float | None:
    """Return the mean recall over the classes that occur; ``None`` where none does.

    Example:
        >>> balanced_accuracy([[0, 1], [0, 2]])
        0.5
    """
    recalls = [row[i] / sum(row) for i, row in enumerate(matrix) if sum(row)]
    return sum(recalls) / len(recalls) if recalls else None


def auroc(scores: NDArray[np.floating], is_defect: NDArray[np.bool_]) -> float | None:
    """Return the chance that a random defect part scores higher than a random good part; ties count half.

    Args:
        scores: Defect scores, shape (N,).
        is_defect: Truth, shape (N,).

    Returns:
        0..1, or ``None`` where one side is empty.

    Source:
        Hanley, McNeil (1982), "The meaning and use of the area under a ROC curve", Radiology 143 (rank sum).

    Example:
        >>> auroc(np.array([0.1, 0.5, 0.5, 0.9]), np.array([False, False, True, True]))
        0.875
    """
    defects, goods = int(is_defect.sum()), int((~is_defect).sum())
    if not defects or not goods:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # mean rank of equal scores
    return float((ranks[is_defect].sum() - defects * (defects + 1) / 2) / (defects * goods))
