"""Two gates on the same parts, counted: exact McNemar test and the interval of the difference of two paired rates."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

from partgate.evaluation.rates import bisect

BEYOND_CHANCE = 0.05
"""A change counts as more than chance where the exact test gives a probability below this."""


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """How often something happened to the same parts under two gates."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @classmethod
    def count(cls, events: Iterable[tuple[bool, bool]]) -> Self:
        """Count parts, each with what happened to it under the first and under the second gate.

        Example:
            >>> PairedCounts.count([(True, True), (True, False), (False, False)])
            PairedCounts(both=1, only_first=1, only_second=0, neither=1)
        """
        found = list(events)
        return cls(*(found.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))))

    @property
    def parts(self) -> int:
        """Return how many parts there are."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def first(self) -> int:
        """Return to how many parts it happened under the first gate."""
        return self.both + self.only_first

    @property
    def second(self) -> int:
        """Return to how many parts it happened under the second gate."""
        return self.both + self.only_second

    @property
    def difference(self) -> float | None:
        """Return the rate under the second gate less that under the first; ``None`` without a part."""
        return (self.only_second - self.only_first) / self.parts if self.parts else None

    @property
    def chance(self) -> float:
        """Return how often chance alone gives a difference at least so large."""
        return exact_mcnemar(self.only_first, self.only_second)

    @property
    def is_beyond_chance(self) -> bool:
        """Tell whether chance alone does not explain the difference."""
        return self.chance < BEYOND_CHANCE


def exact_mcnemar(only_first: int, only_second: int) -> float:
    """Return how often two gates that are equally good differ at least so much by chance; two-sided.

    Parts that both treat alike say nothing about which is better. Each of the others falls to either side like a coin.

    Args:
        only_first: Parts to which it happened under the first gate alone.
        only_second: Under the second alone.

    Raises:
        ValueError: If a count is negative.

    Source:
        McNemar (1947), "Note on the sampling error of the difference between correlated proportions or percentages",
        Psychometrika 12; in its exact form the sign test of Dixon, Mood (1946), JASA 41.

    Example:
        >>> exact_mcnemar(4, 1), exact_mcnemar(1, 1), exact_mcnemar(0, 0)
        (0.375, 1.0, 1.0)
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"counts must be 0 or more, got {only_first} and {only_second}")
    n = only_first + only_second
    as_uneven = sum(math.comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, float(2 * as_uneven / 2**n))


def difference_interval(counts: PairedCounts, confidence: float = 0.95) -> tuple[float, float]:
    """Return between which limits the true difference of two paired rates lies, second less first; two-sided.

    All differences that a score test with the observed counts does not reject. It is approximate: with few parts that
    differ it can just leave out zero where the exact McNemar test still calls the difference chance.

    Args:
        counts: Of the same parts under both gates.
        confidence: Two-sided.

    Returns:
        Lower and upper limit within -1..1; (-1, 1) without a part.

    Source:
        Tango (1998), "Equivalence test and confidence interval for the difference in proportions for the paired-sample
        design", Statistics in Medicine 17; solved by bisection.

    Example:
        >>> low, high = difference_interval(PairedCounts(both=1, only_first=7, only_second=1, neither=12))
        >>> round(low, 3), round(high, 3)  # Bentur et al. (2009), as in Fagerland, Lydersen, Laake (2014)
        (-0.517, -0.026)
    """
    if not counts.parts:
        return -1.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    # The score falls as the assumed difference rises.
    low = bisect(lambda difference: _score(counts, difference) > z, -1.0)
    high = bisect(lambda difference: _score(counts, difference) > -z, -1.0)
    return low, high


def _score(counts: PairedCounts, difference: float) -> float:
    """Return how many standard errors the counts lie above an assumed difference, second less first."""
    n, more, less = counts.parts, counts.only_second, counts.only_first
    # Most likely share of parts that only the first has, if the difference were this (Tango 1998, equation 3).
    linear = -more - less + (2 * n - more + less) * difference
    constant = -less * difference * (1 - difference)
    share = (math.sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    distance = more - less - n * difference
    if variance <= 0:  # only this difference is possible there
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def least_changes() -> int:
    """Return how many parts must differ, all to one side, before anything is more than chance.

    Example:
        >>> least_changes(), exact_mcnemar(5, 0), exact_mcnemar(6, 0)
        (6, 0.0625, 0.03125)
    """
    return next(n for n in range(1, 100) if exact_mcnemar(n, 0) < BEYOND_CHANCE)
