"""The payback as one page for the owner in both languages, as a section of a report, and as JSON."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from partgate import __version__
from partgate.configfile import write_atomically
from partgate.errors import DataError
from partgate.glossary import printable, text
from partgate.pages import frame
from partgate.pages.bilingual import Bilingual, drawing, phrase
from partgate.payback.case import Item
from partgate.payback.chart import payback_svg
from partgate.payback.figures import GATES_RATES, TODAYS_RATES
from partgate.payback.payback import Payback, as_facts
from partgate.payback.sensitivity import Move
from partgate.payback.words import (
    MOVES_SHOWN,
    say_caveats,
    say_headline,
    say_hours,
    say_how_to_read,
    say_never,
    say_saving,
    write_input,
    write_money,
    write_months,
    write_rate,
)

PAGE_FILE, JSON_FILE = "payback.html", "payback.json"
_PACKAGE = "partgate.payback"
_NOT_IN_IT = ("hours", "rates", "defects", "static", "rest")


def write_payback(payback: Payback, out: Path, language: str = "en") -> None:
    """Write ``payback.html`` and ``payback.json`` into a folder; older ones are replaced.

    Raises:
        DataError: If the folder cannot be written to.
        ValueError: If the language is unknown.
    """
    now = datetime.now(UTC)
    page = render_payback(payback, language, now)
    facts = {"created_at": now.isoformat(timespec="seconds"), **as_facts(payback)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / JSON_FILE, json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False).encode())
        write_atomically(out / PAGE_FILE, page.encode())
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}; name a writable folder") from error


def render_payback(payback: Payback, language: str = "en", created_at: datetime | None = None) -> str:
    """Return the page.

    Args:
        payback: What was worked out.
        language: Shown first; the other is one click away.
        created_at: Shown on the page; now where it is missing.

    Raises:
        ValueError: If the language is unknown.
    """
    return frame.render(
        _PACKAGE, "payback.html.j2", language,
        title=payback.case.name, created_at=created_at or datetime.now(UTC), version=__version__,
        **_shown(payback),
    )  # fmt: skip


def render_section(payback: Payback) -> Markup:
    """Return the payback as a section of another page, in both languages."""
    return frame.render_section(_PACKAGE, "payback_section.html.j2", **_shown(payback))


def _shown(payback: Payback) -> dict[str, Any]:
    """Return what the section shows."""
    likely = payback.likely
    return {
        "headline": _said(say_headline, payback),
        "saving": _said(say_saving, payback),
        "hours": _said(say_hours, payback) if likely.hours_with_gate is not None else None,
        "never": _sentences(say_never, payback),
        "caveats": _sentences(say_caveats, payback),
        "chart": drawing(lambda language: payback_svg(payback, language)),
        "how_to_read": Bilingual(say_how_to_read),
        "currency": payback.case.costs.currency,
        "lines": [
            (phrase(f"payback.line.{line.name}"), *map(_money, (line.today, line.with_gate, line.saving)))
            for line in likely.lines
        ],
        "sums": [_money(sum((getattr(line, side) for line in likely.lines), Decimal(0)))
                 for side in ("today", "with_gate", "saving")],
        "moves": [_move_row(payback, move) for move in payback.moves[:MOVES_SHOWN]],
        "assumptions": list(_assumptions(payback)),
        "not_in_it": [phrase(f"payback.not_in_it.{one}") for one in _NOT_IN_IT],
    }  # fmt: skip


def _said(say: Callable[[Payback, str], str], payback: Payback) -> Bilingual:
    return Bilingual(lambda language: say(payback, language))


def _sentences(say: Callable[[Payback, str], list[str]], payback: Payback) -> list[Bilingual]:
    """Return sentences that exist equally many times in every language, each in all of them."""

    def one_of(place: int) -> Bilingual:
        return Bilingual(lambda language: say(payback, language)[place])

    return [one_of(place) for place in range(len(say(payback, "en")))]


def _money(amount: Decimal) -> Bilingual:
    return Bilingual(lambda language: write_money(amount, language))


def _input(payback: Payback, name: str, value: Decimal) -> Bilingual:
    return Bilingual(lambda language: write_input(payback, name, value, language))


def _move_row(payback: Payback, move: Move) -> tuple[Bilingual, Bilingual, Bilingual]:
    """Return the name of a number, between which values it moved, and the months at both ends."""
    low, high = (Bilingual(partial(write_months, months)) for months in move.months)
    values = {"low": _input(payback, move.name, move.low), "high": _input(payback, move.name, move.high)}
    return (
        phrase(f"payback.input.{move.name}"),
        phrase("payback.from_to", **values),
        phrase("payback.from_to", low=low, high=high),
    )


def _assumptions(payback: Payback) -> Iterator[tuple[Bilingual, Bilingual, str | None]]:
    """Yield every number that was given: its name, its value, its source."""
    case, figures = payback.case, payback.likely.figures
    sources = {
        "parts_per_year": case.volume.source, "defect_share": case.volume.source,
        "hours_per_year": case.today.source, "hours_per_1000_parts": case.today.source,
        "wage_per_hour": case.today.source, "escape_cost": case.costs.source,
        "false_reject_cost": case.costs.source, "recheck_cost": case.costs.source,
        "recheck_minutes": case.with_gate.source, "remaining_hours": case.with_gate.source,
    }  # fmt: skip
    for name, source in sources.items():
        value = getattr(figures, name)
        if value or name == "remaining_hours":
            yield phrase(f"payback.input.{name}"), _input(payback, name, value), source
    for name in (*TODAYS_RATES, *GATES_RATES):
        rate = payback.rate(name)
        source = rate.source or (payback.rates.source if name in GATES_RATES else None)
        yield phrase(f"payback.input.{name}"), Bilingual(partial(write_rate, rate)), source
    yield _items(payback, "investment", figures.investment, case.investment)
    if figures.running_cost:
        yield _items(payback, "running_cost", figures.running_cost, case.running_cost_per_year)
    if case.grant is not None:
        yield phrase("payback.input.grant_amount"), _input(payback, "grant_amount", payback.grant), case.grant.source


def _items(
    payback: Payback, name: str, total: Decimal, items: tuple[Item, ...]
) -> tuple[Bilingual, Bilingual, str | None]:
    """Return a sum with the items in it, and their sources, each once."""

    def written(language: str) -> str:
        named = ", ".join(f"{printable(item.name)} {write_money(item.amount, language, 0)}" for item in items)
        return text("payback.value.items", language, amount=write_input(payback, name, total, language), items=named)

    sources = dict.fromkeys(item.source for item in items if item.source)
    return phrase(f"payback.input.{name}"), Bilingual(written), ", ".join(sources) or None
