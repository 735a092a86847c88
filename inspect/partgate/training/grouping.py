"""Which pictures stay together, and on which side: what the user says, else a name pattern, else look-alikes."""

from collections.abc import Mapping
from dataclasses import dataclass

from partgate.data.folder import LabelledFolder, read_folder
from partgate.data.split import split_pictures
from partgate.training.config import TrainingConfig
from partgate.training.features import Progress


@dataclass(frozen=True, slots=True)
class Prepared:
    """A folder whose pictures know their group and their side."""

    folder: LabelledFolder
    sides: Mapping[str, str]  # per file
    notes: tuple[str, ...]


def prepare_folder(config: TrainingConfig, progress: Progress) -> Prepared:
    """Return the labelled pictures of a training with their groups and sides.

    Raises:
        DataError: If the data cannot be used.
    """
    folder = read_folder(config.data, config.good_class, independent=config.split.by == "picture")
    shares = {side: getattr(config.split, side) for side in ("train", "validation", "test")}
    sides, notes = split_pictures(folder, shares, config.seed, config.stratify_by)
    return Prepared(folder, sides, (*folder.notes, *notes))
