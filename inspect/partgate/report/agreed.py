"""Agreed limits against what an evaluation has shown: those of a file, else the recipe's own wishes."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from partgate.errors import ConfigError
from partgate.evaluation.agreed_limits import (
    AgreedLimits,
    count_verdicts,
    judge_limits,
    load_limits,
    overall_verdict,
    refuse_unknown_names,
)
from partgate.evaluation.judge import Judged
from partgate.recipe import Recipe

_TOLD = {"name", "agreed_by", "agreed_on", "confidence", "rechecks", "rechecks_good"}


@dataclass(frozen=True, slots=True)
class Agreed:
    """Limits and where they stand."""

    limits: AgreedLimits
    sha256: str | None  # of their file; None where they are wishes of the recipe


def find_agreed(path: Path | None, recipe: Recipe, classes: Iterable[str], severities: Iterable[str]) -> Agreed | None:
    """Return the limits that an evaluation is held against; ``None`` where nobody named any.

    Args:
        path: File of agreed limits; without one the wishes of the recipe stand in for them.
        recipe: In force.
        classes: Of the bundle and the data.
        severities: Of the data.

    Raises:
        ConfigError: If the file is wrong, names what the data does not have, or the recipe sorts by class.
    """
    if path is None:
        wishes = _wishes_of(recipe)
        return None if wishes is None else Agreed(wishes, None)
    limits, sha256 = load_limits(path)
    if recipe.good_class is None:
        raise ConfigError(
            [f"{path}: recipe '{recipe.name}' sorts by class, so that there are no escapes and false rejects to hold "
             "against agreed limits; leave --limits out"]
        )  # fmt: skip
    refuse_unknown_names(limits, {*classes} - {recipe.good_class}, severities)
    return Agreed(limits, sha256)


def _wishes_of(recipe: Recipe) -> AgreedLimits | None:
    """Return what the recipe was to achieve, as limits; a wish for none at all is nothing that a test could show."""
    rule = recipe.decision
    escape = rule.promise.escape if rule.promise else rule.max_escape_rate
    false_reject = rule.promise.false_reject if rule.promise else rule.max_false_reject_rate
    wanted = {"escape_rate": escape, "false_reject_rate": false_reject}
    found = {name: rate for name, rate in wanted.items() if rate is not None and 0 < rate < 1}
    if not found or recipe.good_class is None:
        return None
    return AgreedLimits.model_validate(
        {"name": recipe.name, "rechecks": "caught", "rechecks_good": "accepted", **found}
    )


def describe_agreed(
    agreed: Agreed | None, judged: Sequence[Judged], recipe: Recipe, classes: Iterable[str], severities: Iterable[str]
) -> dict[str, Any] | None:
    """Return each limit with its counts, bounds and verdict, and the verdict on all of them.

    Args:
        agreed: From :func:`find_agreed`.
        judged: Counted parts.
        recipe: In force.
        classes: Of the bundle and the data, as in :func:`find_agreed`; one without a part may have a limit too.
        severities: Of the data, likewise.
    """
    if agreed is None or recipe.good_class is None:
        return None
    limits = agreed.limits
    results = judge_limits(limits, count_verdicts(judged, recipe.good_class, classes, severities))
    return {
        "source": "recipe" if agreed.sha256 is None else "file",
        "sha256": agreed.sha256,
        **limits.model_dump(mode="json", include=_TOLD),
        "verdict": overall_verdict(results).value,
        "results": [asdict(result) for result in results],
    }
