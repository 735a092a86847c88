"""What is measured of a picture before a model sees it: light, colour, focus, and where the part lies.

A megapixel takes about 1.5 ms. All but the focus is measured on a grid of pixels; the focus on bands of whole rows,
since a reduced picture no longer tells whether the lens is sharp.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.parts import Image
from partgate.picture_check.position import find_part

_GRID_PX = 256  # the shorter side is thinned out to no fewer pixels than this
_BANDS, _BAND_PX = 32, 8  # rows in which the focus is measured; eight rows hold both distances
_NEAR_PX, _FAR_PX = 2, 4  # of the pixels that are compared: one pixel apart, noise and JPEG decide
_FLAT = 0.01  # squared grey levels: a flat picture is neither sharp nor blurred
_COLOUR_OFFSET = 10.0  # grey levels added before colours are divided: in the dark noise would decide
_WHITE, _BLACK = 254, 1  # at or beyond these a pixel tells nothing more
_FIELDS = 3  # across and down
_FLATTEST = 2  # the third of nine: half a picture covered flattens three


class Measures(NamedTuple):
    """What one picture measures; NaN where it could not be measured. Shares are 0 to 1."""

    brightness: float  # mean grey value, 0-255
    contrast: float  # standard deviation of grey values
    height_px: float
    width_px: float
    sharpness: float = math.nan  # squared differences 2 px apart by those 4 px apart: 0.25 blurred, 1 finest detail
    detail: float = math.nan  # squared differences 4 px apart by twice the variance: 0 coarse, 1 finest detail
    white_share: float = math.nan  # of pixels with a channel at 254 or 255
    black_share: float = math.nan  # of pixels with all channels at 0 or 1
    red_to_green: float = math.nan  # ratio of the channels' means; 1 for a grey camera
    blue_to_green: float = math.nan
    field_contrast: float = math.nan  # standard deviation of grey values in the third flattest of 3 x 3 fields
    balance_x: float = math.nan  # centre of the light in widths from the left
    balance_y: float = math.nan  # centre of the light in heights from the top
    part_x: float = math.nan  # centre of the part's outline in widths from the left; NaN where there is no outline
    part_y: float = math.nan  # in heights from the top
    part_size: float = math.nan  # root of the outline's share of the picture's area


def measure(image: Image) -> Measures:
    """Return what a picture measures.

    Args:
        image: What the model looks at, shape (H, W, 3), uint8, RGB, of any size from 1 x 1 px.

    Returns:
        All measures; those of the part are NaN where no outline stands clearly apart from the ground.

    Raises:
        ValueError: If the picture is of another kind; drivers and the reader give RGB alone.

    Source:
        Sharpness: ratio of two values of the structure function (Kolmogorov 1941), chosen by measurement among
        variance of Laplacian, Tenengrad and other distances (docs/decisions/0016); detail: the variogram over the
        variance (Matheron 1963). Both change neither with light nor with contrast.

    Example:
        >>> half = np.zeros((8, 8, 3), np.uint8)
        >>> half[:, 4:] = 100
        >>> found = measure(half)
        >>> found.brightness, found.contrast, found.balance_x
        (50.0, 50.0, 0.75)
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"image must be RGB of uint8 with a pixel at least, got shape {image.shape} of {image.dtype}")
    height, width = image.shape[:2]
    step = max(1, min(height, width) // _GRID_PX)
    grid = np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step])
    grey = np.asarray(cv2.cvtColor(grid, cv2.COLOR_RGB2GRAY), np.uint8)
    mean, deviation = (float(found[0, 0]) for found in cv2.meanStdDev(grey))
    near, far = _measure_differences(image)
    red, green, blue = (channel + _COLOUR_OFFSET for channel in cv2.mean(grid)[:3])
    return Measures(
        mean, deviation, height, width,
        (near + _FLAT) / (far + _FLAT), far / (2 * deviation**2 + _FLAT),
        *_measure_clipping(grid), red / green, blue / green,
        _measure_fields(grey), *_find_balance(grey), *find_part(grey),
    )  # fmt: skip


def _measure_clipping(grid: Image) -> tuple[float, float]:
    """Return the shares of pixels with a channel too bright, and with all channels too dark, to tell anything."""
    red, green, blue = cv2.split(grid)
    highest = cv2.max(cv2.max(red, green), blue)
    white, black = (int(np.count_nonzero(mask)) for mask in (highest >= _WHITE, highest <= _BLACK))
    return white / highest.size, black / highest.size


def _measure_differences(image: Image) -> tuple[float, float]:
    """Return the mean squared difference of pixels near and far apart, the mean of both directions."""
    height, width = image.shape[:2]
    bands, deep = 1, height
    if height > _BANDS * _BAND_PX:
        bands, deep = _BANDS, _BAND_PX
        tops = np.arange(bands) * (height // bands)
        image = image[(tops[:, None] + np.arange(deep)).ravel()]
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), np.uint8)
    in_bands = grey.reshape(bands, deep * width)  # a shift by whole rows stays within its band
    near, far = (
        (_mean_square(grey, apart) + _mean_square(in_bands, apart * width)) / 2 for apart in (_NEAR_PX, _FAR_PX)
    )
    return near, far


def _mean_square(grey: NDArray[np.uint8], lag: int) -> float:
    """Return the mean squared difference of pixels so far apart along a row; 0 where the row is too short."""
    ahead, behind = grey[:, lag:], grey[:, : max(0, grey.shape[1] - lag)]
    return float(cv2.norm(ahead, behind, cv2.NORM_L2SQR)) / ahead.size if ahead.size else 0.0


def _measure_fields(grey: NDArray[np.uint8]) -> float:
    fields = [field for rows in np.array_split(grey, _FIELDS) for field in np.array_split(rows, _FIELDS, axis=1)]
    deviations = sorted(float(cv2.meanStdDev(field)[1][0, 0]) if field.size else 0.0 for field in fields)
    return deviations[_FLATTEST]


def _find_balance(grey: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the centre of the light in widths and heights; the middle of a black picture."""
    height, width = grey.shape
    across = cv2.reduce(grey, 0, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel()
    down = cv2.reduce(grey, 1, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel()
    light = float(across.sum())
    if not light:
        return 0.5, 0.5
    x = float(across @ (np.arange(width) + 0.5)) / light / width
    return x, float(down @ (np.arange(height) + 0.5)) / light / height
