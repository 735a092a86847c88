"""The recheck band: opened where a second look is cheaper than the mistakes, or where a promise needs it."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.evaluation.threshold import choose_limits
from partgate.evaluation.threshold_words import ChosenLimits
from partgate.wishes import Cost, Promise, Wishes

score = st.integers(1, 99).map(lambda one: one / 100)
parts = st.lists(st.tuples(score, st.booleans()), min_size=1, max_size=25)


def choose(goods: Sequence[float], defects: Sequence[float], **wishes: object) -> ChosenLimits:
    """Return limits for scores of good and of defect parts."""
    is_defect = np.array([False] * len(goods) + [True] * len(defects), bool)
    return choose_limits(np.array([*goods, *defects], float), is_defect, Wishes(**wishes))  # type: ignore[arg-type]


# --- by cost


def test_band_opens_where_a_second_look_is_cheaper_than_the_mistakes() -> None:
    # Between 0.4 and 0.6 lie a good and a defect part. One limit: 10 for the escape or 1 for the false reject.
    # Rechecking both costs 2 x 0.2 = 0.4.
    limits = choose([0.1, 0.2, 0.6], [0.4, 0.8, 0.9], cost=Cost(recheck=0.2))

    assert (limits.recheck_from, limits.reject_from) == (pytest.approx(0.3), pytest.approx(0.7))
    assert (limits.escapes, limits.false_rejects) == (0, 0)
    assert (limits.rechecks_good, limits.rechecks_defect) == (1, 1)


def test_no_band_opens_where_a_second_look_costs_more_than_the_cheapest_mistake() -> None:
    # One false reject costs 1, rechecking two parts 1.2.
    limits = choose([0.1, 0.2, 0.6], [0.4, 0.8, 0.9], cost=Cost(recheck=0.6))

    assert limits.recheck_from == limits.reject_from == pytest.approx(0.3)
    assert limits.false_rejects == 1


def test_recheck_as_dear_as_a_false_reject_is_told_to_never_pay() -> None:
    limits = choose([0.1, 0.6], [0.4, 0.9], cost=Cost(escape=10, false_reject=1, recheck=1))

    assert limits.recheck_from == limits.reject_from
    assert "a recheck costs 1, no less than a mistake (escape 10, false reject 1): it never pays" in limits.warnings[-1]


def test_amounts_in_money_give_the_same_limits_as_their_ratios() -> None:
    goods, defects = [0.1, 0.2, 0.6], [0.4, 0.8, 0.9]

    ratios = choose(goods, defects, cost=Cost(escape=50, false_reject=1, recheck=0.25))
    money = choose(goods, defects, cost=Cost(escape=200, false_reject=4, recheck=1, currency="EUR"))

    assert (money.recheck_from, money.reject_from) == (ratios.recheck_from, ratios.reject_from)
    assert money.how == (
        "cheapest where an escape costs 200 EUR, a false reject 4 EUR and a recheck 1 EUR, at the data's defect share"
    )


@given(parts, st.sampled_from([2, 10, 50]), st.sampled_from([0.05, 0.3, 0.9, 2]), st.none() | st.just(0.1))
def test_no_other_pair_of_limits_is_ever_cheaper(
    made: list[tuple[float, bool]], escape: float, recheck: float, share: float | None
) -> None:
    goods, defects = ([one for one, is_defect in made if is_defect is wanted] for wanted in (False, True))
    limits = choose(goods, defects, cost=Cost(escape=escape, recheck=recheck), defect_share=share)
    share = len(defects) / len(made) if share is None else share

    def cost(low: float, high: float) -> float:
        def mean(parts: list[float], below: float, between: float, above: float) -> float:
            paid = [below if one < low else between if one < high else above for one in parts]
            return sum(paid) / len(paid) if paid else 0.0

        return share * mean(defects, escape, recheck, 0) + (1 - share) * mean(goods, 0, recheck, 1)

    places = sorted({0.0, 1.0, *(one + 0.005 for one, _ in made)})
    ours = cost(limits.recheck_from, limits.reject_from)
    assert all(ours <= cost(low, high) + 1e-9 for low in places for high in places if low <= high)


def test_price_of_a_recheck_sets_the_limit_that_a_wanted_rate_leaves_free() -> None:
    # No defect may pass: recheck from 0.3. Rejecting from 0.7 and rechecking the good part at 0.6 costs 0.4.
    limits = choose([0.1, 0.2, 0.6], [0.4, 0.8, 0.9], max_escape_rate=0, cost=Cost(recheck=0.2))

    assert (limits.recheck_from, limits.reject_from) == (pytest.approx(0.3), pytest.approx(0.7))
    assert limits.how == "max_escape_rate 0: recheck between the two limits"


@given(parts, st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([0.05, 0.3]))
def test_wanted_rates_are_always_kept_with_a_price_for_rechecks_too(
    made: list[tuple[float, bool]], rate: float, recheck: float
) -> None:
    goods, defects = ([one for one, is_defect in made if is_defect is wanted] for wanted in (False, True))

    limits = choose(goods, defects, max_escape_rate=rate, max_false_reject_rate=rate, cost=Cost(recheck=recheck))

    assert limits.escapes <= rate * len(defects) + 1e-9
    assert limits.false_rejects <= rate * len(goods) + 1e-9
    assert limits.recheck_from <= limits.reject_from


# --- by a promise


def test_promise_counts_one_part_more_than_was_seen() -> None:
    # 19 defect parts: 10 % of 20 is 2, so the limit lies below the second lowest and one of 19 escapes. A wanted rate
    # of 10 % allows int(1.9) = 1 as well; at 5 % the promise still allows none, below the lowest.
    defects = [0.3 + 0.03 * i for i in range(19)]

    tenth = choose([0.1], defects, promise=Promise(escape=0.1))
    twentieth = choose([0.1], defects, promise=Promise(escape=0.05))

    assert (tenth.escapes, twentieth.escapes) == (1, 0)
    assert tenth.how == "at most 10 % of future defect parts escape (split conformal over 19 parts)"


def test_promise_that_so_few_parts_cannot_give_lets_nothing_pass_and_says_how_many_would_do() -> None:
    limits = choose([0.1, 0.2], [0.8, 0.9], promise=Promise(escape=0.05))

    assert (limits.recheck_from, limits.reject_from) == (0.0, 0.0)
    assert limits.warnings == (
        "2 defect parts can promise no less than 33.3 %, 5 % was asked for, so nothing passes; 19 different defect "
        "parts would do",
    )


def test_promise_about_good_parts_alone_never_lets_everything_pass() -> None:
    limits = choose([0.1, 0.2], [0.8, 0.9], promise=Promise(false_reject=0.05))

    assert limits.recheck_from == pytest.approx(0.5)
    assert limits.reject_from == 1.0
    assert limits.escapes == 0


def test_both_promises_open_a_band_where_one_limit_cannot_keep_both() -> None:
    goods = [0.01 * i for i in range(1, 40)]  # 0.01 .. 0.39
    defects = [0.305 + 0.01 * i for i in range(39)]  # 0.305 .. 0.685

    limits = choose(goods, defects, promise=Promise(escape=0.025, false_reject=0.025))

    # 2.5 % of 40 is 1: the limits lie below the lowest defect part and above the highest good one.
    assert limits.recheck_from == pytest.approx(0.3025)
    assert limits.reject_from == pytest.approx(0.3925)
    assert (limits.escapes, limits.false_rejects) == (0, 0)


def test_promise_that_good_parts_at_the_highest_score_break_is_not_stated_as_kept() -> None:
    limits = choose([0.1] * 60 + [1.0] * 40, [1.0] * 100, promise=Promise(false_reject=0.05))

    assert limits.false_rejects == 40
    assert limits.how.startswith("asked for, but not kept: at most 5 % of future good parts are rejected")
    assert limits.warnings[-1].startswith("the promise about good parts cannot be kept: 40 of 100 score as high")


def test_share_that_the_scores_mean_is_told_where_it_is_not_the_counted_one() -> None:
    scores = np.array([0.3, 0.3, 0.3, 0.9])

    limits = choose_limits(scores, scores > 0.5, Wishes(), chances=scores)

    assert limits.how.endswith("at the defect share of the scores, 45 % (counted: 25 %)")


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_promise_is_kept_on_average_by_parts_to_come(share: float) -> None:
    # Over many draws of 39 defect parts, the share of new ones below the limit averages at most what was promised.
    rng = np.random.default_rng(0)
    passed = []
    for _ in range(400):
        seen = rng.beta(2, 2, 39)
        limits = choose(rng.beta(1, 4, 20).tolist(), seen.tolist(), promise=Promise(escape=share))
        passed.append((rng.beta(2, 2, 500) < limits.recheck_from).mean())

    spread = np.std(passed) / np.sqrt(len(passed))
    assert np.mean(passed) <= share + 3 * spread
    assert np.mean(passed) >= share / 2  # and the limit is no stricter than it must be
