"""A station that collects: six parts in a folder, a controller in memory, no recipe."""

import csv
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from partgate.configfile import load_config
from partgate.station.collect import CollectingStation, Tally
from partgate.station.collecting import CollectWishes, collect_pictures

STATION = """
name: line
camera: {kind: folder, name: top, folder: parts, repeat: true}
controller: {kind: memory, interval_ms: 30, window_ms: 2000}
records: {folder: records}
trigger_age_ms: 1000
"""


def make_place(tmp_path: Path) -> Path:
    """Give a folder with six different parts and a station file without a recipe."""
    (tmp_path / "parts").mkdir()
    for number in range(6):
        image = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "parts" / f"{number}.png"), image)
    (tmp_path / "station.yaml").write_text(STATION, encoding="utf-8")
    return tmp_path


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "labels.csv").read_text(encoding="utf-8").splitlines()))


def collect(
    place: Path, parts: int | None = 3, lines: Iterator[str] | None = None, **wishes
) -> tuple[list[str], Tally]:
    told: list[str] = []
    config = load_config(place / "station.yaml", CollectingStation)
    wanted = CollectWishes(wishes.pop("label", "good"), wishes.pop("out", place / "new"), parts, **wishes)
    return told, collect_pictures(config, wanted, told.append, lines, threading.Event())
