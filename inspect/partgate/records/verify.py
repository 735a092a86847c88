"""The proof that records are whole: no row changed, no row gone, every trigger accounted for, every picture there."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from partgate.records.schema import FIRST_LINK, row_digest
from partgate.records.store import open_database, read_records

_LAST_SEQUENCE = 65535


@dataclass(frozen=True, slots=True)
class Verification:
    """What was counted and what is wrong."""

    records: int
    results: int
    misses: int  # triggers, not rows: a gap is declared in one row
    pictures: int
    problems: tuple[str, ...]


def verify_records(folder: Path) -> Verification:
    """Return whether the records of a folder hold together.

    Checked: the database's own integrity, the digest of each row and its link to the row before, that each trigger
    follows the one before without gap or repetition, and each picture against its hash.

    Raises:
        RecordError: If there are no records or they cannot be read at all.
    """
    engine = open_database(folder)
    with engine.connect() as connection:
        integrity = str(connection.scalar(text("PRAGMA integrity_check")))
    engine.dispose()
    rows = read_records(folder)
    problems = [] if integrity == "ok" else [f"the database is damaged: {integrity}"]
    problems += _check_chain(rows) + _check_sequences(rows) + _check_pictures(folder, rows)
    missed = [row for row in rows if row["missed"]]
    misses = sum((row["sequence"] - row["first_sequence"]) % _LAST_SEQUENCE + 1 for row in missed)
    pictures = sum(row["picture"] is not None for row in rows)
    return Verification(len(rows), len(rows) - len(missed), misses, pictures, tuple(problems))


def _check_chain(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    problems, last = [], FIRST_LINK
    for row in rows:
        if row["previous"] != last:
            problems.append(f"record {row['id']}: does not follow the record before it; a row was removed or changed")
        if row_digest(row) != row["digest"]:
            problems.append(f"record {row['id']}: was changed after it was written")
        last = row["digest"]
    return problems


def _check_sequences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    last: dict[tuple[str, int], tuple[int, int]] = {}
    for row in rows:
        key = (row["station"], row["boot"])
        if key in last:
            expected = last[key][0] % _LAST_SEQUENCE + 1
            if row["first_sequence"] != expected:
                problems.append(
                    f"record {row['id']}: trigger {row['first_sequence']} of station '{row['station']}' follows "
                    f"{last[key][0]} (record {last[key][1]}); {expected} is neither a result nor a declared miss"
                )
        last[key] = (row["sequence"], row["id"])
    return problems


def _check_pictures(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    for row in rows:
        if row["picture"] is None:
            continue
        try:
            content = (folder / row["picture"]).read_bytes()
        except OSError:
            problems.append(f"record {row['id']}: picture {row['picture']} is missing")
            continue
        if hashlib.sha256(content).hexdigest() != row["picture_sha256"]:
            problems.append(f"record {row['id']}: picture {row['picture']} was changed")
    return problems
