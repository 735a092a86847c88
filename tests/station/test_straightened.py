"""Straightened pictures on the line and in training: equal to the bit; anything else is refused at start."""

import csv
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.calibration.file import Calibration, load_calibration, save_calibration
from partgate.cameras.folder import FolderCameraConfig
from partgate.configfile import load_config
from partgate.data.folder import read_folder
from partgate.data.straighten import straighten_folder
from partgate.errors import BundleError, ConfigError
from partgate.imaging import read_picture
from partgate.inference.bundle import BUNDLE_FORMAT, Geometry, read_bundle
from partgate.records.store import read_records
from partgate.station.collect import CollectingStation
from partgate.station.collecting import CollectWishes, collect_pictures
from partgate.station.config import StationConfig
from partgate.station.opening import open_views
from partgate.station.run import run_station
from partgate.station.watch import WatchedCamera

STATION = """
name: line
recipe: run
camera: {kind: folder, name: top, folder: parts/good, calibration: cal}
controller: {kind: memory, interval_ms: 30, window_ms: 2000}
records: {folder: records, pictures: {keep: all, format: png}}
trigger_age_ms: 1000
"""
WAY = "80 x 60 px, from above, 2 px/mm, lens corrected, even light, turned by 93.5 degrees"
GEOMETRY = Geometry(region=(5, 3, 70, 50), height_px=32, width_px=32, straightened=WAY)
PARTS = 4


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Raw pictures of parts, a calibration with every step, a station file."""
    rng = np.random.default_rng(0)
    (tmp_path / "parts" / "good").mkdir(parents=True)
    for number in range(PARTS):
        cv2.imwrite(str(tmp_path / "parts" / "good" / f"{number}.png"), rng.integers(0, 256, (60, 80, 3), np.uint8))
    (tmp_path / "cal").mkdir()
    lens = {
        "focal_x_px": 80,
        "focal_y_px": 81,
        "centre_x_px": 41,
        "centre_y_px": 29,
        "distortion": (-0.2, 0.1, 0, 0, 0),
    }
    settings = Calibration.model_validate(
        {
            "camera_width_px": 80, "camera_height_px": 60, "width_px": 60, "height_px": 80, "rotation_degrees": 93.5,
            "lens": lens, "plane": (1.02, 0.03, -9, -0.02, 0.98, 11, 0.0002, 0.0001, 1), "px_per_mm": 2,
        }
    )  # fmt: skip
    flat = rng.integers(100, 200, (60, 80, 3), np.uint8)
    save_calibration(tmp_path / "cal", settings, flat, flat // 20)
    (tmp_path / "station.yaml").write_text(STATION, encoding="utf-8")
    return tmp_path


def test_training_and_line_see_the_same_bytes_of_the_same_raw_picture(place: Path):
    from partgate.training.features import read_part

    straighten_folder(place / "parts", place / "cal", place / "straight")
    config = FolderCameraConfig(kind="folder", name="top", folder=place / "parts" / "good", calibration=place / "cal")
    camera = WatchedCamera(config)
    camera.open(10)
    try:
        live = [camera.grab(10, lambda: None).image for _ in range(PARTS)]
    finally:
        camera.close()

    learned = read_folder(place / "straight", "good").pictures
    assert len(learned) == PARTS
    for image, picture in zip(live, learned, strict=True):
        seen_live = [seen for _, seen in GEOMETRY.fit(image)]
        seen_in_training, _ = read_part(picture, GEOMETRY)
        assert [one.tobytes() for one in seen_live] == [one.tobytes() for one in seen_in_training]


def test_collected_pictures_are_what_the_line_judges(place: Path, make_run: Callable[..., Path]):
    from partgate.training.features import read_part

    make_run(place / "run", manifest={"geometry": GEOMETRY})
    config = load_config(place / "station.yaml", CollectingStation)
    collect_pictures(config, CollectWishes("good", place / "new", PARTS), lambda _: None, stop=threading.Event())
    run_station(load_config(place / "station.yaml", StationConfig), PARTS, threading.Event())

    judged = [row["picture"] for row in read_records(config.records.folder) if row["picture"]]
    learned = read_folder(place / "new", "good").pictures
    archived = [read_picture(config.records.folder / file) for file in judged]
    assert len(archived) == len(learned) == PARTS
    for image, picture in zip(archived, learned, strict=True):
        seen, _ = read_part(picture, GEOMETRY)
        assert [one.tobytes() for _, one in GEOMETRY.fit(image)] == [one.tobytes() for one in seen]
    rows = list(csv.DictReader((place / "new" / "labels.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["straightened"] for row in rows} == {WAY}
    assert all(f'"calibration":"{rows[0]["calibration"]}"' in row["camera_settings"].replace(" ", "")
               for row in read_records(config.records.folder))  # fmt: skip


@pytest.mark.parametrize(
    ("trained_with", "calibrated", "told"),
    [
        (
            None,
            True,
            r"learned from pictures as the camera took them, camera 'top' gives them straightened \(.*\); leave out",
        ),
        (
            WAY,
            False,
            r"learned from pictures straightened \(.*\), camera 'top' gives .* took them; name its calibration",
        ),
        (WAY.replace("2 px", "3 px"), True, r"\(.*3 px/mm.*\(.*2 px/mm.*calibrate the camera like that"),
    ],
    ids=["recipe-without", "camera-without", "other-scale"],
)
def test_station_whose_camera_gives_other_pictures_than_learned_from_never_starts(
    place: Path, make_run: Callable[..., Path], trained_with: str | None, calibrated: bool, told: str
):
    make_run(place / "run", manifest={"geometry": GEOMETRY.model_copy(update={"straightened": trained_with})})
    if not calibrated:
        text = (place / "station.yaml").read_text().replace(", calibration: cal", "")
        (place / "station.yaml").write_text(text)

    with pytest.raises(BundleError, match=f"recipe 'made part': .*{told}"):
        run_station(load_config(place / "station.yaml", StationConfig), 1, threading.Event())


def test_station_whose_calibration_is_gone_never_starts(place: Path, make_run: Callable[..., Path]):
    make_run(place / "run", manifest={"geometry": GEOMETRY})
    (place / "cal" / "calibration.yaml").unlink()

    with pytest.raises(ConfigError, match="no calibration there"):
        run_station(load_config(place / "station.yaml", StationConfig), 1, threading.Event())


def test_calibration_made_anew_while_the_station_runs_lets_no_recipe_in_that_the_camera_does_not_serve(
    place: Path, make_run: Callable[..., Path]
):
    anew = WAY.replace("93.5", "3.5").replace("80 x 60", "60 x 80")
    for name, way in (("run", WAY), ("other", anew)):
        make_run(place / name, manifest={"geometry": GEOMETRY.model_copy(update={"straightened": way})})
    text = STATION.replace("recipe: run", "recipes: {1: run, 2: other}")
    (place / "station.yaml").write_text(text, encoding="utf-8")
    config = load_config(place / "station.yaml", StationConfig)
    open_views(config, 1)

    before = load_calibration(place / "cal")
    turned = before.settings.model_copy(update={"rotation_degrees": 3.5, "flat_field": None})
    save_calibration(place / "cal", turned, before.flat, before.dark)

    with pytest.raises(BundleError, match=r"camera 'top' gives them straightened \(.*turned by 93\.5 degrees"):
        open_views(config, 2)
    open_views(config, 1)
    open_views(load_config(place / "station.yaml", StationConfig), 2)


def test_station_whose_camera_gives_another_size_says_so_with_its_alarm_and_at_its_end(
    place: Path, make_run: Callable[..., Path]
):
    make_run(place / "run", manifest={"geometry": GEOMETRY})
    for path in (place / "parts" / "good").iterdir():
        cv2.imwrite(str(path), np.zeros((48, 64, 3), np.uint8))
    (place / "station.yaml").write_text(STATION + "alarms: {misses_in_a_row: 2}\n", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "partgate", "run", "station.yaml", "--parts", str(PARTS), "--linger", "0"],
        cwd=place, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    why = r"camera 'top' .*: picture of 64 x 48 px does not fit calibration"
    assert re.search(rf"2 parts without a verdict in a row, last: {why}", done.stderr)
    assert re.search(rf"(?m)^RECHECK: {PARTS} no whole picture; the last one: {why}", done.stdout)


def test_bundle_says_how_its_pictures_were_straightened_and_older_versions_refuse_it(
    tmp_path: Path, make_run: Callable[..., Path]
):
    plain = read_bundle(make_run(tmp_path / "plain") / "model.partgate").manifest
    straight = read_bundle(make_run(tmp_path / "s", manifest={"geometry": GEOMETRY}) / "model.partgate").manifest

    assert (plain.format, plain.geometry.straightened) == (1, None)
    assert (straight.format, straight.geometry.straightened) == (BUNDLE_FORMAT, WAY) == (3, WAY)


def test_training_takes_over_how_its_pictures_were_straightened_and_finds_old_features_again(place: Path):
    from partgate.training.config import load_training
    from partgate.training.look import choose_geometry

    straighten_folder(place / "parts", place / "cal", place / "straight")
    raw, straight = read_folder(place / "parts", "good").pictures, read_folder(place / "straight", "good").pictures
    config = load_training(place / "parts", "quick")

    assert choose_geometry(raw, config).straightened is None
    assert choose_geometry(straight, config).straightened == WAY
