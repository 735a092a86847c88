"""Learning itself, from pictures to branches and calibrated out-of-fold scores; it writes nothing but its work folder.

First a linear head on frozen features (`quick`); then the fine-tuning, kept only where out-of-fold scores are better.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from partgate.data.folder import LabelledFolder, Picture, count_classes
from partgate.errors import DataError
from partgate.training.config import TrainingConfig
from partgate.training.distributed import Team
from partgate.training.features import FeatureSet, Progress
from partgate.training.fine_tune import Tuned
from partgate.training.head import FittedHead, fit_head
from partgate.training.judged import OutOfFold, calibrate, describe_limits, find_limits
from partgate.training.labels import make_examples
from partgate.training.look import Backbone, look, open_backbone
from partgate.training.map_store import MapStore
from partgate.training.tuning import Choice, Quick, choose, frozen_choice, open_store, tune
from partgate.training.views import Mirrored, clean_views

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned, and what is known about it."""

    backbone: Backbone
    found: FeatureSet
    head: FittedHead
    tuned: Tuned | None
    choice: Choice
    judged: OutOfFold
    notes: tuple[str, ...]  # about the fine-tuning


def learn(
    pictures: Sequence[Picture], folder: LabelledFolder, config: TrainingConfig, work: Path, team: Team,
    progress: Progress, say: Say, seconds_left: Callable[[], float | None],
) -> Learned:  # fmt: skip
    """Return branches learned from pictures, calibrated.

    Args:
        pictures: To learn from, in classes of the folder.
        folder: Tells classes and good class.
        config: How.
        work: Folder for kept maps and checkpoints.
        team: The processes that train together.
        progress: Is told what is being done.
        say: Is told what the quick model reaches, before fine-tuning begins.
        seconds_left: What is left of the time budget; None without one.

    Raises:
        DataError: If a class has no readable picture.
        TrainingError: If weights are missing, groups are too few or memory does not suffice.
    """
    # quick: a linear head on frozen features
    backbone = open_backbone(pictures, config)
    views = clean_views(config.flips)
    store = open_store(work, pictures, backbone, config, team)
    found = _look_in_turn(pictures, backbone, config, team, progress, views, store)
    _check_enough(folder, found)
    averaged = len(views) if config.average_flips else 1
    examples, of_picture = make_examples(found, folder, backbone.geometry, averaged, config.seed)
    head = fit_head(examples, config.head, config.seed, progress, config.threads)
    choice, tuned = frozen_choice(backbone.cut(whole=False), head), None
    notes: tuple[str, ...] = ()

    # fine-tuning: kept only where out-of-fold scores are better with it
    if config.fine_tune.part != "none":
        quick = calibrate(choice.out_of_fold, examples, of_picture, found, folder, config)
        limits = find_limits(quick, folder, config)
        if team.leads:
            say(f"quick:    out of fold {describe_limits(limits, folder.good_class is not None)}; fine-tuning goes on")
        known = Quick(config, backbone, found, examples, head, store)
        came = tune(known, work, team, progress, seconds_left())
        if isinstance(came, str):
            notes = (came,)
        else:
            tuned, notes, choice = came, came.notes, choose(known, came)

    judged = calibrate(choice.out_of_fold, examples, of_picture, found, folder, config)
    return Learned(backbone, found, head, tuned, choice, judged, notes)


def _look_in_turn(
    pictures: Sequence[Picture], backbone: Backbone, config: TrainingConfig, team: Team, progress: Progress,
    views: Sequence[Mirrored], store: MapStore | None,
) -> FeatureSet:  # fmt: skip
    """Return the features; the first process computes them, the others take them from the cache if they share it."""
    if not team.leads:
        team.wait()
    found = look(pictures, backbone, config.threads, progress, views, store)
    if team.leads:
        team.wait()
    return found


def _check_enough(folder: LabelledFolder, found: FeatureSet) -> None:
    left = count_classes(found.pictures)
    missing = [name for name in folder.classes if not left[name]]
    if missing:
        shown = "\n".join(found.unreadable[:5])
        raise DataError(
            f"{folder.folder}: no readable training picture of class {', '.join(missing)}\n{shown}".rstrip()
        )
