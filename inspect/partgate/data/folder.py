"""The labelled folder: ``DATA/<class>/picture.png``, or a ``labels.csv`` that decides.

Format and columns: ``datasets/README.md``.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from partgate.data.contradictions import refuse_contradictions, two_severities
from partgate.data.findings import FINDINGS_FILE, Decisions, read_decisions, without
from partgate.data.labels_csv import LABELS_FILE, LabelRow, read_labels
from partgate.errors import DataError
from partgate.imaging import PICTURE_SUFFIXES
from partgate.recipe import NO_GOOD_CLASS, VERDICT_LANES

GOOD_NAMES = ("good", "ok", "io", "gut")


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture."""

    path: Path
    file: str  # relative to the folder, with slashes
    label: str
    sha256: str  # of the file's bytes
    group: str  # pictures that stay on one side of a split
    part: str | None = None  # the physical part, where it is known
    weight: float = 1.0
    split: str | None = None  # train, validation or test, where the user gives it
    columns: Mapping[str, str] = field(default_factory=dict)  # the further columns of labels.csv


@dataclass(frozen=True, slots=True)
class LabelledFolder:
    """All labelled pictures of a folder and what was noticed while reading them."""

    folder: Path
    pictures: tuple[Picture, ...]
    classes: tuple[str, ...]  # sorted
    good_class: str | None
    has_groups: bool  # the user said which pictures show the same part
    notes: tuple[str, ...]  # for the user to read; none of them stops the work
    same_part: tuple[tuple[str, ...], ...] = ()  # files that show one part, as a person said in findings.yaml
    different_parts: tuple[tuple[str, ...], ...] = ()  # files that look alike but each show another part
    left_out: tuple[str, ...] = ()  # files that are not used, by findings.yaml
    accepted: tuple[str, ...] = ()  # ids of findings that are fine, by findings.yaml


def read_folder(
    folder: Path,
    good_class: str | None = None,
    *,
    independent: bool = False,
    must_have_good: bool = True,
    for_check: bool = False,
) -> LabelledFolder:
    """Return the labelled pictures of a folder.

    What a person decided in ``findings.yaml`` is obeyed: pictures left out are not there, pictures of the same part
    are in one group.

    Args:
        folder: Holds a sub-folder per class, or a ``labels.csv``.
        good_class: Name of the good class; ``"none"`` for pure sorting; by default good, ok, io or gut is looked for.
        independent: Take every picture as a part of its own and ignore the columns ``group`` and ``part``; only
            byte-identical copies stay together. Figures from such a split say nothing about new parts.
        must_have_good: A folder to judge a bundle with may hold defect parts alone.
        for_check: Do not refuse labels that contradict each other, nor classes of which none is known as the good one:
            the check shows them.

    Raises:
        ConfigError: If ``findings.yaml`` is wrong.
        DataError: If there is no folder, no picture, no good class, a wrong ``labels.csv``, or labels that contradict
            each other (the same picture or part under two labels, a part with two severities).
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    notes: list[str] = []
    rows, decisions = _read_rows(folder, notes)
    hashes = [_hash(folder / row.file) for row in rows]
    if for_check:
        notes += two_severities(rows)
    else:
        refuse_contradictions(folder, rows, hashes)
    same_part = without(decisions.same_part, decisions.leave_out)
    if not independent:
        _note_empty_parts(rows, notes)
    groups = hashes if independent else _groups(rows, hashes, same_part)
    _note_copies(hashes, notes)
    classes = tuple(sorted({row.label for row in rows}))
    return LabelledFolder(
        folder,
        tuple(_picture(folder, *facts) for facts in zip(rows, hashes, groups, strict=True)),
        classes,
        _good_class(folder, classes, good_class, must_have_good=must_have_good, for_check=for_check),
        not independent and any(row.group or row.part for row in rows),
        tuple(notes),
        same_part,
        without(decisions.different_parts, decisions.leave_out),
        tuple(sorted(set(decisions.leave_out))),
        decisions.accepted,
    )


def _read_rows(folder: Path, notes: list[str]) -> tuple[list[LabelRow], Decisions]:
    """Return the rows that are to be used, by file name, and what a person decided about them."""
    rows = read_labels(folder, notes) if (folder / LABELS_FILE).is_file() else _rows_from_folders(folder, notes)
    if not rows:
        suffixes = ", ".join(sorted(PICTURE_SUFFIXES))
        raise DataError(f"{folder}: holds no labelled picture; put pictures ({suffixes}) into a sub-folder per class")
    decisions = read_decisions(folder, [row.file for row in rows])
    if decisions.leave_out:
        rows = _leave_out(folder, rows, set(decisions.leave_out), notes)
    return sorted(rows, key=lambda row: row.file), decisions


def _picture(folder: Path, row: LabelRow, sha256: str, group: str) -> Picture:
    return Picture(
        folder / row.file, row.file, row.label, sha256, group, row.part or None, row.weight, row.split, row.columns
    )


def _leave_out(folder: Path, rows: Sequence[LabelRow], left_out: set[str], notes: list[str]) -> list[LabelRow]:
    rest = [row for row in rows if row.file not in left_out]
    if not rest:
        raise DataError(f"{folder}: {FINDINGS_FILE} leaves out all {len(rows)} pictures; remove lines from leave_out")
    notes.append(f"{len(left_out)} pictures are left out by {FINDINGS_FILE}, e.g. {min(left_out)!r}")
    return rest


def _hash(path: Path) -> str:
    try:
        path.name.encode()
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except UnicodeEncodeError:
        raise DataError(f"{str(path)!a}: file name is not UTF-8; rename it") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def find_good_class(folder: Path, classes: Sequence[str], named: str | None) -> str | None:
    """Return the good class, or ``None`` for pure sorting.

    Raises:
        DataError: If none or several names fit, or the named class does not exist.
    """
    shown = ", ".join(classes)
    if named == NO_GOOD_CLASS:
        return None
    if named is not None:
        if named not in classes:
            raise DataError(f"{folder}: good class '{named}' is not among the classes: {shown}")
        return named
    fitting = _could_be_good(classes)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DataError(f"{folder}: {' and '.join(fitting)} could both be the good class; name it with --good-class")
    raise DataError(
        f"{folder}: no good class among {shown} (looked for {', '.join(GOOD_NAMES)}); "
        "name it with --good-class NAME, or --good-class none to sort by class"
    )


def _good_class(
    folder: Path, classes: Sequence[str], named: str | None, *, must_have_good: bool, for_check: bool
) -> str | None:
    """Return the good class; the check of a folder takes one without, and shows what else is wrong."""
    is_open = for_check and named is None and len(_could_be_good(classes)) != 1
    good = find_good_class(folder, classes, named) if must_have_good and not is_open else named
    good = None if good == NO_GOOD_CLASS else good
    clash = [name for name in classes if good is None and name in VERDICT_LANES]
    if clash and not for_check:
        raise DataError(
            f"{folder}: class '{clash[0]}' has the name of a verdict; in sorting by class give it another name"
        )
    return good


def _could_be_good(classes: Sequence[str]) -> list[str]:
    return [name for name in classes if name.casefold() in GOOD_NAMES]


def _rows_from_folders(folder: Path, notes: list[str]) -> list[LabelRow]:
    rows = []
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        found = [path for path in sorted(class_folder.rglob("*")) if path.is_file()]
        found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
        pictures = [path for path in found if path.suffix.lower() in PICTURE_SUFFIXES]
        rows += [LabelRow(path.relative_to(folder).as_posix(), class_folder.name) for path in pictures]
        if len(found) > len(pictures):
            others = sorted({path.suffix or path.name for path in found if path not in set(pictures)})
            notes.append(
                f"{class_folder.name}: {len(found) - len(pictures)} files are no pictures ({', '.join(others)})"
            )
        if not pictures:
            notes.append(f"{class_folder.name}: holds no picture and is not taken as a class")
    loose = [path.name for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
    if loose:
        notes.append(f"{len(loose)} pictures lie beside the class folders and have no label, e.g. {sorted(loose)[0]!r}")
    return rows


def _note_empty_parts(rows: Sequence[LabelRow], notes: list[str]) -> None:
    """Say where only some rows name their part: the others count as if each showed another one."""
    empty = sum(not row.part for row in rows)
    if 0 < empty < len(rows):
        notes.append(f"part is empty in {empty} of {len(rows)} rows: each such picture counts as a part of its own")


def _note_copies(hashes: Sequence[str], notes: list[str]) -> None:
    copies = len(hashes) - len(set(hashes))
    if copies:
        notes.append(f"{copies} pictures are byte-identical copies of others; copies stay on one side of a split")


def name_of_part(part: str) -> str:
    """Return the name of the group that a part's pictures make."""
    return f"part {part}"


def _groups(rows: Sequence[LabelRow], hashes: Sequence[str], same_part: Sequence[Sequence[str]] = ()) -> list[str]:
    """Return a group per row: rows that share a group, a part or all bytes belong together, also by way of others."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = leader[leader[name]]  # shorter at each walk: one group of many parts makes long chains
            name = leader[name]
        return name

    for row, sha256 in zip(rows, hashes, strict=True):
        keys = [f"picture {sha256}"]
        keys += [f"group {row.group}"] if row.group else []
        keys += [name_of_part(row.part)] if row.part else []
        for key in keys[1:]:
            leader[find(keys[0])] = find(key)
    picture_of = {row.file: f"picture {sha256}" for row, sha256 in zip(rows, hashes, strict=True)}
    for together in same_part:
        for file in together[1:]:
            leader[find(picture_of[together[0]])] = find(picture_of[file])
    return [find(f"picture {sha256}") for sha256 in hashes]


def count_classes(pictures: Sequence[Picture]) -> Counter[str]:
    """Return how many pictures each class has."""
    return Counter(picture.label for picture in pictures)


def data_sha256(pictures: Sequence[Picture]) -> str:
    """Return one hash over pictures and their labels, whatever their order and folder."""
    lines = sorted(f"{picture.sha256} {picture.label}\n" for picture in pictures)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
