"""Records that cannot be written: kept, counted, declared as a gap, and never lost in silence."""

import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from partgate.errors import RecordError
from partgate.parts import Record
from partgate.records import database as database_module
from partgate.records import store as store_module
from partgate.records.audit import content_of, stop_event
from partgate.records.config import RecordsConfig
from partgate.records.pictures import PictureArchive
from partgate.records.store import DATABASE_FILE, RecordStore, read_audit, read_records
from partgate.records.verify import verify_records

from .made_records import PICTURE, make_record, wait_for


def test_full_disk_keeps_records_and_writes_them_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    room, tried = threading.Event(), threading.Event()
    write_picture = PictureArchive.save

    def save(archive: PictureArchive, record: Record) -> dict[str, object]:
        tried.set()
        if not room.is_set():
            raise OSError(28, "No space left on device")
        return write_picture(archive, record)

    monkeypatch.setattr(PictureArchive, "save", save)
    with RecordStore(tmp_path) as store:
        store.add(make_record(1))
        store.add(make_record(2))
        assert tried.wait(10)
        wait_for(lambda: store.problem is not None)
        assert "No space left on device" in str(store.problem)
        room.set()

    assert [row["sequence"] for row in read_records(tmp_path)] == [1, 2]


def test_records_that_can_never_be_written_end_in_an_error_that_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(archive: PictureArchive, record: Record) -> dict[str, object]:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(PictureArchive, "save", refuse)
    store = RecordStore(tmp_path)
    store.__enter__()
    store.add(make_record(1))

    with pytest.raises(RecordError, match=r"1 records could not be written: .*Read-only"):
        store.__exit__()


def test_error_that_nobody_expected_is_a_problem_too_and_not_a_silent_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(PictureArchive, "save", lambda archive, record: 1 / 0)
    store = RecordStore(tmp_path)
    store.__enter__()

    store.add(make_record(1))

    wait_for(lambda: store.problem is not None)
    with pytest.raises(RecordError, match="1 records could not be written: division by zero"):
        store.__exit__()


def test_disk_that_falls_behind_is_a_problem_before_anything_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    go_on = threading.Event()
    write_one = RecordStore._write
    monkeypatch.setattr(RecordStore, "_write", lambda store, entry: go_on.wait(10) and write_one(store, entry))

    with RecordStore(tmp_path) as store:
        for sequence in range(1, 103):
            store.add(make_record(sequence))
        assert "records wait to be written; the disk is too slow" in str(store.problem)
        go_on.set()

    assert len(read_records(tmp_path)) == 102


def test_database_that_another_program_holds_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database_module, "_BUSY_S", 0.05)
    with RecordStore(tmp_path) as store:
        other = sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RecordError, match="cannot be read: database is locked"):
            store.last_trigger("line")
        other.execute("ROLLBACK")
        other.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte, where this machine lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_disk_that_is_really_full_is_told_and_all_is_written_when_there_is_room(small_disk: Path):
    filler = small_disk / "filler"
    with RecordStore(small_disk / "records") as store:
        store.add(make_record(1))
        wait_for(lambda: store.written == 1)
        fill(filler)
        for sequence in range(2, 30):
            store.add(make_record(sequence))
        wait_for(lambda: store.problem is not None)
        filler.unlink()
        wait_for(lambda: store.written == 29)
        assert store.problem is None

    assert [row["sequence"] for row in read_records(small_disk / "records")] == list(range(1, 30))
    assert verify_records(small_disk / "records").problems == ()


def test_folder_on_a_read_only_disk_is_told_before_the_first_part(small_disk: Path):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    with (
        pytest.raises(RecordError, match=r"cannot be opened: .*is the disk full or read-only"),
        RecordStore(small_disk),
    ):
        pass


def test_database_locked_by_another_program_is_told_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database_module, "_BUSY_S", 0.05)
    with RecordStore(tmp_path) as store:
        other = sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        for sequence in (1, 2, 3):
            store.add(make_record(sequence))
        wait_for(lambda: store.problem is not None)
        assert store.problem == "database is locked"
        other.execute("ROLLBACK")
        other.close()
        wait_for(lambda: store.written == 3)

    assert [row["sequence"] for row in read_records(tmp_path)] == [1, 2, 3]
    assert verify_records(tmp_path).problems == ()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_database_deleted_under_the_station_is_begun_anew_and_the_audit_log_says_so(tmp_path: Path, what: str):
    folder = tmp_path / "records"
    with RecordStore(folder) as store:
        assert store.last_trigger("line") is None
        store.add(make_record(1))
        wait_for(lambda: store.written == 1)
        (before,) = read_records(folder)
        shutil.rmtree(folder) if what == "folder" else (folder / DATABASE_FILE).unlink()
        for sequence in (2, 3):
            store.add(make_record(sequence))
        wait_for(lambda: store.written == 3)

    assert [row["sequence"] for row in read_records(folder)] == [2, 3]
    (event,) = read_audit(folder)
    assert (event["kind"], content_of(event)["before"]) == ("database", before["digest"])
    assert "was deleted or replaced while the station ran" in content_of(event)["why"]
    assert verify_records(folder).problems == ()


def test_database_deleted_between_write_and_commit_loses_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    commit, deleted = Connection._commit_impl, []

    def delete_first(connection: Connection) -> None:
        if threading.current_thread().name == "records" and not deleted:
            (tmp_path / DATABASE_FILE).unlink()
            deleted.append(True)
        commit(connection)

    with RecordStore(tmp_path) as store:
        monkeypatch.setattr(Connection, "_commit_impl", delete_first)
        store.add(make_record(1))
        wait_for(lambda: store.written == 1)

    assert deleted
    assert [row["sequence"] for row in read_records(tmp_path)] == [1]


def test_commit_whose_answer_was_lost_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    commit, commits = Connection._commit_impl, []

    def lose_the_answer(connection: Connection) -> None:
        commit(connection)
        commits.append(threading.current_thread().name)
        if commits.count("records") in (1, 3):  # the first try of each
            raise OSError(5, "Input/output error")

    with RecordStore(tmp_path) as store:
        monkeypatch.setattr(Connection, "_commit_impl", lose_the_answer)
        store.note(stop_event("line", "asked to stop", {}))
        store.add(make_record(1))
        wait_for(lambda: store.written == 2)

    assert commits.count("records") == 4
    assert (len(read_records(tmp_path)), len(read_audit(tmp_path))) == (1, 1)


def test_pictures_that_wait_take_no_more_memory_than_their_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store_module, "_MOST_PICTURE_BYTES", 2 * PICTURE.nbytes)
    go_on, write = threading.Event(), RecordStore._write
    monkeypatch.setattr(RecordStore, "_write", lambda store, entry: go_on.wait(10) and write(store, entry))

    with RecordStore(tmp_path) as store:
        for sequence in (1, 2, 3):
            store.add(make_record(sequence))
        go_on.set()
        wait_for(lambda: store.written == 3)
        store.add(make_record(4))

    rows = read_records(tmp_path)
    assert [row["picture"] is not None for row in rows] == [True, True, False, True]
    assert rows[2]["detail"] == "picture not kept: too many wait to be written"


def test_write_that_hangs_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store_module, "_HUNG_S", 0.01)
    go_on, write = threading.Event(), RecordStore._write
    monkeypatch.setattr(RecordStore, "_write", lambda store, entry: go_on.wait(10) and write(store, entry))

    with RecordStore(tmp_path) as store:
        store.add(make_record(1))
        wait_for(lambda: "the disk has not answered" in str(store.problem))
        go_on.set()
        wait_for(lambda: store.problem is None)

    assert [row["sequence"] for row in read_records(tmp_path)] == [1]


@pytest.mark.parametrize(("when", "locks"), [("continue", False), ("lock", True)])
def test_station_file_says_whether_parts_may_be_good_without_records(tmp_path: Path, when: str, locks: bool):
    assert RecordStore.from_config(RecordsConfig(folder=tmp_path, when_unwritable=when)).locks is locks
    assert not RecordStore(tmp_path).locks
