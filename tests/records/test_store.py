"""Records: whole after every kind of end, and a proof that notices what was changed."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Table

from partgate.errors import RecordError
from partgate.parts import Reason, Record, Verdict
from partgate.records import verify as verify_module
from partgate.records.audit import stop_event
from partgate.records.store import DATABASE_FILE, RecordStore, read_records
from partgate.records.verify import verify_records

PICTURE = np.full((8, 8, 3), 100, np.uint8)


def make_record(sequence: int, **changes: object) -> Record:
    record = Record(
        station="line", boot=1, sequence=sequence, first_sequence=sequence, at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
        verdict=Verdict.GOOD, reason=Reason.MODEL, detail="", sent=True, missed=False, recipe="cover",
        bundle_id="0" * 64, lane=1, defect_score=0.123456789123, image=PICTURE,
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]


def write(folder: Path, *records: Record) -> None:
    with RecordStore(folder) as store:
        for record in records:
            store.add(record)


def change(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / DATABASE_FILE) as connection:
        connection.execute(statement)
    connection.close()


def test_records_come_back_as_they_were_written_with_their_pictures(tmp_path: Path):
    write(tmp_path, make_record(1), make_record(2, verdict=Verdict.REJECT, lane=0))

    first, second = read_records(tmp_path)

    assert (first["sequence"], first["verdict"], first["lane"]) == (1, "GOOD", 1)
    assert (second["sequence"], second["verdict"], second["lane"]) == (2, "REJECT", 0)
    assert (tmp_path / first["picture"]).is_file()


def test_a_whole_folder_is_told_to_be_whole(tmp_path: Path):
    write(tmp_path, make_record(1), make_record(4, first_sequence=2, missed=True, image=None), make_record(5))

    found = verify_records(tmp_path)

    assert found.problems == ()
    assert (found.records, found.results, found.misses, found.pictures) == (3, 2, 3, 2)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE records SET verdict = 'REJECT' WHERE id = 2", "record 2: was changed after it was written"),
        ("UPDATE records SET defect_score = 0.5 WHERE id = 1", "record 1: was changed"),
        ("DELETE FROM records WHERE id = 2", "record 3: does not follow the record before it"),
    ],
    ids=["verdict", "score", "row-removed"],
)
def test_a_row_that_was_changed_or_removed_is_named(tmp_path: Path, statement: str, problem: str):
    write(tmp_path, make_record(1), make_record(2), make_record(3))

    change(tmp_path, statement)

    assert any(problem in line for line in verify_records(tmp_path).problems)


def test_a_trigger_that_is_neither_result_nor_miss_is_named(tmp_path: Path):
    write(tmp_path, make_record(1), make_record(3))

    assert any("2 is neither a result nor a declared miss" in line for line in verify_records(tmp_path).problems)


def test_sequences_go_on_from_65535_to_1_without_complaint(tmp_path: Path):
    write(tmp_path, make_record(65535), make_record(1))

    assert verify_records(tmp_path).problems == ()


def test_a_picture_that_is_missing_or_changed_is_named(tmp_path: Path):
    write(tmp_path, make_record(1), make_record(2))
    first, second = (tmp_path / row["picture"] for row in read_records(tmp_path))

    first.unlink()
    second.write_bytes(b"other")

    problems = verify_records(tmp_path).problems
    assert any(line.startswith("record 1: picture") and "missing" in line for line in problems)
    assert any(line.startswith("record 2: picture") and "changed" in line for line in problems)


def test_chain_goes_on_after_the_station_was_started_again(tmp_path: Path):
    write(tmp_path, make_record(1))
    write(tmp_path, make_record(2))

    assert verify_records(tmp_path).problems == ()


def test_two_stations_may_write_into_one_folder_at_once(tmp_path: Path):
    with RecordStore(tmp_path) as one, RecordStore(tmp_path) as other:
        for sequence in range(1, 21):
            one.add(make_record(sequence, image=None))
            other.add(make_record(sequence, station="other", image=None))

    found = verify_records(tmp_path)
    assert (found.records, found.problems) == (40, ())


def test_newest_trigger_of_each_station_is_known(tmp_path: Path):
    write(tmp_path, make_record(1), make_record(2), make_record(9, station="other", boot=4))

    with RecordStore(tmp_path) as store:
        assert store.last_trigger("line") == (1, 2)
        assert store.last_trigger("other") == (4, 9)
        assert store.last_trigger("new") is None


def test_file_name_that_is_no_text_does_not_keep_the_record_from_being_written(tmp_path: Path):
    write(tmp_path, make_record(1, source="t\udce4st.png"))

    assert read_records(tmp_path)[0]["source"] == "t\\udce4st.png"
    assert verify_records(tmp_path).problems == ()


@pytest.mark.parametrize("name", ["a?b", "50%25", "ä ö"])
def test_folder_may_have_any_name(tmp_path: Path, name: str):
    write(tmp_path / name, make_record(1))

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len(read_records(tmp_path / name)) == 1


def test_station_without_a_writable_folder_does_not_start(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(RecordError, match="cannot be opened"), RecordStore(tmp_path / "file" / "records"):
        pass


def test_folder_without_records_says_what_to_name(tmp_path: Path):
    with pytest.raises(RecordError, match=r"holds no records\.sqlite; name the folder"):
        read_records(tmp_path)


def test_records_of_a_newer_version_are_not_touched(tmp_path: Path):
    write(tmp_path, make_record(1))
    change(tmp_path, "UPDATE about SET value = '99' WHERE key = 'schema'")

    with pytest.raises(RecordError, match="schema 99 was written by a newer partgate"), RecordStore(tmp_path):
        pass


def test_damaged_database_is_an_error_and_no_traceback(tmp_path: Path):
    write(tmp_path, make_record(1))
    (tmp_path / DATABASE_FILE).write_bytes(b"this is no database, and long enough to be looked at" * 100)

    with pytest.raises(RecordError, match="cannot be opened"):
        verify_records(tmp_path)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_store import RecordStore, make_record
with RecordStore(Path({folder!r})) as store:
    sequence = 0
    while True:
        sequence += 1
        if store._queue.qsize() < 50:
            store.add(make_record(sequence))
            if store.written > 30:
                print("writing", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of Unix")
def test_records_are_whole_after_kill_9_at_any_moment(tmp_path: Path):
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        script = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
            os.kill(process.pid, signal.SIGKILL)

        found = verify_records(folder)

        assert found.records > 30
        assert found.problems == ()


def test_copy_of_the_folder_verifies_elsewhere(tmp_path: Path):
    write(tmp_path / "a", make_record(1), make_record(2))

    shutil.copytree(tmp_path / "a", tmp_path / "b")

    assert verify_records(tmp_path / "b").problems == ()


def test_station_that_goes_on_writing_while_it_is_verified_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pages, tables = verify_module.pages, []

    def write_in_between(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
        tables.append(table)
        if len(tables) == 2:
            with RecordStore(tmp_path) as store:
                store.add(make_record(2))
                store.note(stop_event("line", "asked to stop", {}))
        return pages(connection, table)

    write(tmp_path, make_record(1))
    monkeypatch.setattr(verify_module, "pages", write_in_between)

    assert verify_records(tmp_path).problems == ()
    assert len(tables) == 2
