"""Records in a folder: SQLite (WAL) and pictures, written by one thread behind the sort signal."""

import hashlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, insert, select
from sqlalchemy.exc import SQLAlchemyError

from partgate.configfile import write_atomically
from partgate.errors import RecordError
from partgate.imaging import encode_jpeg
from partgate.parts import Record, Verdict
from partgate.records.audit import AuditEvent, write_event
from partgate.records.schema import FIRST_LINK, SCHEMA_VERSION, audit, bring_up, records, row_digest, schema_version

logger = logging.getLogger(__name__)

DATABASE_FILE = "records.sqlite"
PICTURES_FOLDER = "pictures"
_RETRY_S = 0.5
_CLOSE_WITHIN_S = 10.0
_MOST_WAITING = 100  # records; a disk that falls behind further is too slow for the line
_BUSY_S = 5.0


def open_database(folder: Path, *, create: bool = False) -> Engine:
    """Return the database of a records folder, brought up to the present schema.

    Args:
        folder: Holds ``records.sqlite``.
        create: Make it where it does not exist.

    Raises:
        RecordError: If it is missing, not readable, or of a newer schema.
    """
    path = folder / DATABASE_FILE
    if not create and not path.is_file():
        raise RecordError(
            f"{folder}: holds no {DATABASE_FILE}; name the folder that the station file gives under records"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_S})
        event.listen(engine, "connect", _prepare_connection)
        if create:
            event.listen(engine, "begin", _lock_for_writing)
        with engine.begin() as connection:
            if create:
                bring_up(connection)
            is_older = schema_version(connection) < SCHEMA_VERSION
        if is_older:  # one who only reads brings it up as the station would, held for writing
            open_database(folder, create=True).dispose()
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None
    except (OSError, SQLAlchemyError) as error:
        raise RecordError(f"{path}: cannot be opened: {_cause(error)}; is the disk full or read-only?") from error
    return engine


def _prepare_connection(connection: sqlite3.Connection, _record: object) -> None:
    # A flipped byte may leave text that is no UTF-8: it is shown escaped, so that its row can be named.
    connection.text_factory = lambda content: content.decode("utf-8", "backslashreplace")
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so, not where the driver guesses
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a record that was written survives a power cut


def _lock_for_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # reading the newest digest and adding a row are one step


def _cause(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]


class RecordStore:
    """Takes records at once and writes them in a thread of its own, in order.

    What cannot be written (disk full, read-only) is kept and tried again; ``problem`` says why until it went well.

    Args:
        folder: Where records live; made where it does not exist.
        keep_pictures: ``all``, ``not_good`` (everything but GOOD) or ``none``.
    """

    def __init__(self, folder: Path, keep_pictures: str = "all") -> None:
        self.folder = folder
        self.taken = self.written = 0  # records given, records on disk
        self._error: str | None = None
        self._keep_pictures = keep_pictures
        self._queue: queue.Queue[Record | AuditEvent | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._closing = threading.Event()

    @property
    def problem(self) -> str | None:
        """Return why records are not safe now; ``None`` where all is well. No part may be good meanwhile."""
        if self._error is not None:
            return self._error
        waiting = self.taken - self.written
        if waiting > _MOST_WAITING:
            return f"{waiting} records wait to be written; the disk is too slow"
        if self._thread is not None and not self._thread.is_alive():
            return "the writer has stopped"
        return None

    def __enter__(self) -> Self:
        self._engine = open_database(self.folder, create=True)
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
        if self.taken - self.written > _MOST_WAITING:
            record = replace(record, image=None)  # the record is kept in memory, further pictures are not
        self.taken += 1
        self._queue.put(record)

    def note(self, event: AuditEvent) -> None:
        """Take a line for the audit log, written in order with the records; returns at once."""
        self.taken += 1
        self._queue.put(event)

    def last_trigger(self, station: str) -> tuple[int, int] | None:
        """Return boot and sequence of the station's newest record; ``None`` where there is none.

        Raises:
            RecordError: If another program holds the database.
        """
        statement = select(records.c.boot, records.c.sequence).where(records.c.station == station)
        try:
            with self._connect() as connection:
                row = connection.execute(statement.order_by(records.c.id.desc()).limit(1)).first()
        except SQLAlchemyError as error:
            raise RecordError(f"{self.folder / DATABASE_FILE}: cannot be read: {_cause(error)}") from error
        return (row.boot, row.sequence) if row else None

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        assert self._engine is not None
        with self._engine.begin() as connection:
            yield connection

    def _write_all(self) -> None:
        is_last_try = False
        while (entry := self._queue.get()) is not None:
            while not self._try_to_write(entry):
                if is_last_try:
                    return
                is_last_try = self._closing.wait(_RETRY_S)

    def _try_to_write(self, entry: Record | AuditEvent) -> bool:
        try:
            if isinstance(entry, Record):
                self._write(entry)
            else:
                with self._connect() as connection:
                    write_event(connection, entry)
        except Exception as error:  # whatever it is, the loop must hear of it: a silent writer would let parts pass
            if self._error is None:
                is_expected = isinstance(error, OSError | SQLAlchemyError)
                logger.error(
                    "records cannot be written to %s: %s", self.folder, _cause(error), exc_info=not is_expected
                )
            self._error = _cause(error)
            return False
        self.written += 1
        if self._error is not None:
            logger.warning("records can be written again")
        self._error = None
        return True

    def _write(self, record: Record) -> None:
        row = _row(record) | self._save_picture(record)
        with self._connect() as connection:
            newest = select(records.c.digest).order_by(records.c.id.desc()).limit(1)
            row["previous"] = connection.scalar(newest) or FIRST_LINK
            row["digest"] = row_digest(row)
            connection.execute(insert(records).values(row))

    def _save_picture(self, record: Record) -> dict[str, Any]:
        wanted = self._keep_pictures == "all" or (self._keep_pictures == "not_good" and record.verdict != Verdict.GOOD)
        if record.image is None or not wanted:
            return {"picture": None, "picture_sha256": None}
        at = record.at.astimezone(UTC)
        file = f"{PICTURES_FOLDER}/{at:%Y-%m-%d}/{at:%H%M%S.%f}-{record.boot}-{record.sequence}.jpg"
        content = encode_jpeg(record.image)
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        return {"picture": file, "picture_sha256": hashlib.sha256(content).hexdigest()}


def _row(record: Record) -> dict[str, Any]:
    row = _plain(record)
    # A file name may hold bytes that are no text; the record must be written all the same.
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }


def _plain(record: Record) -> dict[str, Any]:
    return {
        "station": record.station,
        "boot": record.boot,
        "sequence": record.sequence,
        "at": record.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "verdict": record.verdict.name,
        "reason": int(record.reason),
        "detail": record.detail,
        "sent": record.sent,
        "missed": record.missed,
        "first_sequence": record.first_sequence,
        "acknowledged": record.acknowledged,
        "recipe": record.recipe,
        "bundle_id": record.bundle_id,
        "lane": record.lane,
        "class_number": record.class_number,
        "defect_score": None if record.defect_score is None else round(record.defect_score, 9),
        "defect_class": record.defect_class,
        "true_class": record.true_class,
        "source": record.source,
        "part_id": record.part_id,
        "lot": record.lot,
        "latency_ms": None if record.latency_ms is None else round(record.latency_ms, 3),
    }


def read_records(folder: Path, station: str | None = None, last: int | None = None) -> list[dict[str, Any]]:
    """Return records as they were written, oldest first.

    Args:
        folder: Records folder.
        station: Only of this one.
        last: Only the newest so many.

    Raises:
        RecordError: If there are none or they cannot be read.
    """
    return _read(folder, records, station, last)


def read_audit(folder: Path, station: str | None = None) -> list[dict[str, Any]]:
    """Return the audit log as it was written, oldest first.

    Raises:
        RecordError: If there are no records or they cannot be read.
    """
    return _read(folder, audit, station, None)


def _read(folder: Path, table: Table, station: str | None, last: int | None) -> list[dict[str, Any]]:
    engine = open_database(folder)
    statement = select(table).order_by(table.c.id.desc())
    if station is not None:
        statement = statement.where(table.c.station == station)
    if last is not None:
        statement = statement.limit(last)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()][::-1]
    except SQLAlchemyError as error:
        raise RecordError(
            f"{folder / DATABASE_FILE}: cannot be read: {_cause(error)}; restore it from a backup"
        ) from error
    finally:
        engine.dispose()
