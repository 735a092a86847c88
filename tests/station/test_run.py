"""A run of a station leaves its start and its stop on the audit log."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from partgate.configfile import load_config
from partgate.controllers.modbus import ModbusControllerConfig
from partgate.errors import PartgateError
from partgate.records.audit import content_of
from partgate.records.store import RecordStore, read_audit
from partgate.records.verify import verify_records
from partgate.station.config import StationConfig
from partgate.station.loop import Station
from partgate.station.run import run_station

STATION = """
name: line
recipe: {run}
camera: {{kind: folder, name: top, folder: pictures}}
controller: {{kind: memory, name: played, interval_ms: {interval}, window_ms: 2000}}
records: {{folder: records}}
trigger_age_ms: 1000
"""


@pytest.fixture
def config(make_folder: Callable[..., Path], make_run: Callable[..., Path], tmp_path: Path) -> StationConfig:
    make_folder(tmp_path / "pictures", {"good": 3})
    run = make_run(tmp_path / "run")
    (tmp_path / "station.yaml").write_text(STATION.format(run=run.name, interval=50), encoding="utf-8")
    return load_config(tmp_path / "station.yaml", StationConfig)


def test_run_is_on_the_audit_log_from_start_to_stop_and_what_it_counted(config: StationConfig):
    run_station(config, parts=2, stop=threading.Event())

    start, stop = (content_of(row) for row in read_audit(config.records.folder))

    assert len(start["recipe"]["sha256"]) == 64
    assert len(start["model"]) == 64
    assert (start["settings"]["recipe"], start["settings"]["records"]["folder"]) == ("../run", ".")
    assert stop["why"] == "all parts taken"
    assert stop["triggers"] == stop["results"] + stop["misses"] >= 2
    assert verify_records(config.records.folder).problems == ()


def test_run_that_is_stopped_says_so_and_a_changed_setting_is_a_row(config: StationConfig):
    run_station(config, parts=1, stop=threading.Event())
    stop = threading.Event()
    stop.set()
    run_station(config.model_copy(update={"trigger_age_ms": 900.0}), parts=None, stop=stop)

    log = read_audit(config.records.folder)

    assert [row["kind"] for row in log] == ["start", "stop", "start", "change", "change", "stop"]
    assert content_of(log[3]) == {"what": "settings.trigger_age_ms", "was": 1000.0, "is": 900.0}
    assert content_of(log[5])["why"] == "asked to stop"


def test_run_that_ends_in_an_error_says_which(config: StationConfig, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise RuntimeError("torn cable")

    monkeypatch.setattr(Station, "run", fail)
    with pytest.raises(RuntimeError):
        run_station(config, parts=1, stop=threading.Event())

    assert content_of(read_audit(config.records.folder)[-1])["why"] == "RuntimeError: torn cable"


def test_run_that_was_killed_leaves_a_start_that_the_next_start_tells_of(
    config: StationConfig, monkeypatch: pytest.MonkeyPatch
):
    note = RecordStore.note
    with monkeypatch.context() as patch:
        patch.setattr(RecordStore, "note", lambda store, event: note(store, event) if event.kind == "start" else None)
        run_station(config, parts=1, stop=threading.Event())
    run_station(config, parts=1, stop=threading.Event())

    assert [row["kind"] for row in read_audit(config.records.folder)] == ["start", "no_stop", "start", "stop"]


def test_station_is_called_ready_once_and_only_when_it_takes_parts(config: StationConfig):
    events: list[str] = []

    run_station(config, parts=2, stop=threading.Event(), on_ready=lambda: events.append("ready"))

    assert events == ["ready"]


def test_station_whose_camera_does_not_open_is_never_called_ready(config: StationConfig, tmp_path: Path):
    events: list[str] = []
    for path in (tmp_path / "pictures" / "good").iterdir():
        path.unlink()

    with pytest.raises(PartgateError, match="camera 'top'"):
        run_station(config, parts=1, stop=threading.Event(), on_ready=lambda: events.append("ready"))

    assert events == []


def test_station_whose_controller_is_not_there_is_not_called_ready(config: StationConfig):
    events: list[str] = []
    stop = threading.Event()
    nobody = ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=9)
    timer = threading.Timer(1.0, stop.set)
    timer.start()

    run_station(config.model_copy(update={"controller": nobody}), None, stop, on_ready=lambda: events.append("ready"))

    assert events == []
