"""Cumulated money over time as SVG text: the likely line in the band between the worst and the best case."""

import math
from decimal import Decimal

from partgate.glossary import text
from partgate.pages.svg import ACCENT_HEX, FAINT, INK, MUTED, Axis, draw_line, wrap_svg, write_text
from partgate.payback.payback import SCENARIOS, Payback, ScenarioName
from partgate.payback.words import say_headline, write_money, write_months

_BAND = "#dfe3e7"
_SHORTEST, _LONGEST, _WITHOUT_END = 12, 240, 36  # months shown
_BEYOND = 1.4  # so much longer than the longest payback
_LINE_GAP = 18.0  # between two labels, px
_MOST_TICKS = 5


def payback_svg(payback: Payback, language: str) -> str:
    """Draw what is saved less what was paid, from the day of paying on; where a line crosses 0, it is paid back.

    Args:
        payback: With its three cases.
        language: Of labels and numbers.
    """
    months = _horizon(payback)
    ends = {name: _at(payback, name, months) for name in SCENARIOS}
    low, high = min(0.0, -float(payback.net), *ends.values()), max(0.0, *ends.values())
    room = 0.05 * (high - low or 1)
    across, up = Axis(0, months, 80, 424), Axis(low - room, high + room, 262, 32)
    shapes = [*_frame(payback, across, up, months, language), _band(payback, across, up, months)]
    for name in SCENARIOS:
        start, end = (across(0), up(-float(payback.net))), (across(months), up(ends[name]))
        style = (ACCENT_HEX, 3, "") if name == "likely" else (MUTED, 1.5, "6 4")
        shapes.append(draw_line(*start, *end, *style))
    shapes.append(draw_line(across.left, up(0), across.right, up(0), INK, 1.5))
    shapes += [*_ends(ends, across, up, language), *_crossings(payback, across, up, language)]
    return wrap_svg(560, 308, say_headline(payback, language), shapes)


def _horizon(payback: Payback) -> int:
    found = [float(months) for name in SCENARIOS if (months := payback.scenario(name).months) is not None]
    longest = max(found) * _BEYOND if found and max(found) > 0 else _WITHOUT_END
    return min(_LONGEST, max(_SHORTEST, 6 * math.ceil(longest / 6)))


def _at(payback: Payback, name: ScenarioName, months: float) -> float:
    return float(payback.scenario(name).saving) * months / 12 - float(payback.net)


def _frame(payback: Payback, across: Axis, up: Axis, months: int, language: str) -> list[str]:
    title = text("payback.chart.up", language, currency=payback.case.costs.currency)
    shapes = [write_text(0, 15, title, 15, MUTED)]
    step = _round_step((up.high - up.low) / _MOST_TICKS)
    for tick in range(math.ceil(up.low / step), math.floor(up.high / step) + 1):
        y = up(tick * step)
        shapes.append(draw_line(across.left, y, across.right, y, FAINT))
        written = write_money(Decimal(repr(tick * step)), language, 0 if step >= 1 else 2)
        shapes.append(write_text(across.left - 8, y + 5, written, 15, MUTED, "end"))
    every = next((one for one in (1, 2, 3, 6, 12, 24, 48) if months / one <= 7), 96)
    for month in range(0, months + 1, every):
        shapes.append(write_text(across(month), up.left + 22, str(month), 15, MUTED, "middle"))
    middle = (across.left + across.right) / 2
    return [*shapes, write_text(middle, up.left + 43, text("payback.chart.across", language), 15, MUTED, "middle")]


def _round_step(least: float) -> float:
    """Return the next step of 1, 2 or 5 times a power of ten.

    Example:
        >>> _round_step(13000), _round_step(0.3)
        (20000.0, 0.5)
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def _band(payback: Payback, across: Axis, up: Axis, months: int) -> str:
    start = (across(0), up(-float(payback.net)))
    ends = [(across(months), up(_at(payback, name, months))) for name in ("best", "worst")]
    edge = " ".join(f"{x:.1f},{y:.1f}" for x, y in [start, *ends])
    return f'<polygon points="{edge}" fill="{_BAND}"/>'


def _ends(ends: dict[ScenarioName, float], across: Axis, up: Axis, language: str) -> list[str]:
    """Name the lines at their right ends, the labels kept apart."""
    shapes, lowest = [], -math.inf
    for name in SCENARIOS:  # from the upper line to the lower one
        lowest = max(up(ends[name]) + 5, lowest + _LINE_GAP)
        weight = 600 if name == "likely" else 400
        label = text(f"payback.case.{name}", language)
        shapes.append(write_text(across.right + 8, lowest, label, 15, INK, weight=weight))
    return shapes


def _crossings(payback: Payback, across: Axis, up: Axis, language: str) -> list[str]:
    """Mark where the money is back: the likely month above the line of 0, the two others below it."""
    shapes: list[str] = []
    before = -math.inf
    for name in SCENARIOS:
        months = payback.scenario(name).months
        if not months or months > across.high:
            continue
        x, is_likely = across(float(months)), name == "likely"
        fill = ACCENT_HEX if is_likely else "#ffffff"
        shapes.append(f'<circle cx="{x:.1f}" cy="{up(0):.1f}" r="{5 if is_likely else 4}" fill="{fill}" '
                      f'stroke="{INK}" stroke-width="1.5"/>')  # fmt: skip
        written = write_months(months, language, whole=True)
        if is_likely:
            shapes.append(write_text(x, up(0) - 12, written, 16, INK, "middle", 650, halo=True))
        elif x - before > _LINE_GAP * 1.5:
            shapes.append(write_text(x, up(0) + 22, written, 15, INK, "middle", halo=True))
            before = x
    return shapes
