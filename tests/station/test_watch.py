"""The watched camera: a hung driver never hangs the loop, a late picture is never handed out, a lost one comes back."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pytest

from partgate.cameras.base import CameraConfig, refuse_late
from partgate.cameras.folder import FolderCameraConfig
from partgate.errors import CameraEndedError, CameraError, CameraLostError
from partgate.parts import Frame
from partgate.station.watch import WatchedCamera

WAIT_S = 10


class PlayedCamera:
    """Does what the test put into ``script``: a frame, an error, or an event to wait for first."""

    def __init__(self, script: list[Any]) -> None:
        self.script = script
        self.opened = 0
        self.gone = False
        self.checking, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()
        self.differences = ("width_px is 640, asked for 1920",)

    def __enter__(self) -> Self:
        self.opened += 1
        return self

    def __exit__(self, *exc_info: object) -> None: ...

    def check(self) -> None:
        self.checking.set()
        assert self.may_answer.wait(WAIT_S)
        if self.gone:
            raise CameraLostError("camera 'played': cable")

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        refuse_late(not_after, "camera 'played'")
        step = self.script.pop(0)
        if isinstance(step, tuple):
            event, step = step
            assert event.wait(WAIT_S)
        if isinstance(step, Exception):
            raise step
        return Frame(np.full((2, 2, 3), step, np.uint8), datetime.now(UTC), "played", source=str(step))


class PlayedConfig(CameraConfig):
    KIND: ClassVar[str] = "played"
    kind: Literal["played"] = "played"
    cameras: ClassVar[list[PlayedCamera]] = []

    def open(self) -> PlayedCamera:
        return self.cameras[0]


@pytest.fixture
def watch():
    made: list[WatchedCamera] = []

    def make(*script: Any) -> WatchedCamera:
        PlayedConfig.cameras[:] = [PlayedCamera(list(script))]
        camera = WatchedCamera(PlayedConfig())
        camera.open(WAIT_S)
        made.append(camera)
        return camera

    yield make
    for camera in made:
        camera.close()


def nothing() -> None:
    """Wait without doing anything."""


def comes_true(condition: Callable[[], bool]) -> bool:
    pause = threading.Event()
    return any(condition() or pause.wait(0.01) for _ in range(1000))


def test_picture_of_the_camera_is_handed_out(watch):
    camera = watch(7)

    assert camera.grab(WAIT_S, nothing).source == "7"
    assert camera.differences == ("width_px is 640, asked for 1920",)


def test_hung_driver_ends_in_a_time_out_while_the_heartbeat_goes_on(watch):
    release, beats = threading.Event(), []
    camera = watch((release, 1))

    with pytest.raises(CameraError, match=r"no picture within 0\.100 s"):
        camera.grab(0.1, lambda: beats.append(1))

    assert beats
    release.set()


def test_picture_that_comes_after_its_time_out_is_never_handed_out_for_the_next_part(watch):
    release = threading.Event()
    camera = watch((release, 1), 2)
    with pytest.raises(CameraError):
        camera.grab(0.05, nothing)

    release.set()

    assert camera.grab(WAIT_S, nothing).source == "2"


def test_picture_of_the_part_before_that_comes_while_the_next_one_is_awaited_is_not_handed_out(watch):
    first, second, calls = threading.Event(), threading.Event(), []
    camera = watch((first, 1), (second, 2))
    with pytest.raises(CameraError):
        camera.grab(0.05, nothing)

    def release() -> None:
        calls.append(1)
        first.set()
        if len(calls) > 2:
            second.set()

    assert camera.grab(WAIT_S, release).source == "2"


def test_cable_pulled_while_idle_is_noticed(watch):
    camera = watch(1)
    PlayedConfig.cameras[0].gone = True

    assert comes_true(lambda: camera.is_lost)


def test_part_that_moved_on_while_the_idle_camera_was_asked_is_not_exposed(watch):
    camera = watch(1)
    played = PlayedConfig.cameras[0]
    played.checking.clear()
    played.may_answer.clear()
    assert played.checking.wait(WAIT_S)  # no part waits, so the camera is asked whether it is there
    not_after = time.monotonic() + 0.05

    def answer_late() -> None:
        if time.monotonic() > not_after:
            played.may_answer.set()

    with pytest.raises(CameraError, match=r"not exposed in time: .* too late"):
        camera.grab(WAIT_S, answer_late, not_after=not_after)

    assert camera.grab(WAIT_S, nothing, not_after=time.monotonic() + WAIT_S).source == "1"


def test_driver_that_never_comes_back_counts_as_lost(watch):
    release = threading.Event()
    camera = watch((release, 1))
    with pytest.raises(CameraError):
        camera.grab(0.01, nothing)

    assert comes_true(lambda: camera.is_lost)
    release.set()


def test_source_that_has_ended_is_not_played_again(watch):
    camera = watch(CameraEndedError("camera 'played': all pictures were shown"))
    with pytest.raises(CameraEndedError):
        camera.grab(WAIT_S, nothing)

    camera._thread.join(WAIT_S)

    assert camera.is_lost
    assert PlayedConfig.cameras[0].opened == 1


def test_damaged_picture_is_an_error_of_one_part(watch):
    camera = watch(CameraError("camera 'played': half a picture"), 3)

    with pytest.raises(CameraError, match="half a picture"):
        camera.grab(WAIT_S, nothing)

    assert camera.grab(WAIT_S, nothing).source == "3"


def test_lost_camera_is_opened_again_and_gives_pictures(watch):
    camera = watch(CameraLostError("camera 'played': cable"), 4)
    with pytest.raises(CameraLostError, match="cable"):
        camera.grab(WAIT_S, nothing)

    assert comes_true(lambda: not camera.is_lost)

    assert camera.grab(WAIT_S, nothing).source == "4"
    assert PlayedConfig.cameras[0].opened == 2


def test_bug_in_a_driver_is_a_lost_camera_and_not_the_end_of_the_watch(watch):
    camera = watch(RuntimeError("bug"), 5)

    with pytest.raises(CameraError):
        camera.grab(0.5, nothing)

    assert comes_true(lambda: not camera.is_lost)
    assert camera.grab(WAIT_S, nothing).source == "5"


def test_station_does_not_start_without_its_camera():
    class Missing(PlayedCamera):
        def __enter__(self) -> Self:
            raise CameraLostError("camera 'played': not there")

    PlayedConfig.cameras[:] = [Missing([])]
    camera = WatchedCamera(PlayedConfig())

    with pytest.raises(CameraLostError, match="not there"):
        camera.open(0.5)

    camera.close()


def test_driver_that_hangs_while_idle_is_a_lost_camera(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("partgate.station.watch._STUCK_GRACE_S", 0.05)
    may_go_on = threading.Event()
    watched = WatchedCamera(FolderCameraConfig(kind="folder", name="top", folder=Path()))

    class Hanging:
        differences = ()

        def check(self) -> None:
            may_go_on.wait(20)

    watched._is_open = True
    thread = threading.Thread(target=watched._use, args=(Hanging(),), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not watched.is_lost:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    may_go_on.set()
    while watched.is_lost:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    watched._is_closing = True
    thread.join(20)
