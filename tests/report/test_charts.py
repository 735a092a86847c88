"""The report's charts: well-formed, complete, readable without colour."""

from xml.etree import ElementTree

import pytest

from partgate.report.charts import bound_svg, histogram_svg, rate_svg


def words(svg: str) -> list[str]:
    """Return what is written in a chart, titles left out; fails where it is no well-formed XML."""
    tree = ElementTree.fromstring(svg)
    return ["".join((node.text or "", *(child.tail or "" for child in node))) for node in tree.iter("text")]


def rectangles(svg: str) -> list[ElementTree.Element]:
    """Return the rectangles of a chart."""
    return list(ElementTree.fromstring(svg).iter("rect"))


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


def test_bound_of_a_table_row_lies_on_the_common_axis() -> None:
    svg = bound_svg(0.1, 0.2, 0.4, "1 of 10")

    bar = rectangles(svg)[1]
    whisker = [float(node.get("x1", "0")) for node in ElementTree.fromstring(svg).iter("line")]

    assert float(bar.get("width", "0")) == pytest.approx(158 / 4 - 0, abs=1)
    assert whisker == [pytest.approx(1 + 158 / 4), pytest.approx(1 + 158 / 2)]
