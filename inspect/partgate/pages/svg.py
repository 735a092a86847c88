"""The shapes that the report's charts are made of, as SVG text."""

from collections.abc import Sequence
from html import escape

from partgate.glossary import printable

INK = "#16191d"
MUTED = "#5d656e"
FAINT = "#d5d9de"
ACCENT = (11, 79, 108)  # RGB; the page's one colour
ACCENT_HEX = "#{:02x}{:02x}{:02x}".format(*ACCENT)
HALO = ' paint-order="stroke" stroke="#ffffff" stroke-width="3" stroke-linejoin="round"'
"""A white edge around letters, drawn before them."""
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


class Axis:
    """Where a value lies in pixels; values outside the axis are drawn at its end."""

    def __init__(self, low: float, high: float, left: float, right: float) -> None:
        self.low, self.high, self.left, self.right = low, high, left, right

    def __call__(self, value: float) -> float:
        """Return the pixel."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + share * (self.right - self.left)


def wrap_svg(width: float, height: float, title: str, shapes: Sequence[str]) -> str:
    """Wrap shapes into a picture that scales with its place."""
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return (
        f'<svg {size} role="img" font-family="{_FONT}"><title>{escape(printable(title))}</title>{"".join(shapes)}</svg>'
    )


def draw_rectangle(
    x: float, y: float, width: float, height: float, fill: str, stroke: str = "", line: float = 1
) -> str:
    """Draw a rectangle."""
    edge = f' stroke="{stroke}" stroke-width="{line}"' if stroke else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"{edge}/>'


def draw_line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float = 1, dashes: str = "") -> str:
    """Draw a straight line."""
    style = f'stroke="{stroke}" stroke-width="{width}"' + (f' stroke-dasharray="{dashes}"' if dashes else "")
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def write_text(
    x: float,
    y: float,
    content: str,
    size: float = 13,
    fill: str = INK,
    anchor: str = "start",
    weight: int = 400,
    turn: float = 0,
    hint: str = "",
    halo: bool = False,
) -> str:
    """Write one line; with ``halo`` a white edge keeps it readable across lines and bars."""
    style = f'font-size="{size:g}" fill="{fill}" text-anchor="{anchor}"'
    style += f' font-weight="{weight}"' if weight != 400 else ""
    style += f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
    style += HALO if halo else ""
    title = f"<title>{escape(printable(hint))}</title>" if hint else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{title}{escape(content)}</text>'
