"""Records leave as CSV, JSON or Parquet: the wanted ones, safe to open, and never all in memory."""

import csv
import io
import json
import sqlite3
import sys
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from partgate.cli.records import app
from partgate.parts import Reason, Record, Verdict
from partgate.records import read as read_module
from partgate.records.export import EXPORT_COLUMNS, stream_export, write_export
from partgate.records.schema import FIRST_LINK, row_digest
from partgate.records.store import DATABASE_FILE, RecordStore, read_records
from partgate.records.verify import verify_records

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def make_record(sequence: int, **changes: object) -> Record:
    record = Record(
        station="line", boot=1, sequence=sequence, first_sequence=sequence, at=AT + timedelta(hours=sequence),
        verdict=Verdict.GOOD, reason=Reason.MODEL, detail="", sent=True, missed=False, recipe="cover",
        bundle_id="0" * 64, defect_score=0.25, latency_ms=12.5,
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with RecordStore(tmp_path / "records") as store:
        store.add(make_record(1, part_id="A1", lot="L1", detail="=HYPERLINK(1)"))
        store.add(make_record(2, verdict=Verdict.REJECT, lot="-1", detail='Ä; "x"\ny', captured_at=AT))
        store.add(make_record(3, verdict=Verdict.RECHECK, reason=Reason.OVERRUN, lot="L1"))
        store.add(make_record(1, station="other", defect_score=None))
    return tmp_path / "records"


def cli(*arguments: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return found.exit_code, found.stdout, str(found.exception)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ([], [1, 2, 3, 4]),
        (["--station", "other"], [4]),
        (["--verdict", "reject"], [2]),
        (["--lot", "L1"], [1, 3]),
        (["--part-id", "A1"], [1]),
        (["--reason", "overrun"], [3]),
        (["--reason", "5"], [3]),
        (["--from", "2026-11-23 10:00"], [2, 3]),
        (["--to", "2026-11-23 10:00"], [1, 4]),
        (["--from", "2026-11-23 11:00", "--to", "2026-11-23 12:00", "--zone", "Europe/Berlin"], [2]),
        (["--lot", "L1", "--verdict", "GOOD"], [1]),
        (["--verdict", "none"], []),
    ],
)
def test_only_the_wanted_records_are_written_and_listed(folder: Path, options: list[str], numbers: list[int]):
    exported = list(csv.DictReader(io.StringIO(cli("export", folder, *options)[1])))
    listed = cli("list", folder, *options)[1].splitlines()

    assert [int(row["id"]) for row in exported] == numbers
    assert [int(line.split()[0]) for line in listed] == numbers


def test_list_that_leaves_older_records_out_says_so_beside_them(folder: Path):
    three, four = (CliRunner().invoke(app, ["list", str(folder), "--last", last]) for last in ("3", "4"))

    assert [int(line.split()[0]) for line in three.stdout.splitlines()] == [2, 3, 4]
    assert three.stderr == "only the newest 3; there are older ones: --last 15\n"
    assert len(four.stdout.splitlines()) == 4
    assert four.stderr == ""


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--verdict", "bad"], "--verdict: must be one of good, reject, recheck, none, got 'bad'"),
        (["--reason", "99"], "--reason: must be one of 0, 1, 10"),
        (["--from", "soon"], "--from: must be a time like '2026-11-23 06:00', got 'soon'"),
        (["--zone", "Mars"], "--zone: 'Mars' is not known on this PC"),
        (["--out", "a.xlsx"], "must end in one of .csv, .json, .parquet"),
        (["--out", "nowhere/a.csv"], "nowhere/a.csv: cannot be written: No such file or directory"),
    ],
)
def test_option_that_cannot_be_meant_is_told(folder: Path, options: list[str], problem: str):
    code, _, error = cli("export", folder, *options)

    assert code == 1
    assert problem in error


def test_place_without_records_and_a_file_that_is_no_station_are_told(tmp_path: Path):
    (tmp_path / "station.yaml").write_text("name: a\n")

    assert "holds no records.sqlite; name the folder" in cli("export", tmp_path)[2]
    assert "station.yaml: records: is missing" in cli("verify", tmp_path / "station.yaml")[2]
    assert "no such file" in cli("list", tmp_path / "other.yaml")[2]


def test_database_file_given_instead_of_its_folder_is_told(folder: Path):
    assert f"is the database itself; name its folder {folder}" in cli("verify", folder / DATABASE_FILE)[2]


def test_text_that_a_spreadsheet_would_run_is_disarmed_and_numbers_are_not(folder: Path):
    rows = list(csv.DictReader(io.StringIO(cli("export", folder)[1])))

    assert rows[0]["detail"] == "'=HYPERLINK(1)"
    assert rows[1]["lot"] == "'-1"
    assert rows[1]["detail"] == 'Ä; "x"\ny'
    assert (rows[0]["defect_score"], rows[3]["defect_score"]) == ("0.25", "")


def test_csv_for_a_german_excel_has_semicolons_decimal_commas_and_its_encoding_marked(folder: Path, tmp_path: Path):
    out = tmp_path / "a.csv"

    cli("export", folder, "--out", out, "--excel")

    assert out.read_bytes().startswith(b"\xef\xbb\xbfid;station;")
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8-sig"), newline=""), delimiter=";"))
    assert (rows[0]["defect_score"], rows[0]["latency_ms"]) == ("0,25", "12,5")
    assert rows[1]["detail"] == 'Ä; "x"\ny'


def test_json_and_parquet_hold_what_stands_in_the_records(folder: Path, tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")

    said = [cli("export", folder, "--out", tmp_path / f"a.{kind}")[1] for kind in ("json", "parquet")]
    plain = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    table = parquet.read_table(tmp_path / "a.parquet").to_pylist()

    assert said[0] == f"4 records in {tmp_path / 'a.json'}\n"
    assert plain == list(stream_export(folder))
    assert list(table[0]) == list(EXPORT_COLUMNS)
    assert (table[1]["at"], table[1]["captured_at"], table[1]["sent"]) == (AT + timedelta(hours=2), AT, True)
    assert [{**row, "at": 0, "captured_at": 0} for row in table] == [
        {**row, "at": 0, "captured_at": 0} for row in plain
    ]


def test_no_record_at_all_is_an_empty_file_of_each_kind(folder: Path, tmp_path: Path):
    for kind in ("csv", "json", "parquet"):
        assert cli("export", folder, "--lot", "none such", "--out", tmp_path / f"a.{kind}")[0] == 0

    assert json.loads((tmp_path / "a.json").read_text()) == []
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1


def test_parquet_without_its_library_and_a_damaged_row_are_told_and_leave_no_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with sqlite3.connect(folder / DATABASE_FILE) as connection:
        connection.execute("UPDATE records SET at = 'noon' WHERE id = 2")
    connection.close()

    damaged = cli("export", folder, "--out", tmp_path / "a.parquet")[2]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    missing = cli("export", folder, "--out", tmp_path / "a.parquet")[2]

    assert "one was changed after it was written" in damaged
    assert 'pip install "partgate[parquet]"' in missing
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


def test_station_file_names_its_records(folder: Path, tmp_path: Path):
    station = tmp_path / "station.yaml"
    station.write_text(
        "name: line\nrecipe: r\ncamera: {kind: folder, folder: p}\ncontroller: {kind: memory}\n"
        "records: {folder: records}\n"
    )

    assert cli("verify", station)[0] == 0
    assert len(cli("list", station)[1].splitlines()) == 4


def fill(folder: Path, rows: int) -> None:
    """Write many records as the store would, in one transaction."""
    with RecordStore(folder) as store:
        store.add(make_record(1))
    first, last = read_records(folder)[0], FIRST_LINK
    columns = list(first)
    connection = sqlite3.connect(folder / DATABASE_FILE)
    connection.execute("DELETE FROM records")
    for number in range(1, rows + 1):
        sequence = (number - 1) % 65535 + 1
        row = first | {"id": number, "sequence": sequence, "first_sequence": sequence, "previous": last, "entry": None}
        last = row["digest"] = row_digest(row)
        values = [row[name] for name in columns]
        connection.execute(f"INSERT INTO records VALUES ({','.join('?' * len(columns))})", values)
    connection.commit()
    connection.close()


def test_year_of_records_is_proved_and_exported_a_page_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(read_module, "PAGE", 100)
    fill(tmp_path, 3000)
    verify_records(tmp_path)  # what is loaded once is not counted

    tracemalloc.start()
    found = verify_records(tmp_path)
    written = write_export(stream_export(tmp_path), tmp_path / "a.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (found.records, found.problems, written) == (3000, (), 3000)
    assert peak < 2_500_000  # bytes; all rows at once take more than 5 million
