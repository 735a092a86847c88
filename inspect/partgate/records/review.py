"""What a person says about a record: looked at again, held, released. Always a new row of the audit log."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, select

from partgate.errors import RecordError
from partgate.records.audit import AuditEvent, content_of, write_event
from partgate.records.config import RecordsConfig
from partgate.records.read import reading
from partgate.records.schema import audit, records

Finding = Literal["good", "defect", "unsure"]
_SETTLED = ("good", "defect")


@dataclass(frozen=True, slots=True)
class Review:
    """The newest that was said about one record."""

    at: str = ""  # ISO 8601, UTC, of the newest action
    by: str = ""
    verdict: Finding | None = None
    note: str = ""
    on_hold: bool = False

    @property
    def is_settled(self) -> bool:
        """Tell whether a person came to a verdict; unsure is none."""
        return self.verdict in _SETTLED

    def after(self, at: str, content: dict[str, Any]) -> "Review":
        """Return the state after one more action; what it does not speak of stays."""
        hold = content["hold"]
        return Review(
            at, content["by"], content["verdict"] or self.verdict, content["note"] or self.note,
            self.on_hold if hold is None else bool(hold),
        )  # fmt: skip


def add_review(
    where: Path | RecordsConfig,
    record: int,
    by: str,
    verdict: Finding | None = None,
    note: str = "",
    *,
    hold: bool | None = None,
) -> Review:
    """Put on the audit log what a person says about a record, and return what now stands.

    Args:
        where: Records folder, or the records' part of a station file.
        record: Its number.
        by: Who says it.
        verdict: What the part is.
        note: In the person's words.
        hold: Keep its pictures until released; ``None`` leaves that as it is.

    Raises:
        RecordError: If there is no such record, or nothing is said about it.
    """
    if not by.strip():
        raise RecordError("--by: must name a person, got nothing")
    if verdict is None and hold is None:
        raise RecordError(
            "a review says --verdict good, defect or unsure, or --hold or --release, or both; got neither"
        )
    with reading(where, create=True) as connection:
        row = connection.execute(select(records.c.station, records.c.digest).where(records.c.id == record)).first()
        if row is None:
            raise RecordError(f"record {record}: is not on record; 'partgate records list' shows the numbers")
        content = {"record": record, "digest": row.digest, "verdict": verdict, "by": by, "note": note, "hold": hold}
        write_event(connection, AuditEvent(row.station, "review", content))
        return reviews_of(connection, [record])[record]


def reviews_of(connection: Connection, numbers: Iterable[int]) -> dict[int, Review]:
    """Return the newest that was said about each of these records, where something was.

    Raises:
        RecordError: If a row of the audit log was damaged.
    """
    statement = select(audit).where(audit.c.kind == "review", audit.c.record.in_(list(numbers)))
    found: dict[int, Review] = {}
    for row in connection.execute(statement.order_by(audit.c.id)).mappings():
        found[row["record"]] = found.get(row["record"], Review()).after(row["at"], content_of(dict(row)))
    return found


def is_under_review(verdict: str, review: Review | None) -> bool:
    """Tell whether the pictures of a record must stay: held, or to be rechecked and not settled by a person."""
    if review is not None and review.on_hold:
        return True
    return verdict == "RECHECK" and (review is None or not review.is_settled)
