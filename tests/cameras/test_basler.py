"""The basler driver against the library's emulated cameras with our own pictures."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from partgate.cameras.basler import BaslerCameraConfig, list_basler_cameras
from partgate.errors import CameraError, CameraLostError, ConfigError

from .emulated_basler import RED, make_camera, number_of, write_pictures


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYLON_CAMEMU", "2")  # how many cameras the library emulates
    monkeypatch.setattr("partgate.cameras.aside_camera._GRACE_S", 20.0)  # on a busy machine processes stand still, too
    monkeypatch.setattr("partgate.cameras.aside_camera._CHECK_WITHIN_S", 20.0)
    return write_pictures(tmp_path / "pictures")


def test_library_that_is_not_installed_says_what_to_type(pictures: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("partgate.drivers.find_spec", lambda name: None)

    with pytest.raises(CameraLostError, match=r'pypylon missing; pip install "partgate\[basler\]"'):
        make_camera(pictures).__enter__()
    with pytest.raises(CameraLostError, match="basler cameras: pypylon missing"):
        list_basler_cameras()


def test_serial_number_without_quotation_marks_is_refused():
    with pytest.raises(ValueError, match=r"must be text in quotation marks, .* got the number 40123456"):
        BaslerCameraConfig.model_validate({"kind": "basler", "serial": 40123456})


def test_serial_number_that_is_not_there_lists_those_seen(pictures: Path):
    with (
        pytest.raises(CameraLostError, match=r"no camera with serial 40123456; pylon sees: .*0815-0000.*0815-0001"),
        make_camera(pictures, serial="40123456"),
    ):
        pass


def test_several_cameras_and_no_serial_number_are_refused(pictures: Path):
    with pytest.raises(CameraLostError, match="2 cameras fit, set serial"), make_camera(pictures, serial=None):
        pass


def test_no_camera_at_all_is_said(pictures: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PYLON_CAMEMU")

    with pytest.raises(CameraLostError, match="no camera; pylon sees: none"), make_camera(pictures, serial=None):
        pass
    assert list_basler_cameras() == []


def test_every_setting_that_the_camera_cannot_take_is_told_at_once(pictures: Path):
    wrong = {
        "exposure_us": 1e12,
        "pixel_format": "Mono7",
        "region": {"width_px": 9999, "height_px": 48},
        "nodes": {"ForceFailedBuffer": 1, "Widht": 3},
        "trigger": {"mode": "line", "source": "Line9"},
    }

    with pytest.raises(ConfigError) as caught, make_camera(pictures, **wrong):
        pass

    text = str(caught.value)
    assert "exposure_us: must be 1 to 10000000" in text
    assert "did you mean 'Mono8'" in text
    assert "region.width_px: must be 1 to 4096, got 9999" in text
    assert "ForceFailedBuffer does not take 1: it is a command, not a setting" in text
    assert "this camera has no Widht; it has Width" in text
    assert "trigger.source: must be one of" in text


def test_camera_that_refused_its_settings_can_be_opened_again(pictures: Path):
    refused = make_camera(pictures, gain_db=99)
    with pytest.raises(ConfigError, match="gain_db"), refused:
        pass
    with pytest.raises(CameraLostError, match="is not open"):
        refused.check()

    with make_camera(pictures) as camera:
        assert camera.grab(timeout_s=20).image.shape == (48, 64, 3)


def test_pixel_format_that_the_driver_does_not_know_is_refused(pictures: Path):
    with pytest.raises(ConfigError, match=r"pixel_format: .*got 'RGB16Packed'"):
        make_camera(pictures, pixel_format="RGB16Packed").__enter__()


def test_picture_that_came_too_late_is_never_given_to_the_next_part(pictures: Path):
    exposure = timedelta(seconds=1)
    with make_camera(pictures, takes_us=1_000_000) as camera:
        with pytest.raises(CameraError, match=r"within 0\.400 s \(software trigger\)") as caught:
            camera.grab(timeout_s=0.4)
        asked = datetime.now(UTC)
        frame = camera.grab(timeout_s=20)

    assert not isinstance(caught.value, CameraLostError)
    assert frame.captured_at - asked >= exposure


def test_three_pictures_that_did_not_come_are_a_lost_camera(pictures: Path):
    with make_camera(pictures, takes_us=3_000_000) as camera:
        for _ in range(2):
            with pytest.raises(CameraError) as caught:
                camera.grab(timeout_s=0.3)
            assert not isinstance(caught.value, CameraLostError)
        with pytest.raises(CameraLostError, match="no picture 3 times in a row though the camera answers"):
            camera.grab(timeout_s=0.3)


def test_line_trigger_is_set_and_a_missing_edge_is_no_lost_camera(pictures: Path):
    with make_camera(pictures, trigger={"mode": "line", "source": "Line1"}) as camera:
        for _ in range(4):
            with pytest.raises(CameraError, match="line trigger") as caught:
                camera.grab(timeout_s=0.02)
            assert not isinstance(caught.value, CameraLostError)

    assert camera.applied.found["trigger"] == "On"
    assert camera.applied.found["trigger_source"] == "Line1"


def test_each_software_trigger_gives_the_next_picture_with_number_time_and_settings(pictures: Path):
    began = datetime.now(UTC)
    with make_camera(pictures, exposure_us=2000, gain_db=6) as camera:
        frames = [camera.grab(timeout_s=20)]
        camera.check()  # takes no picture
        frames += [camera.grab(timeout_s=20) for _ in range(3)]

    assert [number_of(frame.image) for frame in frames] == [0, 1, 2, 3]
    first = frames[0].block_id
    assert first is not None
    assert [frame.block_id for frame in frames] == list(range(first, first + 4))
    times = [frame.captured_at for frame in frames]
    assert times == sorted(times)
    assert began < times[0]
    assert times[-1] < datetime.now(UTC)
    assert frames[0].source == "Emulation 0815-0000"
    assert frames[0].settings["exposure_us"] == pytest.approx(2000)
    assert frames[0].settings["gain_db"] == pytest.approx(6, rel=0.01)
    assert frames[0].settings["pixel_format"] == "RGB8Packed"
    assert camera.differences == ()


def test_setting_that_the_camera_rounds_is_a_difference(pictures: Path):
    with make_camera(pictures, exposure_us=1.26) as camera:
        differences = camera.differences

    assert differences == ("camera 'top' (basler 0815-0000): exposure_us is 1, asked for 1.26",)


def test_free_running_camera_gives_no_picture_that_was_under_way(pictures: Path):
    with make_camera(pictures, trigger={"mode": "free"}, frame_rate=50, skip_frames=3) as camera:
        first, second = camera.grab(timeout_s=20), camera.grab(timeout_s=20)

    assert first.block_id is not None
    assert second.block_id is not None
    assert second.block_id - first.block_id > 3


@pytest.mark.parametrize("pixel_format", ["BGRA8Packed", "BayerRG12"])
def test_colours_arrive_as_rgb_whatever_the_pixel_format(pictures: Path, pixel_format: str):
    with make_camera(pictures, pixel_format=pixel_format) as camera:
        image = camera.grab(timeout_s=20).image

    assert np.abs(image[8:-8, 8:-8].reshape(-1, 3).mean(0) - RED).max() < 3


def test_picture_that_repeats_to_the_last_bit_is_not_judged(pictures: Path, tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    (tmp_path / "one").mkdir()
    cv2.imwrite(str(tmp_path / "one" / "same.png"), pixels)

    with make_camera(tmp_path / "one", frozen_after=2) as camera:
        camera.grab(timeout_s=20)
        with pytest.raises(CameraError, match="picture is frozen: 2 in a row"):
            camera.grab(timeout_s=20)


def test_list_names_every_camera_that_the_library_sees_and_leaves_nothing_behind(pictures: Path):
    before = set(threading.enumerate())

    found = list_basler_cameras()

    assert found == ["Basler Emulation serial 0815-0000", "Basler Emulation serial 0815-0001"]
    assert psutil.Process().children(recursive=True) == []
    assert set(threading.enumerate()) <= before
