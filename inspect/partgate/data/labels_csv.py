"""``labels.csv``: ``file,label``, optional ``group``, ``part``, ``weight``, ``split``; where it exists it decides."""

import csv
import io
import os
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from partgate.errors import DataError
from partgate.imaging import PICTURE_SUFFIXES

LABELS_FILE = "labels.csv"
SEVERITY_COLUMN = "severity"
"""Column that says how grave a defect is, in the user's words."""

SPLITS = ("train", "validation", "test")
_OWN_COLUMNS = ("file", "label", "group", "part", "weight", "split")
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One labelled file as the user gave it."""

    file: str
    label: str
    group: str = ""
    part: str = ""
    weight: float = 1.0
    split: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def read_labels(folder: Path, notes: list[str]) -> list[LabelRow]:
    """Return the rows of ``labels.csv``.

    Args:
        folder: Where it lies; ``file`` is relative to it.
        notes: Gets what the user should know: labels that differ from the folder, pictures without a row.

    Raises:
        DataError: If the file is no UTF-8 CSV with the columns ``file`` and ``label``, or rows are wrong; every
            problem at once.
    """
    path = folder / LABELS_FILE
    header, records = _read_records(path)
    rows: list[LabelRow] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    nearest: dict[str, list[str]] = {}
    class_folders = {entry.name for entry in folder.iterdir() if entry.is_dir()}
    for line, record in enumerate(records, start=2):
        if not record:  # an empty line, which counts as a row nevertheless
            continue
        row = _row(folder, header, record, f"{path}: row {line}", problems)
        if row is None:
            continue
        if row.file in seen:
            problems.append(f"{path}: row {line}: '{row.file}' stands in row {seen[row.file]} already")
        seen.setdefault(row.file, line)
        if row.label not in nearest:
            nearest[row.label] = get_close_matches(row.label, class_folders - {row.label}, n=1, cutoff=0.8)
        if row.label not in class_folders and nearest[row.label]:
            problems.append(
                f"{path}: row {line}: label '{row.label}' is unknown; did you mean '{nearest[row.label][0]}'? "
                "(a new class has a folder of its name, be it empty)"
            )
        rows.append(row)
    if problems:
        more = f"\n... and {len(problems) - _MOST_SHOWN} more problems" if len(problems) > _MOST_SHOWN else ""
        raise DataError("\n".join(problems[:_MOST_SHOWN]) + more)
    _note_differences(folder, rows, class_folders, notes)
    return rows


def _read_records(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 (byte {error.start}); save it as 'CSV UTF-8'") from error
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"{path}: is no CSV: {error}; is a quotation mark open?") from error
    header = [name.strip() for name in records[0]] if records else []
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise DataError(f"{path}: the first row names the column {', '.join(twice)} more than once")
    missing = [name for name in ("file", "label") if name not in header]
    if missing:
        raise DataError(
            f"{path}: the first row must name the columns file and label, got {', '.join(header) or 'nothing'}"
        )
    return header, records[1:]


def _row(folder: Path, header: list[str], record: list[str], where: str, problems: list[str]) -> LabelRow | None:
    if len(record) != len(header):
        problems.append(f"{where}: has {len(record)} columns, the first row has {len(header)}")
        return None
    values = dict(zip(header, record, strict=True))
    file, label = values["file"].replace("\\", "/"), values["label"].strip()
    file = PurePosixPath(file).as_posix() if file else ""  # ./good/a.png and good/a.png are one picture
    file = _as_on_disk(folder, file)
    weight = _weight(values.get("weight", ""))
    split = values.get("split", "").strip().lower() or None
    found = [
        (not label, "has no label"),
        (PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts, f"'{file}' must lie inside {folder}"),
        (PurePosixPath(file).suffix.lower() not in PICTURE_SUFFIXES, f"'{file}' is no png, jpg, bmp or tif"),
        (not os.path.isfile(folder / file), f"'{file}' does not exist"),  # Path.is_file raises on a long name
        (weight is None, f"weight must be a number of at least 0, got '{values.get('weight')}'"),
        (split is not None and split not in SPLITS, f"split must be {', '.join(SPLITS)} or empty, got '{split}'"),
    ]
    wrong = [text for is_wrong, text in found if is_wrong]
    problems += [f"{where}: {text}" for text in wrong]
    if wrong or weight is None:
        return None
    further = {name: value for name, value in values.items() if name not in _OWN_COLUMNS}
    return LabelRow(
        file, label, values.get("group", "").strip(), values.get("part", "").strip(), weight, split, further
    )


def _as_on_disk(folder: Path, file: str) -> str:
    """Return the spelling of umlauts that the disk knows: some systems store ä as one sign, others as two."""
    spellings = (file, unicodedata.normalize("NFC", file), unicodedata.normalize("NFD", file))
    return next((spelling for spelling in spellings if os.path.isfile(folder / spelling)), file)


def _weight(text: str) -> float | None:
    if not text.strip():
        return 1.0
    try:
        weight = float(text.replace(",", "."))
    except ValueError:
        return None
    return weight if 0 <= weight < float("inf") else None


def _note_differences(folder: Path, rows: list[LabelRow], class_folders: set[str], notes: list[str]) -> None:
    differing = [row for row in rows if (top := PurePosixPath(row.file).parts[0]) in class_folders and top != row.label]
    labels = {row.label for row in rows}
    moved = [row for row in differing if PurePosixPath(row.file).parts[0] in labels]
    if moved:
        notes.append(
            f"{len(moved)} pictures lie in a class folder that differs from their label, e.g. {moved[0].file!r} "
            f"is labelled '{moved[0].label}'; {LABELS_FILE} decides"
        )
    named = {row.file for row in rows}
    others = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURE_SUFFIXES and path.relative_to(folder).as_posix() not in named
    ]
    if others:
        notes.append(f"{len(others)} pictures are not in {LABELS_FILE} and are left out, e.g. {min(others)!r}")
