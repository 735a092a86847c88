"""Where the part lies in the picture: its outline, where one stands clearly apart from the ground."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

_OUTLINE_PX = 128  # longer side of the picture in which the outline is sought
_MIN_SEPARATION = 0.75  # of the variance between ground and part; even a ramp of grey reaches 0.75
_MIN_MAIN_SHARE = 0.9  # of the foreground in one piece
_MAX_AT_BORDER = 0.02  # of the border's pixels that belong to the part: it lies inside the picture
_AREA_FROM, _AREA_TO = 0.02, 0.95  # of the picture
_NOWHERE = (math.nan, math.nan, math.nan)


def find_part(grey: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Return where the one part lies that stands apart from an even ground, and how large it is.

    Args:
        grey: Shape (H, W).

    Returns:
        Centre across in widths, centre down in heights, root of its share of the area; NaN where there is no such part,
        where it is cut off by the border, or where there are several.

    Source:
        Otsu (1979), "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9(1), with his
        separability. The limits on border, pieces and area are own.

    Example:
        >>> grey = np.full((20, 40), 200, np.uint8)
        >>> grey[5:15, 10:20] = 30
        >>> find_part(grey)
        (0.375, 0.5, 0.3535533905932738)
    """
    scale = _OUTLINE_PX / max(grey.shape)
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in grey.shape)
        grey = np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    height, width = grey.shape
    level, mask = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    if _separation(grey, int(level)) < _MIN_SEPARATION:
        return _NOWHERE
    border = np.concatenate((mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    if border.mean() > 0.5:  # a dark part on a bright ground
        mask, border = 1 - mask, 1 - border
    count, _, stats, centres = cv2.connectedComponentsWithStats(mask)
    if count < 2 or border.mean() > _MAX_AT_BORDER:
        return _NOWHERE
    areas = stats[1:, cv2.CC_STAT_AREA]
    main = int(areas.argmax())
    share = float(areas[main]) / grey.size
    if areas[main] < _MIN_MAIN_SHARE * areas.sum() or not _AREA_FROM <= share <= _AREA_TO:
        return _NOWHERE
    x, y = (float(place) + 0.5 for place in centres[main + 1])
    return x / width, y / height, math.sqrt(share)


def _separation(grey: NDArray[np.uint8], level: int) -> float:
    """Return the share of the grey values' variance that lies between those above a level and the rest."""
    counts = np.bincount(grey.ravel(), minlength=256) / grey.size
    levels = np.arange(256)
    mean = float(counts @ levels)
    variance = float(counts @ (levels - mean) ** 2)
    above = float(counts[level + 1 :].sum())
    if not 0 < above < 1 or not variance:
        return 0.0
    mean_above = float(counts[level + 1 :] @ levels[level + 1 :]) / above
    return above * (mean_above - mean) ** 2 / (1 - above) / variance
