"""Pictures that are the same to the last bit: sensors are noisy, so such a one was not exposed anew."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_EVERY_PX = 17  # different pictures are told apart by a few of their pixels
_LEAST_LOOKS = 3


class Repeats:
    """Compares pictures of one source, as they come.

    Example:
        >>> repeats = Repeats()
        >>> grey = np.zeros((2, 2, 3), np.uint8)
        >>> [repeats.see(grey, number, at=number / 10) for number in (0, 1, 3)]
        [False, True, False]
        >>> round(repeats.same_for_s, 1)
        0.3
    """

    def __init__(self) -> None:
        self.number = -1  # of the picture seen last, in order of arrival
        self.seen_at = 0.0  # monotonic seconds
        self._seen: NDArray[Any] | None = None
        self._same_since, self._looks = 0.0, 0

    @property
    def same_for_s(self) -> float:
        """Return how long the picture has been the same, in seconds; 0 while it was looked at too seldom to tell."""
        return self.seen_at - self._same_since if self._looks >= _LEAST_LOOKS else 0.0

    def see(self, raw: NDArray[Any], number: int, at: float) -> bool:
        """Tell whether a picture equals the one that came just before it; False where that one was not seen.

        Args:
            raw: As the source gives it, of any shape.
            number: In order of arrival.
            at: Monotonic seconds.
        """
        is_repeated = self._seen is not None and is_same(self._seen, raw)
        if not is_repeated:
            self._same_since, self._looks = at, 0
        is_next = number == self.number + 1
        self._seen, self.number, self.seen_at, self._looks = raw, number, at, self._looks + 1
        return is_repeated and is_next


def is_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Tell whether two pictures are equal to the last bit.

    Args:
        one: Of any shape.
        other: Another shape is another picture.
    """
    if one.shape != other.shape or not np.array_equal(one.ravel()[::_EVERY_PX], other.ravel()[::_EVERY_PX]):
        return False
    return np.array_equal(one, other)
