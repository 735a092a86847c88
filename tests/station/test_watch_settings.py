"""A camera that comes back with other settings than it went: told once, and a warning as long as it is so."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self

import pytest

from partgate.cameras.base import CameraConfig
from partgate.cameras.settings import AppliedSettings
from partgate.cameras.straightened import StraightenedCamera
from partgate.controllers.block import State
from partgate.errors import CameraError, CameraLostError
from partgate.parts import Frame
from partgate.station.watch import WatchedCamera

from .played_loop import DONE, IDLE, PART, Bench

WAIT_S = 20
AS_SET = AppliedSettings({"exposure_us": 2500.0, "width_px": 640, "pixel_format": "Mono8"}, ())
DIFFERENT = "camera 'top': gain_db is 3, asked for 6"


class SetCamera:
    """Is lost at every picture, and has the next settings when it comes back."""

    def __init__(self, applied: AppliedSettings) -> None:
        self.applied = applied

    @property
    def differences(self) -> tuple[str, ...]:
        return self.applied.differences

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None: ...

    def check(self) -> None: ...

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        raise CameraLostError("camera 'top': cable")


class SetConfig(CameraConfig):
    KIND: ClassVar[str] = "set"
    kind: Literal["set"] = "set"
    name: str = "top"
    settings: ClassVar[list[AppliedSettings]] = []
    opened: ClassVar[int] = 0

    def open(self) -> SetCamera:
        SetConfig.opened += 1
        return SetCamera(self.settings.pop(0))


@pytest.fixture
def watched() -> Iterator[Callable[..., WatchedCamera]]:
    made: list[WatchedCamera] = []

    def make(*settings: AppliedSettings) -> WatchedCamera:
        SetConfig.settings[:], SetConfig.opened = settings, 0
        made.append(WatchedCamera(SetConfig()))
        made[0].open(WAIT_S)
        return made[0]

    yield make
    for camera in made:
        camera.close()


def lose(camera: WatchedCamera) -> None:
    """Pull the cable and wait until the camera is there again."""
    opened = SetConfig.opened
    with pytest.raises(CameraError):
        camera.grab(WAIT_S, lambda: None)
    pause = threading.Event()
    assert any((SetConfig.opened > opened and not camera.is_lost) or pause.wait(0.01) for _ in range(2000))


def test_camera_back_with_another_exposure_and_size_is_told_with_what_it_was(
    watched: Callable[..., WatchedCamera], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    other = AppliedSettings({"exposure_us": 10000.0, "width_px": 320, "pixel_format": "Mono8"}, ())
    camera = watched(AS_SET, other, other)

    lose(camera)
    lose(camera)

    expected = [
        "camera 'top': exposure_us is 10000, was 2500 when the station started; what matters must stand in the station "
        "file",
        "camera 'top': width_px is 320, was 640 when the station started; what matters must stand in the station file",
    ]
    assert list(camera.differences) == expected
    told = [record.message for record in caplog.records if "when the station started" in record.message]
    assert told == expected  # once, not at every return


def test_setting_that_the_camera_no_longer_takes_is_told_when_it_is_back(
    watched: Callable[..., WatchedCamera], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    camera = watched(AS_SET, AppliedSettings(AS_SET.found, (DIFFERENT,)), AS_SET)

    lose(camera)
    assert camera.differences == (DIFFERENT,)
    lose(camera)

    assert camera.differences == ()
    told = [record.message for record in caplog.records if DIFFERENT in record.message]
    assert told == [DIFFERENT, f"is over: {DIFFERENT}"]


def test_camera_back_as_it_went_is_no_warning_though_its_exposure_is_rounded_otherwise(
    watched: Callable[..., WatchedCamera],
):
    camera = watched(AS_SET, AppliedSettings({**AS_SET.found, "exposure_us": 2501.0}, ()))

    lose(camera)

    assert camera.differences == ()


def test_straightened_camera_tells_the_settings_of_the_camera_itself():
    camera = StraightenedCamera(SetCamera(AppliedSettings(AS_SET.found, (DIFFERENT,))), None)  # type: ignore[arg-type]

    assert camera.applied == AppliedSettings(AS_SET.found, (DIFFERENT,))


@pytest.mark.parametrize(("differences", "is_set"), [((DIFFERENT,), True), ((), False)], ids=["other", "as asked"])
def test_settings_that_are_not_as_they_should_be_are_bit_9_and_change_no_verdict(
    differences: tuple[str, ...], is_set: bool, tmp_path: Path
):
    bench = Bench(tmp_path, IDLE, PART, DONE)
    bench.camera.differences = differences

    bench.run()

    assert {State.WARNING in words.state for words in bench.controller.states} == {is_set}
    assert [outcome[3] for outcome in bench.outcomes] == ["GOOD"]
