"""Cameras that hand out every picture as it comes."""

import pytest
import yaml

from partgate.cameras.base import FreeRunningConfig
from partgate.drivers import driver_config_class
from partgate.station.frames import every_picture
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


def test_camera_of_trigger_presence_gives_every_picture():
    config = driver_config_class("camera", "usb").model_validate({"kind": "usb", "name": "top", "skip_frames": 5})

    camera = PresenceCameras(config, FoundParts("top", PresenceSettings(), 1))._cameras["top"]

    assert isinstance(camera._config, FreeRunningConfig)
    assert camera._config.gives_every_picture
