"""How long the soak's station took, to a verdict and to recover, and how much memory it held."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from typing import Any

import numpy as np
from soak_evidence import Evidence
from soak_line import SCAN_MS

STALLS = ("cut", "freeze", "slow", "unanswered", "unheard", "power", "engine-hung", "engine-slow", "kill",
          "locked-and-killed", "camera-lost")  # fmt: skip
STALL_BEFORE_S, STALL_AFTER_S = 0.3, 1.5


def recoveries(seen: Evidence) -> dict[str, dict[str, Any]]:
    """Return by kind how long it took from its end until the next part's GOOD was taken, in seconds.

    ``longest_alone_s`` leaves out those during which another fault began or lasted.
    """
    accepted = sorted(
        (seen.triggers[boot, sequence][0], seen.triggers[boot, sequence][0] + taken[4] * SCAN_MS / 1000)
        for _, _, boot, sequence, lane, _, taken in seen.parts
        if lane > 0 and taken and (boot, sequence) in seen.triggers
    )
    came = [at for at, _ in accepted]
    by_kind: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for fault in seen.faults:
        kind, begin, end, _ = fault
        place = bisect_left(came, end)
        if place < len(came):
            until = accepted[place][1]
            others = (other for other in seen.faults if other is not fault)
            by_kind[kind].append((until - end, not any(first < until and last > begin for _, first, last, _ in others)))
        else:
            by_kind[kind] += []
    numbers = Counter(kind for kind, *_ in seen.faults)
    return {kind: {"number": numbers[kind], **_spread(times)} for kind, times in sorted(by_kind.items())}


def _spread(times: list[tuple[float, bool]]) -> dict[str, float | None]:
    all_of_them, alone = [took for took, _ in times], [took for took, is_alone in times if is_alone]
    return {
        "median_s": round(float(np.median(all_of_them)), 2) if times else None,
        "longest_s": round(max(all_of_them), 2) if times else None,
        "longest_alone_s": round(max(alone), 2) if alone else None,
    }


def latencies(seen: Evidence) -> dict[str, dict[str, float]]:
    """Return trigger seen to verdict written, in milliseconds, of parts without and with a stall made by the soak."""
    stalls = sorted(
        (begin - STALL_BEFORE_S, end + STALL_AFTER_S) for kind, begin, end, _ in seen.faults if kind in STALLS
    )
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


def memory(seen: Evidence) -> dict[str, float]:
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
