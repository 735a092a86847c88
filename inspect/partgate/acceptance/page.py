"""The record of an acceptance as one HTML file in both languages, for two sides to sign."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from partgate.glossary import text
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import render, written_name, written_number, written_time
from partgate.report.limit_rows import LimitRow, limit_row, written_beside, written_day, written_limit

_SIDES = ("supplier", "customer")


def render_acceptance(record: Mapping[str, Any], thumbnails: Mapping[str, bytes], language: str = "en") -> str:
    """Return the whole page.

    Args:
        record: What ``acceptance.acceptance`` found.
        thumbnails: JPEG files by ``file`` of the mistakes; those without one are listed by name.
        language: Shown first; the other is one click away.

    Raises:
        ValueError: If the language is unknown.
    """
    mistakes = record["mistakes"]
    return render(
        "partgate.acceptance",
        "acceptance.html.j2",
        language,
        record=record,
        rows=limit_rows(record),
        confidence=written_limit(record["agreed"]["confidence"]),
        kinds=_kinds(record["counts"]),
        shown=[entry for entry in mistakes if entry["file"] in thumbnails],
        not_shown=len(mistakes) - len(thumbnails),
        pictures={
            file: "data:image/jpeg;base64," + base64.b64encode(jpeg).decode() for file, jpeg in thumbnails.items()
        },
        cannot=_cannot(record),
        chosen=_chosen(record),
        sealed=_sealed(record),
        agreed_on=written_day(record["agreed"]["agreed_on"]),
        signatures=_signatures(record["signed_by"]),
    )


def limit_rows(record: Mapping[str, Any]) -> list[LimitRow]:
    """Return the agreed limits in the order of the record."""
    return [limit_row(result, record["material"]["counted"]) for result in record["results"]]


def say_results(record: Mapping[str, Any], language: str) -> list[str]:
    """Return a sentence per limit and one for all of them, as plain text."""
    lines = []
    for row, result in zip(limit_rows(record), record["results"], strict=True):
        parts = {name: getattr(row, name).in_language(language) for name in ("what", "shown", "limit")}
        upper = written_beside(result["upper"], result["limit"]).in_language(language)
        verdict = text(f"accept.verdict.{row.verdict}", language)
        line = text("accept.line", language, upper=upper, verdict=verdict, **parts)
        lines.append(f"{line}; {row.missing.in_language(language)}" if result["parts_missing"] else line)
    overall = text(f"accept.verdict.{record['verdict']}", language)
    return [*lines, text("accept.line.overall", language, verdict=overall)]


def _kinds(counts: Mapping[str, Any]) -> list[tuple[Bilingual, bool, Mapping[str, int]]]:
    """Return the lines of the table of verdicts: words, whether it is part of the line above, counts."""
    rows = [
        (phrase("accept.kind.good"), False, counts["good"]),
        (phrase("accept.kind.defect"), False, counts["defect"]),
    ]
    for key, kind in (("classes", "class"), ("severities", "severity")):
        for name, found in counts[key].items():
            rows.append((phrase(f"accept.kind.{kind}", name=written_name(name)), True, found))
    return rows


def _cannot(record: Mapping[str, Any]) -> list[Bilingual]:
    """Return the sentences that hold for this acceptance, those about these parts first."""
    material, agreed = record["material"], record["agreed"]
    found = []
    for fact in ("without_part", "shared_groups", "without_severity", "on_test_side"):
        if material[fact]:
            name = "test_side" if fact == "on_test_side" else fact
            found.append(phrase(f"accept.cannot.{name}", n=written_number(material[fact])))
    if material["not_learned"]:
        found.append(phrase("accept.cannot.not_learned", classes=written_name(", ".join(material["not_learned"]))))
    if not record["seal"]["before"]:
        found.append(phrase("accept.cannot.sealed_late"))
    if record["recipe"]["chosen_on"] is None:
        found.append(phrase("accept.cannot.chosen_unknown"))
    if material["counted"] == "picture":
        found.append(phrase("limits.pictures"))
    found.append(phrase("accept.cannot.same_parts"))
    if agreed["rechecks"] == "caught" or agreed["rechecks_good"] == "accepted":
        found.append(phrase("accept.cannot.caught"))
    if len(record["results"]) > 1:
        found.append(
            phrase("accept.cannot.each_limit", n=len(record["results"]), confidence=written_limit(agreed["confidence"]))
        )
    return [*found, *map(phrase, ("limits.unknown_defects", "limits.conditions", "limits.delivered"))]


def _chosen(record: Mapping[str, Any]) -> Bilingual:
    chosen_on = record["recipe"]["chosen_on"]
    if chosen_on is None:
        return phrase("accept.parts.chosen.unknown")
    counts = {name: written_number(chosen_on[name]) for name in ("parts", "pictures")}
    return phrase("accept.parts.chosen.value", **counts)


def _sealed(record: Mapping[str, Any]) -> Bilingual:
    how = "before" if record["seal"]["before"] else "with"
    return phrase(f"accept.parts.sealed.{how}", time=written_time(record["seal"]["sealed_at"]))


def _signatures(names: Sequence[str]) -> list[tuple[Bilingual, str]]:
    """Return whose signature is asked for and the name known so far; both sides always, further ones where named."""
    sides = [*_SIDES, *["further"] * (len(names) - len(_SIDES))]
    given = [*names, *[""] * len(_SIDES)]
    return [(phrase(f"accept.sign.{side}"), name) for side, name in zip(sides, given, strict=False)]
