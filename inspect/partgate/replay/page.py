"""The page of a replay: one HTML file in both languages."""

import base64
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from partgate.glossary import format_score, printable
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import render, written_name, written_number, written_percent, written_score
from partgate.replay.account import score_step
from partgate.replay.difference import VERDICTS, direction_of
from partgate.replay.summary import say_numbers

DIRECTIONS = ("good_reject", "reject_good", "from_good", "to_good", "elsewhere")
SHOWN_EACH = 16
"""Parts with another verdict that the page shows of each direction; the numbers of all stand in the JSON."""

DIFFERENCES_SHOWN = 40


def render_replay(facts: Mapping[str, Any], pictures: Mapping[str, bytes], language: str = "en") -> str:
    """Return the page.

    Args:
        facts: As in ``replay.json``.
        pictures: JPEG files by the ``file`` of parts; a missing one shows an empty box.
        language: Shown first; the other is one click away.

    Raises:
        ValueError: If the language is unknown.
    """
    other = facts["other"] if facts["other"] and facts["other"]["count"] else None
    return render(
        "partgate.replay",
        "replay.html.j2",
        language,
        facts=facts,
        other=other,
        headline=_headline(facts, other),
        notes=list(_notes(facts, other)),
        directions=[_direction(other, which) for which in DIRECTIONS] if other else [],
        outcome=_outcome,
        tables=list(_tables(other)) if other else [],
        mistakes=list(_mistakes(other)) if other and other["mistakes"] else [],
        money=list(_money(other)) if other else [],
        differences=[(part, _said(part["was"], precise=True), _said(part["now"], precise=True))
                     for part in facts["same"]["parts"][:DIFFERENCES_SHOWN]],
        line=sum(facts["not_from_model"].values()),
        left_out=[(phrase(f"replay.left_out.{cause}"), one["count"], _numbers(one["records"]))
                  for cause, one in facts["left_out"].items()],
        pictures={file: "data:image/jpeg;base64," + base64.b64encode(jpeg).decode() for file, jpeg in pictures.items()},
    )  # fmt: skip


def shown_parts(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parts that the page shows with a picture."""
    if facts["other"] is None:
        return []
    return [part for which in DIRECTIONS for part in _shown_of(facts["other"], which)]


def _shown_of(other: Mapping[str, Any], which: str) -> list[dict[str, Any]]:
    """Return the parts of one direction whose score moved most."""
    found = [part for part in other["parts"] if direction_of(part) == which]
    return sorted(found, key=lambda part: -score_step(part))[:SHOWN_EACH]


def _headline(facts: Mapping[str, Any], other: Mapping[str, Any] | None) -> list[Bilingual]:
    same, found = facts["same"], []
    if other:
        which = "replay.changed" if other["changed"] else "replay.changed.none"
        found.append(phrase(which, k=written_number(other["changed"]), n=written_number(other["count"]),
                            recipe=written_name(facts["recipe"])))  # fmt: skip
    if same["different"]:
        found.append(phrase("replay.differs", k=written_number(same["different"]), n=written_number(same["exact"])))
    elif same["exact"]:
        found.append(phrase("replay.equal", n=written_number(same["exact"])))
    return found


def _notes(facts: Mapping[str, Any], other: Mapping[str, Any] | None) -> Iterator[Bilingual]:
    same = facts["same"]
    if same["lossy"]:
        step = Bilingual(lambda language: format_score(same["lossy_largest_step"], language, 6))
        yield phrase("replay.lossy", n=written_number(same["lossy"]), k=written_number(same["lossy_different"]),
                     step=step, verdicts=written_number(same["lossy_verdicts"]))  # fmt: skip
    if other is None:
        return
    if other["other_class"]:
        yield phrase("replay.other_class", n=written_number(other["other_class"]))
    if other["lossy"]:
        yield phrase("replay.lossy_other", n=written_number(other["lossy"]))
    if facts["classes_unknown"]:
        yield phrase("replay.classes_unknown", classes=", ".join(map(printable, facts["classes_unknown"])))


def _direction(other: Mapping[str, Any], which: str) -> dict[str, Any]:
    counts: dict[str, int] = defaultdict(int)
    for then, row in other["moves"]["table"].items():
        for now, count in row.items():
            if then != now:
                counts[direction_of({"from": then, "to": now})] += count
    shown = _shown_of(other, which)
    return {
        "which": which,
        "title": phrase(f"replay.direction.{which}"),
        "count": counts[which],
        "means": phrase(f"replay.direction.means.{which}") if which in ("good_reject", "reject_good") else None,
        "parts": [(part, _said(part["was"]), _said(part["now"])) for part in shown],
    }


def _outcome(which: str) -> Bilingual:
    """Return a verdict in words, or a class of sorting by its name."""
    return phrase(f"verdict.{which}") if which in VERDICTS else written_name(which)


def _said(said: Mapping[str, Any], *, precise: bool = False) -> Bilingual:
    """Return what was said about a part; precise as it was stored, to the last digit, with lane and class number."""
    verdict, score = phrase(f"verdict.{said['verdict']}"), written_score(said["defect_score"])
    if precise:
        if said["defect_score"] is not None:
            score = written_number(said["defect_score"], 9)
        place = phrase("replay.said.lane", lane=said["lane"], number=said["class_number"])
        first = phrase("replay.said", verdict=verdict, score=score)
        return Bilingual(lambda language: f"{first.in_language(language)}, {place.in_language(language)}")
    if said["defect_class"] and said["verdict"] != "GOOD":
        return phrase("replay.said.class", verdict=verdict, name=printable(said["defect_class"]), score=score)
    return phrase("replay.said", verdict=verdict, score=score)


def _tables(other: Mapping[str, Any]) -> Iterator[tuple[Bilingual, Mapping[str, Mapping[str, int]]]]:
    yield phrase("replay.moves.caption"), other["moves"]["table"]
    for truth, found in (other["truths"] or {}).items():
        if found["count"]:
            yield phrase(f"replay.moves.caption.{truth}", n=written_number(found["count"])), found["table"]


def _mistakes(other: Mapping[str, Any]) -> Iterator[tuple[Bilingual, int, int]]:
    for name, found in other["mistakes"].items():
        of = other["truths"]["good" if name in ("false_rejects", "rechecks_good") else "defect"]["count"]
        if of:
            yield phrase(f"replay.mistakes.{name}", n=written_number(of)), found["then"], found["now"]


def _money(other: Mapping[str, Any]) -> Iterator[Bilingual]:
    """Yield what both cost per 1,000 parts and what that is counted with; nothing where it cannot be said."""
    money = other["money"]
    if money is None:
        return
    cost = money["cost"]
    unit = phrase("cost.unit") if cost["currency"] is None else written_name(cost["currency"])
    then, now = (
        phrase("replay.money.value", **{name: written_number(value) for name, value in money[when].items()})
        for when in ("then", "now")
    )
    yield phrase("replay.money", then=then, now=now, unit=unit)
    prices = {name: written_number(cost[name], 0 if cost[name] is None or cost[name] == int(cost[name]) else 2)
              for name in ("escape", "false_reject", "recheck")}  # fmt: skip
    source = phrase("cost.basis.recipe" if money["share_is_stated"] else "cost.basis.data")
    yield phrase("cost.basis", **prices, share=written_percent(money["defect_share"]), source=source)


def _numbers(ranges: list[list[int]]) -> Bilingual:
    most = 30
    told = say_numbers(ranges[:most], most)
    named = phrase("replay.records", numbers=told.replace("-", "–"))
    return phrase("replay.records.more", numbers=named) if len(ranges) > most else named
