"""Records that found no room in memory: counted, and declared as one gap in their place."""

import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from partgate.cli.records import app
from partgate.records import store as store_module
from partgate.records.rows import Gap
from partgate.records.store import RecordStore, read_records
from partgate.records.verify import verify_records

from .made_records import make_record, wait_for


def lose_records(folder: Path, monkeypatch: pytest.MonkeyPatch) -> RecordStore:
    """Give 9 records to a store that cannot write and has room for 4, then let it write, then one more."""
    monkeypatch.setattr(store_module, "_MOST_KEPT", 4)
    may_write, write = threading.Event(), RecordStore._write

    def refuse(store: RecordStore, entry: object) -> None:
        if not may_write.is_set():
            raise OSError(28, "No space left on device")
        write(store, entry)  # type: ignore[arg-type]

    monkeypatch.setattr(RecordStore, "_write", refuse)
    with RecordStore(folder) as store:
        store.add(make_record(1))
        wait_for(lambda: store.problem is not None)
        for sequence in range(2, 9):
            store.add(make_record(sequence))
        store.add(make_record(11, first_sequence=9, missed=True))
        assert "(4 records found no room in memory)" in str(store.problem)
        may_write.set()
        wait_for(lambda: store.written == 9)
        store.add(make_record(12))
    return store


def test_records_that_find_no_room_in_memory_become_one_declared_gap_in_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = lose_records(tmp_path, monkeypatch)

    rows = read_records(tmp_path)
    found = verify_records(tmp_path)

    assert [(row["first_sequence"], row["sequence"], row["verdict"]) for row in rows] == [
        *((sequence, sequence, "GOOD") for sequence in range(1, 6)), (6, 11, "NONE"), (12, 12, "GOOD"),
    ]  # fmt: skip
    assert rows[5]["detail"] == (
        "gap: 6 triggers from 2026-11-23T08:00:06.000+00:00 to 2026-11-23T08:00:11.000+00:00 have no record, 3 of them "
        "were judged: [Errno 28] No space left on device"
    )
    assert (rows[5]["lane"], rows[5]["defect_score"], rows[5]["sent"]) == (0, None, False)
    assert (store.unrecorded, found.problems, found.unrecorded, found.results, found.misses) == (4, (), 6, 6, 0)


def test_gap_is_reported_as_a_gap_by_verify_and_reconcile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lose_records(tmp_path, monkeypatch)

    verified = CliRunner().invoke(app, ["verify", str(tmp_path)])
    reconciled = CliRunner().invoke(app, ["reconcile", str(tmp_path)])

    assert (verified.exit_code, reconciled.exit_code) == (0, 0)
    assert "6 triggers stand in declared gaps" in verified.stdout
    assert "record 6: gap: 6 triggers" in verified.stdout
    assert "12 = " in reconciled.stdout
    assert "and 6 in declared gaps" in reconciled.stdout
    assert "missed 1/6-11: gap: 6 triggers" in reconciled.stdout


def test_gap_says_a_range_for_each_start_of_the_controller():
    gap = Gap("full")
    for boot, sequence in ((1, 65535), (1, 1), (2, 2), (2, 5)):
        gap.count(make_record(sequence, boot=boot))

    rows = gap.rows()

    assert [(row["boot"], row["first_sequence"], row["sequence"]) for row in rows] == [
        (1, 65535, 1),
        (2, 2, 2),
        (2, 5, 5),
    ]


def test_station_that_is_started_again_goes_on_after_the_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lose_records(tmp_path, monkeypatch)

    with RecordStore(tmp_path) as store:
        assert store.last_trigger("line") == (1, 12)
