"""``partgate camera`` as a user types it, against a simulated GigE camera, a folder, and mistakes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from ..cameras.gige_camera import SIDE_PX, GigeCameraProcess, noise

PICTURES = noise(4)


@pytest.fixture(scope="module")
def counterpart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GigeCameraProcess]:
    with GigeCameraProcess(tmp_path_factory.mktemp("camera"), PICTURES) as process:
        yield process


def camera(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "partgate", "camera", *map(str, arguments)],
        capture_output=True, text=True, cwd=folder, timeout=100, check=False,
    )  # fmt: skip


def station_file(folder: Path, *cameras: dict[str, object]) -> Path:
    content = {"camera": cameras[0]} if len(cameras) == 1 else {"cameras": list(cameras)}
    path = folder / "station.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def gige(counterpart: GigeCameraProcess, **more: object) -> dict[str, object]:
    region = {"width_px": SIDE_PX, "height_px": SIDE_PX}
    return {"kind": "gige", "serial": counterpart.serial, "region": region, "pixel_format": "Mono8"} | more


def picture_folder(folder: Path) -> dict[str, object]:
    """Three pictures of a step, the second one out of focus."""
    step = np.full((60, 60, 3), 40, np.uint8)
    step[:, 30:] = 200
    (folder / "pictures").mkdir()
    for number, picture in enumerate([step, cv2.GaussianBlur(step, (0, 0), 4), step]):
        cv2.imwrite(str(folder / "pictures" / f"{number}.png"), picture)
    return {"kind": "folder", "name": "top", "folder": "pictures"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["snap", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["snap", "gigi"], "'gigi' is neither a station file nor a kind of camera; known kinds: "),
        (["snap", "gige", "--set", "exposure"], "--set: must be KEY=VALUE, got 'exposure'"),
        (["snap", "gige", "--set", "exposure=[1"], "--set exposure=[1: is not a value"),
        (["snap", "gige", "--set", "gain_dp=3"], "gain_dp is not a known key; did you mean 'gain_db'?"),
        (["snap", "gige", "--set", "region=3", "--set", "region.width_px=3"], "region is a value already"),
        (["snap", "gige", "--camera", "top"], "--camera goes with a station file, got the kind gige"),
        (["snap", "STATION", "--set", "foldr=a"], "station.yaml with --set: camera: foldr is not a known key"),
        (["snap", "STATION", "--set", "calibration=nowhere"], "camera 'top': calibration: nowhere: no calibration"),
        (
            ["settings", "STATION", "--set", "calibration=nowhere", "--set", "mode=watch"],
            "camera 'top': calibration: nowhere: no calibration",
        ),
        (["snap", "STATION", "--camera", "side"], "--camera must be one of top, got side"),
        (["snap", "STATION", "--out", "part.txt"], "part.txt: must end in .bmp"),
        (["watch", "STATION", "--out", "part.txt"], "part.txt: must end in .bmp"),
        (["snap", "STATION", "--out", "nowhere/part.png"], "nowhere/part.png: cannot be written"),
        (["snap", "gige", "--set", "serial=nobody"], "no camera with serial nobody; found "),
        (["list", "--interface", "eth77"], "no network card has the name or address 'eth77'; this PC has "),
        (["snap", "stream", "--set", "url=http://127.0.0.1:9/v"], "cannot be opened within 5.0 s"),
        (["snap", "stream", "--set", "url=rtsp://127.0.0.1:9/v"], "cannot be opened within 5.0 s"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistake_of_the_user_is_one_line_and_exit_code_1(arguments: list[str], says: str, tmp_path: Path):
    station_file(tmp_path, picture_folder(tmp_path))

    done = camera(tmp_path, *("station.yaml" if argument == "STATION" else argument for argument in arguments))

    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_station_file_without_a_camera_says_what_is_missing(tmp_path: Path):
    (tmp_path / "station.yaml").write_text("name: trial\n", encoding="utf-8")

    done = camera(tmp_path, "snap", "station.yaml")

    assert "station.yaml: camera: is missing; give the camera's kind and settings under it" in done.stderr


def test_station_with_two_cameras_asks_for_a_name(tmp_path: Path):
    top = picture_folder(tmp_path)
    station_file(tmp_path, top, top | {"name": "side"})

    asked = camera(tmp_path, "snap", "station.yaml")
    named = camera(tmp_path, "snap", "station.yaml", "--camera", "side")

    assert "--camera must be one of top, side, got nothing" in asked.stderr
    assert named.returncode == 0


def test_list_names_the_camera_its_serial_number_and_address(counterpart: GigeCameraProcess, tmp_path: Path):
    done = camera(tmp_path, "list")

    assert done.returncode == 0, done.stderr
    assert f"gige     Aravis Fake {counterpart.serial} at {counterpart.address}" in done.stdout


def test_list_names_baslers_cameras_beside_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("pypylon", reason="the extra basler")
    monkeypatch.setenv("PYLON_CAMEMU", "2")

    done = camera(tmp_path, "list")

    assert done.returncode == 0, done.stderr
    listed = [line for line in done.stdout.splitlines() if line.startswith("basler")]
    assert listed == [f"basler   Basler Emulation serial 0815-000{number}" for number in (0, 1)]


def test_snap_writes_the_cameras_very_pixels_into_the_terminals_folder(counterpart: GigeCameraProcess, tmp_path: Path):
    station_file(tmp_path, gige(counterpart))

    done = camera(tmp_path, "snap", "station.yaml")

    assert done.returncode == 0, done.stderr
    assert f"snap.png: {SIDE_PX} x {SIDE_PX} px, focus " in done.stdout
    picture = cv2.imread(str(tmp_path / "snap.png"))
    assert any(np.array_equal(picture[..., 0], sent) for sent in PICTURES)


def test_watch_shows_that_focus_was_better_before(tmp_path: Path):
    station_file(tmp_path, picture_folder(tmp_path))

    done = camera(tmp_path, "watch", "station.yaml", "--pictures", 3, "--every", 0, "--out", "now.png")

    assert done.returncode == 0, done.stderr
    sharp, blurred, again = done.stdout.splitlines()
    assert "100% of best" in sharp
    assert int(blurred.split("% of best")[0].split()[-1]) < 30
    assert "100% of best" in again
    assert (tmp_path / "now.png").is_file()


def test_watch_ends_with_the_camera_in_one_line(tmp_path: Path):
    station_file(tmp_path, picture_folder(tmp_path))

    done = camera(tmp_path, "watch", "station.yaml", "--every", 0)

    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 3
    assert "all 3 pictures were shown" in done.stderr


def test_settings_stand_beside_what_the_camera_made_of_them(counterpart: GigeCameraProcess, tmp_path: Path):
    done = camera(
        tmp_path, "settings", "gige", "--set", f"serial={counterpart.serial}", "--set", "exposure_us=2500",
        "--set", "region.width_px=64", "--set", "region.height_px=48",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["exposure_us", "2500", "2500"] in rows
    assert ["width_px", "64", "64"] in rows
    assert ["trigger_source", "Software", "Software"] in rows


def test_settings_out_of_range_are_refused_with_the_range(counterpart: GigeCameraProcess, tmp_path: Path):
    station_file(tmp_path, gige(counterpart, name="top", exposure_us=1))

    done = camera(tmp_path, "settings", "station.yaml")

    assert done.returncode == 1
    assert "exposure_us: must be 10 to 10000000, got 1" in done.stderr


def test_settings_that_differ_are_an_exit_code_of_1(tmp_path: Path):
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (64, 48))
    for shade in range(60):
        writer.write(np.full((48, 64, 3), 4 * shade, np.uint8))
    writer.release()

    done = camera(tmp_path, "settings", "usb", "--set", "device=film.avi", "--set", "width_px=1920")

    assert done.returncode == 1
    assert "width_px is 64, asked for 1920" in done.stderr
