"""Reading records page by page: a year of them is never in memory at once, and no page holds up the writer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, Table, select
from sqlalchemy.exc import SQLAlchemyError

from partgate.errors import RecordError
from partgate.records.config import RecordsConfig, records_at
from partgate.records.database import cause_of, open_database, place_of
from partgate.records.schema import audit, records

PAGE = 2000  # rows


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are asked for; ``None`` is all."""

    station: str | None = None
    begins: datetime | None = None  # included
    ends: datetime | None = None  # not included
    verdict: str | None = None
    lot: str | None = None
    part_id: str | None = None
    reason: int | None = None

    def narrow(self, statement: Select[Any]) -> Select[Any]:
        """Return a statement over records that gives these alone."""
        for name in ("station", "verdict", "lot", "part_id", "reason"):
            if (value := getattr(self, name)) is not None:
                statement = statement.where(records.c[name] == value)
        if self.begins is not None:
            statement = statement.where(records.c.at >= _as_written(self.begins))
        if self.ends is not None:
            statement = statement.where(records.c.at < _as_written(self.ends))
        return statement


ALL = Wanted()


def _as_written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")  # such texts have the order of time


@contextmanager
def reading(where: Path | RecordsConfig, *, create: bool = False) -> Iterator[Connection]:
    """Give a connection to records.

    Args:
        where: Records folder, or the records' part of a station file.
        create: To write.

    Raises:
        RecordError: If there are none, or they cannot be read.
    """
    engine = open_database(where, create=create)
    try:
        with engine.begin() if create else engine.connect() as connection:
            yield connection
    except (OSError, SQLAlchemyError) as error:
        place = place_of(records_at(where))
        raise RecordError(f"{place}: cannot be read: {cause_of(error)}; restore it from a backup") from error
    finally:
        engine.dispose()


def pages(connection: Connection, table: Table, wanted: Wanted = ALL) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of records or audit log in lists, oldest first.

    Args:
        connection: Of a reader.
        table: ``records`` or ``audit``; of the audit log only the station is looked at.
        wanted: Which rows.
    """
    last: int | None = None
    while True:
        statement = _of(table, wanted).order_by(table.c.id).limit(PAGE)
        if last is not None:
            statement = statement.where(table.c.id > last)
        page = [dict(row) for row in connection.execute(statement).mappings()]
        connection.commit()  # a page for itself: SQLite could not shorten its log while one transaction reads for long
        if page:
            yield page
        if len(page) < PAGE:
            return
        last = page[-1]["id"]


def _of(table: Table, wanted: Wanted) -> Select[Any]:
    if table is records:
        return wanted.narrow(select(records))
    statement = select(table)
    return statement if wanted.station is None else statement.where(table.c.station == wanted.station)


def stream_records(where: Path | RecordsConfig, wanted: Wanted = ALL) -> Iterator[dict[str, Any]]:
    """Yield records as they were written, oldest first, a page of them in memory.

    Raises:
        RecordError: If there are none or they cannot be read.
    """
    with reading(where) as connection:
        for page in pages(connection, records, wanted):
            yield from page


def end_rows(where: Path | RecordsConfig) -> list[dict[str, Any]]:
    """Return the earliest and the latest record; an empty list where there are none.

    Raises:
        RecordError: If they cannot be read.
    """
    with reading(where) as connection:
        ends = [connection.execute(select(records).order_by(order).limit(1)).mappings().first()
                for order in (records.c.at, records.c.at.desc())]  # fmt: skip
    return [dict(row) for row in ends if row is not None]


def show_record(where: Path | RecordsConfig, record: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return one record, and the rows of the audit log about it.

    Raises:
        RecordError: If there is no such record.
    """
    with reading(where) as connection:
        row = connection.execute(select(records).where(records.c.id == record)).mappings().first()
        if row is None:
            raise RecordError(f"record {record}: is not on record; 'partgate records list' shows the numbers")
        log = connection.execute(select(audit).where(audit.c.record == record).order_by(audit.c.id))
        return dict(row), [dict(event) for event in log.mappings()]


def read_records(
    where: Path | RecordsConfig, station: str | None = None, last: int | None = None, wanted: Wanted | None = None
) -> list[dict[str, Any]]:
    """Return records as they were written, oldest first.

    Args:
        where: Records folder, or the records' part of a station file.
        station: Only of this one.
        last: Only the newest so many.
        wanted: Further limits; names the station itself.

    Raises:
        RecordError: If there are none or they cannot be read.
    """
    wanted = wanted or Wanted(station=station)
    with reading(where) as connection:
        if last is None:
            return [row for page in pages(connection, records, wanted) for row in page]
        newest = wanted.narrow(select(records)).order_by(records.c.id.desc()).limit(last)
        return [dict(row) for row in connection.execute(newest).mappings()][::-1]


def read_audit(where: Path | RecordsConfig, station: str | None = None) -> list[dict[str, Any]]:
    """Return the audit log as it was written, oldest first.

    Raises:
        RecordError: If there are no records or they cannot be read.
    """
    with reading(where) as connection:
        return [row for page in pages(connection, audit, Wanted(station=station)) for row in page]
