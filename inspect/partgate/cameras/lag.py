"""How much later than at best the pictures of a stream come: those that waited in a queue are old, though in order.

A slow link, a slow decoder or a stall leaves a queue, and a queue that drains gives its pictures nearly in step. What
tells is the time between two arrivals against the time between two exposures, added up. The stream says the latter
itself, or it is one frame period a picture; a picture that the camera left out then looks like a period of lag.
"""

from collections import deque

_FORGIVEN = 0.002  # of the time: clocks of two devices differ by less, and a lag that grows faster is seen
_PERIOD_OVER_S = 10.0  # the frame period is the mean over so long
_LEARN_S, _FIRST_S = 3.0, 1.0  # to learn the frame period without those at the start, of which many may come at once
_SETTLE_S = 1.0
_FALLEN = 0.5  # frame periods within that time: a queue that drains since the stream was opened
_LIMIT = 1.0  # frame periods; so much is waited for in addition


class Lag:
    """Adds up how late pictures come.

    Source:
        Own.

    Example:
        >>> lag = Lag()
        >>> for second in range(5):
        ...     lag.see(float(second), own_s=float(second), period_s=1.0)
        >>> lag.see(7.5, own_s=5.0, period_s=1.0)
        >>> round(lag.behind_s, 2)
        2.49
        >>> lag.is_behind
        True
    """

    def __init__(self) -> None:
        self.behind_s = 0.0  # over the best of the last minutes
        self.behind_since: float | None = None  # monotonic seconds
        self._last: tuple[float, float | None] | None = None  # arrival, own time
        self._began: float | None = None
        self._period_s: float | None = None  # while nothing is late
        self._falls: deque[tuple[float, float]] = deque()  # when the best became better, and by how much

    @property
    def is_behind(self) -> bool:
        """Tell whether the newest picture is older than a fresh one by more than a frame period, as far as is known."""
        return self.behind_since is not None

    def see(self, now: float, own_s: float | None, period_s: float | None) -> None:
        """Take the next picture.

        Args:
            now: When it came, monotonic seconds.
            own_s: Its time as the stream says it, from any moment on; None where it says none.
            period_s: Mean time between pictures; None while that is not known.
        """
        self._began = now if self._began is None else self._began
        last, self._last = self._last, (now, own_s)
        if last is None or period_s is None:
            return
        gap, own_step = now - last[0], None if own_s is None or last[1] is None else own_s - last[1]
        if self._period_s is None or now - self._began < _LEARN_S:
            self._period_s = period_s
            if own_step is None:
                return
        self.behind_s += gap - (self._period_s if own_step is None else own_step) - _FORGIVEN * gap
        if self.behind_s < 0:
            if own_step is not None:  # else the frame period was taken for too long
                self._falls.append((now, -self.behind_s))
            self.behind_s = 0.0
        while self._falls and self._falls[0][0] < now - _SETTLE_S:
            self._falls.popleft()
        self._decide(now, min(period_s, self._period_s))
        if not self.is_behind:
            over_s = min(_PERIOD_OVER_S, max(gap, now - self._began - _FIRST_S))
            self._period_s += gap / over_s * (gap - self._period_s)

    def _decide(self, now: float, period_s: float) -> None:
        fallen_s = sum(fall for _, fall in self._falls)
        if self.behind_s <= _LIMIT * period_s and fallen_s <= _FALLEN * period_s:
            self.behind_since = None
        elif self.behind_since is None:
            self.behind_since = now
