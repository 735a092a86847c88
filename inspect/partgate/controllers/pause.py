"""How long a driver waits before it tries a controller again that has failed: longer each time, never long."""

import time
from collections.abc import Callable

from partgate.errors import ControllerPausedError

FIRST_S, LONGEST_S = 0.1, 2.0


class Pause:
    """The wait between attempts: 0.1 s, then twice as long each time up to 2 s, until an answer was whole.

    Args:
        clock: Monotonic clock in seconds.

    Example:
        >>> now = 0.0
        >>> pause = Pause(clock=lambda: now)
        >>> pause.lengthen()
        >>> pause.refuse_early("controller 'press'")
        Traceback (most recent call last):
        partgate.errors.ControllerPausedError: controller 'press': is tried again in 0.1 s
        >>> now = 0.1
        >>> pause.refuse_early("controller 'press'")
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._length_s, self._over_at = FIRST_S, 0.0

    def refuse_early(self, who: object) -> None:
        """Let an attempt pass that comes after the pause.

        Raises:
            ControllerPausedError: If it comes before its end.
        """
        wait_s = self._over_at - self._clock()
        if wait_s > 0:
            raise ControllerPausedError(f"{who}: is tried again in {wait_s:.1f} s")

    def lengthen(self) -> None:
        """Begin a pause after a failure, twice as long as the one before."""
        self._over_at = self._clock() + self._length_s
        self._length_s = min(2 * self._length_s, LONGEST_S)

    def shorten(self) -> None:
        """Let the next pause be short again, after a whole answer."""
        self._length_s = FIRST_S
