"""Operating points: counts at limits by hand, what they cost, and the curve over all limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.evaluation.cost_curve import describe_cost, pick_points
from partgate.evaluation.operating_points import (
    OperatingPoint,
    PartScores,
    count_at,
    price,
    share_on_line,
    trace_curve,
    worst_of_parts,
)
from partgate.evaluation.rates import lower_bound, upper_bound
from partgate.wishes import Cost, Wishes

GOODS, DEFECTS = [0.1, 0.2, 0.6], [0.4, 0.8, 0.9, 0.95]
EUROS = Cost(escape=250, false_reject=4, recheck=1.5, currency="EUR")


def scored(goods: list[float] = GOODS, defects: list[float] = DEFECTS) -> PartScores:
    """Return scores of good and of defect parts."""
    return PartScores(np.array([*goods, *defects]), np.array([False] * len(goods) + [True] * len(defects), bool))


# --- parts


def test_part_is_as_bad_as_the_worst_of_its_pictures() -> None:
    found = worst_of_parts(np.array([0.2, 0.9, 0.5]), np.array([False, False, True]), ["a", "a", "b"])

    assert found.values.tolist() == [0.9, 0.5]
    assert found.is_defect.tolist() == [False, True]


# --- counts


def test_score_at_a_limit_belongs_to_the_stricter_side() -> None:
    point = count_at(scored(), recheck_from=0.4, reject_from=0.6)

    assert (point.escapes, point.rechecks_defect) == (0, 1)  # 0.4 is rechecked
    assert (point.false_rejects, point.rechecks_good) == (1, 0)  # 0.6 is rejected


# --- money


def test_money_is_worked_out_by_hand() -> None:
    # One of four defect parts passes, one is rechecked; one of ten good parts is rejected, two are rechecked.
    # Per 1000 parts with 20 defect ones: 5 x 250 + 5 x 1.5 + 98 x 4 + 196 x 1.5 = 1250 + 7.5 + 392 + 294
    point = OperatingPoint(
        0.3, 0.7, n_good=10, n_defect=4, escapes=1, false_rejects=1, rechecks_good=2, rechecks_defect=1
    )

    money = price(point, EUROS, 0.02)

    assert money is not None
    assert money.value == pytest.approx(1943.5)


def test_bounds_of_money_are_those_of_all_rates() -> None:
    point = OperatingPoint(
        0.3, 0.3, n_good=10, n_defect=4, escapes=1, false_rejects=1, rechecks_good=0, rechecks_defect=0
    )

    money = price(point, Cost(escape=10), 0.5)

    assert money is not None
    assert money.high == pytest.approx(1000 * (5 * upper_bound(1, 4) + 0.5 * upper_bound(1, 10)))
    assert money.low == pytest.approx(1000 * (5 * lower_bound(1, 4) + 0.5 * lower_bound(1, 10)))


@pytest.mark.parametrize(("n_good", "n_defect"), [(0, 3), (3, 0)])
def test_without_good_or_defect_parts_nothing_can_be_said_about_money(n_good: int, n_defect: int) -> None:
    assert price(OperatingPoint(0.5, 0.5, n_good, n_defect, 0, 0, 0, 0), EUROS, 0.1) is None


def test_money_is_not_known_where_parts_were_rechecked_and_a_recheck_has_no_price() -> None:
    point = OperatingPoint(0.3, 0.7, 3, 4, escapes=0, false_rejects=0, rechecks_good=1, rechecks_defect=0)

    assert price(point, Cost(), 0.1) is None
    assert price(point, Cost(recheck=0.3), 0.1) is not None


def test_defect_share_is_that_of_the_parts_unless_named() -> None:
    assert share_on_line(scored(), Wishes()) == pytest.approx(4 / 7)
    assert share_on_line(scored(), Wishes(defect_share=0.02)) == 0.02


# --- the curve


def test_curve_without_a_price_for_rechecks_has_one_limit_at_each_number_of_escapes() -> None:
    points = trace_curve(scored(), Wishes())

    assert [(one.escapes, one.false_rejects) for one in points] == [(0, 1), (1, 0), (2, 0), (3, 0), (4, 0)]
    assert [one.recheck_from for one in points] == pytest.approx([0.3, 0.7, 0.85, 0.925, 1.0])
    assert all(one.recheck_from == one.reject_from for one in points)


def test_curve_with_a_price_for_rechecks_opens_the_band_that_pays() -> None:
    # Nothing may pass, so from 0.3 on. Rejecting the good part at 0.6 costs 4 / 3 of the good share; rechecking it and
    # the defect part at 0.4 costs 1.5 / 3 and 1.5 / 4 of theirs.
    first = trace_curve(scored(), Wishes(cost=EUROS, defect_share=0.02))[0]

    assert (first.recheck_from, first.reject_from) == (pytest.approx(0.3), pytest.approx(0.7))
    assert (first.escapes, first.false_rejects, first.rechecks_good, first.rechecks_defect) == (0, 0, 1, 1)


@given(
    st.lists(st.tuples(st.integers(1, 99).map(lambda one: one / 100), st.booleans()), min_size=2, max_size=30),
    st.sampled_from([None, 0.1, 0.5]),
)
def test_letting_more_through_never_holds_up_more_good_parts(
    made: list[tuple[float, bool]], recheck: float | None
) -> None:
    found = scored([one for one, bad in made if not bad], [one for one, bad in made if bad])

    points = trace_curve(found, Wishes(cost=Cost(recheck=recheck)))

    held = [one.false_rejects + one.rechecks_good for one in points]
    assert held == sorted(held, reverse=True)
    assert [one.escapes for one in points] == sorted({one.escapes for one in points})
    assert points[-1].escapes == points[-1].n_defect
    assert all(one == count_at(found, one.recheck_from, one.reject_from) for one in points)


def test_curve_over_many_parts_keeps_about_sixty_points() -> None:
    rng = np.random.default_rng(0)

    points = trace_curve(scored(rng.random(500).tolist(), rng.random(3000).tolist()), Wishes())

    assert 50 <= len(points) <= 60


def test_description_names_prices_share_and_the_rule_in_force() -> None:
    cost = describe_cost(scored(), Wishes(cost=EUROS, defect_share=0.02), 0.5, 0.5)

    assert cost is not None
    assert (cost["currency"], cost["per"], cost["defect_share"], cost["defect_share_from"]) == (
        "EUR",
        1000,
        0.02,
        "recipe",
    )
    assert (cost["chosen"]["escapes"], cost["chosen"]["false_rejects"]) == (1, 1)
    # 5 of 20 defect parts escape, a third of 980 good ones is rejected
    assert cost["chosen"]["money"] == pytest.approx(5 * 250 + 980 / 3 * 4)


def test_counts_by_verdict_stand_in_place_of_those_by_score_where_given() -> None:
    found = OperatingPoint(0.5, 0.5, 3, 4, escapes=0, false_rejects=1, rechecks_good=0, rechecks_defect=1)

    cost = describe_cost(scored(), Wishes(cost=EUROS), 0.5, 0.5, found)

    assert cost is not None
    assert (cost["chosen"]["escapes"], cost["chosen"]["rechecks_defect"]) == (0, 1)


def test_description_is_none_where_one_side_is_missing() -> None:
    assert describe_cost(scored(defects=[]), Wishes(), 0.5, 0.5) is None


def test_table_keeps_the_strict_end_closely_and_the_last_rule() -> None:
    cost = {"points": list(range(61))}

    picked = pick_points(cost, most=12)  # type: ignore[arg-type]

    assert picked[:6] == [0, 1, 2, 3, 4, 5]
    assert picked[-1] == 60
    assert len(picked) == 12
