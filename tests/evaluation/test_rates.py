"""Rates with their exact bounds; scipy and scikit-learn are the oracles."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from partgate.evaluation.rates import (
    auroc,
    balanced_accuracy,
    chance_of_at_most,
    confusion_matrix,
    lower_bound,
    parts_needed,
    upper_bound,
)

metrics = pytest.importorskip("sklearn.metrics", reason="the oracle; needs partgate[train]")

SIZES = (1, 2, 3, 10, 59, 149, 412, 1000, 5000)
counts = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def some_of(n: int) -> list[int]:
    """Return counts of events at the edges and in between."""
    return sorted({0, 1, 2, n // 100, n // 10, n // 2, n - 2, n - 1, n} & set(range(n + 1)))


# --- bounds


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("n", SIZES)
def test_bounds_are_those_of_the_beta_distribution(n: int, confidence: float) -> None:
    for k in some_of(n):
        upper = 1.0 if k == n else beta.ppf(confidence, k + 1, n - k)
        lower = 0.0 if k == 0 else beta.ppf(1 - confidence, k, n - k + 1)

        assert upper_bound(k, n, confidence) == pytest.approx(upper, rel=1e-9, abs=1e-12)
        assert lower_bound(k, n, confidence) == pytest.approx(lower, rel=1e-9, abs=1e-12)


@given(counts)
def test_rate_seen_always_lies_between_its_bounds(count: tuple[int, int]) -> None:
    k, n = count

    assert 0 <= lower_bound(k, n) <= k / n <= upper_bound(k, n) <= 1


@given(counts)
def test_one_event_more_never_gives_a_smaller_bound(count: tuple[int, int]) -> None:
    k, n = count

    assert upper_bound(k, n + 1) <= upper_bound(k + 1, n + 1)
    assert lower_bound(k, n + 1) <= lower_bound(k + 1, n + 1)


@pytest.mark.parametrize("n", [5, 20, 59, 149])
@pytest.mark.parametrize("rate", [0.001, 0.02, 0.1, 0.5, 0.93])
def test_bounds_cover_the_true_rate_in_at_least_95_of_100_tests(n: int, rate: float) -> None:
    # Not simulated but summed up: every outcome that a test of n parts can have, with its chance.
    chances = binom.pmf(np.arange(n + 1), n, rate)

    above = sum(chance for k, chance in enumerate(chances) if upper_bound(k, n) >= rate)
    below = sum(chance for k, chance in enumerate(chances) if lower_bound(k, n) <= rate)

    assert above >= 0.95 - 1e-9
    assert below >= 0.95 - 1e-9


def test_bounds_by_hand() -> None:
    assert upper_bound(0, 1) == pytest.approx(0.95)  # 1 - p = 0.05
    assert upper_bound(0, 2) == pytest.approx(1 - 0.05**0.5)
    assert lower_bound(1, 1) == pytest.approx(0.05)
    assert lower_bound(2, 2) == pytest.approx(0.05**0.5)
    assert upper_bound(1, 2) == pytest.approx(0.95**0.5)  # p squared = 0.95: both events all but once in twenty


def test_rule_of_three_holds_where_nothing_was_seen() -> None:
    assert upper_bound(0, 1000) == pytest.approx(3 / 1000, rel=0.01)


def test_example_of_the_reports_is_right() -> None:
    assert round(100 * upper_bound(3, 412), 1) == 1.9


def test_without_a_trial_nothing_is_known() -> None:
    assert (lower_bound(0, 0), upper_bound(0, 0)) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (1, 0)])
def test_impossible_counts_are_refused(k: int, n: int) -> None:
    for bound in (lower_bound, upper_bound):
        with pytest.raises(ValueError, match=f"0 <= events <= trials, got {k} of {n}"):
            bound(k, n)


def test_bound_of_very_many_parts_takes_no_time_to_speak_of() -> None:
    started = time.process_time()

    assert upper_bound(2_000, 100_000) == pytest.approx(beta.ppf(0.95, 2_001, 98_000), rel=1e-9)

    assert time.process_time() - started < 2


# --- how many parts are needed


@pytest.mark.parametrize(("rate", "parts"), [(0.05, 59), (0.02, 149), (0.01, 299), (0.001, 2995)])
def test_parts_needed_without_an_event_are_those_of_the_plan(rate: float, parts: int) -> None:
    assert parts_needed(rate) == parts


@pytest.mark.parametrize(
    ("rate", "parts"),
    [
        (0.1, (29, 46, 61, 76)),
        (0.05, (59, 93, 124, 153)),
        (0.02, (149, 236, 313, 386)),
        (0.01, (299, 473, 628, 773)),
        (0.005, (598, 947, 1258, 1549)),
        (0.001, (2995, 4742, 6294, 7752)),
        (0.0001, (29956, 47437, 62956, 77535)),
    ],
)
def test_parts_needed_with_some_events_are_those_of_the_published_tables(rate: float, parts: tuple[int, ...]) -> None:
    assert tuple(parts_needed(rate, errors) for errors in range(4)) == parts


@pytest.mark.parametrize(("rate", "parts"), [(0.1, 44), (0.05, 90), (0.02, 228), (0.01, 459), (0.005, 919),
                                             (0.001, 4603), (0.0001, 46050)])  # fmt: skip
def test_parts_needed_at_99_percent(rate: float, parts: int) -> None:
    assert parts_needed(rate, confidence=0.99) == parts


@given(st.floats(0.01, 0.99), st.integers(0, 12), st.floats(0.5, 0.999))
def test_parts_needed_are_the_fewest_whose_bound_by_scipy_is_not_above_the_rate(
    rate: float, errors: int, confidence: float
) -> None:
    n = parts_needed(rate, errors, confidence)

    assert beta.ppf(confidence, errors + 1, n - errors) <= rate * (1 + 1e-8)
    assert n == errors + 1 or beta.ppf(confidence, errors + 1, n - 1 - errors) > rate * (1 - 1e-8)


def test_less_than_no_event_is_refused() -> None:
    with pytest.raises(ValueError, match="errors must be 0 or more, got -1"):
        parts_needed(0.01, -1)


@given(st.integers(0, 30), st.integers(0, 40), st.floats(0, 1))
def test_chance_of_few_events_is_that_of_scipy(events: int, trials: int, rate: float) -> None:
    assert chance_of_at_most(events, trials, rate) == pytest.approx(binom.cdf(events, trials, rate), abs=1e-9)


@given(st.floats(0.001, 0.999), st.floats(0.5, 0.999))
def test_so_many_parts_are_always_enough_and_one_less_never_is(rate: float, confidence: float) -> None:
    n = parts_needed(rate, confidence=confidence)

    assert upper_bound(0, n, confidence) <= rate + 1e-9
    assert n == 1 or upper_bound(0, n - 1, confidence) > rate - 1e-9


@pytest.mark.parametrize("rate", [0, 1, -0.1, 2, float("nan")])
def test_rate_that_no_number_of_parts_can_show_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=f"rate must be between 0 and 1, got {rate}"):
        parts_needed(rate)


# --- confusion matrix and balanced accuracy

labelled = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=60)


@given(labelled)
def test_confusion_matrix_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    truth, predicted = zip(*pairs, strict=True)

    matrix = confusion_matrix(truth, predicted, "abcd")

    assert matrix == metrics.confusion_matrix(truth, predicted, labels=list("abcd")).tolist()


@given(labelled)
def test_balanced_accuracy_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    truth, predicted = zip(*pairs, strict=True)
    occurring = sorted(set(truth))  # scikit-learn warns about classes that are only predicted
    recalls = metrics.recall_score(truth, predicted, labels=occurring, average=None, zero_division=0)

    accuracy = balanced_accuracy(confusion_matrix(truth, predicted, "abcd"))

    assert accuracy == pytest.approx(float(np.mean(recalls)))


def test_rows_are_the_truth_and_columns_the_prediction() -> None:
    matrix = confusion_matrix(["good", "good", "dent"], ["dent", "good", "dent"], ["dent", "good"])

    assert matrix == [[1, 0], [1, 1]]
    assert balanced_accuracy(matrix) == 0.75  # dent 1 of 1, good 1 of 2


def test_class_without_a_part_does_not_count() -> None:
    assert balanced_accuracy([[3, 1, 0], [0, 0, 0], [0, 0, 2]]) == pytest.approx((0.75 + 1) / 2)


def test_no_part_at_all_has_no_accuracy() -> None:
    assert balanced_accuracy([[0, 0], [0, 0]]) is None


def test_class_that_is_not_listed_is_a_programming_error() -> None:
    with pytest.raises(KeyError, match="pore"):
        confusion_matrix(["pore"], ["good"], ["dent", "good"])


# --- AUROC


@given(st.lists(st.tuples(st.sampled_from([0, 0.1, 0.25, 0.5, 0.5000001, 1]), st.booleans()), min_size=2, max_size=60))
def test_auroc_is_that_of_scikit_learn_with_ties(parts: list[tuple[float, bool]]) -> None:
    scores, is_defect = (np.array(column) for column in zip(*parts, strict=True))
    if is_defect.all() or not is_defect.any():
        assert auroc(scores, is_defect) is None
        return

    assert auroc(scores, is_defect) == pytest.approx(metrics.roc_auc_score(is_defect, scores))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0), ([0.5] * 4, 0.5), ([0.1, 0.5, 0.5, 0.9], 0.875)],
    ids=["separated", "turned-round", "all-equal", "one-tie"],
)
def test_auroc_by_hand(scores: list[float], expected: float) -> None:
    assert auroc(np.array(scores), np.array([False, False, True, True])) == expected


@pytest.mark.parametrize("is_defect", [[], [True, True], [False]])
def test_auroc_needs_both_sides(is_defect: list[bool]) -> None:
    assert auroc(np.linspace(0, 1, len(is_defect)), np.array(is_defect, bool)) is None
