"""A whole station under its watcher: killed and frozen in mid-run, and what systemd hears of it."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from partgate.configfile import load_config
from partgate.errors import CameraError, RecordError
from partgate.inference.inspector import Inspector
from partgate.parts import Verdict
from partgate.records.audit import content_of
from partgate.records.read import read_audit, read_records
from partgate.records.verify import verify_records
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.station.config import StationConfig
from partgate.station.lock import lock_path, only_one
from partgate.station.process import WatchSettings
from partgate.station.run import run_station
from partgate.station.supervise import watch_stations

WAIT_S = 60  # a station starts in two seconds, on a busy machine in many more
WINDOW_MS = 400


def wait_until(claim: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not claim():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def make_station(make_run: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A function: a station file; dark pictures are good parts, bright ones defects, in turn."""

    def make(controller: dict[str, object]) -> Path:
        run = make_run(tmp_path / "run")
        (tmp_path / "pictures").mkdir()
        for number, level in enumerate((30, 220)):
            data = cv2.imencode(".png", np.full((32, 32, 3), level, np.uint8))[1].tobytes()
            (tmp_path / "pictures" / f"{number}.png").write_bytes(data)
        content = {
            "name": "line",
            "recipe": run.name,
            "camera": {"kind": "folder", "folder": "pictures", "repeat": True},
            "controller": controller,
            "records": {"folder": "records"},
            "trigger_age_ms": 1000,
        }
        (tmp_path / "station.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return tmp_path / "station.yaml"

    return make


@pytest.mark.slow
def test_station_killed_and_frozen_in_mid_run_is_started_again_and_replays_nothing(
    make_station: Callable[..., Path], tmp_path: Path
):
    plc, stop, down = SimulatedPlc(PlcSettings(window_ms=WINDOW_MS)), threading.Event(), []
    plc.start()
    path = make_station({"kind": "modbus", "host": "127.0.0.1", "port": plc.port})
    settings = WatchSettings(hang_after_s=5, first_pause_s=0.1)
    watcher = threading.Thread(target=lambda: down.append(watch_stations([path], stop, settings)), daemon=True)
    lock = lock_path(tmp_path / "records", "line", "run")
    try:
        watcher.start()
        wait_until(lambda: plc.is_station_ready)
        plc.feed_endlessly()
        for number in (signal.SIGKILL, signal.SIGSTOP):
            seen = len(plc.outcomes)
            wait_until(lambda seen=seen: any(part.accepted for part in plc.outcomes[seen:]))
            pid = lock.read_text()
            os.kill(int(pid), number)
            wait_until(lambda pid=pid: lock.read_text() not in ("", pid))
        seen = len(plc.outcomes)
        wait_until(lambda: any(part.accepted for part in plc.outcomes[seen:]))
        plc.stop_feeding()
        wait_until(lambda: plc.is_belt_empty)
        results = [write.sequence for write in plc.writes if write.sequence]
        outcomes = plc.outcomes
    finally:
        stop.set()
        watcher.join(WAIT_S)
        plc.stop()

    assert down == [()]
    assert len(results) == len(set(results))
    records = read_records(tmp_path / "records")
    accounted = [n for row in records for n in range(row["first_sequence"], row["sequence"] + 1)]
    assert accounted == list(range(1, accounted[-1] + 1))
    assert verify_records(tmp_path / "records").problems == ()
    good = {row["sequence"] for row in records if row["verdict"] == Verdict.GOOD.name}
    lost = {row["sequence"] for row in records if row["missed"]}  # killed between the signal and its record
    assert {part.sequence for part in outcomes if part.accepted} <= good | lost
    log = [(row["kind"], content_of(row).get("why", "")) for row in read_audit(tmp_path / "records")]
    assert [why for kind, why in log if kind == "restart"] == [
        "killed by SIGKILL; it starts again in 0.1 s",
        "no sign of life for 5 s, then killed by SIGKILL; it starts again in 0.2 s",
    ]
    assert [kind for kind, _ in log if kind in ("start", "no_stop", "stop")] == [
        "start", "no_stop", "start", "no_stop", "start", "stop"
    ]  # fmt: skip


class Systemd:
    """Hears what a service of the type notify says."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.said: list[str] = []

    def hears(self, what: str, within_s: float = WAIT_S) -> bool:
        """Wait for a message; tell whether it came."""
        until = time.monotonic() + within_s
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                self.said.append(self.socket.recv(4096).decode().split("\n")[0])
            except TimeoutError:
                return False
            if self.said[-1] == what:
                return True
        return False

    def forget(self) -> None:
        """Take what has been said so far."""
        while self.hears("nothing", 0.01):
            pass


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    found = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "400000")  # a sign of life every 0.1 s
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    yield found
    found.socket.close()


class Run:
    """A station in a thread."""

    def __init__(self, path: Path) -> None:
        self.stop = threading.Event()
        self._config = load_config(path, StationConfig)
        self._thread = threading.Thread(target=lambda: run_station(self._config, None, self.stop), daemon=True)
        self._thread.start()

    def end(self) -> None:
        self.stop.set()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


def test_station_without_a_camera_never_says_that_it_is_ready(
    make_station: Callable[..., Path], systemd: Systemd, tmp_path: Path
):
    path = make_station({"kind": "memory"})
    (tmp_path / "pictures").rename(tmp_path / "gone")

    with pytest.raises(CameraError):
        run_station(load_config(path, StationConfig), None, threading.Event())

    assert not systemd.hears("READY=1", 0.1)
    assert systemd.said == []


def test_station_is_ready_then_alive_and_silent_while_its_engine_hangs(
    make_station: Callable[..., Path], systemd: Systemd, monkeypatch: pytest.MonkeyPatch
):
    entered, may_go_on, inspect = threading.Event(), threading.Event(), Inspector.inspect

    def hang(self: Inspector, *rest: object, **more: object) -> object:
        entered.set()
        assert may_go_on.wait(WAIT_S)
        return inspect(self, *rest, **more)

    run = Run(make_station({"kind": "memory", "interval_ms": 100, "window_ms": 2000}))
    try:
        assert systemd.hears("READY=1")
        assert systemd.said == ["READY=1"]
        assert systemd.hears("WATCHDOG=1")

        monkeypatch.setattr(Inspector, "inspect", hang)
        assert entered.wait(WAIT_S)
        systemd.forget()
        assert not systemd.hears("WATCHDOG=1", 1.0)

        may_go_on.set()
        assert systemd.hears("WATCHDOG=1")
    finally:
        may_go_on.set()
        run.end()
    assert systemd.hears("STOPPING=1")


def test_station_whose_controller_is_switched_off_is_alive(make_station: Callable[..., Path], systemd: Systemd):
    with socket.socket() as nobody:  # bound and not listening: whoever connects is refused
        nobody.bind(("127.0.0.1", 0))
        run = Run(make_station({"kind": "modbus", "host": "127.0.0.1", "port": nobody.getsockname()[1]}))
        try:
            assert systemd.hears("READY=1")
            for _ in range(3):
                assert systemd.hears("WATCHDOG=1")
        finally:
            run.end()


def test_second_run_of_a_station_is_refused_before_it_touches_the_controller(
    make_station: Callable[..., Path], tmp_path: Path
):
    path = make_station({"kind": "memory"})

    with only_one(tmp_path / "records", "line", "run"), pytest.raises(RecordError, match="is already running"):
        run_station(load_config(path, StationConfig), 1, threading.Event())

    assert not (tmp_path / "records" / "records.sqlite").exists()
