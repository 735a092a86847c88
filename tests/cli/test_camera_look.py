"""``partgate camera`` with what a station file says: calibration, trigger, a camera that goes and comes back."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from partgate.calibration.file import Calibration, save_calibration
from partgate.cameras.choose import choose_camera
from partgate.cameras.gige import GigeCameraConfig
from partgate.cameras.watched import pictures_of
from partgate.errors import CameraError, CameraLostError, ConfigError
from partgate.parts import Frame

from ..cameras.gige_camera import GigeCameraProcess, noise
from .typed import partgate

HEIGHT_PX, WIDTH_PX = 40, 60
WAIT_S = 60


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of one picture, a calibration that turns it by 90 degrees."""
    (tmp_path / "pictures").mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "pictures" / "1.png"), picture)
    for name, width_px in (("cal", WIDTH_PX), ("other", 2 * WIDTH_PX)):
        (tmp_path / name).mkdir()
        settings = Calibration(
            camera_width_px=width_px, camera_height_px=HEIGHT_PX, width_px=width_px, height_px=HEIGHT_PX,
            rotation_degrees=90,
        )  # fmt: skip
        save_calibration(tmp_path / name, settings)
    return tmp_path


def write(place: Path, **camera: Any) -> Path:
    values = {"kind": "folder", "name": "top", "folder": "pictures", **camera}
    path = place / "station.yaml"
    path.write_text(yaml.safe_dump({"camera": {key: value for key, value in values.items() if value is not None}}))
    return path


# --- calibration


def test_snap_shows_the_picture_straightened_as_the_station_sees_it(place: Path):
    write(place, calibration="cal")

    done = partgate("camera", "snap", "station.yaml", cwd=place)

    assert done.returncode == 0, done.stderr
    assert f"snap.png: {HEIGHT_PX} x {WIDTH_PX} px straightened by " in done.stdout
    raw = cv2.imread(str(place / "pictures" / "1.png"))
    np.testing.assert_array_equal(cv2.imread(str(place / "snap.png")), np.rot90(raw))


def test_snap_refuses_a_calibration_of_another_size(place: Path):
    write(place, calibration="other")

    done = partgate("camera", "snap", "station.yaml", cwd=place)

    assert done.returncode == 1
    assert "picture of 60 x 40 px does not fit calibration" in done.stderr
    assert not (place / "snap.png").exists()


def test_settings_tell_a_calibration_of_another_size_and_end_with_1(place: Path):
    write(place, calibration="other")
    refused = partgate("camera", "settings", "station.yaml", cwd=place)
    write(place, calibration="cal")
    fits = partgate("camera", "settings", "station.yaml", cwd=place)

    assert refused.returncode == 1
    assert "calibration: other was made with 120 x 40 px, the camera gives 60 x 40 px" in refused.stderr
    assert (fits.returncode, fits.stderr) == (0, "")


def test_settings_of_a_drop_folder_without_a_file_are_shown_with_a_note(place: Path):
    write(place, mode="watch")

    done = partgate("camera", "settings", "station.yaml", "--timeout", "0.2", cwd=place)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert ["mode", "watch", "-"] in [line.split() for line in lines]
    assert lines[-1].startswith("note: no picture yet: camera 'top' (folder ")


# --- settings in place of the station file's

LINE = {"kind": "gige", "folder": None, "exposure_us": 900, "trigger": {"mode": "line", "source": "Line1"}}


def test_another_trigger_mode_begins_the_trigger_anew_and_leaves_the_rest(place: Path):
    config = choose_camera(str(write(place, **LINE)), keys=["trigger.mode=free"])

    assert isinstance(config, GigeCameraConfig)
    assert (config.trigger.mode, config.trigger.source, config.exposure_us) == ("free", None, 900)


def test_key_inside_another_leaves_its_neighbours(place: Path):
    path = write(place, **LINE, region={"width_px": 64, "height_px": 48})

    config = choose_camera(str(path), keys=["region.width_px=32", "trigger.activation=falling"])

    assert isinstance(config, GigeCameraConfig)
    assert config.region is not None
    assert (config.region.width_px, config.region.height_px) == (32, 48)
    assert (config.trigger.source, config.trigger.activation) == ("Line1", "falling")


def test_setting_that_fits_no_camera_of_the_file_names_the_file_and_the_option(place: Path):
    with pytest.raises(ConfigError, match=r"station\.yaml with --set: camera: exposure_us: input should be greater"):
        choose_camera(str(write(place, **LINE)), keys=["exposure_us=-1"])


# --- a camera that goes and comes back


@pytest.fixture
def counterpart(tmp_path: Path) -> Iterator[GigeCameraProcess]:
    with GigeCameraProcess(tmp_path, noise(4)) as process:
        yield process


def test_camera_that_cannot_be_opened_at_first_is_an_error(counterpart: GigeCameraProcess):
    with pytest.raises(CameraLostError, match="no camera with serial nobody"):
        next(pictures_of(counterpart.config(serial="nobody"), 0.5))


def test_pulled_camera_is_told_once_and_pictures_go_on_when_it_is_back(counterpart: GigeCameraProcess):
    given = pictures_of(counterpart.config(), 2)
    assert isinstance(next(given), Frame)

    counterpart.kill()
    lost = next(given)
    told: list[str] = []
    back = threading.Timer(2, counterpart.start)
    back.start()
    while not isinstance(picture := next(given), Frame):
        told.append(picture)
    back.join()

    assert "opened again when it is back" in str(lost)
    assert told[-1] == "the camera is back"
    assert len(told) == len(set(told))


def test_watch_outlives_a_pulled_cable(counterpart: GigeCameraProcess, place: Path):
    values = {"kind": "gige", "folder": None, "serial": counterpart.serial}
    region = {"width_px": counterpart.size[1], "height_px": counterpart.size[0]}
    write(place, **values, region=region, pixel_format="Mono8")
    command = [sys.executable, "-m", "partgate", "camera", "watch", "station.yaml", "--every", "0"]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True, env=os.environ) as watch:
        killer = threading.Timer(WAIT_S, watch.kill)
        killer.start()
        try:
            assert watch.stdout is not None
            lines = iter(watch.stdout)
            assert "of best" in next(lines)
            counterpart.kill()
            assert any("opened again" in line for line in lines)
            counterpart.start()
            assert any("of best" in line for line in lines)
        finally:
            killer.cancel()
            watch.kill()


class Torn:
    """Stands where a camera does: a torn picture, then a whole one."""

    def __init__(self) -> None:
        self.left: list[Frame | CameraError] = []

    def __enter__(self) -> "Torn":
        return self

    def __exit__(self, *_: object) -> None: ...

    def grab(self, timeout_s: float) -> Frame:
        answer = self.left.pop(0)
        if isinstance(answer, CameraError):
            raise answer
        return answer


def test_torn_picture_is_a_sentence_among_the_pictures():
    torn, config = Torn(), type("Config", (), {})()
    torn.left = [CameraError("not whole"), CameraError("not whole"), CameraLostError("gone")]
    config.open = lambda: torn

    given = pictures_of(config, 1)

    assert [next(given) for _ in range(2)] == ["not whole", "not whole"]
    assert next(given) == "gone; it is opened again when it is back (Ctrl-C ends)"
