"""Counts a soak from both sides: what the controller saw of each part, and what the database says of it."""

import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from soak_line import GOOD_LANES, SCAN_MS, STATION, WINDOW_MS, read_log

from partgate.records.config import RecordsConfig
from partgate.records.read import read_records
from partgate.records.reconcile import reconcile
from partgate.records.verify import verify_records

LAST_SEQUENCE = 65_535
GOOD = 1
RESTART_UNSEEN_S = 1.5  # triggers so shortly before the controller restarts may have been seen by nobody
FULL_IS_TOLD_S, LOCK_IS_TOLD_S = 2.0, 7.0  # until the station must know that it cannot write; SQLite waits 5 s
HANG_SEEN_S = 1.5
RECIPE_IS_KNOWN_S = 1.0  # after another number is wanted; a part in flight keeps the recipe of its trigger
STALLS = ("cut", "freeze", "slow", "unanswered", "unheard", "power", "engine-hung", "engine-slow", "kill",
          "locked-and-killed", "camera-lost")  # fmt: skip
STALL_BEFORE_S, STALL_AFTER_S = 0.3, 1.5
SAFETY = (
    "good_lane_without_own_good", "good_lane_not_good", "good_of_failed_engine", "good_by_other_recipe",
    "good_while_locked", "good_decided_late", "blocks_repeated", "blocks_of_no_part", "hangs_unseen", "records_lost",
    "records_doubled", "records_differ", "records_of_no_trigger", "records_older_picture", "verify_problems",
    "reconcile_problems", "station_ended_itself",
)  # fmt: skip
"""Each must be 0."""
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


def count(folder: Path, records: Path) -> dict[str, Any]:
    """Return every figure of a soak; those named in ``SAFETY`` must be 0."""
    seen = read_evidence(folder, records)
    cover = _cover(seen.rows)
    figures: dict[str, Any] = dict.fromkeys(SAFETY, 0)
    figures |= _count_records(seen, cover)
    figures |= _count_lanes(seen, cover)
    figures |= _count_blocks(seen)
    figures |= _count_verdicts(seen)
    figures |= _check_records(records)
    figures["hangs_unseen"] = _hangs_unseen(seen)
    figures["station_ended_itself"] = seen.ended_itself
    figures |= {"parts": seen.entered, "gate": seen.counters, "lives": len(seen.lives)}
    figures |= {"recovery": _recoveries(seen), "latency": _latencies(seen), "memory": _memory(seen)}
    return figures


def _numbers(first: int, last: int) -> list[int]:
    return [(first - 1 + step) % LAST_SEQUENCE + 1 for step in range((last - first) % LAST_SEQUENCE + 1)]


def _cover(rows: list[dict[str, Any]]) -> dict[Key, list[dict[str, Any]]]:
    """Return which rows account for each number of the controller."""
    cover: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        for number in _numbers(row["first_sequence"], row["sequence"]):
            cover[row["boot"], number].append(row)
    return cover


def _count_records(seen: Evidence, cover: dict[Key, list[dict[str, Any]]]) -> dict[str, Any]:
    by_boot: dict[int, list[int]] = defaultdict(list)
    for boot, sequence in seen.triggers:
        by_boot[boot].append(sequence)
    wanted = set(seen.triggers)
    for place, (boot, numbers) in enumerate(by_boot.items()):  # numbers that it left out are declared as well
        pairs = zip(numbers if place == 0 else [1, *numbers], numbers[1:] if place == 0 else numbers, strict=False)
        wanted |= {(boot, number) for pair in pairs for number in _numbers(*pair)}
    unseen = _unseen_before_restarts(seen, by_boot, cover)
    results = sum(not row["missed"] for row in seen.rows)
    gaps = sum(row["gap"] is not None for row in seen.rows)
    covered = sum(len(rows) for rows in cover.values())
    return {
        "triggers": len(wanted),
        "results": results,
        "declared_misses": covered - results,
        "declared_gaps": gaps,
        "unseen_before_restart": len(unseen),
        "records_lost": sum(key not in cover and key not in unseen for key in wanted),
        "records_doubled": sum(len(rows) > 1 for rows in cover.values()),
        "records_of_no_trigger": sum(key not in wanted for key in cover),
    }


def _unseen_before_restarts(
    seen: Evidence, by_boot: dict[int, list[int]], cover: dict[Key, list[dict[str, Any]]]
) -> set[Key]:
    """Return triggers that the controller forgot by its own restart before a station could have recorded them.

    They are the last ones of their start of the controller, and shortly before its end, or the station was killed
    between them and the next connection.
    """
    found: set[Key] = set()
    boots = list(by_boot)
    for boot, after in zip(boots, boots[1:], strict=False):
        restart = seen.triggers[after, by_boot[after][0]][0]
        for number in reversed(by_boot[boot]):
            key = (boot, number)
            at = seen.triggers[key][0]
            was_killed = any(at - 15 < kill < restart for kill in seen.kills)
            if key in cover or not (restart - at < RESTART_UNSEEN_S or was_killed):
                break
            found.add(key)
    return found


def _count_lanes(seen: Evidence, cover: dict[Key, list[dict[str, Any]]]) -> dict[str, Any]:
    longest = WINDOW_MS // SCAN_MS + 1
    failed = {key for kind, _, _, key in seen.faults if kind in ("engine-exception", "nan-score")}
    lanes: Counter[int] = Counter()
    figures = Counter(
        dict.fromkeys(
            ("good_lane_without_own_good", "good_lane_not_good", "good_of_failed_engine", "records_differ",
             "judged_but_declared_after_kill"), 0,
        )
    )  # fmt: skip
    for _, _number, boot, sequence, lane, truth, taken in seen.parts:
        lanes[lane] += 1
        key = (boot, sequence)
        is_own = taken is not None and tuple(taken[:3]) == (sequence, boot, GOOD) and taken[4] <= longest
        figures["good_lane_without_own_good"] += lane > 0 and not is_own
        figures["good_lane_not_good"] += lane > 0 and truth != "good"
        figures["good_of_failed_engine"] += lane > 0 and key in failed
        if taken is None or key not in seen.triggers or len(cover.get(key, ())) != 1:
            continue  # what is not on record once is counted as lost or doubled
        row = cover[key][0]
        if row["missed"]:
            is_declared = row["gap"] is not None or any(abs(kill - seen.triggers[key][0]) < 15 for kill in seen.kills)
            figures["judged_but_declared_after_kill" if is_declared else "records_differ"] += 1
        elif (row["verdict"], row["lane"]) != ({1: "GOOD", 2: "REJECT", 3: "RECHECK"}.get(taken[2]), taken[3]) or (
            lane > 0 and row["true_class"] != "good"
        ):
            figures["records_differ"] += 1
    return dict(figures) | {"lanes": {str(lane): lanes[lane] for lane in sorted(lanes)}, "parts_left": sum(lanes.values())}


def _count_blocks(seen: Evidence) -> dict[str, Any]:
    figures = Counter(dict.fromkeys(("blocks_repeated", "blocks_of_no_part", "good_by_other_recipe", "good_while_locked"), 0))
    sent: set[Key] = set()
    locked = _locked_spans(seen)
    wanted_before, wanted_since = 0, 0.0
    for at, sequence, boot, verdict, lane, wanted, _ in seen.blocks:
        if wanted != wanted_before:
            wanted_before, wanted_since = wanted, at
        came = seen.triggers.get((boot, sequence))
        figures["blocks_of_no_part"] += came is None or came[0] > at
        figures["blocks_repeated"] += (boot, sequence) in sent
        sent.add((boot, sequence))
        if verdict == GOOD:
            is_settled = at - wanted_since > RECIPE_IS_KNOWN_S
            figures["good_by_other_recipe"] += is_settled and GOOD_LANES.get(wanted) != lane
            figures["good_while_locked"] += any(begin < at < end for begin, end in locked)
    return dict(figures) | {"blocks": len(seen.blocks)}


def _locked_spans(seen: Evidence) -> list[tuple[float, float]]:
    """Return when no GOOD may come, as records cannot be written and the station file says lock."""
    starts = [at for at, _ in seen.lives]
    spans = []
    for kind, begin, end, _ in seen.faults:
        told = {"disk-full": FULL_IS_TOLD_S, "database-locked": LOCK_IS_TOLD_S}.get(kind)
        if told is not None and starts and seen.lives[bisect_right(starts, begin) - 1][1] == "lock":
            spans.append((begin + told, end))
    return spans


def _count_verdicts(seen: Evidence) -> dict[str, Any]:
    """Count by the records' own times: a GOOD that was found after the window, a picture older than its trigger."""
    late = older = 0
    for row in seen.rows:
        if row["grab_ms"] is not None and row["verdict"] == "GOOD":
            late += row["grab_ms"] + row["judge_ms"] > WINDOW_MS
        if row["captured_at"]:
            times = [datetime.fromisoformat(row[name]) for name in ("captured_at", "at")]
            older += times[0] < times[1] - timedelta(milliseconds=2)  # each is rounded to 1 ms
    verdicts = Counter(row["verdict"] for row in seen.rows if not row["missed"])
    return {"good_decided_late": late, "records_older_picture": older, "verdicts": dict(verdicts)}


def _check_records(records: Path) -> dict[str, Any]:
    verified = verify_records(RecordsConfig(folder=records))
    rows = read_records(RecordsConfig(folder=records))
    times = sorted(datetime.fromisoformat(row["at"]) for row in rows)
    shifts = reconcile(rows, [times[0], times[-1] + timedelta(seconds=1)])
    problems = [problem for shift in shifts for problem in shift.problems]
    adds_up = all(shift.adds_up for shift in shifts)
    return {
        "verify_problems": verified.problem_count,
        "reconcile_problems": len(problems) or int(not adds_up),
        "first_problems": [*verified.problems[:3], *problems[:3]],
        "pictures_verified": verified.pictures,
    }


def _hangs_unseen(seen: Evidence) -> int:
    """Count engines that hung for 1 s while the controller went on believing the heartbeat."""
    times = [at for at, _ in seen.watchdog]
    others = [(begin, end) for kind, begin, end, _ in seen.faults if kind != "engine-hung"]
    unseen = 0
    for kind, begin, end, _ in seen.faults:
        place = bisect_right(times, begin)
        was_tripped = place > 0 and seen.watchdog[place - 1][1]
        trips = any(tripped for _, tripped in seen.watchdog[place : bisect_left(times, begin + HANG_SEEN_S)])
        overlaps = any(first < end + 1 and last > begin - 1 for first, last in others)
        unseen += kind == "engine-hung" and not (was_tripped or trips or overlaps)
    return unseen


def _recoveries(seen: Evidence) -> dict[str, dict[str, float]]:
    """Return by kind: number, median and longest time from its end until the next part's GOOD was taken, in seconds."""
    accepted = sorted(
        (seen.triggers[boot, sequence][0], seen.triggers[boot, sequence][0] + taken[4] * SCAN_MS / 1000)
        for _, _, boot, sequence, lane, _, taken in seen.parts
        if lane > 0 and taken and (boot, sequence) in seen.triggers
    )
    came = [at for at, _ in accepted]
    by_kind: dict[str, list[float]] = defaultdict(list)
    for kind, _, end, _ in seen.faults:
        place = bisect_left(came, end)
        if place < len(came):
            by_kind[kind].append(accepted[place][1] - end)
        else:
            by_kind[kind] += []
    return {
        kind: {"number": sum(fault[0] == kind for fault in seen.faults),
               "median_s": round(float(np.median(times)), 2) if times else None,
               "longest_s": round(max(times), 2) if times else None}
        for kind, times in sorted(by_kind.items())
    }  # fmt: skip


def _latencies(seen: Evidence) -> dict[str, dict[str, float]]:
    """Return trigger seen to verdict written, in milliseconds, of parts without and with a stall made by the soak."""
    stalls = sorted((begin - STALL_BEFORE_S, end + STALL_AFTER_S) for kind, begin, end, _ in seen.faults if kind in STALLS)
    begins = [begin for begin, _ in stalls]
    found: dict[str, list[float]] = {"quiet": [], "stalled": []}
    for row in seen.rows:
        came = seen.triggers.get((row["boot"], row["sequence"]))
        if row["latency_ms"] is None or row["missed"] or came is None:
            continue
        place = bisect_right(begins, came[0])
        is_stalled = any(came[0] < end for _, end in stalls[max(0, place - 20) : place])
        found["stalled" if is_stalled else "quiet"].append(row["latency_ms"])
    return {
        name: {"parts": len(values)} | {f"p{share:g}_ms": round(float(np.percentile(values, share)), 1)
                                        for share in (50, 99, 99.9) if values}
        for name, values in found.items()
    }  # fmt: skip


def _memory(seen: Evidence) -> dict[str, float]:
    """Return resident memory of the longest life, after its first tenth and at its end: means of a tenth each."""
    by_life: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for life, parts, megabytes in seen.memory:
        by_life[life].append((parts, megabytes))
    if not by_life:
        return {}
    longest = max(by_life.values(), key=lambda samples: samples[-1][0] - samples[0][0])
    first, last = longest[0][0], longest[-1][0]
    tenth = (last - first) / 10
    early = [size for parts, size in longest if first + tenth <= parts <= first + 2 * tenth]
    late = [size for parts, size in longest if parts >= last - tenth]
    if not early or not late:
        return {"parts": last - first}
    begin, end = float(np.mean(early)), float(np.mean(late))
    return {"parts": last - first, "begin_mb": round(begin, 1), "end_mb": round(end, 1),
            "change_percent": round(100 * (end / begin - 1), 1)}  # fmt: skip


def write_figures(path: Path, figures: dict[str, Any]) -> None:
    """Write figures as JSON."""
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


__all__ = ["SAFETY", "STATION", "Evidence", "count", "read_evidence", "write_figures"]
