"""The soak's figures as tables."""

from collections.abc import Mapping
from typing import Any

from figures import format_table
from soak_breaks import BREAKS
from soak_count import SAFETY

MEMORY_WITHIN_PERCENT = 5.0
_COUNTED = (
    "parts", "parts_left", "triggers", "results", "declared_misses", "declared_gaps", "unseen_before_restart",
    "judged_but_declared_after_kill", "closed_for_another_part", "hangs_while_controller_starved", "blocks", "lives",
    "pictures_verified", "minutes",
)  # fmt: skip
_MEMORY_PARTS = 30_000  # a shorter life says nothing about memory


def violations(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures that are not as they must be."""
    found = {name: figures[name] for name in SAFETY if figures[name]}
    if figures["triggers"] != figures["results"] + figures["declared_misses"] + figures["unseen_before_restart"]:
        found["triggers"] = figures["triggers"]
    memory = figures["memory"]
    if memory.get("parts", 0) >= _MEMORY_PARTS and memory["change_percent"] > MEMORY_WITHIN_PERCENT:
        found["memory"] = memory["change_percent"]
    return found


def format_figures(figures: Mapping[str, Any]) -> str:
    """Return everything about one soak."""
    rows = [[name.replace("_", " "), str(figures[name]), "0"] for name in SAFETY]
    rows += [[name.replace("_", " "), str(figures[name]), "-"] for name in _COUNTED]
    for name, found in figures["latency"].items():
        told = ", ".join(f"{key[:-3]} {value}" for key, value in found.items() if key != "parts")
        rows.append([f"trigger seen to verdict written, {name}, ms", f"{told} ({found['parts']} parts)", "-"])
    memory = figures["memory"]
    if "begin_mb" in memory:
        told = f"{memory['begin_mb']} to {memory['end_mb']} ({memory['change_percent']:+} %, {memory['parts']} parts)"
        rows.append(["resident memory of the longest life, MB", told, f"within {MEMORY_WITHIN_PERCENT:g} %"])
    faults = [
        [kind, str(found["number"]), str(found["median_s"]), str(found["longest_s"]), str(found["longest_alone_s"])]
        for kind, found in figures["recovery"].items()
    ]
    return "\n\n".join((
        format_table(["figure", "counted", "must be"], rows),
        format_table(["fault", "number", "recovery, median s", "longest s", "longest alone s"], faults),
        f"lanes: {figures['lanes']}; verdicts: {figures['verdicts']}; gate: {figures['gate']}",
        f"disk full by: {figures['disk_full_by']}",
        f"planned faults for which no part was left: {figures['faults_not_made']}",
        f"not as it must be: {figures['violations'] or 'nothing'}",
        *figures["first_problems"],
    ))  # fmt: skip


def is_noticed(name: str, figures: Mapping[str, Any]) -> bool:
    """Tell whether a broken rule showed in a figure that is about it; where none is broken, that nothing showed."""
    wanted = BREAKS[name].figures
    return any(figure in figures["violations"] for figure in wanted) if wanted else not figures["violations"]


def format_break(name: str, figures: Mapping[str, Any]) -> str:
    """Return one line about a broken rule."""
    return f"{name}: {'as expected' if is_noticed(name, figures) else 'NOT AS EXPECTED'}: {figures['violations']}"


def format_breaks(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a row for each broken rule: what counts it, and what became of it at the gate."""
    rows = []
    for name, figures in found.items():
        broken = BREAKS[name]
        counted = ", ".join(f"{figure.replace('_', ' ')} {value}" for figure, value in figures["violations"].items())
        wrong = figures["good_lane_without_own_good"] + figures["good_lane_not_good"]
        gate = figures["gate"]
        told = f"{wrong}; late {gate['late']}, overrun {gate['overrun']}, timeout {gate['timeout']}"
        rows.append([broken.rule, counted or "nothing", told])
    return format_table(["rule broken", "figures that fail", "wrong parts in the good lane; gate's counters"], rows)
