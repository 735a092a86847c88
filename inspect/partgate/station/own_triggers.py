"""Parts that the station announces itself, by a clock or by what its camera sees.

The loop knows one way in which a part comes: ``TRIG_SEQ`` has changed. Here the station's own announcements are put in
its place, so that what holds for a wired trigger holds for these: one trigger, one verdict, one record, and a part
that came too soon is a declared miss.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, Self

from partgate.cameras.base import CameraConfig
from partgate.controllers.base import Controller
from partgate.controllers.block import LAST_SEQUENCE, ControllerWords, State, StationWords
from partgate.errors import CameraError
from partgate.parts import Frame, Result
from partgate.station.eyes import OpenCameras
from partgate.station.frames import StreamedCamera, every_picture
from partgate.station.presence import Presence
from partgate.station.presence_settings import Event, PresenceSettings, What

logger = logging.getLogger(__name__)

_SILENT_AFTER_S = 1.0  # a camera that runs freely and gives nothing for so long is lost


class AnnouncesParts(Protocol):
    """Whoever makes parts: a clock, or a camera."""

    def begin(self) -> None:
        """Hear that the station takes parts from now on."""
        ...

    def newest(self) -> int:
        """Return the number of the next part to be judged, counted from 1; 0 before the first.

        A number that is skipped is a part that was lost. Asked once before each part, by the loop's thread.
        """
        ...

    def stop(self) -> int:
        """Announce no further part; return the number of the last one that came."""
        ...


class Timer:
    """Announces a part at a fixed interval.

    Args:
        interval_s: Between two parts.
        clock: Monotonic seconds.

    Example:
        >>> now = [10.0]
        >>> timer = Timer(0.5, clock=lambda: now[0])
        >>> timer.begin()
        >>> now[0] = 11.2
        >>> timer.newest()
        2
    """

    def __init__(self, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s, self._clock = interval_s, clock
        self._began_at: float | None = None
        self._newest = 0

    def begin(self) -> None:
        """Start the clock."""
        if self._began_at is None:
            self._began_at = self._clock()

    def newest(self) -> int:
        """Return how many intervals have passed."""
        if self._began_at is not None:
            self._newest = int((self._clock() - self._began_at) / self._interval_s)
        return self._newest

    def stop(self) -> int:
        """Return the number announced last: an interval that nobody asked about is no part."""
        return self._newest


class FoundParts:
    """Parts found in a stream, each waiting with its picture to be judged; the camera's thread puts in.

    Args:
        camera: Its name, for messages.
        settings: How parts are found.
        room: Parts that may wait; the oldest is lost where there is no room, and counts as a declared miss.
    """

    def __init__(self, camera: str, settings: PresenceSettings, room: int) -> None:
        self._camera, self._presence, self._room = camera, Presence(settings), room
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, Frame | CameraError]] = deque()
        self._count = self._taken = 0
        self._begun = False
        self.picture: Frame | CameraError = CameraError(f"camera '{camera}': no part was found yet")

    @property
    def problem(self) -> str | None:
        """Return why no part can be seen now: the light is off, the view covered."""
        return None if (why := self._presence.problem) is None else f"camera '{self._camera}': {why}"

    def take(self, frame: Frame) -> None:
        """Look for parts in a picture."""
        self._announce(self._presence.see(frame, time.monotonic()))

    def fail(self, error: CameraError) -> None:
        """Go on with the next picture: what is missed in one is seen in another."""

    def end(self) -> None:
        """Declare the parts that were in view."""
        self._announce(self._presence.lose(time.monotonic()))

    def begin(self) -> None:
        """Announce parts from now on; earlier ones came before the station was ready."""
        with self._lock:
            if not self._begun:
                self._waiting.clear()
                self._count = 0
            self._begun = True

    def newest(self) -> int:
        """Take the part that has waited longest and return its number."""
        with self._lock:
            if self._begun and self._waiting:
                self._taken, self.picture = self._waiting.popleft()
            return self._taken

    def stop(self) -> int:
        """Return the number of the newest part that waits: those were found and are not judged any more."""
        with self._lock:
            return self._waiting[-1][0] if self._begun and self._waiting else self._taken

    def _announce(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.what in (What.LEARNED, What.SIZED):
                logger.info("presence: learned %s", event.detail)
            elif event.what is What.BLIND:
                logger.error("%s", self.problem)
            elif event.what is What.SEES:
                logger.warning("camera '%s' sees the place again", self._camera)
            if event.what not in (What.JUDGED, What.NOT_DECIDABLE):
                continue
            found = event.frame or CameraError(f"camera '{self._camera}': part {event.part} {event.detail}")
            with self._lock:
                self._count += 1
                self._waiting.append((self._count, found))
                if len(self._waiting) > self._room:
                    self._waiting.popleft()


class PresenceCameras(OpenCameras[StreamedCamera]):
    """The one camera in whose pictures parts are found; the picture of a part is the one it was found in.

    Args:
        config: The camera.
        parts: Where found parts wait.
    """

    def __init__(self, config: CameraConfig, parts: FoundParts) -> None:
        super().__init__({config.name: StreamedCamera(every_picture(config), parts, _SILENT_AFTER_S)})
        self._name, self._parts = config.name, parts

    @property
    def is_lost(self) -> bool:
        """Tell whether there is no camera, or one that sees nothing of the place: parts would pass unnoticed."""
        return super().is_lost or self._parts.problem is not None

    @property
    def problem(self) -> str | None:
        """Return what is wrong with the camera or its view."""
        return super().problem or self._parts.problem

    def grab(
        self, timeout_s: float, while_waiting: Callable[[], None], not_after: float | None = None
    ) -> dict[str, Frame | CameraError]:
        """Return the picture of the part that was announced, or why it has none; waits for nothing."""
        return {self._name: self._parts.picture}


class OwnTriggers:
    """A controller that keeps results only, with the station's own announcements in place of ``TRIG_SEQ``.

    Args:
        controller: Takes the results.
        source: Announces the parts.
        window_ms: Time allowed for a verdict.
    """

    def __init__(self, controller: Controller, source: AnnouncesParts, window_ms: int) -> None:
        self._controller, self._source, self._window_ms = controller, source, window_ms
        self._last: int | None = None  # no part is announced after it

    def __str__(self) -> str:
        return str(self._controller)

    def __enter__(self) -> Self:
        self._controller.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._controller.__exit__(*exc_info)

    @property
    def poll_period_s(self) -> float:
        """Return the controller's."""
        return self._controller.poll_period_s

    def read(self) -> ControllerWords:
        """Return what the controller says, with the next part of the station's own."""
        number = self._source.newest() if self._last is None else self._last
        sequence = (number - 1) % LAST_SEQUENCE + 1 if number else 0
        return replace(self._controller.read(), trigger_sequence=sequence, window_ms=self._window_ms)

    def stop_announcing(self) -> None:
        """Announce no further part: the station takes none any more."""
        self._last = self._source.stop()

    def station_heartbeat(self) -> int | None:
        """Return the controller's answer."""
        return self._controller.station_heartbeat()

    def write_state(self, words: StationWords) -> None:
        """Hand it on; parts are announced once the station is ready for the first time."""
        if State.TRIGGER_READY in words.state:
            self._source.begin()
        self._controller.write_state(words)

    def clear(self, words: StationWords) -> None:
        """Hand it on."""
        self._controller.clear(words)

    def send(self, result: Result, words: StationWords) -> None:
        """Hand it on."""
        self._controller.send(result, words)
