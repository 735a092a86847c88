"""Both curves and their areas against scikit-learn, ties and missing scores too; bounds that hold what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from partgate.evaluation.curves import (
    area_under_roc,
    average_precision,
    bound_area,
    bound_average_precision,
    describe_curves,
    trace_curve,
)

SCORES = st.one_of(st.integers(0, 8).map(lambda eighths: eighths / 8), st.floats(0, 1), st.just(float("nan")))
ABOVE_ALL = 2.0  # what a missing score counts as: rejected whatever the limit


def parts(found: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in found], float), np.array([is_defect for _, is_defect in found], bool)


@given(st.lists(st.tuples(SCORES, st.booleans()), min_size=2, max_size=40))
def test_areas_are_those_of_scikit_learn_with_ties_and_missing_scores(found: list[tuple[float, bool]]) -> None:
    scores, is_defect = parts(found)
    curve = trace_curve(scores, is_defect)

    if is_defect.all() or not is_defect.any():
        assert area_under_roc(curve) is None
        return
    filled = np.where(np.isnan(scores), ABOVE_ALL, scores)
    assert area_under_roc(curve) == pytest.approx(roc_auc_score(is_defect, filled))
    assert average_precision(curve) == pytest.approx(average_precision_score(is_defect, filled))


@given(st.lists(st.tuples(SCORES.filter(lambda score: score == score), st.booleans()), min_size=2, max_size=40))
def test_points_are_those_of_scikit_learn(found: list[tuple[float, bool]]) -> None:
    scores, is_defect = parts([*found, (0.5, True), (0.5, False)])

    curve = trace_curve(scores, is_defect)

    wrong, caught, limits = roc_curve(is_defect, scores, drop_intermediate=False)
    assert curve.reject_from.tolist() == limits.tolist()
    assert (curve.caught / curve.n_defect).tolist() == pytest.approx(caught.tolist())
    assert (curve.false_rejects / curve.n_good).tolist() == pytest.approx(wrong.tolist())
    precision, recall, _ = precision_recall_curve(is_defect, scores)
    ours = curve.caught[1:] / (curve.caught + curve.false_rejects)[1:]
    assert ours[::-1].tolist() == pytest.approx(precision[:-1].tolist())
    assert (curve.caught[1:] / curve.n_defect)[::-1].tolist() == pytest.approx(recall[:-1].tolist())


def test_part_without_a_score_is_rejected_at_every_limit() -> None:
    scores = np.array([np.nan, np.nan, np.nan, 0.7, 0.2])
    is_defect = np.array([True, False, False, True, False])

    curve = trace_curve(scores, is_defect)

    assert curve.caught.tolist() == [1, 2, 2]
    assert curve.false_rejects.tolist() == [2, 2, 3]
    assert curve.reject_from.tolist() == [np.inf, 0.7, 0.2]


@pytest.mark.parametrize("is_defect", [[True, True], [False, False]], ids=["only-defect", "only-good"])
def test_one_side_alone_has_no_areas_but_its_counts(is_defect: list[bool]) -> None:
    found = describe_curves(np.array([0.2, 0.9]), np.array(is_defect), [0.5])

    assert (found["roc_area"], found["average_precision"]) == (None, None)
    assert found["n_defect"] + found["n_good"] == 2


def test_nothing_scored_at_all_is_one_point() -> None:
    found = describe_curves(np.array([np.nan, np.nan]), np.array([True, False]), [0.5])

    assert found["points"] == [{"reject_from": None, "caught": 1, "false_rejects": 1}]
    assert found["roc_area"]["value"] == 0.5


def test_chosen_limit_counts_as_the_line_does_a_score_at_the_limit_is_rejected() -> None:
    scores, is_defect = np.array([0.2, 0.5, 0.5, 0.8]), np.array([False, False, True, True])

    chosen = describe_curves(scores, is_defect, [0.5, 0.50001, 0.95, 0.0])["chosen"]

    assert [(one["caught"], one["false_rejects"]) for one in chosen] == [(2, 1), (1, 0), (0, 0), (2, 2)]
    assert chosen[0]["reject_from"] == 0.5


def test_points_of_a_large_test_are_few_real_and_reach_both_ends() -> None:
    rng = np.random.default_rng(3)
    is_defect = np.arange(10_000) < 3000
    scores = np.clip(rng.normal(0.3 + 0.3 * is_defect, 0.2), 0, 1)
    curve = trace_curve(scores, is_defect)

    points = describe_curves(scores, is_defect, [0.5])["points"]

    assert len(points) < 1200
    real = set(zip(curve.caught.tolist(), curve.false_rejects.tolist(), strict=True))
    assert {(point["caught"], point["false_rejects"]) for point in points} <= real
    assert (points[0]["caught"], points[-1]["caught"], points[-1]["false_rejects"]) == (0, 3000, 7000)
    area = np.trapezoid([p["caught"] / 3000 for p in points], [p["false_rejects"] / 7000 for p in points])
    assert area == pytest.approx(roc_auc_score(is_defect, scores), abs=0.002)


def test_bounds_of_a_perfect_area_say_how_few_parts_it_rests_on() -> None:
    few, many = bound_area(1.0, 10, 10), bound_area(1.0, 100, 400)

    assert few[1] == many[1] == 1.0
    assert few[0] < 0.85 < 0.97 < many[0] < 1.0
    assert bound_average_precision(1.0, 10)[0] == pytest.approx(10 / (10 + 1.96**2), abs=1e-3)  # Wilson at n of n


@pytest.mark.parametrize("area", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_bounds_hold_what_was_measured_and_are_mirrored_when_classes_are_swapped(area: float) -> None:
    lower, upper = bound_area(area, 30, 70)

    assert 0 <= lower <= area <= upper <= 1
    assert bound_area(1 - area, 70, 30) == pytest.approx((1 - upper, 1 - lower))


@pytest.mark.parametrize(("distance", "n_defect", "n_good"), [(1.0, 20, 40), (2.5, 15, 100), (3.5, 20, 20)])
def test_bounds_hold_the_true_area_in_95_of_100_tests(distance: float, n_defect: int, n_good: int) -> None:
    rng = np.random.default_rng(0)
    truth = float(norm.cdf(distance / np.sqrt(2)))  # of two normal distributions of spread 1
    is_defect = np.arange(n_defect + n_good) < n_defect
    held = 0

    for _ in range(400):
        measured = area_under_roc(trace_curve(rng.normal(distance * is_defect, 1), is_defect))
        assert measured is not None
        lower, upper = bound_area(measured, n_defect, n_good)
        held += lower <= truth <= upper

    assert held / 400 > 0.93  # 0.95 less two standard errors of the simulation
