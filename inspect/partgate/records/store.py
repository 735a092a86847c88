"""Records of a station: SQLite (WAL) or PostgreSQL, and pictures, written by one thread behind the sort signal."""

import logging
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import SQLAlchemyError

from partgate.errors import RecordError
from partgate.parts import Record
from partgate.records.audit import AuditEvent, write_event
from partgate.records.config import RecordsConfig, records_at
from partgate.records.database import DATABASE_FILE, cause_of, identity_of, open_database, place_of
from partgate.records.pictures import PictureArchive, bytes_in_memory, without_pictures
from partgate.records.read import read_audit, read_records
from partgate.records.retention import Retention
from partgate.records.rows import Gap, record_row
from partgate.records.schema import COLUMNS, FIRST_LINK, records, row_digest

__all__ = ["DATABASE_FILE", "RecordStore", "read_audit", "read_records"]

logger = logging.getLogger(__name__)

_RETRY_S, _LONGEST_RETRY_S = 0.5, 1.0
_CLOSE_WITHIN_S = 10.0
_MOST_WAITING = 100  # records; a disk that falls behind further is too slow for the line
_MOST_KEPT = 10_000  # records in memory, some 2 kB each without pictures; what comes beyond is a declared gap
_MOST_PICTURE_BYTES = 256 * 2**20  # of pictures that wait; further records are kept without theirs
_HUNG_S = 15.0  # one write; longer than any time-out of a database


@dataclass(slots=True)
class _Entry:
    """What waits to be written, with the mark by which a second try is recognised."""

    content: Record | AuditEvent | Gap
    mark: str = field(default_factory=lambda: uuid4().hex)
    pictures: dict[str, Any] | None = None  # columns about them, once they are on disk
    bytes_waiting: int = 0

    @property
    def counts(self) -> int:
        """Return how many of the things taken this is."""
        return self.content.records if isinstance(self.content, Gap) else 1


class RecordStore:
    """Takes records at once and writes them in a thread of its own, in order, each exactly once.

    What cannot be written (disk full, read-only, database locked or away) is kept in memory and tried again;
    ``problem`` says why until it went well. Beyond 10,000 records the rest is counted, and declared as a gap.

    Args:
        where: Folder where records live, made where it does not exist; or the records' part of a station file.
    """

    def __init__(self, where: Path | RecordsConfig) -> None:
        self.config = records_at(where)
        self.folder = self.config.folder
        self.taken = self.written = 0  # records and events given; those on disk, or declared as a gap there
        self.unrecorded = 0  # records that found no room in memory, since the start
        self._error: str | None = None
        self._busy_since: float | None = None
        self._archive = PictureArchive(self.folder, self.config.pictures)
        self._retention = Retention(self.folder, self.config.retention)
        self._queue: queue.Queue[_Entry | None] = queue.Queue()
        self._taking = threading.Lock()
        self._gap: Gap | None = None  # the last thing in the queue, and still open
        self._bytes_waiting = 0
        self._stations: set[str] = set()
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._identity: tuple[int, int] | None = None
        self._newest = FIRST_LINK  # digest of the last record written here
        self._closing = threading.Event()

    @classmethod
    def from_config(cls, config: RecordsConfig) -> Self:
        """Return the store that a station file describes."""
        return cls(config)

    @property
    def locks(self) -> bool:
        """Tell whether no part may be good while there is a ``problem``."""
        return self.config.when_unwritable == "lock"

    @property
    def problem(self) -> str | None:
        """Return why records are not safe now; ``None`` where all is well."""
        if self._error is not None:
            lost = f" ({self.unrecorded} records found no room in memory)" if self._gap is not None else ""
            return self._error + lost
        waiting, since = self.taken - self.written, self._busy_since
        if waiting > _MOST_WAITING:
            return f"{waiting} records wait to be written; the disk is too slow"
        if since is not None and time.monotonic() - since > _HUNG_S:
            return f"the disk has not answered for {time.monotonic() - since:.0f} s"
        if self._thread is not None and not self._thread.is_alive():
            return "the writer has stopped"
        return None

    def __enter__(self) -> Self:
        self._engine = open_database(self.config, create=True)
        self._identity = identity_of(self.config)
        self._thread = threading.Thread(target=self._write_all, name="records", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Write what is waiting.

        Raises:
            RecordError: If records are left that cannot be written within ten seconds.
        """
        assert self._thread is not None
        assert self._engine is not None
        self._queue.put(None)
        self._closing.set()
        self._thread.join(_CLOSE_WITHIN_S)
        left = self.taken - self.written
        if left:
            why = self._error or f"the disk did not answer within {_CLOSE_WITHIN_S:.0f} s"
            raise RecordError(f"{self.folder}: {left} records could not be written: {why}")
        self._engine.dispose()

    def add(self, record: Record) -> None:
        """Take a record; returns at once."""
        pictures: dict[str, Any] | None = None
        if not self._archive.is_wanted(record):
            record, pictures = without_pictures(record), {}
        size = bytes_in_memory(record)
        with self._taking:
            self._stations.add(record.station)
            self.taken += 1
            if self._finds_no_room():
                self._count_lost(record)
                return
            if self._bytes_waiting + size > _MOST_PICTURE_BYTES:
                detail = f"{record.detail} picture not kept: too many wait to be written".strip()
                record, pictures, size = replace(without_pictures(record), detail=detail), {}, 0
            self._bytes_waiting += size
            self._queue.put(_Entry(record, pictures=pictures, bytes_waiting=size))

    def _finds_no_room(self) -> bool:
        if self._gap is not None and self._queue.qsize() < _MOST_KEPT // 2:
            self._gap = None  # there is room again, for more than the next one
        return self._gap is not None or self._queue.qsize() >= _MOST_KEPT

    def _count_lost(self, record: Record) -> None:
        if self._gap is None:
            why = self._error or "the disk is too slow"
            logger.error("%d records wait in memory, further ones are counted only: %s", _MOST_KEPT, why)
            self._gap = Gap(why)
            self._queue.put(_Entry(self._gap))
        self._gap.count(without_pictures(record))
        self.unrecorded += 1

    def note(self, event: AuditEvent) -> None:
        """Take a line for the audit log, written in order with the records; returns at once."""
        with self._taking:
            self.taken += 1
            self._queue.put(_Entry(event))

    def last_trigger(self, station: str) -> tuple[int, int] | None:
        """Return boot and sequence of the station's newest record; ``None`` where there is none.

        Raises:
            RecordError: If another program holds the database.
        """
        self._stations.add(station)
        statement = select(records.c.boot, records.c.sequence).where(records.c.station == station)
        try:
            with self._connect() as connection:
                row = connection.execute(statement.order_by(records.c.id.desc()).limit(1)).first()
        except (OSError, SQLAlchemyError) as error:
            raise RecordError(f"{place_of(self.config)}: cannot be read: {cause_of(error)}") from error
        return (row.boot, row.sequence) if row else None

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        assert self._engine is not None
        with self._engine.begin() as connection:
            yield connection

    def _write_all(self) -> None:
        is_last_try = False
        while True:
            try:
                entry = self._queue.get(timeout=self._retention.wait_s)
            except queue.Empty:
                self._tidy()
                continue
            if entry is None:
                return
            if isinstance(entry.content, Gap):
                with self._taking:  # what comes now finds room behind it
                    self._gap = None if self._gap is entry.content else self._gap
            delay_s = _RETRY_S
            while not self._try_to_write(entry):
                if is_last_try:
                    return
                is_last_try = self._closing.wait(delay_s)
                delay_s = min(2 * delay_s, _LONGEST_RETRY_S)
            if not self._closing.is_set():
                self._tidy()

    def _tidy(self) -> None:
        self._retention.step_if_due(self._connect, tuple(self._stations))

    def _try_to_write(self, entry: _Entry) -> bool:
        assert self._engine is not None
        self._busy_since = time.monotonic()
        try:
            self._look_for_the_file()
            self._write(entry)
            if self._look_for_the_file():  # deleted before the commit: the row went nowhere
                self._write(entry)
        except Exception as error:  # whatever it is, the loop must hear of it: a silent writer would let parts pass
            if self._error is None:
                is_expected = isinstance(error, OSError | SQLAlchemyError | RecordError)
                logger.error(
                    "records cannot be written to %s: %s", place_of(self.config), cause_of(error),
                    exc_info=not is_expected,
                )  # fmt: skip
            self._error = cause_of(error)
            self._engine.dispose()  # a connection that failed once is not used again
            return False
        finally:
            self._busy_since = None
        with self._taking:
            self.written += entry.counts
            self._bytes_waiting -= entry.bytes_waiting
        if self._error is not None:
            logger.warning("records can be written again")
        self._error = None
        return True

    def _look_for_the_file(self) -> bool:
        """Go on in a new database where the file was deleted or replaced: while it is open, it would keep nothing."""
        assert self._engine is not None
        if identity_of(self.config) == self._identity:
            return False
        self._engine.dispose()  # before the new one: its closing removes files by name
        logger.error("%s was deleted or replaced while the station ran; a new one is begun", place_of(self.config))
        self._engine = open_database(self.config, create=True)
        self._identity = identity_of(self.config)
        said = {"why": f"{DATABASE_FILE} was deleted or replaced while the station ran", "before": self._newest}
        with self._connect() as connection:
            for station in sorted(self._stations):
                write_event(connection, AuditEvent(station, "database", said))
        return True

    def _write(self, entry: _Entry) -> None:
        content = entry.content
        if isinstance(content, AuditEvent):
            with self._connect() as connection:
                write_event(connection, content, entry.mark)
            return
        if isinstance(content, Gap):
            rows = [row | {"entry": f"{entry.mark}-{number}"} for number, row in enumerate(content.rows())]
        else:
            if entry.pictures is None:
                entry.pictures = self._archive.save(content)
            rows = [record_row(content) | entry.pictures | {"entry": entry.mark}]
        with self._connect() as connection:
            newest = _append(connection, rows)
        self._newest = newest or self._newest
        if isinstance(content, Record):
            self._retention.added(content.station, (entry.pictures or {}).get("picture_bytes") or 0)


def _append(connection: Connection, rows: list[dict[str, Any]]) -> str | None:
    """Add rows to the chain, once: a commit whose answer was lost is found by the mark of its row.

    Returns:
        The digest of the last row; ``None`` where they were there already.
    """
    known = select(records.c.id).where(records.c.entry == rows[0]["entry"])
    if connection.scalar(known) is not None:
        return None
    newest = select(records.c.digest).order_by(records.c.id.desc()).limit(1)
    last = connection.scalar(newest) or FIRST_LINK
    for row in rows:
        row["previous"] = last
        last = row["digest"] = row_digest(dict.fromkeys(COLUMNS) | row)
        connection.execute(insert(records).values(row))
    return last
