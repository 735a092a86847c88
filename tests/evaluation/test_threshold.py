"""Limits: the cheapest by default, wishes kept by floor(rate x n), midway between scores."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.configfile import check_settings
from partgate.errors import ConfigError
from partgate.evaluation.threshold import choose_limits
from partgate.wishes import Cost, Wishes

from .scored_parts import choose, parts, rate_wish, score, split

# --- the cheapest


def test_separated_parts_get_one_limit_midway_between_them() -> None:
    limits = choose([0.1, 0.2], [0.6, 0.9])

    assert limits.recheck_from == limits.reject_from == pytest.approx(0.4)  # midway between 0.2 and 0.6
    assert (limits.escapes, limits.false_rejects) == (0, 0)
    assert limits.warnings == ()


@pytest.mark.parametrize(
    ("cost_ratio", "limit", "escapes", "false_rejects"),
    [
        (0.4, 0.75, 2, 0),
        (1.4, 0.75, 2, 0),
        (1.6, 0.45, 0, 3),
        (10, 0.45, 0, 3),
    ],
)
def test_cheapest_limit_by_hand(cost_ratio: float, limit: float, escapes: int, false_rejects: int) -> None:
    # A limit at 0.45 rejects three good parts: cost 3. One at 0.75 lets two defects escape: cost 2 x cost_ratio.
    # They are equal at a ratio of 1.5; every other limit costs more than one of the two.
    goods, defects = [0.1, 0.2, 0.3, 0.4, 0.6, 0.65, 0.7], [0.5, 0.55, 0.8, 0.9]

    limits = choose(goods, defects, cost_ratio=cost_ratio)

    assert limits.recheck_from == pytest.approx(limit)
    assert (limits.escapes, limits.false_rejects) == (escapes, false_rejects)


def test_share_of_defects_on_the_line_outweighs_that_of_the_data() -> None:
    goods, defects = [0.1, 0.6], [0.5, 0.9]
    # Either the defect at 0.5 escapes (cost 10 x share / 2) or the good part at 0.6 is rejected ((1 - share) / 2):
    # equal at a share of 1/11.

    often = choose(goods, defects, defect_share=0.2)
    seldom = choose(goods, defects, defect_share=0.05)

    assert (often.escapes, often.false_rejects) == (0, 1)
    assert (seldom.escapes, seldom.false_rejects) == (1, 0)
    assert often.how == "cheapest where an escape costs 10 false rejects, at a defect share of 0.2"


def test_ties_take_the_limit_with_most_room() -> None:
    # One defect at 0.5 between good ones at 0.2 and 0.9, cost ratio 1: letting it escape (limit in 0.9..1) costs as
    # much as rejecting the good one (limit in 0.2..0.5); the latter has three times the room.
    limits = choose([0.2, 0.9], [0.5], cost_ratio=1)

    assert limits.recheck_from == pytest.approx(0.35)


def test_equal_scores_cannot_be_told_apart_and_the_limit_says_which_way_they_go() -> None:
    limits = choose([0.5, 0.5], [0.5])

    assert limits.recheck_from == pytest.approx(0.25)  # rejects all three: an escape would cost ten
    assert (limits.escapes, limits.false_rejects) == (0, 2)


def test_parts_that_are_all_good_are_not_rejected() -> None:
    limits = choose([0.1, 0.3], [])

    assert (limits.recheck_from, limits.n_defect, limits.false_rejects) == (pytest.approx(0.65), 0, 0)


@given(parts, st.integers(1, 50), st.integers(1, 50))
def test_raising_the_cost_ratio_never_lets_more_defects_escape(
    made: list[tuple[float, bool]], one: int, other: int
) -> None:
    goods, defects = split(made)
    cheap, dear = sorted([one, other])

    assert choose(goods, defects, cost_ratio=dear).escapes <= choose(goods, defects, cost_ratio=cheap).escapes


@given(parts, st.integers(1, 20))
def test_no_other_limit_is_ever_cheaper(made: list[tuple[float, bool]], cost_ratio: int) -> None:
    goods, defects = split([(round(one, 3), is_defect) for one, is_defect in made])  # gaps that a limit fits into
    limits = choose(goods, defects, cost_ratio=cost_ratio)

    def cost(limit: float) -> float:
        return cost_ratio * sum(one < limit for one in defects) + sum(one >= limit for one in goods)

    for limit in {0.0, *(one + 0.0005 for one in (*goods, *defects) if one < 1)}:
        assert cost(limits.recheck_from) <= cost(limit) + 1e-6


# --- wishes


@pytest.mark.parametrize(
    ("rate", "n", "allowed"),
    [(0.0, 10, 0), (0.1, 9, 0), (0.1, 10, 1), (0.1, 19, 1), (0.29, 100, 29), (0.07, 100, 7), (1.0, 5, 5)],
)
def test_allowed_number_is_the_floor_of_rate_times_n(rate: float, n: int, allowed: int) -> None:
    # 0.29 x 100 is 28.999999999999996 in floats and 29 all the same
    scores = [0.1 + 0.5 * i / n for i in range(n)]

    escaping = choose([0.05], scores, max_escape_rate=rate)
    rejected = choose(scores, [0.95], max_false_reject_rate=rate)

    assert escaping.escapes == allowed
    assert rejected.false_rejects == allowed


@given(parts, rate_wish)
def test_wanted_escape_rate_is_always_kept(made: list[tuple[float, bool]], rate: float) -> None:
    goods, defects = split(made)

    assert choose(goods, defects, max_escape_rate=rate).escapes <= rate * len(defects) + 1e-6


@given(parts, rate_wish)
def test_wanted_false_reject_rate_is_always_kept_or_the_user_told(made: list[tuple[float, bool]], rate: float) -> None:
    goods, defects = split(made)

    limits = choose(goods, defects, max_false_reject_rate=rate)

    kept = limits.false_rejects <= rate * len(goods) + 1e-6
    assert kept or any("cannot be kept" in warning for warning in limits.warnings)
    assert kept or max(goods) > 0.99  # no limit lies above a score of 1


def test_one_wish_sets_one_limit_without_a_band() -> None:
    escape = choose([0.1, 0.4, 0.6], [0.3, 0.5, 0.7, 0.9], max_escape_rate=0.25)
    reject = choose([0.1, 0.4, 0.6], [0.3, 0.5, 0.7, 0.9], max_false_reject_rate=0)

    assert escape.recheck_from == escape.reject_from == pytest.approx(0.45)  # mildest with one escape of four
    assert reject.recheck_from == reject.reject_from == pytest.approx(0.65)  # strictest without a false reject


def test_both_wishes_that_contradict_each_other_give_a_recheck_band() -> None:
    limits = choose([0.1, 0.2, 0.6], [0.4, 0.8, 0.9], max_escape_rate=0, max_false_reject_rate=0)

    assert limits.recheck_from == pytest.approx(0.3)
    assert limits.reject_from == pytest.approx(0.7)
    assert (limits.escapes, limits.false_rejects) == (0, 0)
    assert (limits.rechecks_good, limits.rechecks_defect) == (1, 1)
    assert limits.how == "max_escape_rate 0, max_false_reject_rate 0: recheck between the two limits"


def test_both_wishes_that_one_limit_keeps_give_one_limit() -> None:
    limits = choose([0.1, 0.2], [0.4, 0.8], max_escape_rate=0.5, max_false_reject_rate=0.5)

    assert limits.recheck_from == limits.reject_from == pytest.approx(0.3)  # the cheapest of those that keep both
    assert limits.how.endswith("one limit keeps both")


@given(parts, st.none() | rate_wish, st.none() | rate_wish, st.lists(score, max_size=5))
def test_limits_are_always_in_order_and_their_counts_right(
    made: list[tuple[float, bool]], escape: float | None, reject: float | None, avoid: list[float]
) -> None:
    goods, defects = split(made)
    wishes = {"max_escape_rate": escape, "max_false_reject_rate": reject}

    limits = choose(goods, defects, avoid, **{key: value for key, value in wishes.items() if value is not None})

    low, high = limits.recheck_from, limits.reject_from
    assert 0 <= low <= high <= 1
    assert (limits.n_good, limits.n_defect) == (len(goods), len(defects))
    assert limits.escapes == sum(one < low for one in defects)
    assert limits.false_rejects == sum(one >= high for one in goods)
    assert limits.rechecks_good == sum(low <= one < high for one in goods)
    assert limits.rechecks_defect == sum(low <= one < high for one in defects)


# --- chances


def test_with_chances_the_limit_is_that_of_the_expected_cost() -> None:
    # An escape costs 4, so a part is let pass below a chance of 1 / (1 + 4) = 0.2: between the scores 0.1 and 0.3,
    # although the defect seen at 0.1 would make the empirical limit lie below it.
    scores = np.array([0.05, 0.1, 0.3, 0.9])
    is_defect = np.array([False, True, False, True])

    limits = choose_limits(scores, is_defect, Wishes(cost=Cost(escape=4)), chances=scores)

    assert limits.recheck_from == pytest.approx(0.2)
    assert (limits.escapes, limits.false_rejects) == (1, 1)


def test_with_chances_a_rarer_defect_moves_the_limit_by_its_odds() -> None:
    # Chances sum to 0.5 of 1: odds 1. At a share of 0.1 (odds 1/9) and a cost of 9 the limit is at even chances, 0.5.
    scores = np.array([0.1, 0.2, 0.4, 0.6, 0.8, 0.9])
    is_defect = scores > 0.5

    limits = choose_limits(scores, is_defect, Wishes(cost=Cost(escape=9), defect_share=0.1), chances=scores)

    assert limits.recheck_from == pytest.approx(0.5)


# --- what is refused


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1, 1.1])
def test_score_that_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="scores must be between 0 and 1 and finite"):
        choose([0.1, wrong], [0.9])


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"cost": {"escape": 0}}, "cost.escape: input should be greater than 0, got 0"),
        ({"max_escape_rate": 2}, "max_escape_rate: must be a fraction between 0 and 1, got 2: is 2 % meant"),
        ({"max_escape_rate": True}, "max_escape_rate: must not be yes, no"),
        ({"defect_share": 1}, r"defect_share: must be a fraction between 0 and 1, got 1: is 1 % meant\? That is 0\.01"),
        ({"max_escape_rates": 0.1}, r"max_escape_rates is not a known key; did you mean 'max_escape_rate'\?"),
    ],
)
def test_wish_that_makes_no_sense_is_refused(wishes: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=f"^training.yaml: {told}"):
        check_settings(wishes, Wishes, source="training.yaml", folder=Path())
