"""Records of an earlier partgate open and are brought up; what they hold stays as it was."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from partgate.errors import RecordError
from partgate.parts import Reason, Record, Verdict
from partgate.records.audit import stop_event
from partgate.records.database import open_database
from partgate.records.schema import SCHEMA_VERSION
from partgate.records.store import DATABASE_FILE, RecordStore, read_audit, read_records
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

# As it wrote with schema 2: two stations in one chain, and the audit log.
SCHEMA_2 = (
    SCHEMA_1.replace("'schema', '1'", "'schema', '2'")
    + """
CREATE TABLE audit (
    id INTEGER NOT NULL, at VARCHAR(32) NOT NULL, station VARCHAR(80) NOT NULL, kind VARCHAR(20) NOT NULL,
    content TEXT NOT NULL, record_digest VARCHAR(64) NOT NULL, previous VARCHAR(64) NOT NULL,
    digest VARCHAR(64) NOT NULL, PRIMARY KEY (id)
);
INSERT INTO records VALUES (
    2, 'other', 1, 1, '2026-11-23T08:00:00.000+00:00', 'GOOD', 0, '', 1, 0, 1, 0, 'cover', 'b', 1, 0,
    0.123456789, NULL, NULL, 'ä.png', NULL, 'A7', 12.5, NULL, NULL,
    '5145a820278d5b522333484de0d1e0551490868384a2ccf37befb844ff54ac5d',
    '100f6a901a3c8cd2211ea391b1e7da5e1645c3ded65d9155e3263c8c39a8eb0b'
);
INSERT INTO records VALUES (
    3, 'line', 1, 8, '2026-11-23T08:00:00.000+00:00', 'GOOD', 0, '', 1, 0, 8, 0, 'cover', 'b', 1, 0,
    0.123456789, NULL, NULL, 'ä.png', NULL, 'A7', 12.5, NULL, NULL,
    '100f6a901a3c8cd2211ea391b1e7da5e1645c3ded65d9155e3263c8c39a8eb0b',
    '0e4433ba30fa13d33153aad74ac9ae0bd490cdafb2ce50444b4e5e2c13c95ee7'
);
INSERT INTO audit VALUES (
    1, '2026-11-23T08:00:00.000+00:00', 'line', 'stop', '{"why":"asked to stop"}',
    '0e4433ba30fa13d33153aad74ac9ae0bd490cdafb2ce50444b4e5e2c13c95ee7',
    '0000000000000000000000000000000000000000000000000000000000000000',
    '90b69433103517d5e969195a68484793d7f9dd0a98a969667c39c59c0a2bcee1'
);
"""
)
EARLIER = {1: SCHEMA_1, 2: SCHEMA_2}


@pytest.fixture(params=sorted(EARLIER))
def old(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    connection = sqlite3.connect(tmp_path / DATABASE_FILE)
    connection.executescript(EARLIER[request.param])
    connection.close()
    return tmp_path


def make_record(boot: int, sequence: int) -> Record:
    return Record(
        station="line", boot=boot, sequence=sequence, first_sequence=sequence, verdict=Verdict.GOOD,
        at=datetime(2026, 11, 23, 9, tzinfo=UTC), reason=Reason.MODEL, detail="", sent=True, missed=False,
        recipe="cover", bundle_id="b", recipe_sha256="c" * 64,
    )  # fmt: skip


def version(folder: Path) -> str:
    connection = sqlite3.connect(folder / DATABASE_FILE)
    found = connection.execute("SELECT value FROM about WHERE key = 'schema'").fetchone()[0]
    connection.close()
    return str(found)


def test_station_brings_old_records_up_and_their_chain_still_holds(old: Path):
    with RecordStore(old) as store:
        boot, sequence = store.last_trigger("line") or (0, 0)
        store.add(make_record(boot, sequence + 1))
        store.note(stop_event("line", "asked to stop", {}))

    rows = read_records(old)
    assert version(old) == str(SCHEMA_VERSION)
    assert (rows[0]["source"], rows[0]["recipe_sha256"]) == ("ä.png", None)
    assert rows[-1]["recipe_sha256"] == "c" * 64
    assert verify_records(old).problems == ()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE records SET lot = 'A8' WHERE id = 1", "UPDATE records SET recipe_sha256 = 'd' WHERE id = 1",
     "UPDATE records SET recipe_sha256 = NULL WHERE recipe_sha256 IS NOT NULL",
     "UPDATE records SET camera = 'other' WHERE recipe_sha256 IS NOT NULL"],
    ids=["old-column", "new-column-of-an-old-row", "new-column-emptied", "new-column-filled"],
)  # fmt: skip
def test_row_that_was_changed_after_it_was_brought_up_is_named(old: Path, statement: str):
    with RecordStore(old) as store:
        boot, sequence = store.last_trigger("line") or (0, 0)
        store.add(make_record(boot, sequence + 1))

    connection = sqlite3.connect(old / DATABASE_FILE)
    connection.execute(statement)
    connection.commit()
    connection.close()

    assert any("was changed after it was written" in line for line in verify_records(old).problems)


def test_reading_old_records_brings_them_up_too(old: Path):
    had_audit_log = version(old) == "2"

    assert [row["lot"] for row in read_records(old)] == ["A7"] * (3 if had_audit_log else 1)
    assert [row["kind"] for row in read_audit(old)] == ["stop"] * had_audit_log
    assert version(old) == str(SCHEMA_VERSION)


def test_brought_up_and_new_databases_have_the_same_columns(old: Path, tmp_path: Path):
    open_database(old).dispose()
    open_database(tmp_path / "new", create=True).dispose()

    def columns(folder: Path) -> dict[str, list[tuple[object, ...]]]:
        connection = sqlite3.connect(folder / DATABASE_FILE)
        found = {name: [row[1:4] for row in connection.execute(f"PRAGMA table_info({name})")]
                 for name in ("about", "records", "audit")}  # fmt: skip
        indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
        found["indexes"] = connection.execute(indexes).fetchall()
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
    assert "recipe_sha256" not in [row[1] for row in connection.execute("PRAGMA table_info(records)")]
    connection.close()
