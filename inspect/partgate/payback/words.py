"""What a payback says in words: headline, saving, what would have to change, and what it does not cover."""

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from partgate.glossary import format_number, format_percent, languages, text
from partgate.payback.figures import GATES_RATES, TODAYS_RATES
from partgate.payback.payback import SCENARIOS, Payback
from partgate.payback.rates import CONFIDENCE, MeasuredRate
from partgate.payback.sensitivity import SHARES, Threshold

MOVES_SHOWN = 2
"""The numbers that move a payback most; the others stand in the JSON."""

_LONG_MONTHS = 120
_MINUS = "\u2212"
_HOURS = {"hours_per_year": "payback.value.hours", "remaining_hours": "payback.value.hours",
          "hours_per_1000_parts": "payback.value.hours_per_1000",
          "recheck_minutes": "payback.value.minutes"}  # fmt: skip
_NO_BREAK_SPACE = "\u00a0"


def say_headline(payback: Payback, language: str) -> str:
    """Say in one line when the gate has paid for itself.

    Months are rounded up to whole ones.
    """
    values = {name: write_months(payback.scenario(name).months, language, whole=True) for name in SCENARIOS}
    return text(f"payback.headline.{_kind_of_headline(payback)}", language, **values)


def _kind_of_headline(payback: Payback) -> str:
    best, likely, worst = (payback.scenario(name).months for name in SCENARIOS)
    if best is None:
        return "never"
    if payback.net == 0:
        return "paid" if payback.never_in is None else f"paid_{payback.never_in}_never"
    if likely is None:
        return "likely_never"
    if likely > _LONG_MONTHS:
        return "long" if best > _LONG_MONTHS else "likely_long"
    if worst is None:
        return "worst_never"
    if worst > _LONG_MONTHS:
        return "range_long"
    if best.to_integral_value(ROUND_CEILING) < worst.to_integral_value(ROUND_CEILING):
        return "range"
    return "one" if worst <= 1 else "same"


def say_saving(payback: Payback, language: str) -> str:
    """Say the yearly saving with its range, and what is to be paid."""
    savings = {name: _money(payback, payback.scenario(name).saving, language, 0) for name in SCENARIOS}
    paid = {"net": _money(payback, payback.net, language, 0), "grant": _money(payback, payback.grant, language, 0)}
    return text("payback.saving_with_grant" if payback.grant else "payback.saving", language, **savings, **paid)


def say_hours(payback: Payback, language: str) -> str:
    """Say how many hours people spend today and with the gate; empty where rechecks are given as money."""
    likely = payback.likely
    if likely.hours_with_gate is None:
        return ""
    hours = {"today": likely.hours_today, "later": likely.hours_with_gate}
    return text("payback.hours", language, **{name: format_number(float(n), language) for name, n in hours.items()})


def say_never(payback: Payback, language: str) -> list[str]:
    """Say where nothing is ever paid back and which number would have to change; empty where all is paid back."""
    if payback.never_in is None:
        return []
    saving = payback.scenario(payback.never_in).saving
    loss = _money(payback, -saving, language, 0)
    said = [text(f"payback.never.{payback.never_in}" if saving < 0 else "payback.never.nothing", language, loss=loss)]
    changes = [_say_change(payback, one, language) for one in payback.thresholds]
    joined = changes[0]  # enough hours of inspection today always end a loss
    if len(changes) > 1:
        joined = text("payback.change.or", language, first=changes[0], second=changes[1])
    said.append(text("payback.never.change", language, changes=joined))
    return said if payback.never_in == "likely" else [*said, text("payback.never.more_parts", language)]


def _say_change(payback: Payback, change: Threshold, language: str) -> str:
    """Say one threshold; it is rounded away from the loss, so that what is read would really save."""
    return text(
        "payback.change.above" if change.must_grow else "payback.change.below",
        language,
        name=text(f"payback.input.{change.name}", language),
        needed=write_input(payback, change.name, change.needed, language, up=change.must_grow),
        now=write_input(payback, change.name, change.now, language),
    )


def say_caveats(payback: Payback, language: str) -> list[str]:
    """Say what makes this payback weaker than it looks."""
    return list(_caveats(payback, language))


def _caveats(payback: Payback, language: str) -> Iterator[str]:
    for name in (*TODAYS_RATES, *GATES_RATES):
        if payback.rate(name).count is None:
            yield text("payback.caveat.estimated", language, name=text(f"payback.input.{name}", language))
    for caveat in payback.rates.caveats:
        yield text(f"payback.caveat.{caveat}", language)
    if any((payback.scenario(name).months or 0) > _LONG_MONTHS for name in SCENARIOS):
        yield text("payback.caveat.long", language)


def say_how_to_read(language: str) -> str:
    """Say what the three cases are and how sure the range is."""
    return text("payback.how_to_read", language, confidence=format_percent(CONFIDENCE, language, 0))


def write_months(months: Decimal | None, language: str, *, whole: bool = False) -> str:
    """Write months with a tenth, or as whole ones rounded up; ``never`` for None."""
    if months is None:
        return text("payback.never_short", language)
    return format_number(
        float(months.to_integral_value(ROUND_CEILING) if whole else months), language, 0 if whole else 1
    )


def write_rate(rate: MeasuredRate, language: str) -> str:
    """Write a counted rate with its bounds, an estimated one as such."""
    written = {name: format_percent(float(getattr(rate, name)), language) for name in ("rate", "lower", "upper")}
    if rate.count is None or rate.of is None:
        return text("payback.value.estimated", language, rate=written["rate"])
    counts = {"k": format_number(rate.count, language), "n": format_number(rate.of, language)}
    return text("payback.value.counted", language, **counts, **written)


def write_money(amount: Decimal, language: str, digits: int = 2) -> str:
    """Write an amount without its currency, with a real minus sign.

    Example:
        >>> write_money(Decimal("-1234.5"), "de")
        '−1234,50'
    """
    return format_number(float(amount), language, digits).replace("-", _MINUS)


def write_input(payback: Payback, name: str, value: Decimal, language: str, *, up: bool | None = None) -> str:
    """Write one number of the case with its unit.

    Args:
        payback: For its currency.
        name: Field of ``Figures``.
        value: The number.
        language: Of number and unit.
        up: Round up or down where half up could cross a limit; None rounds as usual.
    """
    value = 100 * value if name in SHARES else value
    digits = _digits(name, value)
    if up is not None:
        value = value.quantize(Decimal(1).scaleb(-digits), ROUND_CEILING if up else ROUND_FLOOR)
    if name in SHARES:
        return format_number(float(value), language, digits) + f"{_NO_BREAK_SPACE}%"
    if name in _HOURS:
        return text(_HOURS[name], language, n=format_number(float(value), language, digits))
    if name == "parts_per_year":
        return format_number(float(value), language, digits)
    return _money(payback, value, language, digits)


def _digits(name: str, value: Decimal) -> int:
    """Return how many decimals people expect, and at least two digits that say something."""
    if name == "parts_per_year" or not value:
        return 0
    if name in SHARES:
        usual = 1
    elif name in _HOURS:
        usual = 1 if abs(value) < 100 else 0
    else:
        usual = 2 if abs(value) < 1000 else 0
    return max(usual, 1 - value.adjusted())


def _money(payback: Payback, amount: Decimal, language: str, digits: int) -> str:
    return f"{write_money(amount, language, digits)}{_NO_BREAK_SPACE}{payback.case.costs.currency}"


def summarise(payback: Payback) -> list[str]:
    """Return the payback in a few lines for the screen, in English."""
    language = languages[0]
    lines = [payback.case.name, say_headline(payback, language), say_saving(payback, language)]
    lines += [said] if (said := say_hours(payback, language)) else []
    lines += [*say_never(payback, language), *_table(payback, language)]
    lines.append(f"{text('payback.section.moves', language)}:")
    for move in payback.moves[:MOVES_SHOWN]:
        low, high = (write_input(payback, move.name, value, language) for value in (move.low, move.high))
        months = " – ".join(write_months(one, language) for one in move.months)
        lines.append(f"  {text(f'payback.input.{move.name}', language)} {low} – {high}: {months} months")
    return lines + [f"note: {one}" for one in say_caveats(payback, language)]


def _table(payback: Payback, language: str) -> Iterator[str]:
    """Yield the account as lines of equal width."""
    names = [text(f"payback.line.{line.name}", language) for line in payback.likely.lines]
    heads = [text(f"payback.column.{side}", language) for side in ("today", "with_gate", "saving")]
    first = text("payback.column.line", language, currency=payback.case.costs.currency)
    width = max(len(name) for name in (first, *names)) + 1
    yield f"{first:<{width}}" + "".join(f"{head:>16}" for head in heads)
    for name, line in zip(names, payback.likely.lines, strict=True):
        amounts = (write_money(amount, language) for amount in (line.today, line.with_gate, line.saving))
        yield f"{name:<{width}}" + "".join(f"{amount:>16}" for amount in amounts)
