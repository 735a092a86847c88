"""Limits keep away from scores: room for the noise of floats."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .scored_parts import choose, parts, rate_wish, score, split


@given(parts, st.lists(score, max_size=10), st.none() | rate_wish, st.none() | rate_wish)
def test_limit_is_never_within_float_noise_of_a_score_of_the_parts(
    made: list[tuple[float, bool]], avoid: list[float], escape: float | None, reject: float | None
) -> None:
    goods, defects = split(made)
    wishes = {"max_escape_rate": escape, "max_false_reject_rate": reject}

    limits = choose(goods, defects, (), **{key: value for key, value in wishes.items() if value is not None})

    for limit in {limits.recheck_from, limits.reject_from}:
        nearest = min(abs(one - limit) for one in (*goods, *defects))
        everything_is_rejected = limit <= min((*goods, *defects))
        assert nearest >= 0.49e-5 or everything_is_rejected


def test_limit_keeps_away_from_scores_to_avoid_where_there_is_room() -> None:
    plain = choose([0.2], [0.6])
    moved = choose([0.2], [0.6], avoid=[0.4])
    again = choose([0.2], [0.6], avoid=[0.4002, 0.5])

    assert plain.recheck_from == pytest.approx(0.4)
    assert moved.recheck_from in (pytest.approx(0.3), pytest.approx(0.5))
    assert again.recheck_from == pytest.approx((0.2 + 0.4002) / 2)


def test_scores_to_avoid_far_from_the_middle_move_nothing() -> None:
    assert choose([0.2], [0.6], avoid=[0.21, 0.39, 0.41, 0.59, 0.1, 0.9]).recheck_from == pytest.approx(0.4)


@given(st.lists(st.floats(0.2, 0.6), min_size=1, max_size=20))
def test_limit_always_stays_away_from_scores_to_avoid_as_far_as_the_room_allows(avoid: list[float]) -> None:
    limit = choose([0.2], [0.6], avoid).recheck_from

    inside = sorted({0.2, 0.6, *avoid})
    widest = max(high - low for low, high in pairwise(inside))
    assert 0.2 < limit < 0.6
    assert min(abs(one - limit) for one in inside) >= min(1e-3, 0.499 * widest)
