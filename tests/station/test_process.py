"""One station's process: when it counts as hung, what it is given, how often it may start again."""

import logging
from pathlib import Path

import pytest

from partgate.station.process import Restarts, StationProcess, WatchSettings

WAIT_S = 30
STATION = """
name: line
recipe: run
camera: {kind: folder, folder: pictures}
controller: {kind: memory}
records: {folder: records}
"""


def station_file(folder: Path) -> Path:
    (folder / "station.yaml").write_text(STATION, encoding="utf-8")
    return folder / "station.yaml"


class Forgetful:
    """Takes notes and keeps none."""

    def note(self, *_: object) -> None: ...


def test_station_that_gives_signs_of_life_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    one = StationProcess(
        station_file(tmp_path), WatchSettings(hang_after_s=15, start_within_s=20), 9, Forgetful(),
        lambda _: ("sleep", "60"),
    )  # fmt: skip
    try:
        one.turn(0.0)
        for now in range(0, 100, 10):
            one.hear(["READY=1" if now == 0 else "WATCHDOG=1"], float(now))
            one.turn(now + 9.0)

        assert caplog.text == ""
    finally:
        one.kill()


def test_watcher_that_stood_still_itself_blames_no_station(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    one = StationProcess(
        station_file(tmp_path), WatchSettings(hang_after_s=15), 9, Forgetful(), lambda _: ("sleep", "60")
    )
    try:
        one.turn(100.0)
        one.hear(["READY=1"], 101.0)
        one.forgive(500.0)
        one.turn(601.0)
        assert "no sign of life" not in caplog.text

        one.turn(617.0)
        assert "no sign of life for 15 s; it is ended" in caplog.text
    finally:
        one.kill()


def test_station_that_says_it_stops_has_the_time_for_its_records(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    one = StationProcess(
        station_file(tmp_path), WatchSettings(hang_after_s=15, stop_within_s=30), 9, Forgetful(),
        lambda _: ("sleep", "60"),
    )  # fmt: skip
    try:
        one.turn(0.0)
        one.hear(["READY=1"], 1.0)
        one.hear(["STOPPING=1"], 2.0)
        one.turn(31.0)
        assert caplog.text == ""

        one.turn(33.0)
        assert "not ended for 30 s" in caplog.text
    finally:
        one.kill()


def test_what_systemd_asks_of_the_watcher_is_not_handed_on_to_a_station(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.setenv(name, "1")
    seen = tmp_path / "seen"
    one = StationProcess(
        station_file(tmp_path), WatchSettings(), 9, Forgetful(), lambda _: ("sh", "-c", f"env > '{seen}'")
    )
    try:
        one.turn(0.0)
        assert one.process is not None
        one.process.wait(WAIT_S)
    finally:
        one.kill()

    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert names & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "PARTGATE_WATCH"} == {"PARTGATE_WATCH"}


def test_pauses_double_up_to_a_minute_and_begin_anew_after_a_good_run():
    restarts = Restarts(WatchSettings(restarts=100))

    pauses = [restarts.after_failure(now, ran_s=599) for now in range(8)]

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [restarts.after_failure(9, ran_s=600), restarts.after_failure(10, ran_s=0)] == [1, 2]


def test_failures_count_within_their_time_alone():
    restarts = Restarts(WatchSettings(restarts=2, within_s=600))

    found = [restarts.after_failure(now, ran_s=0) for now in (0.0, 600.0, 600.1, 1200.05)]

    assert found == [1, 2, 4, 8]
    assert restarts.after_failure(1200.06, ran_s=0) is None
