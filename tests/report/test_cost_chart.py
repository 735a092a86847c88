"""The cost curve as a drawing: the rule in force marked, both languages, the range that anyone would choose from."""

import re
from typing import Any

import numpy as np
import pytest

from partgate.evaluation.cost_curve import describe_cost
from partgate.evaluation.operating_points import PartScores
from partgate.report.cost_chart import cost_svg, money_words
from partgate.wishes import Cost, Wishes

EUROS = Cost(escape=250, false_reject=4, recheck=1.5, currency="EUR")


def described(cost: Cost = EUROS, recheck_from: float = 0.5, reject_from: float = 0.5) -> dict[str, Any]:
    """Return the curve of forty good and forty defect parts that overlap."""
    goods, defects = np.linspace(0.01, 0.6, 40), np.linspace(0.4, 0.99, 40)
    scores = PartScores(np.concatenate([goods, defects]), np.array([False] * 40 + [True] * 40))
    found = describe_cost(scores, Wishes(cost=cost, defect_share=0.02), recheck_from, reject_from)
    assert found is not None
    return found


def words(svg: str) -> list[str]:
    """Return what is written in a drawing."""
    return re.findall(r"<text[^>]*>(?:<title>.*?</title>)?([^<]*)</text>", svg)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ("Cost per 1000 parts (EUR), band: bounds 95 %", "rule in force", "Escapes, of 40 defect parts")),
        (
            "de",
            ("Kosten je 1000 Teile (EUR), Band: Schranken 95 %", "geltende Regel", "Schlupf, von 40 Schlechtteilen"),
        ),
    ],
)
def test_drawing_says_what_it_shows_in_each_language(language: str, expected: tuple[str, ...]) -> None:
    assert set(expected) <= set(words(cost_svg(described(), language)))


def test_rule_that_is_only_proposed_is_not_called_in_force() -> None:
    written = words(cost_svg(described(), "en", is_proposal=True))

    assert "proposed rule" in written
    assert "rule in force" not in written


def test_rule_without_a_price_for_its_rechecks_has_a_place_but_no_amount() -> None:
    svg = cost_svg(described(Cost(), recheck_from=0.4, reject_from=0.6), "en")

    assert "rule in force" in words(svg)
    assert 'r="7"' not in svg  # the ring stands at an amount


def test_rules_that_nobody_would_choose_are_left_to_the_table() -> None:
    steps = [int(word) for word in words(cost_svg(described(), "en")) if word.isdigit() and int(word) <= 40]

    assert max(steps) <= 20  # a quarter of 40, or twice the seven escapes of the rule in force


def test_solid_and_dashed_lines_tell_rejected_from_rechecked_without_colour() -> None:
    svg = cost_svg(described(), "en")

    assert {"rejected", "rechecked"} <= set(words(svg))
    assert 'stroke-dasharray="6 4"' in svg


@pytest.mark.parametrize(
    ("value", "written"), [(4, "4 EUR"), (1.5, "1.50 EUR"), (12.34, "12.3 EUR"), (1234.5, "1234 EUR")]
)
def test_amounts_carry_their_unit_and_no_idle_digits(value: float, written: str) -> None:
    assert money_words(value, {"currency": "EUR"}, "en") == written
