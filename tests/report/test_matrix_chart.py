"""The confusion matrix: every count, readable without colour, each cell leading to its pictures."""

import re
from xml.etree import ElementTree

import pytest

from partgate.report.matrix_chart import confusion_matrix_svg, shortened


def words(svg: str) -> list[str]:
    """Return what is written in a chart, titles left out; fails where it is no well-formed XML."""
    tree = ElementTree.fromstring(svg)
    return ["".join((node.text or "", *(child.tail or "" for child in node))) for node in tree.iter("text")]


@pytest.mark.parametrize("n_classes", [1, 2, 3, 5, 7, 8, 9, 12])
@pytest.mark.parametrize("language", ["en", "de"])
def test_matrix_shows_every_count_and_lies_within_its_frame(n_classes: int, language: str) -> None:
    names = [f"a rather long name of a class, number {index}" for index in range(n_classes)]
    counts = [[100 * row + column for column in range(n_classes)] for row in range(n_classes)]

    svg = confusion_matrix_svg(names, counts, language)

    assert {str(count) for row in counts for count in row} <= set(words(svg))
    width, height = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
    corners = [[float(node.get(key, "0")) for key in ("x", "y", "width", "height")] for node in rectangles(svg)]
    assert all(0 <= x <= x + w <= width and 0 <= y <= y + h <= height for x, y, w, h in corners)


def rectangles(svg: str) -> list[ElementTree.Element]:
    """Return the rectangles of a chart."""
    return list(ElementTree.fromstring(svg).iter("rect"))


def test_matrix_gives_shares_of_the_row() -> None:
    shown = words(confusion_matrix_svg(["good", "defect"], [[3, 1], [0, 0]], "de"))

    assert shown.count("75 %") == shown.count("25 %") == 1
    assert shown.count("–") == 2  # a row without parts has no shares


def test_matrix_frames_the_diagonal_and_nothing_else() -> None:
    heavy = [node for node in rectangles(confusion_matrix_svg(list("abc"), [[1] * 3] * 3, "en")) if is_heavy(node)]

    assert len({(node.get("x"), node.get("y")) for node in heavy}) == 3
    assert len(heavy) == 3


def is_heavy(node: ElementTree.Element) -> bool:
    """Return whether a rectangle is drawn with a heavy line."""
    return float(node.get("stroke-width", "0")) > 2


def test_matrix_is_darker_in_greyscale_where_the_share_is_larger() -> None:
    svg = confusion_matrix_svg(list("abcd"), [[0, 1, 9, 90], [0] * 4, [0] * 4, [0] * 4], "en")

    fills = [node.get("fill", "") for node in rectangles(svg)[:4]]

    greys = [sum(int(fill[at : at + 2], 16) for at in (1, 3, 5)) for fill in fills]
    assert greys == sorted(greys, reverse=True)
    assert len(set(greys)) == 4


def test_names_that_hold_markup_are_only_text() -> None:
    name = '<script>"&'

    svg = confusion_matrix_svg([name, "b"], [[1, 0], [0, 1]], "en")

    assert name in words(svg)
    assert "<script>" not in svg


def test_matrix_that_does_not_fit_its_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"matrix must be 2 x 2, got rows of \[2\]"):
        confusion_matrix_svg(["a", "b"], [[1, 2]], "en")


def test_cell_with_parts_leads_to_its_pictures_and_says_what_it_holds() -> None:
    svg = confusion_matrix_svg(["good", "dent"], [[3, 1], [0, 2]], "en", lambda row, column: f"#cell-{row}-{column}")

    links = {node.get("href"): "".join(node.itertext()) for node in ElementTree.fromstring(svg).iter("a")}

    assert set(links) == {"#cell-0-0", "#cell-0-1", "#cell-1-0", "#cell-1-1"}
    assert links["#cell-0-1"].startswith("good, taken for dent: 1 of 4")


def test_cell_without_an_address_leads_nowhere() -> None:
    def link(row: int, column: int) -> str:
        return "#a" if row + column == 0 else ""

    svg = confusion_matrix_svg(["a", "b"], [[3, 0], [0, 0]], "en", link)

    assert svg.count("<a ") == 1
    assert "<a " not in confusion_matrix_svg(["a", "b"], [[3, 0], [0, 0]], "en")


def test_long_names_keep_both_ends() -> None:
    left, right = shortened("scratch_on_the_outer_rim_left"), shortened("scratch_on_the_outer_rim_right")

    assert (left, right) == ("scratch_on…_rim_left", "scratch_on…rim_right")
