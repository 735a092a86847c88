"""What the soak's processes wrote down: the journals of controller, station and driver, and the records."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soak_line import read_log

Key = tuple[int, int]  # boot, sequence


@dataclass
class Evidence:
    """All that was written down, in the order of time."""

    triggers: dict[Key, tuple[float, int, str]] = field(default_factory=dict)  # when, part, truth
    parts: list[list[Any]] = field(default_factory=list)
    blocks: list[list[Any]] = field(default_factory=list)
    watchdog: list[tuple[float, bool]] = field(default_factory=list)
    faults: list[tuple[str, float, float, Key | None]] = field(default_factory=list)  # kind, begin, end, part
    lives: list[tuple[float, str]] = field(default_factory=list)  # start of the station, when_unwritable
    kills: list[float] = field(default_factory=list)
    memory: list[tuple[int, int, float]] = field(default_factory=list)  # life, parts, MB
    rows: list[dict[str, Any]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    entered: int = 0
    ended_itself: int = 0


def read_evidence(folder: Path, records: Path) -> Evidence:
    """Read the logs of the three processes and the database."""
    found = Evidence()
    for what, at, *facts in read_log(folder, "plc"):
        if what == "trigger":
            found.triggers[facts[0], facts[1]] = (at, facts[2], facts[3])
        elif what == "left":
            found.parts.append([at, *facts])
        elif what == "block":
            found.blocks.append([at, *facts])
        elif what == "watchdog":
            found.watchdog.append((at, facts[0]))
        elif what == "fault":
            found.faults.append((facts[0], at, facts[1], None))
        elif what == "end":
            found.counters, found.entered = facts
    for _, at, kind, end, boot, sequence in read_log(folder, "station"):
        if kind != "clock-forward":
            found.faults.append((kind, at, end, (boot, sequence)))
    for what, at, *facts in read_log(folder, "driver"):
        if what == "fault":
            found.faults.append((facts[0], at, facts[1], None))
        elif what == "killed":
            found.kills.append(at)
        elif what == "life":
            found.lives.append((at, facts[0]))
        elif what == "memory":
            found.memory.append((facts[0], facts[1], facts[2]))
        elif what == "ended":
            found.ended_itself += 1
    found.rows = _read_rows(records)
    found.faults.sort(key=lambda fault: fault[1])
    return found


def _read_rows(records: Path) -> list[dict[str, Any]]:
    """Read with the bare library: the count must not rest on partgate's own reader."""
    with sqlite3.connect(records / "records.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        names = ("id, boot, sequence, first_sequence, missed, sent, acknowledged, verdict, lane, true_class, detail, "
                 "reason, latency_ms, grab_ms, judge_ms, at, captured_at, gap")  # fmt: skip
        return [dict(row) for row in connection.execute(f"SELECT {names} FROM records ORDER BY id")]
