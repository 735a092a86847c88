"""The report's charts as SVG text, from plain numbers, for use inside an HTML page.

Every chart reads in greyscale: what colour says is also said by a number, a frame, a hatch or a line style.
"""

import math
from collections.abc import Sequence

from partgate.glossary import format_number, format_percent, format_score, text
from partgate.pages.svg import (
    ACCENT_HEX,
    FAINT,
    INK,
    MUTED,
    Axis,
    draw_line,
    draw_rectangle,
    wrap_svg,
    write_text,
)


def histogram_svg(
    edges: Sequence[float],
    good_counts: Sequence[int],
    defect_counts: Sequence[int],
    recheck_from: float | None,
    reject_from: float | None,
    language: str,
    counted: str = "part",
) -> str:
    """Draw how scores are spread, good above defect on one axis, with the thresholds through both.

    Args:
        edges: Limits of the bins, rising, one more than there are counts.
        good_counts: Good parts per bin; empty where no class is the good one.
        defect_counts: Defect parts per bin; all parts where ``good_counts`` is empty.
        recheck_from: First score that is rechecked; None draws no line.
        reject_from: First score that is rejected; None draws no line.
        language: Of labels and numbers.
        counted: ``part`` or ``picture``.

    Raises:
        ValueError: If a list of counts does not fit the edges.
    """
    for counts in (good_counts, defect_counts):
        if counts and len(counts) != len(edges) - 1:
            raise ValueError(f"{len(edges)} edges need {len(edges) - 1} counts, got {len(counts)}")
    panels = [("good", good_counts), ("defect", defect_counts)] if good_counts else [("all", defect_counts)]
    left, right, top, panel, bars = 4.0, 556.0, 52.0, 128.0, 86.0
    bottom = top + panel * len(panels)
    place = Axis(edges[0], edges[-1], left, right)
    score = "defect_score" if good_counts else "sorting_score"
    axis_title = text("histogram.score", language, score=text(score, language), note=text(f"{score}.note", language))
    shapes = [_hatches(language), _recheck_band(place, recheck_from, reject_from, top, bottom)]
    for index, (kind, counts) in enumerate(panels):
        base = top + panel * (index + 1) - 6
        title = text(f"histogram.{kind}.{counted}", language, n=format_number(sum(counts), language))
        shapes.append(write_text(left, base - bars - 18, title, weight=600, halo=True))
        shapes += _bars(place, edges, counts, base, bars, f"url(#{kind}-{language})", language)
        shapes.append(draw_line(left, base, right, base, INK))
    shapes.append(write_text(right, top - 40, text(f"histogram.count.{counted}", language), 12, MUTED, "end"))
    if recheck_from != reject_from:
        shapes += _threshold(place, recheck_from, "recheck_from", top, bottom, 0, language)
    shapes += _threshold(place, reject_from, "reject_from", top, bottom, 1, language)
    for step in range(6):
        value = edges[0] + (edges[-1] - edges[0]) * step / 5
        anchor = {0: "start", 5: "end"}.get(step, "middle")
        shapes.append(write_text(place(value), bottom + 14, format_number(value, language, 1), 12, MUTED, anchor))
    shapes.append(write_text((left + right) / 2, bottom + 34, axis_title, 12, MUTED, "middle"))
    return wrap_svg(560, bottom + 42, text("histogram.title", language), shapes)


def rate_svg(k: int, n: int, upper: float | None, title: str, language: str) -> str:
    """Draw ``k`` of ``n`` as a bar and its upper bound as a whisker, on an axis in percent that fits both.

    Args:
        k: How many, 0 to ``n``.
        n: Of how many, at least 1.
        upper: Upper bound of the rate, 0..1; None draws no whisker.
        title: What a screen reader says.
        language: Of the axis.

    Raises:
        ValueError: If ``k`` and ``n`` are no rate.
    """
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"a rate needs 0 <= k <= n and n >= 1, got k={k} and n={n}")
    rate, most = k / n, max(k / n, upper or 0.0)
    end = next(limit for limit in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, math.inf) if limit >= min(most, 1.0))
    place = Axis(0.0, end, 2.0, 358.0)
    shapes = [draw_rectangle(2, 8, 356, 14, "#eceef0")]
    if k:
        shapes.append(draw_rectangle(2, 8, max(place(rate) - 2, 2), 14, ACCENT_HEX))
    if upper is not None:
        shapes.append(draw_line(place(rate), 15, place(upper), 15, INK, 1.5))
        shapes.append(draw_line(place(upper), 7, place(upper), 23, INK, 1.5))
    for step, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        written = format_percent(end * step, language, 0 if end * step * 100 % 1 == 0 else 1)
        shapes.append(write_text(place(end * step), 40, written, 12, MUTED, anchor))
    return wrap_svg(360, 46, title, shapes)


def bound_svg(rate: float, upper: float, end: float, title: str) -> str:
    """Draw a rate as a bar and its upper bound as a whisker, small, for the lines of a table on one common axis.

    Args:
        rate: 0..1.
        upper: Its upper bound.
        end: Where the axis ends, above 0; the largest bound of the table.
        title: What a screen reader says.
    """
    place = Axis(0.0, end, 1.0, 159.0)
    shapes = [draw_rectangle(1, 4, 158, 8, "#eceef0")]
    if rate:
        shapes.append(draw_rectangle(1, 4, max(place(rate) - 1, 2), 8, ACCENT_HEX))
    shapes.append(draw_line(place(rate), 8, place(upper), 8, INK, 1.5))
    shapes.append(draw_line(place(upper), 2, place(upper), 14, INK, 1.5))
    return wrap_svg(160, 16, title, shapes)


def axis_ticks(across: Axis, up: Axis, language: str) -> list[str]:
    """Draw the lines and numbers of two axes in percent, crossing at their lower ends."""
    shapes = []
    for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        written = format_percent(value, language, 0)
        shapes.append(draw_line(across(0), up(value), across(1), up(value), FAINT if value else INK))
        shapes.append(write_text(across(0) - 8, up(value) + 4, written, 12, MUTED, "end"))
        shapes.append(write_text(across(value), up(0) + 18, written, 12, MUTED, "middle"))
    return shapes


def _bars(
    place: Axis, edges: Sequence[float], counts: Sequence[int], base: float, height: float, fill: str, language: str
) -> list[str]:
    """Draw one bar with its count per bin that is not empty; a single part is still seen."""
    shapes = []
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=False):
        if count:
            bar = max(height * count / max(counts), 2.0)
            x, right = place(low) + 1.5, place(high) - 1.5
            shapes.append(draw_rectangle(x, base - bar, right - x, bar, fill, stroke=INK, line=1))
            written = format_number(count, language)
            shapes.append(write_text((x + right) / 2, base - bar - 4, written, 11, INK, "middle", halo=True))
    return shapes


def _threshold(
    place: Axis, value: float | None, name: str, top: float, bottom: float, line: int, language: str
) -> list[str]:
    """Draw one threshold through all panels, labelled on a line of its own above them."""
    if value is None:
        return []
    x, y = place(value), top - 24 + 16 * line
    label = text(f"histogram.{name}", language, value=format_score(value, language))
    before = x > (place.left + place.right) / 2
    return [
        draw_line(x, y - 10, x, bottom - 6, INK, 2, "6 4" if name == "recheck_from" else ""),
        write_text(x - 6 if before else x + 6, y, label, 12, INK, "end" if before else "start", 600, halo=True),
    ]


def _recheck_band(place: Axis, start: float | None, end: float | None, top: float, bottom: float) -> str:
    """Shade what goes to a person; nothing where there is no band."""
    if start is None:
        return ""
    left, right = place(start), place(end) if end is not None else place.right
    return draw_rectangle(left, top, right - left, bottom - top - 6, "#e9ebee") if right > left else ""


def _hatches(language: str) -> str:
    """Define the fills: good light and plain, defect dark and hatched, all parts dotted."""
    tile = '<pattern id="{kind}-{language}" width="6" height="6" patternUnits="userSpaceOnUse">{marks}</pattern>'
    ground = '<rect width="6" height="6" fill="{}"/>'
    stripes = '<path d="M-1 1l2-2M0 6l6-6M5 7l2-2" stroke="#ffffff" stroke-width="1.2"/>'
    marks = {
        "good": ground.format("#ffffff") + '<circle cx="3" cy="3" r="0.8" fill="#868d95"/>',
        "defect": ground.format(ACCENT_HEX) + stripes,
        "all": ground.format("#aeb5bc"),
    }
    return f"<defs>{''.join(tile.format(kind=kind, language=language, marks=marks[kind]) for kind in marks)}</defs>"
