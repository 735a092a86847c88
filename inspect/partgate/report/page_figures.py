"""The report's headline and its tables of mistakes: so many of so many, the bounds, a bar."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from partgate.evaluation.rates import upper_bound
from partgate.pages.bilingual import Bilingual, drawing, phrase
from partgate.pages.frame import written_name, written_number, written_percent
from partgate.report.charts import bound_svg, rate_svg

_MISTAKES = {
    "escape": ("escapes", "defect"),
    "false_reject": ("false_rejects", "good"),
    "wrong_class": ("wrong_class", "all"),
}


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


@dataclass(frozen=True, slots=True)
class MistakeRow:
    """One class or severity: what became of its parts."""

    name: Bilingual
    tag: Bilingual | None
    words: Bilingual
    rate: Bilingual
    upper: Bilingual
    bar: Bilingual | None


def headline(report: Mapping[str, Any]) -> list[Figure]:
    """Return the two numbers that a reader must see first."""
    return _sorting_figures(report) if report["good_class"] is None else _gate_figures(report)


def _joined(*parts: Bilingual) -> Bilingual:
    return Bilingual(lambda language: " ".join(part.in_language(language) for part in parts))


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
    bar = drawing(lambda language: rate_svg(k, n, upper, sentence.in_language(language), language))
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


def rows_by_class(report: Mapping[str, Any]) -> list[MistakeRow]:
    """Return a row per class, those without a part and those unknown to the model as well."""
    rows = report["per_class"]
    return [
        _mistake_row(report, written_name(name), rows[name], rows, _tag(report, name)) for name in report["classes"]
    ]


def rows_by_severity(report: Mapping[str, Any]) -> list[MistakeRow]:
    """Return a row per severity of defect parts, what has none last; empty where no severity is given."""
    rows = report["per_severity"] or {}
    return [
        _mistake_row(report, written_name(name) if name else phrase("severity.none"), row, rows, None)
        for name, row in rows.items()
    ]


def _tag(report: Mapping[str, Any], name: str) -> Bilingual | None:
    if name == report["good_class"]:
        return phrase("good_class")
    return None if report["per_class"][name]["is_known"] else phrase("classes.unknown")


def _mistake_row(
    report: Mapping[str, Any],
    name: Bilingual,
    row: Mapping[str, Any],
    rows: Mapping[str, Mapping[str, Any]],
    tag: Bilingual | None,
) -> MistakeRow:
    what, who = _MISTAKES[row["mistake"]]
    k, n, share, upper = row["mistakes"], row["n"], row["mistake_rate"], row["mistake_rate_upper95"]
    if not n:
        return MistakeRow(name, tag, phrase("classes.empty"), phrase("nothing"), phrase("nothing"), None)
    noun = phrase(f"counted.{report['counted']}.{who}")
    words = phrase(f"figure.{what}", k=written_number(k), n=written_number(n), noun=noun)
    end = max(one["mistake_rate_upper95"] or 0.0 for one in rows.values())
    hint = _joined(words, phrase("figure.bounds", rate=written_percent(share), upper=written_percent(upper)))
    bar = drawing(lambda language: bound_svg(share, upper, end, hint.in_language(language)))
    return MistakeRow(name, tag, words, written_percent(share), written_percent(upper), bar)
