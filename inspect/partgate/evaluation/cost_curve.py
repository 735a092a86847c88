"""The cost curve: what each rule that could be chosen lets escape, throws away, sends to recheck, and costs."""

from collections.abc import Mapping
from typing import Any

from partgate.evaluation.operating_points import (
    PER,
    Money,
    OperatingPoint,
    PartScores,
    count_at,
    price,
    share_on_line,
    trace_curve,
)
from partgate.evaluation.rates import upper_bound
from partgate.wishes import Wishes


def describe_cost(
    scores: PartScores,
    wishes: Wishes,
    recheck_from: float,
    reject_from: float,
    found: OperatingPoint | None = None,
    counted: str = "part",
) -> dict[str, Any] | None:
    """Return the cost curve and the rule in force on it; ``None`` where good or defect parts are missing.

    Args:
        scores: Of parts that the model has not learned from.
        wishes: Cost and defect share.
        recheck_from: Limit in force.
        reject_from: Limit in force.
        counted: ``part`` or ``picture``: what the scores are of.
        found: What the rule did to the parts, where more than the score decided; else it is counted here.
    """
    if scores.is_defect.all() or not scores.is_defect.any():
        return None
    share = share_on_line(scores, wishes)
    chosen = describe_point(found or count_at(scores, recheck_from, reject_from), wishes, share)
    return {
        **wishes.cost.model_dump(),
        "per": PER,
        "defect_share": share,
        "defect_share_from": "data" if wishes.defect_share is None else "recipe",
        "counted": counted,
        "n_good": int((~scores.is_defect).sum()),
        "n_defect": int(scores.is_defect.sum()),
        "chosen": chosen,
        "points": [describe_point(point, wishes, share) for point in trace_curve(scores, wishes)],
    }


def describe_point(point: OperatingPoint, wishes: Wishes, share: float) -> dict[str, Any]:
    """Return a rule's counts, bounds and money as plain values."""
    money: Money | None = price(point, wishes.cost, share)
    rechecks = point.rechecks_good + point.rechecks_defect
    n = point.n_good + point.n_defect
    return {
        "recheck_from": point.recheck_from,
        "reject_from": point.reject_from,
        "escapes": point.escapes,
        "false_rejects": point.false_rejects,
        "rechecks_good": point.rechecks_good,
        "rechecks_defect": point.rechecks_defect,
        "escape_rate_upper95": upper_bound(point.escapes, point.n_defect),
        "false_reject_rate_upper95": upper_bound(point.false_rejects, point.n_good),
        "recheck_rate_upper95": upper_bound(rechecks, n),
        "money": None if money is None else money.value,
        "money_low": None if money is None else money.low,
        "money_high": None if money is None else money.high,
    }


def pick_points(cost: Mapping[str, Any], most: int = 12) -> list[Mapping[str, Any]]:
    """Return some points of a curve for a table: the strict end closely, the rest in growing steps."""
    points = cost["points"]
    if len(points) <= most:
        return list(points)
    half = most // 2
    rest = points[half:]
    steps = [round(place * (len(rest) - 1) / (most - half - 1)) for place in range(most - half)]
    return [*points[:half], *(rest[step] for step in dict.fromkeys(steps))]
