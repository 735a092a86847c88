"""Reads a camera that runs freely in a thread of its own, so that a grab gets a picture that is surely new.

A library's read can block for seconds when a cable is pulled, and a reader that comes late gets pictures from a queue
(OpenCV's RTSP client hands out a second of them at once after it has opened). So the thread takes every picture as it
comes and decodes only those that are asked for. What counts as new, lost and frozen is decided here for all of them:

- **new**: came so long after the call as the camera's latency or its pictures under way ask for, and came in step.
  After a stall its pictures come at once: the first of them late, the others too close behind each other. Where a
  latency is given, a picture that is late by more than a frame period (``lag.py``) is old however well in step it is.
- **lost**: the source says so, or for ``lost_after_s``, and never less than ten frame periods, no picture came or all
  came late.
- **every**: where parts are found in the stream, nothing is asked for: each picture is given, in order.
- **frozen** (``repeats.py``): one that equals, to the last bit, the picture that came just before it or the one handed
  out before is refused; the same one for ``frozen_after_s`` is a lost camera.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from numpy.typing import NDArray

from partgate.cameras.lag import Lag
from partgate.cameras.repeats import Repeats, is_same
from partgate.errors import CameraEndedError, CameraError, CameraLostError, DataError
from partgate.parts import Image

logger = logging.getLogger(__name__)

_CLOSE_WITHIN_S = 2.0
_LOST_PERIODS = 10
_WINDOW_S, _LEAST_WINDOW_S, _LEAST_ARRIVALS = 2.0, 0.5, 5  # what the frame period is measured over
_IN_STEP = (0.5, 1.75)  # frame periods between two pictures that did not wait in a queue
_LOOK_EVERY_S = 0.5  # one picture is compared so often while none is asked for
_KEPT = 8  # of every picture; the newest stay


class Source(Protocol):
    """What a driver reads from; used by the reader's thread alone, which also releases it."""

    def advance(self) -> bool:
        """Wait for the next picture; False where none will come any more."""
        ...

    def look(self) -> NDArray[Any]:
        """Return the picture that came, as cheaply as possible: encoded, or decoded in the library's own order."""
        ...

    def decode(self, raw: NDArray[Any]) -> Image:
        """Return what :meth:`look` gave as RGB.

        Raises:
            DataError: If it is not whole.
        """
        ...

    def release(self) -> None:
        """Give the device back."""
        ...


@dataclass(frozen=True, slots=True)
class Habits:
    """How a source behaves, as far as it is known."""

    skip: int = 0  # pictures in step that are thrown away after the call: under way at that time
    latency_s: float = 0.0  # begin of the exposure to arrival; one frame period is added
    lost_after_s: float = 0.5
    frozen_after_s: float = 0.0  # 0: may repeat a picture
    period_s: float | None = None  # where the source keeps it exactly; else it is measured
    ends: bool = False  # a file, which has a last picture
    every: bool = False  # nothing is asked for: each picture is given, in order


@dataclass(slots=True)
class _Request:
    not_before: float  # monotonic seconds
    skip: int


class NewestReader:
    """Owns the thread that reads a source; opened, asked and closed by one other thread.

    Args:
        who: The camera as messages call it.
        source: Opened already.
        habits: Of this source.
        own_time_s: Returns when the picture that came was exposed, in seconds from any moment on; None where the source
            does not say it. Called by the reader's thread.
    """

    def __init__(
        self, who: str, source: Source, habits: Habits, own_time_s: Callable[[], float | None] = lambda: None
    ) -> None:
        self._who, self._source, self._habits, self._own_time_s = who, source, habits, own_time_s
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._arrivals: deque[float] = deque()  # monotonic seconds
        self._arrived = self._handed_out = 0
        self._request: _Request | None = None
        self._taken: tuple[NDArray[Any], datetime] | None = None
        self._is_repeated = False  # what was taken equals the picture that came just before it
        self._kept: deque[tuple[NDArray[Any], datetime]] = deque(maxlen=_KEPT)  # of every picture
        self._before: NDArray[Any] | None = None  # handed out last
        self._repeats = Repeats()
        self._lag = Lag() if habits.latency_s and not habits.every else None
        self._ended: str | None = None
        self._shape: tuple[int, ...] = ()
        self._thread = threading.Thread(target=self._read, name=f"read {who}", daemon=True)

    @property
    def dropped(self) -> int:
        """Return how many pictures came and were not asked for."""
        return self._arrived - self._handed_out

    def start(self, within_s: float) -> None:
        """Begin to read; returns when pictures come and their rate is known.

        Raises:
            CameraLostError: If that is not so in time; the source is released.
        """
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._is_known() or self._ended is not None, within_s)
            if self._is_known():
                return
            came, ended = self._arrived, self._ended
        self.stop()
        raise CameraLostError(
            f"{self._who}: {ended}" if ended
            else f"{self._who}: {came} pictures within {within_s} s, too few; is it on, and free for this program?"
        )  # fmt: skip

    def stop(self) -> None:
        """End the thread. A blocked read cannot be ended: its thread ends with it and releases the source then."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_WITHIN_S)
        logger.debug("%s: %d pictures came, %d were asked for", self._who, self._arrived, self._handed_out)

    def check(self) -> None:
        """Raise ``CameraLostError`` where no pictures come any more, only old ones, or only the same one."""
        with self._changed:
            self._raise_if_lost()

    def grab(self, timeout_s: float) -> tuple[Image, datetime]:
        """Return a picture exposed after this call, or the next of every picture, and when it came (UTC).

        Raises:
            CameraError: If none came in time, it is not whole, or is the same as the one before.
            CameraLostError: If the source is lost or frozen.
        """
        asked_at = time.monotonic()
        deadline = asked_at + timeout_s
        if self._habits.every:
            return self._next(deadline, timeout_s)
        with self._changed:
            self._raise_if_lost()
            wait_s = self._habits.latency_s + (self._period_s() or 0.0) if self._habits.latency_s else 0.0
            arrived, self._taken = self._arrived, None
            self._request = _Request(asked_at + wait_s, self._habits.skip)
            try:
                while self._taken is None and (left := deadline - time.monotonic()) > 0:
                    self._changed.wait(min(left, self._lost_limit_s()))
                    if self._taken is None:
                        self._raise_if_lost()
            finally:
                self._request = None
            if self._taken is None:
                raise CameraError(
                    f"{self._who}: no picture within {timeout_s:.3f} s that is surely newer than the trigger "
                    f"({self._arrived - arrived} came{self._told_lag()})"
                )
            (raw, came_at), self._taken = self._taken, None
        return self._check_picture(raw, is_repeated=self._is_repeated), came_at

    def _next(self, deadline: float, timeout_s: float) -> tuple[Image, datetime]:
        with self._changed:
            while not self._kept:
                self._raise_if_lost()
                if (left := deadline - time.monotonic()) <= 0:
                    raise CameraError(f"{self._who}: no picture within {timeout_s:.3f} s")
                self._changed.wait(min(left, self._lost_limit_s()))
            raw, came_at = self._kept.popleft()
        return self._check_picture(raw), came_at

    def _check_picture(self, raw: NDArray[Any], *, is_repeated: bool = False) -> Image:
        before, self._before = self._before, raw
        self._handed_out += 1
        if is_repeated or (self._habits.frozen_after_s and before is not None and is_same(before, raw)):
            raise CameraError(
                f"{self._who}: the picture is the one before, to the last bit; does the camera repeat its last picture?"
            )
        try:
            image = self._source.decode(raw)
        except DataError as error:
            raise CameraError(f"{self._who}: picture {error}") from error
        first, self._shape = self._shape or image.shape, self._shape or image.shape
        if image.shape != first:
            raise CameraLostError(
                f"{self._who}: picture is {image.shape[1]} x {image.shape[0]} px, was {first[1]} x {first[0]} px"
            )
        return image

    def _is_known(self) -> bool:
        return bool(self._arrivals) and self._period_s() is not None

    def _raise_if_lost(self) -> None:
        if self._ended is not None:
            raise (CameraEndedError if self._habits.ends else CameraLostError)(f"{self._who}: {self._ended}")
        silent_s = time.monotonic() - self._arrivals[-1] if self._arrivals else 0.0
        if silent_s > self._lost_limit_s():
            raise CameraLostError(f"{self._who}: no picture for {silent_s:.1f} s; is the cable in?")
        since = self._lag.behind_since if self._lag is not None else None
        if since is not None and (late_s := time.monotonic() - since) > self._lost_limit_s():
            cure = "are they too many or too large for the network or this PC?"
            raise CameraLostError(f"{self._who}: for {late_s:.1f} s its pictures are old{self._told_lag()}; {cure}")

    def _told_lag(self) -> str:
        return f", {self._lag.behind_s:.2f} s later than at best" if self._lag and self._lag.is_behind else ""

    def _lost_limit_s(self) -> float:
        return max(self._habits.lost_after_s, _LOST_PERIODS * (self._period_s() or 0.0))

    def _period_s(self) -> float | None:
        """Return the mean time between the pictures of the last seconds; None while too few came."""
        if self._habits.period_s:
            return self._habits.period_s
        if len(self._arrivals) < _LEAST_ARRIVALS or (span := self._arrivals[-1] - self._arrivals[0]) < _LEAST_WINDOW_S:
            return None
        return span / (len(self._arrivals) - 1)

    def _read(self) -> None:
        try:
            while not self._stop.is_set():
                if not self._source.advance():
                    self._end(
                        "the last picture was shown" if self._habits.ends else "no more pictures; is the cable in?"
                    )
                    return
                self._take(time.monotonic(), datetime.now(UTC))
        except Exception as error:  # of the library: a thread that dies in silence would look like a slow camera
            logger.exception("%s: reading failed", self._who)
            self._end(f"reading failed: {type(error).__name__}: {error}")
        finally:
            self._source.release()

    def _end(self, why: str) -> None:
        with self._changed:
            self._ended = why
            self._changed.notify_all()

    def _take(self, now: float, came_at: datetime) -> None:
        own_s = self._own_time_s() if self._lag else None
        with self._changed:
            if self._lag is not None:
                self._lag.see(now, own_s, self._period_s())
            is_wanted = self._habits.every or self._is_wanted(now)
            is_compared = self._habits.frozen_after_s > 0 and self._is_to_be_compared(now)
            self._arrived += 1
            self._arrivals.append(now)
            while len(self._arrivals) > _LEAST_ARRIVALS and now - self._arrivals[0] > _WINDOW_S:
                self._arrivals.popleft()
            self._changed.notify_all()
        if not (is_wanted or is_compared):
            return
        raw = self._source.look()  # outside the lock: decoding takes its time
        is_repeated = self._habits.frozen_after_s > 0 and self._repeats.see(raw, self._arrived, now)
        with self._changed:
            if self._habits.every:
                self._kept.append((raw, came_at))
            elif is_wanted and self._request is not None:
                self._taken, self._is_repeated, self._request = (raw, came_at), is_repeated, None
            self._changed.notify_all()
        if self._habits.frozen_after_s and (frozen_s := self._repeats.same_for_s) >= self._habits.frozen_after_s:
            self._end(f"the same picture to the last bit for {frozen_s:.1f} s; switch the camera off and on")
            self._stop.set()

    def _is_to_be_compared(self, now: float) -> bool:
        """Tell whether the wanted picture may come next, or none was looked at for a while."""
        request, soon_s = self._request, _IN_STEP[1] * (self._period_s() or 0.0)
        if request is not None and request.skip <= 0 and now + soon_s >= request.not_before:
            return True
        return now - self._repeats.seen_at >= _LOOK_EVERY_S

    def _is_wanted(self, now: float) -> bool:
        request, period_s = self._request, self._period_s()
        if request is None or period_s is None or now < request.not_before or (self._lag and self._lag.is_behind):
            return False
        least, most = _IN_STEP
        if not least * period_s <= now - self._arrivals[-1] <= most * period_s:
            return False
        request.skip -= 1
        return request.skip < 0
