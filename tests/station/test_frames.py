"""Cameras that hand out every picture as it comes."""

import time
from typing import ClassVar, Self

import pytest
import yaml

from partgate.cameras.base import CameraConfig, FreeRunningConfig
from partgate.drivers import driver_config_class
from partgate.errors import CameraError
from partgate.parts import Frame
from partgate.station.frames import StreamedCamera, every_picture
from partgate.station.own_triggers import FoundParts, PresenceCameras
from partgate.station.presence_settings import PresenceSettings


@pytest.mark.parametrize(
    "settings",
    ["{kind: usb, skip_frames: 5}", "{kind: stream, url: 'http://c/1', latency_ms: 900}", "{kind: gige}"],
)
def test_presence_sees_every_picture_whatever_a_wired_trigger_would_throw_away(settings: str):
    values = yaml.safe_load(settings)
    config = driver_config_class("camera", values["kind"]).model_validate(values)

    streamed = every_picture(config)

    assert getattr(streamed, "gives_every_picture", True)
    assert isinstance(streamed, FreeRunningConfig) or streamed.skip_frames == 0  # type: ignore[attr-defined]
    assert not getattr(config, "gives_every_picture", False)


class Frozen:
    """A camera that answers and gives no picture that can be used."""

    opened: ClassVar[list[float]] = []
    differences = ()

    def __init__(self, config: CameraConfig) -> None: ...

    def __enter__(self) -> Self:
        self.opened.append(time.monotonic())
        return self

    def __exit__(self, *exc_info: object) -> None: ...

    def check(self) -> None: ...

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        time.sleep(0.01)
        raise CameraError("camera 'top': picture is frozen")


def test_camera_that_answers_but_gives_no_usable_picture_is_lost_and_opened_again(monkeypatch: pytest.MonkeyPatch):
    config = driver_config_class("camera", "usb").model_validate({"kind": "usb", "name": "top"})
    monkeypatch.setattr(type(config), "open", lambda config: Frozen(config))
    camera = StreamedCamera(config, FoundParts("top", PresenceSettings(), 1), silent_after_s=0.1)

    camera.open(within_s=20)
    try:
        ends = time.monotonic() + 20
        while len(Frozen.opened) < 3:
            assert time.monotonic() < ends
            time.sleep(0.01)
    finally:
        camera.close()


def test_camera_of_trigger_presence_gives_every_picture():
    config = driver_config_class("camera", "usb").model_validate({"kind": "usb", "name": "top", "skip_frames": 5})

    camera = PresenceCameras(config, FoundParts("top", PresenceSettings(), 1))._cameras["top"]

    assert isinstance(camera._config, FreeRunningConfig)
    assert camera._config.gives_every_picture
