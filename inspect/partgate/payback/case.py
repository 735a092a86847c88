"""What stands in a payback case: today's inspection, volume and costs, the price of the gate, what was measured."""

import re
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from partgate.configfile import RelativePath, Settings, load_config, write_atomically
from partgate.errors import ConfigError
from partgate.payback.thousands import find_grouped_thousands
from partgate.wishes import ask_for_a_fraction

_INSIDE_PACKAGE = Path(__file__).parents[1] / "configs" / "payback"
_INSIDE_CHECKOUT = Path(__file__).parents[3] / "configs" / "payback"
EXAMPLE_FILE = (_INSIDE_PACKAGE if _INSIDE_PACKAGE.is_dir() else _INSIDE_CHECKOUT) / "example.yaml"
_MOST, _MOST_HOURS = 10**9, 10**6  # keep every product exact to the cent within 28 decimal digits
_COUNTED = re.compile(r"\s*(\d+)\s+(?:of|von)\s+(\d+)\s*")
_COUNT_FORMS = "such as '3 of 60'"


def _check_currency(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError(f"must be three capital letters such as EUR or CHF, got {value!r}")
    return value


Money = Annotated[Decimal, Field(gt=0, le=_MOST)]
Hours = Annotated[Decimal, Field(ge=0, le=_MOST_HOURS)]
Name = Annotated[str, Field(min_length=1, max_length=120)]
Source = Annotated[Name | None, Field(description="where the figures come from; shown on the page")]


def _split_counted(data: Any) -> Any:
    """Take ``3 of 60`` apart; other text and bare numbers are refused with the valid forms."""
    if isinstance(data, str) and (found := _COUNTED.fullmatch(data)):
        return {"count": int(found[1]), "of": int(found[2])}
    if isinstance(data, dict):
        return data
    raise ValueError(f"must be counted, {_COUNT_FORMS}, or hold keys and values, got {data!r}")


def _check_count(count: int, of: int) -> None:
    if count > of:
        raise ValueError(f"count must not exceed the parts it was counted in, got {count} of {of}")


class Counted(Settings):
    """So many of so many parts; may be written as ``3 of 60``."""

    count: int = Field(ge=0, le=_MOST, description="how often it was seen, in parts")
    of: int = Field(
        ge=1, le=_MOST, description="parts looked at: defect parts for escapes, good ones for false rejects"
    )

    _split = model_validator(mode="before")(_split_counted)

    @model_validator(mode="after")
    def _fit(self) -> Self:
        _check_count(self.count, self.of)
        return self


class Rate(Settings):
    """A rate of today's inspection: counted (``3 of 60``), or estimated with the source of the estimate."""

    count: int | None = Field(default=None, ge=0, le=_MOST, description="how often it was seen, in parts")
    of: int | None = Field(default=None, ge=1, le=_MOST, description="parts it was counted in")
    rate: Annotated[Decimal, AfterValidator(partial(ask_for_a_fraction, zero=True))] | None = Field(
        default=None, description="share 0 to 1 instead of a count; has no bounds, so the range is too narrow with it"
    )
    source: Source = None

    _split = model_validator(mode="before")(_split_counted)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.count is not None and self.of is not None and self.rate is None:
            _check_count(self.count, self.of)
        elif self.rate is None or self.count is not None or self.of is not None:
            raise ValueError(f"must hold count and of ({_COUNT_FORMS}), or rate and source")
        elif self.source is None:
            raise ValueError("source: is missing: a rate that was not counted needs the source of the estimate")
        return self


class Volume(Settings):
    """How much passes the inspection."""

    parts_per_year: int = Field(gt=0, le=_MOST, description="parts inspected per year")
    defect_share: Annotated[Decimal, AfterValidator(ask_for_a_fraction)] = Field(
        description="share of defect parts before the inspection, 0.02 is 2 %"
    )
    shifts_per_year: Annotated[Decimal, Field(gt=0, le=_MOST_HOURS)] | None = Field(
        default=None, description="shifts per year; needed where hours or minutes are given per shift"
    )
    source: Source = None


class Today(Settings):
    """The manual inspection that the gate is to replace; exactly one of the three ways to say its hours."""

    hours_per_year: Hours | None = Field(default=None, description="hours of all inspectors together, per year")
    hours_per_shift: Hours | None = Field(default=None, description="hours of all inspectors together, per shift")
    hours_per_1000_parts: Hours | None = Field(default=None, description="hours of inspection per 1,000 parts")
    wage_per_hour: Money = Field(description="money per hour with all on-costs; also of the hours that remain")
    escapes: Rate = Field(description="defect parts that people let pass, of all defect parts")
    false_rejects: Rate = Field(description="good parts that people reject, of all good parts")
    source: Source = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = ("hours_per_year", "hours_per_shift", "hours_per_1000_parts")
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"must hold exactly one of {', '.join(ways)}, got {' and '.join(given) or 'none'}")
        if not getattr(self, given[0]):
            raise ValueError(f"{given[0]} must be greater than 0, got 0: with no inspection today nothing is replaced")
        return self


class Costs(Settings):
    """What one mistake costs, without the wages of the inspection."""

    escape: Money = Field(description="money per defect part that is delivered: complaint, sorting, replacement")
    false_reject: Money = Field(description="money per good part that is rejected: its value, or sorting it again")
    recheck: Money | None = Field(
        default=None, description="money per rechecked part, the person's time in it; or with_gate.minutes_per_recheck"
    )
    currency: Annotated[str, AfterValidator(_check_currency)] = Field(
        description="of every amount in the file, three capital letters such as EUR"
    )
    source: Source = None


class WithGate(Settings):
    """The hours that remain for people once the gate judges."""

    minutes_per_recheck: Annotated[Decimal, Field(gt=0, le=_MOST_HOURS)] | None = Field(
        default=None, description="minutes of a person per rechecked part; or costs.recheck, never both"
    )
    sample_check_minutes_per_shift: Hours = Field(
        default=Decimal(0), description="minutes per shift for known samples, cleaning, looking after the gate"
    )
    other_hours_per_year: Hours = Field(
        default=Decimal(0), description="hours per year that people still inspect, for what the gate does not see"
    )
    source: Source = None


class Item(Settings):
    """One amount with its name."""

    name: Name = Field(description="what it is for")
    amount: Money = Field(description="money, written 12500 or 12500.50, never 12.500")
    source: Source = None


class Grant(Settings):
    """Public money for the investment; exactly one of amount and share."""

    amount: Money | None = Field(default=None, description="money, once")
    share: Annotated[Decimal, Field(gt=0), AfterValidator(partial(ask_for_a_fraction, one=True))] | None = Field(
        default=None, description="share of the investment, 0.3 is 30 %"
    )
    ceiling: Money | None = Field(default=None, description="money that the grant never exceeds")
    source: Source = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.amount is None) == (self.share is None):
            raise ValueError("must hold exactly one of amount and share")
        return self


class Measured(Settings):
    """What was measured of the gate: the path of a report, or the four counts of one test."""

    report: RelativePath | None = Field(
        default=None, description="report.json of `partgate evaluate`, from this file's folder"
    )
    escapes: Counted | None = Field(default=None, description="defect parts judged good, of all defect parts")
    false_rejects: Counted | None = Field(default=None, description="good parts rejected, of all good parts")
    rechecks_good: Counted | None = Field(default=None, description="good parts rechecked, of all good parts")
    rechecks_defect: Counted | None = Field(default=None, description="defect parts rechecked, of all defect parts")
    source: Source = None

    @model_validator(mode="before")
    @classmethod
    def _take_a_path(cls, data: Any) -> Any:
        return {"report": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        names = ("escapes", "false_rejects", "rechecks_good", "rechecks_defect")
        missing = [name for name in names if getattr(self, name) is None]
        if self.report is not None and len(missing) < len(names):
            raise ValueError("must hold report or the counts, never both")
        if self.report is None and missing:
            raise ValueError(f"must hold report, or all four counts of one test; missing: {', '.join(missing)}")
        for wrong, rechecked in ((self.escapes, self.rechecks_defect), (self.false_rejects, self.rechecks_good)):
            if wrong is None or rechecked is None:
                continue
            if wrong.of != rechecked.of:
                raise ValueError(f"counts of one test must be of the same parts, got {wrong.of} and {rechecked.of}")
            if wrong.count + rechecked.count > wrong.of:
                raise ValueError(
                    f"a part is judged once, got {wrong.count} wrong and {rechecked.count} rechecked of {wrong.of}"
                )
        return self


class PaybackCase(Settings):
    """One decision to buy: what inspection costs today and what it would cost with the gate."""

    name: Name = Field(description="line or product; headline of the page")
    volume: Volume
    today: Today
    costs: Costs
    with_gate: WithGate
    investment: tuple[Item, ...] = Field(min_length=1, description="what is paid once: name, amount, source")
    running_cost_per_year: tuple[Item, ...] = Field(
        description="what is paid every year: name, amount, source; [] for none"
    )
    grant: Grant | None = None
    measured: Measured | None = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        per_shift = self.today.hours_per_shift is not None or self.with_gate.sample_check_minutes_per_shift > 0
        if per_shift and self.volume.shifts_per_year is None:
            raise ValueError("volume.shifts_per_year: is missing; hours or minutes per shift need it")
        ways = [self.costs.recheck, self.with_gate.minutes_per_recheck]
        if all(way is None for way in ways):
            raise ValueError("costs.recheck: is missing; give it, or with_gate.minutes_per_recheck")
        if all(way is not None for way in ways):
            raise ValueError(
                "costs.recheck and with_gate.minutes_per_recheck would count the person's time twice: give one of them"
            )
        return self


def load_case(path: Path) -> PaybackCase:
    """Return a case from its file.

    Raises:
        ConfigError: If anything is wrong, be it only an amount such as ``18.500``; all problems at once.
    """
    problems = [f"{path}: {problem}" for problem in find_grouped_thousands(path)]
    try:
        case = load_config(path, PaybackCase)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if problems:
        raise ConfigError(problems)
    return case


def write_example(path: Path) -> None:
    """Write the commented example case.

    Raises:
        ConfigError: If something is there already, or the folder is not writable.
    """
    if path.exists():
        raise ConfigError([f"{path}: is there already and is not overwritten; name another file"])
    try:
        write_atomically(path, EXAMPLE_FILE.read_bytes())
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}; name a file in a writable folder"]) from error
