"""Training on with new pictures: what stood on a side in an earlier run stays there, what is new is dealt out."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partgate.data.folder import LabelledFolder, Picture
from partgate.data.labels_csv import SPLITS
from partgate.data.split import SPLIT_FILE, Standing, read_standings
from partgate.errors import DataError
from partgate.inference.bundle import open_pinned
from partgate.recipe import load_recipe

FACTS_FILE = "training.json"
_NUMBERED_ANEW = "look-alike "  # such names mean another group each time
_STRICTEST_FIRST = ("test", "validation", "train")
# What is looked at, and what for; how hard it is learned stands in the preset.
_INHERITED = (
    "preset", "good_class", "groups", "group_pattern", "stratify_by", "split", "seed", "region", "regions", "tiles",
    "tile_overlap", "flips", "average_flips", "decision",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier run says about the sides of a folder's groups."""

    sides: Mapping[str, str]  # per group of the folder; groups that were not there are missing
    notes: tuple[str, ...]  # for the user to read


def keep_sides(run: Path | None, folder: LabelledFolder) -> Kept:
    """Return on which side groups stand that an earlier run knew, wholly or in part.

    A group stands where its known pictures stood; where none of its pictures is known, where a group of its name
    stood. A group that joins pictures of several sides goes to the strictest: test, then validation. So a picture of
    the test side never becomes one to learn from.

    Args:
        run: The earlier run; None knows nothing.
        folder: The pictures of today, grouped.

    Raises:
        ConfigError: If the run's recipe is missing or wrong.
        BundleError: If its bundle is damaged.
        DataError: If it has no readable split, has no picture in common, or another good class.
    """
    if run is None:
        return Kept({}, ())
    before = _read_earlier(run, folder)
    by_name: dict[str, set[str]] = defaultdict(set)
    for standing in before.values():
        if not standing.group.startswith(_NUMBERED_ANEW):
            by_name[standing.group].add(standing.side)
    members: dict[str, list[Picture]] = defaultdict(list)
    for picture in folder.pictures:
        members[picture.group].append(picture)
    sides, joined = {}, []
    for group, pictures in members.items():
        known = {before[picture.sha256].side for picture in pictures if picture.sha256 in before}
        found = known or by_name.get(group, set())
        if found:
            sides[group] = next(side for side in _STRICTEST_FIRST if side in found)
        if len(found) > 1:
            joined.append(pictures)
    return Kept(sides, (*_count(run, folder, before), *_tell_joined(joined, before, sides)))


def _read_earlier(run: Path, folder: LabelledFolder) -> dict[str, Standing]:
    if not (run / SPLIT_FILE).is_file():
        raise DataError(f"{run}: has no {SPLIT_FILE}; name a run folder that 'partgate train' made")
    before = read_standings(run / SPLIT_FILE)
    recipe = load_recipe(run)
    open_pinned(recipe)  # a damaged one is told now, not after the training
    if recipe.good_class != folder.good_class:
        says = [f"'{name}' is the good class" if name else "it sorts by class"
                for name in (recipe.good_class, folder.good_class)]  # fmt: skip
        raise DataError(
            f"{folder.folder}: cannot be compared with {run}: there {says[0]}, here {says[1]}; set --good-class "
            "or train without --from"
        )
    if not any(picture.sha256 in before for picture in folder.pictures):
        raise DataError(
            f"{run}: none of its {len(before)} pictures is among the {len(folder.pictures)} of {folder.folder}: another"
            " product? Put the new pictures beside the old ones, or train without --from"
        )
    return before


def _count(run: Path, folder: LabelledFolder, before: Mapping[str, Standing]) -> list[str]:
    here = {picture.sha256 for picture in folder.pictures}
    stood = Counter(before[sha256].side for sha256 in here if sha256 in before)
    fresh, gone = len(here - before.keys()), len(before.keys() - here)
    split = ", ".join(f"{stood[side]} {side}" for side in SPLITS)
    new = f"{fresh} are new" if fresh else "none is new, the same are learned from again"
    notes = [f"{stood.total()} pictures are known from {run.name} ({split}); {new}"]
    return notes + ([f"{gone} pictures of {run.name} are no longer there"] if gone else [])


def _tell_joined(
    joined: Sequence[Sequence[Picture]], before: Mapping[str, Standing], sides: Mapping[str, str]
) -> list[str]:
    if not joined:
        return []
    moved = [
        picture.file
        for pictures in joined
        for picture in pictures
        if picture.sha256 in before and before[picture.sha256].side != sides[picture.group] == "test"
    ]
    first = joined[0]
    note = (
        f"{len(joined)} groups join pictures that stood on different sides, e.g. that of {first[0].file!r}: "
        "they go to test if one stood there, else to validation"
    )
    seen = f"{len(moved)} pictures that the old model learned from stand on test now, e.g. {min(moved, default='')!r}; "
    return [note, f"{seen}their groups are left out of the comparison"] if moved else [note]


def settings_of(run: Path) -> dict[str, Any]:
    """Return what a run was told about its product, for a training whose source is a folder alone.

    Returns:
        Keys of a training file: preset, good class, groups, split, regions, flips, wishes; those that say nothing are
        left out.

    Raises:
        DataError: If the run holds no readable facts.
    """
    path = run / FACTS_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))["config"]
        return {key: config[key] for key in _INHERITED if config.get(key) is not None}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: cannot be read as the facts of a run ({error}); name a run folder that 'partgate train' made"
        ) from error
