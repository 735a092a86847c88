"""How large marked defects are, how much of them the network still sees, and which setting keeps enough."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

from partgate.data.folder import Picture
from partgate.data.quality import Measured

MARK_COLUMNS = ("boxes_xyxy", "boxes")
ENOUGH_PX = 8.0
"""Side of a defect at the network's input below which it is little more than a guess."""

LARGEST_INPUT_PX = 512
"""Beyond this, tiles are the better way: the network was pretrained at about 224 px."""

_GRID_PX = 32  # what the networks' strides divide
_MOST_TILES = 8  # in a row or column
_BOX = re.compile(r"\s*[,\s]\s*")


@dataclass(frozen=True, slots=True)
class Mark:
    """One marked defect."""

    file: str
    side_px: float  # square root of its area, in pixels of the picture
    kept_px: float  # the same at the network's input


@dataclass(frozen=True, slots=True)
class MarkedDefects:
    """What marks say about the size of defects, and the setting that keeps enough of the smallest."""

    marks: tuple[Mark, ...]  # the smallest at the input first
    image_size_px: int  # the setting looked at
    wanted_size_px: int | None  # proposed instead; None where the setting does, or tiles are better
    tiles: tuple[int, int] | None  # rows, columns, proposed

    @property
    def too_small(self) -> int:
        """How many marks keep less than 8 px."""
        return sum(mark.kept_px < ENOUGH_PX for mark in self.marks)


def read_boxes(text: str) -> list[tuple[float, float, float, float]]:
    """Return boxes written as ``x0 y0 x1 y1``, several apart by semicolons.

    Raises:
        ValueError: If a box has not four numbers, or its second corner is not right of and below the first.

    Example:
        >>> read_boxes("1 2 5 4; 0,0,2,2")
        [(1.0, 2.0, 5.0, 4.0), (0.0, 0.0, 2.0, 2.0)]
    """
    boxes = []
    for written in text.split(";"):
        if not written.strip():
            continue
        numbers = [float(number) for number in _BOX.split(written.strip())]
        if len(numbers) != 4 or not (numbers[0] < numbers[2] and numbers[1] < numbers[3]):
            raise ValueError(f"a box must be x0 y0 x1 y1 with x0 < x1 and y0 < y1, got '{written.strip()}'")
        boxes.append((numbers[0], numbers[1], numbers[2], numbers[3]))
    return boxes


def find_marks(pictures: Sequence[Measured], image_size_px: int) -> tuple[MarkedDefects | None, dict[str, str]]:
    """Return what the marks in ``labels.csv`` say, and by file what is wrong with marks that cannot be read.

    The size of a defect is the side of a square with the area of its box. The network sees each picture scaled to as
    many pixels as a square of ``image_size_px`` has.

    Args:
        pictures: Readable pictures; marks stand in their column ``boxes_xyxy`` or ``boxes``.
        image_size_px: Input size of the training.

    Returns:
        ``None`` in place of the marks where nothing is marked.

    Source:
        8 px: Wang, Yang, Guo, Zhang, Xia (2021), "Tiny object detection in aerial images" (AI-TOD), count 2 to 8 px as
        "very tiny", where detectors all but fail. The proposal: own.
    """
    marks, unread, scaled = [], {}, []
    for one in pictures:
        text = _written(one.picture)
        try:
            boxes = read_boxes(text)
        except ValueError as error:
            unread[one.picture.file] = str(error)
            continue
        scale = image_size_px / sqrt(one.height_px * one.width_px)
        for x_min, y_min, x_max, y_max in boxes:
            side = sqrt((x_max - x_min) * (y_max - y_min))
            marks.append(Mark(one.picture.file, side, side * scale))
            scaled.append(one)
    if not marks:
        return None, unread
    smallest = min(range(len(marks)), key=lambda place: marks[place].kept_px)
    size, tiles = propose_setting(marks[smallest], scaled[smallest].height_px, scaled[smallest].width_px, image_size_px)
    return MarkedDefects(tuple(sorted(marks, key=lambda mark: mark.kept_px)), image_size_px, size, tiles), unread


def _written(picture: Picture) -> str:
    return next((text for name in MARK_COLUMNS if (text := picture.columns.get(name, "").strip())), "")


def propose_setting(
    smallest: Mark, height_px: int, width_px: int, image_size_px: int
) -> tuple[int | None, tuple[int, int] | None]:
    """Return the input size, or the tiles at the present size, that keep 8 px of a defect.

    Nothing is proposed beyond the picture's own pixels: enlarging shows nothing new.

    Args:
        smallest: The defect to keep.
        height_px: Of its picture.
        width_px: Of its picture.
        image_size_px: The present input size.

    Returns:
        Input size in steps of 32 px, or rows and columns; both ``None`` where the present size does or nothing helps.

    Example:
        >>> mark = Mark("a.png", side_px=10.0, kept_px=1.0)  # 2,880 x 2,880 px seen at 288: a tenth
        >>> propose_setting(mark, 2880, 2880, 288)  # needs 8 times the pixels in each direction
        (None, (8, 8))
    """
    own = sqrt(height_px * width_px)
    needed = min(image_size_px * ENOUGH_PX / smallest.kept_px, own)
    if smallest.kept_px >= ENOUGH_PX or needed <= image_size_px:
        return None, None
    size = ceil(needed / _GRID_PX) * _GRID_PX
    if size <= LARGEST_INPUT_PX:
        return size, None
    rows = ceil(sqrt(height_px / width_px) * needed / image_size_px)
    columns = ceil(sqrt(width_px / height_px) * needed / image_size_px)
    return None, (min(max(rows, 1), _MOST_TILES), min(max(columns, 1), _MOST_TILES))


def smallest_seen(sizes: Mapping[tuple[int, int], int], image_size_px: int) -> float:
    """Return the side in pixels of the usual picture of which the network still gets 8 px.

    Args:
        sizes: How many pictures have which height and width.
        image_size_px: Input size of the training.

    Example:
        >>> smallest_seen({(1000, 1000): 3}, 250)
        32.0
    """
    height, width = max(sizes, key=lambda size: sizes[size])
    return max(ENOUGH_PX, ENOUGH_PX * sqrt(height * width) / image_size_px)
