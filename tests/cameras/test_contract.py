"""Every camera driver must pass these; a new driver adds one entry to ``SOURCES``."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.cameras.base import CameraConfig
from partgate.cameras.basler import BaslerCameraConfig
from partgate.cameras.folder import FolderCameraConfig
from partgate.cameras.genicam import GenicamCameraConfig
from partgate.cameras.settings import CameraTriggerSettings, RegionSettings
from partgate.cameras.stream import StreamCameraConfig
from partgate.cameras.usb import UsbCameraConfig
from partgate.drivers import driver_kinds
from partgate.errors import CameraError, CameraLostError

from .gige_camera import GigeCameraProcess

RED = (200, 10, 10)


def make_folder(folder: Path) -> CameraConfig:
    pixels = np.full((48, 64, 3), RED, np.uint8)
    for number in range(40):
        cv2.imwrite(str(folder / f"{number:02d}.png"), pixels[:, :, ::-1])
    return FolderCameraConfig(kind="folder", name="top", folder=folder)


def make_video(folder: Path) -> CameraConfig:
    """A video file runs through the code of a USB camera."""
    path = folder / "parts.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (64, 48))
    assert writer.isOpened()
    for _ in range(40):
        writer.write(np.full((48, 64, 3), RED[::-1], np.uint8))
    writer.release()
    return UsbCameraConfig(kind="usb", name="top", device=str(path))


def make_stream(folder: Path) -> CameraConfig:
    """A process sends MJPEG over HTTP and hangs up after three seconds."""
    rng = np.random.default_rng(0)
    for number in range(10):
        noise = rng.integers(-8, 9, (48, 64, 3))
        pixels = np.clip(np.array(RED[::-1]) + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:02d}.jpg"), pixels)
    program = [sys.executable, str(Path(__file__).with_name("network_camera.py")), "http", "0", str(folder)]
    started = subprocess.Popen([*program, "--count", "60"], stdout=subprocess.PIPE, text=True)
    STARTED.append(started)
    assert started.stdout is not None
    url = f"http://127.0.0.1:{int(started.stdout.readline())}/video"
    return StreamCameraConfig(kind="stream", name="top", url=url, latency_ms=1)


def make_basler(folder: Path) -> CameraConfig:
    """The library's emulated camera plays our pictures, one for each software trigger."""
    rng = np.random.default_rng(0)
    for number in range(10):
        noise = rng.integers(-8, 9, (48, 64, 3))
        pixels = np.clip(np.array(RED[::-1]) + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:02d}.png"), pixels)
    return BaslerCameraConfig(
        kind="basler",
        name="top",
        serial="0815-0001",
        region=RegionSettings(width_px=64, height_px=48),
        pixel_format="RGB8Packed",
        nodes={"ImageFilename": str(folder), "ImageFileMode": "On", "TestImageSelector": "Off"},
    )


def make_genicam(folder: Path) -> CameraConfig:
    """The producer inside the genicam package; its pictures are its own."""
    library = find_spec("genicam")  # not imported: its library stays out of this process
    assert library is not None
    assert library.origin is not None
    return GenicamCameraConfig(
        kind="genicam",
        name="top",
        producer=Path(library.origin).with_name("viky.cti"),
        serial="0",
        trigger=CameraTriggerSettings(mode="free"),
    )


def make_gige(folder: Path) -> CameraConfig:
    """A simulated camera of another make sends noisy pictures over the loopback, and is gone after forty."""
    noise = np.random.default_rng(0).integers(-8, 9, (10, 48, 64, 3))
    pictures = np.clip(np.array(RED) + noise, 0, 255).astype(np.uint8)
    camera = GigeCameraProcess(folder, pictures, frames=40)
    camera.start()
    STARTED.append(camera)
    return camera.config(pixel_format="RGB8")


STARTED: list["subprocess.Popen[str] | GigeCameraProcess"] = []  # counterparts of the test that runs
SOURCES: dict[str, Callable[[Path], CameraConfig]] = {
    "basler": make_basler,
    "folder": make_folder,
    "genicam": make_genicam,
    "gige": make_gige,
    "stream": make_stream,
    "usb": make_video,
}


ENDLESS = {"basler", "genicam"}  # counterparts that never run out of pictures
OWN_PICTURES = {"genicam": (400, 400, 3)}  # counterparts that cannot show ours, and the shape of theirs


@pytest.fixture
def make_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], CameraConfig]]:
    monkeypatch.setenv("PYLON_CAMEMU", "2")  # how many cameras Basler's library emulates
    yield lambda kind: SOURCES[kind](tmp_path)
    while STARTED:
        with STARTED.pop() as process:
            process.kill()


@pytest.fixture(params=sorted(SOURCES))
def config(request: pytest.FixtureRequest, make_config: Callable[[str], CameraConfig]) -> CameraConfig:
    return make_config(request.param)


def test_every_registered_camera_stands_in_this_contract():
    assert set(SOURCES) == set(driver_kinds("camera"))


def test_frame_is_rgb_uint8_in_utc_and_names_its_camera(config: CameraConfig):
    with config.open() as camera:
        frame = camera.grab(timeout_s=2)

    assert frame.image.dtype == np.uint8
    if config.kind in OWN_PICTURES:
        assert frame.image.shape == OWN_PICTURES[config.kind]
    else:
        assert frame.image.shape == (48, 64, 3)
        assert np.abs(frame.image.reshape(-1, 3).mean(0) - RED).max() < 12
    assert frame.captured_at.utcoffset() is not None
    assert frame.camera == "top"


def test_two_grabs_give_two_frames_in_order_of_time(config: CameraConfig):
    with config.open() as camera:
        first, second = camera.grab(timeout_s=2), camera.grab(timeout_s=2)

    assert first.captured_at < second.captured_at


@pytest.mark.parametrize("kind", sorted(set(SOURCES) - ENDLESS))
def test_source_that_ends_is_a_lost_camera(make_config: Callable[[str], CameraConfig], kind: str):
    with make_config(kind).open() as camera:

        def take_all() -> None:
            for _ in range(50):
                camera.grab(timeout_s=2)

        with pytest.raises(CameraLostError, match="camera 'top'"):
            take_all()


def test_camera_can_be_opened_again_after_it_was_closed(config: CameraConfig):
    camera = config.open()
    with camera:
        camera.grab(timeout_s=2)

    with camera:
        assert camera.grab(timeout_s=2).image.shape == OWN_PICTURES.get(config.kind, (48, 64, 3))


def test_frame_stays_as_it_is_when_further_ones_come(config: CameraConfig):
    with config.open() as camera:
        frame = camera.grab(timeout_s=2)
        before = frame.image.copy()
        camera.grab(timeout_s=2)

    assert np.array_equal(frame.image, before)


def test_part_that_has_moved_on_is_not_exposed_and_the_next_one_is(config: CameraConfig):
    with config.open() as camera:
        with pytest.raises(CameraError, match=r"camera 'top' .*not exposed in time: .*too late"):
            camera.grab(timeout_s=2, not_after=time.monotonic() - 0.001)
        assert camera.grab(timeout_s=2, not_after=time.monotonic() + 60).camera == "top"


def test_camera_that_was_closed_gives_no_picture(config: CameraConfig):
    camera = config.open()
    with camera:
        camera.grab(timeout_s=2)

    with pytest.raises(CameraLostError, match="camera 'top'"):
        camera.grab(timeout_s=0.1)


def test_camera_opened_four_times_leaves_no_thread_behind(config: CameraConfig):
    before = set(threading.enumerate())

    for _ in range(4):
        with config.open() as camera:
            camera.check()

    assert set(threading.enumerate()) <= before


def test_camera_prints_as_its_name_and_source(config: CameraConfig):
    assert str(config.open()).startswith("camera 'top' (")


def test_folder_that_does_not_exist_is_named(tmp_path: Path):
    with pytest.raises(CameraLostError, match="missing"), make_missing(tmp_path).open():
        pass


def make_missing(folder: Path) -> CameraConfig:
    return FolderCameraConfig(kind="folder", folder=folder / "missing")


def test_usb_camera_that_is_not_there_says_what_to_check():
    config = UsbCameraConfig(kind="usb", device="/nonexistent/video9")

    with pytest.raises(CameraLostError, match="there is no such path; is it plugged in"), config.open():
        pass


def test_settings_that_the_device_does_not_take_are_reported(tmp_path: Path):
    video = make_video(tmp_path)
    config = video.model_copy(update={"width_px": 1920, "exposure": 50.0})

    with config.open() as camera:
        differences = camera.differences

    assert any("width_px is 64, asked for 1920" in line for line in differences)
    assert any("exposure is" in line for line in differences)


def test_usb_grab_gives_up_after_its_time_out(tmp_path: Path):
    with make_video(tmp_path).open() as camera, pytest.raises(CameraError, match=r"no picture within 0\.001 s"):
        camera.grab(timeout_s=0.001)


def test_folder_plays_true_classes_from_sub_folders(tmp_path: Path):
    for label in ("defect", "good"):
        (tmp_path / label).mkdir()
        cv2.imwrite(str(tmp_path / label / "part.png"), np.zeros((20, 20, 3), np.uint8))

    with FolderCameraConfig(kind="folder", folder=tmp_path).open() as camera:
        frames = [camera.grab(timeout_s=1), camera.grab(timeout_s=1)]

    assert [(frame.source, frame.true_class) for frame in frames] == [
        ("defect/part.png", "defect"),
        ("good/part.png", "good"),
    ]


def test_folder_plays_one_side_of_a_split(tmp_path: Path):
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((20, 20, 3), np.uint8))
    split = tmp_path / "split.csv"
    split.write_text("file,label,split\na.png,good,train\nb.png,dent,test\n", encoding="utf-8")
    config = FolderCameraConfig(kind="folder", folder=tmp_path, labels=split, split="test")

    with config.open() as camera:
        frame = camera.grab(timeout_s=1)
        with pytest.raises(CameraLostError, match="all 1 pictures were shown; set repeat: true"):
            camera.grab(timeout_s=1)

    assert (frame.source, frame.true_class) == ("b.png", "dent")


def test_shuffled_folder_plays_the_same_order_for_the_same_seed(tmp_path: Path):
    make_folder(tmp_path)

    def order(seed: int) -> list[str | None]:
        config = FolderCameraConfig(kind="folder", folder=tmp_path, order="shuffled", seed=seed)
        with config.open() as camera:
            return [camera.grab(timeout_s=1).source for _ in range(40)]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_picture_that_is_cut_off_is_an_error_of_this_frame_alone(tmp_path: Path):
    make_folder(tmp_path)
    first = tmp_path / "00.png"
    first.write_bytes(first.read_bytes()[:-20])

    with FolderCameraConfig(kind="folder", folder=tmp_path).open() as camera:
        with pytest.raises(CameraError, match="cut off or damaged"):
            camera.grab(timeout_s=1)
        assert camera.grab(timeout_s=1).source == "01.png"
