"""How long a driver waits before it tries a controller again that has failed: longer each time, never long."""

import time
from collections.abc import Callable

from partgate.errors import ControllerPausedError

FIRST_S, LONGEST_S, LONGEST_REFUSED_S = 0.1, 2.0, 30.0


class Pause:
    """The wait between attempts: 0.1 s, then twice as long each time until an answer was whole.

    Up to 2 s after a failure, up to 30 s after a refusal: a wrong password tried often locks the account.

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

    def lengthen(self, *, refused: bool = False) -> None:
        """Begin a pause after a failure, twice as long as the one before.

        Args:
            refused: Nothing changes until a person does something, such as another password.
        """
        longest_s = LONGEST_REFUSED_S if refused else LONGEST_S
        length_s = min(self._length_s, longest_s)
        self._over_at = self._clock() + length_s
        self._length_s = min(2 * length_s, longest_s)

    def shorten(self) -> None:
        """Let the next pause be short again, after a whole answer."""
        self._length_s = FIRST_S
