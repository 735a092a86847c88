"""The reliability diagram as SVG text: score across, what was seen up, and what was promised as a dashed line."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from partgate.glossary import format_number, format_score, printable, text
from partgate.pages.svg import ACCENT_HEX, FAINT, INK, MUTED, Axis, draw_line, wrap_svg, write_text

_WIDE = 40.0  # a count needs so many pixels; nearer ones stand one line lower
_CAP = 5.0


def reliability_svg(report: Mapping[str, Any], language: str) -> str:
    """Draw each bin as a point with its exact bounds, and how many parts stand behind it.

    Args:
        report: With ``counted`` and ``reliability``; where that has no bins there is nothing to draw: empty.
        language: Of labels and numbers.
    """
    bins, claim, counted = report["reliability"]["bins"], report["reliability"]["claim"], report["counted"]
    if not bins:
        return ""
    across, up = Axis(0.0, 1.0, 40.0, 546.0), Axis(0.0, 1.0, 330.0, 30.0)
    points = [_point(one, across, up, sentence_of(one, claim, counted, language)) for one in bins]
    counts = _counts(bins, across, up(0), text(f"reliability.count.{counted}", language), language)
    shapes = [*_frame(across, up, claim, language), *points, *counts]
    return wrap_svg(560, up(0) + 96, text("reliability.title", language), shapes)


def sentence_of(one: Mapping[str, Any], claim: str, counted: str, language: str) -> str:
    """Say of one bin how many of how many came true, in tenths and with bounds.

    Example:
        >>> one = {"n": 42, "events": 33, "mean_score": 0.797, "share": 33 / 42, "lower": 0.632, "upper": 0.897}
        >>> sentence_of(one, "defect", "part", "en")
        'Of 42 parts with a score near 0.797, 33 were defect: 7.9 of ten (95 % bounds: 6.3 to 9.0).'
    """
    return text(
        f"reliability.example.{claim}.{counted}", language,
        n=format_number(one["n"], language), k=format_number(one["events"], language),
        score=format_score(one["mean_score"], language),
        **{name: format_number(10 * one[key], language, 1)
           for name, key in (("tenths", "share"), ("lower", "lower"), ("upper", "upper"))},
    )  # fmt: skip


def reliability_words(report: Mapping[str, Any], language: str) -> str:
    """Say what the parts nearest to a score of 0.8 turned out to be, or that there are too few to say it."""
    reliability, counted = report["reliability"], report["counted"]
    if reliability["is_enough"]:
        return sentence_of(reliability["bins"][reliability["example"]], reliability["claim"], counted, language)
    n, events = reliability["n"], reliability["events"]
    counts = {"n": n, "events": events, "others": n - events, "needed": reliability["needed"]}
    written = {name: format_number(count, language) for name, count in counts.items()}
    return text(f"reliability.too_few.{reliability['claim']}.{counted}", language, **written)


def _frame(across: Axis, up: Axis, claim: str, language: str) -> list[str]:
    """Draw both axes and the line on which a score is what was seen."""
    shapes = [write_text(0, 12, text(f"reliability.share.{claim}", language), 12, MUTED)]
    for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        written = format_number(value, language, 1)
        shapes.append(draw_line(across(0), up(value), across(1), up(value), FAINT if value else INK))
        shapes.append(write_text(across(0) - 12, up(value) + 4, written, 12, MUTED, "end"))
        shapes.append(write_text(across(value), up(0) + 18, written, 12, MUTED, "middle"))
    score = text(f"reliability.score.{claim}", language)
    promised = text("reliability.promised", language)
    return [
        *shapes,
        write_text(across(0.5), up(0) + 38, score, 12, MUTED, "middle"),
        draw_line(across(0), up(0), across(1), up(1), MUTED, 1.5, "6 4"),
        write_text(across(0.5) - 8, up(0.5) - 8, promised, 12, MUTED, "end", halo=True),
    ]


def _counts(bins: Sequence[Mapping[str, Any]], across: Axis, base: float, title: str, language: str) -> list[str]:
    """Write below each point how many stand behind it; a near neighbour's count stands one line lower."""
    shapes, lower, before = [write_text(0, base + 60, title, 12, MUTED)], False, -_WIDE
    for one in bins:
        x = across(one["mean_score"])
        lower, before = x - before < _WIDE and not lower, x
        y = base + (92 if lower else 77)
        shapes.append(write_text(x, y, format_number(one["n"], language), 11, INK, "middle"))
    return shapes


def _point(one: Mapping[str, Any], across: Axis, up: Axis, hint: str) -> str:
    x, lower, upper = across(one["mean_score"]), up(one["lower"]), up(one["upper"])
    shapes = [
        draw_line(x, lower, x, upper, INK, 1.5),
        draw_line(x - _CAP, lower, x + _CAP, lower, INK, 1.5),
        draw_line(x - _CAP, upper, x + _CAP, upper, INK, 1.5),
        f'<circle cx="{x:.1f}" cy="{up(one["share"]):.1f}" r="5" fill="{ACCENT_HEX}" stroke="#ffffff"/>',
    ]
    return f"<g><title>{escape(printable(hint))}</title>{''.join(shapes)}</g>"
