"""The confusion matrix as SVG text: counts, shares of the row, a shade; each cell leads to its pictures."""

from collections.abc import Callable, Sequence
from html import escape

from partgate.glossary import format_number, format_percent, printable, text
from partgate.pages.svg import ACCENT, FAINT, INK, MUTED, draw_rectangle, wrap_svg, write_text

_PX_PER_CHARACTER = 8.0  # widest common system font at 13 px, on average
_LONGEST_NAME = 20


def confusion_matrix_svg(
    classes: Sequence[str],
    matrix: Sequence[Sequence[int]],
    language: str,
    link: Callable[[int, int], str] | None = None,
) -> str:
    """Draw counts and row shares, rows truth, columns prediction, the diagonal framed.

    Args:
        classes: Names in the order of the matrix, at least one.
        matrix: Counts, one row per true class, one column per predicted class.
        language: Of labels and numbers.
        link: Gives the address that a cell leads to, by row and column; empty where it leads nowhere.

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
            drawn = _cell(corner, (cell_width, cell_height), count, sum(counts), names_here, language)
            target = link(row, column) if link else ""
            shapes.append(f'<a href="{escape(target)}">{drawn}</a>' if target else drawn)
    for index in range(len(classes)):  # last, so that no neighbour paints over the frame
        x, y = left + cell_width * index, top + cell_height * index
        frame = draw_rectangle(x + 1, y + 1, cell_width - 2, cell_height - 2, "none", stroke=INK, line=2.5)
        shapes.append(f'<g pointer-events="none">{frame}</g>')
    return wrap_svg(width, height, text("confusion_matrix", language), shapes)


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
