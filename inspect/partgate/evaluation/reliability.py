"""Whether 0.8 means eight of ten: score against what was seen, in groups of parts with similar scores."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partgate.evaluation.judge import Judged
from partgate.evaluation.rates import lower_bound, upper_bound

_MOST_BINS = 15  # as Guo et al.
_LEAST_IN_BIN = 20  # below, chance alone moves a share by more than a tenth
_NEAREST = 0.05  # bins whose mean scores lie nearer are one: told apart neither by eye nor by any decision
_EACH_SIDE = 0.975  # both bounds together hold with 95 %
_SHOWN = 0.8  # the sentence on the page speaks of the parts nearest to this score
_DRAWS = 1000


def describe_reliability(judged: Sequence[Judged], good: str | None) -> dict[str, Any]:
    """Return the report's section: how far scores can be taken as shares.

    With a good class it is the defect score against how many were defect. In sorting it is the probability of the most
    likely class against how many were of that class. Parts without a score are left out.

    Args:
        judged: Counted parts. A part with several pictures has the score of its strictest one, which is too high as a
            share of parts.
        good: The good class; None for sorting by class.
    """
    scores = np.array([one.prediction.defect_score for one in judged], float)
    if good is None:
        came_true = np.array([one.prediction.predicted_class == one.picture.label for one in judged], bool)
        return {"claim": "right", **measure_reliability(1 - scores, came_true, needs_both=False)}
    is_defect = np.array([one.picture.label != good for one in judged], bool)
    return {"claim": "defect", **measure_reliability(scores, is_defect, needs_both=True)}


def measure_reliability(
    scores: NDArray[np.float64], came_true: NDArray[np.bool_], *, needs_both: bool
) -> dict[str, Any]:
    """Return Brier score, expected calibration error and its groups; where too few parts were seen, their counts alone.

    Args:
        scores: What was said to be the chance, 0..1, shape (N,); NaN is left out.
        came_true: What was seen, shape (N,).
        needs_both: At least 20 of each outcome are needed, not only 40 in all.

    Returns:
        Counts ``n``, ``events``; ``needed`` of each outcome or in all; ``is_enough``. Then, or null: ``brier`` and
        ``brier_by_share``, the Brier score of one that always names the share; ``ece``, the mean distance of score and
        share, weighted by parts, and ``ece_chance95``, what scores that are exactly right stay below in 95 of 100 draws
        of as many parts; ``bins``, rising, each with ``n``, ``events``, ``mean_score``, ``share`` and its exact 95 %
        bounds ``lower`` and ``upper``; ``example``, the index of the bin nearest to 0.8.

    Source:
        Brier (1950), "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78; Naeini,
        Cooper, Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian binning" (expected
        calibration error); Bröcker, Smith (2007), "Increasing the reliability of reliability diagrams" (what chance
        shows); bounds: Clopper, Pearson (1934); equal scores kept in one bin, near bins joined: own.
    """
    known = np.isfinite(scores)
    order = np.lexsort((came_true[known], scores[known]))
    scores, came_true = scores[known][order], came_true[known][order]
    n, events = len(scores), int(came_true.sum())
    needed = _LEAST_IN_BIN if needs_both else 2 * _LEAST_IN_BIN
    is_enough = (min(events, n - events) if needs_both else n) >= needed
    counts = {"n": n, "events": events, "needed": needed, "is_enough": is_enough}
    if not is_enough:
        return counts | dict.fromkeys(("brier", "brier_by_share", "ece", "ece_chance95", "example")) | {"bins": []}
    starts = _starts_of_bins(scores)
    bins = [
        _describe_bin(part, seen)
        for part, seen in zip(np.split(scores, starts[1:]), np.split(came_true, starts[1:]), strict=True)
    ]
    return counts | {
        "brier": float(np.mean((scores - came_true) ** 2)),
        "brier_by_share": events / n * (1 - events / n),
        "ece": _calibration_error(scores, came_true, starts),
        "ece_chance95": _error_by_chance(scores, starts),
        "bins": bins,
        "example": min(range(len(bins)), key=lambda index: abs(bins[index]["mean_score"] - _SHOWN)),
    }


def _starts_of_bins(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return where each bin begins in rising scores: equally many parts, equal scores together, near bins joined."""
    wanted = min(_MOST_BINS, len(scores) // _LEAST_IN_BIN)
    ends = np.arange(1, wanted + 1) * len(scores) // wanted
    ends = np.unique(np.searchsorted(scores, scores[ends - 1], "right"))
    starts = [0]
    for start, end in pairwise(ends):
        if scores[start:end].mean() - scores[starts[-1] : start].mean() >= _NEAREST:
            starts.append(int(start))
    return np.array(starts)


def _describe_bin(scores: NDArray[np.float64], came_true: NDArray[np.bool_]) -> dict[str, Any]:
    n, events = len(scores), int(came_true.sum())
    return {
        "n": n,
        "events": events,
        "mean_score": float(scores.mean()),
        "share": events / n,
        "lower": lower_bound(events, n, _EACH_SIDE),
        "upper": upper_bound(events, n, _EACH_SIDE),
    }


def _calibration_error(scores: NDArray[np.float64], came_true: NDArray[np.bool_], starts: NDArray[np.int64]) -> float:
    """Return the sum over bins of how many more came true than was said, either way, per part."""
    return float(np.abs(np.add.reduceat(scores - came_true, starts)).sum() / len(scores))


def _error_by_chance(scores: NDArray[np.float64], starts: NDArray[np.int64]) -> float:
    rng = np.random.default_rng(0)  # the same report twice
    errors = [_calibration_error(scores, rng.random(len(scores)) < scores, starts) for _ in range(_DRAWS)]
    return float(np.quantile(errors, 0.95))
