"""Are pictures worth collecting: dark, burnt out, blurred, frozen, or nearly the same for a long time."""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.parts import Image

ALIKE_AFTER = 40
"""Pictures in a row that must differ."""

LEAST_DIFFERENCE = 2.0
"""Grey levels that at least one of them lies off their median; the tightest of seven real sets has 6.3, noise 0.5."""

BURNT_OUT_AGAIN = 20
"""Pictures until a burnt-out one is told again."""

_SIDE_PX = 32
_SHARPNESS_SIDE_PX = 640
_DARK_MEAN, _FLAT_CONTRAST = 8.0, 2.0
_BRIGHT, _MOST_BRIGHT = 250, 0.25  # a bright background is fine, a burnt-out part is not
_BLURRED_SHARE, _FEWEST_TO_COMPARE = 0.35, 10


def why_useless(image: Image) -> str | None:
    """Return why a picture shows nothing; ``None`` where it shows something.

    Example:
        >>> why_useless(np.zeros((20, 20, 3), np.uint8))
        'too dark (mean grey value 0 of 255): is the lamp on, the lens cap off, the exposure long enough?'
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    mean, contrast = float(grey.mean()), float(grey.std())
    if mean < _DARK_MEAN:
        return (
            f"too dark (mean grey value {mean:.0f} of 255): is the lamp on, the lens cap off, the exposure long enough?"
        )
    if contrast < _FLAT_CONTRAST:
        return f"shows nothing (contrast {contrast:.1f} grey levels): is a part under the camera?"
    return None


class VarietyWatch:
    """Compares each picture of one camera and label with those before it."""

    def __init__(self) -> None:
        self._small: deque[NDArray[np.float32]] = deque(maxlen=ALIKE_AFTER)
        self._sharpness: deque[float] = deque(maxlen=ALIKE_AFTER)
        self._last: Image | None = None
        self._alike = 0  # pictures since it was told
        self._quiet = 0  # pictures until a burnt-out one is told again

    def is_frozen(self, image: Image) -> bool:
        """Tell whether a picture equals the one before to the last bit, which no sensor does."""
        same = self._last is not None and np.array_equal(self._last, image)
        self._last = image
        return same

    def look(self, image: Image) -> list[str]:
        """Take a picture into account and return what a person should know of it, one sentence each."""
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        return [*self._burnt_out(grey), *self._blurred(grey), *self._nearly_the_same(grey)]

    def _burnt_out(self, grey: NDArray[np.uint8]) -> list[str]:
        """Return a sentence once, then every so many pictures: on a white ground it is true of each, and no fault."""
        share = float((grey >= _BRIGHT).mean())
        self._quiet = max(0, self._quiet - 1)
        if share <= _MOST_BRIGHT or self._quiet:
            return []
        self._quiet = BURNT_OUT_AGAIN
        return [
            f"{100 * share:.0f} % of the picture is burnt out (from {_BRIGHT} of 255): shorten the exposure, unless it "
            f"is a white ground; told again after {BURNT_OUT_AGAIN} pictures"
        ]

    def _blurred(self, grey: NDArray[np.uint8]) -> list[str]:
        scale = min(1.0, _SHARPNESS_SIDE_PX / max(grey.shape))
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        sharpness = float(cv2.Laplacian(small, cv2.CV_32F).var())
        usual = float(np.median(self._sharpness)) if len(self._sharpness) >= _FEWEST_TO_COMPARE else None
        self._sharpness.append(sharpness)
        if usual is None or sharpness >= _BLURRED_SHARE * usual:
            return []
        return [
            f"less sharp than the pictures before ({100 * sharpness / usual:.0f} % of their "
            "usual sharpness): did the part "
            "move, or the lens? 'undo' takes it back"
        ]

    def _nearly_the_same(self, grey: NDArray[np.uint8]) -> list[str]:
        """Return a sentence where not one of the last pictures lies off their median; again after as many more."""
        tiny = cv2.resize(grey, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
        self._small.append(np.asarray(tiny, np.float32))
        self._alike += 1
        if len(self._small) < ALIKE_AFTER or self._alike < ALIKE_AFTER:
            return []
        stack = np.stack(self._small)
        furthest = float(np.abs(stack - np.median(stack, 0)).mean((1, 2)).max())
        if furthest >= LEAST_DIFFERENCE:
            return []
        self._alike = 0
        return [
            f"the last {ALIKE_AFTER} pictures are nearly the same (they differ by {furthest:.1f} "
            "grey levels, different "
            f"parts by {LEAST_DIFFERENCE:g} and more): change the part, turn and shift it as on "
            "the line, take other lots "
            "and other hours of light"
        ]
