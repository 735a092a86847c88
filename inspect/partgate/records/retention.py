"""Deleting pictures by age and by size: oldest first, in small steps, never one that is under review.

Records stay for ever. What is deleted is put on the audit log first, as ranges of record numbers, and deleted after:
a station that is killed in between deletes the rest when it runs again, and ``verify`` knows what must be missing.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from partgate.errors import RecordError
from partgate.records.audit import AuditEvent, content_of, write_event
from partgate.records.config import RecordsConfig, RetentionConfig, records_at
from partgate.records.database import cause_of, open_database
from partgate.records.pictures import files_of
from partgate.records.pruned import Pruned
from partgate.records.review import is_under_review, reviews_of
from partgate.records.schema import audit, records

logger = logging.getLogger(__name__)

GIGABYTE = 10**9
_BATCH = 200  # records looked at and put on the log together
_FILES_A_STEP = 20  # some milliseconds; records come first
_AGAIN_S, _REST_S = 0.2, 60.0

Connect = Callable[[], AbstractContextManager[Connection]]
_PICTURED = or_(records.c.picture.is_not(None), records.c.more_pictures.is_not(None))


@dataclass(slots=True)
class _Account:
    """What one station has on its disk."""

    pruned: Pruned
    after: int  # pictures up to this record are gone, but for those in ``left``
    left: list[int]  # older ones that were under review when their time came
    size: int  # bytes of all pictures that are there
    to_delete: deque[str] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Pruning:
    """What was deleted of one station, or would be."""

    station: str
    pictures: int  # records whose pictures go
    size: int  # bytes


class Retention:
    """Applies the limits to the pictures of a station, one step at a time.

    Args:
        folder: Records folder.
        limits: ``None`` deletes nothing.
    """

    def __init__(self, folder: Path, limits: RetentionConfig | None) -> None:
        self._folder, self._limits = folder, limits
        self._accounts: dict[str, _Account] = {}
        self._next_at = time.monotonic()
        self._is_told = self._is_full = False

    @property
    def wait_s(self) -> float | None:
        """Return how long the writer may wait for a record before it calls ``step``; ``None`` is for ever."""
        return None if self._limits is None else max(0.0, self._next_at - time.monotonic())

    def added(self, station: str, size: int) -> None:
        """Count a picture that was written."""
        if station in self._accounts:
            self._accounts[station].size += size

    def step_if_due(self, connect: Connect, stations: Iterable[str]) -> None:
        """Delete some pictures if it is time; what fails is told once and tried again later."""
        if self._limits is None or time.monotonic() < self._next_at:
            return
        names = sorted(stations)
        goes_on = not names  # none is known yet
        try:
            for station in names:
                goes_on |= self.step(connect, station)
            self._is_told = False
        except Exception as error:  # records go on without it; a full disk is noticed by the record that finds no room
            self.forget_plans()  # what is there is read again: a choice that was not put on the log is none
            if not self._is_told:
                logger.error("pictures in %s cannot be deleted: %s", self._folder, error)
            self._is_told = True
        self._next_at = time.monotonic() + (_AGAIN_S if goes_on else _REST_S)

    def step(self, connect: Connect, station: str) -> bool:
        """Delete some pictures of a station, or choose the next; tell whether there is more to do.

        Raises:
            OSError: If a picture cannot be deleted.
        """
        if station not in self._accounts:
            with connect() as connection:
                self._accounts[station] = _open_account(connection, station, self._folder)
        account = self._accounts[station]
        for _ in range(min(_FILES_A_STEP, len(account.to_delete))):
            (self._folder / account.to_delete[0]).unlink(missing_ok=True)
            account.to_delete.popleft()
        if account.to_delete:
            return True
        with connect() as connection:
            doomed = self._choose(connection, station, account)
            if not doomed:
                return False
            content = self._said_about(doomed)
            write_event(connection, AuditEvent(station, "prune", content))
        self._forget(station, account, doomed, content)
        return True

    def plan(self, connection: Connection, station: str) -> Iterator[dict[str, Any]]:
        """Yield what would be put on the audit log, and delete nothing."""
        account = self._accounts[station] = _open_account(connection, station, self._folder)
        while doomed := self._choose(connection, station, account):
            content = self._said_about(doomed)
            self._forget(station, account, doomed, content)
            yield content

    def forget_plans(self) -> None:
        """Read again what is there before the next step."""
        self._accounts.clear()

    def _forget(
        self, station: str, account: _Account, doomed: Sequence[Mapping[str, Any]], content: Mapping[str, Any]
    ) -> None:
        account.pruned.add(station, content["records"])
        account.size -= content["bytes"]
        gone = {row["id"] for row in doomed}
        account.left = [number for number in account.left if number not in gone]
        account.to_delete.extend(file for row in doomed for file in files_of(row))

    def _choose(self, connection: Connection, station: str, account: _Account) -> list[dict[str, Any]]:
        """Return the next rows whose pictures go, oldest first."""
        assert self._limits is not None
        doomed: list[dict[str, Any]] = []
        size = account.size
        for rows, is_left in self._batches(connection, station, account):
            reviews, joins = reviews_of(connection, [row["id"] for row in rows]), False
            for row in rows:
                if not self._is_over(row["at"], size):
                    return doomed
                if not is_left:
                    account.after = row["id"]
                if is_under_review(row["verdict"], reviews.get(row["id"])):
                    joins = False
                    if not is_left:
                        account.left.append(row["id"])
                    continue
                size -= _size_of(row, self._folder)
                doomed.append({**row, "joins": joins})  # no other picture of this station lies between it and the last
                joins = not is_left
            if doomed:
                return doomed
        if self._limits.gigabytes is not None and size > self._limits.gigabytes * GIGABYTE and not self._is_full:
            self._is_full = True
            logger.warning(
                "%.1f GB of pictures of '%s' are under review, more than retention.gigabytes %g; review them",
                size / GIGABYTE, station, self._limits.gigabytes,
            )  # fmt: skip
        return doomed

    def _batches(
        self, connection: Connection, station: str, account: _Account
    ) -> Iterator[tuple[list[dict[str, Any]], bool]]:
        left = list(account.left)
        for start in range(0, len(left), _BATCH):
            yield _rows(connection, records.c.id.in_(left[start : start + _BATCH])), True
        while rows := _rows(connection, (records.c.station == station) & (records.c.id > account.after)):
            yield rows, False

    def _is_over(self, at: str, size: int) -> bool:
        assert self._limits is not None
        days, gigabytes = self._limits.days, self._limits.gigabytes
        is_old = days is not None and at < (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
        return is_old or (gigabytes is not None and size > gigabytes * GIGABYTE)

    def _said_about(self, doomed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        assert self._limits is not None
        limits = self._limits.model_dump(exclude_none=True)
        ranges: list[list[int]] = []
        for row in doomed:
            if row["joins"]:
                ranges[-1][1] = row["id"]
            else:
                ranges.append([row["id"], row["id"]])
        return {
            "records": ranges,
            "pictures": len(doomed),
            "bytes": sum(_size_of(row, self._folder) for row in doomed),
            "why": " or ".join(f"more than {value:g} {name}" for name, value in limits.items()),
        }


def _rows(connection: Connection, which: Any) -> list[dict[str, Any]]:
    columns = (records.c.id, records.c.at, records.c.verdict, records.c.picture, records.c.more_pictures,
               records.c.picture_bytes)  # fmt: skip
    statement = select(*columns).where(_PICTURED, which).order_by(records.c.id).limit(_BATCH)
    return [dict(row) for row in connection.execute(statement).mappings()]


def _size_of(row: Mapping[str, Any], folder: Path) -> int:
    if row["picture_bytes"] is not None:
        return int(row["picture_bytes"])
    size = 0
    for file in files_of(row):  # a record of schema 1 or 2 does not tell
        try:
            size += (folder / file).stat().st_size
        except OSError:
            continue
    return size


def _open_account(connection: Connection, station: str, folder: Path) -> _Account:
    """Return what a station has on its disk, by its records and the audit log; only what is there is counted."""
    events = select(audit).where(audit.c.kind == "prune", audit.c.station == station).order_by(audit.c.id)
    log = [dict(row) for row in connection.execute(events).mappings()]
    pruned = Pruned(log)
    after = pruned.newest(station)
    is_own, reviewed = records.c.station == station, select(audit.c.record).where(audit.c.kind == "review")
    may_be_left = or_(records.c.verdict == "RECHECK", records.c.id.in_(reviewed))
    older = connection.scalars(select(records.c.id).where(_PICTURED, is_own, records.c.id <= after, may_be_left))
    left = sorted(number for number in older if not pruned.covers(station, number))
    is_there = is_own & (records.c.id > after)
    size = int(connection.scalar(select(func.sum(records.c.picture_bytes)).where(is_there)) or 0)
    untold = select(records).where(_PICTURED, is_there, records.c.picture_bytes.is_(None))
    size += sum(_size_of(dict(row), folder) for row in connection.execute(untold).mappings())
    for start in range(0, len(left), _BATCH):
        size += sum(_size_of(row, folder) for row in _rows(connection, records.c.id.in_(left[start : start + _BATCH])))
    last = content_of(log[-1])["records"] if log else []  # a station that was killed may not have deleted all of it
    unfinished = [row for begin, end in last for row in _rows(connection, is_own & records.c.id.between(begin, end))]
    return _Account(pruned, after, left, size, deque(file for row in unfinished for file in files_of(row)))


def prune(where: Path | RecordsConfig, limits: RetentionConfig, station: str | None, *, dry_run: bool) -> list[Pruning]:
    """Apply limits to pictures now, while the station runs or not.

    Args:
        where: Records folder, or the records' part of a station file.
        limits: What to delete.
        station: Only of this one; ``None`` is all whose records are here.
        dry_run: Tell, but delete nothing.

    Raises:
        RecordError: If there are no records, or a picture cannot be deleted.
    """
    folder, reader, writer = records_at(where).folder, open_database(where), open_database(where, create=True)
    retention, found = Retention(folder, limits), []
    try:
        with reader.connect() as connection:
            stations = [station] if station else sorted(connection.scalars(select(records.c.station).distinct()))
        for name in stations:
            with reader.connect() as connection:
                planned = list(retention.plan(connection, name))
            found.append(Pruning(name, sum(one["pictures"] for one in planned), sum(one["bytes"] for one in planned)))
            retention.forget_plans()
            while not dry_run and retention.step(writer.begin, name):
                pass
    except (OSError, SQLAlchemyError) as error:
        raise RecordError(f"{folder}: pictures cannot be deleted: {cause_of(error)}") from error
    finally:
        reader.dispose()
        writer.dispose()
    return found
