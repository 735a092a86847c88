"""Limits from scores: the cheapest, those that keep a wanted rate, or those that keep a promise about future parts.

Each limit lies midway between neighbouring scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from partgate.evaluation.threshold_words import ChosenLimits, describe_wishes, warn_about
from partgate.glossary import languages
from partgate.wishes import Wishes

_NEAR = 1e-3  # ten times what trained and exported scores may differ by
_NARROWEST = 1e-5  # between closer scores no limit is put: float noise would decide


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
    prices = _Prices.of(candidates, wishes, float(chance.sum()), float((1 - chance).sum()))
    recheck, reject = _choose(candidates, prices, wishes, n_defect, n_good)
    recheck_from = _limit(candidates, recheck, avoid)
    reject_from = recheck_from if reject == recheck else _limit(candidates, reject, avoid)
    between = (scores >= recheck_from) & (scores < reject_from)
    chosen = ChosenLimits(
        recheck_from, reject_from, n_good, n_defect,
        escapes=int((is_defect & (scores < recheck_from)).sum()),
        false_rejects=int((~is_defect & (scores >= reject_from)).sum()),
        rechecks_good=int((~is_defect & between).sum()),
        rechecks_defect=int((is_defect & between).sum()),
        seen_share=float(chance.mean()) if len(chance) else 0.0,
        how="",
        warnings=(),
    )  # fmt: skip
    how = describe_wishes(wishes, chosen).in_language(languages[0])
    return replace(chosen, how=how, warnings=tuple(one.in_language(languages[0]) for one in warn_about(chosen, wishes)))


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


@dataclass(frozen=True, slots=True)
class _Prices:
    """Expected cost per part of letting pass below a limit, and of rejecting from a limit up; their sum is the rule's.

    A part between the two limits costs a recheck; without a price for that there is one limit.
    """

    let_pass: NDArray[np.float64]  # (candidates,)
    reject: NDArray[np.float64]  # (candidates,)
    has_band: bool

    @classmethod
    def of(cls, candidates: _Candidates, wishes: Wishes, defects: float, goods: float) -> "_Prices":
        share = defects / max(1e-9, defects + goods) if wishes.defect_share is None else wishes.defect_share
        cost, recheck = wishes.cost, wishes.cost.recheck or 0.0
        passed = share * candidates.expected_escapes / max(1e-9, defects)  # defect parts below the limit, per part
        kept = (1 - share) * candidates.expected_false_rejects / max(1e-9, goods)  # good parts not below it
        if wishes.cost.recheck is None:
            return cls(np.zeros(len(passed)), cost.escape * passed + cost.false_reject * kept, has_band=False)
        let_pass = (cost.escape - recheck) * passed + recheck * kept
        return cls(let_pass, recheck * passed + (cost.false_reject - recheck) * kept, has_band=True)


def _choose(candidates: _Candidates, prices: _Prices, wishes: Wishes, n_defect: int, n_good: int) -> tuple[int, int]:
    """Return the candidates for both limits; -1 lets nothing pass, one behind the last rejects nothing."""
    last = len(candidates.low) - 1
    escapes, false_rejects = _allowed(wishes, n_defect, n_good)
    end, start = last, 0  # the mildest limit to pass by, the strictest to reject by
    if escapes is not None:
        end = int(np.flatnonzero(candidates.escapes <= escapes)[-1]) if escapes >= 0 else -1
    if false_rejects is not None:
        kept = np.flatnonzero(candidates.false_rejects <= false_rejects)
        # Where good parts score 1 no limit is above them; where none may be rejected at all, none is.
        start = int(kept[0]) if len(kept) else last if false_rejects >= 0 else last + 1
    if prices.has_band:
        return _cheapest_band(candidates, prices, end, start)
    if escapes is None and start > last:
        return _cheapest(candidates, prices, 0, last), start
    if (escapes is None) == (false_rejects is None):
        return (_cheapest(candidates, prices, start, end),) * 2 if start <= end else (end, start)
    return (end, end) if false_rejects is None else (start, start)


def _allowed(wishes: Wishes, n_defect: int, n_good: int) -> tuple[int | None, int | None]:
    """Return how many escapes and false rejects of the data may be; ``None`` where nothing was wished.

    A promise is about future parts: of n + 1 exchangeable scores the new one is as likely at each rank, so that with a
    limit below the k-th lowest defect score at most k / (n + 1) of future defect parts pass on average. -1 where even
    k = 1 is too many.

    Source:
        Vovk, Gammerman, Shafer (2005), "Algorithmic learning in a random world" (class-conditional, inductive).
    """
    if wishes.promise is not None:
        shares = ((wishes.promise.escape, n_defect), (wishes.promise.false_reject, n_good))
        escapes, false_rejects = (None if share is None else int(share * (n + 1) + 1e-9) - 1 for share, n in shares)
        return escapes, false_rejects
    rates = ((wishes.max_escape_rate, n_defect), (wishes.max_false_reject_rate, n_good))
    escapes, false_rejects = (None if rate is None else int(rate * n + 1e-9) for rate, n in rates)
    return escapes, false_rejects


def _cheapest(candidates: _Candidates, prices: _Prices, first: int, last: int) -> int:
    """Return the cheapest candidate as the only limit; among equals the one with most room around it."""
    within = np.arange(first, last + 1)
    cost = (prices.let_pass + prices.reject)[within]
    least = within[cost <= cost.min() + 1e-12]
    return int(least[np.argmax((candidates.high - candidates.low)[least])])


def _cheapest_band(candidates: _Candidates, prices: _Prices, end: int, start: int) -> tuple[int, int]:
    """Return the cheapest pair of limits, the lower one at most at ``end``, the upper one from ``start`` on."""
    last, room = len(candidates.low) - 1, candidates.high - candidates.low
    recheck, best = 0, (np.inf, 0.0, 0, 0)
    for reject in range(last + 1):
        if reject <= end and _is_less(prices.let_pass, room, reject, recheck):
            recheck = reject
        if reject >= min(start, last):
            cost = float(prices.let_pass[recheck] + prices.reject[reject])
            if cost < best[0] - 1e-12 or (cost <= best[0] + 1e-12 and room[reject] > best[1]):
                best = cost, float(room[reject]), recheck, reject
    _, _, recheck, reject = best
    return (recheck if end >= 0 else -1), (reject if start <= last else start)


def _is_less(cost: NDArray[np.float64], room: NDArray[np.float64], one: int, other: int) -> bool:
    difference = float(cost[one] - cost[other])
    return difference < -1e-12 or (difference <= 1e-12 and bool(room[one] > room[other]))


def _limit(candidates: _Candidates, index: int, avoid: Sequence[float]) -> float:
    if index < 0:
        return 0.0
    # Seven digits are read more easily than seventeen and lie well within the room that a limit needs.
    return 1.0 if index >= len(candidates.low) else round(_midway(candidates, index, avoid), 7)


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
