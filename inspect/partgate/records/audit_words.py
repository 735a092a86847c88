"""The audit log as lines for people."""

import json
from collections.abc import Mapping
from typing import Any

from partgate.records.audit import content_of


def audit_line(row: Mapping[str, Any]) -> str:
    """Return a row of the log as one line for people.

    Raises:
        RecordError: If it was damaged.
    """
    content, head = content_of(row), f"{row['id']:>5} {row['at'][:23]} {row['station']}:"
    match row["kind"]:
        case "start":
            recipe, rule = content["recipe"], content["rule"]
            by = f"set by {rule['set_by']} at {rule['set_at']}: {rule['why']}" if rule["set_by"] else "set by training"
            limits = f"recheck from {rule['recheck_from']}, reject from {rule['reject_from']} ({by})"
            return (
                f"{head} start of partgate {content['partgate']}, recipe '{recipe['name']}' {recipe['sha256'][:12]}, "
                f"{limits}, model {content['model'][:12]}, settings {content['settings_sha256'][:12]}"
                + "".join(f"; camera '{name}': {_recipe(facts)}" for name, facts in _cameras(content))
            )
        case "stop":
            return (
                f"{head} stop, {content['why']}: triggers {content['triggers']}, results {content['results']}, "
                f"declared misses {content['misses']}"
            )
        case "no_stop":
            return f"{head} the start of row {content['start']} has no stop: killed, or the power failed"
        case "change" if "cameras" in content:
            told = "; ".join(f"camera '{name}': {_recipe(facts)}" for name, facts in content["cameras"].items())
            return f"{head} recipe {content['is']} in force, before {content['was']}: {told}"
        case "change":
            return f"{head} changed: {content['what']} was {json.dumps(content['was'], ensure_ascii=False)}, " + (
                f"is {json.dumps(content['is'], ensure_ascii=False)}"
            )
        case "alarm":
            return f"{head} alarm {content['is']}: {content['what']}"
        case "drift":
            return f"{head} drift {content['is']}, camera '{content['camera']}': {content['said']['en']}"
        case "restart":
            return f"{head} restart by its watcher, {content['why']}"
        case "gave_up":
            return f"{head} left down by its watcher, {content['why']}"
        case "review":
            return f"{head} record {content['record']} {_review(content)}"
        case "prune":
            ranges = ", ".join(f"{first}-{last}" for first, last in content["records"])
            return (
                f"{head} retention deleted the pictures of {content['pictures']} records, {content['bytes']} bytes "
                f"({ranges}): {content['why']}"
            )
        case "database":
            return f"{head} {content['why']}; the newest record before had the hash {content['before'][:12]}"
        case other:
            said = ", ".join(f"{key} {json.dumps(value, ensure_ascii=False)}" for key, value in content.items())
            return f"{head} {other}: {said}"


def _cameras(start: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return list(start.get("further_cameras", {}).items())


def _recipe(facts: Mapping[str, Any]) -> str:
    rule = facts["rule"]
    return (
        f"'{facts['name']}' {facts['sha256'][:12]}, recheck from {rule['recheck_from']}, "
        f"reject from {rule['reject_from']}, model {facts['model'][:12]}"
    )


def _review(content: Mapping[str, Any]) -> str:
    said = [f"reviewed as {content['verdict']}"] if content["verdict"] else []
    if content["hold"] is not None:
        said.append("held" if content["hold"] else "released")
    note = f": {content['note']}" if content["note"] else ""
    return f"{' and '.join(said)} by {content['by']}{note}"
