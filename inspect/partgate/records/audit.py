"""The audit log: who ran what by which rule since when; each row carries the digest of the row before."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection, insert, select

import partgate
from partgate.errors import RecordError
from partgate.recipe import Recipe
from partgate.records.rows import plain_text
from partgate.records.schema import FIRST_LINK, audit, audit_digest, canonical_json, records


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A start, a stop or another event of a station, as it is put on the audit log."""

    station: str
    kind: str
    content: Mapping[str, Any]  # plain values, as JSON holds them
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class RecipeInForce:
    """A recipe that a station judges by, and the model it rests on."""

    recipe: Recipe
    sha256: str  # of the recipe file's bytes
    bundle_id: str

    def rule(self) -> dict[str, Any]:
        """Return the limits, who set them, when and why, as plain values."""
        wanted = {"recheck_from", "reject_from", "set_by", "set_at", "why"}
        return self.recipe.decision.model_dump(mode="json", include=wanted)

    def facts(self) -> dict[str, Any]:
        """Return name, hash, model and rule: what a row needs to say which recipe it was."""
        return {"name": self.recipe.name, "sha256": self.sha256, "model": self.bundle_id, "rule": self.rule()}


def start_event(
    station: str, first: RecipeInForce, settings: BaseModel, records_folder: Path,
    further_cameras: Mapping[str, RecipeInForce] | None = None,
) -> AuditEvent:  # fmt: skip
    """Return what a station runs with from now on.

    Args:
        station: Its name.
        first: What it inspects, of the first camera.
        settings: The station file; a secret in it stands as asterisks.
        records_folder: Paths are kept as seen from here: a station that is moved as a whole has not changed.
        further_cameras: What it inspects by each further camera.
    """
    product = first.recipe.model_dump(mode="json", exclude={"bundle", "decision"})
    values = _plain(settings.model_dump(), records_folder)
    content = {
        "partgate": partgate.__version__,
        "recipe": {**product, "sha256": first.sha256},
        "rule": first.rule(),
        "model": first.bundle_id,
        "settings_sha256": hashlib.sha256(canonical_json(values).encode("utf-8", "backslashreplace")).hexdigest(),
        "settings": values,
    }
    if further_cameras:
        content["further_cameras"] = {camera: in_force.facts() for camera, in_force in further_cameras.items()}
    return AuditEvent(station, "start", content)


def _plain(value: Any, folder: Path) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, folder) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, folder) for inner in value]
    if isinstance(value, Path):
        try:
            return Path(os.path.relpath(value, folder)).as_posix()
        except ValueError:  # on another drive of Windows
            return value.resolve().as_posix()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def stop_event(station: str, why: str, counts: Mapping[str, int]) -> AuditEvent:
    """Return how a run ended: why, and what was counted in it."""
    return AuditEvent(station, "stop", {"why": why, **counts})


def restart_event(station: str, kind: str, why: str) -> AuditEvent:
    """Return what a station's watcher did after it failed: start it again, or leave it down."""
    return AuditEvent(station, kind, {"why": why})


def write_event(connection: Connection, event: AuditEvent, entry: str | None = None) -> None:
    """Put an event on the log, with what a start tells about the one before: a missing stop, and every change.

    All rows of one event are written in the caller's transaction: a crash leaves all of them or none.

    Args:
        connection: In a transaction that holds the database for writing.
        event: What happened.
        entry: Drawn when the event was taken; one that is on the log already is not written again.
    """
    if entry is not None and connection.scalar(select(audit.c.id).where(audit.c.entry == entry).limit(1)) is not None:
        return
    before = _newest(connection, event.station, ("start", "stop"))
    last_start = _newest(connection, event.station, ("start",))
    if event.kind == "start" and before is not None and before["kind"] == "start":
        _append(connection, event, "no_stop", {"start": before["id"], "at": before["at"]}, entry)
    _append(connection, event, event.kind, event.content, entry)
    if event.kind == "start" and last_start is not None:
        for key, was, now in _changes_since(last_start, event):
            _append(connection, event, "change", {"what": key, "was": was, "is": now}, entry)


def _changes_since(last_start: Mapping[str, Any], event: AuditEvent) -> list[tuple[str, Any, Any]]:
    try:
        before = content_of(last_start)
    except RecordError:  # a row that was tampered with is for verify to name; the station starts all the same
        return [("start before", f"audit row {last_start['id']} cannot be read", None)]
    return find_changes(before, event.content)


def _newest(connection: Connection, station: str, kinds: tuple[str, ...]) -> Mapping[str, Any] | None:
    statement = select(audit).where(audit.c.station == station, audit.c.kind.in_(kinds))
    row = connection.execute(statement.order_by(audit.c.id.desc()).limit(1)).mappings().first()
    return None if row is None else dict(row)


def _append(
    connection: Connection, event: AuditEvent, kind: str, content: Mapping[str, Any], entry: str | None
) -> None:
    last = connection.execute(select(audit.c.id, audit.c.digest).order_by(audit.c.id.desc()).limit(1)).first()
    record_digest = connection.scalar(select(records.c.digest).order_by(records.c.id.desc()).limit(1))
    row = {
        "id": last.id + 1 if last else 1,
        "at": event.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "station": plain_text(event.station),
        "kind": kind,
        "content": plain_text(canonical_json(content)),
        "record_digest": record_digest or FIRST_LINK,
        "previous": last.digest if last else FIRST_LINK,
        "record": content["record"] if kind == "review" else None,
        "entry": entry,
    }
    connection.execute(insert(audit).values(row | {"digest": audit_digest(row)}))


def find_changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return each value that differs between two starts: its place, what it was, what it is.

    Example:
        >>> find_changes({"rule": {"reject_from": 0.5, "why": None}}, {"rule": {"reject_from": 0.4, "why": None}})
        [('rule.reject_from', 0.5, 0.4)]
    """
    before, after = _flat(was), _flat(now)
    return [
        (key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if canonical_json(before.get(key)) != canonical_json(after.get(key))
    ]


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def content_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row of the log says.

    Raises:
        RecordError: If it was damaged.
    """
    try:
        content = json.loads(row["content"])
    except (TypeError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise RecordError(f"audit row {row['id']}: was changed after it was written; run 'partgate records verify'")
    return content
