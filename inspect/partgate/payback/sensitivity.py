"""Which numbers move a payback most, and what a number would have to be where nothing is ever paid back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Literal

from partgate.payback.figures import Figures, Scenario, exact_saving, run_through
from partgate.payback.rates import MeasuredRate

SWING = Decimal("0.2")
"""Relative change of every number that has no measured bounds."""

SHARES = ("defect_share", "grant_share", "escapes_today", "false_rejects_today", "escapes", "false_rejects",
          "rechecks_good", "rechecks_defect")  # fmt: skip
_PAID_ONCE = ("investment", "grant_amount", "grant_share", "grant_ceiling")
_MOST_NAMED = 2
_HARDLY_MORE = Decimal("1.000001")


@dataclass(frozen=True, slots=True)
class Move:
    """What one number does to the payback while all others stay as they are."""

    name: str  # a field of Figures
    by: Literal["bounds", "swing"]
    low: Decimal  # the number at its lower end, and there:
    high: Decimal
    at_low: Scenario
    at_high: Scenario

    @property
    def months(self) -> tuple[Decimal | None, Decimal | None]:
        """Months at the lower and at the upper end; None: never."""
        return self.at_low.months, self.at_high.months


@dataclass(frozen=True, slots=True)
class Threshold:
    """From where on one number alone would make the gate save money."""

    name: str  # a field of Figures
    now: Decimal
    needed: Decimal
    must_grow: bool


def rank_moves(likely: Figures, rates: Mapping[str, MeasuredRate]) -> tuple[Move, ...]:
    """Return every number's move, the strongest first.

    A number that alone decides between a payback and none stands first; then comes the change in months, then, where
    there is none (never stays never), the change in yearly saving.

    Args:
        likely: The counted case.
        rates: Bounds by the name of the field; estimated rates and all other numbers swing by 20 %.
    """
    return tuple(sorted(_moves(likely, rates), key=_strength, reverse=True))


def _moves(likely: Figures, rates: Mapping[str, MeasuredRate]) -> Iterator[Move]:
    for field in fields(Figures):
        now = getattr(likely, field.name)
        measured = rates.get(field.name)
        if measured is not None and measured.count is not None:
            low, high, by = measured.lower, measured.upper, "bounds"
        elif not now:
            continue
        else:
            low, high, by = now * (1 - SWING), now * (1 + SWING), "swing"
            high = min(high, Decimal(1)) if field.name in SHARES else high
        at_low, at_high = (run_through(replace(likely, **{field.name: value})) for value in (low, high))
        yield Move(field.name, "bounds" if by == "bounds" else "swing", low, high, at_low, at_high)


def _strength(move: Move) -> tuple[bool, Decimal, Decimal]:
    low, high = move.months
    decides = (low is None) != (high is None)
    months = Decimal(0) if low is None or high is None else abs(high - low)
    return decides, months, abs(move.at_high.saving - move.at_low.saving)


def find_thresholds(scenario: Scenario) -> tuple[Threshold, ...]:
    """Return the numbers that alone would turn a loss into a saving, the smallest relative change first.

    The saving is a straight line in each single number, so two points give where it crosses 0; what would have to
    fall below 0, or a share above 1, is no way out and is left out.

    Args:
        scenario: One whose saving is 0 or less; else nothing is returned.
    """
    found = [] if scenario.saving > 0 else list(_crossings(scenario.figures))
    return tuple(sorted(found, key=lambda one: abs(one.needed - one.now) / one.now)[:_MOST_NAMED])


def _crossings(figures: Figures) -> Iterator[Threshold]:
    saving = exact_saving(figures)
    for field in fields(Figures):
        now = getattr(figures, field.name)
        if field.name in _PAID_ONCE or not now:
            continue
        slope = (exact_saving(replace(figures, **{field.name: now / 2})) - saving) / (now / 2 - now)
        if not slope:
            continue
        needed = now - saving / slope
        is_possible = needed >= 0 and (field.name not in SHARES or needed < 1)
        beyond = needed * _HARDLY_MORE if slope > 0 else needed / _HARDLY_MORE
        # A share that is capped at all parts bends the line: what is named must really save.
        if is_possible and exact_saving(replace(figures, **{field.name: beyond})) >= 0:
            yield Threshold(field.name, now, needed, slope > 0)
