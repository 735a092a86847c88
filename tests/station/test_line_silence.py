"""A camera at the part sensor's line that answers and sends nothing: it is opened again, and lost meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import ClassVar, Literal, Self

import numpy as np
import pytest

from partgate.cameras.base import CameraConfig
from partgate.errors import CameraError, DamagedPictureError
from partgate.parts import Frame
from partgate.station.frames import StreamedCamera
from partgate.station.line_trigger import FrameQueue, LineCameras
from partgate.station.pairing import Edge, PairingLimits

SILENT_EDGES = 6
WAIT_S = 20


class QuietCamera:
    """Answers on its control channel; what its stream brings is up to the test."""

    def __init__(self, config: "QuietConfig") -> None:
        self.config, self.differences = config, ()

    def __enter__(self) -> Self:
        self.config.opened.append(True)
        assert self.config.may_open.wait(WAIT_S)
        return self

    def __exit__(self, *exc_info: object) -> None: ...

    def check(self) -> None: ...

    def grab(self, timeout_s: float) -> Frame:
        if not self.config.stream:
            threading.Event().wait(min(timeout_s, 0.01))
            raise CameraError("camera 'top': no picture within 0.500 s")
        what = self.config.stream.pop(0)
        if isinstance(what, CameraError):
            raise what
        return Frame(np.zeros((1, 1, 3), np.uint8), datetime.now(UTC), "top", block_id=what)


class QuietConfig(CameraConfig):
    KIND: ClassVar[str] = "quiet"
    kind: Literal["quiet"] = "quiet"
    name: str = "top"
    stream: ClassVar[list[int | CameraError]] = []
    opened: ClassVar[list[bool]] = []
    may_open: ClassVar[threading.Event] = threading.Event()

    def open(self) -> QuietCamera:
        return QuietCamera(self)


class Line:
    """A camera and the edges that the controller counts."""

    def __init__(self) -> None:
        self.queue = FrameQueue()
        self.cameras = LineCameras(
            {"top": (StreamedCamera(QuietConfig(), self.queue), self.queue)}, PairingLimits(0.1, 0.1, 0.5)
        )
        self.cameras.open(WAIT_S)
        self.sequence = 0

    def pass_edge(self, *pictures: int | CameraError) -> None:
        """Count an edge; pictures and damaged ones come at it."""
        self.sequence, came = self.sequence + 1, self.queue.came
        self.cameras.begin(Edge(self.sequence, time.monotonic()))
        QuietConfig.stream.extend(pictures)
        wait_for(lambda: self.queue.came == came + len(pictures))


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.005)


@pytest.fixture
def line() -> Iterator[Line]:
    QuietConfig.stream.clear()
    QuietConfig.opened.clear()
    QuietConfig.may_open.set()
    made = Line()
    yield made
    QuietConfig.may_open.set()
    made.cameras.close()


def test_camera_without_a_picture_at_six_edges_in_a_row_is_lost_and_opened_again(line: Line):
    QuietConfig.may_open.clear()
    for _ in range(SILENT_EDGES):
        line.pass_edge()
    assert not line.cameras.is_lost

    line.pass_edge()

    assert line.cameras.is_lost
    assert "no picture at 6 edges in a row though it answers; it is opened again" in str(line.cameras.problem)
    QuietConfig.may_open.set()
    wait_for(lambda: not line.cameras.is_lost)
    assert len(QuietConfig.opened) == 2


def test_edges_count_anew_after_the_camera_was_opened_again(line: Line):
    for _ in range(SILENT_EDGES + 1):
        line.pass_edge()
    wait_for(lambda: len(QuietConfig.opened) == 2 and not line.cameras.is_lost)

    for _ in range(SILENT_EDGES):
        line.pass_edge()

    assert not line.cameras.is_lost


@pytest.mark.parametrize(
    "sign", [7, DamagedPictureError("camera 'top': picture 7 is not whole")], ids=["whole", "damaged"]
)
def test_any_picture_shows_that_the_stream_lives(sign: int | CameraError, line: Line):
    for _ in range(SILENT_EDGES + 1):
        line.pass_edge()
        line.pass_edge()
        line.pass_edge(sign)

    assert not line.cameras.is_lost
    assert len(QuietConfig.opened) == 1


def test_edges_while_the_camera_is_being_opened_do_not_count(line: Line):
    QuietConfig.may_open.clear()
    for _ in range(SILENT_EDGES + 1):
        line.pass_edge()
    for _ in range(5):
        line.pass_edge()
    QuietConfig.may_open.set()
    wait_for(lambda: not line.cameras.is_lost)

    for _ in range(SILENT_EDGES):
        line.pass_edge()

    assert not line.cameras.is_lost
    assert len(QuietConfig.opened) == 2
