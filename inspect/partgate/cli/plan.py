"""``partgate plan``: how many different parts a proof needs."""

import textwrap
from typing import Annotated, Literal

import typer

from partgate.errors import ConfigError

_WIDTH = 100


def plan(
    escape_rate: Annotated[float | None, typer.Option(help="Limit to be shown, as a fraction: 0.01 is 1 %.")] = None,
    errors: Annotated[int, typer.Option(min=0, help="Escapes that may be seen in the test.")] = 0,
    false_reject_rate: Annotated[float | None, typer.Option(help="Limit to be shown, as a fraction.")] = None,
    false_reject_errors: Annotated[int, typer.Option(min=0, help="False rejects that may be seen in the test.")] = 0,
    confidence: Annotated[float, typer.Option(help="One-sided, as a fraction.")] = 0.95,
    lang: Annotated[Literal["en", "de"], typer.Option(help="Language of what is printed.")] = "en",
) -> None:
    """Say how many different defect and good parts show that agreed limits are kept."""
    from partgate.acceptance.plan import check_options, describe_plan, plan_test
    from partgate.glossary import text

    wanted = {"escape": (escape_rate, errors), "false_reject": (false_reject_rate, false_reject_errors)}
    named = {f"{kind}_rate": limit for kind, (limit, _) in wanted.items() if limit is not None}
    if not named:
        raise ConfigError(["plan: no limit to plan for; name --escape-rate 0.01, --false-reject-rate or both"])
    check_options(**named, confidence=confidence)
    for kind, (limit, allowed) in wanted.items():
        if limit is not None:
            print("\n".join(describe_plan(kind, plan_test(limit, allowed, confidence), lang)), end="\n\n")
    print(textwrap.fill(text("plan.note", lang), _WIDTH))
