"""Calibration: scores mean what they say, a map is kept only where it wins, and no order is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.training.calibration import Calibration, fit_calibration, fit_knots, fit_temperature, softmax

DEFECT, GOOD = 0, 1


def drawn(count: int, seed: int = 0, bend: float = 1.0, defect_share: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Logits of two classes that mean what they say; with ``bend`` the defect side of them is that much too sure."""
    rng = np.random.default_rng(seed)
    is_defect = rng.random(count) < defect_share
    log_odds = rng.normal(np.where(is_defect, 1.5, -1.5), 1.5) * 4 / 3 + np.log(defect_share / (1 - defect_share))
    log_odds = np.where(log_odds > 0, bend * log_odds, log_odds)
    return np.stack([log_odds / 2, -log_odds / 2], 1), np.where(is_defect, DEFECT, GOOD)


def fitted(logits, labels, *, weights=None, groups=None, good=GOOD, seed=0):
    count = len(labels)
    weights = np.ones(count) if weights is None else weights
    groups = np.arange(count).astype(str) if groups is None else groups
    return fit_calibration(logits, labels, weights, groups, logits.shape[1], good, False, seed)


@pytest.mark.parametrize("spoiled", [0, 1, 2])
@pytest.mark.parametrize("knots", [None, ((0.0, 0.1), (1.0, 0.6))], ids=["no-map", "map"])
def test_row_with_a_logit_that_is_no_number_has_no_probability(spoiled: int, knots: tuple | None):
    logits = np.zeros((2, 3))
    logits[0, spoiled] = np.nan

    found = Calibration(1.0, np.zeros(3), GOOD, knots).apply(logits)

    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


@pytest.mark.parametrize(
    ("count", "defects", "groups"),
    [(199, 100, 199), (200, 49, 200), (200, 151, 200), (200, 100, 19)],
    ids=["few-pictures", "few-defect", "few-good", "few-groups"],
)
def test_map_is_not_tried_on_too_few(count: int, defects: int, groups: int):
    labels = np.where(np.arange(count) < defects, DEFECT, GOOD)
    logits = np.random.default_rng(0).normal(size=(count, 2))

    found, _, how = fitted(logits, labels, groups=np.array([str(i % groups) for i in range(count)]))

    assert found.knots is None
    assert (
        f"was not tried: {count - defects} good and {defects} defect pictures, whose groups count as {groups} of" in how
    )
    assert "needed are 200 with 50 of each side and 20 groups" in how


def test_sorting_by_class_has_no_score_to_map():
    logits, labels = drawn(400, bend=6)

    found, _, how = fitted(logits, labels, good=None)

    assert found.knots is None
    assert how == "temperature and shift per class"


def test_pictures_of_weight_0_do_not_count_as_seen():
    logits, labels = drawn(400, bend=6)

    _, _, how = fitted(logits, labels, weights=np.where(np.arange(400) < 150, 1.0, 0.0))

    assert "was not tried" in how
    assert "count as 150 of equal size" in how


def test_scores_that_mean_what_they_say_keep_no_map():
    found, _, how = fitted(*drawn(600))

    assert found.knots is None
    assert "did not win by more than noise" in how
    assert found.temperature == pytest.approx(1, abs=0.25)


def test_scores_that_are_too_sure_on_one_side_get_a_map_that_makes_them_true():
    logits, labels = drawn(1500, bend=6)
    new_logits, new_labels = drawn(20_000, seed=1, bend=6)

    found, _, how = fitted(logits, labels)

    assert found.knots is not None
    assert "then an isotonic map of the defect score (log loss" in how
    scores = found.apply(new_logits)[:, DEFECT]
    near = (scores > 0.75) & (scores < 0.85)
    assert (new_labels[near] == DEFECT).mean() == pytest.approx(0.8, abs=0.06)


def test_one_group_that_holds_nearly_all_pictures_is_no_crowd():
    logits, labels = drawn(1500, bend=6)
    alike = np.zeros(1500, int)  # everything but 24 pictures shows one part
    alike[:24] = np.arange(1, 25)

    found, _, how = fitted(logits, labels, groups=alike.astype(str))

    assert found.knots is None
    assert "count as 1 of equal size" in how


def test_loss_compares_heads_by_temperature_and_shift_alone():
    logits, labels = drawn(1500, bend=6)

    _, loss, _ = fitted(logits, labels)

    assert loss == fit_temperature(logits, labels, np.ones(1500), 2, False)[1]


def test_temperature_takes_back_what_logits_were_blown_up_by():
    logits, labels = drawn(2000)

    plain, _ = fit_temperature(logits, labels, np.ones(2000), 2, False)
    blown_up, _ = fit_temperature(5 * logits, labels, np.ones(2000), 2, False)

    assert blown_up.temperature == pytest.approx(5 * plain.temperature, rel=0.01)


def test_balanced_logits_that_know_nothing_become_the_shares_of_the_classes():
    labels = np.array([DEFECT] * 10 + [GOOD] * 90)

    found, _ = fit_temperature(np.zeros((100, 2)), labels, np.ones(100), 2, True)

    assert found.apply(np.zeros((1, 2)))[0] == pytest.approx([0.1, 0.9], abs=1e-3)


def test_weights_count_as_so_many_pictures():
    labels = np.array([DEFECT] * 50 + [GOOD] * 50)

    found, _ = fit_temperature(np.zeros((100, 2)), labels, np.where(labels == DEFECT, 1.0, 3.0), 2, True)

    assert found.apply(np.zeros((1, 2)))[0] == pytest.approx([0.25, 0.75], abs=1e-3)


def test_defect_classes_share_the_mapped_score_as_they_shared_their_own():
    logits = np.log(np.array([[0.1, 0.5, 0.4]]))  # score 0.5 → 0.35, in shares of 1 to 4

    found = Calibration(1.0, np.zeros(3), GOOD, ((0.0, 0.1), (1.0, 0.6))).apply(logits)

    assert found[0] == pytest.approx([0.07, 0.65, 0.28])


def test_score_of_exactly_0_still_has_shares():
    found = Calibration(1.0, np.zeros(3), GOOD, ((0.0, 0.1), (1.0, 0.6))).apply(np.array([[0.0, 2000.0, np.log(3)]]))

    assert found[0] == pytest.approx([0.025, 0.9, 0.075])


def test_temperature_and_shift_come_before_the_map():
    found = Calibration(2.0, np.array([0.0, np.log(3)]), GOOD, ((0.0, 0.0), (1.0, 0.5))).apply(np.array([[2.0, 2.0]]))

    assert found[0] == pytest.approx([0.125, 0.875])  # 2 / 2 + shift: odds 1 to 3, score 0.25, halved


def test_knots_lie_at_the_mean_score_of_equal_shares_between_ends_by_laplace():
    scores = np.repeat([0.1, 0.2, 0.6, 0.9], 20)
    events = np.repeat([0, 1], [20, 20]).tolist() + np.repeat([0, 1], [0, 20]).tolist() + [1] * 20
    is_defect = np.array(events, bool)
    is_defect[20:40] = np.arange(20) < 10  # shares: 0, 0.5, 1, 1; the last two are one block at 0.75

    knots = fit_knots(scores, is_defect, np.ones(80))

    shares = [1 / 22, 0.5, 1 - 1 / 42]
    expected = [(0.1, shares[0]), (0.2, shares[1]), (0.75, shares[2])]
    mixed = [(place, 0.95 * share + 0.05 * place) for place, share in expected]
    assert list(knots[1:-1]) == [pytest.approx(knot) for knot in mixed]
    assert knots[0] == pytest.approx((0, 0.95 * shares[0] / 2))
    assert knots[-1] == pytest.approx((1, 0.95 * (1 + shares[2]) / 2 + 0.05))


def test_leap_between_near_scores_is_flattened_because_engines_differ_in_the_last_digits():
    scores = np.repeat([0.49, 0.50, 0.51], 20)
    is_defect = np.repeat([False, False, True], 20)

    places, values = np.array(fit_knots(scores, is_defect, np.ones(60))).T

    assert (np.diff(values) / np.diff(places)).max() <= 5.0


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([1 / 3, 2 / 3, 1.0])), min_size=1, max_size=300)
)
def test_knots_always_rise_from_score_0_to_score_1_and_stay_inside(rows: list[tuple[float, bool, float]]):
    scores, is_defect, weights = (np.array(column) for column in zip(*rows, strict=True))

    places, values = np.array(fit_knots(scores, is_defect, weights)).T

    assert (places[0], places[-1]) == (0, 1)
    assert 3 <= len(places) <= 20
    slopes = np.diff(values) / np.diff(places)
    assert slopes.min() >= 0.049
    assert slopes.max() <= 5.0
    assert 0 < values[0] < values[-1] < 1


def test_many_pictures_still_make_at_most_twenty_knots():
    rng = np.random.default_rng(0)
    scores = rng.random(20_000)

    knots = fit_knots(scores, rng.random(20_000) < scores, np.ones(20_000))

    assert 10 < len(knots) <= 20


def test_no_map_makes_two_scores_one():
    knots = fit_knots(np.linspace(0, 1, 400), np.arange(400) >= 200, np.ones(400))
    log_odds = np.sort(np.random.default_rng(0).normal(0, 3, 5000))

    found = Calibration(1.0, np.zeros(2), GOOD, knots).apply(np.stack([log_odds, 0 * log_odds], 1))[:, DEFECT]

    assert (np.diff(found) > 0).all()


def test_same_seed_gives_the_same_calibration():
    first, second = fitted(*drawn(1500, bend=6), seed=3), fitted(*drawn(1500, bend=6), seed=3)

    assert first[0].knots == second[0].knots
    assert first[1:] == second[1:]


def test_softmax_survives_large_logits():
    assert softmax(np.array([[1000.0, 1000.0]])).tolist() == [[0.5, 0.5]]
