"""The arithmetic of a payback: yearly amounts today and with the gate, saving, months. Money is decimal."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Literal

from partgate.payback.case import PaybackCase
from partgate.payback.rates import MeasuredRate, MeasuredRates

_CENT, _TENTH = Decimal("0.01"), Decimal("0.1")
_HOURS_PER_MINUTE = Decimal(1) / 60
_MONTHS_PER_YEAR = 12

LineName = Literal["inspection", "escapes", "false_rejects", "rechecks", "running_cost"]
TODAYS_RATES = ("escapes_today", "false_rejects_today")
GATES_RATES = ("escapes", "false_rejects", "rechecks_good", "rechecks_defect")


@dataclass(frozen=True, slots=True)
class Figures:
    """Every number that money is counted from; shares 0 to 1, money in the currency of the case, all per year."""

    parts_per_year: Decimal
    defect_share: Decimal
    hours_per_year: Decimal  # of today's inspection; 0 where they are given per 1,000 parts
    hours_per_1000_parts: Decimal
    wage_per_hour: Decimal
    escapes_today: Decimal
    false_rejects_today: Decimal
    escapes: Decimal  # the gate's rates
    false_rejects: Decimal
    rechecks_good: Decimal
    rechecks_defect: Decimal
    escape_cost: Decimal
    false_reject_cost: Decimal
    recheck_cost: Decimal  # 0 where minutes are given
    recheck_minutes: Decimal
    remaining_hours: Decimal  # sample checks and what people still inspect
    running_cost: Decimal
    investment: Decimal
    grant_amount: Decimal
    grant_share: Decimal
    grant_ceiling: Decimal | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the account, money per year to the cent."""

    name: LineName
    today: Decimal
    with_gate: Decimal

    @property
    def saving(self) -> Decimal:
        """What the gate saves here; below 0 where it costs more."""
        return self.today - self.with_gate


@dataclass(frozen=True, slots=True)
class Scenario:
    """The account under one choice of rates."""

    figures: Figures
    lines: tuple[Line, ...]
    saving: Decimal  # per year, the sum of the lines
    months: Decimal | None  # to pay back, rounded up to a tenth; None: never
    hours_today: Decimal  # of people per year
    hours_with_gate: Decimal | None  # None where rechecks are given as money


def figures_of(case: PaybackCase, today: dict[str, MeasuredRate], rates: MeasuredRates) -> Figures:
    """Return the numbers of a case with every rate as it was counted."""
    shifts = case.volume.shifts_per_year or Decimal(0)
    spent, grant = case.today, case.grant
    per_shift = (spent.hours_per_shift or Decimal(0)) * shifts
    checks = case.with_gate.sample_check_minutes_per_shift * shifts * _HOURS_PER_MINUTE
    return Figures(
        parts_per_year=Decimal(case.volume.parts_per_year),
        defect_share=case.volume.defect_share,
        hours_per_year=spent.hours_per_year or per_shift,
        hours_per_1000_parts=spent.hours_per_1000_parts or Decimal(0),
        wage_per_hour=spent.wage_per_hour,
        **{name: rate.rate for name, rate in today.items()},
        **{name: getattr(rates, name).rate for name in GATES_RATES},
        escape_cost=case.costs.escape,
        false_reject_cost=case.costs.false_reject,
        recheck_cost=case.costs.recheck or Decimal(0),
        recheck_minutes=case.with_gate.minutes_per_recheck or Decimal(0),
        remaining_hours=checks + case.with_gate.other_hours_per_year,
        running_cost=sum((item.amount for item in case.running_cost_per_year), Decimal(0)),
        investment=sum((item.amount for item in case.investment), Decimal(0)),
        grant_amount=(grant and grant.amount) or Decimal(0),
        grant_share=(grant and grant.share) or Decimal(0),
        grant_ceiling=grant.ceiling if grant else None,
    )


def run_through(figures: Figures) -> Scenario:
    """Return the whole account for one choice of numbers."""
    lines = tuple(Line(name, to_the_cent(today), to_the_cent(later)) for name, today, later in _amounts(figures))
    saving = sum((line.saving for line in lines), Decimal(0))
    later = figures.remaining_hours + rechecked(figures) * figures.recheck_minutes * _HOURS_PER_MINUTE
    return Scenario(
        figures=figures,
        lines=lines,
        saving=saving,
        months=months_to_pay(net_investment(figures), saving),
        hours_today=_hours_today(figures),
        hours_with_gate=later if figures.recheck_minutes else None,
    )


def exact_saving(figures: Figures) -> Decimal:
    """Return the yearly saving before anything is rounded; straight in every single number."""
    return sum((today - later for _, today, later in _amounts(figures)), Decimal(0))


def rechecked(figures: Figures) -> Decimal:
    """Return how many parts per year the gate hands to a person."""
    good, defect = _good_and_defect(figures)
    return good * figures.rechecks_good + defect * figures.rechecks_defect


def grant_of(figures: Figures) -> Decimal:
    """Return the grant to the cent: never above its ceiling, never above the investment."""
    grant = figures.grant_amount + figures.grant_share * figures.investment
    if figures.grant_ceiling is not None:
        grant = min(grant, figures.grant_ceiling)
    return to_the_cent(min(grant, figures.investment))


def net_investment(figures: Figures) -> Decimal:
    """Return what the owner pays himself, to the cent."""
    return to_the_cent(figures.investment) - grant_of(figures)


def months_to_pay(net: Decimal, saving: Decimal) -> Decimal | None:
    """Return net investment / yearly saving x 12, rounded up to a tenth of a month.

    Args:
        net: Money paid once, 0 or more.
        saving: Money per year.

    Returns:
        Months; 0 where nothing is left to pay and nothing is lost; None where it is never paid back: a yearly loss
        eats up any grant.

    Source:
        Static payback period without interest, tax and depreciation (any textbook of investment appraisal).

    Example:
        >>> months_to_pay(Decimal("12000"), Decimal("9000")), months_to_pay(Decimal("12000"), Decimal("-1"))
        (Decimal('16.0'), None)
    """
    if saving < 0 or (saving == 0 and net > 0):
        return None
    return Decimal(0) if net == 0 else (net * _MONTHS_PER_YEAR / saving).quantize(_TENTH, ROUND_UP)


def to_the_cent(amount: Decimal) -> Decimal:
    """Round an amount half up, away from zero.

    Example:
        >>> to_the_cent(Decimal("2.345")), to_the_cent(Decimal("-2.345"))
        (Decimal('2.35'), Decimal('-2.35'))
    """
    return amount.quantize(_CENT, ROUND_HALF_UP)


def _good_and_defect(figures: Figures) -> tuple[Decimal, Decimal]:
    defect = figures.parts_per_year * figures.defect_share
    return figures.parts_per_year - defect, defect


def _hours_today(figures: Figures) -> Decimal:
    return figures.hours_per_year + figures.hours_per_1000_parts * figures.parts_per_year / 1000


def _amounts(figures: Figures) -> list[tuple[LineName, Decimal, Decimal]]:
    """Return each line's money per year today and with the gate, unrounded.

    Whoever rechecks a part is taken to miss and to reject as many as the inspectors of today.
    """
    good, defect = _good_and_defect(figures)
    escapes = min(Decimal(1), figures.escapes + figures.rechecks_defect * figures.escapes_today)
    false_rejects = min(Decimal(1), figures.false_rejects + figures.rechecks_good * figures.false_rejects_today)
    wage = figures.wage_per_hour
    per_recheck = figures.recheck_cost + figures.recheck_minutes * _HOURS_PER_MINUTE * wage
    nothing = Decimal(0)
    return [
        ("inspection", _hours_today(figures) * wage, figures.remaining_hours * wage),
        ("escapes", defect * figures.escapes_today * figures.escape_cost, defect * escapes * figures.escape_cost),
        (
            "false_rejects",
            good * figures.false_rejects_today * figures.false_reject_cost,
            good * false_rejects * figures.false_reject_cost,
        ),
        ("rechecks", nothing, rechecked(figures) * per_recheck),
        ("running_cost", nothing, figures.running_cost),
    ]
