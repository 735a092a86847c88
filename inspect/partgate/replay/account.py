"""The account of a replay: every record asked for ends in exactly one place, and the sums are the page's numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from partgate.inference.inspector import Inspection
from partgate.parts import Reason, Record, Verdict
from partgate.recipe import Recipe
from partgate.records.rows import record_row

CAUSES = (
    "record_changed", "not_kept", "pruned", "missing", "changed", "unreadable", "recipe_gone", "recipe_untold",
    "recipe_unclear", "other_cameras", "straightened_otherwise",
)  # fmt: skip
"""Why a record whose verdict came from the model is not judged again."""

COMPARED = ("verdict", "lane", "class_number", "defect_score")
"""What must be equal to the bit where the same recipe judges the same picture again."""

FROM_MODEL = frozenset({Reason.MODEL, Reason.RECHECK_BAND, Reason.UNKNOWN_PATTERN, Reason.PICTURE_NOT_USABLE})
"""Reasons of a verdict that the recipe found by looking at the picture; all others come from the line."""

MOST_LISTED = 10_000  # parts told one by one, some 1 kB each; the numbers of all others are kept
_SAID = (*COMPARED, "reason", "defect_class")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def as_stored(row: Mapping[str, Any], inspection: Inspection) -> dict[str, Any]:
    """Return what a record would say of a verdict, rounded and spelled by the code that writes records."""
    decision, prediction = inspection.decision, inspection.prediction
    score = prediction.defect_score if prediction else None
    record = Record(
        row["station"], row["boot"], row["sequence"], _LONG_AGO, decision.verdict, decision.reason, decision.detail,
        sent=False, missed=False, first_sequence=row["sequence"], recipe="", bundle_id="", lane=inspection.lane,
        class_number=inspection.class_number, defect_score=score if score == score else None,
        defect_class=prediction.defect_class if prediction else None,
    )  # fmt: skip
    stored = record_row(record)
    return {name: stored[name] for name in _SAID}


def outcome_of(said: Mapping[str, Any], *, is_sorting: bool) -> str:
    """Return where a part went: its verdict, or in sorting the class it was sorted as.

    Example:
        >>> outcome_of({"verdict": "GOOD", "defect_class": "nut"}, is_sorting=True)
        'nut'
    """
    if is_sorting and said["verdict"] == Verdict.GOOD.name and said["defect_class"]:
        return str(said["defect_class"])
    return str(said["verdict"])


def truth_of(row: Mapping[str, Any], recipe: Recipe) -> tuple[str | None, str | None]:
    """Return what a part truly is, good or defect, and who says so: a person, else the folder it was played from.

    A person's newest word counts; unsure is none. A folder's class that the recipe does not know is no truth.

    Args:
        row: A record with ``review_verdict``.
        recipe: Names the good class.
    """
    if row["review_verdict"] in ("good", "defect"):
        return row["review_verdict"], "review"
    if row["true_class"] not in recipe.classes or recipe.good_class is None:
        return None, None
    return ("good" if row["true_class"] == recipe.good_class else "defect"), "folder"


def ranges_of(numbers: Sequence[int]) -> list[list[int]]:
    """Return rising numbers as first and last of each run without a gap.

    Example:
        >>> ranges_of([3, 4, 5, 9])
        [[3, 5], [9, 9]]
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] + 1 == number:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def score_step(part: Mapping[str, Any]) -> float:
    """Return by how much the score of a part moved; infinity where one of the two is no number but the other is."""
    was, now = part["was"]["defect_score"], part["now"]["defect_score"]
    if was is None or now is None:
        return 0.0 if was is now else float("inf")
    return abs(float(now) - float(was))


@dataclass(slots=True)
class Same:
    """Records judged again by the very recipe that judged them."""

    exact: int = 0  # from pictures that hold every pixel
    lossy: int = 0  # from JPEG
    different: list[int] = field(default_factory=list)  # records; of exact pictures: each is a defect
    lossy_different: list[int] = field(default_factory=list)
    lossy_verdicts: list[int] = field(default_factory=list)  # of these, with another verdict, lane or class
    lossy_largest_step: float = 0.0
    parts: list[dict[str, Any]] = field(default_factory=list)

    def take(self, part: dict[str, Any], *, is_exact: bool) -> None:
        """Count one record."""
        self.exact += is_exact
        self.lossy += not is_exact
        was, now = part["was"], part["now"]
        if all(was[name] == now[name] for name in COMPARED):
            return
        if is_exact:
            self.different.append(part["record"])
        else:
            self.lossy_different.append(part["record"])
            self.lossy_largest_step = max(self.lossy_largest_step, min(score_step(part), 1.0))
            if any(was[name] != now[name] for name in COMPARED if name != "defect_score"):
                self.lossy_verdicts.append(part["record"])
        if len(self.parts) < MOST_LISTED:
            self.parts.append(part)

    def facts(self) -> dict[str, Any]:
        """Return the account as plain values."""
        return {
            "exact": self.exact,
            "lossy": self.lossy,
            "different": len(self.different),
            "different_records": ranges_of(self.different),
            "lossy_different": len(self.lossy_different),
            "lossy_verdicts": len(self.lossy_verdicts),
            "lossy_verdict_records": ranges_of(self.lossy_verdicts),
            "lossy_largest_step": self.lossy_largest_step,
            "parts": self.parts,
        }


@dataclass(slots=True)
class Other:
    """Records judged again by another recipe than their own."""

    is_sorting: bool
    count: int = 0
    lossy: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)  # outcome then, outcome now -> parts
    truths: dict[str, Counter[tuple[str, str]]] = field(
        default_factory=lambda: {"defect": Counter(), "good": Counter()}
    )
    said_by: Counter[str] = field(default_factory=Counter)
    other_class: int = 0  # the same outcome, another lane or class number
    changed: list[int] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)

    def take(self, part: dict[str, Any], truth: str | None, said_by: str | None, *, is_exact: bool) -> None:
        """Count one record."""
        was, now = part["was"], part["now"]
        move = (outcome_of(was, is_sorting=self.is_sorting), outcome_of(now, is_sorting=self.is_sorting))
        self.count += 1
        self.lossy += not is_exact
        self.moves[move] += 1
        if truth is not None and said_by is not None:
            self.truths[truth][move] += 1
            self.said_by[said_by] += 1
        if move[0] == move[1]:
            self.other_class += any(was[name] != now[name] for name in ("lane", "class_number"))
            return
        self.changed.append(part["record"])
        if len(self.parts) < MOST_LISTED:
            self.parts.append(part | {"from": move[0], "to": move[1], "truth": truth})


class Account:
    """Counts every record once.

    Args:
        is_sorting: The recipe named by a person sorts by class.
    """

    def __init__(self, *, is_sorting: bool) -> None:
        self.same, self.other = Same(), Other(is_sorting)
        self.records = self.gaps = 0
        self.not_from_model: Counter[str] = Counter()  # by the number of the reason, or "missed"
        self.left_out: dict[str, list[int]] = {cause: [] for cause in CAUSES}
        self.gone: Counter[tuple[str, str, str]] = Counter()  # recipe, its hash, its model -> records
        self.first: str | None = None
        self.last: str | None = None

    def begin(self, row: Mapping[str, Any]) -> None:
        """Count a record that was read."""
        self.records += 1
        self.first, self.last = min(self.first or row["at"], row["at"]), max(self.last or row["at"], row["at"])

    def leave_out(self, row: Mapping[str, Any], cause: str) -> None:
        """Count a record that is not judged again."""
        self.left_out[cause].append(row["id"])
        if cause == "recipe_gone":
            self.gone[row["recipe"], row["recipe_sha256"], row["bundle_id"]] += 1

    @property
    def judged(self) -> int:
        """Return how many records were judged again."""
        return self.same.exact + self.same.lossy + self.other.count

    def facts(self) -> dict[str, Any]:
        """Return the account as plain values; records = judged + gaps + not from the model + left out."""
        return {
            "records": self.records,
            "span": [self.first, self.last],
            "judged": self.judged,
            "gaps": self.gaps,
            "not_from_model": dict(sorted(self.not_from_model.items(), key=lambda one: one[0].zfill(2))),
            "left_out": {
                cause: {"count": len(numbers), "records": ranges_of(numbers)}
                for cause, numbers in self.left_out.items()
                if numbers
            },
            "recipes_gone": [
                {"recipe": recipe, "recipe_sha256": sha256, "bundle_id": bundle, "count": count}
                for (recipe, sha256, bundle), count in self.gone.most_common()
            ],
            "same": self.same.facts(),
        }
