"""The evaluation report as one HTML file in both languages, with nothing fetched from anywhere."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from partgate.evaluation import charts, reliability_chart
from partgate.evaluation.rates import parts_needed, upper_bound
from partgate.glossary import (
    check_language,
    format_percent,
    printable,
)
from partgate.pages.bilingual import Bilingual, drawing, phrase
from partgate.pages.frame import render, written_name, written_number, written_percent
from partgate.parts import Verdict

FORMAT = 1
"""Format of the report this page can show."""

PROVEN_LIMIT = 0.01
"""Rate for which the page says how many parts a proof without a mistake needs."""

FEW_EXAMPLES = 20
"""Below this many examples the page warns that a class's shares are little more than chance."""

MANY_RECHECKS = 0.1
"""From this share on the page warns that the result rests on rechecks."""

UNREADABLE_SHOWN = 20


def render_page(report: Mapping[str, Any], thumbnails: Mapping[str, bytes], language: str = "en") -> str:
    """Return the whole page.

    Args:
        report: What ``evaluation.report`` counted; counts of good and defect parts are None for pure sorting.
        thumbnails: JPEG files by the ``file`` of the worst mistakes; a missing one shows an empty box.
        language: Shown first; the other is one click away.

    Raises:
        ValueError: If the language is unknown or the report has another format.
    """
    check_language(language)
    if report["format"] != FORMAT:
        raise ValueError(f"report format must be {FORMAT}, got {report['format']!r}")
    return render(
        "partgate.evaluation",
        "report.html.j2",
        language,
        report=report,
        is_sorting=report["good_class"] is None,
        figures=_sorting_figures(report) if report["good_class"] is None else _gate_figures(report),
        limits=_limits(report),
        matrix=_matrix(report),
        histogram=_histogram(report),
        reliability_words=Bilingual(partial(reliability_chart.reliability_words, report)),
        reliability_diagram=drawing(partial(reliability_chart.reliability_svg, report)),
        lanes=_lanes(report),
        pictures={file: _data_uri(jpeg) for file, jpeg in thumbnails.items()},
        rows=[_class_row(report, index) for index in range(len(report["classes"]))],
        unreadable_shown=UNREADABLE_SHOWN,
    )


# --- things to read -------------------------------------------------------------------------------------------------


def _joined(*parts: Bilingual) -> Bilingual:
    return Bilingual(lambda language: " ".join(part.in_language(language) for part in parts))


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


# --- the headline ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """So many of so many, as a sentence, its bounds and a bar."""

    words: Bilingual
    bounds: Bilingual | None = None
    bar: Bilingual | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the headline, and what must be read beside it."""

    title: Bilingual
    note: Bilingual
    main: Count
    rechecked: Count | None = None
    closed: Count | None = None


def _count(report: Mapping[str, Any], what: str, who: str, k: int | None, n: int | None, rate: str = "") -> Count:
    """Say how many of ``n`` parts; without a single part say that instead.

    Args:
        report: For what is counted, the rate and its bound.
        what: Id of the sentence, under ``figure``.
        who: ``defect``, ``good`` or ``all``.
        k: How many.
        n: Of how many.
        rate: The report's key of the rate; empty where it has none, which is then counted here.
    """
    if not n or k is None:
        return Count(phrase(f"figure.no_{who}"))
    share = report[rate] if rate else k / n
    upper = report[f"{rate}_upper95"] if rate else upper_bound(k, n)
    noun = phrase(f"counted.{report['counted']}.{who}")
    words = phrase(f"figure.{what}", k=written_number(k), n=written_number(n), noun=noun)
    bounds = phrase("figure.bounds", rate=written_percent(share), upper=written_percent(upper))
    sentence = _joined(words, bounds)
    bar = drawing(lambda language: charts.rate_svg(k, n, upper, sentence.in_language(language), language))
    return Count(words, bounds, bar)


def _gate_figures(report: Mapping[str, Any]) -> list[Figure]:
    """Return escapes and false rejects, each with its rechecks and with the recheck band closed."""
    figures = []
    for what, rate, who in (("escapes", "escape_rate", "defect"), ("false_rejects", "false_reject_rate", "good")):

        def count(words: str, key: str, rate: str, who: str = who) -> Count:
            return _count(report, words, who, report[key], report[f"n_{who}"], rate)

        figures.append(
            Figure(
                title=phrase(f"figure.title.{what}"),
                note=phrase("escape.note" if who == "defect" else "false_reject.note"),
                main=count(what, what, rate),
                rechecked=count("rechecks", f"rechecks_{who}", f"recheck_rate_{who}"),
                closed=count(what, f"{what}_without_recheck", f"{rate}_without_recheck"),
            )
        )
    return figures


def _sorting_figures(report: Mapping[str, Any]) -> list[Figure]:
    """Return parts sorted wrong and rechecked."""
    return [
        Figure(
            title=phrase(f"figure.title.{what}"),
            note=phrase(note),
            main=_count(report, what, "all", report[what], report["n"]),
        )
        for what, note in (("wrong_class", "wrong_class.note"), ("rechecks", "figure.label.rechecked"))
    ]


# --- what the test cannot show -------------------------------------------------------------------------------------


def _limits(report: Mapping[str, Any]) -> list[Bilingual]:
    """Return the sentences that hold for this test, those about its size first."""
    is_sorting = report["good_class"] is None
    sizes = {"all": report["n"]} if is_sorting else {"defect": report["n_defect"], "good": report["n_good"]}
    found = [_recheck_limit(report), *(_size_limit(who, n or 0) for who, n in sizes.items())]
    examples = {name: report["per_class"][name]["n"] for name in report["classes"]}
    untested = [name for name, n in examples.items() if n == 0]
    sparse = [f"{printable(name)} ({n})" for name, n in examples.items() if 0 < n < FEW_EXAMPLES]
    if untested:
        found.append(phrase("limits.untested_classes", classes=", ".join(map(printable, untested))))
    if sparse:
        found.append(phrase("limits.sparse_classes", n=FEW_EXAMPLES, classes=", ".join(sparse)))
    found.append(phrase("limits.pictures") if report["counted"] == "picture" else None)
    if report["training"]["groups_ignored"]:
        found.append(phrase("limits.groups_ignored"))
    elif report["data"]["groups"] is None:
        found.append(phrase("limits.groups_unknown"))
    found.append(phrase("limits.unknown_classes" if is_sorting else "limits.unknown_defects"))
    found.append(phrase("limits.conditions"))
    found.append(None if is_sorting else phrase("limits.delivered"))
    return [sentence for sentence in found if sentence is not None]


def _recheck_limit(report: Mapping[str, Any]) -> Bilingual | None:
    """Return how much was left to people; None where it is little."""
    k, n = report["rechecks"], report["n"]
    if not n or k / n < MANY_RECHECKS:
        return None
    noun = phrase(f"counted.{report['counted']}.all")
    return phrase(
        "limits.many_rechecks", k=written_number(k), n=written_number(n), noun=noun, rate=written_percent(k / n)
    )


def _size_limit(who: str, n: int) -> Bilingual | None:
    """Return what ``n`` parts without a mistake could show at best; None where they are enough."""
    needed = parts_needed(PROVEN_LIMIT)
    if n == 0:
        return phrase(f"limits.no_{who}")
    if n >= needed:
        return None
    limit = Bilingual(lambda language: format_percent(PROVEN_LIMIT, language, 0))
    return phrase(f"limits.few_{who}", n=n, bound=written_percent(upper_bound(0, n)), limit=limit, needed=needed)


# --- tables and charts ----------------------------------------------------------------------------------------------


def _matrix(report: Mapping[str, Any]) -> Bilingual:
    return drawing(
        lambda language: charts.confusion_matrix_svg(report["classes"], report["confusion_matrix"], language)
    )


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


def _class_row(report: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return one class's line of the table."""
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
