"""The page of a comparison of two gates: one HTML file in both languages."""

import base64
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from partgate.evaluation import comparison_words as words
from partgate.evaluation.paired import least_changes
from partgate.glossary import format_number, format_percent, printable
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import render, written_name, written_number, written_percent, written_score

PICTURES_SHOWN = 48
"""Parts with another verdict that the page shows; all of them stand in the table."""

UNREADABLE_SHOWN = 20


def render_comparison(facts: Mapping[str, Any], pictures: Mapping[str, bytes], language: str = "en") -> str:
    """Return the page.

    Args:
        facts: What ``compare_gates`` found, with ``created_at`` and ``partgate``.
        pictures: JPEG files by the ``file`` of changed parts; a missing one shows an empty box.
        language: Shown first; the other is one click away.

    Raises:
        ValueError: If the language is unknown.
    """
    first, second = facts["keys"]
    return render(
        "partgate.compare",
        "compare.html.j2",
        language,
        facts=facts,
        first=_said(words.name_gate, first),
        second=_said(words.name_gate, second),
        is_sorting=facts["good_class"] is None,
        conclusion=_said(words.say_conclusion, facts),
        results=[_result(facts, name) for name in words.deciding_figures(facts)],
        rule=_rule(facts),
        money=list(_money(facts)),
        rows=[_row(facts, name) for name in _shown(facts)],
        limits=list(_limits(facts)),
        changed=[
            (part, [_verdict(facts, part[key]) for key in (first, second)])
            for part in facts["changed"][:PICTURES_SHOWN]
        ],
        pictures={file: "data:image/jpeg;base64," + base64.b64encode(jpeg).decode() for file, jpeg in pictures.items()},
        unreadable_shown=UNREADABLE_SHOWN,
    )


def _said(say: Callable[..., str], *values: object) -> Bilingual:
    return Bilingual(partial(say, *values))


def _result(facts: Mapping[str, Any], name: str) -> dict[str, Bilingual]:
    """Return one of the figures that decide: title, sentence, what chance says, limits of the difference."""
    return {
        "title": phrase(f"compare.figure.{name}"),
        "sentence": _said(words.say_figure, facts, name),
        "chance": _said(words.say_chance, facts, name),
        "margin": _said(words.say_margin, facts, name),
    }


def _rule(facts: Mapping[str, Any]) -> Bilingual:
    level = facts["beyond_chance_below"]
    return phrase(
        "compare.rule",
        limit=Bilingual(lambda language: format_percent(level, language, 0)),
        level=Bilingual(lambda language: format_number(level, language, 2)),
    )


def _shown(facts: Mapping[str, Any]) -> list[str]:
    """Return the figures of the table; without any recheck a closed band says nothing new."""
    rechecks = facts["figures"]["rechecks"]
    is_open = rechecks["n"] > rechecks["neither"]
    return [name for name, one in facts["figures"].items() if one["n"] and (is_open or not name.endswith("_closed"))]


def _row(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return one line of the table of figures."""
    figure = facts["figures"][name]
    first, second = facts["keys"]
    noun = _said(words.counted_noun, facts, name)
    return {
        "title": phrase(f"compare.figure.{name}"),
        "of": phrase("compare.figure.of", n=written_number(figure["n"]), noun=noun),
        "counts": [
            (
                written_number(figure[key]),
                phrase("compare.figure.upper", upper=written_percent(figure[f"{key}_upper95"])),
            )
            for key in (first, second)
        ],
        "only": [written_number(figure[f"only_{key}"]) for key in (first, second)],
        "difference": _said(words.write_points, figure["difference"]),
        "interval": phrase(
            "compare.figure.interval",
            low=_said(words.write_points, figure["difference_low95"]),
            high=_said(words.write_points, figure["difference_high95"]),
        ),
        "p": _said(words.write_p, figure["chance"]),
    }


def _limits(facts: Mapping[str, Any]) -> Iterator[Bilingual]:
    """Yield what these parts cannot show, the size of the test first."""
    first, second = (_said(words.name_gate, key) for key in facts["keys"])
    for who in ("defect", "good"):
        if facts[f"n_{who}"] == 0:
            yield phrase(f"compare.limits.no_{who}")
    is_same = facts["conclusion"]["kind"] == "same_gate"
    for name in words.deciding_figures(facts):
        figure = facts["figures"][name]
        if not figure["beyond_chance"] and not is_same:
            yield phrase(
                "compare.limits.margin",
                figure=phrase(f"compare.figure.{name}"),
                first=first,
                second=second,
                worse=written_number(max(0.0, 100 * figure["difference_high95"]), 1),
                better=written_number(max(0.0, -100 * figure["difference_low95"]), 1),
            )
    least = least_changes()
    if len(facts["changed"]) < least and not is_same:
        yield phrase("compare.limits.few_changes", n=len(facts["changed"]), least=least)
    yield from _limits_of_use(facts)


def _limits_of_use(facts: Mapping[str, Any]) -> Iterator[Bilingual]:
    """Yield what holds for this kind of comparison and these parts, however many they are."""
    for key in facts["keys"]:
        if unknown := facts[key]["classes_unknown"]:
            name = _said(words.name_gate, key)
            yield phrase("compare.limits.unknown_classes", name=name, classes=", ".join(map(printable, unknown)))
    tests = len(words.deciding_figures(facts))
    if tests > 1:
        chance = 1 - (1 - facts["beyond_chance_below"]) ** tests
        share = Bilingual(lambda language: format_percent(chance, language, 0))
        yield phrase("compare.limits.many_looks", tests=tests, share=share)
    tested = max(facts["tested_before"].values())
    if tested:
        yield phrase("compare.limits.tested_before", n=written_number(tested))
    if facts["counted"] == "picture":
        yield phrase("limits.pictures")
    if facts["good_class"] is not None:
        yield phrase("compare.limits.share")


def _verdict(facts: Mapping[str, Any], said: Mapping[str, Any]) -> Bilingual:
    """Return what one gate said about a part: the verdict with its score, or in sorting the class."""
    if facts["good_class"] is None and said["verdict"] == "GOOD":
        return phrase(
            "compare.changed.sorted", verdict=phrase("verdict.sorted"), name=printable(said["predicted_class"])
        )
    verdict = phrase(f"verdict.{said['verdict']}")
    return phrase("compare.changed.said", verdict=verdict, score=written_score(said["defect_score"]))


def _money(facts: Mapping[str, Any]) -> Iterator[Bilingual]:
    """Yield what both cost per 1,000 parts and what that is counted with; nothing where it cannot be said."""
    money = facts["money"]
    if money is None:
        return
    first, second = facts["keys"]
    cost = money["cost"]
    unit = phrase("cost.unit") if cost["currency"] is None else written_name(cost["currency"])
    yield phrase(
        "compare.money",
        first=_said(words.name_gate, first),
        second=_said(words.name_gate, second),
        a=_amount(money[first]),
        b=_amount(money[second]),
        unit=unit,
    )
    yield phrase(
        "cost.basis",
        escape=_price(cost["escape"]),
        false_reject=_price(cost["false_reject"]),
        recheck=_price(cost["recheck"]),
        share=written_percent(money["defect_share"]),
        source=phrase("cost.basis.recipe" if money["share_is_stated"] else "cost.basis.data"),
    )
    yield phrase("compare.money.bounds")


def _amount(money: Mapping[str, float]) -> Bilingual:
    return phrase("compare.money.value", **{name: written_number(value) for name, value in money.items()})


def _price(value: float | None) -> Bilingual:
    return written_number(value, 0 if value is None or value == int(value) else 2)
