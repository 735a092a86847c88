"""Agreed limits against what a test has shown, in words: rows of the report and of an acceptance record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from partgate.glossary import format_percent
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import written_name, written_number, written_percent

_MOST_DIGITS = 6
_WHO = {"escape_rate": "defect", "false_reject_rate": "good", "recheck_rate": "good"}


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One agreed limit against what was shown, ready to read."""

    what: Bilingual
    limit: Bilingual
    shown: Bilingual
    bounds: Bilingual
    verdict: str  # passed, failed or not_shown
    missing: Bilingual


def limit_row(result: Mapping[str, Any], counted: str) -> LimitRow:
    """Return the row of one limit.

    Args:
        result: A ``LimitResult`` as plain values.
        counted: ``part`` or ``picture``.
    """
    events, parts, limit, missing = result["events"], result["parts"], result["limit"], result["parts_missing"]
    noun = phrase(f"counted.{counted}.{_WHO[result['kind']]}")
    lower, upper = (written_beside(result[name], limit) for name in ("lower", "upper"))
    rate = written_percent(events / parts if parts else None)
    return LimitRow(
        what=phrase(f"accept.what.{result['scope']}", rate=phrase(result["kind"]), name=written_name(result["name"])),
        limit=written_limit(limit),
        shown=phrase("accept.shown", k=written_number(events), n=written_number(parts), noun=noun, rate=rate),
        bounds=phrase("accept.bounds", lower=lower, upper=upper),
        verdict=result["verdict"],
        missing=phrase("accept.missing", n=written_number(missing)) if missing else phrase("nothing"),
    )


def format_limit(rate: float, language: str) -> str:
    """Write a rate that a person chose, as percent with as many decimals as it has.

    Example:
        >>> format_limit(0.02, "en"), format_limit(0.001, "de")
        ('2 %', '0,1 %')
    """
    digits = next((few for few in range(_MOST_DIGITS) if abs(round(100 * rate, few) - 100 * rate) < 1e-9), _MOST_DIGITS)
    return format_percent(rate, language, digits)


def written_limit(rate: float) -> Bilingual:
    """Return a rate that a person chose, with as many decimals as it has."""
    return Bilingual(lambda language: format_limit(rate, language))


def written_beside(bound: float, limit: float) -> Bilingual:
    """Return a bound with as many decimals as tell it from the limit."""
    digits = 1
    while digits < _MOST_DIGITS and bound != limit and round(100 * bound, digits) == round(100 * limit, digits):
        digits += 1
    return Bilingual(lambda language: format_percent(bound, language, digits))


def written_day(day: str | None) -> Bilingual:
    """Return a day such as 2026-11-23 as each language writes it."""
    if day is None:
        return phrase("nothing")
    year, month, number = day.split("-")
    return phrase("accept.date", year=year, month=month, day=number)
