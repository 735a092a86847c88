"""The account of a shift: every number that the controller gave is a result or a declared miss, once."""

import json
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from partgate.cli.records import app
from partgate.errors import RecordError
from partgate.parts import Reason, Record, Verdict
from partgate.records.reconcile import Shift, reconcile, shift_bounds
from partgate.records.store import RecordStore

BERLIN = ZoneInfo("Europe/Berlin")
SIX = datetime(2026, 11, 23, 6, tzinfo=UTC)
DAY = [SIX, SIX + timedelta(hours=8), SIX + timedelta(hours=16)]


def row(sequence: int, minute: int = 0, *, first: int | None = None, boot: int = 1, **changes: Any) -> dict[str, Any]:
    made = {
        "id": 10 * sequence, "station": "line", "boot": boot, "sequence": sequence, "missed": first is not None,
        "first_sequence": sequence if first is None else first, "verdict": "GOOD", "lot": None, "detail": "",
        "at": (SIX + timedelta(minutes=minute)).isoformat(),
    }  # fmt: skip
    return made | changes


def record(sequence: int) -> Record:
    return Record(
        station="line", boot=1, sequence=sequence, first_sequence=sequence, at=SIX + timedelta(hours=2),
        verdict=Verdict.GOOD, reason=Reason.MODEL, detail="", sent=True, missed=False, recipe="cover",
        bundle_id="b" * 64, lane=1,
    )  # fmt: skip


def write(folder: Path, *entries: Record) -> None:
    with RecordStore(folder) as store:
        for entry in entries:
            store.add(entry)


def cli(*arguments: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return found.exit_code, found.stdout, str(found.exception)


def only(rows: list[dict[str, Any]]) -> Shift:
    (shift,) = reconcile(rows, DAY)
    return shift


def test_three_results_and_a_gap_of_two_are_five_triggers():
    shift = only(
        [row(1), row(3, first=2, detail="not connected"), row(4, verdict="REJECT", lot="A7"), row(5, lot="A7")]
    )

    assert (shift.triggers, shift.results, shift.misses, shift.adds_up) == (5, 3, 2, True)
    assert shift.verdicts == {"GOOD": 2, "REJECT": 1}
    assert shift.gaps == [{"boot": 1, "first": 2, "last": 3, "detail": "not connected"}]
    assert shift.lots == {"-": 3, "A7": 2}
    assert shift.numbers == ["1/1-5"]


def test_number_that_no_row_names_does_not_add_up():
    shift = only([row(1), row(4)])

    assert (shift.triggers, shift.results, shift.misses, shift.adds_up) == (4, 2, 0, False)
    assert "record 40: trigger 4 of boot 1: 2 before it are neither results nor declared misses" in shift.problems


def test_number_that_comes_again_does_not_add_up():
    shift = only([row(1), row(2), row(2)])

    assert (shift.triggers, shift.results, shift.adds_up) == (2, 3, False)


def test_number_lacking_and_another_coming_again_do_not_cancel_out():
    assert not only([row(1), row(3), row(3)]).adds_up


def test_restarted_controller_counts_from_1_and_what_is_lacking_before_its_first_row_is_told():
    whole = only([row(8), row(2, first=1, boot=2), row(3, boot=2)])
    lacking = only([row(8), row(3, boot=2)])

    assert (whole.adds_up, whole.boots, whole.triggers) == (True, [1, 2], 4)
    assert (lacking.adds_up, lacking.undeclared) == (False, 2)


def test_restart_that_the_controller_did_not_count_does_not_add_up():
    assert "without counting its start" in only([row(500), row(1)]).problems[0]


def test_numbers_go_on_from_65535_to_1():
    shift = only([row(65534), row(1, first=65535), row(2)])

    assert (shift.triggers, shift.adds_up) == (4, True)


def test_first_row_of_a_shift_must_follow_the_last_row_of_the_shift_before():
    early, late = reconcile([row(1), row(3, minute=8 * 60)], DAY)

    assert early.adds_up
    assert (late.adds_up, late.undeclared) == (False, 1)


def test_moment_of_change_belongs_to_the_later_shift_and_rows_outside_to_none():
    shifts = reconcile([row(1, minute=-1), row(2), row(3, minute=480), row(4, minute=960)], DAY)

    assert [(shift.begins, shift.results) for shift in shifts] == [(DAY[0], 1), (DAY[1], 1)]


def test_stations_are_counted_apart():
    shifts = reconcile([row(1), row(7, station="other"), row(2), row(8, station="other")], DAY)

    assert [(shift.station, shift.triggers, shift.adds_up) for shift in shifts] == [
        ("line", 2, True), ("other", 2, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "hours_of_the_night", "hours_of_the_day"),
    [((2026, 3, 28), 7, 23), ((2026, 10, 24), 9, 25), ((2026, 11, 23), 8, 24)],
    ids=["summer-time-begins", "summer-time-ends", "any"],
)
def test_night_shift_is_an_hour_shorter_or_longer_when_the_clocks_change(
    day: tuple[int, int, int], hours_of_the_night: int, hours_of_the_day: int
):
    night = datetime(*day, 23, tzinfo=BERLIN).astimezone(UTC)

    begins, ends = shift_bounds(night, night, time(6), 8, BERLIN)
    assert shift_bounds(night, night, time(22), 8, BERLIN) == [
        begins,
        ends,
    ]  # as its day's first
    first, last = shift_bounds(night, night, time(6), 24, BERLIN)

    assert begins.astimezone(BERLIN).hour == 22
    assert ends.astimezone(BERLIN).hour == 6
    assert (ends - begins).total_seconds() / 3600 == hours_of_the_night
    assert (last - first).total_seconds() / 3600 == hours_of_the_day


def test_shifts_of_a_day_with_25_hours_leave_no_moment_out():
    bounds = shift_bounds(
        datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC), time(2, 30), 8, BERLIN
    )

    assert bounds == sorted(bounds)
    assert bounds[0] <= datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert bounds[-1] > datetime(2026, 10, 26, 12, tzinfo=UTC)


def test_row_with_a_damaged_time_is_named():
    with pytest.raises(RecordError, match="record 10: its time 'noon' is no time; run 'partgate records verify'"):
        reconcile([row(1, at="noon")], DAY)


def test_command_proves_shifts_as_table_and_json_and_ends_with_1_where_they_do_not_add_up(tmp_path: Path):
    write(tmp_path / "whole", record(1), record(2))
    write(tmp_path / "lacking", record(1), record(3))

    code, table, _ = cli("reconcile", tmp_path / "whole", "--zone", "Europe/Berlin")
    failed, printed, error = cli("reconcile", tmp_path / "lacking", "--json")

    assert code == 0
    assert "2026-11-23 06:00+0100 to 14:00+0100  line                2 =        2 + 0       2 GOOD" in table
    (shift,) = json.loads(printed)["shifts"]
    assert failed == 1
    assert (shift["triggers"], shift["results"], shift["misses"], shift["adds_up"]) == (3, 2, 0, False)
    assert "record 2: trigger 3 of boot 1: 1 before it" in error


def test_command_takes_one_span_on_the_wall(tmp_path: Path):
    write(tmp_path, record(1))

    def results(begins: str, ends: str) -> list[int]:
        arguments = ("--from", begins, "--to", ends, "--zone", "Europe/Berlin", "--json")
        return [shift["results"] for shift in json.loads(cli("reconcile", tmp_path, *arguments)[1])["shifts"]]

    assert results("2026-11-23 09:00", "2026-11-23 09:01") == [1]  # 8:00 UTC
    assert results("2026-11-23 08:00", "2026-11-23 09:00") == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--zone", "Mars/Olympus"], "'Mars/Olympus' is not known on this PC"),
        (["--zone", "../etc"], "is not known on this PC"),
        (["--shift-hours", "7"], "7 do not divide a day"),
        (["--shift-hours", "0"], "0 do not divide a day"),
        (["--shift-start", "six"], "must be a time like 06:00, got 'six'"),
        (["--from", "2026-11-23"], "--to: is missing"),
        (["--from", "soon", "--to", "2026-11-23"], "--from: must be a time like"),
        (["--from", "2026-11-24", "--to", "2026-11-23"], "is not before"),
    ],
)
def test_command_says_what_is_wrong_with_an_option(tmp_path: Path, options: list[str], problem: str):
    write(tmp_path, record(1))

    assert problem in cli("reconcile", tmp_path, *options)[2]
