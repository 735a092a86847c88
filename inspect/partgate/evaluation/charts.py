"""The report's charts as SVG text, from plain numbers, for use inside an HTML page.

Every chart reads in greyscale: what colour says is also said by a number, a frame, a hatch or a line style.
"""

import math
from collections.abc import Sequence
from html import escape

from partgate.glossary import format_number, format_percent, format_score, printable, text
from partgate.pages.svg import (
    ACCENT,
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

_PX_PER_CHARACTER = 8.0  # widest common system font at 13 px, on average
_LONGEST_NAME = 20


def confusion_matrix_svg(classes: Sequence[str], matrix: Sequence[Sequence[int]], language: str) -> str:
    """Draw counts and row shares, rows truth, columns prediction, the diagonal framed.

    Args:
        classes: Names in the order of the matrix, at least one.
        matrix: Counts, one row per true class, one column per predicted class.
        language: Of labels and numbers.

    Raises:
        ValueError: If the matrix does not have one row and one column per class.
    """
    if [len(row) for row in matrix] != [len(classes)] * len(classes) or not classes:
        raise ValueError(f"matrix must be {len(classes)} x {len(classes)}, got rows of {[len(row) for row in matrix]}")
    names = [shortened(name) for name in classes]
    cell_width, cell_height = _cell_size(len(classes))
    longest = max(len(name) for name in names) * _PX_PER_CHARACTER
    slanted = longest > cell_width - 8
    left = 30 + max(longest, 52) + 12
    top = 30 + (longest * 0.62 + 16 if slanted else 26)
    width = left + cell_width * len(classes) + (longest * 0.78 if slanted else 4)
    height = top + cell_height * len(classes) + 4
    shapes = [
        write_text(left, 14, text("prediction", language), size=12, fill=MUTED),
        write_text(14, top + 2, text("truth", language), size=12, fill=MUTED, anchor="end", turn=-90),
    ]
    for index, name in enumerate(names):
        x, y = left + cell_width * (index + 0.5), top + cell_height * (index + 0.5)
        heading = (x - 4, top - 10, "start", -38) if slanted else (x, top - 12, "middle", 0)
        shapes.append(write_text(heading[0], heading[1], name, anchor=heading[2], turn=heading[3], hint=classes[index]))
        shapes.append(write_text(left - 12, y - 1, name, anchor="end", weight=600, hint=classes[index]))
        total = f"n = {format_number(sum(matrix[index]), language)}"
        shapes.append(write_text(left - 12, y + 14, total, size=11, fill=MUTED, anchor="end"))
    for row, counts in enumerate(matrix):
        for column, count in enumerate(counts):
            corner = (left + cell_width * column, top + cell_height * row)
            names_here = (classes[row], classes[column])
            shapes.append(_cell(corner, (cell_width, cell_height), count, sum(counts), names_here, language))
    for index in range(len(classes)):  # last, so that no neighbour paints over the frame
        x, y = left + cell_width * index, top + cell_height * index
        shapes.append(draw_rectangle(x + 1, y + 1, cell_width - 2, cell_height - 2, "none", stroke=INK, line=2.5))
    return wrap_svg(width, height, text("confusion_matrix", language), shapes)


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


def shortened(name: str, longest: int = _LONGEST_NAME) -> str:
    """Cut a long name in its middle, because names of classes often differ at their end.

    Example:
        >>> shortened("scratch_on_the_left_side", 11)
        'scrat…_side'
    """
    name = printable(name)
    if len(name) <= longest:
        return name
    return f"{name[: longest // 2]}…{name[-(longest - longest // 2 - 1) :]}"


def _cell_size(n_classes: int) -> tuple[float, float]:
    """Return width and height of a cell in pixels, so that twelve classes still fit a page."""
    width = next(size for most, size in ((3, 120.0), (5, 92.0), (8, 68.0), (999, 52.0)) if n_classes <= most)
    return width, max(width * 0.66, 42.0)


def _cell(
    corner: tuple[float, float],
    size: tuple[float, float],
    count: int,
    total: int,
    names: tuple[str, str],
    language: str,
) -> str:
    """Draw one cell: count, share of its row, shade by that share."""
    share = count / total if total else 0.0
    depth = share**0.6  # a few percent must still be seen
    fill = "#" + "".join(f"{round(255 - depth * (255 - channel)):02x}" for channel in ACCENT)
    ink = "#ffffff" if depth > 0.72 else INK if count else "#868d95"
    written = format_number(count, language)
    large = min(19 if size[0] > 80 else 15, (size[0] - 6) / (0.64 * len(written)))
    x, y = corner[0] + size[0] / 2, corner[1] + size[1] / 2
    percent = format_percent(share, language, 0) if total else text("nothing", language)
    truth, prediction = names
    hint = text(
        "matrix.cell", language, truth=truth, prediction=prediction, k=written, n=format_number(total, language)
    )
    shapes = [
        draw_rectangle(*corner, *size, fill, stroke="#ffffff" if depth else FAINT, line=1),
        write_text(x, y + 1, written, round(large, 1), ink, "middle", 600 if count else 400),
        write_text(x, y + 15, percent, 11 if size[0] > 60 else 10, ink, "middle"),
    ]
    return f"<g><title>{escape(printable(hint))}</title>{''.join(shapes)}</g>"


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
