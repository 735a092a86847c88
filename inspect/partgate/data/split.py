"""Train, validation, test: by group, stratified, seeded; a part is never on both sides."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partgate.configfile import write_atomically
from partgate.data.folder import LabelledFolder, Picture
from partgate.data.labels_csv import SPLITS
from partgate.errors import DataError

DEFAULT_SHARES: Mapping[str, float] = {"train": 0.6, "validation": 0.2, "test": 0.2}
SPLIT_FILE = "split.csv"
_FEWEST_GROUPS = 2  # one to learn from and one for the test
_DEFECTS = "all defects"
_WAY_OUT = ", or set split.by: picture in the training file, which says nothing about new parts"


def split_pictures(
    folder: LabelledFolder, shares: Mapping[str, float], seed: int, stratify_by: Sequence[str] = (),
    kept: Mapping[str, str] | None = None,
) -> tuple[dict[str, str], list[str]]:  # fmt: skip
    """Return on which side each picture stands.

    Whole groups are dealt out, the largest first, each to the side that lacks most of what the group holds. The order
    of equal groups comes from the seed. Of sides that lack the same, a class's first group goes to train, a further one
    to the side with the fewest good or defect pictures: rare defect classes must not all miss the test. Sides given by
    the user in ``labels.csv`` are kept. Where good or defects have two groups only there is no validation side.

    Args:
        folder: The labelled pictures.
        shares: Wanted share of ``train``, ``validation`` and ``test``; they sum to 1.
        seed: Same seed, same split.
        stratify_by: Further columns of ``labels.csv`` whose mix should be alike on all sides.
        kept: Side per group that stands already, from an earlier run.

    Returns:
        Side per ``file``, and notes for the user.

    Raises:
        DataError: If the good class or the defects have fewer than two groups, or a group was given two sides.
    """
    notes = _check_groups(folder)
    if _fewest_groups(folder) < len(SPLITS):
        shares = {"train": shares["train"] + shares["validation"], "validation": 0.0, "test": shares["test"]}
    members: dict[str, list[Picture]] = defaultdict(list)
    for picture in folder.pictures:
        members[picture.group].append(picture)
    given = {group: side for group, pictures in members.items() if (side := _given_side(folder, pictures))}
    if given:
        open_ = sum(len(pictures) for group, pictures in members.items() if group not in given)
        if open_:
            notes.append(f"{open_} pictures have no split in labels.csv and are dealt out by share")
    given = _with_kept(folder, members, given, kept or {})
    dealt = _Dealt(folder, shares, stratify_by)
    for group, side in given.items():
        dealt.put(group, members[group], side)
    names = sorted(group for group in members if group not in given)
    names = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    for group in sorted(names, key=lambda name: -len(members[name])):
        dealt.put(group, members[group], dealt.side_for(members[group]))
    return {picture.file: dealt.sides[picture.group] for picture in folder.pictures}, notes + dealt.notes()


class _Dealt:
    """What stands on each side so far, and so which side lacks most of what a further group holds."""

    def __init__(self, folder: LabelledFolder, shares: Mapping[str, float], stratify_by: Sequence[str]) -> None:
        self.sides: dict[str, str] = {}  # by group
        self._folder, self._shares, self._stratify_by = folder, shares, stratify_by
        self._open = [side for side in SPLITS if shares[side] > 0]
        self._wanted = _wanted(folder, shares, stratify_by)
        self._have = {side: Counter[tuple[str, ...]]() for side in SPLITS}
        self._kinds = {side: Counter[bool]() for side in SPLITS}  # good or not, whatever the class

    def put(self, group: str, pictures: Sequence[Picture], side: str) -> None:
        self.sides[group] = side
        self._have[side].update(_strata(pictures, self._stratify_by))
        self._kinds[side].update(_kinds(self._folder, pictures))

    def side_for(self, pictures: Sequence[Picture]) -> str:
        """Return the side that lacks most of these; of equal ones the least crowded, at first train."""
        strata, kinds = _strata(pictures, self._stratify_by), _kinds(self._folder, pictures)
        is_first = not any(self._have["train"][stratum] for stratum in strata)

        def crowd(side: str) -> float:
            if is_first:  # all sides alike: train comes first among equals
                return 0.0
            return sum(self._kinds[side][is_good] for is_good in kinds) / max(self._shares[side], 1e-9)

        return max(self._open, key=lambda side: (_lack(strata, self._wanted[side], self._have[side]), -crowd(side)))

    def notes(self) -> list[str]:
        """Say which open side shows no good or no defect picture."""
        if self._folder.good_class is None:
            return []
        return [
            f"no {word} picture stands on the side '{side}': nothing can be said about it"
            for side in self._open
            for word, is_good in (("good", True), ("defect", False))
            if not self._kinds[side][is_good]
        ]


def _strata(pictures: Sequence[Picture], stratify_by: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter((picture.label, *(picture.columns.get(name, "") for name in stratify_by)) for picture in pictures)


def _kinds(folder: LabelledFolder, pictures: Sequence[Picture]) -> Counter[bool]:
    return Counter(picture.label == folder.good_class for picture in pictures)


def _wanted(
    folder: LabelledFolder, shares: Mapping[str, float], stratify_by: Sequence[str]
) -> dict[str, dict[tuple[str, ...], float]]:
    missing = [name for name in stratify_by if name not in (folder.pictures[0].columns)]
    if missing:
        known = ", ".join(folder.pictures[0].columns) or "none"
        raise DataError(
            f"{folder.folder}: labels.csv has no column '{missing[0]}' to stratify by; further columns: {known}"
        )
    total = _strata(folder.pictures, stratify_by)
    return {side: {stratum: shares[side] * n for stratum, n in total.items()} for side in SPLITS}


def _lack(
    strata: Counter[tuple[str, ...]], wanted: Mapping[tuple[str, ...], float], have: Mapping[tuple[str, ...], int]
) -> float:
    """Return how much a side lacks of what a group holds, as a share of what it wants."""
    return sum(
        n * (wanted[stratum] - have.get(stratum, 0)) / max(wanted[stratum], 1e-9) for stratum, n in strata.items()
    )


def _given_side(folder: LabelledFolder, pictures: Sequence[Picture]) -> str | None:
    sides = {picture.split for picture in pictures if picture.split}
    if len(sides) > 1:
        first = {picture.split: picture.file for picture in reversed(pictures) if picture.split}
        shown = ", ".join(f"{file!r} on {side}" for side, file in sorted(first.items()))
        raise DataError(
            f"{folder.folder}: labels.csv puts one group on {len(sides)} sides of the split: {shown}; "
            "pictures of one part or group, and copies of a picture, must stay together"
        )
    return sides.pop() if sides else None


def _with_kept(
    folder: LabelledFolder, members: Mapping[str, Sequence[Picture]], given: Mapping[str, str], kept: Mapping[str, str]
) -> dict[str, str]:
    """Return the sides that stand already: those of ``labels.csv`` and those of an earlier run, which must agree."""
    moved = [group for group, side in given.items() if kept.get(group, side) != side]
    if moved:
        group = min(moved, key=lambda name: members[name][0].file)
        raise DataError(
            f"{folder.folder}: labels.csv puts {len(moved)} groups on another side than the earlier run, e.g. "
            f"{members[group][0].file!r} on {given[group]}, which stood on {kept[group]}; leave the column split of "
            "these pictures empty, or train without --from"
        )
    return {**{group: side for group, side in kept.items() if group in members}, **given}


def _groups_of_kinds(folder: LabelledFolder) -> dict[str, set[str]]:
    """Return the groups of good and of all defects; in sorting those of each class."""
    groups: dict[str, set[str]] = defaultdict(set)
    for picture in folder.pictures:
        is_class = folder.good_class is None or picture.label == folder.good_class
        groups[picture.label if is_class else _DEFECTS].add(picture.group)
    return groups


def _fewest_groups(folder: LabelledFolder) -> int:
    return min(len(found) for found in _groups_of_kinds(folder).values())


def _check_groups(folder: LabelledFolder) -> list[str]:
    if len(folder.classes) < 2:
        raise DataError(
            f"{folder.folder}: only class '{folder.classes[0]}' has pictures; learning needs at least two classes: "
            "add a folder with pictures of the other"
        )
    notes = []
    for name, found in _groups_of_kinds(folder).items():
        kind = folder.classes if name == _DEFECTS else (name,)
        counted = sum(p.label in kind and (name != _DEFECTS or p.label != folder.good_class) for p in folder.pictures)
        if len(found) < _FEWEST_GROUPS:
            way_out = _WAY_OUT if counted >= _FEWEST_GROUPS else ""
            raise DataError(
                f"{folder.folder}: {name}: {counted} pictures from {len(found)} groups; training and test need at "
                f"least {_FEWEST_GROUPS} groups, validation a third: add pictures of further parts{way_out}"
            )
        if len(found) < len(SPLITS):
            notes.append(
                f"{name}: {counted} pictures from only {len(found)} groups: one to learn from, one for the test, none "
                "for validation; limits come from scores of the same group, which are too good"
            )
    groups: dict[str, set[str]] = defaultdict(set)
    for picture in folder.pictures:
        groups[picture.label].add(picture.group)
    return notes + [
        f"class '{name}' has pictures of only {len(found)} groups: it is learned, but hardly tested"
        for name, found in sorted(groups.items())
        if len(found) < len(SPLITS)
    ]


def write_split(path: Path, folder: LabelledFolder, sides: Mapping[str, str]) -> None:
    """Write the sides as CSV: ``file,label,split,group,sha256``.

    Raises:
        OSError: If the place is not writable or full.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file", "label", "split", "group", "sha256"])
    rows.writerows([p.file, p.label, sides[p.file], p.group, p.sha256] for p in folder.pictures)
    write_atomically(path, text.getvalue().encode())


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a picture stood in an earlier run."""

    side: str
    group: str


def read_split(path: Path) -> dict[str, str]:
    """Return the side of each picture by its hash.

    Raises:
        DataError: If the file is missing or no split file.
    """
    return {sha256: standing.side for sha256, standing in read_standings(path).items()}


def read_standings(path: Path) -> dict[str, Standing]:
    """Return side and group of each picture by its hash.

    Raises:
        DataError: If the file is missing or no split file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = {row["sha256"]: Standing(row["split"], row["group"]) for row in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as the split of a run ({error}); train again") from error
    unknown = next((one.side for one in found.values() if one.side not in SPLITS or not one.group), None)
    if not found or unknown is not None or None in found:
        shown = f"side {unknown!r}" if unknown is not None else "no whole row"
        raise DataError(f"{path}: cannot be read as the split of a run ({shown}); train again")
    return found
