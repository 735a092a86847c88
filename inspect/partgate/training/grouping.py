"""Which pictures stay together, and on which side: what the user says, else a name pattern, else look-alikes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from partgate.data.folder import LabelledFolder, read_folder
from partgate.data.groups import GroupSource, group_by_pattern, regroup
from partgate.data.look_alikes import find_look_alikes
from partgate.data.split import split_pictures
from partgate.training.config import TrainingConfig
from partgate.training.continuation import keep_sides
from partgate.training.features import Progress
from partgate.training.look import look, open_backbone


@dataclass(frozen=True, slots=True)
class Prepared:
    """A folder whose pictures know their group and their side."""

    folder: LabelledFolder
    source: GroupSource  # how it is known which pictures show the same part
    sides: Mapping[str, str]  # per file
    notes: tuple[str, ...]


def prepare_folder(config: TrainingConfig, progress: Progress) -> Prepared:
    """Return the labelled pictures of a training with their groups and sides.

    Raises:
        ConfigError: If ``group_pattern`` is no pattern.
        DataError: If the data cannot be used.
    """
    by_picture = config.split.by == "picture"
    folder = read_folder(config.data, config.good_class, independent=by_picture)
    source = _source(folder, config)
    if source is GroupSource.PATTERN:
        folder = regroup(folder, group_by_pattern(folder.pictures, config.group_pattern or ""), source)
    elif source is GroupSource.LOOK_ALIKES:
        folder = group_look_alikes(folder, config, progress)
    shares = {side: getattr(config.split, side) for side in ("train", "validation", "test")}
    kept = keep_sides(config.from_run, folder)
    sides, notes = split_pictures(folder, shares, config.seed, config.stratify_by, kept.sides)
    return Prepared(folder, source, sides, (*folder.notes, *kept.notes, *notes))


def _source(folder: LabelledFolder, config: TrainingConfig) -> GroupSource:
    """Return the best source that there is; sides that the user gave to every picture are not looked behind."""
    if config.split.by == "picture":
        return GroupSource.PICTURE
    if config.groups == "look_alikes":
        return GroupSource.LOOK_ALIKES
    if folder.has_groups:
        return GroupSource.GIVEN
    if config.group_pattern is not None:
        return GroupSource.PATTERN
    if config.groups == "given" or all(picture.split for picture in folder.pictures):
        return GroupSource.GIVEN
    return GroupSource.LOOK_ALIKES


def group_look_alikes(folder: LabelledFolder, config: TrainingConfig, progress: Progress) -> LabelledFolder:
    """Return the folder with pictures that seem to show the same part in one group; unreadable ones stay alone."""
    backbone = open_backbone(folder.pictures, config)
    found = look(folder.pictures, backbone, config.threads, progress)
    places = len(found.looks)
    features = found.features[:, 0].reshape(len(found.pictures), places, -1).mean(1)
    alike = find_look_alikes(
        found.pictures, features, joined=folder.same_part, separated=folder.different_parts, threads=config.threads,
        progress=progress,
    )  # fmt: skip
    grouped = regroup(folder, alike.groups, GroupSource.LOOK_ALIKES)
    if alike.largest < 2:
        return grouped
    note = (
        f"nobody says which pictures show the same part: by looks {len(alike.groups)} pictures show "
        f"{len(set(alike.groups.values()))} parts, at most {alike.largest} one of them; see and correct this with "
        "'partgate data check'"
    )
    return replace(grouped, notes=(*grouped.notes, note))
