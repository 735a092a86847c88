"""The report's counts: escapes, false rejects and rechecks, over all parts, by class and by severity, with bounds."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from partgate.evaluation.agreed_limits import severity_of
from partgate.evaluation.judge import Judged, is_escape, is_false_reject, kind_of_mistake
from partgate.evaluation.rates import lower_bound, upper_bound
from partgate.parts import Verdict

_BINS = 20
_RATES = (
    "escape_rate",
    "false_reject_rate",
    "escape_rate_without_recheck",
    "false_reject_rate_without_recheck",
    "recheck_rate_good",
    "recheck_rate_defect",
)
_COUNTS = (
    "n_good",
    "n_defect",
    "escapes",
    "false_rejects",
    "rechecks_good",
    "rechecks_defect",
    "escapes_without_recheck",
    "false_rejects_without_recheck",
)


def describe_rate(name: str, k: int | None, n: int) -> dict[str, float | None]:
    """Return a rate and its exact one-sided 95 % bounds under their keys; all ``None`` where there is nothing to count.

    Example:
        >>> describe_rate("escape_rate", 0, 59)["escape_rate_upper95"] <= 0.0501
        True
    """
    keys = (name, f"{name}_lower95", f"{name}_upper95")
    if k is None or not n:
        return dict.fromkeys(keys)
    return dict(zip(keys, (k / n, lower_bound(k, n), upper_bound(k, n)), strict=True))


def count_mistakes(judged: Sequence[Judged], good: str | None) -> dict[str, Any]:
    """Return escapes, false rejects and rechecks of all parts, each also with the recheck band closed.

    Args:
        judged: Counted parts.
        good: The good class; with ``None`` (sorting) parts sorted wrong are counted instead.
    """
    rechecks = [one for one in judged if one.decision.verdict is Verdict.RECHECK]
    if good is None:
        wrong = sum(kind_of_mistake(one, good) == "wrong_class" for one in judged)
        nothing: dict[str, Any] = dict.fromkeys(_COUNTS)
        for name in _RATES:
            nothing |= describe_rate(name, None, 0)
        return nothing | {"rechecks": len(rechecks), "wrong_class": wrong}
    n_good = sum(one.picture.label == good for one in judged)
    n_defect = len(judged) - n_good
    escapes = sum(is_escape(one, good) for one in judged)
    false_rejects = sum(is_false_reject(one, good) for one in judged)
    rechecks_good = sum(one.picture.label == good for one in rechecks)
    rechecks_defect = len(rechecks) - rechecks_good
    # The band closed against the gate: a part that nobody rechecks would have gone the wrong way.
    closed = (escapes + rechecks_defect, false_rejects + rechecks_good)
    counts = (n_good, n_defect, escapes, false_rejects, rechecks_good, rechecks_defect, *closed)
    events = (escapes, false_rejects, *closed, rechecks_good, rechecks_defect)
    trials = (n_defect, n_good, n_defect, n_good, n_good, n_defect)
    found: dict[str, Any] = dict(zip(_COUNTS, counts, strict=True))
    for name, k, n in zip(_RATES, events, trials, strict=True):
        found |= describe_rate(name, k, n)
    return found | {"rechecks": len(rechecks), "wrong_class": None}


def count_by_class(
    judged: Sequence[Judged], good: str | None, known: Sequence[str], matrix: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Return a row per class: its verdicts, its mistakes with bounds, how many were recognised.

    Args:
        judged: Counted parts.
        good: The good class; ``None`` in sorting.
        known: Classes of the bundle; those of the data that it does not know follow, each with a row of its own.
        matrix: Confusion matrix over the same classes in the same order.
    """
    table: dict[str, Any] = {}
    for place, name in enumerate(list_classes(judged, known)):
        members = [one for one in judged if one.picture.label == name]
        right, predicted = matrix[place][place], sum(row[place] for row in matrix)
        table[name] = _count_kind(members, good, "false_reject" if name == good else None) | {
            "is_known": name in known,
            "recall": right / len(members) if members else None,
            "precision": right / predicted if predicted else None,
        }
    return table


def list_classes(judged: Sequence[Judged], known: Sequence[str]) -> list[str]:
    """Return the classes of the bundle, then those of the data that it does not know."""
    return [*known, *sorted({one.picture.label for one in judged} - set(known))]


def count_by_severity(judged: Sequence[Judged], good: str | None, severities: Iterable[str]) -> dict[str, Any] | None:
    """Return a row per severity of defect parts; parts without one stand under the empty name.

    Args:
        judged: Counted parts.
        good: The good class; in sorting (``None``) no part is defect, so there are no rows: ``None``.
        severities: Those of the whole folder, so that one without a part in the test is a row as well.

    Returns:
        Rows in alphabetical order, the empty name last; ``None`` where no severity is given at all.
    """
    names = {name for name in severities if name}
    if good is None or not names:
        return None
    defects = [one for one in judged if one.picture.label != good]
    table = {
        name: _count_kind([one for one in defects if severity_of(one.picture) == name], good, None)
        for name in sorted(names)
    }
    without = [one for one in defects if not severity_of(one.picture)]
    return table | ({"": _count_kind(without, good, None)} if without else {})


def _count_kind(members: Sequence[Judged], good: str | None, mistake: str | None) -> dict[str, Any]:
    """Return verdicts on parts of one kind, and how many of them are the mistake that this kind can suffer."""
    mistake = mistake or ("wrong_class" if good is None else "escape")
    verdicts = Counter(one.decision.verdict for one in members)
    wrong = sum(kind_of_mistake(one, good) == mistake for one in members)
    return {
        "n": len(members),
        "good": verdicts[Verdict.GOOD],
        "reject": verdicts[Verdict.REJECT],
        "recheck": verdicts[Verdict.RECHECK],
        "mistake": mistake,
        "mistakes": wrong,
        **describe_rate("mistake_rate", wrong, len(members)),
    }


def count_scores(judged: Sequence[Judged], good: str | None) -> dict[str, Any]:
    """Return how scores are spread over 20 bins, good beside defect; parts without a score are left out."""
    edges = np.linspace(0, 1, _BINS + 1)

    def counts(defect: bool) -> list[int]:
        scores = [one.prediction.defect_score for one in judged if (one.picture.label != good) is defect]
        return [int(n) for n in np.histogram([score for score in scores if score == score], edges)[0]]

    return {"edges": [round(float(edge), 4) for edge in edges], "good": counts(False), "defect": counts(True)}
