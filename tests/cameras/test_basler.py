"""The basler driver against the library's emulated cameras with our own pictures."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from partgate.cameras.basler import BaslerCamera, BaslerCameraConfig
from partgate.errors import CameraError, CameraLostError, ConfigError

os.environ.setdefault("PYLON_CAMEMU", "2")  # how many cameras the library emulates; read when it is loaded

REGION = {"width_px": 64, "height_px": 48}
RED = (200, 10, 10)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(4):
        colour = (RED[2], RED[1], RED[0] + 10 * number)
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((48, 64, 3), colour, np.uint8))
    return tmp_path


def make_camera(pictures: Path, takes_us: float = 10_000, **changes: object) -> BaslerCamera:
    """Return a camera that plays the pictures; the emulation waits for its old exposure node alone."""
    plays = {
        "ImageFilename": str(pictures),
        "ImageFileMode": "On",
        "TestImageSelector": "Off",
        "ExposureTimeAbs": takes_us,
    }
    values = {
        "kind": "basler",
        "name": "top",
        "serial": "0815-0000",
        "region": REGION,
        "pixel_format": "RGB8Packed",
        "nodes": plays,
        **changes,
    }
    return BaslerCameraConfig.model_validate(values).open()


def redness(image: np.ndarray) -> int:
    return int(image[0, 0, 0])


def test_serial_number_that_is_not_there_lists_those_seen(pictures: Path):
    with (
        pytest.raises(CameraLostError, match=r"no camera with serial 40123456; pylon sees: .*0815-0000.*0815-0001"),
        make_camera(pictures, serial="40123456"),
    ):
        pass


def test_several_cameras_and_no_serial_number_are_refused(pictures: Path):
    with pytest.raises(CameraLostError, match="2 cameras are there, set serial"), make_camera(pictures, serial=None):
        pass


def test_every_setting_that_the_camera_cannot_take_is_told_at_once(pictures: Path):
    wrong = {"exposure_us": 1e12, "pixel_format": "Mono7", "region": {"width_px": 9999, "height_px": 48}}

    with pytest.raises(ConfigError) as caught, make_camera(pictures, **wrong):
        pass

    text = str(caught.value)
    assert "exposure_us: must be 1 to 10000000" in text
    assert "did you mean 'Mono8'" in text
    assert "region.width_px: must be 1 to 4096, got 9999" in text


def test_camera_that_refused_its_settings_can_be_opened_again(pictures: Path):
    refused = make_camera(pictures, gain_db=99)
    with pytest.raises(ConfigError), refused:
        pass
    with pytest.raises(CameraLostError, match="is not open"):  # the library's camera was given back
        refused.check()

    with make_camera(pictures) as camera:
        assert camera.grab(timeout_s=2).image.shape == (48, 64, 3)


def test_pixel_format_that_the_driver_does_not_know_is_refused(pictures: Path):
    with pytest.raises(ConfigError, match=r"pixel_format: .*got 'RGB16Packed'"):
        make_camera(pictures, pixel_format="RGB16Packed").__enter__()


def test_damaged_picture_is_an_error_of_this_part_alone(pictures: Path):
    with make_camera(pictures) as camera:
        first = camera.grab(timeout_s=2)
        camera.device.ForceFailedBufferCount.Value = 1
        camera.device.ForceFailedBuffer.Execute()
        with pytest.raises(CameraError, match="came damaged and is not judged") as caught:
            camera.grab(timeout_s=2)
        after = camera.grab(timeout_s=2)

    assert not isinstance(caught.value, CameraLostError)
    assert first.block_id is not None
    assert after.block_id is not None
    assert after.block_id > first.block_id + 1  # the number of the damaged one is missing


def test_picture_that_came_too_late_is_never_given_to_the_next_part(pictures: Path):
    exposure = timedelta(milliseconds=300)
    with make_camera(pictures, takes_us=300_000) as camera:
        with pytest.raises(CameraError, match=r"no picture within 0\.200 s"):
            camera.grab(timeout_s=0.2)
        asked = datetime.now(UTC)
        frame = camera.grab(timeout_s=5)

    assert frame.captured_at - asked >= exposure


def test_three_pictures_that_did_not_come_are_a_lost_camera(pictures: Path):
    with make_camera(pictures, takes_us=3_000_000) as camera:
        for _ in range(2):
            with pytest.raises(CameraError) as caught:
                camera.grab(timeout_s=0.05)
            assert not isinstance(caught.value, CameraLostError)
        with pytest.raises(CameraLostError, match="no picture 3 times in a row"):
            camera.grab(timeout_s=0.05)


def test_line_trigger_is_set_and_a_missing_edge_is_no_lost_camera(pictures: Path):
    with make_camera(pictures, trigger={"mode": "line", "source": "Line1"}) as camera:
        for _ in range(4):
            with pytest.raises(CameraError, match="line trigger") as caught:
                camera.grab(timeout_s=0.02)
            assert not isinstance(caught.value, CameraLostError)

    assert camera.applied.found["trigger"] == "On"
    assert camera.applied.found["trigger_source"] == "Line1"


def test_input_that_the_camera_does_not_have_lists_those_it_has(pictures: Path):
    with (
        pytest.raises(ConfigError, match=r"trigger\.source: must be one of .*Line1.*got 'Line9'"),
        make_camera(pictures, trigger={"mode": "line", "source": "Line9"}),
    ):
        pass


def test_each_software_trigger_gives_the_next_picture_with_its_number(pictures: Path):
    with make_camera(pictures) as camera:
        frames = [camera.grab(timeout_s=2) for _ in range(4)]

    assert [redness(frame.image) for frame in frames] == [200, 210, 220, 230]
    numbers = [frame.block_id for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert frames[0].source == "Emulation 0815-0000"


def test_free_running_camera_gives_no_picture_that_was_under_way(pictures: Path):
    with make_camera(pictures, trigger={"mode": "free"}, frame_rate=50, skip_frames=3) as camera:
        first, second = camera.grab(timeout_s=2), camera.grab(timeout_s=2)

    assert first.block_id is not None
    assert second.block_id is not None
    assert second.block_id - first.block_id > 3


def test_settings_are_read_back_and_travel_with_the_frame(pictures: Path):
    with make_camera(pictures, exposure_us=2000, gain_db=6) as camera:
        frame = camera.grab(timeout_s=2)

    assert frame.settings["exposure_us"] == pytest.approx(2000)
    assert frame.settings["gain_db"] == pytest.approx(6, rel=0.01)
    assert frame.settings["pixel_format"] == "RGB8Packed"
    assert camera.differences == ()


def test_setting_that_the_camera_rounds_is_a_difference(pictures: Path):
    with make_camera(pictures, exposure_us=1.26) as camera:
        differences = camera.differences

    assert any("exposure_us is" in line and "asked for 1.26" in line for line in differences)


@pytest.mark.parametrize("pixel_format", ["RGB8Packed", "BGR8Packed", "BGRA8Packed", "BayerRG8", "BayerRG12"])
def test_colours_arrive_as_rgb_whatever_the_pixel_format(pictures: Path, pixel_format: str):
    with make_camera(pictures, pixel_format=pixel_format) as camera:
        image = camera.grab(timeout_s=2).image

    assert np.abs(image[8:-8, 8:-8].reshape(-1, 3).mean(0) - RED).max() < 3


def test_camera_that_is_not_open_gives_no_picture(pictures: Path):
    with pytest.raises(CameraLostError, match="is not open"):
        make_camera(pictures).grab(timeout_s=1)


def test_checking_an_idle_camera_does_not_take_a_picture(pictures: Path):
    with make_camera(pictures) as camera:
        first = camera.grab(timeout_s=2)
        camera.check()
        second = camera.grab(timeout_s=2)

    assert first.block_id is not None
    assert second.block_id == first.block_id + 1


def test_opening_twenty_times_leaves_threads_and_memory_flat(pictures: Path):
    process = psutil.Process()

    def open_and_close() -> tuple[int, int]:
        with make_camera(pictures) as camera:
            camera.grab(timeout_s=5)
        return process.num_threads(), process.memory_info().rss

    for _ in range(3):
        threads, memory = open_and_close()
    for _ in range(20):
        threads_after, memory_after = open_and_close()

    assert threads_after <= threads
    assert memory_after - memory < 10_000_000


def test_picture_that_repeats_to_the_last_bit_is_not_judged(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "same.png"), pixels)

    with make_camera(tmp_path, frozen_after=3) as camera:
        camera.grab(timeout_s=2)
        camera.grab(timeout_s=2)
        with pytest.raises(CameraError, match="picture is frozen: 3 in a row"):
            camera.grab(timeout_s=2)
