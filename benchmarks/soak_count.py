"""Counts a soak from both sides: what the controller saw of each part, and what the database says of it."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from soak_evidence import Evidence, Key, read_evidence
from soak_line import GOOD_LANES, SCAN_MS, WINDOW_MS
from soak_times import latencies, memory, recoveries

from partgate.records.config import RecordsConfig
from partgate.records.read import read_records
from partgate.records.reconcile import reconcile
from partgate.records.verify import verify_records

LAST_SEQUENCE = 65_535
GOOD = 1
RESTART_UNSEEN_S = 1.5  # triggers so shortly before the controller restarts may have been seen by nobody
FULL_IS_TOLD_S, LOCK_IS_TOLD_S = 2.0, 7.0  # until the station must know that it cannot write; SQLite waits 5 s
NOT_ASKED = {"bin-full": 0.1, "enable-off": 0.1, "unheard": 0.35}  # s after which no part that comes may be GOOD
READ_WITHIN_S = 0.02  # who comes so shortly before it is over is read when it is over
HANG_SEEN_S = 1.5
STARVED_WINDOW_S = 2 * WINDOW_MS / 1000  # a window of the controller that took so long: half its scans were not run
HIDES_A_HANG = ("freeze", "kill", "locked-and-killed")  # a controller that stands still sees nothing
RECIPE_IS_KNOWN_S = 1.0  # after another number is wanted; a part in flight keeps the recipe of its trigger
SAFETY = (
    "good_lane_without_own_good", "good_lane_not_good", "good_of_failed_engine", "good_by_other_recipe",
    "good_while_locked", "good_while_not_asked", "good_decided_late", "blocks_repeated", "blocks_of_no_part",
    "hangs_unseen", "records_lost", "records_doubled", "records_differ", "records_of_no_trigger",
    "records_older_picture", "verify_problems", "reconcile_problems", "station_ended_itself",
)  # fmt: skip
"""Each must be 0."""


def count(folder: Path, records: Path) -> dict[str, Any]:
    """Return every figure of a soak; those named in ``SAFETY`` must be 0."""
    return count_evidence(read_evidence(folder, records)) | _check_records(records)


def count_evidence(seen: Evidence) -> dict[str, Any]:
    """Return what follows from the journals and the rows alone."""
    cover = _cover(seen.rows)
    return {
        **_count_records(seen, cover),
        **_count_lanes(seen, cover),
        **_count_blocks(seen),
        **_count_verdicts(seen),
        **_count_hangs(seen),
        "station_ended_itself": seen.ended_itself,
        "parts": seen.entered,
        "gate": seen.counters,
        "lives": len(seen.lives),
        "recovery": recoveries(seen),
        "latency": latencies(seen),
        "memory": memory(seen),
    }


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
        known = numbers if place == 0 else [1, *numbers]  # a controller that restarted began with 1
        wanted |= {(boot, number) for pair in pairwise(known) for number in _numbers(*pair)}
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
    for boot, after in pairwise(boots):
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
    told = {(block[2], block[1]): block[1:5] for block in seen.blocks}
    lanes: Counter[int] = Counter()
    figures = Counter(
        dict.fromkeys(
            ("good_lane_without_own_good", "good_lane_not_good", "good_of_failed_engine", "records_differ",
             "judged_but_declared_after_kill", "closed_for_another_part"), 0,
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
        if tuple(taken[:2]) != (sequence, boot):  # two parts fitted the age, as after a restart under a covered sensor
            figures["closed_for_another_part"] += lane == 0
            taken = told.get(key, taken)
        row = cover[key][0]
        if row["missed"]:
            is_declared = row["gap"] is not None or any(abs(kill - seen.triggers[key][0]) < 15 for kill in seen.kills)
            figures["judged_but_declared_after_kill" if is_declared else "records_differ"] += 1
        elif (row["verdict"], row["lane"]) != ({1: "GOOD", 2: "REJECT", 3: "RECHECK"}.get(taken[2]), taken[3]) or (
            lane > 0 and row["true_class"] != "good"
        ):
            figures["records_differ"] += 1
    by_lane = {str(lane): lanes[lane] for lane in sorted(lanes)}
    return dict(figures) | {"lanes": by_lane, "parts_left": sum(lanes.values())}


def _count_blocks(seen: Evidence) -> dict[str, Any]:
    names = (
        "blocks_repeated",
        "blocks_of_no_part",
        "good_by_other_recipe",
        "good_while_locked",
        "good_while_not_asked",
    )
    figures = Counter(dict.fromkeys(names, 0))
    sent: set[Key] = set()
    locked = _locked_spans(seen)
    not_asked = [
        (begin + NOT_ASKED[kind], end - READ_WITHIN_S) for kind, begin, end, _ in seen.faults if kind in NOT_ASKED
    ]
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
            figures["good_while_not_asked"] += came is not None and any(
                begin < came[0] < end for begin, end in not_asked
            )
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


def _count_hangs(seen: Evidence) -> dict[str, int]:
    """Count engines that hung for 1 s while the controller went on believing the heartbeat.

    A controller that this machine kept from scanning for most of that second cannot tell; that is counted apart.
    """
    times = [at for at, _ in seen.watchdog]
    came = sorted(at for at, _, _ in seen.triggers.values())
    others = [(begin, end) for kind, begin, end, _ in seen.faults if kind in HIDES_A_HANG]
    found = {"hangs_unseen": 0, "hangs_while_controller_starved": 0}
    for kind, begin, end, key in seen.faults:
        place = bisect_right(times, begin)
        was_tripped = place > 0 and seen.watchdog[place - 1][1]
        trips = any(tripped for _, tripped in seen.watchdog[place : bisect_left(times, begin + HANG_SEEN_S)])
        overlaps = any(first < end + 1 and last > begin - 1 for first, last in others)
        if kind != "engine-hung" or was_tripped or trips or overlaps:
            continue
        at = seen.triggers[key][0] if key in seen.triggers else begin
        after = bisect_right(came, at)  # the next part comes when the window is over, by the controller's own scans
        is_starved = after < len(came) and came[after] - at > STARVED_WINDOW_S
        found["hangs_while_controller_starved" if is_starved else "hangs_unseen"] += 1
    return found
