"""The learning curve as SVG text: what was measured at each share, the fitted line, and the band beyond."""

import math
from html import escape

import numpy as np

from partgate.glossary import format_number, format_percent, printable, text
from partgate.pages.svg import ACCENT_HEX, FAINT, INK, MUTED, Axis, draw_line, wrap_svg, write_text
from partgate.training.learning_curve import Curve
from partgate.training.learning_curve_measures import RATES
from partgate.training.learning_curve_words import say_outlook, write_value

_TWICE = 2.0
_STEPS = 60
_GRID = 4


def learning_curve_svg(curve: Curve, measure: str, language: str) -> str:
    """Draw one measure of a curve over the share learned from, on a logarithmic axis up to twice of what there is.

    Args:
        curve: Measured points and outlook.
        measure: One of the curve's.
        language: Of labels and numbers.
    """
    sizes = [point.size for point in curve.points]
    across = Axis(math.log2(min(sizes)) - 0.15, math.log2(_TWICE) + 0.1, 66.0, 720.0)
    values = [_shown(measure, float(error)) for point in curve.points for error in point.errors[measure][:, 0]]
    outlook = curve.outlook[measure]
    values += [_shown(measure, error) for _, *edges in outlook.curve for error in edges]
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    room = max(0.01, 0.06 * (max(finite) - min(finite)))
    up = Axis(max(0.0, min(finite) - room), min(1.0, max(finite) + room), 330.0, 34.0)
    shapes = [*_frame(curve, measure, across, up, language), *_beyond(curve, measure, across, up)]
    shapes += [shape for point in range(len(sizes)) for shape in _point(curve, point, measure, across, up, language)]
    return wrap_svg(760, 404, printable(say_outlook(curve, measure, language)), shapes)


def _shown(measure: str, error: float) -> float:
    return error if measure in RATES else 1 - error


def _frame(curve: Curve, measure: str, across: Axis, up: Axis, language: str) -> list[str]:
    title = text(f"learning_curve.measure.{measure}", language)
    shapes = [write_text(0, 14, title[:1].upper() + title[1:], 12, MUTED)]
    for step in range(_GRID + 1):
        value = up.low + (up.high - up.low) * step / _GRID
        shapes.append(draw_line(across.left, up(value), across.right, up(value), FAINT if step else INK))
        error = value if measure in RATES else 1 - value
        shapes.append(
            write_text(across.left - 8, up(value) + 4, write_value(measure, error, language), 12, MUTED, "end")
        )
    ticks = [(point.size, point.share) for point in curve.points] + [(_TWICE, _TWICE)]
    for size, share in ticks:
        name = {1.0: text("learning_curve.chart.all", language), _TWICE: text("learning_curve.chart.twice", language)}
        x = across(math.log2(size))
        shapes.append(draw_line(x, up.left, x, up.left + 5, INK))
        shapes.append(
            write_text(x, up.left + 20, name.get(share, format_percent(size, language, 0)), 12, INK, "middle")
        )
    for point in curve.points:
        grown = point.pictures if curve.grown is None else {curve.grown: point.pictures[curve.grown]}
        n = format_number(round(sum(grown.values())), language)
        shapes.append(write_text(across(math.log2(point.size)), up.left + 36, f"n = {n}", 11, MUTED, "middle"))
    below = text("learning_curve.chart.share", language)
    return [*shapes, write_text((across.left + across.right) / 2, up.left + 62, below, 12, MUTED, "middle")]


def _beyond(curve: Curve, measure: str, across: Axis, up: Axis) -> list[str]:
    """Draw the fitted line through what was measured, and band and dashes up to twice."""
    outlook, shapes = curve.outlook[measure], []
    law = outlook.law
    if outlook.curve:
        upper = [(across(math.log2(size)), up(_shown(measure, low))) for size, _, low, _ in outlook.curve]
        lower = [(across(math.log2(size)), up(_shown(measure, high))) for size, _, _, high in outlook.curve]
        edge = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *reversed(lower)])
        shapes.append(f'<polygon points="{edge}" fill="#dfe3e7"/>')
        middle = [(across(math.log2(size)), up(_shown(measure, error))) for size, error, _, _ in outlook.curve]
        shapes.append(_line(middle, "7 5"))
    if law is not None:
        sizes = np.geomspace(curve.points[0].size, 1, _STEPS)
        shapes.append(_line([(across(math.log2(one)), up(_shown(measure, float(law.at(one))))) for one in sizes]))
    return shapes


def _line(points: list[tuple[float, float]], dashes: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    style = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{path}" fill="none" stroke="{ACCENT_HEX}" stroke-width="2"{style}/>'


def _point(curve: Curve, place: int, measure: str, across: Axis, up: Axis, language: str) -> list[str]:
    point = curve.points[place]
    x, errors = across(math.log2(point.size)), point.errors[measure][:, 0]
    errors = errors[np.isfinite(errors)]
    if not len(errors):
        return []
    shapes = [
        f'<circle cx="{x:.1f}" cy="{up(_shown(measure, float(error))):.1f}" r="2.5" fill="none" stroke="{MUTED}"/>'
        for error in errors
    ]
    mean = float(errors.mean())
    hint = escape(f"{format_percent(point.size, language, 0)}: {write_value(measure, mean, language)}")
    y = up(_shown(measure, mean))
    shapes.append(f'<g><title>{hint}</title><circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{ACCENT_HEX}" '
                  'stroke="#ffffff" stroke-width="1.5"/></g>')  # fmt: skip
    return shapes
