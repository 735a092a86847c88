"""What a cost curve says, for the report and for the page of the operating point."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from partgate.pages.bilingual import Bilingual, drawing, phrase
from partgate.pages.frame import written_number, written_percent
from partgate.report.cost_chart import cost_svg, money_words


def cost_drawing(cost: Mapping[str, Any], *, is_proposal: bool = False) -> Bilingual:
    """Return the cost curve, drawn in both languages."""
    return drawing(partial(cost_svg, cost, is_proposal=is_proposal))


def cost_basis(cost: Mapping[str, Any]) -> Bilingual:
    """Return by which prices and which defect share costs were counted."""
    return phrase(
        "cost.basis",
        **{name: _amount(cost[name], cost) for name in ("escape", "false_reject", "recheck")},
        share=written_percent(cost["defect_share"]),
        source=phrase(f"cost.basis.{cost['defect_share_from']}"),
    )


def cost_sentences(cost: Mapping[str, Any]) -> list[Bilingual]:
    """Return what the rule in force costs on these parts, and what the cheapest one would."""
    chosen, cheapest = cost["chosen"], min(cost["points"], key=lambda point: float(point["money"]))
    amounts = {name: _amount(chosen[key], cost) for name, key in
               (("money", "money"), ("low", "money_low"), ("high", "money_high"))}  # fmt: skip
    unusable = cost.get("unusable")
    more = [phrase("cost.unusable", n=written_number(unusable))] if unusable else []
    if chosen["money"] is None:
        return [*more, phrase("cost.unpriced")]
    said = [phrase("cost.sentence", **amounts)]
    if cheapest["money"] < chosen["money"]:
        said.append(phrase("cost.cheapest", money=_amount(cheapest["money"], cost)))
    return said + more


def _amount(value: float | None, cost: Mapping[str, Any]) -> Bilingual:
    if value is None:
        return phrase("cost.no_price")
    return Bilingual(lambda language: money_words(value, cost, language))
