"""Sets that are joined: by way of others, never across what is kept apart, not by one chance resemblance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.data.joining import JoinedSets, join_alike

numbers = st.integers(0, 7)
pairs = st.lists(st.tuples(numbers, numbers), max_size=20)


@given(pairs, pairs)
def test_what_is_kept_apart_is_never_joined_by_way_of_others(apart: list, joins: list) -> None:
    sets = JoinedSets(8)
    kept = [(i, j) for i, j in apart if sets.keep_apart(i, j)]

    for i, j in joins:
        sets.join(i, j)

    assert not any(sets.are_joined(i, j) for i, j in kept)


@given(pairs)
def test_members_of_a_set_are_those_that_have_its_leader(joins: list) -> None:
    sets = JoinedSets(8)

    for i, j in joins:
        sets.join(i, j)

    assert all(sorted(sets.members(i)) == [j for j in range(8) if sets.are_joined(i, j)] for i in range(8))


def test_numbers_that_are_joined_cannot_be_kept_apart_any_more():
    sets = JoinedSets(2)
    sets.join(0, 1)

    assert not sets.keep_apart(0, 1)


def two_triples(between: list[float]) -> dict[tuple[int, int], float]:
    """Return how alike the pictures of two parts with three each are: sure inside, as given across."""
    inside = dict.fromkeys([(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)], 0.9)
    across = [(i, j) for i in (0, 1, 2) for j in (3, 4, 5)]
    return inside | dict(zip(across, between, strict=False))


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        pytest.param([0.5] + [0.1] * 8, False, id="one of nine is chance"),
        pytest.param([0.5, 0.5] + [0.1] * 7, True, id="two of nine"),
        pytest.param([0.5], True, id="the only one that was compared"),
        pytest.param([0.49] * 9, False, id="all of them just below the limit"),
        pytest.param([0.8] + [0.1] * 8, True, id="one beyond doubt"),
    ],
)
def test_unsure_pair_joins_two_groups_only_where_others_between_them_agree(between: list[float], expected: bool):
    sets = JoinedSets(6)

    join_alike(sets, two_triples(between), alike_from=0.5, sure_from=0.8)

    assert sets.are_joined(0, 3) is expected
    assert sets.are_joined(0, 2)


def test_only_unsure_pairs_that_hold_groups_together_are_told():
    sets = JoinedSets(6)

    bridges = join_alike(sets, two_triples([0.6, 0.55, 0.7]), alike_from=0.5, sure_from=0.8)

    assert bridges == [(0, 5)]


def test_sure_pair_does_not_join_what_a_person_keeps_apart():
    sets = JoinedSets(6)
    sets.keep_apart(2, 4)

    bridges = join_alike(sets, two_triples([0.85]), alike_from=0.5, sure_from=0.8)

    assert not sets.are_joined(0, 3)
    assert bridges == []
