"""Groups from file names, and a folder with other groups: nothing that belongs together is torn apart."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from partgate.data.folder import LabelledFolder, Picture
from partgate.data.groups import GroupSource, group_by_pattern, regroup
from partgate.data.split import DEFAULT_SHARES, split_pictures
from partgate.errors import ConfigError, DataError


def picture(file: str, label: str = "good", content: str = "", group: str = "") -> Picture:
    """Return a picture; without a group it is one of its own, with the same content a copy."""
    sha256 = hashlib.sha256((content or file).encode()).hexdigest()
    return Picture(Path(file), file, label, sha256, group or sha256)


def folder_of(pictures: Sequence[Picture]) -> LabelledFolder:
    """Return a folder of pictures that need not exist."""
    classes = tuple(sorted({one.label for one in pictures}))
    return LabelledFolder(Path("parts"), tuple(pictures), classes, "good", has_groups=False, notes=("as read",))


def test_broken_pattern_is_refused_with_the_place():
    with pytest.raises(ConfigError, match=r"'\(part' is no regular expression: missing \), .* at position 0"):
        group_by_pattern([picture("part1_1.png")], "(part")


def test_pattern_without_a_group_called_group_is_refused():
    with pytest.raises(ConfigError, match=r"must name the part of the file name .* got '\(part\\\\d\+\)_'"):
        group_by_pattern([picture("part1_1.png")], r"(part\d+)_")


def test_pictures_whose_group_the_pattern_does_not_tell_are_counted_and_the_first_named():
    pictures = [picture("part1_1.png"), *(picture(f"loose{i}.png") for i in range(5))]

    with pytest.raises(DataError, match=r"5 of 6 pictures: 'loose0.png', 'loose1.png', 'loose2.png' and 2 more; widen"):
        group_by_pattern(pictures, r"(?P<group>part\d+)_")


@pytest.mark.parametrize("pattern", [r"good(?P<group>\d*)", r"(?P<group>part)?"], ids=["empty", "left out"])
def test_group_that_the_pattern_finds_empty_is_none(pattern):
    with pytest.raises(DataError, match=r"tells no group for 1 of 1 pictures: 'good/1.png'; widen"):
        group_by_pattern([picture("good/1.png")], pattern)


def test_group_is_read_from_anywhere_in_the_path():
    pictures = [picture("good/lot7_part12_a.png"), picture("dent/lot7_part12_b.png"), picture("good/lot7_part3_a.png")]

    found = group_by_pattern(pictures, r"(?P<group>part\d+)_")

    assert found == {
        "good/lot7_part12_a.png": "part12",
        "dent/lot7_part12_b.png": "part12",
        "good/lot7_part3_a.png": "part3",
    }


def test_copies_stay_together_whatever_the_names_say():
    folder = folder_of(
        [picture("1.png", content="x"), picture("2.png", content="x"), picture("3.png"), picture("4.png")]
    )

    again = regroup(folder, {"1.png": "A", "2.png": "B", "3.png": "B", "4.png": "C"}, GroupSource.PATTERN)

    assert [one.group for one in again.pictures] == ["A", "A", "A", "C"]


def test_what_was_joined_before_stays_together():
    folder = folder_of([picture("1.png", group="by a person"), picture("2.png", group="by a person"), picture("3.png")])

    again = regroup(folder, {"1.png": "A", "2.png": "B", "3.png": "C"}, GroupSource.LOOK_ALIKES)

    assert [one.group for one in again.pictures] == ["A", "A", "C"]


def test_picture_that_is_not_named_keeps_its_group_or_takes_that_of_its_copy():
    folder = folder_of([picture("1.png", content="x"), picture("2.png", content="x"), picture("3.png", group="own")])

    again = regroup(folder, {"2.png": "B"}, GroupSource.LOOK_ALIKES)

    assert [one.group for one in again.pictures] == ["B", "B", "own"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [(GroupSource.GIVEN, True), (GroupSource.PATTERN, True), (GroupSource.LOOK_ALIKES, False),
     (GroupSource.PICTURE, False)],
)  # fmt: skip
def test_groups_are_the_users_word_only_where_the_user_gave_them(source, expected):
    assert regroup(folder_of([picture("1.png")]), {"1.png": "A"}, source).has_groups is expected


def test_class_with_far_fewer_groups_than_pictures_is_told_beside_what_was_noted_before():
    pictures = [picture(f"g{i}.png") for i in range(6)] + [picture(f"d{i}.png", "dent") for i in range(3)]
    groups = {f"g{i}.png": "A" if i < 4 else "B" for i in range(6)} | {"d0.png": "C", "d1.png": "C", "d2.png": "D"}

    again = regroup(folder_of(pictures), groups, GroupSource.LOOK_ALIKES)

    assert again.notes == (
        "as read",
        "6 good pictures show only 2 look-alike groups (the largest has 4): each stays on one side of the split, and "
        "the figures rest on 2",
    )


def test_split_by_new_groups_keeps_each_on_one_side():
    pictures = [
        picture(f"{label}/{part}_{i}.png", label) for label in ("good", "dent") for part in range(6) for i in "ab"
    ]
    folder = folder_of(pictures)

    found = group_by_pattern(pictures, r"(?P<group>\w+/\d+)_")
    sides, _ = split_pictures(regroup(folder, found, GroupSource.PATTERN), DEFAULT_SHARES, seed=0)

    assert all(sides[one.file] == sides[one.file.replace("_a", "_b")] for one in pictures)
