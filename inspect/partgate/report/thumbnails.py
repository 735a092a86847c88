"""The small pictures of a report: each part once as it is, the examples once more with what speaks for their class."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from partgate.errors import DataError, EngineError
from partgate.evaluation.judge import Progress, map_in_order
from partgate.evaluation.regions import mark_region
from partgate.imaging import encode_jpeg, read_picture
from partgate.inference.heat import HeatMap
from partgate.inference.inspector import Inspector
from partgate.parts import Image
from partgate.report.heat_picture import common_scale, paint_heat
from partgate.report.pictures import example_parts, shown_parts

_SIDE_PX = 220
_QUALITY = 75
_PROGRESS = "pictures"


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Small JPEG pictures by the file they show."""

    plain: Mapping[str, bytes]  # with a box around the region that decided
    heated: Mapping[str, bytes]
    heat: Mapping[str, Any] | None  # the report's key ``heat``; None where no map could be made


def make_thumbnails(
    report: Mapping[str, Any], folder: Path, inspector: Inspector, threads: int, progress: Progress
) -> Thumbnails:
    """Return the pictures that the page shows; read again one by one, so that none was kept while judging.

    A picture that cannot be read any more has no thumbnail, one that the model cannot explain has no heat.

    Args:
        report: With ``worst``, ``cells`` and ``examples``.
        folder: The labelled folder.
        inspector: The recipe in force.
        threads: Pictures read at once.
        progress: Is told about each.
    """
    regions = {part["file"]: part["region"] for part in shown_parts(report)}
    explained = {part["file"] for part in example_parts(report)}
    plain: dict[str, bytes] = {}
    maps: dict[str, tuple[Image, HeatMap]] = {}
    with ThreadPoolExecutor(threads) as pool:

        def paint(file: str) -> _Painted | None:
            return _paint(folder / file, inspector, regions[file], with_heat=file in explained)

        painted = zip(regions, map_in_order(pool, paint, regions, 2 * threads), strict=True)
        for done, (file, one) in enumerate(painted, start=1):
            if one is not None:
                plain[file] = one.jpeg
                maps |= {file: (one.small, one.heat)} if one.heat is not None else {}
            progress(_PROGRESS, done, len(regions))
    heated, heat = _paint_heat(maps)
    return Thumbnails(plain, heated, heat)


@dataclass(frozen=True, slots=True)
class _Painted:
    jpeg: bytes
    small: Image
    heat: HeatMap | None


def _paint(path: Path, inspector: Inspector, region: str | None, *, with_heat: bool) -> _Painted | None:
    try:
        image = read_picture(path)
    except DataError:  # judged a moment ago, gone since: the page shows an empty box
        return None
    small = shrink(image)
    heat = _explain(inspector, image, small) if with_heat else None
    height, width = image.shape[:2]
    marked = mark_region(small, height, width, inspector.bundle.manifest.geometry, region)
    return _Painted(encode_jpeg(marked, quality=_QUALITY), small, heat)


def shrink(image: Image) -> Image:
    """Return the picture with 220 px on its longer side, shape (H, W, 3), uint8, RGB.

    Example:
        >>> shrink(np.zeros((440, 110, 3), np.uint8)).shape
        (220, 55, 3)
    """
    height, width = image.shape[:2]
    scale = _SIDE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)


def _explain(inspector: Inspector, image: Image, small: Image) -> HeatMap | None:
    try:
        height, width = small.shape[:2]
        return inspector.explain(image).resized(height, width)
    except (DataError, EngineError):  # not usable, or no number came out: there is nothing to explain
        return None


def _paint_heat(maps: Mapping[str, tuple[Image, HeatMap]]) -> tuple[dict[str, bytes], dict[str, Any] | None]:
    """Return the pictures with their heat, all on one scale, and what the report says about it."""
    if not maps:
        return {}, None
    full = common_scale(heat for _, heat in maps.values())
    heated = {
        file: encode_jpeg(paint_heat(small, heat, full), quality=_QUALITY) for file, (small, heat) in maps.items()
    }
    kinds = sorted({heat.kind.value for _, heat in maps.values()})
    return heated, {
        "kind": kinds[0],
        "full": full,
        "speaks_for": {file: heat.defect_class for file, (_, heat) in maps.items()},
    }
