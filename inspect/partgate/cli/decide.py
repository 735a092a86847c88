"""``partgate decide``: the operating point, by what mistakes cost or by what may happen."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from partgate.cli.options import PageLanguage, RunOrRecipe
from partgate.cli.progress import shown_progress
from partgate.errors import ConfigError

if TYPE_CHECKING:
    from partgate.decide.decide import Order


def _wish(words: str) -> Any:
    return typer.Option(help=words, rich_help_panel="What is to be reached")


def decide(
    run_or_recipe: RunOrRecipe,
    data: Annotated[
        Path | None, typer.Option(help="Labelled folder of fresh pictures; without it the scores of the training.")
    ] = None,
    escape: Annotated[float | None, _wish("Cost of a defect part that passes.")] = None,
    false_reject: Annotated[float | None, _wish("Cost of a good part that is rejected.")] = None,
    recheck: Annotated[
        float | None,
        _wish("Cost of a second look by a person; opens a recheck band."),
    ] = None,
    currency: Annotated[str | None, _wish("As EUR.")] = None,
    defect_share: Annotated[float | None, _wish("Share of defect parts on the line, as 0.02.")] = None,
    max_escape_rate: Annotated[float | None, _wish("Escapes / defect parts.")] = None,
    max_false_reject_rate: Annotated[float | None, _wish("False rejects / good parts.")] = None,
    promise_escape: Annotated[float | None, _wish("Of future defect parts, by split conformal prediction.")] = None,
    promise_false_reject: Annotated[float | None, _wish("Of future good parts, the same.")] = None,
    by_hand: Annotated[
        tuple[float, float] | None,
        _wish("RECHECK_FROM REJECT_FROM: the limits themselves, as scores 0..1."),
    ] = None,
    who: Annotated[str | None, typer.Option(help="Who sets the rule. With --why the recipe is written.")] = None,
    why: Annotated[str | None, typer.Option(help="For what reason.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for decision.html and decision.json.")] = None,
    lang: PageLanguage = "en",
) -> None:
    """Show what each rule would cost, and with --who and --why set one. Nothing is learned again.

    What is not named here is taken from the recipe.
    """
    order = _order(who, why)
    given = {
        "cost": {"escape": escape, "false_reject": false_reject, "recheck": recheck, "currency": currency},
        "defect_share": defect_share,
        "max_escape_rate": max_escape_rate,
        "max_false_reject_rate": max_false_reject_rate,
        "promise": {"escape": promise_escape, "false_reject": promise_false_reject},
    }
    _decide(run_or_recipe, data, given, by_hand, order, out, lang)


def _order(who: str | None, why: str | None) -> "Order | None":
    """Return who sets the rule and why, or ``None`` where nobody does."""
    from partgate.decide.decide import Order

    who, why = (who or "").strip(), (why or "").strip()
    if who and why:
        return Order(who, why)
    if who or why:
        raise ConfigError([f"--{'why' if who else 'who'} is missing: a rule is set by a person, for a reason"])
    return None


def _decide(
    run_or_recipe: Path, data: Path | None, given: Mapping[str, Any], by_hand: tuple[float, float] | None,
    order: "Order | None", out: Path | None, language: str,
) -> None:  # fmt: skip
    from partgate.configfile import make_folder
    from partgate.decide.decide import gather_evidence, set_rule
    from partgate.decide.outcome import choose_rule, merge_wishes
    from partgate.recipe import load_recipe, recipe_path

    path, recipe = recipe_path(run_or_recipe), load_recipe(run_or_recipe)
    wishes = merge_wishes(recipe.decision, given)
    with shown_progress() as progress:
        evidence = gather_evidence(run_or_recipe, recipe, data, progress=progress)
    outcome = choose_rule(recipe, evidence, wishes, by_hand)
    for line in outcome.lines:
        print(line)
    if out is not None:
        make_folder(out)  # its absence is told before the rule is set
    if order is not None:
        set_rule(path, recipe, evidence, wishes, outcome.chosen, outcome.how, order)
        print(f"written: {path}; a station takes it when it starts again")
    else:
        print("nothing was changed; --who and --why set this rule")
    if out is not None:
        print(f"page: {outcome.write(out, order, language)}")
