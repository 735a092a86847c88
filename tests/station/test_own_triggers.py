"""Parts that the station announces itself end with the station: nothing is announced while it stops."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.configfile import load_config
from partgate.controllers.block import ControllerWords
from partgate.controllers.none import NoneController, NoneControllerConfig
from partgate.drivers import driver_config_class
from partgate.parts import Frame
from partgate.records.store import read_records
from partgate.station.config import StationConfig
from partgate.station.frames import StreamedCamera
from partgate.station.own_triggers import FoundParts, OwnTriggers, PresenceCameras, Timer
from partgate.station.presence_settings import Event, PresenceSettings, What
from partgate.station.run import run_station

STATION = """
name: line
recipe: run
camera: {kind: folder, name: top, folder: pictures, repeat: true}
controller: {kind: none}
trigger: {kind: timer, interval_ms: 200}
records: {folder: records}
trigger_age_ms: 1000
"""


class Clock:
    """Stands at a moment until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def found() -> FoundParts:
    return FoundParts("top", PresenceSettings(), room=8)


def find(parts: FoundParts, *numbers: int) -> None:
    for number in numbers:
        parts._waiting.append((number, Frame(np.zeros((2, 2, 3), np.uint8), datetime.now(UTC), "top")))
        parts._count = number


@pytest.fixture
def place(tmp_path: Path, make_run: Callable[..., Path]) -> Path:
    make_run(tmp_path / "run")
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "1.png"), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    (tmp_path / "station.yaml").write_text(STATION, encoding="utf-8")
    return tmp_path


def test_station_with_a_timer_declares_no_part_as_missed_when_it_stops(place: Path):
    config = load_config(place / "station.yaml", StationConfig)

    summary = run_station(config, 3, threading.Event(), linger_s=1.5).summary

    assert (summary.triggers, summary.results, summary.misses) == (3, 3, 0)
    assert not any(row["missed"] for row in read_records(config.records.folder))


def test_interval_that_passes_while_the_station_stops_is_no_part(place: Path, monkeypatch: pytest.MonkeyPatch):
    read = NoneController.read

    def read_slowly(controller: NoneController) -> ControllerWords:
        time.sleep(0.03)
        return read(controller)

    monkeypatch.setattr(NoneController, "read", read_slowly)
    (place / "station.yaml").write_text(STATION.replace("200", "10"), encoding="utf-8")
    config = load_config(place / "station.yaml", StationConfig)

    run_station(config, 3, threading.Event(), linger_s=0)

    assert not any("stopping" in row["detail"] for row in read_records(config.records.folder))


def test_station_that_sorts_nothing_does_not_wait_for_parts_on_their_way(place: Path):
    config = load_config(place / "station.yaml", StationConfig)
    ended = threading.Event()
    arguments = (config, 1, threading.Event(), 10_000.0)
    threading.Thread(target=lambda: (run_station(*arguments), ended.set()), daemon=True).start()

    assert ended.wait(30)


def test_timer_that_is_stopped_counts_no_interval_that_nobody_asked_about(clock: Clock):
    timer = Timer(1.0, clock)
    timer.begin()
    clock.now = 2.5
    assert timer.newest() == 2

    clock.now = 7.0

    assert timer.stop() == 2


def test_timer_that_never_began_is_stopped_before_its_first_part(clock: Clock):
    assert Timer(1.0, clock).stop() == 0


def test_parts_that_were_found_and_wait_count_when_it_stops(found: FoundParts):
    found.begin()
    find(found, 1, 2, 3)
    assert found.newest() == 1

    assert found.stop() == 3


def test_parts_that_were_found_before_it_was_ready_do_not_count(found: FoundParts):
    find(found, 1, 2)

    assert found.stop() == 0


def test_parts_that_were_found_before_it_was_ready_are_neither_judged_nor_counted(found: FoundParts):
    find(found, *range(1, 13))

    found.begin()

    assert found.newest() == 0
    found._announce([Event(What.NOT_DECIDABLE, 0.0, 13)])
    found.begin()  # told with every heartbeat
    assert (found.newest(), found.stop()) == (1, 1)


def test_place_that_cannot_be_seen_is_a_lost_camera_with_the_reason(found: FoundParts, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(StreamedCamera, "is_lost", False)
    config = driver_config_class("camera", "usb").model_validate({"kind": "usb", "name": "top"})
    cameras = PresenceCameras(config, found)
    assert not cameras.is_lost
    dark = Frame(np.zeros((24, 32, 3), np.uint8), datetime.now(UTC), "top")
    for at in (0.0, 2.1):
        found._announce(found._presence.see(dark, at))

    assert cameras.is_lost
    assert found.problem is not None
    assert "camera 'top': the empty place is dark" in found.problem


def test_controller_names_the_last_part_for_ever_once_it_announces_none(clock: Clock):
    timer = Timer(1.0, clock)
    timer.begin()
    with OwnTriggers(NoneController(NoneControllerConfig(kind="none")), timer, window_ms=500) as controller:
        clock.now = 3.2
        assert controller.read().trigger_sequence == 3
        controller.stop_announcing()
        clock.now = 9.0

        assert controller.read().trigger_sequence == 3
