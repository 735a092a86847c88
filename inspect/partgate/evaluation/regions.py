"""Which region or tile of a part decided: the counts of a report and the box on its pictures."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2

from partgate.errors import DataError
from partgate.evaluation.judge import Judged, is_false_reject
from partgate.inference.bundle import Geometry
from partgate.parts import Image, Reason, Verdict

_DARK, _LIGHT = (22, 25, 29), (255, 255, 255)
_FRAME = (_DARK, _LIGHT, _LIGHT, _DARK)  # from the border inwards, a pixel each: seen on any picture


def deciding_region(one: Judged) -> str | None:
    """Return the region or tile with the worst score; ``None`` where there is but one, or the score decided nothing."""
    return None if one.decision.reason is Reason.PICTURE_NOT_USABLE else one.prediction.region


def count_regions(judged: Sequence[Judged], geometry: Geometry, good_class: str | None) -> dict[str, Any] | None:
    """Return for how many parts each region decided the verdict; ``None`` where a part is looked at in one place.

    Args:
        judged: The counted parts.
        geometry: Names the regions, in this order; tiles carry their ``row`` and ``column`` from 1 as well.
        good_class: Tells false rejects among the rejects.
    """
    if not geometry.look_names:
        return None
    reject = Counter(deciding_region(one) for one in judged if one.decision.verdict is Verdict.REJECT)
    recheck = Counter(deciding_region(one) for one in judged if one.decision.verdict is Verdict.RECHECK)
    false_reject = Counter(deciding_region(one) for one in judged if is_false_reject(one, good_class))
    table: dict[str, Any] = {}
    for place, name in enumerate(geometry.look_names):
        columns = geometry.tiles[1] if geometry.tiles else None
        table[name] = {
            "row": place // columns + 1 if columns else None,
            "column": place % columns + 1 if columns else None,
            "reject": reject[name],
            "false_reject": false_reject[name],
            "recheck": recheck[name],
        }
    return table


def mark_region(thumbnail: Image, height_px: int, width_px: int, geometry: Geometry, name: str | None) -> Image:
    """Return a small picture with a box around one region; as it is where the region is none or unknown.

    Args:
        thumbnail: The whole picture at a smaller or larger size, shape (H, W, 3), uint8, RGB; not changed.
        height_px: Height of the picture itself.
        width_px: Width of the picture itself.
        geometry: Where its regions lie.
        name: The region to mark.
    """
    try:
        boxes = {look.name: look.region for look in geometry.looks(height_px, width_px)}
    except DataError:  # the picture is too small for its regions; it is shown all the same
        return thumbnail
    box = boxes.get(name) if name is not None else None
    if box is None:
        return thumbnail
    down, right = thumbnail.shape[0] / height_px, thumbnail.shape[1] / width_px
    left, top, beyond, below = (round(side * scale) for side, scale in zip(box, (right, down) * 2, strict=True))
    marked = thumbnail.copy()
    for inset, colour in enumerate(_FRAME):
        cv2.rectangle(marked, (left + inset, top + inset), (beyond - 1 - inset, below - 1 - inset), colour)
    return marked
