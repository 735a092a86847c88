"""The camera behind a thread of its own: a hung driver never hangs the loop, a lost camera is opened again."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from partgate.cameras.base import Camera, CameraConfig
from partgate.cameras.nodes import is_same, show
from partgate.cameras.settings import found_settings
from partgate.cameras.straightened import camera_opener
from partgate.errors import CameraEndedError, CameraError, CameraLostError, PartgateError
from partgate.parts import Frame

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 1.0
_CLOSE_WITHIN_S = 3.0
_LOOK_EVERY_S = 0.2
_STUCK_GRACE_S = 0.5


class CameraThread:
    """Owns a camera in a thread: opens it, lets it be used, opens it again with growing pauses after a loss."""

    def __init__(self, config: CameraConfig) -> None:
        self._config, self._open_camera = config, camera_opener(config)
        self._changed = threading.Condition()
        self._is_open = self._was_open = self._is_closing = False
        self.problem: str | None = f"camera '{config.name}': not open yet"
        self.differences: tuple[str, ...] = ()  # from what was asked for, and from what the station began with
        self._began_with: Mapping[str, float | str] = {}
        self._thread = threading.Thread(target=self._serve, name=f"watch {config.name}", daemon=True)

    @property
    def is_lost(self) -> bool:
        """Tell whether there is no camera now."""
        return not self._is_open

    @property
    def open_within_s(self) -> float:
        """Return the longest wait for the camera when the station starts, as configured."""
        return self._config.open_within_s

    def start(self) -> None:
        """Begin to open the camera; returns at once."""
        self._thread.start()

    def wait_until_open(self, within_s: float) -> None:
        """Wait until the camera is open for the first time.

        Raises:
            CameraLostError: If it cannot be opened within the time: a station does not start without its camera.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_open or not self._thread.is_alive(), within_s)
            if not self._is_open:
                self._is_closing = True
                raise CameraLostError(self.problem or f"camera '{self._config.name}': did not open within {within_s} s")

    def open(self, within_s: float) -> None:
        """Open the camera for the first time; see :meth:`wait_until_open`."""
        self.start()
        self.wait_until_open(within_s)

    def close(self) -> None:
        """End the thread; a driver that hangs is left behind."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_WITHIN_S)

    def _serve(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._is_closing:
            try:
                with self._open_camera() as camera:
                    pause = _FIRST_PAUSE_S
                    self._set_open(camera)
                    self._use(camera)
            except CameraEndedError as error:
                self._set_lost(str(error))
                return
            except PartgateError as error:
                self._set_lost(str(error))
            except Exception as error:  # a driver's bug must not end the watch: the station would wait for ever
                logger.exception("camera '%s' failed", self._config.name)
                self._set_lost(f"camera '{self._config.name}': {type(error).__name__}: {error}")
            with self._changed:
                self._changed.wait_for(lambda: self._is_closing, pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _use(self, camera: Camera) -> None:
        """Use the open camera until the thread is to end, or raise."""
        raise NotImplementedError

    def _set_open(self, camera: Camera) -> None:
        with self._changed:
            if self._was_open:
                logger.warning("camera '%s' is back", self._config.name)
                self._compare_settings(camera)
            else:
                self._began_with, self.differences = found_settings(camera), camera.differences
            self._is_open, self._was_open, self.problem = True, True, None
            self._changed.notify_all()

    def _compare_settings(self, camera: Camera) -> None:
        """Tell where a camera came back with other settings: its pictures may not be those that were learned."""
        found, before = found_settings(camera), self.differences
        changed = [
            f"camera '{self._config.name}': {key} is {show(found[key])}, was {show(value)} when the station started; "
            "what matters must stand in the station file"
            for key, value in self._began_with.items()
            if key in found and not is_same(found[key], value)
        ]
        self.differences = (*camera.differences, *changed)
        for difference in self.differences:
            if difference not in before:
                logger.warning("%s", difference)
        for difference in before:
            if difference not in self.differences:
                logger.warning("is over: %s", difference)

    def _set_lost(self, problem: str) -> None:
        with self._changed:
            if self._is_open:
                logger.error("%s", problem)
            self._is_open, self.problem = False, problem
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Ticket:
    """A picture that was asked for."""

    number: int
    timeout_s: float
    deadline: float  # monotonic seconds
    refused: CameraError | None = None  # there was no camera to ask


class WatchedCamera(CameraThread):
    """Gives a picture on request.

    A request that is not served in time is dropped: its picture, should it still come, is never handed out.
    """

    def __init__(self, config: CameraConfig) -> None:
        super().__init__(config)
        self._wanted = 0  # number of the newest request
        self._timeout_s = 0.0
        self._not_after: float | None = None  # monotonic seconds
        self._answers: dict[int, Frame | CameraError] = {}
        self._served = 0  # number of the newest request taken up
        self._stuck_at: float | None = None  # a request not answered by then means a hung driver

    @property
    def is_lost(self) -> bool:
        """Tell whether there is no camera now, or one that does not come back from a request."""
        return super().is_lost or (self._stuck_at is not None and time.monotonic() > self._stuck_at)

    def ask(self, timeout_s: float, not_after: float | None = None) -> Ticket:
        """Ask for a picture that is exposed from now on; returns at once.

        Args:
            timeout_s: Longest wait for it.
            not_after: Monotonic seconds; what would be exposed later is refused.
        """
        with self._changed:
            if not self._is_open:
                lost = CameraLostError(self.problem or f"camera '{self._config.name}': lost")
                return Ticket(0, timeout_s, time.monotonic(), lost)
            self._wanted += 1
            self._timeout_s, self._not_after = timeout_s, not_after
            if self._stuck_at is None:
                self._stuck_at = time.monotonic() + 2 * timeout_s + _STUCK_GRACE_S
            self._changed.notify_all()
            return Ticket(self._wanted, timeout_s, time.monotonic() + timeout_s)

    def collect(self, ticket: Ticket, while_waiting: Callable[[], None], slice_s: float = 0.02) -> Frame | CameraError:
        """Return the picture that was asked for, or why there is none.

        Args:
            ticket: Of the newest :meth:`ask`.
            while_waiting: Called about every ``slice_s``: the loop keeps its heartbeat.
            slice_s: Seconds between the calls.
        """
        if ticket.refused is not None:
            return ticket.refused
        is_last_look = False
        while not is_last_look:  # one that came while another camera was waited for is taken, too
            left = ticket.deadline - time.monotonic()
            is_last_look = left <= 0
            with self._changed:
                if self._changed.wait_for(lambda: ticket.number in self._answers, max(0.0, min(slice_s, left))):
                    return self._answers.pop(ticket.number)
            while_waiting()
        return CameraError(f"camera '{self._config.name}': no picture within {ticket.timeout_s:.3f} s")

    def grab(
        self, timeout_s: float, while_waiting: Callable[[], None], slice_s: float = 0.02,
        not_after: float | None = None,
    ) -> Frame:  # fmt: skip
        """Return a picture exposed after this call; see :meth:`ask` and :meth:`collect`.

        Raises:
            CameraError: If no whole picture came in time, or there is no camera now.
        """
        answer = self.collect(self.ask(timeout_s, not_after), while_waiting, slice_s)
        if isinstance(answer, CameraError):
            raise answer
        return answer

    def _use(self, camera: Camera) -> None:
        while True:
            with self._changed:
                asked = self._changed.wait_for(lambda: self._wanted > self._served or self._is_closing, _LOOK_EVERY_S)
                if self._is_closing:
                    return
                self._served, timeout_s = self._wanted if asked else self._served, self._timeout_s
                not_after = self._not_after
                if not asked and self._stuck_at is None:
                    self._stuck_at = time.monotonic() + _STUCK_GRACE_S + _LOOK_EVERY_S
            try:
                if not asked:  # an idle camera whose cable is pulled must not look ready
                    camera.check()
                    self._came_back()
                else:
                    self._answer(self._served, camera.grab(timeout_s, not_after))
            except CameraLostError as error:
                self._set_lost(str(error))
                self._answer(self._served, error)
                raise
            except CameraError as error:
                self._answer(self._served, error)

    def _came_back(self) -> None:
        with self._changed:
            if self._wanted == self._served:  # else a request came meanwhile, and counts from its own moment
                self._stuck_at = None

    def _answer(self, number: int, answer: Frame | CameraError) -> None:
        with self._changed:
            if number == self._wanted:
                self._stuck_at = None
            self._answers.clear()  # an older answer was not fetched in time and belongs to a part that is gone
            if number == self._wanted:
                self._answers[number] = answer
            self._changed.notify_all()

    def _set_open(self, camera: Camera) -> None:
        with self._changed:
            self._served, self._stuck_at = self._wanted, None
            super()._set_open(camera)
