"""What is written: a record as a row, and records that found no room in memory as a declared gap."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from partgate.parts import Reason, Record
from partgate.records.schema import canonical_json

LAST_SEQUENCE = 65535
_SCORE_DIGITS, _MS_DIGITS = 9, 3


def record_row(record: Record) -> dict[str, Any]:
    """Return a record as plain values, without its pictures."""
    row = {
        "station": record.station,
        "boot": record.boot,
        "sequence": record.sequence,
        "at": _moment(record.at),
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
        "defect_score": _number(record.defect_score, _SCORE_DIGITS),
        "defect_class": record.defect_class,
        "true_class": record.true_class,
        "source": record.source,
        "part_id": record.part_id,
        "lot": record.lot,
        "latency_ms": _number(record.latency_ms, _MS_DIGITS),
        "recipe_sha256": record.recipe_sha256,
        "result_at": _moment(record.result_at),
        "grab_ms": _number(record.grab_ms, _MS_DIGITS),
        "judge_ms": _number(record.judge_ms, _MS_DIGITS),
        "write_ms": _number(record.write_ms, _MS_DIGITS),
        "camera": record.camera,
        "captured_at": _moment(record.captured_at),
        "block_id": record.block_id,
        "camera_settings": record.camera_settings,
    }
    return {name: plain_text(value) if isinstance(value, str) else value for name, value in row.items()}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds")


def _number(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)  # a whole number must read back as it was hashed


def plain_text(text: str) -> str:
    r"""Return text that every database takes: bytes that are no text and NUL, which PostgreSQL refuses, are escaped.

    Example:
        >>> plain_text("A7" + chr(0))
        'A7\\x00'
    """
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def triggers_of(row: Mapping[str, Any]) -> int:
    """Return how many triggers a row accounts for: one, or a range of them.

    Example:
        >>> triggers_of({"first_sequence": 65534, "sequence": 2, "gap": None})
        4
    """
    return int((row["sequence"] - row["first_sequence"]) % LAST_SEQUENCE) + 1


@dataclass(slots=True)
class Gap:
    """Records that were taken and are lost, as ranges of triggers: each becomes one row in their place.

    Sorting went on meanwhile, so these are no missed triggers; what became of the parts is not known any more.
    """

    why: str
    records: int = 0
    ranges: list["_Range"] = field(default_factory=list)

    def count(self, record: Record) -> None:
        """Take a record into the gap."""
        self.records += 1
        last = self.ranges[-1] if self.ranges else None
        if last is None or not last.goes_on_with(record):
            last = _Range(record)
            self.ranges.append(last)
        last.take(record)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each range."""
        return [part.row(self.why) for part in self.ranges]


class _Range:
    def __init__(self, first: Record) -> None:
        self.first = self.last = first
        self.triggers = self.results = 0

    def goes_on_with(self, record: Record) -> bool:
        """Tell whether a record follows the last one without a step."""
        last = self.last
        is_next = record.first_sequence == last.sequence % LAST_SEQUENCE + 1
        has_room = self.triggers + _covered(record) < LAST_SEQUENCE  # a range says no more than one round
        return is_next and has_room and (record.station, record.boot) == (last.station, last.boot)

    def take(self, record: Record) -> None:
        """Count one that goes on."""
        self.last = record
        self.triggers += _covered(record)
        self.results += not record.missed

    def row(self, why: str) -> dict[str, Any]:
        """Return what is known of the range."""
        begins, ends = _moment(self.first.at), _moment(self.last.at)
        said = {"triggers": self.triggers, "results": self.results, "from": begins, "to": ends, "why": plain_text(why)}
        detail = (
            f"gap: {self.triggers} triggers from {begins} to {ends} have no record, {self.results} of them were judged"
        )
        facts: dict[str, Any] = {
            "detail": plain_text(f"{detail}: {why}"),
            "gap": canonical_json(said),
            "verdict": "NONE",
        }
        facts |= {"reason": int(Reason.NOT_READY), "missed": True, "sent": False, "acknowledged": False, "lane": 0}
        unknown = dict.fromkeys(
            ("defect_score", "defect_class", "true_class", "source", "part_id", "lot", "latency_ms", "result_at",
             "grab_ms", "judge_ms", "write_ms", "camera", "captured_at", "block_id", "camera_settings", "picture",
             "picture_sha256")
        )  # fmt: skip
        places = {"first_sequence": self.first.first_sequence, "sequence": self.last.sequence, "class_number": 0}
        return record_row(self.first) | unknown | facts | places


def _covered(record: Record) -> int:
    return (record.sequence - record.first_sequence) % LAST_SEQUENCE + 1
