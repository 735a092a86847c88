"""Is this picture usable: does it look, as a picture, like those that the model was trained on?

A covered lens, a lamp that failed, another camera: the model would still give a score. Such pictures are not judged.
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from pydantic import Field

from partgate.configfile import Settings
from partgate.imaging import MIN_SIDE_PX, Region, crop_region
from partgate.parts import Image

_BRIGHTNESS_MARGIN = 30.0  # grey levels beyond the training pictures; a failed lamp is far outside, a cloudy day is not
_CONTRAST_SHARE = 0.3  # of the flattest training picture
_ASPECT_MARGIN = 1.25  # a picture may be a quarter longer or wider in proportion
_SIZE_SHARE = 0.5  # half the smallest training picture: below, details are lost that the model looked at
_THUMBNAIL_PX = 64


class PictureLimits(Settings):
    """What a picture must be to be judged; measured on the training pictures, with a margin."""

    brightness_from: float = Field(description="mean grey value, 0-255, below which a picture is too dark")
    brightness_to: float = Field(description="mean grey value, 0-255, above which a picture is too bright")
    contrast_from: float = Field(ge=0, description="standard deviation of grey values below which nothing is visible")
    aspect_from: float = Field(gt=0, description="smallest width / height")
    aspect_to: float = Field(gt=0, description="largest width / height")
    height_px_from: int = Field(ge=1, description="smallest height in pixels")
    width_px_from: int = Field(ge=1, description="smallest width in pixels")


def measure_picture(image: Image) -> tuple[float, float, int, int]:
    """Return brightness (mean grey value), contrast (its standard deviation), height and width in pixels."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (min(_THUMBNAIL_PX, width), min(_THUMBNAIL_PX, height)), interpolation=cv2.INTER_LINEAR)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
    return float(grey.mean()), float(grey.std()), height, width


def learn_limits(measures: Sequence[tuple[float, float, int, int]]) -> PictureLimits:
    """Return limits that every measured training picture keeps with a margin.

    Args:
        measures: One :func:`measure_picture` per picture; at least one.

    Source:
        Margins: own.
    """
    brightness, contrast, heights, widths = (np.asarray(column, float) for column in zip(*measures, strict=True))
    aspects = widths / heights
    return PictureLimits(
        brightness_from=round(max(0.0, brightness.min() - _BRIGHTNESS_MARGIN), 1),
        brightness_to=round(min(255.0, brightness.max() + _BRIGHTNESS_MARGIN), 1),
        contrast_from=round(float(contrast.min()) * _CONTRAST_SHARE, 2),
        aspect_from=round(float(aspects.min()) / _ASPECT_MARGIN, 3),
        aspect_to=round(float(aspects.max()) * _ASPECT_MARGIN, 3),
        height_px_from=int(max(min(MIN_SIDE_PX, heights.min()), heights.min() * _SIZE_SHARE)),
        width_px_from=int(max(min(MIN_SIDE_PX, widths.min()), widths.min() * _SIZE_SHARE)),
    )


def find_picture_faults(image: Image, region: Region | None, limits: PictureLimits | None) -> list[str]:
    """Return why a picture cannot be judged, one sentence each; empty where it can.

    Args:
        image: Picture as the camera gave it, shape (H, W, 3), uint8, RGB.
        region: What the model looks at, in pixels of ``image``.
        limits: From the recipe; without them only the region and the smallest size are checked.

    Raises:
        DataError: If the region does not lie inside the picture.
    """
    brightness, contrast, height, width = measure_picture(crop_region(image, region))
    if min(image.shape[:2]) < MIN_SIDE_PX:  # as in training
        return [f"picture of {image.shape[1]} x {image.shape[0]} px is smaller than {MIN_SIDE_PX} x {MIN_SIDE_PX} px"]
    if limits is None:
        return []
    return list(_faults(limits, brightness, contrast, height, width))


def _faults(limits: PictureLimits, brightness: float, contrast: float, height: int, width: int) -> Iterable[str]:
    if height < limits.height_px_from or width < limits.width_px_from:
        yield f"picture of {width} x {height} px is smaller than {limits.width_px_from} x {limits.height_px_from} px"
    if not limits.aspect_from <= width / height <= limits.aspect_to:
        yield f"width / height {width / height:.2f} is not within {limits.aspect_from} to {limits.aspect_to}"
    if brightness < limits.brightness_from:
        yield f"too dark: brightness {brightness:.0f} is below {limits.brightness_from:.0f}"
    if brightness > limits.brightness_to:
        yield f"too bright: brightness {brightness:.0f} is above {limits.brightness_to:.0f}"
    if contrast < limits.contrast_from:
        yield f"nothing visible: contrast {contrast:.1f} is below {limits.contrast_from:.1f}"
