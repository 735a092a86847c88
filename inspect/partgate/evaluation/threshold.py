"""Limits from scores: the cheapest, or those that keep a wanted rate; each midway between neighbouring scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from partgate.configfile import Settings
from partgate.evaluation.rates import parts_needed, upper_bound

_TOO_MUCH = 0.2  # a wish that drives the other rate beyond a fifth is told to the user
_NEAR = 1e-3  # ten times what trained and exported scores may differ by
_NARROWEST = 1e-5  # between closer scores no limit is put: float noise would decide
Rate = Annotated[float, Field(ge=0, le=1)]


class Wishes(Settings):
    """What the limits are to achieve."""

    cost_ratio: float = Field(default=10, gt=0, description="an escape costs as much as so many false rejects")
    defect_share: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="share of defect parts on the line, 0..1; null takes the share in the data"
    )
    max_escape_rate: Rate | None = Field(default=None, description="wanted escapes / defect parts; sets recheck_from")
    max_false_reject_rate: Rate | None = Field(
        default=None, description="wanted false rejects / good parts; sets reject_from"
    )


@dataclass(frozen=True, slots=True)
class ChosenLimits:
    """Limits and what they did to the parts they were chosen on."""

    recheck_from: float
    reject_from: float
    n_good: int
    n_defect: int
    escapes: int  # defect parts below recheck_from
    false_rejects: int  # good parts from reject_from upwards
    rechecks_good: int
    rechecks_defect: int
    how: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Every limit that tells the parts apart differently, from mild to strict in no one's favour."""

    low: NDArray[np.float64]  # neighbouring score below
    high: NDArray[np.float64]  # neighbouring score above
    escapes: NDArray[np.int64]
    false_rejects: NDArray[np.int64]
    expected_escapes: NDArray[np.float64]  # the same by the chance of each part, where that is known
    expected_false_rejects: NDArray[np.float64]


def choose_limits(
    scores: NDArray[np.float64],
    is_defect: NDArray[np.bool_],
    wishes: Wishes,
    avoid: Sequence[float] = (),
    chances: NDArray[np.float64] | None = None,
) -> ChosenLimits:
    """Return limits for scores of parts that the model has not learned from.

    Args:
        scores: Defect scores 0..1, shape (N,), finite.
        is_defect: Truth, shape (N,). In sorting by class: the most likely class is wrong.
        wishes: What to achieve. The number of events allowed by a rate is ``floor(rate * n)`` of what was observed.
        avoid: Further scores that no limit may come close to, so that float noise never changes their verdict.
        chances: Calibrated chance that each part is a defect, shape (N,). The cheapest limit is then that of the
            expected cost, which hangs less on the few parts that happen to lie near it; wishes go by what was seen.

    Raises:
        ValueError: If a score is no number between 0 and 1.
    """
    scores = np.asarray(scores, float)
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores must be between 0 and 1 and finite")
    chance = is_defect.astype(float) if chances is None else np.asarray(chances, float)
    candidates = _candidates(scores, is_defect, chance)
    n_defect, n_good = int(is_defect.sum()), int((~is_defect).sum())
    defects, goods = float(chance.sum()), float((1 - chance).sum())
    share = defects / max(1, len(scores)) if wishes.defect_share is None else wishes.defect_share
    cost = wishes.cost_ratio * share * candidates.expected_escapes / max(1e-9, defects)
    cost = cost + (1 - share) * candidates.expected_false_rejects / max(1e-9, goods)
    recheck, reject, how = _choose(candidates, cost, wishes, n_defect, n_good)
    recheck_from = _midway(candidates, recheck, avoid)
    reject_from = recheck_from if reject == recheck else _midway(candidates, reject, avoid)
    between = (scores >= recheck_from) & (scores < reject_from)
    chosen = ChosenLimits(
        recheck_from, reject_from, n_good, n_defect,
        escapes=int((is_defect & (scores < recheck_from)).sum()),
        false_rejects=int((~is_defect & (scores >= reject_from)).sum()),
        rechecks_good=int((~is_defect & between).sum()),
        rechecks_defect=int((is_defect & between).sum()),
        how=how,
        warnings=(),
    )  # fmt: skip
    return _with_warnings(chosen, wishes)


def _candidates(scores: NDArray[np.float64], is_defect: NDArray[np.bool_], chance: NDArray[np.float64]) -> _Candidates:
    distinct = np.unique(scores)
    defects, goods = np.sort(scores[is_defect]), np.sort(scores[~is_defect])
    low, high = np.concatenate([[0.0], distinct]), np.concatenate([distinct, [1.0]])
    first, last = np.arange(len(low)) == 0, np.arange(len(low)) == len(distinct)
    escapes = np.where(first, 0, np.searchsorted(defects, low, "right"))
    false_rejects = np.where(last, 0, len(goods) - np.searchsorted(goods, high, "left"))
    usable = (high - low >= _NARROWEST) | first  # the first one rejects everything and is always possible
    below = np.searchsorted(np.sort(scores), low, "right")  # parts that pass; none at the first limit
    below[0] = 0
    ordered = chance[np.argsort(scores, kind="stable")]
    passed = np.concatenate([[0.0], np.cumsum(ordered)])[below]
    rejected = float((1 - chance).sum()) - np.concatenate([[0.0], np.cumsum(1 - ordered)])[below]
    return _Candidates(
        low[usable], high[usable], escapes[usable], false_rejects[usable], passed[usable], rejected[usable]
    )


def _choose(
    candidates: _Candidates, cost: NDArray[np.float64], wishes: Wishes, n_defect: int, n_good: int
) -> tuple[int, int, str]:
    last = len(cost) - 1
    escape_end = false_reject_start = None
    if wishes.max_escape_rate is not None:  # the mildest limit that lets no more through
        escape_end = int(np.flatnonzero(candidates.escapes <= int(wishes.max_escape_rate * n_defect + 1e-9))[-1])
    if wishes.max_false_reject_rate is not None:  # the strictest limit that rejects no more
        allowed = int(wishes.max_false_reject_rate * n_good + 1e-9)
        kept = np.flatnonzero(candidates.false_rejects <= allowed)  # none where good parts score 1: no limit is above
        false_reject_start = int(kept[0]) if len(kept) else last
    wished = ", ".join(
        f"{name} {value}" for name, value in
        (("max_escape_rate", wishes.max_escape_rate), ("max_false_reject_rate", wishes.max_false_reject_rate))
        if value is not None
    )  # fmt: skip
    if escape_end is not None and false_reject_start is not None:
        if escape_end >= false_reject_start:
            both = _cheapest(candidates, cost, false_reject_start, escape_end)
            return both, both, f"{wished}: one limit keeps both"
        return escape_end, false_reject_start, f"{wished}: recheck between the two limits"
    if escape_end is not None:
        return escape_end, escape_end, wished
    if false_reject_start is not None:
        return false_reject_start, false_reject_start, wished
    best = _cheapest(candidates, cost, 0, last)
    share = "the data's defect share" if wishes.defect_share is None else f"a defect share of {wishes.defect_share}"
    return best, best, f"cheapest where an escape costs {wishes.cost_ratio:g} false rejects, at {share}"


def _cheapest(candidates: _Candidates, cost: NDArray[np.float64], first: int, last: int) -> int:
    """Return the cheapest candidate; among equals the one with most room around it."""
    within = np.arange(first, last + 1)
    least = within[cost[within] <= cost[within].min() + 1e-12]
    return int(least[np.argmax((candidates.high - candidates.low)[least])])


def _midway(candidates: _Candidates, index: int, avoid: Sequence[float]) -> float:
    """Return the middle of the widest room between two neighbouring scores that holds no score to avoid."""
    low, high = float(candidates.low[index]), float(candidates.high[index])
    inside = sorted({low, high, *(score for score in avoid if low < score < high)})
    middle = (low + high) / 2
    if all(abs(score - middle) > _NEAR for score in inside[1:-1]) or len(inside) < 3:
        return middle
    gaps = np.diff(inside)
    widest = int(np.argmax(gaps))
    return float(inside[widest] + gaps[widest] / 2)


def _with_warnings(chosen: ChosenLimits, wishes: Wishes) -> ChosenLimits:
    warnings = []
    escape_rate = chosen.escapes / max(1, chosen.n_defect)
    strict_rate = (chosen.false_rejects + chosen.rechecks_good) / max(1, chosen.n_good)
    if wishes.max_escape_rate is not None and strict_rate > _TOO_MUCH:
        warnings.append(
            f"max_escape_rate {wishes.max_escape_rate:g} (reached: {chosen.escapes} of {chosen.n_defect}) sends "
            f"{chosen.false_rejects + chosen.rechecks_good} of {chosen.n_good} good parts ({100 * strict_rate:.0f} %) "
            "to reject or recheck; more defect pictures, a larger image_size_px or a recheck band may help"
        )
    if wishes.max_false_reject_rate is not None and escape_rate > _TOO_MUCH:
        warnings.append(
            f"max_false_reject_rate {wishes.max_false_reject_rate:g} (reached: {chosen.false_rejects} of "
            f"{chosen.n_good}) lets {chosen.escapes} of {chosen.n_defect} defect parts ({100 * escape_rate:.0f} %) "
            "escape; set max_escape_rate as well to get a recheck band"
        )
    if wishes.max_escape_rate is None and wishes.max_false_reject_rate is None and strict_rate > _TOO_MUCH:
        warnings.append(
            f"the cheapest limit rejects {chosen.false_rejects} of {chosen.n_good} good parts "
            f"({100 * strict_rate:.0f} %) to let {chosen.escapes} of {chosen.n_defect} defect parts escape, as an "
            f"escape costs {wishes.cost_ratio:g} false rejects; if defects are rarer on the line than in the data say "
            "so with defect_share, or set cost_ratio"
        )
    false_reject_rate = chosen.false_rejects / max(1, chosen.n_good)
    if wishes.max_false_reject_rate is not None and false_reject_rate > wishes.max_false_reject_rate + 1e-9:
        warnings.append(
            f"max_false_reject_rate {wishes.max_false_reject_rate:g} cannot be kept: {chosen.false_rejects} of "
            f"{chosen.n_good} good parts score as high as a score can be; look at their labels"
        )
    if wishes.max_escape_rate and upper_bound(0, chosen.n_defect) > wishes.max_escape_rate:
        warnings.append(
            f"{chosen.n_defect} defect parts cannot show an escape rate of {wishes.max_escape_rate:g}: even 0 escapes "
            f"show at most {100 * upper_bound(0, chosen.n_defect):.1f} %; {parts_needed(wishes.max_escape_rate)} "
            "different defect parts would be needed"
        )
    return ChosenLimits(
        **{name: getattr(chosen, name) for name in ChosenLimits.__slots__} | {"warnings": tuple(warnings)}
    )
