"""What another recipe would have done: moves from verdict to verdict and, where the truth is known, what that costs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from partgate.evaluation.operating_points import OperatingPoint, price
from partgate.parts import Verdict
from partgate.recipe import Limits, Recipe
from partgate.replay.account import Other, ranges_of

VERDICTS = ("GOOD", "RECHECK", "REJECT")
Moves = Mapping[tuple[str, str], int]


def difference_facts(other: Other, recipe: Recipe) -> dict[str, Any]:
    """Return the difference between the recipes of the records and another one, as plain values.

    Args:
        other: What was counted.
        recipe: The other one.
    """
    outcomes = _outcomes(other.moves, recipe)
    truths = None if recipe.good_class is None else {
        truth: _matrix(moves, outcomes) | {"count": sum(moves.values())} for truth, moves in other.truths.items()
    }  # fmt: skip
    return {
        "count": other.count,
        "lossy": other.lossy,
        "changed": len(other.changed),
        "changed_records": ranges_of(other.changed),
        "other_class": other.other_class,
        "outcomes": list(outcomes),
        "moves": _matrix(other.moves, outcomes),
        "truths": truths,
        "said_by": {"review": other.said_by["review"], "folder": other.said_by["folder"]},
        "mistakes": None if recipe.good_class is None else _mistakes(other.truths),
        "money": None if recipe.good_class is None else _money(other.truths, recipe.decision),
        "parts": other.parts,
    }


def _outcomes(moves: Moves, recipe: Recipe) -> Sequence[str]:
    """Return all outcomes in the order of a table: verdicts from mild to strict; in sorting the classes first."""
    if recipe.good_class is not None:
        return VERDICTS
    seen = {outcome for move in moves for outcome in move}
    return [*recipe.classes, *sorted(seen - {*recipe.classes, *VERDICTS}), *(one for one in VERDICTS if one in seen)]


def _matrix(moves: Moves, outcomes: Sequence[str]) -> dict[str, Any]:
    """Return counts by outcome then and outcome now."""
    return {"table": {then: {now: moves.get((then, now), 0) for now in outcomes} for then in outcomes}}


def _mistakes(truths: Mapping[str, Counter[tuple[str, str]]]) -> dict[str, dict[str, int]]:
    """Return how often each mistake was made then and would be made now."""
    places = {"then": 0, "now": 1}
    return {
        "escapes": {when: _margin(truths["defect"], "GOOD", place) for when, place in places.items()},
        "false_rejects": {when: _margin(truths["good"], "REJECT", place) for when, place in places.items()},
        "rechecks_defect": {when: _margin(truths["defect"], "RECHECK", place) for when, place in places.items()},
        "rechecks_good": {when: _margin(truths["good"], "RECHECK", place) for when, place in places.items()},
    }


def _margin(moves: Moves, outcome: str, place: int) -> int:
    return sum(count for move, count in moves.items() if move[place] == outcome)


def _money(truths: Mapping[str, Counter[tuple[str, str]]], limits: Limits) -> dict[str, Any] | None:
    """Return what mistakes and rechecks cost per 1,000 parts, then and now.

    ``None`` where the recipe states no cost, where good or defect parts of known truth are missing, and where parts
    were rechecked but a recheck has no price: work that costs nothing would make the one with most of it the cheapest.
    """
    n_good, n_defect = (sum(truths[truth].values()) for truth in ("good", "defect"))
    if "cost" not in limits.model_fields_set or not n_good or not n_defect:
        return None
    share, mistakes = limits.defect_share or n_defect / (n_good + n_defect), _mistakes(truths)
    found: dict[str, Any] = {
        "cost": limits.cost.model_dump(),
        "defect_share": share,
        "share_is_stated": limits.defect_share is not None,
    }
    for when in ("then", "now"):
        counts = {name: mistakes[name][when] for name in mistakes}
        point = OperatingPoint(limits.recheck_from, limits.reject_from, n_good, n_defect, **counts)
        money = price(point, limits.cost, share)
        if money is None:
            return None
        found[when] = asdict(money)
    return found


def direction_of(part: Mapping[str, Any]) -> str:
    """Return in which direction the verdict on a part changed: to reject, to good, or another way.

    Example:
        >>> direction_of({"from": "GOOD", "to": "REJECT"}), direction_of({"from": "RECHECK", "to": "GOOD"})
        ('good_reject', 'to_good')
    """
    good, reject = Verdict.GOOD.name, Verdict.REJECT.name
    match part["from"], part["to"]:
        case (before, after) if before == good and after == reject:
            return "good_reject"
        case (before, after) if before == reject and after == good:
            return "reject_good"
        case (_, after) if after == good:
            return "to_good"
        case (before, _) if before == good:
            return "from_good"
    return "elsewhere"
