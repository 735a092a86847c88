"""The operating point as a page, and the words of the cost curve that the report shares with it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from partgate.decide.decide import Order
from partgate.evaluation.cost_curve import pick_points
from partgate.glossary import format_number, languages, text
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import render, written_number, written_percent, written_score
from partgate.recipe import Recipe
from partgate.report.cost_words import cost_basis, cost_drawing


def render_decision(
    recipe: Recipe, cost: Mapping[str, Any], before: Mapping[str, Any] | None, how: Bilingual,
    notes: Sequence[Bilingual], order: Order | None, language: str = "en",
) -> str:  # fmt: skip
    """Return the page.

    Args:
        recipe: Names product and bundle.
        cost: The curve with the chosen rule, from ``cost_curve.describe_cost``.
        before: The rule in force until now on the same parts; ``None`` where it is the chosen one.
        how: The rule was chosen.
        notes: What to mind.
        order: Who set the rule; ``None`` where the recipe is unchanged.
        language: Shown first.

    Raises:
        ValueError: If the language is unknown.
    """
    rules = [one for one in (before, cost["chosen"]) if one is not None]
    points = [
        _row(one, cost) | {"mark": "→" if one is cost["chosen"] else ""} for one in _with_chosen(cost)
    ]  # fmt: skip
    return render(
        "partgate.decide", "decide.html.j2", language,
        recipe=recipe, cost=cost, created_at=datetime.now(UTC), parts=cost["n_good"] + cost["n_defect"],
        rules=[_row(one, cost) for one in rules], points=points,
        unit=Bilingual(lambda lang: cost["currency"] or text("cost.unit", lang)), basis=cost_basis(cost),
        chart=cost_drawing(cost, is_proposal=order is None), how=how, notes=notes,
        who=order.who if order else None, why=order.why if order else None,
    )  # fmt: skip


def _with_chosen(cost: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return some rules of the curve and the chosen one among them, from strict to mild."""
    chosen = cost["chosen"]
    limits = (chosen["recheck_from"], chosen["reject_from"])
    rows = [one for one in pick_points(cost) if (one["recheck_from"], one["reject_from"]) != limits]
    return sorted([*rows, chosen], key=lambda one: (one["escapes"], one["recheck_from"]))


def _row(point: Mapping[str, Any], cost: Mapping[str, Any]) -> dict[str, Bilingual]:
    """Return a rule's line, written in both languages."""
    return {
        "recheck_from": written_score(point["recheck_from"]),
        "reject_from": written_score(point["reject_from"]),
        "escapes": _of(point["escapes"], cost["n_defect"], point["escape_rate_upper95"]),
        "false_rejects": _of(point["false_rejects"], cost["n_good"], point["false_reject_rate_upper95"]),
        "rechecks": Bilingual(
            lambda lang: " + ".join(format_number(point[f"rechecks_{who}"], lang) for who in ("good", "defect"))
        ),
        "money": _money(point),
    }  # fmt: skip


def _money(point: Mapping[str, Any]) -> Bilingual:
    if point["money"] is None:
        return phrase("cost.no_price")
    return phrase("decide.range", value=_plain(point["money"]), low=_plain(point["money_low"]),
                  high=_plain(point["money_high"]))  # fmt: skip


def _of(k: int, n: int, upper: float) -> Bilingual:
    return phrase("decide.of", k=written_number(k), n=written_number(n), upper=written_percent(upper))


def _plain(value: float | None) -> Bilingual:
    return written_number(value, 0 if value is not None and value >= 100 else 1)


def describe_decision(cost: Mapping[str, Any]) -> list[str]:
    """Return the curve as lines for the screen; the chosen rule is marked."""
    unit = cost["currency"] or text("cost.unit", languages[0])
    head = ("escapes", "false rejects", "rechecks", f"{unit} per 1000 parts", "recheck from", "reject from")
    rows = [tuple(_cells(point, cost)) for point in pick_points(cost)]
    chosen = tuple(_cells(cost["chosen"], cost))
    rows = [*(row for row in rows if row != chosen), chosen]
    rows.sort(key=lambda row: (int(row[0].split()[0]), row != chosen))
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    lines = ["  " + "  ".join(f"{word:>{width}}" for word, width in zip(head, widths, strict=True))]
    for row in rows:
        sign = "→ " if row == chosen else "  "
        lines.append(sign + "  ".join(f"{word:>{width}}" for word, width in zip(row, widths, strict=True)))
    return lines


def _cells(point: Mapping[str, Any], cost: Mapping[str, Any]) -> list[str]:
    english = languages[0]
    row = _row(point, cost)
    return [row[name].in_language(english) for name in
            ("escapes", "false_rejects", "rechecks", "money", "recheck_from", "reject_from")]  # fmt: skip
