"""The genicam driver against ``viky.cti``, the producer inside the genicam package."""

import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from partgate.cameras.genicam import GenicamCamera, GenicamCameraConfig
from partgate.errors import CameraLostError, ConfigError

REGION = {"width_px": 120, "height_px": 100}


def make_config(producer: Path, **changes: object) -> GenicamCameraConfig:
    values = {
        "kind": "genicam",
        "name": "top",
        "producer": producer,
        "serial": "1",
        "trigger": {"mode": "free"},
        "region": REGION,
        **changes,
    }
    return GenicamCameraConfig.model_validate(values)


def make_camera(producer: Path, **changes: object) -> GenicamCamera:
    return make_config(producer, **changes).open()


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_producer_that_is_not_there_names_those_of_the_installed_software(
    viky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GENICAM_GENTL64_PATH", str(viky.parent))

    with (
        pytest.raises(CameraLostError, match=r"producer .*missing\.cti is not there; found .*viky\.cti"),
        make_camera(tmp_path / "missing.cti"),
    ):
        pass


def test_producer_that_is_not_there_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GENICAM_GENTL64_PATH", raising=False)

    with (
        pytest.raises(CameraLostError, match="is the vendor's software installed"),
        make_camera(tmp_path / "missing.cti"),
    ):
        pass


def test_file_that_is_no_producer_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "damaged.cti").write_text("hello")

    with pytest.raises(CameraLostError, match=r"must end with \.cti"), make_camera(tmp_path / "notes.txt"):
        pass
    with pytest.raises(CameraLostError, match="cannot be loaded"), make_camera(tmp_path / "damaged.cti"):
        pass


def test_serial_number_that_is_not_there_lists_those_seen(viky: Path):
    with (
        pytest.raises(CameraLostError, match=r"no camera with serial 9; the producer sees: .*serial 0.*serial 2"),
        make_camera(viky, serial="9"),
    ):
        pass


def test_several_cameras_that_fit_are_refused(viky: Path):
    with (
        pytest.raises(CameraLostError, match="3 cameras fit, set serial"),
        make_camera(viky, serial=None, model="Viky"),
    ):
        pass


def test_camera_of_another_vendor_is_not_taken(viky: Path):
    with pytest.raises(CameraLostError, match="no camera with serial 1, vendor Acme"), make_camera(viky, vendor="Acme"):
        pass


def test_every_setting_that_the_camera_does_not_have_is_told_at_once(viky: Path):
    wrong = {"exposure_us": 100, "nodes": {"Widht": 3}, "pixel_format": "Mono9", "trigger": {"mode": "software"}}

    with pytest.raises(ConfigError) as caught, make_camera(viky, **wrong):
        pass

    text = str(caught.value)
    assert "this camera has none of ExposureTime, ExposureTimeAbs, ExposureTimeRaw" in text
    assert "this camera has no Widht; it has Width" in text
    assert "must be one of RGBa8, Mono8, got 'Mono9'" in text
    assert "this camera has no TriggerMode; it knows mode free only, got software" in text


def test_region_that_the_camera_cannot_take_states_what_it_can(viky: Path):
    with (
        pytest.raises(ConfigError, match=r"region\.width_px: must be 100 to 800, got 99"),
        make_camera(viky, region={"width_px": 99, "height_px": 100}),
    ):
        pass


def test_interrupt_from_the_keyboard_is_left_to_the_station(viky: Path):
    before = signal.getsignal(signal.SIGINT)
    with make_camera(viky) as camera:
        camera.grab(timeout_s=2)
        [process] = children()
        process.send_signal(signal.SIGINT)
        assert camera.grab(timeout_s=2).image.shape == (100, 120, 3)

    assert signal.getsignal(signal.SIGINT) is before


def test_two_cameras_of_one_producer_work_at_once(viky: Path):
    with make_camera(viky, serial="0") as red, make_camera(viky, serial="2") as blue:
        first, second = red.grab(timeout_s=2), blue.grab(timeout_s=2)

    assert (first.source, second.source) == ("Viky 0", "Viky 2")
    assert first.image.mean((0, 1))[0] > first.image.mean((0, 1))[2]
    assert second.image.mean((0, 1))[2] > second.image.mean((0, 1))[0]


def test_picture_after_a_pause_is_a_new_one(viky: Path):
    with make_camera(viky, skip_frames=1) as camera:
        before = camera.grab(timeout_s=2)
        time.sleep(1.0)  # twenty pictures of the camera, of which four fit into the buffers
        after = camera.grab(timeout_s=2)

    assert before.block_id is not None
    assert after.block_id is not None
    assert after.block_id - before.block_id > 4 + 10


def test_settings_are_read_back_and_travel_with_the_frame(viky: Path):
    with make_camera(viky, pixel_format="Mono8", nodes={"BouncingBallSize": 30}) as camera:
        frame = camera.grab(timeout_s=2)

    assert frame.settings["width_px"] == 120
    assert frame.settings["pixel_format"] == "Mono8"
    assert frame.block_id is not None
    assert np.ptp(frame.image, axis=2).max() == 0
    assert camera.differences == ()


def test_camera_that_is_not_open_gives_no_picture(viky: Path):
    with pytest.raises(CameraLostError, match="is not open"):
        make_camera(viky).grab(timeout_s=1)


@pytest.mark.slow
def test_opening_twenty_times_leaves_processes_threads_and_memory_flat(viky: Path):
    process = psutil.Process()

    def open_and_close() -> tuple[int, int, int]:
        with make_camera(viky) as camera:
            camera.grab(timeout_s=5)
        return process.num_threads(), process.num_fds(), process.memory_info().rss

    for _ in range(2):
        threads, files, memory = open_and_close()
    for _ in range(20):
        threads_after, files_after, memory_after = open_and_close()

    assert (threads_after, files_after) == (threads, files)
    assert memory_after - memory < 10_000_000
    assert children() == []
