"""The evaluation report as one HTML file in both languages, with nothing fetched from anywhere."""

import base64
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from partgate.glossary import check_language
from partgate.pages.bilingual import Bilingual, drawing, phrase
from partgate.pages.frame import render, written_name, written_number
from partgate.parts import Verdict
from partgate.report import charts, curve_charts, reliability_chart
from partgate.report.cost_words import cost_basis, cost_drawing, cost_sentences
from partgate.report.heat_picture import heat_scale_svg
from partgate.report.limit_rows import limit_row, written_day
from partgate.report.matrix_chart import confusion_matrix_svg
from partgate.report.page_figures import headline, rows_by_class, rows_by_severity
from partgate.report.page_limits import what_is_not_shown

FORMAT = 2
"""Format of the report that is written, and that this page can show."""

UNREADABLE_SHOWN = 20
_NO_PICTURES: Mapping[str, bytes] = MappingProxyType({})


def render_page(
    report: Mapping[str, Any],
    thumbnails: Mapping[str, bytes],
    language: str = "en",
    *,
    heated: Mapping[str, bytes] = _NO_PICTURES,
    appendix: Markup | None = None,
) -> str:
    """Return the whole page.

    Args:
        report: What ``report.report`` counted; counts of good and defect parts are None for pure sorting.
        thumbnails: JPEG files by the ``file`` of a shown part; a missing one shows an empty box.
        language: Shown first; the other is one click away.
        heated: The same with heat, of the examples of each class.
        appendix: A further section, before the signatures.

    Raises:
        ValueError: If the language is unknown or the report has another format.
    """
    check_language(language)
    if report["format"] != FORMAT:
        raise ValueError(f"report format must be {FORMAT}, got {report['format']!r}")
    return render(
        "partgate.report",
        "report.html.j2",
        language,
        report=report,
        is_sorting=report["good_class"] is None,
        figures=headline(report),
        limits=what_is_not_shown(report),
        agreed=[limit_row(result, report["counted"]) for result in (report["agreed"] or {"results": []})["results"]],
        matrix=_matrix(report),
        histogram=_histogram(report),
        roc=drawing(partial(curve_charts.roc_svg, report)),
        precision=drawing(partial(curve_charts.precision_svg, report)),
        cost=_cost(report["cost"]),
        reliability_words=Bilingual(partial(reliability_chart.reliability_words, report)),
        reliability_diagram=drawing(partial(reliability_chart.reliability_svg, report)),
        heat_scale=drawing(partial(heat_scale_svg, report["heat"]["full"])) if report["heat"] else None,
        lanes=_lanes(report),
        pictures={file: f"p{place}" for place, file in enumerate(thumbnails)},
        hot_pictures={file: f"h{place}" for place, file in enumerate(heated)},
        picture_data=_picture_data(thumbnails, heated),
        mistakes=rows_by_class(report),
        severities=rows_by_severity(report),
        rows=[_class_row(report, index) for index in range(len(report["classes"]))],
        unreadable_shown=UNREADABLE_SHOWN,
        day=written_day,
        appendix=appendix,
    )


def _picture_data(thumbnails: Mapping[str, bytes], heated: Mapping[str, bytes]) -> dict[str, str]:
    """Return each picture once by the name of its style, so that a part shown in several places weighs no more."""
    return {
        f"{sign}{place}": "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
        for sign, pictures in (("p", thumbnails), ("h", heated))
        for place, jpeg in enumerate(pictures.values())
    }


def _matrix(report: Mapping[str, Any]) -> Bilingual:
    """Return the confusion matrix; a cell with parts leads to their pictures."""

    def link(row: int, column: int) -> str:
        return f"#cell-{row}-{column}" if report["confusion_matrix"][row][column] else ""

    return drawing(lambda language: confusion_matrix_svg(report["classes"], report["confusion_matrix"], language, link))


def _histogram(report: Mapping[str, Any]) -> Bilingual:
    """Return the histogram; where no class is the good one, all parts in one panel."""
    counts, rule = report["histogram"], report["thresholds"]
    good, defect = counts["good"], counts["defect"]
    reject_from = rule["reject_from"]
    if report["good_class"] is None:  # nothing is rejected for its score: what is not sure goes to recheck
        good, defect, reject_from = [], [sum(pair) for pair in zip(good, defect, strict=True)], None
    return drawing(
        lambda language: charts.histogram_svg(
            counts["edges"], good, defect, rule["recheck_from"], reject_from, language, report["counted"]
        )
    )


def _cost(cost: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the cost curve with its words; None where it cannot be counted."""
    if cost is None:
        return None
    return {"chart": cost_drawing(cost), "basis": cost_basis(cost), "sentences": cost_sentences(cost)}


def _class_row(report: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return one class's line of the table of recognised parts."""
    name, counts = report["classes"][index], report["confusion_matrix"][index]
    return {"name": name, "other": sum(counts) - counts[index], **report["per_class"][name]}


def _lanes(report: Mapping[str, Any]) -> list[tuple[Bilingual, Bilingual]]:
    """Return what goes where; a verdict is said in words, a class keeps its name."""
    rows = []
    for key, lane in report["lanes"].items():
        is_verdict = key in Verdict.__members__ and key not in report["classes"]
        who = phrase(f"verdict.{key}") if is_verdict else written_name(key)
        rows.append((who, phrase("lane.0") if lane == 0 else written_number(lane)))
    return rows
