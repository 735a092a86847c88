"""Limits that supplier and customer agreed on, and what a test shows of each: passed, failed or not shown."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from partgate.configfile import Settings, load_hashed
from partgate.data.folder import Picture
from partgate.data.labels_csv import SEVERITY_COLUMN
from partgate.errors import ConfigError
from partgate.evaluation.judge import Judged
from partgate.evaluation.rates import ROUNDING, lower_bound, parts_needed, upper_bound
from partgate.parts import Verdict
from partgate.wishes import Share

Kind = Literal["escape_rate", "false_reject_rate", "recheck_rate"]
Scope = Literal["all", "class", "severity"]


class EscapeLimit(Settings):
    """What was agreed for one defect class or severity."""

    escape_rate: Share = Field(description="escapes / defect parts of this kind, at most")


class AgreedLimits(Settings):
    """What supplier and customer agreed on before the test; rates are fractions, 0.01 is 1 %."""

    name: str = Field(min_length=1, description="what the agreement is about: product, gate, contract")
    agreed_by: tuple[str, ...] = Field(default=(), description="who agreed, on both sides")
    agreed_on: date | None = Field(default=None, description="when, as 2026-11-23")
    confidence: Share = Field(default=0.95, description="one-sided confidence with which each limit is to be shown")
    rechecks: Literal["caught", "escape"] = Field(
        description="how a defect part sent to recheck counts: caught (people find it) or escape (nobody looks)"
    )
    rechecks_good: Literal["accepted", "false_reject"] = Field(
        description="how a good part sent to recheck counts: accepted (people release it) or false_reject"
    )
    escape_rate: Share | None = Field(default=None, description="escapes / defect parts, at most")
    false_reject_rate: Share | None = Field(default=None, description="false rejects / good parts, at most")
    recheck_rate: Share | None = Field(default=None, description="rechecked good parts / good parts, at most")
    classes: Mapping[str, EscapeLimit] = Field(default={}, description="further limits by defect class")
    severities: Mapping[str, EscapeLimit] = Field(
        default={}, description="further limits by the column severity of labels.csv"
    )

    @model_validator(mode="after")
    def _something_is_agreed(self) -> Self:
        if not (self.escape_rate or self.false_reject_rate or self.recheck_rate or self.classes or self.severities):
            raise ValueError("no limit stands there; name escape_rate, false_reject_rate, recheck_rate, classes "
                             "or severities")  # fmt: skip
        if self.confidence < 0.5:
            raise ValueError(f"confidence: must be 0.5 or more, got {self.confidence:g}: 0.95 is usual")
        return self


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """What the gate did with parts of one kind."""

    good: int = 0
    recheck: int = 0
    reject: int = 0

    @property
    def parts(self) -> int:
        """Return how many parts there are."""
        return self.good + self.recheck + self.reject


@dataclass(frozen=True, slots=True)
class PartCounts:
    """Verdicts on all parts of a test, by what a limit can be about."""

    good: VerdictCounts  # parts that are good in truth
    defect: VerdictCounts
    classes: Mapping[str, VerdictCounts]  # by defect class; one that has no part is there with zeros
    severities: Mapping[str, VerdictCounts]  # by severity of defect parts; parts without one are in none


class LimitVerdict(StrEnum):
    """What a test says about a limit."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_SHOWN = "not_shown"


@dataclass(frozen=True, slots=True)
class LimitResult:
    """One agreed limit against what was shown."""

    kind: Kind
    scope: Scope
    name: str | None  # of the class or severity
    limit: float
    events: int
    parts: int  # different parts they are counted among
    lower: float  # exact one-sided bounds of the true rate, each at the agreed confidence
    upper: float
    verdict: LimitVerdict
    parts_missing: int | None
    """Further different parts, none of them an event, after which it is passed; ``None`` where it failed."""


def load_limits(path: Path) -> tuple[AgreedLimits, str]:
    """Return the limits of a YAML file and the SHA-256 of the very bytes they were read from.

    Raises:
        ConfigError: If anything is wrong; all problems at once.
    """
    return load_hashed(path, AgreedLimits)


def severity_of(picture: Picture) -> str:
    """Return how grave the defect of a picture is, as ``labels.csv`` says; empty where it does not."""
    return picture.columns.get(SEVERITY_COLUMN, "").strip()


def count_verdicts(
    judged: Sequence[Judged], good_class: str, classes: Iterable[str] = (), severities: Iterable[str] = ()
) -> PartCounts:
    """Return what happened to the parts of a test, by truth, defect class and severity.

    Args:
        judged: One per counted part.
        good_class: The class whose parts may pass.
        classes: Known ones; those without a part are counted with zeros, so that a limit may name them.
        severities: Known ones, likewise.
    """
    by_class: dict[str, Counter[Verdict]] = {name: Counter() for name in classes if name != good_class}
    by_severity: dict[str, Counter[Verdict]] = {name: Counter() for name in severities}
    goods: Counter[Verdict] = Counter()
    for one in judged:
        label, verdict = one.picture.label, one.decision.verdict
        if label == good_class:
            goods[verdict] += 1
            continue
        by_class.setdefault(label, Counter())[verdict] += 1
        if severity := severity_of(one.picture):
            by_severity.setdefault(severity, Counter())[verdict] += 1
    defects = sum(by_class.values(), Counter())
    return PartCounts(_counted(goods), _counted(defects), _all_counted(by_class), _all_counted(by_severity))


def _counted(found: Counter[Verdict]) -> VerdictCounts:
    return VerdictCounts(found[Verdict.GOOD], found[Verdict.RECHECK], found[Verdict.REJECT])


def _all_counted(found: Mapping[str, Counter[Verdict]]) -> dict[str, VerdictCounts]:
    return {name: _counted(found[name]) for name in sorted(found)}


def judge_limits(limits: AgreedLimits, counts: PartCounts) -> tuple[LimitResult, ...]:
    """Return what the test says about each agreed limit.

    A limit is passed where the upper bound of the true rate is not above it, failed where the lower bound is above it,
    else not shown: such a test is too small to tell.

    Args:
        limits: As agreed.
        counts: Of the test, by part.

    Returns:
        The limits for all parts first, then by class, then by severity, each in the order of the file.

    Raises:
        ConfigError: If a limit names a class or severity that does not occur; the known ones are named.

    Source:
        Clopper, Pearson (1934), as in ``rates``; the three verdicts own, modelled on the agreed certainty of
        VDI/VDE/VDMA 2632 Blatt 3 as secondary sources tell it.

    Example:
        >>> agreed = AgreedLimits(name="cover", rechecks="caught", rechecks_good="accepted", escape_rate=0.02)
        >>> for escapes, parts in [(0, 50), (0, 149), (6, 149), (7, 149)]:
        ...     defect = VerdictCounts(good=escapes, reject=parts - escapes)
        ...     print(judge_limits(agreed, PartCounts(VerdictCounts(), defect, {}, {}))[0].verdict)
        not_shown
        passed
        not_shown
        failed
    """
    refuse_unknown_names(limits, counts.classes, counts.severities)
    good, defect = counts.good, counts.defect
    rejected = good.reject + (good.recheck if limits.rechecks_good == "false_reject" else 0)
    asked: list[tuple[Kind, Scope, str | None, float | None, int, int]] = [
        ("escape_rate", "all", None, limits.escape_rate, _escapes(limits, defect), defect.parts),
        ("false_reject_rate", "all", None, limits.false_reject_rate, rejected, good.parts),
        ("recheck_rate", "all", None, limits.recheck_rate, good.recheck, good.parts),
    ]
    for name, agreed in limits.classes.items():
        found = counts.classes[name]
        asked.append(("escape_rate", "class", name, agreed.escape_rate, _escapes(limits, found), found.parts))
    for name, agreed in limits.severities.items():
        found = counts.severities[name]
        asked.append(("escape_rate", "severity", name, agreed.escape_rate, _escapes(limits, found), found.parts))
    return tuple(
        _judge(kind, scope, name, limit, events, parts, limits.confidence)
        for kind, scope, name, limit, events, parts in asked
        if limit is not None
    )


def overall_verdict(results: Iterable[LimitResult]) -> LimitVerdict:
    """Return passed where every limit passed, failed where one failed, else not shown."""
    found = {result.verdict for result in results}
    if LimitVerdict.FAILED in found:
        return LimitVerdict.FAILED
    return LimitVerdict.PASSED if found == {LimitVerdict.PASSED} else LimitVerdict.NOT_SHOWN


def _escapes(limits: AgreedLimits, found: VerdictCounts) -> int:
    return found.good + (found.recheck if limits.rechecks == "escape" else 0)


def refuse_unknown_names(limits: AgreedLimits, classes: Iterable[str], severities: Iterable[str]) -> None:
    """Refuse limits for a class or severity that does not exist.

    Args:
        limits: As agreed.
        classes: Defect classes of the bundle and of the data.
        severities: Those of the data.

    Raises:
        ConfigError: If so; every one at once, with the known ones.
    """
    problems = []
    for key, agreed, existing in (("classes", limits.classes, classes), ("severities", limits.severities, severities)):
        known = sorted(existing)
        column = f" (column {SEVERITY_COLUMN} of labels.csv)" if key == "severities" else ""
        for name in [name for name in agreed if name not in known]:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            shown = ", ".join(known) or "none"
            problems.append(f"agreed limits: {key}.{name}: no defect part is of it{hint}; known: {shown}{column}")
    if problems:
        raise ConfigError(problems)


def _judge(
    kind: Kind, scope: Scope, name: str | None, limit: float, events: int, parts: int, confidence: float
) -> LimitResult:
    lower, upper = lower_bound(events, parts, confidence), upper_bound(events, parts, confidence)
    if upper <= limit * (1 + ROUNDING):
        verdict = LimitVerdict.PASSED
    else:
        verdict = LimitVerdict.FAILED if lower > limit else LimitVerdict.NOT_SHOWN
    missing = None
    if verdict is not LimitVerdict.FAILED:
        missing = max(0, parts_needed(limit, events, confidence) - parts)
    return LimitResult(kind, scope, name, limit, events, parts, lower, upper, verdict, missing)
