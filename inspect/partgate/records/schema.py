"""The tables of records and of the audit log, the same on SQLite and PostgreSQL, and the chain within each."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
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

from partgate.errors import RecordError

SCHEMA_VERSION = 2
FIRST_LINK = "0" * 64

metadata = MetaData()

about = Table(
    "about",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

records = Table(
    "records",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("station", String(80), nullable=False),
    Column("boot", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", String(32), nullable=False),  # ISO 8601, UTC: reads the same in every database
    Column("verdict", String(10), nullable=False),
    Column("reason", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("sent", Boolean, nullable=False),
    Column("missed", Boolean, nullable=False),
    Column("first_sequence", Integer, nullable=False),  # of a range of missed triggers, else the sequence itself
    Column("acknowledged", Boolean, nullable=False),
    Column("recipe", String(120), nullable=False),
    Column("bundle_id", String(64), nullable=False),
    Column("lane", Integer, nullable=False),
    Column("class_number", Integer, nullable=False),
    Column("defect_score", Float),
    Column("defect_class", String(120)),
    Column("true_class", String(120)),
    Column("source", Text),
    Column("part_id", String(40)),
    Column("lot", String(40)),
    Column("latency_ms", Float),
    Column("picture", Text),  # relative to the records' folder
    Column("picture_sha256", String(64)),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
)

Index("records_by_station", records.c.station, records.c.id)  # the newest record of a station is asked for at start

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # part of the digest, so it is given, not drawn
    Column("at", String(32), nullable=False),  # ISO 8601, UTC
    Column("station", String(80), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("content", Text, nullable=False),  # canonical JSON
    Column("record_digest", String(64), nullable=False),  # of the newest record: ties the two chains together
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
)

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
    content = {name: row[name] for name in COLUMNS if name not in {"id", "digest"}}
    # A damaged file may hold bytes where text stood: the row must be told as changed, not end the check.
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True, default=repr).encode()).hexdigest()


def audit_digest(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 over everything a row of the audit log says, its number and the row before included."""
    content = {column.name: row[column.name] for column in audit.columns if column.name != "digest"}
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
    """Make a new or older database one of the present schema; nothing that is in it changes.

    From 1 to 2: the audit log is added.

    Args:
        connection: In a transaction that holds the database for writing.

    Raises:
        RecordError: If it is of a newer schema; it is not touched.
    """
    found = schema_version(connection)
    metadata.create_all(connection)
    if found == 0:
        connection.execute(insert(about).values(key="schema", value=str(SCHEMA_VERSION)))
    elif found < SCHEMA_VERSION:
        connection.execute(update(about).where(about.c.key == "schema").values(value=str(SCHEMA_VERSION)))
