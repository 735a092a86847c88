"""The tables of the picture check, from its figures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from figures import count_of, format_table
from spoiled import PATIENCE, SLOW, SPOILED

from partgate.evaluation.rates import lower_bound, upper_bound


def tables(facts: Mapping[str, Any]) -> str:
    """Return the figures as Markdown."""
    sets: Mapping[str, Any] = facts["sets"]
    times = [[size, f"{ms:.1f}"] for size, ms in facts["ms"].items()]
    return "\n\n".join([
        "# Picture check\n\nWritten by `python benchmarks/picture_check.py`; what is measured stands in its head.",
        "## False alarms on the held-out fifth\n\n" + alarm_table(sets),
        "## Hits on spoiled copies of the held-out fifth\n\n" + copy_table(sets),
        "## Drift: false warnings\n\n" + stream_table(sets),
        "## Drift: parts until a warning\n\nMedian and 95 % of 400 streams; in brackets the copies that the limits "
        f"themselves find not usable. `-`: not within {PATIENCE} parts.\n\n" + change_table(sets),
        "## Which measure of focus\n\nOn the learned pictures alone: share of copies below the least sharp picture, "
        "mean of the sets.\n\n" + focus_table(sets),
        "## Time\n\n" + format_table(["picture", "processor ms"], times),
    ]) + "\n"  # fmt: skip


def alarm_table(sets: Mapping[str, Any]) -> str:
    """Return a row per set and one for all."""
    rows = []
    keys = ("learned", "alarms_good", "good", "alarms_all", "held_out")
    total = [sum(one[key] for one in sets.values()) for key in keys]
    for name, values in [*((name, [one[key] for key in keys]) for name, one in sets.items()), ("all", total)]:
        learned, alarms, good, alarms_all, held_out = values
        rows.append([name, str(learned), count_of(alarms, good), f"{upper_bound(alarms, good):.1%}",
                     count_of(alarms_all, held_out)])  # fmt: skip
    return format_table(["set", "learned", "false alarms on good", "at most", "on all classes"], rows)


def copy_table(sets: Mapping[str, Any]) -> str:
    """Return a row per kind of copy."""
    rows = []
    n = sum(one["held_out"] for one in sets.values())
    for what in SPOILED:
        hits = sum(one["copies"][what] for one in sets.values())
        rows.append([what, *(f"{one['copies'][what]}/{one['held_out']}" for one in sets.values()), f"{hits}/{n}",
                     f"{lower_bound(hits, n):.0%}"])  # fmt: skip
    return format_table(["copies", *sets, "all", "at least"], rows)


def stream_table(sets: Mapping[str, Any]) -> str:
    """Return a row per set and one for all: warnings among parts."""
    rows = []
    for name, one in sets.items():
        drift = one["drift"]
        parts = drift["parts"]
        rates = [drift[key] if drift[key] is None else drift[key] / parts * 1e5 for key in ("in_runs", "other_groups")]
        rows.append([name, f"{drift['unchanged']} of {parts}", f"{upper_bound(drift['unchanged'], parts) * 1e5:.3f}",
                     *("-" if rate is None else f"{rate:.2f}" for rate in rates)])  # fmt: skip
    warned, parts = (sum(one["drift"][key] for one in sets.values()) for key in ("unchanged", "parts"))
    rows.append(["all", f"{warned} of {parts}", f"{upper_bound(warned, parts) * 1e5:.3f}", "", ""])
    head = ["set", "unchanged", "at most per 100,000", "in runs, per 100,000", "other groups, per 100,000"]
    return format_table(head, rows)


def change_table(sets: Mapping[str, Any]) -> str:
    """Return a row per set."""
    rows = []
    for name, one in sets.items():
        cells = []
        for what in SLOW:
            drift = one["drift"][what]
            times = [f"{drift[key]:.0f}" if np.isfinite(drift[key]) else "-" for key in ("median", "p95")]
            cells.append(f"{times[0]}, {times[1]} ({drift['not_usable']}/{drift['copies']})")
        rows.append([name, *cells])
    return format_table(["set", *SLOW], rows)


def focus_table(sets: Mapping[str, Any]) -> str:
    """Return a row per candidate."""
    every = [one["focus"] for one in sets.values()]
    shares = {name: [np.mean([one[name][what] for one in every]) for what in every[0][name]] for name in every[0]}
    return format_table(
        ["measure", *next(iter(every[0].values()))],
        [[name, *(f"{s:.2f}" for s in row)] for name, row in shares.items()],
    )
