"""Records of several stations in one PostgreSQL server: nothing lost, nothing doubled, whatever the server does."""

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, text

from partgate.errors import ConfigError, RecordError
from partgate.parts import Reason, Record, Verdict
from partgate.records import store as store_module
from partgate.records.audit import stop_event
from partgate.records.config import RecordsConfig
from partgate.records.database import open_database
from partgate.records.read import read_audit, read_records
from partgate.records.review import add_review
from partgate.records.store import RecordStore
from partgate.records.verify import verify_records

from .made_records import wait_for

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
MakeConfig = Callable[..., RecordsConfig]


def make_record(sequence: int, station: str = "line", **changes: Any) -> Record:
    record = Record(
        station=station, boot=1, sequence=sequence, first_sequence=sequence, at=AT, verdict=Verdict.GOOD,
        reason=Reason.MODEL, detail="Kratzer: Ä, 'a' %s", sent=True, missed=False, recipe="cover", bundle_id="0" * 64,
        lane=1, defect_score=0.1 + 0.2, latency_ms=12, captured_at=AT, grab_ms=1 / 3,
    )  # fmt: skip
    return replace(record, **changes)


def sequences(config: RecordsConfig, station: str = "line") -> list[int]:
    return [row["sequence"] for row in read_records(config, station)]


def change(config: RecordsConfig, statement: str) -> None:
    engine = open_database(config, create=True)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"user": "nobody"}, "on 127.0.0.1.*cannot be opened: password authentication failed for user"),
        ({"name": "nowhere"}, 'database "nowhere" does not exist; are host, name'),
        ({"port": 1}, "on 127.0.0.1:1: cannot be opened: Can't create a connection"),
        ({"tls": "verify"}, "certificate verify failed"),
    ],
    ids=["user", "database", "port", "foreign-certificate"],
)
def test_server_that_cannot_be_used_is_told_in_words_without_the_password(
    on_server: MakeConfig, changes: dict[str, Any], problem: str
):
    with pytest.raises(RecordError, match=problem) as caught, RecordStore(on_server(**changes)):
        pass

    assert "geheim" not in str(caught.value)


def test_wrong_password_is_refused_and_a_missing_one_is_named(on_server: MakeConfig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PARTGATE_TEST_PASSWORD", "guessed")
    with pytest.raises(RecordError, match="password authentication failed") as caught, RecordStore(on_server()):
        pass
    assert "guessed" not in str(caught.value)

    monkeypatch.delenv("PARTGATE_TEST_PASSWORD")
    with pytest.raises(ConfigError, match="PARTGATE_TEST_PASSWORD: holds no password"), RecordStore(on_server()):
        pass


def test_library_that_is_missing_is_named_with_how_to_install_it(
    on_server: MakeConfig, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "pg8000", None)

    with pytest.raises(RecordError, match=r'pip install "partgate\[postgresql\]"'):
        open_database(on_server())


def test_certificate_of_the_named_authority_is_taken(on_server: MakeConfig, postgresql: Any):
    config = on_server(tls="verify", ca=postgresql.data / "server.crt")

    with RecordStore(config) as store:
        store.add(make_record(1))

    assert sequences(config) == [1]


def test_database_that_no_station_wrote_into_holds_no_records(on_server: MakeConfig):
    with pytest.raises(RecordError, match="holds no records; name the station file"):
        read_records(on_server())


def test_records_read_back_as_they_were_hashed_whatever_they_hold(on_server: MakeConfig):
    config = on_server()
    long, odd = "x" * 500, "A\0" + "\udce4"
    with RecordStore(config) as store:
        store.add(make_record(1, image=np.full((8, 8, 3), 7, np.uint8)))
        store.add(make_record(2, part_id=long, lot=odd, defect_score=None))
        store.note(stop_event("line", "asked to stop", {"triggers": 2}))

    first, second = read_records(config)
    found = verify_records(config)

    assert (first["defect_score"], first["latency_ms"], first["sent"]) == (0.3, 12.0, True)
    assert (second["part_id"], second["lot"]) == (long, "A\\x00\\udce4")
    assert (found.problems, found.records, found.pictures, found.audit_rows) == ((), 2, 1, 1)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE records SET verdict = 'REJECT' WHERE id = 2", "record 2: was changed"),
        ("UPDATE records SET captured_at = NULL WHERE id = 1", "record 1: was changed"),
        ("DELETE FROM records WHERE id = 2", "record 3: does not follow the record before it"),
        ("UPDATE audit SET content = '{}'", "audit row 1: was changed"),
    ],
)
def test_row_that_was_changed_on_the_server_is_named(on_server: MakeConfig, statement: str, problem: str):
    config = on_server()
    with RecordStore(config) as store:
        for sequence in (1, 2, 3):
            store.add(make_record(sequence))
        store.note(stop_event("line", "asked to stop", {}))

    change(config, statement)

    assert any(problem in line for line in verify_records(config).problems)


def test_several_stations_write_at_once_and_each_record_follows_the_one_before(on_server: MakeConfig):
    configs = {name: on_server(name) for name in ("a", "b", "c")}
    stores = {name: RecordStore(config).__enter__() for name, config in configs.items()}
    try:
        for sequence in range(1, 41):
            for name, store in stores.items():
                store.add(make_record(sequence, name))
                if sequence % 20 == 0:
                    store.note(stop_event(name, "asked to stop", {}))
    finally:
        for store in stores.values():
            store.__exit__()

    found = verify_records(configs["a"])

    assert (found.problems, found.records, found.audit_rows) == ((), 120, 6)
    assert all(sequences(configs["a"], name) == list(range(1, 41)) for name in configs)


def test_server_that_crashes_in_mid_run_loses_and_doubles_nothing(on_server: MakeConfig, postgresql: Any):
    config = on_server()
    with RecordStore(config) as store:
        store.add(make_record(1))
        wait_for(lambda: store.written == 1)
        for sequence in range(2, 60):
            store.add(make_record(sequence))
        postgresql.stop("immediate")
        for sequence in range(60, 80):
            store.add(make_record(sequence))
        wait_for(lambda: store.problem is not None)
        postgresql.start()
        wait_for(lambda: store.written == 79)
        assert store.problem is None

    assert sequences(config) == list(range(1, 80))
    assert verify_records(config).problems == ()


def test_commit_whose_answer_was_lost_is_not_written_again(on_server: MakeConfig, monkeypatch: pytest.MonkeyPatch):
    config, commit, commits = on_server(), Connection._commit_impl, []

    def lose_the_answer(connection: Connection) -> None:
        commit(connection)
        commits.append(threading.current_thread().name)
        if commits.count("records") in (1, 3):  # the first try of each
            raise TimeoutError("timed out")

    monkeypatch.setattr(Connection, "_commit_impl", lose_the_answer)
    with RecordStore(config) as store:
        store.add(make_record(1))
        store.note(stop_event("line", "asked to stop", {}))
        wait_for(lambda: store.written == 2)

    assert commits.count("records") == 4
    assert sequences(config) == [1]
    assert len(read_audit(config)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="processes of the server are found in /proc")
def test_server_that_hangs_counts_as_lost_within_its_time(
    on_server: MakeConfig, postgresql: Any, monkeypatch: pytest.MonkeyPatch
):
    config = on_server(answer_within_s=0.5)
    monkeypatch.setattr(store_module, "_HUNG_S", 1e9)  # the connection's own time-out is meant
    with RecordStore(config) as store:
        store.add(make_record(1))
        wait_for(lambda: store.written == 1)
        postgresql.signal_all(signal.SIGSTOP)
        try:
            store.add(make_record(2))
            wait_for(lambda: store.problem is not None)
        finally:
            postgresql.signal_all(signal.SIGCONT)
        wait_for(lambda: store.written == 2)

    assert sequences(config) == [1, 2]
    assert verify_records(config).problems == ()


def test_station_that_hangs_in_its_turn_does_not_hold_up_the_others(on_server: MakeConfig):
    config = on_server(answer_within_s=1)
    hung = open_database(config, create=True)
    turn = hung.connect()
    turn.begin()  # holds the turn, and goes no further
    try:
        with RecordStore(on_server("other", answer_within_s=1)) as store:
            store.add(make_record(1))
            wait_for(lambda: store.written == 1)
    finally:
        turn.invalidate()
        turn.close()
        hung.dispose()

    assert sequences(config) == [1]


def test_review_by_another_program_stands_in_the_same_chain(on_server: MakeConfig):
    config = on_server()
    with RecordStore(config) as store:
        store.add(make_record(1))
        wait_for(lambda: store.written == 1)
        add_review(config, 1, "A. Prüfer", "defect")
        store.note(stop_event("line", "asked to stop", {}))

    assert [row["kind"] for row in read_audit(config)] == ["review", "stop"]
    assert verify_records(config).problems == ()
