"""What two gates did to the same parts, in figures: how often, what chance explains, which of the two is better."""

from collections.abc import Callable, Sequence
from typing import Any

from partgate.evaluation.changes import Pair, count_moves, list_changes
from partgate.evaluation.judge import Judged, is_escape, is_false_reject, kind_of_mistake
from partgate.evaluation.paired import BEYOND_CHANCE, PairedCounts, difference_interval
from partgate.evaluation.rates import upper_bound
from partgate.parts import Verdict

CRITERIA = ("escapes", "false_rejects", "wrong_class", "rechecks")
"""Figures that decide which gate is better; the others are shown beside them."""

MISTAKES = ("escapes", "false_rejects", "wrong_class")
"""Those of them that are mistakes: fewer rechecks alone make no gate better that makes more of them."""

_Event = Callable[[Judged], bool]


def compare_pairs(
    pairs: Sequence[Pair], good: str | None, keys: tuple[str, str], *, is_same_gate: bool
) -> dict[str, Any]:
    """Return figures, moves, changed parts and what they say together.

    Args:
        pairs: Each part under the first and the second gate.
        good: The good class; ``None`` in sorting.
        keys: What the two are called.
        is_same_gate: Nothing can differ.
    """
    counts = _count(pairs, good)
    changed = list_changes(pairs, good, keys)
    better, worse = (sum(one["change"] == word for one in changed) for word in ("better", "worse"))
    return {
        "beyond_chance_below": BEYOND_CHANCE,
        "figures": {name: _figure(found, keys) for name, found in counts.items()},
        "better": better,
        "worse": worse,
        "conclusion": _conclude(counts, keys, is_same_gate=is_same_gate, is_changed=bool(changed)),
        "moves": count_moves(pairs, good),
        "changed": changed,
    }


def _count(pairs: Sequence[Pair], good: str | None) -> dict[str, PairedCounts]:
    """Return what happened under both, by figure; ``closed`` counts every recheck against the gate."""

    def is_recheck(one: Judged) -> bool:
        return one.decision.verdict is Verdict.RECHECK

    def is_wrong(one: Judged) -> bool:
        return kind_of_mistake(one, good) in ("escape", "false_reject", "wrong_class")

    def is_unsettled(one: Judged) -> bool:
        return is_wrong(one) or is_recheck(one)

    defects = [pair for pair in pairs if pair[0].picture.label != good]
    goods = [pair for pair in pairs if pair[0].picture.label == good]
    asked: dict[str, tuple[Sequence[Pair], _Event]] = {
        "escapes": (defects, lambda one: is_escape(one, good)),
        "false_rejects": (goods, lambda one: is_false_reject(one, good)),
        "rechecks": (pairs, is_recheck),
        "wrong": (pairs, is_wrong),
        "escapes_closed": (defects, is_unsettled),
        "false_rejects_closed": (goods, is_unsettled),
    }
    if good is None:
        asked = {
            "wrong_class": (pairs, is_wrong),
            "rechecks": (pairs, is_recheck),
            "wrong_class_closed": (pairs, is_unsettled),
        }
    return {
        name: PairedCounts.count((happened(one), happened(other)) for one, other in among)
        for name, (among, happened) in asked.items()
    }


def _figure(counts: PairedCounts, keys: tuple[str, str]) -> dict[str, Any]:
    first, second = keys
    n = counts.parts
    low, high = difference_interval(counts) if n else (None, None)
    return {
        "n": n,
        first: counts.first,
        second: counts.second,
        f"{first}_upper95": upper_bound(counts.first, n) if n else None,
        f"{second}_upper95": upper_bound(counts.second, n) if n else None,
        f"only_{first}": counts.only_first,
        f"only_{second}": counts.only_second,
        "both": counts.both,
        "neither": counts.neither,
        "difference": counts.difference,
        "difference_low95": low,
        "difference_high95": high,
        "chance": counts.chance,
        "beyond_chance": counts.is_beyond_chance,
    }


def _conclude(
    counts: dict[str, PairedCounts], keys: tuple[str, str], *, is_same_gate: bool, is_changed: bool
) -> dict[str, Any]:
    """Return what the figures that decide say together; rechecks are one of them, so rechecking all is no success.

    Nor is judging blindly what was rechecked: a gate with fewer rechecks alone and more mistakes, be it by chance, is a
    trade, for mistakes are too rare in most tests to differ beyond chance.
    """
    first, second = keys
    found = [(name, counts[name]) for name in CRITERIA if name in counts and counts[name].is_beyond_chance]
    gains = {
        second: [name for name, one in found if one.second < one.first],
        first: [name for name, one in found if one.first < one.second],
    }
    winners = [key for key, names in gains.items() if names]
    is_work_alone = [gains[key] for key in winners] == [["rechecks"]]
    rose = _mistakes_that_rose(counts, is_second=winners == [second]) if is_work_alone else []
    if is_same_gate:
        kind = "same_gate"
    elif not is_changed:
        kind = "unchanged"
    else:
        kind = "trade" if rose else ("not_enough", "better", "trade")[len(winners)]
    return {
        "kind": kind,
        "better": winners[0] if kind == "better" else None,
        "fewer": gains,
        "more_by_count": rose,
    }


def _mistakes_that_rose(counts: dict[str, PairedCounts], *, is_second: bool) -> list[str]:
    """Return the mistakes of which one gate makes more than the other, by count alone."""
    steps = {name: counts[name].second - counts[name].first for name in MISTAKES if name in counts}
    return [name for name, step in steps.items() if (step if is_second else -step) > 0]
