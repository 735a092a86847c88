"""Another rule without learning again: by a person, for a reason, and nothing of the old one lost."""

import json
from pathlib import Path

import pytest

from partgate.decide.decide import gather_evidence
from partgate.recipe import load_recipe

from .conftest import BY_COST, BY_PERSON, decide, quietly, write_scores

# --- setting a rule


def test_without_a_person_and_a_reason_the_recipe_stays_as_it_is(run: Path) -> None:
    before = (run / "recipe.yaml").read_bytes()

    said = decide(run, *BY_COST)

    assert (run / "recipe.yaml").read_bytes() == before
    assert "nothing was changed; --who and --why set this rule" in said


def test_rule_is_written_with_who_when_why_and_what_it_rests_on(run: Path) -> None:
    decide(run, *BY_COST, *BY_PERSON)

    rule = load_recipe(run).decision
    assert (rule.set_by, rule.why) == ("A. Meier", "agreed with sales")
    assert rule.set_at is not None
    assert (rule.cost.escape, rule.cost.currency, rule.defect_share) == (250, "EUR", 0.02)
    assert rule.chosen_on is not None
    assert (rule.chosen_on.parts, rule.chosen_on.picture_sha256) == (8, ())
    assert rule.chosen.startswith("cheapest where an escape costs 250 EUR, a false reject 4 EUR and a recheck 1.5 EUR")
    assert rule.chosen_de.startswith("am günstigsten, wenn ein Schlupf 250 EUR, ein Pseudofehler 4 EUR und eine")


def test_rules_that_were_in_force_stay_in_the_recipe_in_their_order(run: Path) -> None:
    first = load_recipe(run).decision
    decide(run, "--by-hand", 0.2, 0.3, *BY_PERSON)
    decide(run, "--by-hand", 0.5, 0.5, "--who", "B. Kurz", "--why", "trial")

    rule = load_recipe(run).decision
    assert [(one.recheck_from, one.reject_from, one.set_by) for one in rule.earlier] == [
        (first.recheck_from, first.reject_from, None),
        (0.2, 0.3, "A. Meier"),
    ]
    assert (rule.recheck_from, rule.set_by) == (0.5, "B. Kurz")


def test_rest_of_the_recipe_and_the_pinned_bundle_stay(run: Path) -> None:
    before = load_recipe(run)

    decide(run / "recipe.yaml", *BY_COST, *BY_PERSON)

    after = load_recipe(run)
    assert after.model_copy(update={"decision": before.decision}) == before


def test_wishes_of_the_recipe_hold_where_none_are_named(run: Path) -> None:
    decide(run, "--max-escape-rate", 0.25, *BY_PERSON)

    said = decide(run)

    assert "max_escape_rate 0.25" in said


def test_naming_costs_leaves_a_wanted_rate_behind(run: Path) -> None:
    decide(run, "--max-escape-rate", 0.25, *BY_PERSON)

    decide(run, "--escape", 50, *BY_PERSON)

    assert load_recipe(run).decision.max_escape_rate is None


def test_part_with_several_pictures_counts_once(run: Path, data: Path) -> None:
    write_scores(run, data, {"good/010.png": "p", "good/120.png": "p"})

    evidence = gather_evidence(run, load_recipe(run), None, progress=quietly)

    assert (evidence.chosen_on.parts, evidence.chosen_on.pictures) == (7, 8)
    assert sorted(evidence.scores.values[~evidence.scores.is_defect]) == pytest.approx([20 / 255, 30 / 255, 120 / 255])


# --- the page


def test_page_and_json_tell_the_same_and_the_rule_until_now_beside_it(run: Path, tmp_path: Path) -> None:
    decide(run, *BY_COST, "--out", tmp_path / "page", "--lang", "de")

    facts = json.loads((tmp_path / "page" / "decision.json").read_text(encoding="utf-8"))
    page = (tmp_path / "page" / "decision.html").read_text(encoding="utf-8")
    chosen = facts["cost"]["chosen"]
    assert facts["before"]["recheck_from"] == 0.4
    assert f"{chosen['recheck_from']:.3f}" in page
    assert f"{chosen['recheck_from']:.3f}".replace(".", ",") in page
    assert "Kosten je 1000 Teile (EUR)" in page
    assert 'id="show-de" autocomplete="off" checked' in page
    assert "://" not in page


def test_band_without_a_lane_of_its_own_is_told(run: Path) -> None:
    assert "rechecks go to lane 0, the reject lane; lanes.RECHECK" in decide(run, "--by-hand", 0.3, 0.7)


def test_rule_whose_rechecks_have_no_price_says_that_its_cost_is_not_known(run: Path, tmp_path: Path) -> None:
    said = decide(run, "--by-hand", 0.1, 0.9, "--out", tmp_path / "page")

    assert "rechecks have no price, so what this rule costs is not known; --recheck names one" in said
    assert "kein Preis" in (tmp_path / "page" / "decision.html").read_text(encoding="utf-8")
