"""How many different parts a proof needs, and how likely a gate passes it."""

from dataclasses import dataclass
from functools import partial

from partgate.errors import ConfigError
from partgate.evaluation.rates import chance_of_at_most, parts_needed
from partgate.glossary import format_number, format_percent, text
from partgate.report.limit_rows import format_limit
from partgate.wishes import ask_for_a_fraction

_ERRORS_SHOWN = range(4)


@dataclass(frozen=True, slots=True)
class Plan:
    """A test of one limit: so many different parts, so many errors allowed."""

    limit: float
    errors: int
    confidence: float
    parts: int
    chance_at_half: float  # that the test is passed where the true rate is half the limit
    chance_at_tenth: float


def plan_test(limit: float, errors: int = 0, confidence: float = 0.95) -> Plan:
    """Return how many different parts show that a rate is at most ``limit``.

    Args:
        limit: Rate, a fraction.
        errors: So many may be seen among them.
        confidence: One-sided.

    Raises:
        ValueError: If the limit is no rate.

    Source:
        Clopper, Pearson (1934), as in ``rates``; the chances are the operating characteristic of the test.

    Example:
        >>> plan = plan_test(0.01)
        >>> plan.parts, round(plan.chance_at_half, 2), round(plan.chance_at_tenth, 2)
        (299, 0.22, 0.74)
    """
    parts = parts_needed(limit, errors, confidence)
    half, tenth = (chance_of_at_most(errors, parts, limit / by) for by in (2, 10))
    return Plan(limit, errors, confidence, parts, half, tenth)


def check_options(**fractions: float | None) -> None:
    """Refuse options of the command line that are no fractions.

    Raises:
        ConfigError: If so; every one at once, and what may have been meant.
    """
    problems = []
    for name, value in fractions.items():
        try:
            ask_for_a_fraction(value)
        except ValueError as error:
            problems.append(f"--{name.replace('_', '-')}: {error}")
    if problems:
        raise ConfigError(problems)


def describe_plan(kind: str, plan: Plan, language: str) -> list[str]:
    """Return what a plan means, as lines of plain text: the number, the chances, a table for other numbers of errors.

    Args:
        kind: ``escape`` or ``false_reject``.
        plan: To be described; its row in the table is marked.
        language: ``en`` or ``de``.
    """
    say = partial(text, language=language)
    number, percent = partial(format_number, language=language), partial(format_percent, language=language)
    limit, confidence = format_limit(plan.limit, language), format_limit(plan.confidence, language)
    half, tenth = format_limit(plan.limit / 2, language), format_limit(plan.limit / 10, language)
    lines = [
        say(f"plan.title.{kind}", limit=limit, confidence=confidence),
        "  " + say(f"plan.parts.{kind}", parts=number(plan.parts), errors=plan.errors),
        "  " + say("plan.chance", half=half, tenth=tenth, at_half=percent(plan.chance_at_half, digits=0),
                   at_tenth=percent(plan.chance_at_tenth, digits=0)),
        "",
    ]  # fmt: skip
    heads = [say(f"plan.column.errors.{kind}"), say(f"plan.column.parts.{kind}"),
             say("plan.column.chance", rate=half), say("plan.column.chance", rate=tenth)]  # fmt: skip
    lines.append("  " + "   ".join(heads))
    for errors in sorted({*_ERRORS_SHOWN, plan.errors}):
        row = plan_test(plan.limit, errors, plan.confidence)
        cells = [str(errors), number(row.parts), percent(row.chance_at_half, digits=0),
                 percent(row.chance_at_tenth, digits=0)]  # fmt: skip
        mark = "> " if errors == plan.errors else "  "
        lines.append(mark + "   ".join(cell.rjust(len(head)) for cell, head in zip(cells, heads, strict=True)))
    return lines
