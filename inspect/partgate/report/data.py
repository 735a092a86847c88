"""The report's statement on its data: where the pictures come from, how they were split, what was left out and why."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from partgate.data.folder import LabelledFolder, Picture
from partgate.data.groups import GroupSource
from partgate.data.split import SPLIT_FILE, read_standings
from partgate.evaluation.judge import Judged, Selection
from partgate.imaging import PICTURE_SUFFIXES
from partgate.inference.inspector import Inspector
from partgate.recipe import Limits

_FACTS_FILE = "training.json"  # of a run folder
_DATE_COLUMNS = ("date", "datum", "day", "tag", "captured_at", "recorded_at", "taken_at", "timestamp", "aufgenommen")
_GERMAN_DATE = "%d.%m.%Y"


def describe_data(
    folder: LabelledFolder, selection: Selection, judged: Sequence[Judged], unreadable: Sequence[str], run: Path
) -> dict[str, Any]:
    """Return the statement on the test data; ``docs/report.md`` names the keys.

    Args:
        folder: What the user named.
        selection: What of it may be used.
        judged: The parts that came out of it.
        unreadable: Pictures that could not be read.
        run: Folder of the bundle; a run folder tells how it was known which pictures belong together.
    """
    pictures = selection.pictures
    groups, known_by = _groups_of(folder, selection, run)
    parts = {picture.part for picture in pictures if picture.part}
    return {
        "folder": folder.folder.resolve().name,
        "pictures": len(pictures),
        "pictures_by_class": _tally(picture.label for picture in pictures),
        "counted_by_class": _tally(one.picture.label for one in judged),
        "parts": len(parts) or None,
        "pictures_without_part": sum(not picture.part for picture in pictures) if parts else None,
        "groups": groups,
        "groups_known_by": known_by,
        "dates": _find_dates(pictures),
        "split": "test_side" if selection.test_side else "all",
        "left_out": selection.left_out,
        "left_out_by_findings": len(folder.left_out),
        "left_out_without_label": _count_without_label(folder),
        "unreadable": list(unreadable),
        "notes": list(folder.notes),
    }


def describe_setting(rule: Limits) -> dict[str, str | None]:
    """Return who set the limits in force, when (ISO, UTC) and why; training has no name and gives no reason."""
    at = None if rule.set_at is None else rule.set_at.isoformat(timespec="seconds")
    return {"by": rule.set_by, "at": at, "why": rule.why}


def describe_training(inspector: Inspector, pictures: Sequence[Picture], run: Path) -> dict[str, Any]:
    """Return what the model and its limits learned from, and whether that is kept apart from the test.

    Args:
        inspector: Its bundle and recipe.
        pictures: Of the test.
        run: Folder of the bundle; only a run folder tells the sides of the split.
    """
    manifest, chosen_on = inspector.bundle.manifest, inspector.recipe.decision.chosen_on
    return {
        "folder": manifest.training.folder,
        "pictures": manifest.training.pictures,
        "backbone": manifest.backbone.name,
        "licence": manifest.backbone.licence,
        "created_at": manifest.created_at.isoformat(timespec="seconds"),
        "parts_or_groups": manifest.training.groups,
        "groups_ignored": manifest.training.groups_ignored,
        "preset": manifest.training.preset,
        "seed": manifest.training.seed,
        "sides": _describe_sides(run, is_known=not manifest.training.groups_ignored),
        "limits_chosen_on": None if chosen_on is None else {"parts": chosen_on.parts, "pictures": chosen_on.pictures},
        "test_pictures_that_chose_the_limits": sum(
            inspector.recipe.decision.rests_on(picture.sha256) for picture in pictures
        ),
    }


def _groups_of(folder: LabelledFolder, selection: Selection, run: Path) -> tuple[int | None, str | None]:
    """Return how many groups the test has and how they are known; the run that split the folder knows it best."""
    if selection.test_side:
        standings = read_standings(run / SPLIT_FILE)
        known_by = _read_group_source(run)
        if known_by not in (None, GroupSource.PICTURE):
            return len({standings[picture.sha256].group for picture in selection.pictures}), known_by
    if folder.has_groups:
        return len({picture.group for picture in selection.pictures}), GroupSource.GIVEN.value
    return None, None


def _read_group_source(run: Path) -> str | None:
    """Return how a training knew which pictures belong together; ``None`` where nothing says so."""
    try:
        said = json.loads((run / _FACTS_FILE).read_text(encoding="utf-8"))["groups"]["by"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return said if said in set(GroupSource) else None


def _describe_sides(run: Path, *, is_known: bool) -> dict[str, Any] | None:
    """Return pictures and groups of each side of a run's split, and how many groups stand on two of them.

    Args:
        run: Folder of the bundle; without a split there are no sides: ``None``.
        is_known: The split went by group; else its groups are single pictures, which say nothing: ``None`` for them.
    """
    path = run / SPLIT_FILE
    if not path.is_file():
        return None
    standings = read_standings(path).values()
    groups = {side: {one.group for one in standings if one.side == side} for side in ("train", "validation", "test")}
    pictures = Counter(one.side for one in standings)
    stands = Counter(group for found in groups.values() for group in found)
    return {
        **{
            side: {"pictures": pictures[side], "groups": len(found) if is_known else None}
            for side, found in groups.items()
        },
        "groups_on_two_sides": sum(sides > 1 for sides in stands.values()) if is_known else None,
    }


def _count_without_label(folder: LabelledFolder) -> int:
    """Return how many pictures lie in the folder that no label names."""
    named = {picture.file for picture in folder.pictures} | set(folder.left_out)
    found = (path for path in folder.folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    inside = [path.relative_to(folder.folder) for path in found]
    seen = {path.as_posix() for path in inside if not any(part.startswith(".") for part in path.parts)}
    return len(seen - named)


def _find_dates(pictures: Sequence[Picture]) -> dict[str, Any] | None:
    """Return between which days the pictures were taken, where a column of ``labels.csv`` tells it."""
    names = {name for picture in pictures for name in picture.columns if name.casefold() in _DATE_COLUMNS}
    for name in sorted(names):
        days = [day for picture in pictures if (day := read_day(picture.columns.get(name, "")))]
        if days:
            return {"column": name, "first": min(days).isoformat(), "last": max(days).isoformat(), "known": len(days)}
    return None


def read_day(text: str) -> date | None:
    """Return the day that a cell of ``labels.csv`` names, in ISO or German form; ``None`` where it names none.

    Example:
        >>> read_day("2026-11-23T14:03"), read_day("23.11.2026"), read_day("Monday")
        (datetime.date(2026, 11, 23), datetime.date(2026, 11, 23), None)
    """
    for read in (datetime.fromisoformat, lambda written: datetime.strptime(written, _GERMAN_DATE)):
        try:
            return read(text.strip()).date()
        except ValueError:
            continue
    return None


def _tally(names: Iterable[str]) -> Mapping[str, int]:
    return dict(sorted(Counter(names).items()))
