"""A controller changes the recipe of a running station: real bundles, a simulated PLC, the audit log."""

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from partgate.configfile import load_config
from partgate.records.audit import content_of
from partgate.records.audit_words import audit_line
from partgate.records.store import read_audit, read_records
from partgate.records.verify import verify_records
from partgate.simulate.conveyor import ConveyorSettings
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import Command, Word
from partgate.station.config import StationConfig
from partgate.station.run import RunResult, run_station

WAIT_S = 30


class Running:
    """A station in a thread, by its file."""

    def __init__(self, folder: Path, plc: SimulatedPlc, **keys: object) -> None:
        content = {
            "name": "line",
            "camera": {"kind": "folder", "name": "top", "folder": "pictures", "repeat": True},
            "controller": {"kind": "modbus", "host": "127.0.0.1", "port": plc.port},
            "records": {"folder": "records"},
            "trigger_age_ms": 300,
            **keys,
        }
        (folder / "station.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        self.config = load_config(folder / "station.yaml", StationConfig)
        self.folder, self.plc, self.stop = folder, plc, threading.Event()
        self.result: RunResult | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        plc.wait_until(lambda: plc.is_station_ready, timeout_s=WAIT_S)

    def feed(self, parts: int) -> None:
        self.plc.feed(parts)
        self.plc.wait_until(lambda: self.plc.is_belt_empty, timeout_s=WAIT_S)

    def end(self) -> None:
        self.stop.set()
        self._thread.join(WAIT_S)
        assert self.result is not None

    def _run(self) -> None:
        self.result = run_station(self.config, None, self.stop)


@pytest.fixture
def plc() -> object:
    belt = ConveyorSettings(interval_ms=500)
    with SimulatedPlc(PlcSettings(boot=1, conveyor=belt, window_ms=400)) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path, make_run: Callable[..., Path]) -> Path:
    """Two recipes on the same model: the second sends good parts to lane 2; all pictures are of good parts."""
    (tmp_path / "pictures").mkdir()
    for number in range(3):  # dark is good for the made model
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), np.full((32, 32, 3), 40, np.uint8))
    make_run(tmp_path / "one")
    make_run(tmp_path / "two")
    path = tmp_path / "two" / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**recipe, "name": "lid", "lanes": {"GOOD": 2}}), encoding="utf-8")
    return tmp_path


def test_recipe_asked_for_by_number_is_in_force_within_5_s_and_judges_the_next_part(folder: Path, plc: SimulatedPlc):
    running = Running(folder, plc, recipes={1: "one", 2: "two"})
    running.feed(1)

    plc.ask_recipe(2)
    plc.wait_until(lambda: plc.word(Word.RECIPE_ACTIVE) == 2, timeout_s=5)  # the contract's time
    plc.command(Command.CHANGE_RECIPE, False)
    plc.wait_until(lambda: plc.is_station_ready, timeout_s=WAIT_S)
    running.feed(1)
    running.end()

    rows = read_records(folder / "records")
    judged = [(row["recipe"], row["verdict"], row["lane"]) for row in rows if row["reason"] == 0]
    assert judged[-1][1:] == ("GOOD", 2)
    assert {row["recipe"] for row in rows} >= {"lid"}
    assert [part.lane for part in plc.outcomes][-1] == 2
    change = next(row for row in read_audit(folder / "records") if row["kind"] == "change")
    assert (content_of(change)["was"], content_of(change)["is"]) == (1, 2)
    assert "recipe 2 in force, before 1: camera 'top': 'lid'" in audit_line(change)
    assert verify_records(folder / "records").problems == ()


def test_damaged_recipe_is_refused_and_the_one_in_force_goes_on(folder: Path, plc: SimulatedPlc):
    next((folder / "two").glob("*.partgate")).write_bytes(b"no bundle")
    running = Running(folder, plc, recipes={1: "one", 2: "two"})

    plc.ask_recipe(2)
    plc.wait_until(lambda: plc.word(Word.VIS_FAULT) == 3, timeout_s=WAIT_S)
    plc.command(Command.CHANGE_RECIPE, False)
    plc.set_recipe(1)
    plc.wait_until(lambda: plc.is_station_ready, timeout_s=WAIT_S)
    running.feed(1)
    running.end()

    assert plc.word(Word.RECIPE_ACTIVE) == 1
    assert [part.lane for part in plc.outcomes] == [1]


def test_two_cameras_judge_one_part_and_both_pictures_are_kept(folder: Path, plc: SimulatedPlc):
    cameras = [{"kind": "folder", "name": name, "folder": "pictures", "repeat": True} for name in ("top", "side")]
    running = Running(folder, plc, camera=None, cameras=cameras, recipe={"top": "one", "side": "one"})
    running.feed(1)
    running.end()

    (row,) = read_records(folder / "records")
    assert (row["verdict"], row["lane"]) == ("GOOD", 1)
    assert row["camera"] == "top"
    assert '"camera":"side"' in row["more_pictures"]
    start = content_of(read_audit(folder / "records")[0])
    assert start["further_cameras"]["side"]["model"] == start["model"]
    assert verify_records(folder / "records").problems == ()


def test_second_station_on_the_same_controller_keeps_away(folder: Path, plc: SimulatedPlc, tmp_path: Path):
    running = Running(folder, plc, recipe="one")
    other = running.config.model_copy(
        update={"name": "second", "records": running.config.records.model_copy(update={"folder": tmp_path / "other"})}
    )
    stop = threading.Event()
    second = threading.Thread(target=run_station, args=(other, None, stop), daemon=True)
    second.start()
    log = tmp_path / "other" / "records.sqlite"
    plc.wait_until(lambda: True, timeout_s=WAIT_S)
    while not log.is_file():
        stop.wait(0.01)
    running.feed(2)
    stop.set()
    second.join(WAIT_S)
    running.end()

    assert [part.lane for part in plc.outcomes] == [1, 1]
    assert read_records(tmp_path / "other") == []
