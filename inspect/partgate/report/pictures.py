"""Which parts the report shows: the worst mistakes, those of each cell of the matrix, examples of each class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from partgate.evaluation.judge import Judged, kind_of_mistake
from partgate.evaluation.regions import deciding_region

MOST_IN_CELL = 24
MOST_IN_ALL_CELLS = 480
"""Pictures behind all cells together, so that the page of a large test with many classes can still be opened."""

_MOST_MISTAKES = 24
_WORST_OF_CLASS = 3
_ORDER = {"escape": 0, "wrong_class": 1, "false_reject": 2, "recheck": 3}


def describe_part(one: Judged) -> dict[str, Any]:
    """Return what stands beside the picture of a part."""
    return {
        "file": one.picture.file,
        "part": one.picture.part,
        "truth": one.picture.label,
        "predicted_class": one.prediction.predicted_class,
        "verdict": one.decision.verdict.name,
        "reason": int(one.decision.reason),
        "defect_score": _finite(one.prediction.defect_score),
        "region": deciding_region(one),
    }


def list_worst(judged: Sequence[Judged], good: str | None) -> list[dict[str, Any]]:
    """Return the heaviest mistakes: escapes first, then false rejects, of each kind the surest first."""
    mistakes = [(kind, one) for one in judged if (kind := kind_of_mistake(one, good))]

    def rank(entry: tuple[str, Judged]) -> tuple[int, float]:
        kind, one = entry
        score = one.prediction.defect_score
        score = score if score == score else float("inf")  # NaN would leave the order to chance
        return _ORDER[kind], score if kind in {"escape", "wrong_class"} else -score

    return [describe_part(one) | {"kind": kind} for kind, one in sorted(mistakes, key=rank)[:_MOST_MISTAKES]]


def fill_cells(judged: Sequence[Judged], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the cells of the matrix that are not empty, each with its count and the pictures it shows.

    Shown are those first whose truth the model believed least: in a cell beside the diagonal the surest mistakes, on it
    the nearest to one.

    Args:
        judged: Counted parts.
        classes: In the order of the matrix.
    """
    cells: dict[tuple[str, str], list[Judged]] = {}
    for one in judged:
        cells.setdefault((one.picture.label, one.prediction.predicted_class), []).append(one)
    most = min(MOST_IN_CELL, max(1, MOST_IN_ALL_CELLS // max(1, len(cells))))
    return [
        {
            "truth": truth,
            "predicted_class": predicted,
            "n": len(members),
            "pictures": [describe_part(one) for one in sorted(members, key=_belief_in_truth)[:most]],
        }
        for truth in classes
        for predicted in classes
        if (members := cells.get((truth, predicted)))
    ]


def pick_examples(judged: Sequence[Judged], good: str | None, classes: Sequence[str]) -> dict[str, Any]:
    """Return for each class its worst parts and the middle one; a class without a part has none.

    Worst are good parts with the highest score and defect parts with the lowest; in sorting, those whose truth was
    believed least. A part without a score is a reject: the worst of the good ones, the best of the defect ones.

    Args:
        judged: Counted parts.
        good: The good class; ``None`` in sorting.
        classes: All that have a row.

    Returns:
        Per class ``worst``, the very worst first, and ``median``: none where it is among the worst already.
    """

    def rank(one: Judged) -> tuple[float, ...]:
        if good is None:
            return _belief_in_truth(one)
        score = one.prediction.defect_score
        score = score if score == score else float("inf")
        return (-score,) if one.picture.label == good else (score,)

    examples = {}
    for name in classes:
        members = sorted((one for one in judged if one.picture.label == name), key=rank)
        middle = len(members) // 2
        median = members[middle : middle + 1] if middle >= _WORST_OF_CLASS else []
        examples[name] = {
            "worst": [describe_part(one) for one in members[:_WORST_OF_CLASS]],
            "median": [describe_part(one) for one in median],
        }
    return examples


def shown_parts(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give every part that the page shows a picture of; some of them more than once."""
    yield from report["worst"]
    yield from example_parts(report)
    for cell in report["cells"]:
        yield from cell["pictures"]


def example_parts(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give the parts that the page shows with their heat."""
    for examples in report["examples"].values():
        yield from (*examples["worst"], *examples["median"])


def _belief_in_truth(one: Judged) -> tuple[float, ...]:
    """Return how likely the model took the true class to be; none for a class that it does not know."""
    belief, score = one.prediction.probabilities.get(one.picture.label, 0.0), one.prediction.defect_score
    return (belief if belief == belief else -1.0, score if score == score else -1.0)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None  # JSON knows no NaN
