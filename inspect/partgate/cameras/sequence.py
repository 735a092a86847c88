"""What the pictures of one opened camera must be in order: numbers, time stamps, and contents that change."""

_WRAP = 0xFFFF  # 16-bit numbers go from here to 1; 0 is not used (GigE Vision 1.2)
_NEAR_WRAP = 1024  # a smaller number after one this near to the end is a wrap, else the camera has begun anew


class FrameSequence:
    """Follows numbers, time stamps and contents; :meth:`follow` for every picture, :meth:`judge` for those handed out.

    Args:
        frozen_after: So many pictures of equal content in a row are a frozen camera; 0 never.

    Attributes:
        lost: Pictures that the camera numbered and that never came.

    Example:
        >>> sequence = FrameSequence(frozen_after=2)
        >>> [sequence.follow(number, None) for number in (65534, 1, 2)], sequence.lost
        ([None, None, None], 1)
    """

    def __init__(self, frozen_after: int) -> None:
        self.lost = 0
        self._frozen_after = frozen_after
        self._last_number: int | None = None
        self._last_ticks: int | None = None
        self._last_content: bytes | None = None
        self._equal = 0  # pictures of that content in a row

    def begin_anew(self) -> None:
        """Take it that numbers and time stamps begin anew, as the stream does; contents must change all the same."""
        self._last_number = self._last_ticks = None

    def follow(self, number: int, ticks: int | None) -> str | None:
        """Take a picture's number and time stamp in the order of arrival.

        Args:
            number: The camera's own.
            ticks: Its time stamp in its own unit; None where it has none.

        Returns:
            Why this picture cannot be trusted; None where it can.
        """
        before, ticks_before = self._last_number, self._last_ticks
        self._last_number = number
        if ticks is not None:
            self._last_ticks = ticks
        if before is not None and number == before:
            return f"picture {number} came twice; is another program sending to this PC?"
        if before is not None:
            self.lost += _between(before, number)
        if ticks is not None and ticks_before is not None and ticks < ticks_before:
            return f"the camera's clock went back by {ticks_before - ticks} ticks; was it set or restarted?"
        return None

    def judge(self, content: bytes) -> str | None:
        """Take a picture's bytes as they came.

        Sensors are noisy: two pictures that are equal to the last bit were not exposed anew. A picture of one value
        alone (lens covered, light off, everything saturated) can repeat, so it is not taken as frozen.

        Returns:
            Why this picture cannot be trusted; None where it can.
        """
        if content != self._last_content:
            self._last_content, self._equal = content, 1
            return None
        self._equal += 1
        if not self._frozen_after or self._equal < self._frozen_after or content.count(content[:1]) == len(content):
            return None
        return (
            f"picture is frozen: {self._equal} in a row are equal to the last bit; switch the camera off and on, "
            "or set frozen_after: 0 for a source without noise"
        )


def _between(before: int, number: int) -> int:
    """Return how many numbers lie between two; 0 where the camera has begun to count anew."""
    if number > before:
        return number - before - 1
    return _WRAP - before + number - 1 if _WRAP - before < _NEAR_WRAP and number < _NEAR_WRAP else 0
