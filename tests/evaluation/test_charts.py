"""The report's charts: well-formed, complete, readable without colour."""

import re
from xml.etree import ElementTree

import pytest

from partgate.evaluation.charts import confusion_matrix_svg, histogram_svg, rate_svg, shortened


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


def test_histogram_tells_good_from_defect_by_pattern_and_place() -> None:
    svg = histogram_svg([0, 0.5, 1], [4, 1], [0, 3], 0.3, 0.6, "en")

    bars = [node for node in rectangles(svg) if node.get("fill", "").startswith("url")]

    assert [node.get("fill") for node in bars] == ["url(#good-en)", "url(#good-en)", "url(#defect-en)"]
    assert float(bars[0].get("y", "0")) < float(bars[2].get("y", "0"))
    assert {"Good parts: 5", "Defect parts: 3", "4", "1", "3", "number of parts"} <= set(words(svg))


def test_histogram_labels_its_thresholds_in_the_language() -> None:
    svg = histogram_svg([0, 0.5, 1], [4, 1], [0, 3], 0.3, 0.6, "de", counted="picture")

    assert {"Nachprüfung ab 0,300", "Ausschleusen ab 0,600", "Bilder von Gutteilen: 5"} <= set(words(svg))


def test_histogram_without_a_recheck_band_has_one_threshold() -> None:
    shown = words(histogram_svg([0, 1], [1], [1], 0.5, 0.5, "en"))

    assert [line for line in shown if "from" in line] == ["reject from 0.500"]


def test_histogram_of_pure_sorting_has_one_panel() -> None:
    shown = words(histogram_svg([0, 0.5, 1], [], [5, 2], 0.4, None, "en"))

    assert "All parts: 7" in shown
    assert not [line for line in shown if line.startswith(("Good", "Defect"))]


def test_histogram_without_a_single_part_is_still_a_picture() -> None:
    assert "Defect parts: 0" in words(histogram_svg([0, 0.5, 1], [0, 0], [0, 0], 0.3, 1.7, "en"))


def test_histogram_whose_counts_do_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="3 edges need 2 counts, got 1"):
        histogram_svg([0, 0.5, 1], [1], [1, 1], 0.3, 0.6, "en")


@pytest.mark.parametrize(
    ("k", "n", "upper", "end"),
    [(3, 412, 0.0187, "2 %"), (0, 20, 0.139, "20 %"), (5, 5, 1.0, "100 %"), (0, 9, None, "1 %")],
    ids=["few", "none", "all", "no-bound"],
)
def test_rate_axis_ends_just_beyond_the_bound(k: int, n: int, upper: float | None, end: str) -> None:
    svg = rate_svg(k, n, upper, "3 of 412", "en")

    assert words(svg)[-1] == end
    assert "<title>3 of 412</title>" in svg


def test_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="k=0 and n=0"):
        rate_svg(0, 0, None, "", "en")


def test_long_names_keep_both_ends() -> None:
    left, right = shortened("scratch_on_the_outer_rim_left"), shortened("scratch_on_the_outer_rim_right")

    assert (left, right) == ("scratch_on…_rim_left", "scratch_on…rim_right")
