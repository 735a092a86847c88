"""The same parts under two gates, side by side: whose outcome changed, and whether for the better."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from partgate.evaluation.judge import Judged
from partgate.parts import Verdict

Pair = tuple[Judged, Judged]
"""One part, judged by the first and by the second gate."""

_RIGHT, _UNDECIDED, _WRONG = 0, 1, 2
_CHANGES = ("better", "neither", "worse")
_SORTED = ("right", "recheck", "wrong")


def pair_up(first: Sequence[Judged], second: Sequence[Judged]) -> list[Pair]:
    """Return the parts that both gates judged, in the order of the second."""
    before = {_part(one): one for one in first}
    return [(before[_part(one)], one) for one in second if _part(one) in before]


def _part(one: Judged) -> str:
    return one.picture.part or f"picture {one.picture.file}"


def count_moves(pairs: Sequence[Pair], good: str | None) -> dict[str, dict[str, dict[str, int]]]:
    """Return how many parts went from which outcome to which: by truth, outcome of the first, outcome of the second."""
    outcomes = [verdict.name for verdict in (Verdict.GOOD, Verdict.RECHECK, Verdict.REJECT)]
    truths = {"defect": False, "good": True}
    if good is None:
        outcomes, truths = list(_SORTED), {"all": False}
    moves = {name: {one: dict.fromkeys(outcomes, 0) for one in outcomes} for name in truths}
    for one, other in pairs:
        is_good = good is not None and one.picture.label == good
        name = next(name for name, wanted in truths.items() if wanted is is_good)
        moves[name][_outcome(one, good)][_outcome(other, good)] += 1
    return moves


def _outcome(one: Judged, good: str | None) -> str:
    return one.decision.verdict.name if good is not None else _SORTED[_badness(one, good)]


def list_changes(pairs: Sequence[Pair], good: str | None, keys: tuple[str, str]) -> list[dict[str, Any]]:
    """Return the parts with another outcome: those that got worse first, of them the escapes first."""
    found = []
    for one, other in pairs:
        step = int(np.sign(_badness(other, good) - _badness(one, good)))
        if step or _fate(one, good) != _fate(other, good):
            facts = {"file": other.picture.file, "part": other.picture.part, "truth": other.picture.label}
            said = {key: _said(judged) for key, judged in zip(keys, (one, other), strict=True)}
            found.append((-step, other.picture.label == good, facts | said | {"change": _CHANGES[1 + step]}))
    return [facts for _, _, facts in sorted(found, key=lambda entry: (*entry[:2], entry[2]["file"]))]


def _fate(one: Judged, good: str | None) -> tuple[Verdict, str | None]:
    """Return what happens to the part: the verdict and, where parts are sorted, the class whose lane it takes."""
    is_sorted = good is None and one.decision.verdict is Verdict.GOOD
    return one.decision.verdict, one.prediction.predicted_class if is_sorted else None


def _said(one: Judged) -> dict[str, Any]:
    score = one.prediction.defect_score
    return {
        "verdict": one.decision.verdict.name,
        "reason": int(one.decision.reason),
        "defect_score": score if math.isfinite(score) else None,  # JSON knows no NaN
        "predicted_class": one.prediction.predicted_class,
        "file": one.picture.file,  # the picture that decided, where the part has several
    }


def _badness(one: Judged, good: str | None) -> int:
    if one.decision.verdict is Verdict.RECHECK:
        return _UNDECIDED
    if good is None:
        is_right = one.decision.verdict is Verdict.GOOD and one.prediction.predicted_class == one.picture.label
    else:
        is_right = (one.decision.verdict is Verdict.GOOD) == (one.picture.label == good)
    return _RIGHT if is_right else _WRONG
