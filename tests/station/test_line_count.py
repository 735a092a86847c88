"""Line-triggered cameras count edges only while they hear them, and anew where a picture may be a trigger late."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from partgate.controllers.block import Command, ControllerWords
from partgate.errors import CameraError
from partgate.parts import Frame
from partgate.station import line_trigger
from partgate.station.line_trigger import CountingController, FrameQueue, LineCameras
from partgate.station.pairing import Edge, PairingLimits
from partgate.station.triggers import CameraLineTrigger

LIMITS = PairingLimits(early_s=0.03, late_s=0.1, quiet_s=0.4)


class Line:
    """A camera, the edges that the controller counts, and a clock that a test sets."""

    is_lost = False

    def __init__(self) -> None:
        self.at, self.sequence, self.told = 100.0, 0, list[str]()
        self.queue = FrameQueue()
        self.cameras = LineCameras({"top": (self, self.queue)}, LIMITS)  # type: ignore[dict-item]

    def reopen(self, why: str) -> None:
        self.told.append(why)

    def pass_part(self, block_id: int | None = None, *, after_s: float = 1.0) -> Frame | CameraError:
        """Count an edge, let its picture come 20 ms later, and ask for it."""
        self.at += after_s
        self.sequence += 1
        self.cameras.begin(Edge(self.sequence, self.at))
        self.at += 0.02
        if block_id is not None:
            self.queue.take(Frame(np.zeros((1, 1, 3), np.uint8), datetime.now(UTC), "top", block_id=block_id))
        return self.cameras.grab(0.0, lambda: None)["top"]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    made = Line()
    monkeypatch.setattr(line_trigger, "time", SimpleNamespace(monotonic=lambda: made.at))
    return made


def is_frame(found: Frame | CameraError) -> bool:
    return isinstance(found, Frame)


def test_second_part_after_a_pause_gets_its_picture(line: Line):
    assert [is_frame(line.pass_part(number)) for number in (1, 2, 3)] == [False, True, True]


def test_parts_that_follow_a_reconnected_controller_without_a_pause_are_not_decidable(line: Line):
    for number in (1, 2):
        line.pass_part(number)
    line.cameras.forget("the controller was connected or restarted")

    found = [line.pass_part(number, after_s=0.2) for number in range(3, 9)]

    assert not any(map(is_frame, found))
    assert "are paired at a part that comes 0.4 s after all others" in str(found[-1])


def test_part_that_comes_right_after_the_controller_was_connected_pairs_nothing(line: Line):
    line.cameras.forget("the controller was connected or restarted")

    assert not any(is_frame(line.pass_part(number, after_s=0.2)) for number in (1, 2, 3))


def test_camera_whose_pictures_may_be_one_trigger_late_is_opened_again(line: Line):
    for number in (None, 1, 2):
        assert not is_frame(line.pass_part(number))

    assert "its pictures may be one trigger late (no picture came at trigger 1 until the next one" in line.told[0]
    line.queue.end()
    assert [is_frame(line.pass_part(number)) for number in (1, 2, 3)] == [False, True, True]


def test_edges_that_a_camera_cannot_hear_while_it_is_opened_do_not_count(line: Line):
    line.is_lost = True
    for _ in range(2):
        line.pass_part()
    line.is_lost = False

    assert [is_frame(line.pass_part(number)) for number in (1, 2, 3)] == [False, True, True]
    assert line.told == []


def test_part_that_came_while_the_camera_was_opened_is_no_pause(line: Line):
    line.is_lost = True
    line.pass_part()
    line.is_lost = False

    assert [is_frame(line.pass_part(number, after_s=0.3)) for number in (1, 2, 3)] == [False] * 3


def test_short_loss_of_a_camera_that_is_tied_keeps_the_tie(line: Line):
    for number in (1, 2):
        line.pass_part(number)
    line.is_lost = True
    line.pass_part(3)
    line.is_lost = False

    assert is_frame(line.pass_part(4))


class SlowController:
    """Counts a part a second; how long a read took is up to the test."""

    def __init__(self, line: Line) -> None:
        self.line, self.sequence, self.takes_s = line, 1, 0.0

    def __enter__(self) -> None: ...
    def __exit__(self, *exc_info: object) -> None: ...

    def read(self) -> ControllerWords:
        self.line.at += self.takes_s
        return ControllerWords(0, self.sequence, 0, Command.ENABLE, 0, 200, 1)


def test_picture_that_came_while_the_station_did_not_read_is_this_parts(line: Line):
    controller = SlowController(line)
    counting = CountingController(controller, line.cameras)  # type: ignore[arg-type]
    frame = Frame(np.zeros((1, 1, 3), np.uint8), datetime.now(UTC), "top", block_id=1)
    with counting:
        counting.read()
        for number in range(1, 4):
            line.at += 1.0
            counting.read()
            controller.sequence += 1
            line.at += 0.01
            line.queue.take(Frame(frame.image, frame.captured_at, "top", block_id=number))
            line.at += 0.15  # the loop was busy
            counting.read()
            found = line.cameras.grab(0.0, lambda: None)["top"]

    assert is_frame(found)


def test_pause_that_is_shorter_than_a_picture_takes_is_refused():
    with pytest.raises(ValueError, match="quiet_ms 100 must be more than early_ms and late_ms together"):
        CameraLineTrigger(kind="camera_line", quiet_ms=100)


def test_station_file_in_milliseconds_becomes_seconds():
    trigger = CameraLineTrigger(kind="camera_line", early_ms=20, late_ms=150, quiet_ms=700)

    assert trigger.limits == PairingLimits(early_s=0.02, late_s=0.15, quiet_s=0.7)
