"""Kappa and Bowker: published examples to their printed digits, other programs on random tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import SquareTable
from statsmodels.stats.inter_rater import cohens_kappa as statsmodels_cohen
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from partgate.msa.agreement import Kappa, bowker_test, chi_square_tail, cohens_kappa, cross_table, fleiss_kappa

# 100 abstracts, two abstractors: R package irrCAC, vignette "overview", cont3x3abstractors
ABSTRACTORS = np.array([[13, 0, 0], [0, 20, 7], [0, 4, 56]])

# 30 patients, 6 psychiatrists, 5 diagnoses: Fleiss (1971), table 1; kappa 0.430; R package irr: 0.4302445, z = 17.65183
DIAGNOSES = np.array([
    [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0], [2, 0, 4, 0, 0],
    [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6], [1, 0, 0, 5, 0], [1, 1, 0, 4, 0],
    [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1], [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0],
    [0, 2, 0, 4, 0], [1, 0, 2, 0, 3], [0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0],
    [1, 0, 0, 4, 1], [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6],
])  # fmt: skip

# 10 subjects, 14 raters, 5 categories: Wikipedia, "Fleiss' kappa", worked example; kappa 0.210
WORKED = np.array([
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
])  # fmt: skip

# 46 teenagers before and after: calcugator.com, chi2_mcnemarbowker; W = 12.8333, p = 0.00501125
TEENAGERS = np.array([[5, 7, 3], [1, 4, 10], [9, 2, 5]])


def raters(table: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return two raters of one run whose table this is."""
    words = len(table)
    first, second = np.repeat(np.divmod(np.arange(words * words), words), table.ravel(), axis=1)
    return first[:, None], second[:, None]


def test_raters_who_used_one_word_only_have_no_kappa():
    same = np.zeros((5, 2), int)

    assert cohens_kappa(same, same, 2).value is None
    assert fleiss_kappa(np.array([[3, 0], [3, 0]])).interval() is None


def test_kappa_without_any_disagreement_has_no_interval():
    first = np.array([[0, 0], [1, 1], [0, 0]])

    kappa = cohens_kappa(first, first, 2)

    assert (kappa.value, kappa.interval()) == (1.0, None)  # a spread that was not seen is not a spread of nothing


def test_parts_with_unequal_numbers_of_ratings_are_refused():
    with pytest.raises(ValueError, match="same number of ratings"):
        fleiss_kappa(np.array([[2, 0], [1, 0]]))


def test_raters_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"must have the same shape, got \(2,\) and \(3,\)"):
        cross_table(np.zeros(2, int), np.zeros(3, int), 2)


def test_cohens_kappa_of_the_abstractors_is_the_published_one():
    kappa = cohens_kappa(*raters(ABSTRACTORS), 3)

    assert kappa.value == pytest.approx(0.7964094, abs=5e-8)
    assert kappa.textbook_error == pytest.approx(0.05891072, abs=5e-9)


def test_fleiss_kappa_of_two_raters_is_scotts_pi():
    first, second = raters(ABSTRACTORS)
    counts = np.eye(3, dtype=int)[first[:, 0]] + np.eye(3, dtype=int)[second[:, 0]]

    kappa = fleiss_kappa(counts)

    assert kappa.value == pytest.approx(0.7962397, abs=5e-8)  # irrCAC, same vignette: Scott's Pi
    assert kappa.standard_error is not None
    assert kappa.standard_error * np.sqrt(99 / 100) == pytest.approx(0.05905473, abs=5e-9)  # it divides by n, not n - 1


def test_fleiss_kappa_of_the_psychiatrists_is_the_published_one():
    kappa = fleiss_kappa(DIAGNOSES)

    assert kappa.value == pytest.approx(0.4302445, abs=5e-8)
    assert kappa.value / kappa.textbook_error == pytest.approx(17.65183, abs=5e-6)


def test_fleiss_kappa_of_the_worked_example_is_the_published_one():
    assert fleiss_kappa(WORKED).value == pytest.approx(0.210, abs=5e-4)


def test_bowkers_test_of_the_teenagers_is_the_published_one():
    found = bowker_test(TEENAGERS)

    assert (found.statistic, found.degrees) == (pytest.approx(12.833333, abs=1e-6), 3)
    assert found.chance == pytest.approx(0.005011251, abs=1e-9)


def test_bowkers_test_worked_by_hand():
    """(8-2)^2/10 + (3-3)^2/6 = 3.6 on 2 degrees: the third pair was never swapped; p = exp(-1.8)."""
    found = bowker_test([[9, 8, 3], [2, 9, 0], [3, 0, 9]])

    assert (found.statistic, found.degrees) == (3.6, 2)
    assert found.chance == pytest.approx(np.exp(-1.8))


def test_table_without_a_swap_has_no_chance():
    assert bowker_test([[4, 0], [0, 3]]).chance is None


@pytest.mark.parametrize("seed", range(20))
def test_cohens_kappa_is_that_of_other_programs_on_random_tables(seed: int):
    rng = np.random.default_rng(seed)
    words = int(rng.integers(2, 5))
    table = rng.integers(0, 12, (words, words)) + np.eye(words, dtype=int) * 8
    first, second = raters(table)

    kappa = cohens_kappa(first, second, words)

    other = statsmodels_cohen(table)
    parts = len(first)
    assert kappa.value == pytest.approx(other.kappa, abs=1e-12)
    assert kappa.value == pytest.approx(cohen_kappa_score(first[:, 0], second[:, 0]), abs=1e-12)
    assert kappa.textbook_error == pytest.approx(other.std_kappa, abs=1e-12)
    assert kappa.standard_error == pytest.approx(other.std_kappa * np.sqrt(parts / (parts - 1)), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_fleiss_kappa_is_that_of_statsmodels_on_random_tables(seed: int):
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(6, rng.dirichlet([1, 1, 1]), size=12)

    assert fleiss_kappa(counts).value == pytest.approx(statsmodels_fleiss(counts), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_bowkers_test_is_that_of_statsmodels_on_random_tables(seed: int):
    table = np.random.default_rng(seed).integers(1, 15, (4, 4))

    other = SquareTable(table, shift_zeros=False).symmetry()

    assert bowker_test(table).statistic == pytest.approx(other.statistic)
    assert bowker_test(table).chance == pytest.approx(other.pvalue, rel=1e-9)


def test_standard_errors_over_parts_are_near_those_of_leaving_one_part_out():
    """The jackknife knows nothing of our formula; on 200 parts with three runs each the two agree within 2 %."""
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 200)
    hard = rng.random(200) < 0.3
    verdicts = np.where(hard[:, None], rng.integers(0, 2, (200, 3)), truth[:, None])
    reference = np.repeat(truth[:, None], 3, axis=1)
    counts = np.stack([(verdicts == word).sum(axis=1) for word in (0, 1)], axis=1)
    rest = [np.arange(200) != left_out for left_out in range(200)]

    cohen = [cohens_kappa(verdicts[keep], reference[keep], 2).value for keep in rest]
    fleiss = [fleiss_kappa(counts[keep]).value for keep in rest]

    jackknife = [np.sqrt(199 / 200 * ((np.array(found) - np.mean(found)) ** 2).sum()) for found in (cohen, fleiss)]
    assert cohens_kappa(verdicts, reference, 2).standard_error == pytest.approx(jackknife[0], rel=0.02)
    assert fleiss_kappa(counts).standard_error == pytest.approx(jackknife[1], rel=0.02)


def test_runs_of_one_part_make_the_interval_wider_than_independent_decisions_would():
    truth = np.arange(40) % 2
    wrong = np.arange(40) < 4  # four parts wrong in all three runs
    verdicts = np.repeat((truth ^ wrong)[:, None], 3, axis=1)

    kappa = cohens_kappa(verdicts, np.repeat(truth[:, None], 3, axis=1), 2)

    assert kappa.standard_error / kappa.textbook_error == pytest.approx(np.sqrt(3 * 40 / 39))


def test_intervals_hold_as_often_as_they_say_with_fifty_parts_in_three_runs():
    """Made parts: most are clear, some borderline; true kappas by 200 000 parts. The plain interval holds 91 %."""
    rng = np.random.default_rng(0)

    def draw(parts: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        truth = rng.integers(0, 2, parts)
        clear = rng.choice([0, 0.1, 0.65], p=[0.7, 0.2, 0.1], size=parts)
        wrong = rng.random((parts, 3)) < clear[:, None]
        return np.repeat(truth[:, None], 3, axis=1), truth[:, None] ^ wrong

    def fleiss(said: NDArray[np.int64]) -> Kappa:
        return fleiss_kappa(np.stack([(said == word).sum(axis=1) for word in (0, 1)], axis=1))

    truth, said = draw(200_000)
    table = cross_table(said, truth, 2) / said.size
    chance = table.sum(axis=0) @ table.sum(axis=1)
    cohen_true, fleiss_true = (np.trace(table) - chance) / (1 - chance), fleiss(said).value
    held: list[list[bool]] = []
    for _ in range(400):
        truth, said = draw(50)
        intervals = cohens_kappa(said, truth, 2).interval(), fleiss(said).interval()
        if None not in intervals:
            pairs = zip(intervals, (cohen_true, fleiss_true), strict=True)
            held.append([low <= true <= high for (low, high), true in pairs])

    assert np.mean(held, axis=0).min() >= 0.93  # 0.95 less two standard deviations of 400 draws


@given(st.floats(0, 400), st.integers(1, 30))
def test_chi_square_tail_is_that_of_scipy(value: float, degrees: int):
    assert chi_square_tail(value, degrees) == pytest.approx(chi2.sf(value, degrees), rel=1e-9, abs=1e-300)


def test_chi_square_below_zero_is_refused():
    with pytest.raises(ValueError, match="value must be at least 0 and degrees at least 1, got -1 and 2"):
        chi_square_tail(-1, 2)
