"""Curves of a training for TensorBoard, where the configuration asks for them."""

from importlib.util import find_spec
from pathlib import Path

from partgate.data.folder import count_classes
from partgate.data.labels_csv import SPLITS
from partgate.errors import TrainingError
from partgate.training.config import TrainingConfig
from partgate.training.judged import cross_validated
from partgate.training.outcome import Story

TENSORBOARD_FOLDER = "tensorboard"


def check_tensorboard(config: TrainingConfig) -> None:
    """Refuse before anything is learned what could not be written at the end.

    Raises:
        TrainingError: If curves are asked for and the package ``tensorboard`` is missing.
    """
    if config.tensorboard and find_spec("tensorboard") is None:
        raise TrainingError(
            "tensorboard: true needs the package tensorboard, which is not installed; "
            "pip install 'partgate[tensorboard]' or set it to false"
        )


def write_curves(folder: Path, story: Story) -> None:
    """Write losses round by round, what was learned from, and what was reached as an event file.

    Nothing is written where the configuration does not ask for it. Show it with ``tensorboard --logdir FOLDER``.

    Args:
        folder: Is made where it is missing.
        story: What happened.

    Raises:
        OSError: If the place is not writable or full.
    """
    if not story.config.tensorboard:
        return
    from torch.utils.tensorboard import SummaryWriter  # needs a package that few have

    with SummaryWriter(str(folder)) as writer:
        for name, step, value in _scalars(story):
            writer.add_scalar(name, value, step)


def _scalars(story: Story) -> list[tuple[str, int, float]]:
    """Return name, step and value of everything that is a number; step 0 is the unchanged network."""
    folder, learned, limits = story.folder, story.learned, story.limits
    found: list[tuple[str, int, float]] = [("loss/out_of_fold", 0, learned.head.loss)] if learned.tuned else []
    for epoch in learned.tuned.history if learned.tuned else ():
        found.append(("loss/learned", epoch.number, epoch.learned_loss))
        found.append(("loss/out_of_fold", epoch.number, epoch.out_of_fold_loss))
        found.append(("seconds_per_round", epoch.number, epoch.seconds))
    for side in SPLITS:
        counts = count_classes([one for one in folder.pictures if story.sides[one.file] == side])
        found += [(f"pictures_{side}/{name}", 0, counts[name]) for name in folder.classes]
    found += [(f"reached/log_loss {kind}", 0, loss) for kind, loss in learned.choice.losses.items()]
    figures = cross_validated(learned.judged, folder, story.config.seed)
    for name in ("auroc", "balanced_accuracy"):
        figure = figures.get(name)
        if isinstance(figure, dict):
            found.append((f"reached/{name}", 0, figure["value"]))
    rechecks = limits.rechecks_good + limits.rechecks_defect
    for name, count in (("escapes", limits.escapes), ("false_rejects", limits.false_rejects), ("rechecks", rechecks)):
        found.append((f"reached/{name}", 0, count))
    return found
