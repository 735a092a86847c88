"""What a test cannot show, in words."""

from collections.abc import Mapping
from typing import Any

from partgate.evaluation.rates import parts_needed, upper_bound
from partgate.glossary import printable
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import written_number, written_percent
from partgate.report.limit_rows import written_beside, written_limit

PROVEN_LIMIT = 0.01
"""Rate for which the page says how many parts a proof without a mistake needs, where no rate was agreed."""

_AGREED = {"defect": "escape_rate", "good": "false_reject_rate"}

FEW_EXAMPLES = 20
"""Below this many examples the page warns that a class's shares are little more than chance."""

MANY_RECHECKS = 0.1
"""From this share on the page warns that the result rests on rechecks."""


def what_is_not_shown(report: Mapping[str, Any]) -> list[Bilingual]:
    """Return the sentences that hold for this test, those about its size first."""
    is_sorting = report["good_class"] is None
    sizes = {"all": report["n"]} if is_sorting else {"defect": report["n_defect"], "good": report["n_good"]}
    found = [_recheck_limit(report), *(_size_limit(who, n or 0, report["agreed"]) for who, n in sizes.items())]
    examples = {name: report["per_class"][name]["n"] for name in report["classes"]}
    untested = [name for name, n in examples.items() if n == 0]
    sparse = [f"{printable(name)} ({n})" for name, n in examples.items() if 0 < n < FEW_EXAMPLES]
    if untested:
        found.append(phrase("limits.untested_classes", classes=", ".join(map(printable, untested))))
    if sparse:
        found.append(phrase("limits.sparse_classes", n=FEW_EXAMPLES, classes=", ".join(sparse)))
    found.append(phrase("limits.pictures") if report["counted"] == "picture" else None)
    found += _independence_limits(report)
    found.append(phrase("limits.unknown_classes" if is_sorting else "limits.unknown_defects"))
    found.append(phrase("limits.conditions"))
    found.append(None if is_sorting else phrase("limits.delivered"))
    return [sentence for sentence in found if sentence is not None]


def _independence_limits(report: Mapping[str, Any]) -> list[Bilingual | None]:
    """Return in how far the tested parts may be those that the gate was made with."""
    training, data = report["training"], report["data"]
    chose = training["test_pictures_that_chose_the_limits"]
    found = [phrase("limits.chose_the_limits", k=chose, n=data["pictures"]) if chose else None]
    if training["groups_ignored"]:
        found.append(phrase("limits.groups_ignored"))
    elif data["groups"] is None:
        found.append(phrase("limits.groups_unknown"))
    elif data["groups_known_by"] == "look_alikes":
        found.append(phrase("limits.groups_by_looks"))
    return found


def _recheck_limit(report: Mapping[str, Any]) -> Bilingual | None:
    """Return how much was left to people; None where it is little."""
    k, n = report["rechecks"], report["n"]
    if not n or k / n < MANY_RECHECKS:
        return None
    noun = phrase(f"counted.{report['counted']}.all")
    return phrase(
        "limits.many_rechecks", k=written_number(k), n=written_number(n), noun=noun, rate=written_percent(k / n)
    )


def _size_limit(who: str, n: int, agreed: Mapping[str, Any] | None) -> Bilingual | None:
    """Return what ``n`` parts without a mistake could show at best; None where they are enough for what was agreed."""
    results = agreed["results"] if agreed else ()
    wanted = [one["limit"] for one in results if one["scope"] == "all" and one["kind"] == _AGREED.get(who)]
    limit, confidence = (wanted[0], agreed["confidence"]) if agreed and wanted else (PROVEN_LIMIT, 0.95)
    needed = parts_needed(limit, confidence=confidence)
    if n == 0:
        return phrase(f"limits.no_{who}")
    if n >= needed:
        return None
    bound = written_beside(upper_bound(0, n, confidence), limit)
    return phrase(f"limits.few_{who}", n=n, bound=bound, limit=written_limit(limit), needed=needed)
