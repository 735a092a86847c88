"""What a rule does to scored parts: counts at a pair of limits, what that costs, and the curve over all limits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partgate.evaluation.rates import lower_bound, upper_bound
from partgate.wishes import Cost, Wishes

PER = 1000  # parts that money is told for
_MOST_POINTS = 60  # of a curve; more cannot be told apart on a page


@dataclass(frozen=True, slots=True)
class PartScores:
    """The score that stands for each part, and its truth."""

    values: NDArray[np.float64]  # (P,) between 0 and 1
    is_defect: NDArray[np.bool_]  # (P,) in sorting by class: the most likely class is wrong


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A pair of limits and what they did to parts."""

    recheck_from: float
    reject_from: float
    n_good: int
    n_defect: int
    escapes: int  # defect parts that pass
    false_rejects: int  # good parts that are rejected
    rechecks_good: int
    rechecks_defect: int


@dataclass(frozen=True, slots=True)
class Money:
    """What mistakes and rechecks cost per 1,000 parts, in the currency of the cost."""

    value: float  # by what was counted
    low: float  # by the one-sided 95 % lower bounds of all rates
    high: float  # by their upper bounds


def worst_of_parts(scores: NDArray[np.float64], is_defect: NDArray[np.bool_], parts: Sequence[str]) -> PartScores:
    """Return one score per part: a part with several pictures is as bad as the worst of them.

    Args:
        scores: One per picture, shape (N,).
        is_defect: Truth of each, shape (N,); that of the worst picture stands for the part.
        parts: Which part each picture shows.

    Example:
        >>> worst_of_parts(np.array([0.1, 0.7, 0.2]), np.array([False, False, True]), ["a", "a", "b"]).values.tolist()
        [0.7, 0.2]
    """
    worst: dict[str, int] = {}
    for row, part in enumerate(parts):
        if part not in worst or scores[row] > scores[worst[part]]:
            worst[part] = row
    rows = list(worst.values())
    return PartScores(np.asarray(scores, float)[rows], np.asarray(is_defect, bool)[rows])


def count_at(scores: PartScores, recheck_from: float, reject_from: float) -> OperatingPoint:
    """Return what a pair of limits does to parts."""
    values, is_defect = scores.values, scores.is_defect
    passes, rejected = values < recheck_from, values >= reject_from
    between = ~passes & ~rejected
    return OperatingPoint(
        recheck_from,
        reject_from,
        n_good=int((~is_defect).sum()),
        n_defect=int(is_defect.sum()),
        escapes=int((passes & is_defect).sum()),
        false_rejects=int((rejected & ~is_defect).sum()),
        rechecks_good=int((between & ~is_defect).sum()),
        rechecks_defect=int((between & is_defect).sum()),
    )


def price(point: OperatingPoint, cost: Cost, defect_share: float) -> Money | None:
    """Return what a rule costs per 1,000 parts; ``None`` where that cannot be said.

    That is so where good or defect parts are missing, and where parts are rechecked but a recheck has no price. A
    defect part that is rejected costs nothing: it is due to be.

    Args:
        point: Counts on parts that the model has not learned from.
        cost: Of each mistake.
        defect_share: Of the parts on the line, 0..1.
    """
    rechecks = point.rechecks_good + point.rechecks_defect
    if not point.n_good or not point.n_defect or (rechecks and cost.recheck is None):
        return None
    recheck = cost.recheck or 0.0
    terms = (
        (point.escapes, point.n_defect, defect_share * cost.escape),
        (point.rechecks_defect, point.n_defect, defect_share * recheck),
        (point.false_rejects, point.n_good, (1 - defect_share) * cost.false_reject),
        (point.rechecks_good, point.n_good, (1 - defect_share) * recheck),
    )
    value, low, high = (
        PER * sum(weight * rate(k, n) for k, n, weight in terms if weight)
        for rate in (lambda k, n: k / n, lower_bound, upper_bound)
    )
    return Money(value, low, high)


def share_on_line(scores: PartScores, wishes: Wishes) -> float:
    """Return the share of defect parts that costs are worked out for: the wished one, else that of the parts."""
    return float(scores.is_defect.mean()) if wishes.defect_share is None else wishes.defect_share


def trace_curve(scores: PartScores, wishes: Wishes) -> tuple[OperatingPoint, ...]:
    """Return the rules that could be chosen, from letting no defect part pass to letting all pass.

    For each number of escapes the mildest lower limit; the upper one is the cheapest where a recheck has a price, else
    the same. Of many points, about sixty evenly spread over the escapes.

    Args:
        scores: Of parts that the model has not learned from.
        wishes: Cost and defect share; wanted rates and promises play no part.
    """
    defects, distinct = np.sort(scores.values[scores.is_defect]), np.unique(scores.values)
    points: dict[int, OperatingPoint] = {}
    for step in np.unique(np.linspace(0, len(defects), min(_MOST_POINTS, len(defects) + 1)).astype(int)):
        if step == len(defects):
            recheck_from = 1.0
        else:
            below = distinct[distinct < defects[step]]
            recheck_from = float(defects[step] + (below[-1] if len(below) else 0.0)) / 2
        point = count_at(scores, recheck_from, _cheapest_reject_from(scores, recheck_from, wishes))
        points.setdefault(point.escapes, point)
    return tuple(points[escapes] for escapes in sorted(points))


def _cheapest_reject_from(scores: PartScores, recheck_from: float, wishes: Wishes) -> float:
    """Return the upper limit that costs least above a given lower one; the same where a recheck has no price."""
    cost = wishes.cost
    if cost.recheck is None:
        return recheck_from
    above = np.unique(scores.values[scores.values >= recheck_from])
    limits = np.concatenate([[recheck_from], (above[:-1] + above[1:]) / 2, [1.0]])
    defects, goods = np.sort(scores.values[scores.is_defect]), np.sort(scores.values[~scores.is_defect])
    share = share_on_line(scores, wishes)
    rechecked = np.searchsorted(defects, limits, "left") / max(1, len(defects))
    rejected = (len(goods) - np.searchsorted(goods, limits, "left")) / max(1, len(goods))
    paid = share * cost.recheck * rechecked + (1 - share) * (cost.false_reject - cost.recheck) * rejected
    return float(limits[int(np.argmin(paid))])
