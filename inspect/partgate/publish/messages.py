"""What is published, as JSON: a part's result, the station's status, a trial.

One object a message, UTF-8, with ``schema`` (1) and ``message`` (``result``, ``status`` or ``test``). Times are ISO
8601 in UTC, enumerations come as name and number (the numbers of ``docs/handshake.md`` and ``parts.py``), what is not
known is ``null``. ``id`` is the same where a message is sent again. No pictures, no passwords.

Source:
    JSON: RFC 8259. Names of the states: OPC 40100-1. The form: own.
"""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Literal

from partgate.parts import Record, StationStatus

SCHEMA = 1

Kind = Literal["result", "status", "test"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it goes out."""

    kind: Kind
    body: bytes  # JSON, UTF-8


def encode_result(record: Record) -> Message:
    """Return a part's result, or a declared miss, as a message.

    A score that is not a number is ``null``. ``played`` says that the picture came from a file and not from a camera.

    Example:
        >>> from partgate.parts import Reason, Verdict
        >>> at = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
        >>> record = Record("line-1", 9, 17, at, Verdict.GOOD, Reason.MODEL, "", True, False, 17, "cover", "ab12")
        >>> found = json.loads(encode_result(record).body)
        >>> found["id"], found["verdict"], found["verdict_number"]
        ('line-1/2026-03-01T06:00:00.000Z/9/17', 'good', 1)
    """
    at = _time(record.at)
    return _message("result", {
        "id": f"{record.station}/{at}/{record.boot}/{record.sequence}",
        "station": record.station,
        "at": at,
        "result_at": _time(record.result_at),
        "part_id": record.part_id,
        "lot": record.lot,
        "boot": record.boot,
        "sequence": record.sequence,
        "first_sequence": record.first_sequence,
        "missed": record.missed,
        **_named("verdict", record.verdict),
        **_named("reason", record.reason),
        "detail": record.detail,
        "sent": record.sent,
        "acknowledged": record.acknowledged,
        "lane": record.lane,
        "class_number": record.class_number,
        "defect_class": record.defect_class,
        "defect_score": _number(record.defect_score, 6),
        "recipe": record.recipe,
        "recipe_sha256": record.recipe_sha256,
        "bundle_id": record.bundle_id,
        "camera": record.camera,
        "captured_at": _time(record.captured_at),
        "played": record.source is not None,
        "latency_ms": _number(record.latency_ms, 3),
        "grab_ms": _number(record.grab_ms, 3),
        "judge_ms": _number(record.judge_ms, 3),
        "write_ms": _number(record.write_ms, 3),
    })  # fmt: skip


def encode_status(status: StationStatus) -> Message:
    """Return what a station says of itself as a message; ``online`` is true in it."""
    at = _time(status.at)
    return _message("status", {
        "id": f"{status.station}/{at}",
        "station": status.station,
        "at": at,
        "online": True,
        **_named("state", status.state),
        **_named("fault", status.fault),
        "trigger_ready": status.trigger_ready,
        "shadow": status.is_shadow,
        "recipe": status.recipe,
        "recipe_number": status.recipe_number,
        "warnings": list(status.warnings),
        "problem": status.problem,
        "triggers": status.triggers,
        "results": status.results,
        "misses": status.misses,
    })  # fmt: skip


def encode_offline(station: str) -> Message:
    """Return the status of a station that is not there.

    It is written before it happens (a broker keeps it as last will), so ``at`` is ``null``: its arrival counts.
    """
    return _message("status", {"station": station, "at": None, "online": False})


def encode_test(station: str, at: datetime) -> Message:
    """Return a message that only shows that messages arrive; it says nothing about a part or the station."""
    return _message("test", {"id": f"{station}/{_time(at)}", "station": station, "at": _time(at)})


def _message(kind: Kind, content: dict[str, Any]) -> Message:
    text = json.dumps({"schema": SCHEMA, "message": kind, **content}, ensure_ascii=False, allow_nan=False)
    return Message(kind, text.encode("utf-8", "replace"))


def _named(key: str, value: IntEnum) -> dict[str, Any]:
    return {key: value.name.lower(), f"{key}_number": int(value)}


def _time(at: datetime | None) -> str | None:
    """Return a time with milliseconds, such as ``2026-03-01T06:00:00.000Z``."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(value: float | None, digits: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), digits)
