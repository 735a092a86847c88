"""A heat map painted over a small picture, and the scale that says how strong it is."""

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.glossary import format_number, text
from partgate.inference.heat import HeatMap
from partgate.pages.svg import INK, MUTED, draw_line, draw_rectangle, wrap_svg, write_text
from partgate.parts import Image

# From red to pale yellow: luminance rises with every step, so that a grey print shows the same order.
_PLACES = (0.0, 0.35, 0.7, 1.0)
_STOPS = ((214, 72, 50), (240, 120, 30), (252, 180, 50), (255, 250, 190))
_STEPS = 256
_LIGHTEST_BELOW = 106.0  # grey value; the first paint is lighter than any place of the picture below
_GLINTS_FROM = 0.995  # few places that outshine the rest do not darken it
_FADES_TO = 0.12  # share of full from which the paint covers what lies below
_MOST_COVER = 0.92
_LINE_AT = 0.5  # of full
_PEAKS_BELOW = 0.9  # share of the pictures whose strongest place the scale holds
_MOST_DIGITS = 6
_NICE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def heat_colours() -> NDArray[np.uint8]:
    """Return the paint from no heat to full heat, shape (256, 3), RGB; each step is lighter than the one before."""
    at = np.linspace(0, 1, _STEPS)
    channels = [np.interp(at, _PLACES, levels) for levels in zip(*_STOPS, strict=True)]
    return np.stack(channels, 1).round().astype(np.uint8)


def paint_heat(thumbnail: Image, heat: HeatMap, full: float) -> Image:
    """Return a small picture in grey with what speaks for the class painted over it, from red to pale yellow.

    Where nothing speaks for the class the picture shows through, dimmed; heat of ``full`` and more is the palest paint.
    A white line with a dark edge goes around what has at least half of that, so a picture of weak heat has none.

    Args:
        thumbnail: The whole picture at any size, shape (H, W, 3), uint8, RGB; not changed.
        heat: Of the same picture, at any size.
        full: From :func:`common_scale`: one for all pictures that are compared.

    Raises:
        ValueError: If ``full`` is not above 0 or the heat holds a NaN.
    """
    if not full > 0 or math.isinf(full):
        raise ValueError(f"full heat must be above 0, got {full}")
    values = heat.resized(*thumbnail.shape[:2]).values
    if not np.isfinite(values).all():
        raise ValueError(
            f"heat must be numbers, got {int((~np.isfinite(values)).sum())} of {values.size} that are none"
        )
    share = np.clip(values / full, 0, 1)
    cover = (_MOST_COVER * np.clip(share / _FADES_TO, 0, 1))[..., None]
    grey = _dim(thumbnail)
    paint = heat_colours()[np.round(share * (_STEPS - 1)).astype(int)]
    painted = np.ascontiguousarray((cover * paint + (1 - cover) * grey).round().astype(np.uint8))
    return _outline(painted, share >= _LINE_AT)


def _dim(picture: Image) -> NDArray[np.float64]:
    """Return the picture in grey, no place lighter than the first paint, and a dark picture no darker than it is."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None].astype(float)
    lightest = max(float(np.quantile(grey, _GLINTS_FROM)), _LIGHTEST_BELOW)
    return np.asarray(np.minimum(grey * (_LIGHTEST_BELOW / lightest), _LIGHTEST_BELOW), float)


def _outline(picture: Image, area: NDArray[np.bool_]) -> Image:
    """Return the picture with a white line between two black ones around an area; nothing of the area is covered."""
    wide = max(1, round(min(picture.shape[:2]) / 160))
    near, line, far = (_grown(area, steps * wide) for steps in (1, 2, 3))
    picture[far & ~area] = 0
    picture[line & ~near] = 255
    return picture


def _grown(area: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    return np.asarray(cv2.dilate(area.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=steps) > 0)


def common_scale(maps: Iterable[HeatMap]) -> float:
    """Return the heat that is painted as full in every picture of a report, so that a weak heat looks weak.

    It holds the strongest place of nine in ten pictures that have any heat, rounded up to a number that reads well.
    Give maps of the size they are painted at: a smaller picture has lower peaks.

    Args:
        maps: Of one kind; taken one after the other, none is kept.

    Returns:
        Log-odds x places; 1 where no picture has any heat.

    Raises:
        ValueError: If a map holds a NaN.
    """
    peaks = []
    for heat in maps:
        peak = float(heat.values.max(initial=0.0))
        if not math.isfinite(peak):
            raise ValueError(f"heat must be numbers, got {peak}")
        if peak > 0:
            peaks.append(peak)
    if not peaks:
        return 1.0
    held = float(np.quantile(peaks, _PEAKS_BELOW))
    power = 10.0 ** math.floor(math.log10(held))
    return next((nice * power for nice in _NICE if nice * power >= held * (1 - 1e-9)), 10 * power)


def heat_scale_svg(full: float, language: str) -> str:
    """Return the scale of painted heat as SVG: colours, numbers, where the line is drawn, and what it means.

    Args:
        full: From :func:`common_scale`.
        language: Of the words and the decimal sign.

    Raises:
        ValueError: If the language is unknown or ``full`` is not above 0.
    """
    if not full > 0 or math.isinf(full):
        raise ValueError(f"full heat must be above 0, got {full}")
    left, wide, top, high, steps = 16.0, 328.0, 26.0, 16.0, 41
    colours = heat_colours()
    step = wide / steps
    shapes = [write_text(left, 15, text("heat.scale", language), size=13)]
    for place in range(steps):
        colour = "#{:02x}{:02x}{:02x}".format(*colours[round(place * (_STEPS - 1) / (steps - 1))])
        shapes.append(draw_rectangle(left + place * step, top, step + 0.5, high, colour))
    shapes.append(draw_rectangle(left, top, wide, high, "none", INK, 0.75))
    digits = next((n for n in range(_MOST_DIGITS) if math.isclose(round(full / 2, n), full / 2)), _MOST_DIGITS)
    for share, anchor in ((0.0, "start"), (_LINE_AT, "middle"), (1.0, "end")):
        x = left + share * wide
        written = format_number(share * full, language, digits)
        number = text("heat.scale.from", language, n=written) if share == 1 else written
        shapes += [
            draw_line(x, top + high, x, top + high + 5, INK),
            write_text(x, top + high + 18, number, 12, INK, anchor),
        ]
    middle = left + _LINE_AT * wide
    shapes.append(draw_line(middle, top, middle, top + high, INK, 1.5))
    shapes.append(write_text(left, top + high + 37, text("heat.scale.line", language), 12, MUTED))
    return wrap_svg(360, top + high + 46, text("heat.scale", language), shapes)
