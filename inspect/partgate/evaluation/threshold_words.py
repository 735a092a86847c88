"""What is said about chosen limits: by which wishes, and where they hurt."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from partgate.evaluation.rates import parts_needed, upper_bound
from partgate.wishes import Cost, Wishes

_TOO_MUCH = 0.2  # a wish that drives the other rate beyond a fifth is told to the user


@dataclass(frozen=True, slots=True)
class ChosenLimits:
    """Limits and what they did to the parts they were chosen on."""

    recheck_from: float
    reject_from: float
    n_good: int
    n_defect: int
    escapes: int  # defect parts below recheck_from
    false_rejects: int  # good parts from reject_from upwards
    rechecks_good: int
    rechecks_defect: int
    how: str
    warnings: tuple[str, ...]


def describe_wishes(wishes: Wishes, n_defect: int, n_good: int, *, has_band: bool) -> str:
    """Return in words by what limits were chosen."""
    band = "recheck between the two limits" if has_band else "one limit keeps both"
    if wishes.promise is not None:
        promises = [
            f"at most {100 * share:g} % of future {who} parts {what} (split conformal over {n} parts)"
            for share, who, what, n in (
                (wishes.promise.escape, "defect", "pass", n_defect),
                (wishes.promise.false_reject, "good", "are rejected", n_good),
            )
            if share is not None
        ]
        return ", ".join(promises) + (f": {band}" if has_band or len(promises) > 1 else "")
    wished = [
        f"{name} {value}" for name, value in
        (("max_escape_rate", wishes.max_escape_rate), ("max_false_reject_rate", wishes.max_false_reject_rate))
        if value is not None
    ]  # fmt: skip
    if wished:
        return ", ".join(wished) + (f": {band}" if has_band or len(wished) > 1 else "")
    share = "the data's defect share" if wishes.defect_share is None else f"a defect share of {wishes.defect_share}"
    return f"cheapest where {say_cost(wishes.cost)}, at {share}"


def say_cost(cost: Cost) -> str:
    """Return what mistakes cost, in words.

    Example:
        >>> say_cost(Cost()), say_cost(Cost(escape=250, false_reject=4, recheck=1.5, currency="EUR"))
        ('an escape costs 10 false rejects', 'an escape costs 250 EUR, a false reject 4 EUR and a recheck 1.5 EUR')
    """
    if cost.currency is None:
        recheck = "" if cost.recheck is None else f" and a recheck {cost.recheck / cost.false_reject:g}"
        return f"an escape costs {cost.escape / cost.false_reject:g} false rejects{recheck}"
    unit = cost.currency
    if cost.recheck is None:
        return f"an escape costs {cost.escape:g} {unit} and a false reject {cost.false_reject:g} {unit}"
    return (
        f"an escape costs {cost.escape:g} {unit}, a false reject {cost.false_reject:g} {unit} and a recheck "
        f"{cost.recheck:g} {unit}"
    )


def warn_about(chosen: ChosenLimits, wishes: Wishes) -> Iterator[str]:
    """Give sentences on what the wishes cost, or why they cannot be kept."""
    escape_rate = chosen.escapes / max(1, chosen.n_defect)
    strict = chosen.false_rejects + chosen.rechecks_good
    strict_rate = strict / max(1, chosen.n_good)
    if wishes.promise is not None:
        yield from _warn_about_promise(chosen, wishes)
    if wishes.max_escape_rate is not None and strict_rate > _TOO_MUCH:
        yield (
            f"max_escape_rate {wishes.max_escape_rate:g} (reached: {chosen.escapes} of {chosen.n_defect}) sends "
            f"{strict} of {chosen.n_good} good parts ({100 * strict_rate:.0f} %) "
            "to reject or recheck; more defect pictures, a larger image_size_px or a recheck band may help"
        )
    if wishes.max_false_reject_rate is not None and escape_rate > _TOO_MUCH:
        yield (
            f"max_false_reject_rate {wishes.max_false_reject_rate:g} (reached: {chosen.false_rejects} of "
            f"{chosen.n_good}) lets {chosen.escapes} of {chosen.n_defect} defect parts ({100 * escape_rate:.0f} %) "
            "escape; set max_escape_rate as well to get a recheck band"
        )
    is_by_cost = wishes.max_escape_rate is None and wishes.max_false_reject_rate is None and wishes.promise is None
    if is_by_cost and strict_rate > _TOO_MUCH:
        rarer = "" if wishes.defect_share else ", or defects are rarer on the line than in the data (defect_share)"
        band = "" if wishes.cost.recheck else "; where people look again at doubtful parts, cost.recheck opens a band"
        yield (
            f"the cheapest limits send {strict} of {chosen.n_good} good parts ({100 * strict_rate:.0f} %) to reject or "
            f"recheck to let {chosen.escapes} of {chosen.n_defect} defect parts escape, as {say_cost(wishes.cost)}; "
            f"set cost where that is not so{rarer}{band}"
        )
    if wishes.cost.recheck is not None and wishes.cost.recheck >= min(wishes.cost.escape, wishes.cost.false_reject):
        yield (
            f"a recheck costs {wishes.cost.recheck:g}, no less than a mistake (escape {wishes.cost.escape:g}, false "
            f"reject {wishes.cost.false_reject:g}): it never pays; lower cost.recheck or leave it away"
        )
    false_reject_rate = chosen.false_rejects / max(1, chosen.n_good)
    if wishes.max_false_reject_rate is not None and false_reject_rate > wishes.max_false_reject_rate + 1e-9:
        yield (
            f"max_false_reject_rate {wishes.max_false_reject_rate:g} cannot be kept: {chosen.false_rejects} of "
            f"{chosen.n_good} good parts score as high as a score can be; look at their labels"
        )
    if wishes.max_escape_rate and upper_bound(0, chosen.n_defect) > wishes.max_escape_rate:
        yield (
            f"{chosen.n_defect} defect parts cannot show an escape rate of {wishes.max_escape_rate:g}: even 0 escapes "
            f"show at most {100 * upper_bound(0, chosen.n_defect):.1f} %; {parts_needed(wishes.max_escape_rate)} "
            "different defect parts would be needed"
        )


def _warn_about_promise(chosen: ChosenLimits, wishes: Wishes) -> Iterator[str]:
    assert wishes.promise is not None
    for share, n, who, end in (
        (wishes.promise.escape, chosen.n_defect, "defect", "nothing passes"),
        (wishes.promise.false_reject, chosen.n_good, "good", "nothing is rejected outright"),
    ):
        if share is not None and share * (n + 1) < 1 - 1e-9:
            yield (
                f"{n} {who} parts can promise no less than {100 / (n + 1):.1f} %, {100 * share:g} % was asked for, so "
                f"{end}; {math.ceil(1 / share - 1e-9) - 1} different {who} parts would do"
            )
