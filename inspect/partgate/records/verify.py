"""The proof that records are whole: no row changed, no row gone, every trigger accounted for, every picture there."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from partgate.records.schema import FIRST_LINK, audit_digest, row_digest
from partgate.records.store import open_database, read_audit, read_records

_LAST_SEQUENCE = 65535


@dataclass(frozen=True, slots=True)
class Verification:
    """What was counted and what is wrong."""

    records: int
    results: int
    misses: int  # triggers, not rows: a gap is declared in one row
    pictures: int
    audit_rows: int
    last_record: str  # digest of the newest record, and of the newest row of the audit log: to be noted elsewhere
    last_audit: str
    problems: tuple[str, ...]


def verify_records(folder: Path, until: Sequence[str] = ()) -> Verification:
    """Return whether the records of a folder hold together.

    Checked: the database's own integrity, the digest of each row and its link to the row before, in the records and in
    the audit log; that each trigger follows the one before without gap or repetition, and each picture against its
    hash. A chain cannot tell that its end was cut off, or that all of it was replaced: a digest noted elsewhere can.

    Args:
        folder: Records folder.
        until: Digests noted earlier, as ``last_record`` and ``last_audit`` gave them; each must still be there.

    Raises:
        RecordError: If there are no records or they cannot be read at all.
    """
    engine = open_database(folder)
    with engine.connect() as connection:
        integrity = str(connection.scalar(text("PRAGMA integrity_check")))
    engine.dispose()
    rows, log = read_records(folder), read_audit(folder)
    problems = [] if integrity == "ok" else [f"the database is damaged: {integrity}"]
    problems += _check_chain(rows, "record", row_digest) + _check_sequences(rows) + _check_pictures(folder, rows)
    problems += _check_chain(log, "audit row", audit_digest) + _check_tie(rows, log) + _check_noted(rows, log, until)
    missed = [row for row in rows if row["missed"]]
    misses = sum((row["sequence"] - row["first_sequence"]) % _LAST_SEQUENCE + 1 for row in missed)
    pictures = sum(row["picture"] is not None for row in rows)
    return Verification(
        len(rows), len(rows) - len(missed), misses, pictures, len(log), _last(rows), _last(log), tuple(problems)
    )


def _last(rows: Sequence[Mapping[str, Any]]) -> str:
    return str(rows[-1]["digest"]) if rows else FIRST_LINK


def _check_chain(rows: Sequence[Mapping[str, Any]], name: str, digest: Callable[[Mapping[str, Any]], str]) -> list[str]:
    problems, last = [], FIRST_LINK
    for row in rows:
        if row["previous"] != last:
            problems.append(f"{name} {row['id']}: does not follow the {name} before it; a row was removed or changed")
        if digest(row) != row["digest"]:
            problems.append(f"{name} {row['id']}: was changed after it was written")
        last = row["digest"]
    return problems


def _check_tie(rows: Sequence[Mapping[str, Any]], log: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each row of the audit log names the record that was the newest: records cut off before it are noticed."""
    known = {FIRST_LINK, *(row["digest"] for row in rows)}
    return [
        f"audit row {row['id']}: the record that was the newest when it was written is gone or changed"
        for row in log
        if row["record_digest"] not in known
    ]


def _check_noted(
    rows: Sequence[Mapping[str, Any]], log: Sequence[Mapping[str, Any]], until: Sequence[str]
) -> list[str]:
    known = {row["digest"] for row in (*rows, *log)}
    return [
        f"noted hash {digest}: stands in no row; the end was cut off or the whole file was replaced since it was noted"
        for digest in until
        if digest.strip().lower() not in known | {FIRST_LINK}
    ]


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
