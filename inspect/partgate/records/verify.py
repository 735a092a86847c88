"""The proof that records are whole: no row changed, no row gone, every trigger accounted for, every picture there."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from partgate.errors import RecordError
from partgate.records.audit import content_of
from partgate.records.config import RecordsConfig, records_at
from partgate.records.pruned import Pruned
from partgate.records.read import pages, reading
from partgate.records.rows import LAST_SEQUENCE, triggers_of
from partgate.records.schema import FIRST_LINK, audit, audit_digest, records, row_digest

_MOST_NAMED = 1000


@dataclass(frozen=True, slots=True)
class Verification:
    """What was counted and what is wrong."""

    records: int
    results: int
    misses: int  # triggers, not rows: a gap is declared in one row
    gaps: tuple[str, ...]  # declared: what could not be recorded, and why; the first 1000
    unrecorded: int  # triggers in gaps
    pictures: int  # that records name
    pruned: int  # of those, deleted by retention
    audit_rows: int
    last_record: str  # digest of the newest record, and of the newest row of the audit log: to be noted elsewhere
    last_audit: str
    problems: tuple[str, ...]  # the first 1000
    problem_count: int


def verify_records(
    where: Path | RecordsConfig, until: Sequence[str] = (), *, of_station: str | None = None, pictures: bool = True
) -> Verification:
    """Return whether records hold together; a page of them is in memory at once.

    Checked: the database's own integrity, the digest of each row and its link to the row before, in the records and in
    the audit log; that each trigger follows the one before without gap or repetition, and each picture against its
    hash. A chain cannot tell that its end was cut off, or that all of it was replaced: a digest noted elsewhere can.

    Args:
        where: Records folder, or the records' part of a station file.
        until: Digests noted earlier, as ``last_record`` and ``last_audit`` gave them; each must still be there.
        of_station: Whose pictures lie in the folder; ``None`` is every station's.
        pictures: Read each picture and compare its hash.

    Raises:
        RecordError: If there are no records or they cannot be read at all.
    """
    config = records_at(where)
    check = _Check(config.folder if pictures else None, of_station, until)
    with reading(config) as connection:
        if config.database is None:
            integrity = str(connection.scalar(text("PRAGMA integrity_check")))
            if integrity != "ok":
                check.tell(f"the database is damaged: {integrity}")
        check.read_audit(connection)  # first: what it names was on record before, also while a station goes on writing
        check.read_records(connection)
    return check.close()


class _Chain:
    """Follows the links from row to row."""

    def __init__(self, name: str, digest: Callable[[Mapping[str, Any]], str], tell: Callable[[str], None]) -> None:
        self.rows, self.last = 0, FIRST_LINK
        self._name, self._digest, self._tell = name, digest, tell

    def take(self, row: Mapping[str, Any]) -> None:
        name = self._name
        if row["previous"] != self.last:
            self._tell(f"{name} {row['id']}: does not follow the {name} before it; a row was removed or changed")
        if self._digest(row) != row["digest"]:
            self._tell(f"{name} {row['id']}: was changed after it was written")
        self.rows += 1
        self.last = row["digest"]


class _Check:
    def __init__(self, folder: Path | None, of_station: str | None, until: Sequence[str]) -> None:
        self._folder, self._of_station = folder, of_station
        self._problems: list[str] = []
        self._problem_count = self._results = self._misses = self._unrecorded = self._pictures = self._pruned_found = 0
        self._gaps: list[str] = []
        self._noted = {digest.strip().lower() for digest in until} - {FIRST_LINK}
        self._ties: dict[str, list[str]] = {}  # digest of a record -> rows of the audit log that name it
        self._pruned = Pruned()
        self._before: dict[tuple[str, int], tuple[int, int]] = {}
        self._audit = _Chain("audit row", audit_digest, self.tell)
        self._records = _Chain("record", row_digest, self.tell)

    def tell(self, problem: str) -> None:
        self._problem_count += 1
        if self._problem_count <= _MOST_NAMED:
            self._problems.append(problem)

    def read_audit(self, connection: Connection) -> None:
        for page in pages(connection, audit):
            for row in page:
                self._audit.take(row)
                self._noted.discard(row["digest"])
                self._tie(row["record_digest"], f"audit row {row['id']}: the record that was the newest when it was "
                          "written is gone or changed")  # fmt: skip
                if row["kind"] in ("review", "prune"):
                    self._take_event(row)

    def _tie(self, digest: str, problem: str) -> None:
        if digest != FIRST_LINK:
            self._ties.setdefault(digest, []).append(problem)

    def _take_event(self, row: Mapping[str, Any]) -> None:
        try:
            content = content_of(row)
            if row["kind"] == "prune":
                self._pruned.add(row["station"], content["records"])
            else:
                self._tie(content["digest"], f"audit row {row['id']}: record {content['record']}, which it is about, "
                          "is gone or changed")  # fmt: skip
        except (RecordError, KeyError, TypeError, ValueError):
            self.tell(f"audit row {row['id']}: cannot be read")

    def read_records(self, connection: Connection) -> None:
        for page in pages(connection, records):
            for row in page:
                self._records.take(row)
                self._ties.pop(row["digest"], None)
                self._noted.discard(row["digest"])
                self._follow_triggers(row)
                self._count(row)
                if row["picture"] is not None or row["more_pictures"] is not None:
                    self._look_at_pictures(row)

    def _count(self, row: Mapping[str, Any]) -> None:
        if row["gap"] is not None:
            self._unrecorded += triggers_of(row)
            if len(self._gaps) < _MOST_NAMED:
                self._gaps.append(f"record {row['id']}: {row['detail']}")
        elif row["missed"]:
            self._misses += triggers_of(row)
        else:
            self._results += 1

    def _follow_triggers(self, row: Mapping[str, Any]) -> None:
        key = (row["station"], row["boot"])
        if key in self._before:
            last, number = self._before[key]
            expected = last % LAST_SEQUENCE + 1
            if row["first_sequence"] != expected:
                self.tell(
                    f"record {row['id']}: trigger {row['first_sequence']} of station '{row['station']}' follows "
                    f"{last} (record {number}); {expected} is neither a result nor a declared miss"
                )
        self._before[key] = (row["sequence"], row["id"])

    def _look_at_pictures(self, row: Mapping[str, Any]) -> None:
        try:
            more = [(picture["file"], picture["sha256"]) for picture in json.loads(row["more_pictures"] or "[]")]
        except (KeyError, TypeError, ValueError):
            self.tell(f"record {row['id']}: its further pictures cannot be read")
            more = []
        was_pruned = self._pruned.covers(row["station"], row["id"])
        for file, sha256 in [(row["picture"], row["picture_sha256"]), *more]:
            if file is None:
                continue
            self._pictures += 1
            self._pruned_found += was_pruned
            is_here = self._of_station is None or row["station"] == self._of_station
            if self._folder is None or was_pruned or not is_here:
                continue
            try:
                content = (self._folder / file).read_bytes()
            except (OSError, ValueError):
                self.tell(f"record {row['id']}: picture {file} is missing")
                continue
            if hashlib.sha256(content).hexdigest() != sha256:
                self.tell(f"record {row['id']}: picture {file} was changed")

    def close(self) -> Verification:
        for problems in self._ties.values():
            for problem in problems:
                self.tell(problem)
        for digest in sorted(self._noted):
            self.tell(f"noted hash {digest}: stands in no row; the end was cut off or the whole file was replaced "
                      "since it was noted")  # fmt: skip
        return Verification(
            self._records.rows, self._results, self._misses, tuple(self._gaps), self._unrecorded, self._pictures,
            self._pruned_found, self._audit.rows, str(self._records.last), str(self._audit.last),
            tuple(self._problems), self._problem_count,
        )  # fmt: skip
