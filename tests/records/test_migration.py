"""Records of an earlier partgate open and are brought up; what they hold stays as it was."""

import sqlite3
from pathlib import Path

import pytest

from partgate.errors import RecordError
from partgate.records.audit import stop_event
from partgate.records.schema import SCHEMA_VERSION
from partgate.records.store import DATABASE_FILE, RecordStore, open_database, read_audit, read_records
from partgate.records.verify import verify_records

# As partgate wrote it with schema 1; the row and its digest are those of that program.
SCHEMA_1 = """
CREATE TABLE about ("key" VARCHAR(40) NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("key"));
CREATE TABLE records (
    id INTEGER NOT NULL, station VARCHAR(80) NOT NULL, boot INTEGER NOT NULL, sequence INTEGER NOT NULL,
    at VARCHAR(32) NOT NULL, verdict VARCHAR(10) NOT NULL, reason INTEGER NOT NULL, detail TEXT NOT NULL,
    sent BOOLEAN NOT NULL, missed BOOLEAN NOT NULL, first_sequence INTEGER NOT NULL, acknowledged BOOLEAN NOT NULL,
    recipe VARCHAR(120) NOT NULL, bundle_id VARCHAR(64) NOT NULL, lane INTEGER NOT NULL, class_number INTEGER NOT NULL,
    defect_score FLOAT, defect_class VARCHAR(120), true_class VARCHAR(120), source TEXT, part_id VARCHAR(40),
    lot VARCHAR(40), latency_ms FLOAT, picture TEXT, picture_sha256 VARCHAR(64), previous VARCHAR(64) NOT NULL,
    digest VARCHAR(64) NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX records_by_station ON records (station, id);
INSERT INTO about VALUES ('schema', '1');
INSERT INTO records VALUES (
    1, 'line', 1, 7, '2026-11-23T08:00:00.000+00:00', 'GOOD', 0, '', 1, 0, 7, 0, 'cover', 'b', 1, 0,
    0.123456789, NULL, NULL, 'ä.png', NULL, 'A7', 12.5, NULL, NULL,
    '0000000000000000000000000000000000000000000000000000000000000000',
    '5145a820278d5b522333484de0d1e0551490868384a2ccf37befb844ff54ac5d'
);
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    connection = sqlite3.connect(tmp_path / DATABASE_FILE)
    connection.executescript(SCHEMA_1)
    connection.close()
    return tmp_path


def version(folder: Path) -> str:
    connection = sqlite3.connect(folder / DATABASE_FILE)
    found = connection.execute("SELECT value FROM about WHERE key = 'schema'").fetchone()[0]
    connection.close()
    return str(found)


def test_station_brings_old_records_up_and_their_chain_still_holds(old: Path):
    with RecordStore(old) as store:
        assert store.last_trigger("line") == (1, 7)
        store.note(stop_event("line", "asked to stop", {}))

    assert version(old) == str(SCHEMA_VERSION)
    assert read_records(old)[0]["source"] == "ä.png"
    assert verify_records(old).problems == ()


def test_reading_old_records_brings_them_up_too(old: Path):
    assert [row["lot"] for row in read_records(old)] == ["A7"]
    assert read_audit(old) == []
    assert version(old) == str(SCHEMA_VERSION)


def test_brought_up_and_new_databases_have_the_same_columns(old: Path, tmp_path: Path):
    open_database(old).dispose()
    open_database(tmp_path / "new", create=True).dispose()

    def columns(folder: Path) -> dict[str, list[tuple[object, ...]]]:
        connection = sqlite3.connect(folder / DATABASE_FILE)
        found = {name: [row[1:4] for row in connection.execute(f"PRAGMA table_info({name})")]
                 for name in ("about", "records", "audit")}  # fmt: skip
        connection.close()
        return found

    assert columns(old) == columns(tmp_path / "new")


@pytest.mark.parametrize("found", ["99", "twelve"])
def test_schema_that_is_newer_or_unknown_is_refused_and_not_touched(old: Path, found: str):
    connection = sqlite3.connect(old / DATABASE_FILE)
    connection.execute("UPDATE about SET value = ?", (found,))
    connection.commit()
    connection.close()

    with pytest.raises(RecordError, match=f"schema '?{found}.*(update partgate|restore the records)"), RecordStore(old):
        pass
    with pytest.raises(RecordError, match=f"schema '?{found}"):
        read_records(old)

    connection = sqlite3.connect(old / DATABASE_FILE)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'audit'").fetchone() == (0,)
    connection.close()
