"""The cost curve as SVG text: money above, good parts held up below, over the defect parts that escape."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from partgate.glossary import format_number, format_percent, text
from partgate.pages.svg import ACCENT_HEX, FAINT, INK, MUTED, Axis, draw_line, draw_rectangle, wrap_svg, write_text

_WIDTH, _LEFT, _RIGHT = 720, 76, 700
_TOP, _MIDDLE, _LOWER, _BOTTOM = 40, 220, 268, 400
_TICKS = 4
_LABEL_PX = 90
_SHOWN_SHARE = 0.25  # of the defect parts; the table goes on


def cost_svg(cost: Mapping[str, Any], language: str, is_proposal: bool = False) -> str:
    """Draw a cost curve.

    The upper panel shows money per 1,000 parts with the band of its bounds, the lower one the shares of good parts that
    are rejected (solid) and rechecked (dashed). The rule in force is a ring with its numbers, the cheapest a dot.

    Args:
        cost: As ``cost_curve.describe_cost`` gives it.
        language: Of labels and numbers.
        is_proposal: The marked rule is not in force yet.
    """
    points, chosen = _nearby(cost), cost["chosen"]
    mark = "proposed" if is_proposal else "chosen"
    n_good = cost["n_good"]
    across = Axis(0, max(1, points[-1]["escapes"]), _LEFT, _RIGHT)
    step = _round_step(max(*(point["money_high"] for point in points), chosen["money_high"] or 0.0))
    money = Axis(0, _TICKS * step, _MIDDLE, _TOP)
    share = Axis(0, 1, _BOTTOM, _LOWER)
    shapes = [
        write_text(_LEFT, 22, _money_title(cost, language), size=13, weight=600),
        *_grid(money, step, lambda value: format_number(value, language, _digits(step))),
        _band(points, across, money),
        _path([(across(point["escapes"]), money(point["money"])) for point in points], ACCENT_HEX, 2),
        write_text(_LEFT, _LOWER - 14, text("cost.chart.good", language), size=13, weight=600),
        *_grid(share, 1 / _TICKS, lambda value: format_percent(value, language, 0)),
        _path([(across(point["escapes"]), share(point["false_rejects"] / n_good)) for point in points], INK, 2),
    ]
    if any(point["rechecks_good"] for point in points):
        rechecked = [(across(point["escapes"]), share(point["rechecks_good"] / n_good)) for point in points]
        shapes.append(_path(rechecked, MUTED, 2, "6 4"))
        shapes += _legend(language)
    shapes += _steps(across, points[-1]["escapes"], cost, language)
    shapes += _mark_cheapest(points, chosen, across, money, language)
    shapes += _mark_chosen(chosen, across, money, share, n_good, text(f"cost.chart.{mark}", language))
    return wrap_svg(_WIDTH, _BOTTOM + 52, text("cost.chart.title", language), shapes)


def _nearby(cost: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the points worth looking at: rules that let a quarter of all defect parts pass are chosen by nobody."""
    most = max(cost["n_defect"] * _SHOWN_SHARE, 2 * cost["chosen"]["escapes"])
    shown = [point for point in cost["points"] if point["escapes"] <= most]
    return shown if len(shown) > 1 else list(cost["points"][:2])


def money_words(value: float, cost: Mapping[str, Any], language: str) -> str:
    """Return an amount with its unit."""
    unit = cost["currency"] or text("cost.unit", language)
    return f"{format_number(value, language, _digits(value))} {unit}"


def _digits(value: float) -> int:
    return 0 if value == int(value) or value >= 100 else 1 if value >= 10 else 2


def _money_title(cost: Mapping[str, Any], language: str) -> str:
    return text("cost.chart.money", language, unit=cost["currency"] or text("cost.unit", language))


def _round_step(highest: float) -> float:
    """Return the smallest step of 1, 2, 2.5 or 5 times a power of ten with which the ticks reach the highest value."""
    least = max(highest, 1e-6) / _TICKS
    power = 10.0 ** math.floor(math.log10(least))
    return next(round_one * power for round_one in (1, 2, 2.5, 5, 10) if round_one * power >= least)


def _grid(axis: Axis, step: float, write: Callable[[float], str]) -> list[str]:
    shapes = []
    for place in range(_TICKS + 1):
        value = step * place
        y = axis(value)
        shapes.append(draw_line(_LEFT, y, _RIGHT, y, INK if place == 0 else FAINT))
        shapes.append(write_text(_LEFT - 8, y + 4, write(value), size=11, fill=MUTED, anchor="end"))
    return shapes


def _band(points: Sequence[Mapping[str, Any]], across: Axis, money: Axis) -> str:
    """Draw the area between lower and upper bound, hatched so that it shows without colour."""
    upper = [(across(point["escapes"]), money(point["money_high"])) for point in points]
    lower = [(across(point["escapes"]), money(point["money_low"])) for point in reversed(points)]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*upper, *lower))
    return f'<polygon points="{corners}" fill="{ACCENT_HEX}" fill-opacity="0.14"/>'


def _path(places: Sequence[tuple[float, float]], stroke: str, width: float, dashes: str = "") -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    style = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{corners}" fill="none" stroke="{stroke}" stroke-width="{width:g}"{style}/>'


def _legend(language: str) -> list[str]:
    y, shapes = _LOWER - 18, []
    for x, key, dashes, colour in ((430, "rejected", "", INK), (570, "rechecked", "6 4", MUTED)):
        shapes.append(draw_line(x, y, x + 26, y, colour, 2, dashes))
        shapes.append(write_text(x + 32, y + 4, text(f"cost.chart.{key}", language), size=12, fill=MUTED))
    return shapes


def _steps(across: Axis, most: int, cost: Mapping[str, Any], language: str) -> list[str]:
    shapes = []
    for step in sorted({round(most * place / _TICKS) for place in range(_TICKS + 1)}):
        x = across(step)
        shapes.append(draw_line(x, _BOTTOM, x, _BOTTOM + 5, INK))
        shapes.append(write_text(x, _BOTTOM + 20, format_number(step, language), size=11, fill=MUTED, anchor="middle"))
    noun = text(f"counted.{cost['counted']}.defect", language)
    title = text("cost.chart.escapes", language, n=cost["n_defect"], noun=noun)
    return [*shapes, write_text((_LEFT + _RIGHT) / 2, _BOTTOM + 42, title, size=12, fill=MUTED, anchor="middle")]


def _mark_cheapest(
    points: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any], across: Axis, money: Axis, language: str
) -> list[str]:
    cheapest = min(points, key=lambda point: float(point["money"]))
    x, y = across(cheapest["escapes"]), money(cheapest["money"])
    dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{ACCENT_HEX}"/>'
    if abs(x - across(chosen["escapes"])) < _LABEL_PX:  # its words would lie on those of the rule in force
        return [dot]
    return [dot, write_text(x + 4, y + 16, text("cost.chart.cheapest", language), size=11, fill=ACCENT_HEX, halo=True)]


def _ring(x: float, y: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="#ffffff" stroke="{INK}" stroke-width="2.5"/>'


def _mark_chosen(
    chosen: Mapping[str, Any], across: Axis, money: Axis, share: Axis, n_good: int, words: str
) -> list[str]:
    x, y = across(chosen["escapes"]), _TOP + 24 if chosen["money"] is None else money(chosen["money"])
    rejected = share(chosen["false_rejects"] / n_good)
    side = -1 if x > (_LEFT + _RIGHT) / 2 else 1  # where the words have room
    return [
        draw_line(x, _TOP, x, _BOTTOM, INK, 1, "2 3"),
        *([] if chosen["money"] is None else [_ring(x, y)]),
        draw_rectangle(x - 4, rejected - 4, 8, 8, "#ffffff", INK, 2),
        write_text(x + side * 12, y - 14, words, size=12, weight=600, anchor="end" if side < 0 else "start", halo=True),
    ]
