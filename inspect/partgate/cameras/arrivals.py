"""Pictures of a machine-vision camera as they arrive: a thread takes each at once, the newest few are kept.

Left to itself the library keeps the oldest pictures and throws the newest away, so a picture taken from it without
such a thread may be seconds old.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from partgate.cameras.sequence import FrameSequence

_CLOSE_WITHIN_S = 2.0
_AGAIN_AFTER_S = 0.02  # a source that fails at once must not fill a core


@dataclass(frozen=True, slots=True)
class Arrival:
    """One picture, whole or not, still in the library's memory."""

    picture: Any
    number: int  # the camera's own
    came_at: datetime  # UTC
    came_s: float  # monotonic
    problem: str | None  # why its place in the sequence cannot be trusted


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """What became of the pictures since the camera was opened."""

    arrived: int = 0  # whole or not
    dropped: int = 0  # arrived, but a newer one took its place before anybody asked
    lost: int = 0  # numbered by the camera, never arrived
    damaged: int = 0  # asked for, and not whole


class Arrivals:
    """Owns the thread that takes pictures from a stream; asked and closed by one other thread.

    Args:
        name: Of the thread.
        take: Waits a short while for the next picture; ``(picture, number, ticks)``, or None where none came.
        keep: So many pictures are kept.
        sequence: What follows their numbers.
    """

    def __init__(
        self, name: str, take: Callable[[], tuple[Any, int, int | None] | None], keep: int, sequence: FrameSequence
    ) -> None:
        self._take, self._sequence = take, sequence
        self._kept: deque[Arrival] = deque(maxlen=keep)
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self.arrived = self.dropped = 0
        self.last_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; one that hangs in the library is left behind."""
        self._stop.set()
        self._thread.join(_CLOSE_WITHIN_S)

    def clear(self) -> None:
        """Throw away what arrived and was not asked for."""
        with self._changed:
            self.dropped += len(self._kept)
            self._kept.clear()

    def next(self, until_s: float) -> Arrival | None:
        """Return the oldest picture that is kept, or the next one.

        Args:
            until_s: Monotonic seconds.

        Returns:
            None where none came by then.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._kept), max(0.0, until_s - time.monotonic())):
                return None
            return self._kept.popleft()

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            taken = self._take()
            if taken is None:
                if time.monotonic() - began < _AGAIN_AFTER_S:
                    self._stop.wait(_AGAIN_AFTER_S)
                continue
            picture, number, ticks = taken
            now = time.monotonic()
            arrival = Arrival(picture, number, datetime.now(UTC), now, self._sequence.follow(number, ticks))
            with self._changed:
                self.arrived += 1
                self.dropped += len(self._kept) == self._kept.maxlen
                self._kept.append(arrival)
                self.last_s = now
                self._changed.notify_all()
