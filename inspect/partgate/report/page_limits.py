"""What a test cannot show, and agreed limits against what it has shown, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from partgate.evaluation.rates import parts_needed, upper_bound
from partgate.glossary import format_percent, printable
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import written_name, written_number, written_percent

PROVEN_LIMIT = 0.01
"""Rate for which the page says how many parts a proof without a mistake needs."""

FEW_EXAMPLES = 20
"""Below this many examples the page warns that a class's shares are little more than chance."""

MANY_RECHECKS = 0.1
"""From this share on the page warns that the result rests on rechecks."""

_MOST_DIGITS = 6
_WHO = {"escape_rate": "defect", "false_reject_rate": "good", "recheck_rate": "good"}


def what_is_not_shown(report: Mapping[str, Any]) -> list[Bilingual]:
    """Return the sentences that hold for this test, those about its size first."""
    is_sorting = report["good_class"] is None
    sizes = {"all": report["n"]} if is_sorting else {"defect": report["n_defect"], "good": report["n_good"]}
    found = [_recheck_limit(report), *(_size_limit(who, n or 0) for who, n in sizes.items())]
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


def _size_limit(who: str, n: int) -> Bilingual | None:
    """Return what ``n`` parts without a mistake could show at best; None where they are enough."""
    needed = parts_needed(PROVEN_LIMIT)
    if n == 0:
        return phrase(f"limits.no_{who}")
    if n >= needed:
        return None
    limit = Bilingual(lambda language: format_percent(PROVEN_LIMIT, language, 0))
    return phrase(f"limits.few_{who}", n=n, bound=written_percent(upper_bound(0, n)), limit=limit, needed=needed)


@dataclass(frozen=True, slots=True)
class AgreedRow:
    """One agreed limit against what was shown."""

    what: Bilingual
    limit: Bilingual
    shown: Bilingual
    bounds: Bilingual
    verdict: str  # passed, failed or not_shown
    missing: Bilingual


def agreed_rows(report: Mapping[str, Any]) -> list[AgreedRow]:
    """Return the agreed limits in the order of the report; none where nobody agreed on any."""
    agreed = report["agreed"]
    return [_agreed_row(result, report["counted"]) for result in agreed["results"]] if agreed else []


def _agreed_row(result: Mapping[str, Any], counted: str) -> AgreedRow:
    k, n, limit, missing = result["events"], result["parts"], result["limit"], result["parts_missing"]
    noun = phrase(f"counted.{counted}.{_WHO[result['kind']]}")
    return AgreedRow(
        what=phrase(f"accept.what.{result['scope']}", rate=phrase(result["kind"]), name=written_name(result["name"])),
        limit=_plain(limit),
        shown=phrase("accept.shown", k=written_number(k), n=written_number(n), noun=noun,
                     rate=written_percent(k / n if n else None)),
        bounds=phrase("accept.bounds", lower=_beside(result["lower"], limit), upper=_beside(result["upper"], limit)),
        verdict=result["verdict"],
        missing=phrase("accept.missing", n=written_number(missing)) if missing else phrase("nothing"),
    )  # fmt: skip


def _plain(rate: float) -> Bilingual:
    """Write an agreed rate with as many decimals as it has."""
    digits = next((few for few in range(_MOST_DIGITS) if abs(round(100 * rate, few) - 100 * rate) < 1e-9), _MOST_DIGITS)
    return Bilingual(lambda language: format_percent(rate, language, digits))


def _beside(bound: float, limit: float) -> Bilingual:
    """Write a bound with as many decimals as tell it from the limit."""
    digits = 1
    while digits < _MOST_DIGITS and bound != limit and round(100 * bound, digits) == round(100 * limit, digits):
        digits += 1
    return Bilingual(lambda language: format_percent(bound, language, digits))
