"""Train, validation, test: no group on two sides, every picture on one, shares as asked, the same again."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.data.split import DEFAULT_SHARES, split_pictures
from partgate.errors import DataError

from .made_splits import SIDES, counted, folder_of, picture, table

groups_of_pictures = st.lists(
    st.tuples(st.lists(st.sampled_from(["good", "dent", "scratch"]), min_size=1, max_size=6)), min_size=3, max_size=25
)


@given(groups_of_pictures, st.integers(0, 9), st.sampled_from(["good", None]))
def test_no_group_is_ever_on_two_sides_and_every_picture_has_exactly_one(
    groups: list[tuple[list[str]]], seed: int, good_class: str | None
) -> None:
    pictures = [
        picture(f"{g}-{i}.png", label, f"group {g}")
        for g, (labels,) in enumerate(groups)
        for i, label in enumerate(labels)
    ]
    folder = folder_of(pictures, good_class)
    try:
        sides, _ = split_pictures(folder, DEFAULT_SHARES, seed)
    except DataError:
        return

    assert sorted(sides) == sorted(p.file for p in pictures)
    assert set(sides.values()) <= set(SIDES)
    found = defaultdict(set)
    for p in pictures:
        found[p.group].add(sides[p.file])
    assert all(len(one) == 1 for one in found.values())


@given(
    st.integers(3, 200),
    st.integers(3, 200),
    st.sampled_from([(0.6, 0.2, 0.2), (0.5, 0.25, 0.25), (0.8, 0.1, 0.1)]),
    st.integers(0, 99),
)
def test_shares_of_single_pictures_are_always_those_asked_for_within_two_pictures(
    goods: int, defects: int, shares: tuple[float, ...], seed: int
) -> None:
    folder = counted(good=goods, dent=defects)

    sides, _ = split_pictures(folder, dict(zip(SIDES, shares, strict=True)), seed)

    for name, n in (("good", goods), ("dent", defects)):
        for have, share in zip(table(folder, sides)[name], shares, strict=True):
            assert abs(have - share * n) < 2
            assert have >= 1 or n < 3


def test_sixty_twenty_twenty_by_hand() -> None:
    folder = counted(good=100, dent=10)

    sides, notes = split_pictures(folder, DEFAULT_SHARES, seed=0)

    assert table(folder, sides) == {"good": (60, 20, 20), "dent": (6, 2, 2)}
    assert notes == []


def test_class_of_three_groups_has_one_on_each_side() -> None:
    folder = counted(good=30, dent=3)

    sides, _ = split_pictures(folder, DEFAULT_SHARES, seed=0)

    assert table(folder, sides)["dent"] == (1, 1, 1)


@given(st.integers(0, 1000))
def test_same_seed_gives_the_same_split_whatever_the_order_of_the_pictures(seed: int) -> None:
    folder = counted(good=20, dent=8)
    turned = folder_of(folder.pictures[::-1])

    assert split_pictures(folder, DEFAULT_SHARES, seed) == split_pictures(folder, DEFAULT_SHARES, seed)
    assert split_pictures(folder, DEFAULT_SHARES, seed)[0] == split_pictures(turned, DEFAULT_SHARES, seed)[0]


def test_another_seed_gives_another_split() -> None:
    folder = counted(good=40, dent=40)

    assert split_pictures(folder, DEFAULT_SHARES, 0)[0] != split_pictures(folder, DEFAULT_SHARES, 1)[0]


def test_large_group_goes_as_a_whole_and_the_others_make_up_for_it() -> None:
    large = [picture(f"reel/{i}.png", "good", "reel") for i in range(60)]
    folder = folder_of([*large, *counted(good=40, dent=10).pictures])

    sides, _ = split_pictures(folder, DEFAULT_SHARES, seed=3)

    assert {sides[p.file] for p in large} == {"train"}
    assert table(folder, sides)["good"] == (60, 20, 20)


def test_further_columns_are_mixed_alike_on_all_sides() -> None:
    columns = [{"grade": grade, "type": kind} for grade in "01" for kind in ("mono", "poly")]
    pictures = [
        picture(f"{label}/{i}-{c}.png", label, columns=columns[c])
        for label in ("good", "dent") for c in range(4) for i in range(10 * (c + 1))
    ]  # fmt: skip

    sides, _ = split_pictures(folder_of(pictures), DEFAULT_SHARES, 0, ["grade", "type"])

    counts = Counter((p.label, *p.columns.values(), sides[p.file]) for p in pictures)
    for label in ("good", "dent"):
        for c, column in enumerate(columns):
            found = tuple(counts[label, *column.values(), side] for side in SIDES)
            assert found == (6 * (c + 1), 2 * (c + 1), 2 * (c + 1))


def test_column_that_does_not_exist_is_named_with_those_that_do() -> None:
    folder = folder_of([picture(f"{i}.png", "good" if i % 2 else "dent", columns={"grade": "0"}) for i in range(12)])

    with pytest.raises(
        DataError, match=r"^parts: labels\.csv has no column 'grad' to stratify by; further columns: grade"
    ):
        split_pictures(folder, DEFAULT_SHARES, 0, ["grad"])


def test_given_sides_are_kept_and_the_rest_is_dealt_out() -> None:
    given_ = [picture(f"test/{i}.png", "good", split="test") for i in range(10)]
    folder = folder_of([*given_, *counted(good=40, dent=10).pictures])

    sides, notes = split_pictures(folder, DEFAULT_SHARES, 0)

    assert {sides[p.file] for p in given_} == {"test"}
    assert table(folder, sides)["good"] == (30, 10, 10)
    assert notes == ["50 pictures have no split in labels.csv and are dealt out by share"]


def test_split_that_is_wholly_given_is_taken_as_it_is() -> None:
    pictures = [
        picture(f"{i}.png", label, split=SIDES[i % 3]) for label in ("good", "dent") for i in range(20)
        if (label == "good") == (i % 2 == 0)
    ]  # fmt: skip

    sides, notes = split_pictures(folder_of(pictures), DEFAULT_SHARES, 0)

    assert sides == {p.file: p.split for p in pictures}
    assert notes == []


def test_group_that_was_given_two_sides_is_refused_with_a_file_of_each() -> None:
    pictures = [picture("a.png", "good", "reel", "train"), picture("b.png", "good", "reel", "test")]

    with pytest.raises(
        DataError, match=r"one group on 2 sides of the split: 'b\.png' on test, 'a\.png' on train; pictures"
    ):
        split_pictures(folder_of([*pictures, *counted(good=9, dent=9).pictures]), DEFAULT_SHARES, 0)


def test_group_with_one_given_side_goes_there_as_a_whole() -> None:
    pictures = [picture("a.png", "good", "reel", "test"), picture("b.png", "good", "reel")]

    sides, _ = split_pictures(folder_of([*pictures, *counted(good=9, dent=9).pictures]), DEFAULT_SHARES, 0)

    assert sides["a.png"] == sides["b.png"] == "test"
