"""Marked defects: how they are read, what is left of them at the network's input, what is proposed."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.data.folder import Picture
from partgate.data.marks import (
    ENOUGH_PX,
    LARGEST_INPUT_PX,
    Mark,
    find_marks,
    propose_setting,
    read_boxes,
    smallest_seen,
)
from partgate.data.quality import Measured


def measured(boxes: str, side_px: int = 1000, file: str = "a.png", column: str = "boxes_xyxy") -> Measured:
    picture = Picture(Path(file), file, "dent", file, file, columns={column: boxes})
    return Measured(picture, side_px, side_px, 1.0, 1.0, 0.0, 0.5, (1.0, 1.0), "", 0, np.zeros((64, 64), np.uint8))


# --- reading


@pytest.mark.parametrize("text", ["1 2 3", "1 2 3 4 5", "5 5 5 9", "5 9 9 5", "3 0 1 9"])
def test_box_of_another_form_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"a box must be x0 y0 x1 y1 with x0 < x1 and y0 < y1, got '{text}'"):
        read_boxes(text)


@pytest.mark.parametrize("text", ["", " ", ";", " ; "])
def test_no_box_is_no_mark(text: str) -> None:
    assert read_boxes(text) == []


def test_boxes_that_cannot_be_read_are_told_by_file_and_the_others_count() -> None:
    marks, unread = find_marks([measured("0 0 20 20"), measured("zero", file="b.png")], 250)

    assert marks is not None
    assert len(marks.marks) == 1
    assert list(unread) == ["b.png"]


@pytest.mark.parametrize("column", ["boxes_xyxy", "boxes"])
def test_marks_stand_in_either_column(column: str) -> None:
    marks, _ = find_marks([measured("0 0 40 40", column=column)], 250)

    assert marks is not None


def test_without_marks_nothing_is_known() -> None:
    assert find_marks([measured("")], 250) == (None, {})


# --- sizes


def test_size_is_the_side_of_a_square_of_the_same_area_scaled_to_the_input() -> None:
    """10 x 40 px has the area of 20 x 20; a picture of 1,000 px a side seen at 250 keeps a quarter: 5 px."""
    marks, _ = find_marks([measured("0 0 10 40;100 100 200 200")], 250)

    assert marks is not None
    assert [(mark.side_px, mark.kept_px) for mark in marks.marks] == [(20.0, 5.0), (100.0, 25.0)]
    assert marks.too_small == 1


def test_smallest_is_the_one_that_keeps_least_not_the_one_of_fewest_pixels() -> None:
    large = measured("0 0 30 30", side_px=4000, file="large.png")  # keeps 30 / 16
    small = measured("0 0 12 12", side_px=500, file="small.png")  # keeps 12 / 2

    marks, _ = find_marks([small, large], 250)

    assert marks is not None
    assert [mark.file for mark in marks.marks] == ["large.png", "small.png"]
    assert marks.tiles == (5, 5), "8 of 30 px at 4,000 need 1,067, more than four times 250; the small one needs 352"


# --- proposals


def proposed(side_px: float, height_px: int, width_px: int, size_px: int = 250) -> tuple[object, object]:
    kept = side_px * size_px / (height_px * width_px) ** 0.5
    return propose_setting(Mark("a", side_px, kept), height_px, width_px, size_px)


@pytest.mark.parametrize(
    ("side_px", "height_px", "width_px", "expected"),
    [
        (32, 1000, 1000, (None, None)),  # keeps 8 of 32
        (20, 1000, 1000, (416, None)),  # keeps 5: needs 250 · 8 / 5 = 400, in steps of 32
        (10, 1000, 1000, (None, (4, 4))),  # keeps 2.5: needs 800 = 3.2 times 250
        (10, 500, 2000, (None, (2, 7))),  # the same, in tiles of 250 x 286 of the 400 x 1600 needed
        (4, 250, 250, (None, None)),  # 4 px in the picture itself: nothing helps
        (4, 400, 400, (416, None)),  # never beyond the picture's own 400 px
        (2, 9000, 9000, (None, (8, 8))),  # no more than eight in a row
    ],
    ids=["enough", "larger-input", "tiles", "long-part", "too-small-itself", "up-to-its-own-pixels", "most-tiles"],
)
def test_proposal_keeps_eight_pixels(side_px: float, height_px: int, width_px: int, expected: object) -> None:
    assert proposed(side_px, height_px, width_px) == expected


@given(st.floats(8, 200), st.integers(250, 3000), st.integers(250, 3000))
def test_proposal_within_its_limits_always_keeps_eight_pixels(side_px: float, height_px: int, width_px: int) -> None:
    size, tiles = proposed(side_px, height_px, width_px)
    rows, columns = tiles or (1, 1)

    kept = side_px * (size or 250) / (height_px / rows * width_px / columns) ** 0.5

    assert size is None or size <= LARGEST_INPUT_PX
    assert kept >= ENOUGH_PX - 1e-6 or 8 in (rows, columns)


def test_smallest_seen_is_that_of_the_usual_picture_and_never_below_eight() -> None:
    assert smallest_seen({(500, 500): 1, (1000, 1000): 2}, 250) == 32.0
    assert smallest_seen({(100, 100): 1}, 250) == ENOUGH_PX
