"""Cameras that the part sensor itself exposes, while the controller counts the same edge; see ``pairing.py``."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Self

from partgate.controllers.base import Controller
from partgate.controllers.block import ControllerWords, StationWords
from partgate.errors import CameraError, DamagedPictureError
from partgate.parts import Frame, Result
from partgate.station.eyes import OpenCameras
from partgate.station.frames import StreamedCamera
from partgate.station.pairing import Arrived, Edge, Pairing, PairingLimits

_OPENED_AGAIN = "the camera was opened again"
_SILENT_EDGES = 6  # in a row without any picture, then the stream is dead; a library may hold a torn one for three more
_KEPT = 8  # pictures; more than that between two triggers is no line trigger


class FrameQueue:
    """Keeps the newest pictures of one camera; the camera's thread puts in, the loop takes out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frames: deque[Arrived] = deque(maxlen=_KEPT)
        self._dropped = 0
        self._has_ended = False
        self._problem: str | None = None
        self._came = 0

    def take(self, frame: Frame) -> None:
        """Keep a picture; the oldest one goes where there is no room."""
        with self._changed:
            self._dropped += len(self._frames) == _KEPT
            self._frames.append(Arrived(frame, time.monotonic()))
            self._came += 1
            self._changed.notify_all()

    def fail(self, error: CameraError) -> None:
        """Remember why there was no whole picture."""
        self._problem = str(error)
        self._came += isinstance(error, DamagedPictureError)

    def end(self) -> None:
        """Throw away what came before: the camera counts from anew."""
        with self._changed:
            self._frames.clear()
            self._has_ended, self._dropped = True, 0

    def collect(self, within_s: float = 0.0) -> tuple[list[Arrived], str | None]:
        """Return the pictures that came since the last call, and why their numbers cannot be trusted.

        Args:
            within_s: Wait so long for a first one.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._has_ended, within_s)
            found, dropped, has_ended = list(self._frames), self._dropped, self._has_ended
            self._frames.clear()
            self._dropped, self._has_ended = 0, False
        if has_ended:
            return found, _OPENED_AGAIN
        return found, f"{dropped} pictures more than fit came between two triggers" if dropped else None

    @property
    def came(self) -> int:
        """Return how many pictures came so far, whole or not."""
        return self._came

    @property
    def problem(self) -> str | None:
        """Return why there was no whole picture lately; read once."""
        problem, self._problem = self._problem, None
        return problem


class _Silence:
    """Counts the edges of the part sensor at which a camera gave nothing at all."""

    def __init__(self) -> None:
        self._came: int | None = None  # pictures until the newest edge; None before the first one
        self._edges = 0

    def next_edge(self, came: int, *, is_lost: bool) -> bool:
        """Take an edge and tell whether too many before it brought no picture.

        Args:
            came: Pictures so far, whole or not.
            is_lost: The camera is being opened: it counts from anew.
        """
        before, self._came = self._came, None if is_lost else came
        self._edges = self._edges + 1 if came == before else 0
        if self._edges < _SILENT_EDGES:
            return False
        self._came, self._edges = None, 0
        return True


class LineCameras(OpenCameras[StreamedCamera]):
    """Cameras that the part sensor exposes: the picture of a trigger is there, or on its way, when it is asked for.

    Args:
        cameras: By name, each with the queue that it fills.
        limits: How far a picture and its trigger may be apart.
    """

    def __init__(self, cameras: Mapping[str, tuple[StreamedCamera, FrameQueue]], limits: PairingLimits) -> None:
        super().__init__({name: camera for name, (camera, _) in cameras.items()})
        self._queues = {name: queue for name, (_, queue) in cameras.items()}
        self._pairings = {name: Pairing(limits) for name in cameras}
        self._late_s, self._edge_at = limits.late_s, 0.0
        self._silences = {name: _Silence() for name in cameras}

    def begin(self, edge: Edge) -> None:
        """Take a trigger, judged or not."""
        self._edge_at = edge.at
        for name in self._cameras:
            self._drain(name)
            self._count(name, edge)
            self._reopen_if_silent(name)

    def forget(self, why: str) -> None:
        """Give up all ties: the controller's count was not followed for a while."""
        for pairing in self._pairings.values():
            pairing.forget(why, time.monotonic())

    def grab(
        self, timeout_s: float, while_waiting: Callable[[], None], not_after: float | None = None
    ) -> dict[str, Frame | CameraError]:
        """Return the picture of the newest trigger per camera, or why there is none.

        Args:
            timeout_s: Longest wait for all of them together.
            while_waiting: Called every few hundredths of a second: the loop keeps its heartbeat.
            not_after: Not used: the edge exposes, nobody asks.
        """
        until = min(time.monotonic() + timeout_s, self._edge_at + self._late_s)
        return {name: self._wait(name, until, while_waiting) for name in self._cameras}

    def _count(self, name: str, edge: Edge) -> None:
        pairing, camera = self._pairings[name], self._cameras[name]
        if camera.is_lost and not pairing.is_tied:  # it cannot hear this edge
            pairing.forget("the camera is being opened", edge.at)
            return
        pairing.begin(edge)
        if pairing.must_count_anew:
            camera.reopen(f"camera '{name}': its pictures may be one trigger late ({pairing.why}); it is opened again")

    def _reopen_if_silent(self, name: str) -> None:
        camera, silence = self._cameras[name], self._silences[name]
        if silence.next_edge(self._queues[name].came, is_lost=camera.is_lost):
            camera.reopen(
                f"camera '{name}': no picture at {_SILENT_EDGES} edges in a row though it answers; it is opened again; "
                "is the part sensor wired to its input?"
            )

    def _wait(self, name: str, until: float, while_waiting: Callable[[], None]) -> Frame | CameraError:
        pairing, is_last_look = self._pairings[name], False
        while True:
            self._drain(name)
            found = pairing.find()
            if isinstance(found, Frame):
                return found
            if found is not None:
                return CameraError(f"camera '{name}': {found}")
            if is_last_look:
                break
            while_waiting()
            left = until - time.monotonic()
            is_last_look = left <= 0
            self._drain(name, max(0.0, min(0.02, left)))
        detail = self._queues[name].problem
        return CameraError(f"camera '{name}': no picture of this part's edge came{f' ({detail})' if detail else ''}")

    def _drain(self, name: str, within_s: float = 0.0) -> None:
        pictures, why = self._queues[name].collect(within_s)
        if why == _OPENED_AGAIN:
            self._pairings[name].restart(why)
        elif why is not None:
            self._pairings[name].forget(why, time.monotonic())
        for one in pictures:
            self._pairings[name].add(one)


class CountingController:
    """Tells the cameras every trigger that the controller counts; all else goes through as it is.

    Args:
        controller: Carries ``TRIG_SEQ``.
        cameras: Who are told.
    """

    def __init__(self, controller: Controller, cameras: LineCameras) -> None:
        self._controller, self._cameras = controller, cameras
        self._last: tuple[int, int] | None = None  # boot and sequence
        self._asked_at = 0.0  # of the newest read, in monotonic seconds

    def __str__(self) -> str:
        return str(self._controller)

    def __enter__(self) -> Self:
        self._controller.__enter__()
        self._last = None
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._controller.__exit__(*exc_info)

    @property
    def poll_period_s(self) -> float:
        """Return the controller's."""
        return self._controller.poll_period_s

    def read(self) -> ControllerWords:
        """Return what the controller says; a new trigger is told to the cameras first."""
        since, self._asked_at = self._asked_at, time.monotonic()
        words = self._controller.read()
        now, before, self._last = time.monotonic(), self._last, (words.boot, words.trigger_sequence)
        if before is None or before[0] != words.boot:
            self._cameras.forget("the controller was connected or restarted")
        elif before[1] != words.trigger_sequence:
            self._cameras.begin(Edge(words.trigger_sequence, now, since))
        return words

    def station_heartbeat(self) -> int | None:
        """Return the controller's answer."""
        return self._controller.station_heartbeat()

    def write_state(self, words: StationWords) -> None:
        """Hand it on."""
        self._controller.write_state(words)

    def clear(self, words: StationWords) -> None:
        """Hand it on."""
        self._controller.clear(words)

    def send(self, result: Result, words: StationWords) -> None:
        """Hand it on."""
        self._controller.send(result, words)
