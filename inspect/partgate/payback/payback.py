"""Months until the gate has paid for itself, as a range from the exact bounds of the measured rates."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from partgate import __version__
from partgate.errors import ConfigError
from partgate.payback.case import PaybackCase
from partgate.payback.figures import (
    GATES_RATES,
    TODAYS_RATES,
    Figures,
    Scenario,
    figures_of,
    grant_of,
    net_investment,
    run_through,
    to_the_cent,
)
from partgate.payback.rates import (
    CONFIDENCE,
    MeasuredRate,
    MeasuredRates,
    rate_of,
    read_measured,
)
from partgate.payback.sensitivity import Move, Threshold, find_thresholds, rank_moves

FORMAT = 1
ScenarioName = Literal["best", "likely", "worst"]
SCENARIOS: tuple[ScenarioName, ...] = ("best", "likely", "worst")


@dataclass(frozen=True, slots=True)
class Payback:
    """What was worked out of a case and the gate's rates."""

    case: PaybackCase
    rates: MeasuredRates
    today: Mapping[str, MeasuredRate]  # by TODAYS_RATES
    best: Scenario  # the gate at its lower bounds, people at their upper ones
    likely: Scenario  # every rate as counted
    worst: Scenario  # the gate at its upper bounds, people at their lower ones
    investment: Decimal
    grant: Decimal
    net: Decimal  # what the owner pays himself
    moves: tuple[Move, ...]  # the strongest first
    never_in: ScenarioName | None  # the mildest scenario of likely and worst that never pays
    thresholds: tuple[Threshold, ...]  # of that scenario

    def scenario(self, name: ScenarioName) -> Scenario:
        """Return one of the three."""
        return {"best": self.best, "likely": self.likely, "worst": self.worst}[name]

    def rate(self, name: str) -> MeasuredRate:
        """Return one of the six rates by its field in ``Figures``."""
        return self.today[name] if name in self.today else getattr(self.rates, name)


def work_out(case: PaybackCase, rates: MeasuredRates) -> Payback:
    """Return the payback of a case.

    Every yearly amount is rounded once, half up to the cent; sums add the rounded amounts, so that what is printed
    adds up. The worst case takes all bounds against the gate at once, the best case all of them for it.

    Args:
        case: Plant, costs, investment; its own ``measured`` is not read.
        rates: What a test showed of the gate.
    """
    today = {"escapes_today": rate_of(case.today.escapes, case.today.source),
             "false_rejects_today": rate_of(case.today.false_rejects, case.today.source)}  # fmt: skip
    counted = figures_of(case, today, rates)
    likely = run_through(counted)
    best = run_through(_at_bounds(counted, today, rates, for_the_gate=True))
    worst = run_through(_at_bounds(counted, today, rates, for_the_gate=False))
    never: ScenarioName | None = "likely" if likely.months is None else "worst" if worst.months is None else None
    return Payback(
        case=case,
        rates=rates,
        today=today,
        best=best,
        likely=likely,
        worst=worst,
        investment=to_the_cent(counted.investment),
        grant=grant_of(counted),
        net=net_investment(counted),
        moves=rank_moves(counted, today | {name: getattr(rates, name) for name in GATES_RATES}),
        never_in=never,
        thresholds=() if never is None else find_thresholds(likely if never == "likely" else worst),
    )


def _at_bounds(
    figures: Figures, today: Mapping[str, MeasuredRate], rates: MeasuredRates, *, for_the_gate: bool
) -> Figures:
    """Return the figures with every rate at the bound that speaks for the gate, or against it."""
    gate, people = ("lower", "upper") if for_the_gate else ("upper", "lower")
    return replace(
        figures,
        **{name: getattr(today[name], people) for name in TODAYS_RATES},
        **{name: getattr(getattr(rates, name), gate) for name in GATES_RATES},
    )


def measured_of(case: PaybackCase, source: str) -> MeasuredRates:
    """Return the rates that a case itself names.

    Raises:
        ConfigError: If it names none; ``source`` is how the user knows the file.
        DataError: As ``read_measured``.
    """
    if case.measured is None:
        raise ConfigError(
            [f"{source}: measured: is missing; name a report.json of 'partgate evaluate', or four counts"]
        )
    return read_measured(case.measured)


def as_facts(payback: Payback) -> dict[str, Any]:
    """Return a payback as plain values, money to the cent; ``docs/payback.md`` names the keys."""
    return {
        "format": FORMAT,
        "partgate": __version__,
        "name": payback.case.name,
        "currency": payback.case.costs.currency,
        "confidence_one_sided": CONFIDENCE,
        "investment": float(payback.investment),
        "grant": float(payback.grant),
        "net_investment": float(payback.net),
        "months": {name: _months(payback.scenario(name)) for name in SCENARIOS},
        "never_in": payback.never_in,
        "scenarios": {name: _scenario_facts(payback.scenario(name)) for name in SCENARIOS},
        "rates": {name: _rate_facts(payback.rate(name)) for name in (*TODAYS_RATES, *GATES_RATES)},
        "measured_source": payback.rates.source,
        "caveats": list(payback.rates.caveats),
        "moves": [_move_facts(move) for move in payback.moves],
        "thresholds": [
            {"name": one.name, "now": float(one.now), "needed": float(one.needed),
             "must": "grow" if one.must_grow else "fall"}
            for one in payback.thresholds
        ],
        "case": payback.case.model_dump(mode="json", exclude={"measured"}, exclude_none=True),
    }  # fmt: skip


def _months(scenario: Scenario) -> float | None:
    return None if scenario.months is None else float(scenario.months)


def _scenario_facts(scenario: Scenario) -> dict[str, Any]:
    later = scenario.hours_with_gate
    return {
        "months": _months(scenario),
        "saving_per_year": float(scenario.saving),
        "lines": {
            line.name: {"today": float(line.today), "with_gate": float(line.with_gate), "saving": float(line.saving)}
            for line in scenario.lines
        },
        "hours_today": round(float(scenario.hours_today), 1),
        "hours_with_gate": None if later is None else round(float(later), 1),
    }


def _rate_facts(rate: MeasuredRate) -> dict[str, Any]:
    bounds = {"lower": float(rate.lower), "upper": float(rate.upper)} if rate.count is not None else {}
    return {"count": rate.count, "of": rate.of, "rate": float(rate.rate), **bounds, "source": rate.source}


def _move_facts(move: Move) -> dict[str, Any]:
    low, high = move.months
    return {
        "name": move.name,
        "by": move.by,
        "from": float(move.low),
        "to": float(move.high),
        "months_from": None if low is None else float(low),
        "months_to": None if high is None else float(high),
        "saving_from": float(move.at_low.saving),
        "saving_to": float(move.at_high.saving),
    }
