"""Paired counts: the exact test and the interval against statsmodels, scipy, worked examples and full enumeration."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multinomial
from statsmodels.stats.contingency_tables import mcnemar

from partgate.evaluation.paired import PairedCounts, difference_interval, exact_mcnemar, least_changes

COUNTS = st.integers(0, 40)


def made(only_first: int, only_second: int, parts: int, both: int = 0) -> PairedCounts:
    return PairedCounts(both, only_first, only_second, parts - both - only_first - only_second)


def test_parts_are_counted_by_what_happened_under_each_gate():
    counts = PairedCounts.count([(True, True), (True, False), (True, False), (False, True), (False, False)])

    assert counts == PairedCounts(both=1, only_first=2, only_second=1, neither=1)
    assert (counts.parts, counts.first, counts.second) == (5, 3, 2)
    assert counts.difference == pytest.approx(-1 / 5)


def test_without_a_part_nothing_is_said():
    counts = PairedCounts.count([])

    assert (counts.difference, counts.chance, counts.is_beyond_chance) == (None, 1.0, False)
    assert difference_interval(counts) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"),
    [(0, 0, 1.0), (1, 1, 1.0), (3, 0, 0.25), (5, 1, 14 / 64), (5, 0, 2 / 32), (6, 0, 2 / 64)],
    ids=["none", "balanced", "three-of-three", "five-of-six", "five-of-five", "six-of-six"],
)
def test_chance_is_the_binomial_tail_on_both_sides(only_first: int, only_second: int, expected: float):
    assert exact_mcnemar(only_first, only_second) == pytest.approx(expected)
    assert exact_mcnemar(only_second, only_first) == pytest.approx(expected)


def test_six_parts_all_to_one_side_are_the_fewest_that_are_more_than_chance():
    assert least_changes() == 6
    assert (made(5, 0, 99).is_beyond_chance, made(6, 0, 99).is_beyond_chance) == (False, True)


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="counts must be 0 or more, got -1 and 2"):
        exact_mcnemar(-1, 2)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_chance_is_that_of_statsmodels(both: int, only_first: int, only_second: int, neither: int):
    table = [[both, only_first], [only_second, neither]]

    assert exact_mcnemar(only_first, only_second) == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_chance_of_ten_thousand_changes_does_not_overflow():
    assert exact_mcnemar(5000, 5000) == 1.0
    assert 0 <= exact_mcnemar(4000, 6000) < 1e-80


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Bentur et al. (2009) in Fagerland, Lydersen, Laake (2014), Statistics in Medicine 33
        (PairedCounts(both=1, only_first=7, only_second=1, neither=12), (-0.517, -0.026)),
        # nothing differs: score^2 = n d / (1 - d), so the limits are +-z^2 / (n + z^2)
        (made(0, 0, 140), (-3.841459 / 143.841459, 3.841459 / 143.841459)),
    ],
    ids=["airways", "nothing-differs"],
)
def test_interval_of_a_worked_example(counts: PairedCounts, expected: tuple[float, float]):
    assert difference_interval(counts) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("counts", [made(7, 1, 21), made(3, 0, 140), made(12, 2, 50, 30), made(1, 9, 30)])
def test_limits_are_where_a_score_test_with_the_likeliest_shares_just_rejects(counts: PairedCounts):
    n, more, less = counts.parts, counts.only_second, counts.only_first

    def score(difference: float) -> float:
        def surprise(share: float) -> float:
            shares = (share + difference, share, 1 - 2 * share - difference)
            if min(shares) < 0:
                return 1e9
            return -sum(
                k * math.log(max(p, 1e-300)) for k, p in zip((more, less, n - more - less), shares, strict=True)
            )

        bounds = (max(0.0, -difference), (1 - difference) / 2)
        share = minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        return (more - less - n * difference) / math.sqrt(n * (2 * share + difference - difference**2))

    low, high = difference_interval(counts)

    assert (score(low), score(high)) == pytest.approx((1.959964, -1.959964), abs=1e-4)


@given(COUNTS, COUNTS, st.integers(0, 200))
def test_interval_leaves_out_zero_just_where_the_score_test_rejects_it(only_first: int, only_second: int, alike: int):
    changed = only_first + only_second
    low, high = difference_interval(made(only_first, only_second, changed + alike + 1))

    is_rejected = (only_first - only_second) ** 2 > 3.841459 * changed
    assert (not low <= 0 <= high) == is_rejected


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_interval_always_holds_what_was_counted_and_turns_with_the_gates(a: int, b: int, c: int, d: int):
    counts, turned = PairedCounts(a, b, c, d + 1), PairedCounts(a, c, b, d + 1)
    low, high = difference_interval(counts)

    assert -1 <= low <= (counts.difference or 0) + 1e-9
    assert (counts.difference or 0) - 1e-9 <= high <= 1
    assert difference_interval(turned) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("shares", [(0.05, 0.05), (0.1, 0.02), (0.2, 0.2), (0.3, 0.1)], ids=str)
def test_interval_covers_the_truth_about_as_often_as_it_says(shares: tuple[float, float]):
    n = 40
    first, second = shares

    covered = total = 0.0
    for only_first, only_second in product(range(n + 1), repeat=2):
        if only_first + only_second <= n:
            chance = multinomial.pmf([only_first, only_second, n - only_first - only_second], n,
                                     [first, second, 1 - first - second])  # fmt: skip
            if chance < 1e-7:
                continue
            low, high = difference_interval(made(only_first, only_second, n))
            covered += chance * (low <= second - first <= high)
            total += chance

    assert total == pytest.approx(1, abs=1e-4)
    assert 0.935 <= covered <= 0.985


def test_exact_test_calls_equal_gates_different_in_at_most_five_of_hundred():
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(60, [0.1, 0.1, 0.8], 4000)

    wrong = np.mean([made(int(b), int(c), 60).is_beyond_chance for b, c, _ in drawn])

    assert wrong <= 0.05
