"""Rates with their exact bounds: counted ones from a report or a case, estimated ones without bounds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

from partgate.errors import DataError
from partgate.evaluation.rates import lower_bound, upper_bound
from partgate.payback.case import Counted, Measured, Rate

CONFIDENCE = 0.95
"""One-sided confidence of every bound."""

# What a report counts, and in which parts.
_SIDES = {"escapes": "n_defect", "false_rejects": "n_good", "rechecks_good": "n_good", "rechecks_defect": "n_defect"}

Caveat = Literal["pictures", "groups_ignored"]


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """A rate and what it may be at least and at most; all three between 0 and 1."""

    lower: Decimal
    rate: Decimal
    upper: Decimal
    count: int | None = None  # None: estimated, the three are equal
    of: int | None = None
    source: str | None = None

    @classmethod
    def counted(cls, count: int, of: int, source: str | None = None) -> Self:
        """Return ``count`` of ``of`` with its exact one-sided 95 % bounds.

        Example:
            >>> rate = MeasuredRate.counted(0, 1)
            >>> rate.lower, rate.rate, round(rate.upper, 4)
            (Decimal('0'), Decimal('0'), Decimal('0.9500'))
        """
        bounds = lower_bound(count, of, CONFIDENCE), upper_bound(count, of, CONFIDENCE)
        lower, upper = (Decimal(repr(bound)).normalize() for bound in bounds)
        return cls(lower, Decimal(count) / of, upper, count, of, source)

    @classmethod
    def estimated(cls, rate: Decimal, source: str | None = None) -> Self:
        """Return a rate that nobody counted: it has no bounds."""
        return cls(rate, rate, rate, source=source)


@dataclass(frozen=True, slots=True)
class MeasuredRates:
    """What one test showed of the gate."""

    escapes: MeasuredRate  # per defect part
    false_rejects: MeasuredRate  # per good part
    rechecks_good: MeasuredRate  # per good part
    rechecks_defect: MeasuredRate  # per defect part
    source: str | None = None
    caveats: tuple[Caveat, ...] = ()


def rate_of(given: Rate | Counted, source: str | None = None) -> MeasuredRate:
    """Return a rate of the case with its bounds."""
    if isinstance(given, Rate):
        source = given.source or source
        if given.rate is not None:
            return MeasuredRate.estimated(given.rate, source)
    assert given.count is not None  # the case has checked both
    assert given.of is not None
    return MeasuredRate.counted(given.count, given.of, source)


def read_measured(measured: Measured) -> MeasuredRates:
    """Return the rates that a case names: those of its report, or its own counts.

    Raises:
        DataError: If the report is missing, is none, or holds no rates that money can be counted by.
    """
    if measured.report is not None:
        return read_report(measured.report)
    return _measured({name: rate_of(getattr(measured, name)) for name in _SIDES}, measured.source, ())


def read_report(path: Path) -> MeasuredRates:
    """Return the rates of a ``report.json``; a folder is taken for the report in it.

    Raises:
        DataError: If it is missing, is no report, or ``rates_from_report`` refuses it.
    """
    path = path / "report.json" if path.is_dir() else path
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such report; write it with 'partgate evaluate RUN DATA --out FOLDER'") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is no report of 'partgate evaluate': {error}") from error
    if not isinstance(report, dict):
        raise DataError(f"{path}: is no report of 'partgate evaluate': must hold keys and values")
    return rates_from_report(report, str(path))


def rates_from_report(report: Mapping[str, Any], name: str = "report") -> MeasuredRates:
    """Return the rates of an evaluation's report.

    Args:
        report: What ``report.json`` holds.
        name: How the user knows it, for messages.

    Raises:
        DataError: If counts are missing, a side of the test is empty, or no class is the good one.
    """
    missing = [key for key in ("good_class", "n_good", "n_defect", *_SIDES) if key not in report]
    if missing:
        raise DataError(f"{name}: is no report of 'partgate evaluate': {', '.join(missing)} missing")
    if report["good_class"] is None:
        raise DataError(
            f"{name}: comes from a recipe that sorts by class, without a good class, so that it has no escapes and "
            "false rejects; evaluate a recipe with a good class"
        )
    for side in ("defect", "good"):
        if not report[f"n_{side}"]:
            raise DataError(
                f"{name}: holds 0 {side} parts, so that a rate is undefined; evaluate with {side} parts too"
            )
    try:
        rates = {key: MeasuredRate.counted(int(report[key]), int(report[side])) for key, side in _SIDES.items()}
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: is no report of 'partgate evaluate': {error}") from error
    caveats: list[Caveat] = ["pictures"] if report.get("counted") == "picture" else []
    if dict(report.get("training") or {}).get("groups_ignored"):
        caveats.append("groups_ignored")
    facts = [str(report[key]).partition("T")[0] for key in ("recipe", "created_at") if report.get(key)]
    return _measured(rates, ", ".join(["report.json", *facts]), tuple(caveats))


def _measured(rates: Mapping[str, MeasuredRate], source: str | None, caveats: tuple[Caveat, ...]) -> MeasuredRates:
    return MeasuredRates(
        rates["escapes"], rates["false_rejects"], rates["rechecks_good"], rates["rechecks_defect"], source, caveats
    )
