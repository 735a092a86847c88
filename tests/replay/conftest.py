"""A station that really ran: memory controller, folder camera, the made gate; its records are what is judged again."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from partgate.configfile import load_config
from partgate.records.read import ALL, Wanted
from partgate.records.store import read_records
from partgate.replay.replay import Replayed, Source, replay
from partgate.station.config import StationConfig
from partgate.station.run import run_station

STATION = """
name: line
recipe: run
{cameras}
controller: {{kind: memory, name: played, interval_ms: 30, window_ms: 5000}}
records: {{folder: records, pictures: {pictures}}}
trigger_age_ms: 5000
"""
ONE_CAMERA = "camera: {kind: folder, name: top, folder: parts}"
# The made gate takes grey level / 255 as the defect score: recheck from 102, reject from 153.
LEVELS = {"good": (20, 60, 110, 160), "defect": (90, 130, 180, 240)}


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def write_parts(folder: Path, levels: Mapping[str, Sequence[int]] = LEVELS) -> Path:
    """Write one grey picture per level, with a little noise that JPEG cannot keep."""
    for label, values in levels.items():
        (folder / label).mkdir(parents=True)
        for value in values:
            noise = np.random.default_rng(value).integers(-9, 10, (40, 40, 3))
            cv2.imwrite(str(folder / label / f"{value:03d}.png"), np.clip(value + noise, 0, 255).astype(np.uint8))
    return folder


@dataclass(frozen=True)
class Line:
    """A station's folder after a run."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "station.yaml"

    @property
    def records(self) -> Path:
        return self.folder / "records"

    @property
    def config(self) -> StationConfig:
        return load_config(self.file, StationConfig)

    def rows(self) -> list[dict[str, Any]]:
        return read_records(self.records)

    def row_of(self, level: int) -> dict[str, Any]:
        """Return the record of the part with a grey level."""
        return next(row for row in self.rows() if row["source"] and row["source"].endswith(f"{level:03d}.png"))

    def source(self, named: Path | None = None) -> Source:
        config = self.config
        gates = [dict.fromkeys(config.camera_names, named)] if named else [config.recipe_files(None)]
        return Source(config.records, config.name, tuple(gates), named is not None)

    def replay(self, named: Path | None = None, out: Path | None = None, wanted: Wanted = ALL, **keys: Any) -> Replayed:
        return replay(self.source(named), wanted, out, progress=quietly, **keys)


@pytest.fixture
def make_line(make_run: Callable[..., Path], tmp_path: Path) -> Callable[..., Line]:
    """A function: run a station over the parts of ``LEVELS`` and return what it left."""

    def make(
        levels: Mapping[str, Sequence[int]] = LEVELS, *, pictures: str = "{}", cameras: str = ONE_CAMERA, **run: Any
    ) -> Line:
        folder = tmp_path / "line"
        write_parts(folder / "parts", levels)
        make_run(folder / "run", **run)
        text = STATION.format(cameras=cameras, pictures=pictures)
        (folder / "station.yaml").write_text(text, encoding="utf-8")
        line = Line(folder)
        run_station(line.config, sum(map(len, levels.values())), threading.Event())
        return line

    return make


@pytest.fixture
def line(make_line: Callable[..., Line]) -> Line:
    return make_line()
