"""A rule that was found: what it does beside the one in force, in words, as a page and as JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from partgate.configfile import check_settings, make_folder, write_atomically
from partgate.decide.decide import Evidence, Order, find_rule
from partgate.decide.page import describe_decision, render_decision
from partgate.errors import ConfigError
from partgate.evaluation.cost_curve import describe_cost, describe_point
from partgate.evaluation.operating_points import count_at, share_on_line
from partgate.evaluation.threshold_words import ChosenLimits, describe_wishes, warn_about
from partgate.glossary import count_of, languages
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import written_number
from partgate.recipe import Limits, Recipe
from partgate.wishes import Wishes

PAGE_FILE, JSON_FILE = "decision.html", "decision.json"
_CLEARLY = 0.98  # differences below two in a hundred are not worth a word
_RATES = ("max_escape_rate", "max_false_reject_rate")


def merge_wishes(limits: Limits, given: Mapping[str, Any]) -> Wishes:
    """Return the recipe's wishes with those that a person names now in their place.

    Naming a rate or a promise replaces the other kind; naming costs alone drops both, as the cheapest rule is meant.

    Raises:
        ConfigError: If a value makes no sense.
    """
    merged = {name: value for name, value in limits.model_dump().items() if name in Wishes.model_fields}
    merged["cost"] |= _named(given["cost"])
    promise, rates = _named(given["promise"]), _named({name: given[name] for name in _RATES})
    if promise or rates or _named(given["cost"]):
        merged |= dict.fromkeys(_RATES) | {"promise": promise or None} | rates
    if given["defect_share"] is not None:
        merged["defect_share"] = given["defect_share"]
    return check_settings(merged, Wishes, source="command line", folder=Path())


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A rule that was found, and what it does."""

    recipe: Recipe
    chosen: ChosenLimits
    cost: Mapping[str, Any]
    before: Mapping[str, Any] | None  # the rule in force on the same parts; None where it is the same
    how: Bilingual
    notes: tuple[Bilingual, ...]

    @property
    def lines(self) -> list[str]:
        """Return the outcome for the screen."""
        found = self.chosen
        rechecks = found.rechecks_good + found.rechecks_defect
        return [
            *describe_decision(self.cost),
            f"chosen: {found.how}",
            f"  on {found.n_defect} defect and {found.n_good} good {self.cost['counted']}s: "
            f"{count_of(found.escapes, 'escape')}, {count_of(found.false_rejects, 'false reject')}, "
            f"{count_of(rechecks, 'recheck')}",
            *(f"note: {note.in_language(languages[0])}" for note in self.notes),
        ]

    def write(self, out: Path, order: Order | None, language: str) -> Path:
        """Write page and JSON and return the page's path.

        Raises:
            ConfigError: If the place is not writable or full.
        """
        facts = {
            "recipe": self.recipe.name,
            "bundle_id": self.recipe.bundle.id,
            "chosen": asdict(self.chosen),
            "before": self.before,
            "cost": self.cost,
            "notes": [note.in_language(languages[0]) for note in self.notes],
            "set_by": order and order.who,
            "why": order and order.why,
        }
        page = render_decision(self.recipe, self.cost, self.before, self.how, self.notes, order, language)
        make_folder(out)
        try:
            write_atomically(out / JSON_FILE, json.dumps(facts, indent=1, ensure_ascii=False).encode())
            write_atomically(out / PAGE_FILE, page.encode())
        except OSError as error:
            raise ConfigError([f"{out}: cannot be written: {error.strerror}; name another folder"]) from error
        return out / PAGE_FILE


def choose_rule(recipe: Recipe, evidence: Evidence, wishes: Wishes, by_hand: tuple[float, float] | None) -> Outcome:
    """Return the rule that wishes lead to, or the one that a person names.

    Raises:
        ConfigError: If limits by hand are not in order.
    """
    scores = evidence.scores
    chosen = find_rule(evidence, wishes) if by_hand is None else _by_hand(evidence, by_hand)
    cost = describe_cost(scores, wishes, chosen.recheck_from, chosen.reject_from, counted=evidence.chosen_on.counted)
    assert cost is not None, "evidence holds good and defect parts"
    now = recipe.decision
    before = None
    if (now.recheck_from, now.reject_from) != (chosen.recheck_from, chosen.reject_from):
        point = count_at(scores, now.recheck_from, now.reject_from)
        before = describe_point(point, wishes, share_on_line(scores, wishes))
    notes = [] if by_hand is not None else list(warn_about(chosen, wishes))
    notes += _notes(recipe, evidence, wishes, chosen, cost, is_cheapest=by_hand is None)
    how = phrase("limits_words.by_hand") if by_hand is not None else describe_wishes(wishes, chosen)
    return Outcome(recipe, chosen, cost, before, how, tuple(notes))


def _notes(
    recipe: Recipe, evidence: Evidence, wishes: Wishes, chosen: ChosenLimits, cost: Mapping[str, Any], *,
    is_cheapest: bool,
) -> Iterator[Bilingual]:  # fmt: skip
    if wishes.promise is not None or evidence.chosen_on.picture_sha256:
        yield from evidence.notes
    cheapest, money = min(point["money"] for point in cost["points"]), cost["chosen"]["money"]
    wished = (wishes.max_escape_rate, wishes.max_false_reject_rate, wishes.promise)
    if money is None:
        yield phrase("decide.note.no_price")
    elif is_cheapest and not any(one is not None for one in wished) and cheapest < money * _CLEARLY:
        yield phrase("decide.note.counted_cheaper", cheapest=written_number(cheapest), money=written_number(money))
    if chosen.reject_from > chosen.recheck_from and not recipe.lanes.get("RECHECK"):
        yield phrase("decide.note.no_lane")


def _by_hand(evidence: Evidence, limits: tuple[float, float]) -> ChosenLimits:
    low, high = limits
    if not 0 <= low <= high <= 1:
        raise ConfigError([f"--by-hand must satisfy 0 <= RECHECK_FROM <= REJECT_FROM <= 1, got {low:g} and {high:g}"])
    point = count_at(evidence.scores, low, high)
    return ChosenLimits(
        low, high, point.n_good, point.n_defect, point.escapes, point.false_rejects, point.rechecks_good,
        point.rechecks_defect, seen_share=float(evidence.scores.values.mean()), how="set by hand", warnings=(),
    )  # fmt: skip
