"""``partgate run`` as a user types it: a whole run, waited for, ended, killed, and its account."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from partgate.records.store import read_records

from .typed import COMMAND, partgate, station_file


def test_station_runs_over_a_folder_and_its_account_adds_up(trained: tuple[Path, Path], tmp_path: Path):
    data, run = trained

    done = partgate("run", station_file(tmp_path, run, data), "--parts", 40, "--linger", 0)

    assert done.returncode == 0, done.stderr
    assert "triggers 40 = results 40 + declared misses 0" in done.stdout
    assert re.search(r"good +GOOD +1 +\d+", done.stdout)
    verified = partgate("records", "verify", tmp_path / "records")
    assert "whole: no record was changed or removed" in verified.stdout
    exported = partgate("records", "export", tmp_path / "records", "--out", tmp_path / "all.json")
    assert exported.returncode == 0
    assert len(json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))) == 40
    assert len(partgate("records", "list", tmp_path / "records", "--last", 5).stdout.splitlines()) == 5


def test_changed_record_makes_verify_fail(trained: tuple[Path, Path], tmp_path: Path):
    import sqlite3

    data, run = trained
    partgate("run", station_file(tmp_path, run, data), "--parts", 3, "--linger", 0)
    with sqlite3.connect(tmp_path / "records/records.sqlite") as connection:
        connection.execute("UPDATE records SET lane = 1 WHERE id = 2")
        connection.execute("UPDATE records SET lane = 0 WHERE id = 2")
        connection.execute("UPDATE records SET detail = 'x' WHERE id = 2")
    connection.close()

    done = partgate("records", "verify", tmp_path / "records")

    assert done.returncode == 1
    assert "partgate: record 2: was changed after it was written" in done.stderr


def test_station_without_its_camera_does_not_start(trained: tuple[Path, Path], tmp_path: Path):
    _, run = trained
    path = station_file(tmp_path, run, tmp_path, camera={"kind": "usb", "device": "/nonexistent/video7", "name": "top"})

    done = partgate("run", path, "--parts", 1)

    assert done.returncode == 1
    assert "camera 'top' (usb /nonexistent/video7): there is no such path; is it plugged in?" in done.stderr


def test_station_waits_for_a_plc_that_is_switched_on_later_and_ctrl_c_ends_it(
    trained: tuple[Path, Path], tmp_path: Path
):
    data, run = trained
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    modbus = {"kind": "modbus", "host": "127.0.0.1", "port": port}
    path = station_file(tmp_path, run, data, controller=modbus)
    log = tmp_path / "plc.json"
    with subprocess.Popen(
        [*COMMAND, "run", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as station:
        assert station.stdout is not None
        lines: list[str] = []
        no_connection = threading.Event()

        def listen() -> None:
            for line in station.stdout or ():
                lines.append(line)
                if "no connection; is the PLC on" in line:
                    no_connection.set()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        assert no_connection.wait(60), lines
        plc = partgate("simulate", "plc", "--port", port, "--parts", 5, "--interval-ms", 300, "--log", log)
        station.send_signal(signal.SIGINT)
        station.wait(30)
        listener.join(10)

    assert plc.returncode == 0, plc.stderr
    assert len(json.loads(log.read_text(encoding="utf-8"))["parts"]) == 5
    assert station.returncode == 0
    assert any("triggers 5 = results 5 + declared misses 0" in line for line in lines), lines


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of Unix")
def test_station_killed_and_started_again_sends_no_stale_good_and_accounts_for_every_trigger(
    trained: tuple[Path, Path], tmp_path: Path
):
    from partgate.simulate.conveyor import ConveyorSettings
    from partgate.simulate.plc import SimulatedPlc
    from partgate.simulate.settings import PlcSettings

    data, run = trained
    with SimulatedPlc(PlcSettings(boot=5, conveyor=ConveyorSettings(interval_ms=300))) as plc:
        path = station_file(tmp_path, run, data, controller={"kind": "modbus", "host": "127.0.0.1", "port": plc.port})

        def start() -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*COMMAND, "run", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            plc.wait_until(lambda: plc.is_station_ready, timeout_s=60)
            return process

        plc.feed_endlessly()
        first = start()
        plc.wait_until(lambda: plc.counters["good"] >= 1 and plc.entered >= 4, timeout_s=60)
        first.kill()
        first.communicate()
        plc.wait_until(lambda: plc.watchdog_fault, timeout_s=60)
        accepted_before = plc.counters["good"]
        second = start()
        plc.wait_until(lambda: plc.counters["good"] > accepted_before, timeout_s=60)
        plc.stop_feeding()
        plc.wait_until(lambda: plc.is_belt_empty, timeout_s=60)
        second.send_signal(signal.SIGINT)
        second.communicate(timeout=60)
        outcomes = plc.outcomes

    verdicts = {row["sequence"]: row for row in read_records(tmp_path / "records")}
    for part in outcomes:
        row = verdicts.get(part.sequence)
        own_good = row is not None and row["verdict"] == "GOOD" and not row["missed"]
        killed_before_written = row is None or row["missed"] or row["first_sequence"] != row["sequence"]
        assert part.lane == 0 or own_good or killed_before_written
    verified = partgate("records", "verify", tmp_path / "records")
    assert verified.returncode == 0, verified.stderr
