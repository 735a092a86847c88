"""Labels that contradict each other: one picture or one part under two labels, a part with two severities."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from partgate.data.findings import FINDINGS_FILE
from partgate.data.labels_csv import LABELS_FILE, SEVERITY_COLUMN, LabelRow
from partgate.errors import DataError

_MOST_SHOWN = 10


def refuse_contradictions(folder: Path, rows: Sequence[LabelRow], hashes: Sequence[str]) -> None:
    """Let pass only rows of which no two say different things about the same picture or part.

    Args:
        folder: Named in the message.
        rows: The labels.
        hashes: Of each row's file, in the same order.

    Raises:
        DataError: If a picture or part has two labels, or a part two severities.
    """
    by_picture: dict[str, list[LabelRow]] = defaultdict(list)
    by_part: dict[str, list[LabelRow]] = defaultdict(list)
    for row, sha256 in zip(rows, hashes, strict=True):
        by_picture[sha256].append(row)
        if row.part:
            by_part[row.part].append(row)
    problems = [
        *(f"the same picture stands under {told}" for _, told in _two_labels(by_picture)),
        *(f"part '{part}' has {told}" for part, told in _two_labels(by_part)),
    ]
    way_out = f"keep each under its true label and remove the other, or name it under leave_out in {FINDINGS_FILE}"
    _refuse(folder, problems, way_out)
    _refuse(folder, two_severities(rows), f"give all pictures of a part one severity in {LABELS_FILE}")


def two_severities(rows: Sequence[LabelRow]) -> list[str]:
    """Say which parts have pictures of different severity: a part counts once, by one of them."""
    found: dict[str, dict[str, LabelRow]] = defaultdict(dict)
    for row in rows:
        if row.part:
            found[row.part].setdefault(row.columns.get(SEVERITY_COLUMN, "").strip(), row)
    return [
        f"part '{part}' has two severities: "
        + ", ".join(f"{row.file!r} is '{severity or 'empty'}'" for severity, row in sorted(said.items()))
        for part, said in found.items()
        if len(said) > 1
    ]


def _two_labels(rows_of: Mapping[str, Sequence[LabelRow]]) -> Iterable[tuple[str, str]]:
    """Give each key whose rows have more than one label, and a file of each."""
    for key, rows in rows_of.items():
        first = {row.label: row for row in reversed(rows)}
        if len(first) > 1:
            shown = sorted(first.values(), key=lambda row: row.label)
            yield key, "two labels: " + ", ".join(f"{row.file!r} is '{row.label}'" for row in shown)


def _refuse(folder: Path, problems: Sequence[str], way_out: str) -> None:
    if problems:
        more = f"\n... and {len(problems) - _MOST_SHOWN} more" if len(problems) > _MOST_SHOWN else ""
        lines = "\n".join(f"{folder}: {problem}" for problem in problems[:_MOST_SHOWN])
        raise DataError(f"{lines}{more}\n{way_out}")
