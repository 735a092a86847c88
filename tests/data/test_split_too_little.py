"""Too little to learn from: refused with a way out, or split all the same and told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.data.split import DEFAULT_SHARES, split_pictures
from partgate.errors import DataError

from .made_splits import counted, folder_of, picture, table


def test_one_class_alone_cannot_be_learned() -> None:
    with pytest.raises(DataError, match=r"^parts: only class 'good' has pictures; learning needs at least two classes"):
        split_pictures(counted(good=50), DEFAULT_SHARES, 0)


@pytest.mark.parametrize("small", ["good", "dent"])
def test_good_or_defect_of_one_picture_asks_for_more(small: str) -> None:
    folder = counted(**{"good": 20, "dent": 20, small: 1})
    told = "good" if small == "good" else "all defects"

    with pytest.raises(DataError) as caught:
        split_pictures(folder, DEFAULT_SHARES, 0)

    # ignoring groups would not help here, so it is not proposed
    assert str(caught.value) == (
        f"parts: {told}: 1 pictures from 1 groups; training and test need at least 2 groups, validation a third: "
        "add pictures of further parts"
    )


@pytest.mark.parametrize("small", ["good", "dent"])
def test_two_groups_are_learned_and_tested_without_validation_and_the_user_told(small: str) -> None:
    folder = counted(**{"good": 20, "dent": 20, small: 2})
    told = "good" if small == "good" else "all defects"

    sides, notes = split_pictures(folder, DEFAULT_SHARES, 0)

    counts = table(folder, sides)
    assert counts[small] == (1, 0, 1)
    assert counts["dent" if small == "good" else "good"] == (16, 0, 4)
    assert notes[0] == (
        f"{told}: 2 pictures from only 2 groups: one to learn from, one for the test, none for validation; "
        "limits come from scores of the same group, which are too good"
    )


@pytest.mark.parametrize("n", [3, 4])
def test_class_of_three_or_four_pictures_is_learned_and_tested(n: int) -> None:
    folder = counted(good=20, dent=n)

    sides, notes = split_pictures(folder, DEFAULT_SHARES, 0)

    assert min(table(folder, sides)["dent"]) == 1
    assert notes == []


@pytest.mark.parametrize("n", [1, 2])
def test_rare_defect_class_beside_others_is_learned_and_the_user_told(n: int) -> None:
    folder = counted(good=20, dent=10, scratch=n)

    sides, notes = split_pictures(folder, DEFAULT_SHARES, 0)

    assert table(folder, sides)["scratch"][0] == 1
    assert notes == [f"class 'scratch' has pictures of only {n} groups: it is learned, but hardly tested"]


@given(st.integers(0, 99))
def test_defects_of_many_rare_classes_never_all_miss_the_test(seed: int) -> None:
    folder = counted(good=30, dent=2, pore=2, scratch=2, stain=2)

    sides, _ = split_pictures(folder, DEFAULT_SHARES, seed)

    rows = [row for name, row in table(folder, sides).items() if name != "good"]
    assert [row[0] for row in rows] == [1, 1, 1, 1]  # each is learned
    assert sum(row[1] for row in rows) == sum(row[2] for row in rows) == 2


def test_side_without_defects_is_told() -> None:
    folder = counted(good=30, dent=1, pore=1, scratch=1)

    _, notes = split_pictures(folder, DEFAULT_SHARES, 0)

    assert "no defect picture stands on the side 'test': nothing can be said about it" in notes


def test_pictures_of_too_few_groups_say_how_to_split_by_picture() -> None:
    defects = [picture(f"dent/{i}.png", "dent", "reel 1") for i in range(20)]
    folder = folder_of([*defects, *counted(good=20).pictures])

    with pytest.raises(
        DataError, match=r"all defects: 20 pictures from 1 groups; .* or set split.by: picture in the tr"
    ):
        split_pictures(folder, DEFAULT_SHARES, 0)


def test_count_in_the_message_is_that_of_the_class_where_groups_mix_labels() -> None:
    mixed = [picture(f"{i}.png", "dent" if i < 4 else "good", "reel 1") for i in range(30)]
    folder = folder_of([*mixed, *counted(good=20).pictures])

    with pytest.raises(DataError, match="all defects: 4 pictures from 1 groups"):
        split_pictures(folder, DEFAULT_SHARES, 0)


def test_sorting_needs_two_groups_of_every_class() -> None:
    pictures = [picture(f"{name}/{i}.png", name) for name, n in (("bolt", 9), ("nut", 1)) for i in range(n)]

    with pytest.raises(DataError, match="nut: 1 pictures from 1 groups"):
        split_pictures(folder_of(pictures, None), DEFAULT_SHARES, 0)
