"""Which area in this picture is which part of the picture before: all parts move together, as their belt does."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from partgate.parts import Frame
from partgate.station.scene import Blob

STILL_WITHIN = 0.005
"""A part that moves less, in longer sides of the view, lies still: noise moves its centre, too."""

_ALIKE = (0.6, 1.6)  # areas of one part in two pictures
_NEAR = 0.06  # from where a part is expected, in longer sides of the view
_FIRST_STEP = 0.35  # while it is not known yet how parts move

Way = tuple[float, float]
"""Right and down from picture to picture, in longer sides of the view."""


@dataclass(slots=True)
class Part:
    """What is known of one part that lies wholly in the view."""

    number: int
    first: Blob
    last: Blob
    still_at: Blob
    still_since: float
    missed: int = 0
    sightings: int = 0
    is_done: bool = False
    nearest: float = math.inf
    nearest_share: float = 0.0
    best: Frame | None = None
    best_key: tuple[int, float] = field(default=(1 << 30, 0.0))


def match(parts: Sequence[Part], blobs: Sequence[Blob], way: Way, *, is_way_known: bool) -> dict[int, int]:
    """Return which part is which blob now: the common move under which most parts are found again.

    Args:
        parts: As last seen.
        blobs: Those that lie wholly in the view.
        way: From picture to picture, as last seen.
        is_way_known: It was seen at all.

    Returns:
        Number of the part → index of the blob.
    """
    best: tuple[int, float] = (0, 0.0)
    found: dict[int, int] = {}
    moves = [way, *((b.x - p.last.x, b.y - p.last.y) for p in parts if not p.missed for b in blobs)]
    for move in moves:
        off = _from_segment(move, (1.5 * way[0], 1.5 * way[1]))
        if off > (_NEAR if is_way_known else _FIRST_STEP):
            continue
        pairs = _pairs_under(parts, move, blobs)
        key = (len(pairs), -math.dist(move, way))
        if pairs and (not found or key > best):
            best, found = key, pairs
    for part in parts:  # what starts or stops at once is found where it can be nothing else
        if part.number not in found and should_be_in_view(part, way):
            free = [i for i, b in enumerate(blobs) if i not in found.values() and _are_alike(part.last, b)]
            if free:
                found[part.number] = min(free, key=lambda i: apart(part.last, blobs[i]))
    return found


def _pairs_under(parts: Sequence[Part], move: Way, blobs: Sequence[Blob]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    for part in parts:
        steps = part.missed + 1
        x, y = part.last.x + steps * move[0], part.last.y + steps * move[1]
        near = [
            (math.hypot(blob.x - x, blob.y - y), index)
            for index, blob in enumerate(blobs)
            if index not in pairs.values() and _are_alike(part.last, blob)
        ]
        if near and min(near)[0] < _NEAR:
            pairs[part.number] = min(near)[1]
    return pairs


def should_be_in_view(part: Part, way: Way) -> bool:
    """Tell whether a part that was not found again would lie wholly in the view, had it moved on as before."""
    left, top, right, bottom = part.last.box
    across, down = (part.missed + 1) * way[0], (part.missed + 1) * way[1]
    return left + across > 0.02 and right + across < 0.98 and top + down > 0.02 and bottom + down < 0.98


def apart(one: Blob, other: Blob) -> float:
    """Return the distance of two areas, in longer sides of the view."""
    return math.hypot(one.x - other.x, one.y - other.y)


def _are_alike(one: Blob, other: Blob) -> bool:
    return _ALIKE[0] < other.share / one.share < _ALIKE[1]


def _from_segment(point: tuple[float, float], end: tuple[float, float]) -> float:
    """Return the distance of a point from the straight line between nought and ``end``."""
    square = end[0] ** 2 + end[1] ** 2
    along = 0.0 if square == 0 else max(0.0, min(1.0, (point[0] * end[0] + point[1] * end[1]) / square))
    return math.hypot(point[0] - along * end[0], point[1] - along * end[1])
