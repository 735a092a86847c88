"""Caught defects against false rejects, and what is rejected against what is caught, as SVG text."""

from collections.abc import Mapping, Sequence
from typing import Any

from partgate.glossary import format_number, format_score, text
from partgate.pages.svg import ACCENT_HEX, INK, MUTED, Axis, draw_line, wrap_svg, write_text
from partgate.report.charts import axis_ticks

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 440.0, 52.0, 416.0, 30.0, 322.0
_Place = tuple[float, float]


def roc_svg(report: Mapping[str, Any], language: str) -> str:
    """Draw how many defect parts are caught at the price of how many false rejects, with the rule in force.

    Args:
        report: With ``curves`` and ``counted``; without both good and defect parts there is nothing to draw: empty.
        language: Of labels and numbers.
    """
    curves = report["curves"]
    if curves is None or curves["roc_area"] is None:
        return ""
    across, up = Axis(0.0, 1.0, _LEFT, _RIGHT), Axis(0.0, 1.0, _BOTTOM, _TOP)
    n_good, n_defect = curves["n_good"], curves["n_defect"]

    def place(point: Mapping[str, Any]) -> _Place:
        return across(point["false_rejects"] / n_good), up(point["caught"] / n_defect)

    chance = draw_line(across(0), up(0), across(1), up(1), MUTED, 1.5, "6 4")
    shapes = [
        *_frame(across, up, ("caught", n_defect), ("false_rejects", n_good), report["counted"], language),
        chance,
        write_text(across(0.14) + 14, up(0.14) + 12, text("curves.chance", language), 12, MUTED, halo=True),
        _path([(across(0), up(0)), *map(place, curves["points"])]),
        *_chosen(curves["chosen"], [place(point) for point in curves["chosen"]], (across(0.46), up(0.22)), language),
    ]
    return wrap_svg(_WIDTH, _BOTTOM + 44, text("curves.roc", language), shapes)


def precision_svg(report: Mapping[str, Any], language: str) -> str:
    """Draw which share of the rejected parts is really defect, over how many defect parts are caught.

    Args:
        report: As for :func:`roc_svg`.
        language: Of labels and numbers.
    """
    curves = report["curves"]
    if curves is None or curves["average_precision"] is None:
        return ""
    across, up = Axis(0.0, 1.0, _LEFT, _RIGHT), Axis(0.0, 1.0, _BOTTOM, _TOP)
    n_good, n_defect = curves["n_good"], curves["n_defect"]

    def place(point: Mapping[str, Any]) -> _Place:
        rejected = point["caught"] + point["false_rejects"]
        return across(point["caught"] / n_defect), up(point["caught"] / rejected if rejected else 1.0)

    share = n_defect / (n_defect + n_good)
    steps = [place(point) for point in curves["points"] if point["caught"] + point["false_rejects"]]
    corners = [(across(0), steps[0][1])]
    for x, y in steps:  # a share holds for all parts caught since the limit before
        corners += [(corners[-1][0], y), (x, y)]
    beside = up(share) + (16 if share > 0.5 else -8)
    shapes = [
        *_frame(across, up, ("really_defect", None), ("caught", n_defect), report["counted"], language),
        draw_line(across(0), up(share), across(1), up(share), MUTED, 1.5, "6 4"),
        write_text(across(0) + 8, beside, text("curves.all_rejected", language), 12, MUTED, halo=True),
        _path(corners),
        *_chosen(curves["chosen"], [place(point) for point in curves["chosen"]], (across(0.08), up(0.24)), language),
    ]
    return wrap_svg(_WIDTH, _BOTTOM + 44, text("curves.precision", language), shapes)


def _frame(
    across: Axis, up: Axis, upwards: tuple[str, int | None], along: tuple[str, int], counted: str, language: str
) -> list[str]:
    """Draw both axes in percent, each with what it counts and of how many."""
    titles = []
    for name, n in (upwards, along):
        of = "" if n is None else format_number(n, language)
        titles.append(text(f"curves.axis.{name}.{counted}", language, n=of))
    return [
        *axis_ticks(across, up, language),
        write_text(0, 14, titles[0], 12, MUTED),
        write_text((_LEFT + _RIGHT) / 2, _BOTTOM + 38, titles[1], 12, MUTED, "middle"),
    ]


def _path(corners: Sequence[_Place]) -> str:
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polyline points="{told}" fill="none" stroke="{ACCENT_HEX}" stroke-width="2.2" stroke-linejoin="round"/>'


def _chosen(
    points: Sequence[Mapping[str, Any]], places: Sequence[_Place], label_at: _Place, language: str
) -> list[str]:
    """Mark the limits in force, each with its name where the chart is empty, and a thin line to it."""
    names = ("reject_from",) if len(points) == 1 else ("recheck_from", "reject_from")
    shapes = []
    for index, (name, point, (x, y)) in enumerate(zip(names, points, places, strict=True)):
        left, base = label_at[0], label_at[1] + 22 * index
        label = text(f"histogram.{name}", language, value=format_score(point["reject_from"], language))
        shapes.append(draw_line(left - 4, base - 4, x, y, INK, 0.8))
        shapes.append(_mark(x, y, is_hollow=name == "recheck_from"))
        shapes.append(write_text(left, base, label, 12, INK, weight=600, halo=True))
    return shapes


def _mark(x: float, y: float, *, is_hollow: bool) -> str:
    """Draw a diamond where parts are rejected, a hollow ring where they are rechecked."""
    if is_hollow:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="#ffffff" stroke="{INK}" stroke-width="2"/>'
    corners = f"{x:.1f},{y - 7:.1f} {x + 7:.1f},{y:.1f} {x:.1f},{y + 7:.1f} {x - 7:.1f},{y:.1f}"
    return f'<polygon points="{corners}" fill="{INK}" stroke="#ffffff"/>'
