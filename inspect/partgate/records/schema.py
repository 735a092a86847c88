"""The table of records, the same on SQLite and PostgreSQL, and the chain that ties each row to the one before."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 1
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

COLUMNS = tuple(column.name for column in records.columns)


def row_digest(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 over everything a row says, the digest of the row before included.

    Numbers are written as Python writes them, so that the same row gives the same digest in every database.
    """
    content = {name: row[name] for name in COLUMNS if name not in {"id", "digest"}}
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
