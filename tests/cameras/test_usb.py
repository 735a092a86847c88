"""USB cameras by their driver's code: which device, by whom it is used, what it took; a video file stands in."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from partgate.cameras import usb
from partgate.cameras.usb import UsbCamera, UsbCameraConfig, find_cameras
from partgate.configfile import check_settings
from partgate.errors import CameraEndedError, CameraError, CameraLostError, ConfigError
from partgate.parts import Frame


@pytest.fixture
def video(tmp_path: Path) -> Callable[..., Path]:
    """A function: make a video at 20 pictures a second; the grey value of each is four times its number."""

    def make(count: int = 60, *, is_still: bool = False) -> Path:
        path = tmp_path / "parts.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (64, 48))
        assert writer.isOpened()
        for number in range(count):
            writer.write(np.full((48, 64, 3), 0 if is_still else 4 * number, np.uint8))
        writer.release()
        return path

    return make


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function: let the system show these devices, each with name and index."""
    monkeypatch.setattr(usb, "_DEVICES", tmp_path / "video4linux")
    monkeypatch.setattr(usb, "_IS_LINUX", True)

    def show(**names: tuple[str, int]) -> None:
        for device, (name, index) in names.items():
            folder = tmp_path / "video4linux" / device
            folder.mkdir(parents=True)
            (folder / "name").write_text(f"{name}\n", encoding="utf-8")
            (folder / "index").write_text(f"{index}\n", encoding="utf-8")

    return show


def camera(device: object, **more: Any) -> UsbCamera:
    values = {"kind": "usb", "name": "top", "device": device, **more}
    return check_settings(values, UsbCameraConfig, source="station.yaml", folder=Path()).open()


def why_not_opened(camera: UsbCamera) -> str:
    with pytest.raises(CameraLostError) as error, camera:
        pass
    return str(error.value)


def number_of(frame: Frame) -> int:
    return round(float(frame.image.mean()) / 4)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"pixel_format": "jpeg2000"}, "pixel_format: string should match pattern"),
        ({"skip_frames": 0}, "skip_frames: input should be greater than or equal to 1, got 0"),
        ({"exposur": 5}, "exposur is not a known key; did you mean 'exposure'?"),
        ({"device": True}, "device: must not be yes, no, on, off, true or false"),
    ],
)
def test_settings_that_cannot_work_are_named(values: dict[str, Any], problem: str):
    with pytest.raises(ConfigError, match=r"station\.yaml") as error:
        camera(**{"device": 0, **values})

    assert problem in str(error.value)


def test_camera_that_is_not_there_lists_those_seen(devices: Callable[..., None]):
    devices(video4=("HD Pro Webcam C920", 0), video5=("HD Pro Webcam C920", 1), video6=("Microscope", 0))

    assert "there is no /dev/video97; is it plugged in? seen: 4 'HD Pro Webcam C920', 6 'Microscope'" in why_not_opened(
        camera(97)
    )


def test_name_that_no_camera_has_lists_those_seen(devices: Callable[..., None]):
    devices(video4=("HD Pro Webcam C920", 0))

    assert "0 cameras have 'Mikroskop' in their name, one is needed; seen: 4 'HD Pro Webcam C920'" in why_not_opened(
        camera("Mikroskop")
    )


def test_name_that_no_camera_has_gives_no_advice_on_two_of_one_make(devices: Callable[..., None]):
    devices(video4=("HD Pro Webcam C920", 0))

    why = why_not_opened(camera("Mikroskop"))

    assert why.endswith("; is it plugged in?")
    assert "by-id" not in why


def test_video_that_is_not_there_is_no_camera_by_that_name(devices: Callable[..., None]):
    devices(video4=("HD Pro Webcam C920", 0))

    assert "(usb parts.mp4): no such file; a video is looked for" in why_not_opened(camera("parts.mp4"))


def test_video_is_looked_for_from_the_folder_of_the_file_that_names_it(video: Callable[..., Path]):
    path = video()
    values = {"kind": "usb", "name": "top", "device": path.name}

    config = check_settings(values, UsbCameraConfig, source="station.yaml", folder=path.parent)

    assert config.device == str(path)
    with config.open() as played:
        played.grab(timeout_s=5)


@pytest.mark.parametrize("device", [3, "HD Pro Webcam C920", "/dev/video3"])
def test_name_number_and_whole_path_of_a_camera_stay_as_they_are(device: int | str, tmp_path: Path):
    values = {"kind": "usb", "name": "top", "device": device}

    assert check_settings(values, UsbCameraConfig, source="station.yaml", folder=tmp_path).device == device


def test_home_folder_stands_for_itself_in_a_videos_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    values = {"kind": "usb", "name": "top", "device": "~/parts.mp4"}

    config = check_settings(values, UsbCameraConfig, source="station.yaml", folder=Path("elsewhere"))

    assert config.device == str(tmp_path / "parts.mp4")


def test_name_of_two_cameras_is_refused_with_the_way_to_tell_them_apart(devices: Callable[..., None]):
    devices(video0=("HD Pro Webcam C920", 0), video2=("HD Pro Webcam C920", 0))

    why = why_not_opened(camera("c920"))

    assert "2 cameras have 'c920' in their name, one is needed" in why
    assert "/dev/v4l/by-id" in why


def test_name_stands_for_the_device_that_gives_pictures(devices: Callable[..., None]):
    devices(video96=("HD Pro Webcam C920", 0), video97=("HD Pro Webcam C920", 1))

    assert "there is no /dev/video96;" in why_not_opened(camera("C920"))


def test_path_that_is_not_there_is_named(devices: Callable[..., None]):
    devices()

    why = why_not_opened(camera("/dev/v4l/by-id/usb-046d_C920-video-index0"))

    assert "(usb /dev/v4l/by-id/usb-046d_C920-video-index0): there is no such path; is it plugged in? seen: none" in why


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who holds a file open")
def test_camera_used_by_another_program_names_that_program(tmp_path: Path):
    device = tmp_path / "video0"
    device.write_bytes(b"no pictures")
    holder = [sys.executable, "-c", f"held = open({str(device)!r}); print('held', flush=True); input()"]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()

        why = why_not_opened(camera(str(device)))
        other.kill()

    assert f"(process {other.pid})" in why
    assert "cannot be opened: it is used by" in why


def test_file_without_pictures_is_told_with_what_to_check(tmp_path: Path):
    path = tmp_path / "parts.avi"
    path.write_bytes(b"no pictures")

    assert "cannot be opened; is it plugged in, or used by another program?" in why_not_opened(camera(str(path)))


def test_cameras_that_give_pictures_are_listed_by_number(devices: Callable[..., None]):
    devices(video10=("Microscope", 0), video2=("Webcam", 0), video3=("Webcam", 1))

    assert find_cameras() == ["/dev/video2: Webcam", "/dev/video10: Microscope"]


def test_each_setting_that_the_device_does_not_take_is_told_in_its_own_words(video: Callable[..., Path]):
    wanted = {"width_px": 1920, "pixel_format": "YUYV", "gain": 3.5, "focus": 10, "white_balance_k": 4500}

    with camera(str(video()), **wanted) as played:
        told = " · ".join(played.differences)

    assert "width_px is 64, asked for 1920" in told
    assert "pixel_format is MJPG, asked for YUYV" in told
    for name in ("gain", "focus", "autofocus", "white_balance_k", "automatic_white_balance"):
        assert f" {name} is " in told or name.startswith("auto")
    assert "height_px" not in told


def test_frame_holds_the_settings_as_they_were_read_back(video: Callable[..., Path]):
    with camera(str(video())) as played:
        frame = played.grab(timeout_s=5)

    assert frame.settings["width_px"] == 64
    assert frame.settings["frame_rate"] == 20
    assert frame.settings["pixel_format"] == "MJPG"


def test_picture_comes_after_those_that_were_under_way(video: Callable[..., Path]):
    with camera(str(video()), skip_frames=4) as played:
        first, second = played.grab(timeout_s=5), played.grab(timeout_s=5)

    assert number_of(second) - number_of(first) >= 5


def test_video_file_that_is_over_has_ended_and_its_thread_too(video: Callable[..., Path]):
    before = set(threading.enumerate())

    with camera(str(video(15))) as played:
        with pytest.raises(CameraEndedError, match="the last picture was shown"):
            take_until_refused(played)
        spent = time.process_time()
        wait_for(lambda: set(threading.enumerate()) <= before)  # none is left that could spin
        assert time.process_time() - spent < 5


def test_still_video_is_refused_where_its_pictures_have_to_differ(video: Callable[..., Path]):
    with (
        camera(str(video(is_still=True)), frozen_after_s=30) as played,
        pytest.raises(CameraError, match="the picture is the one before, to the last bit"),
    ):
        played.grab(timeout_s=5)


def test_still_video_is_lost_after_the_time_for_frozen_pictures(video: Callable[..., Path]):
    with (
        camera(str(video(is_still=True)), frozen_after_s=1) as played,
        pytest.raises(CameraLostError, match="the same picture to the last bit for"),
    ):
        wait_for(lambda: bool(played.check()))


def take_until_refused(played: UsbCamera) -> None:
    while True:
        played.grab(timeout_s=5)


def wait_for(condition: Callable[[], bool], within_s: float = 20) -> None:
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)


def test_with_every_picture_a_video_is_given_whole_although_pictures_are_skipped_else(video: Callable[..., Path]):
    config = camera(str(video(40)), skip_frames=4).config.with_every_picture()
    numbers: list[int] = []

    with config.open() as played, suppress(CameraEndedError):
        while True:
            numbers.append(number_of(played.grab(timeout_s=5)))

    assert numbers == list(range(numbers[0], 40))
    assert len(numbers) > 20
