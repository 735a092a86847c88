"""The tables of records and of the audit log, the same on SQLite and PostgreSQL, and the chain within each."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeEngine

from partgate.errors import RecordError

SCHEMA_VERSION = 3
FIRST_LINK = "0" * 64

metadata = MetaData()


def _short(length: int) -> TypeEngine[str]:
    """SQLite takes longer text all the same; PostgreSQL would refuse it, and with it the record."""
    return String(length).with_variant(Text(), "postgresql")


about = Table(
    "about",
    metadata,
    Column("key", _short(40), primary_key=True),
    Column("value", Text, nullable=False),
)

records = Table(
    "records",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("station", _short(80), nullable=False),
    Column("boot", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", _short(32), nullable=False),  # ISO 8601, UTC: reads the same in every database
    Column("verdict", _short(10), nullable=False),
    Column("reason", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("sent", Boolean, nullable=False),
    Column("missed", Boolean, nullable=False),
    Column("first_sequence", Integer, nullable=False),  # of a range of missed triggers, else the sequence itself
    Column("acknowledged", Boolean, nullable=False),
    Column("recipe", _short(120), nullable=False),
    Column("bundle_id", _short(64), nullable=False),
    Column("lane", Integer, nullable=False),
    Column("class_number", Integer, nullable=False),
    Column("defect_score", Float),
    Column("defect_class", _short(120)),
    Column("true_class", _short(120)),
    Column("source", Text),
    Column("part_id", _short(40)),
    Column("lot", _short(40)),
    Column("latency_ms", Float),
    Column("picture", Text),  # relative to the records' folder
    Column("picture_sha256", _short(64)),
    Column("previous", _short(64), nullable=False),
    Column("digest", _short(64), nullable=False),
    # Since schema 3: empty in older rows, and in the digest only where they hold something.
    Column("recipe_sha256", _short(64)),
    Column("result_at", _short(32)),
    Column("grab_ms", Float),
    Column("judge_ms", Float),
    Column("write_ms", Float),
    Column("camera", _short(80)),
    Column("captured_at", _short(32)),
    Column("block_id", BigInteger),
    Column("camera_settings", Text),  # canonical JSON, as read back from the camera
    Column("more_pictures", Text),  # canonical JSON, of further cameras: camera, file, sha256, captured_at
    Column("picture_bytes", BigInteger),  # of all pictures of the record
    Column("gap", Text),  # canonical JSON: triggers, results, from, to, why; records that were never written
    Column("entry", _short(48)),  # drawn when the record was taken: a write that is tried again adds no second row
)

Index("records_by_entry", records.c.entry, unique=True)
Index("records_by_time", records.c.at)
Index("records_by_station", records.c.station, records.c.id)  # the newest record of a station is asked for at start

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # part of the digest, so it is given, not drawn
    Column("at", _short(32), nullable=False),  # ISO 8601, UTC
    Column("station", _short(80), nullable=False),
    Column("kind", _short(20), nullable=False),
    Column("content", Text, nullable=False),  # canonical JSON
    Column("record_digest", _short(64), nullable=False),  # of the newest record: ties the two chains together
    Column("previous", _short(64), nullable=False),
    Column("digest", _short(64), nullable=False),
    Column("record", Integer),  # since schema 3: the record that a review is about
    Column("entry", _short(48)),
)

Index("audit_by_entry", audit.c.entry)
Index("audit_by_record", audit.c.record)

COLUMNS = tuple(column.name for column in records.columns)


def canonical_json(content: object) -> str:
    """Return content as the one text that stands for it: keys in order, no spaces that carry nothing.

    Example:
        >>> canonical_json({"b": 1, "a": "ä"})
        '{"a":"ä","b":1}'
    """
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def row_digest(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 over everything a record says, the digest of the row before included.

    Numbers are written as Python writes them, so that the same row gives the same digest in every database.
    """
    return _digest(records, row, leave_out={"id", "digest"})


def audit_digest(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 over everything a row of the audit log says, its number and the row before included."""
    return _digest(audit, row, leave_out={"digest"})


def _digest(table: Table, row: Mapping[str, Any], leave_out: set[str]) -> str:
    names = [column.name for column in table.columns]
    added = names[names.index("digest") + 1 :]  # columns that an older row did not have
    content = {name: row[name] for name in names[: names.index("digest")] if name not in leave_out}
    content |= {name: row[name] for name in added if row.get(name) is not None}
    # A damaged file may hold bytes where text stood: the row must be told as changed, not end the check.
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True, default=repr).encode()).hexdigest()


def schema_version(connection: Connection) -> int:
    """Return the schema of a database; 0 where it is empty.

    Raises:
        RecordError: If it is newer than this partgate, or no number.
    """
    if not inspect(connection).has_table(about.name):
        return 0
    found = connection.scalar(select(about.c.value).where(about.c.key == "schema"))
    if found is None:
        return 0
    if not found.isdecimal():
        raise RecordError(f"schema '{found}' is no version number; restore the records from a backup")
    if int(found) > SCHEMA_VERSION:
        raise RecordError(f"schema {found} was written by a newer partgate; update partgate on this PC")
    return int(found)


def bring_up(connection: Connection) -> None:
    """Make a new or older database one of the present schema; no row that is in it changes.

    From 1 to 2: the audit log is added. From 2 to 3: columns are added, empty in the rows that are there.

    Args:
        connection: In a transaction that holds the database for writing.

    Raises:
        RecordError: If it is of a newer schema; it is not touched.
    """
    found = schema_version(connection)
    if found == SCHEMA_VERSION:
        return
    metadata.create_all(connection)
    if found == 0:
        connection.execute(insert(about).values(key="schema", value=str(SCHEMA_VERSION)))
        return
    for table in (records, audit):
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                definition = CreateColumn(column).compile(connection)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {definition}")
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    connection.execute(update(about).where(about.c.key == "schema").values(value=str(SCHEMA_VERSION)))
