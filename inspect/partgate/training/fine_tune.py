"""Fine-tuning: every fold's branch learns in step with the others, and what is best out of fold is kept.

One number is chosen by out-of-fold scores: after how many rounds to stop. Round 0 is the head on frozen features.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from partgate.models.classifier import Branch
from partgate.training.checkpoint import read_checkpoint, write_checkpoint
from partgate.training.config import FineTuneSettings
from partgate.training.examples import Array, Examples, Fold, Rows
from partgate.training.features import Progress
from partgate.training.learner import Learner, LossError, Place
from partgate.training.material import Material

logger = logging.getLogger(__name__)
_LEAST_EPOCHS = 2  # fewer are all warm-up


@dataclass(frozen=True, slots=True)
class Epoch:
    """One round of all folds."""

    number: int
    learned_loss: float  # mean over the batches of all folds
    out_of_fold_loss: float  # of the pictures as they are, after calibration; lower is better
    seconds: float


@dataclass(frozen=True, slots=True)
class Tuned:
    """The folds' branches as they were after the best round."""

    branches: tuple[Branch, ...]
    out_of_fold: Array  # (N, C) logits of the branch that has not seen the row
    loss: float
    best_epoch: int
    epochs: int  # planned
    history: tuple[Epoch, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """All that fine-tuning works on."""

    examples: Examples
    material: Material
    folds: Sequence[Fold]
    rate: Callable[[Array], float]  # out-of-fold logits (N, C) → loss
    balance: bool
    seed: int
    names: Callable[[Rows], str]  # rows → pictures, for messages


def fine_tune(
    starts: Sequence[Branch], lesson: Lesson, settings: FineTuneSettings, place: Place, threads: int,
    progress: Progress, checkpoint: Path | None = None, seconds: float | None = None,
) -> Tuned | str:  # fmt: skip
    """Return the branches after their best round; else in a sentence why there are none.

    Args:
        starts: A branch per fold, its head fitted on what the fold learns from.
        lesson: Rows, material, folds.
        settings: Rounds, step sizes.
        place: Processor or GPU, team.
        threads: Processors; with more than one all folds learn at once.
        progress: Is told about each batch.
        checkpoint: Written after each round; an existing one is gone on from.
        seconds: Time that it may take; fewer rounds are planned where they would take longer.

    Raises:
        TrainingError: If memory does not suffice.
    """
    notes: list[str] = []
    saved = read_checkpoint(checkpoint) if checkpoint else None
    wanted, patience = _plan(lesson, settings)
    epochs = int(saved["epochs"]) if saved else wanted
    # All folds at once, whatever the number of processors: three in turn on two would leave one of them idle.
    at_once = len(starts) if threads > 1 and place.device.type == "cpu" and place.team.size == 1 else 1
    if saved is None and seconds is not None:
        epochs = min(epochs, _rounds_that_fit(starts[0], lesson, settings, place, min(at_once, threads), seconds))
        if epochs < min(_LEAST_EPOCHS, wanted):
            return f"not fine-tuned: the time budget fits {epochs} of {wanted} rounds"
    if epochs < wanted:
        notes.append(f"the time budget fits {epochs} of {wanted} rounds of fine-tuning")
    learners = [
        Learner(branch, fold, lesson.material, lesson.examples, settings, lesson.seed + 1000 * number, place,
                lesson.balance, epochs)
        for number, (branch, fold) in enumerate(zip(starts, lesson.folds, strict=True))
    ]  # fmt: skip
    state = _State(learners, lesson, epochs)
    if saved:
        state.resume(saved)
        notes.append(f"gone on from round {len(state.history)} of a training that was stopped")
    counter = _Counter(progress, len(state.history), epochs, sum(learner.steps for learner in learners))
    while len(state.history) < epochs and not state.is_done(patience):
        began = time.monotonic()
        number = len(state.history) + 1
        try:
            losses = _learn(learners, number, at_once, counter)
        except LossError as error:
            notes.append(
                f"fine-tuning stopped in round {number}: the loss was no number on a batch with "
                f"{lesson.names(error.rows)}; the best round before is kept: lower fine_tune.learning_rate"
            )
            break
        logits = _judge(learners, lesson, at_once, views=1)  # mirrored views as well would take half as long again
        loss = place.team.agree(lesson.rate(logits))
        state.add(Epoch(number, float(np.mean(losses)), loss, time.monotonic() - began))
        if checkpoint and place.team.leads:
            write_checkpoint(checkpoint, state.saved())
    if not state.take_best():
        return "; ".join(("not fine-tuned: no round gave a number", *notes))
    return state.tuned(_judge(learners, lesson, at_once, lesson.material.clean), notes)


def _plan(lesson: Lesson, settings: FineTuneSettings) -> tuple[int, int]:
    """Return rounds and patience: few pictures go round more often, since a round of two steps changes little."""
    weights = lesson.examples.weights
    rows = max(1, min(int((weights[fold.learned] > 0).sum()) for fold in lesson.folds))
    steps = math.ceil(rows / settings.batch_size)
    epochs = max(settings.epochs, math.ceil(settings.least_steps / steps))
    return epochs, math.ceil(settings.patience * epochs / settings.epochs)


def _learn(learners: Sequence[Learner], number: int, at_once: int, counter: "_Counter") -> list[float]:
    """Return the loss of each fold's next round; an error is raised once no fold learns any more."""
    if at_once == 1:  # also in a team, whose members must meet in the same order
        return [learner.learn(number, counter.tell) for learner in learners]
    with ThreadPoolExecutor(at_once) as pool:
        try:
            rounds = [pool.submit(learner.learn, number, counter.tell) for learner in learners]
            wait(rounds, return_when=FIRST_EXCEPTION)
        finally:
            counter.halted.set()  # all are done, or one failed, or Ctrl-C: the others end with their batch
    counter.halted.clear()
    errors = [error for one in rounds if (error := one.exception())]
    if errors:
        raise next((error for error in errors if not isinstance(error, _HaltedError)), errors[0])
    return [one.result() for one in rounds]


def _judge(learners: Sequence[Learner], lesson: Lesson, at_once: int, views: int) -> Array:
    """Return out-of-fold logits, (N, C)."""
    logits = np.zeros((len(lesson.examples.labels), lesson.examples.classes))
    with ThreadPoolExecutor(at_once) as pool:
        for learner, found in zip(learners, pool.map(lambda one: one.judge(views), learners), strict=True):
            logits[learner.fold.held_out] = found
    return logits


class _HaltedError(Exception):
    """Another fold failed, or the user pressed Ctrl-C."""


class _Counter:
    """Tells the progress of all folds, and halts them where one cannot go on."""

    def __init__(self, progress: Progress, rounds_done: int, epochs: int, steps: int) -> None:
        self._progress, self._done, self._total = progress, rounds_done * steps, epochs * steps
        self._lock = threading.Lock()
        self.halted = threading.Event()

    def tell(self) -> None:
        """Count a batch."""
        with self._lock:
            self._done += 1
            done = self._done
        self._progress("fine-tuning", done, self._total)
        if self.halted.is_set():
            raise _HaltedError


def _rounds_that_fit(
    start: Branch, lesson: Lesson, settings: FineTuneSettings, place: Place, at_once: int, seconds: float
) -> int:
    """Return how many rounds fit, by the time of a few steps of a branch that is thrown away afterwards."""
    learned = lesson.folds[0].learned
    rows = learned[lesson.examples.weights[learned] > 0][: 3 * settings.batch_size]
    trial = Learner(deepcopy(start), Fold(rows, rows[:1]), lesson.material, lesson.examples, settings, 0, place,
                    lesson.balance, 1)  # fmt: skip
    began = time.monotonic()
    with suppress(LossError):  # the first round says so
        trial.learn(1, lambda: None)
    per_row = max(time.monotonic() - began, 1e-6) / len(rows)
    # Judging takes about a third of a step; folds learn at once as far as there are threads.
    rows_per_round = sum(len(fold.learned) + len(fold.held_out) * lesson.material.clean / 3 for fold in lesson.folds)
    fitting = max(0, int(seconds * at_once / (per_row * rows_per_round)))
    return int(place.team.agree(fitting))


class _State:
    """What the rounds so far came to."""

    def __init__(self, learners: Sequence[Learner], lesson: Lesson, epochs: int) -> None:
        self._learners, self._lesson, self._epochs = learners, lesson, epochs
        self.history: list[Epoch] = []
        self._best_epoch, self._loss = 0, float("inf")
        self._weights = [learner.weights() for learner in learners]

    def add(self, epoch: Epoch) -> None:
        """Note a round, and keep its weights if it is the best so far."""
        self.history.append(epoch)
        logger.info("round %d: loss %.4f, out of fold %.4f", epoch.number, epoch.learned_loss, epoch.out_of_fold_loss)
        if epoch.out_of_fold_loss < self._loss:
            self._best_epoch, self._loss = epoch.number, epoch.out_of_fold_loss
            self._weights = [learner.weights() for learner in self._learners]

    def is_done(self, patience: int) -> bool:
        """Tell whether the last rounds brought nothing."""
        return len(self.history) - self._best_epoch >= patience

    def take_best(self) -> bool:
        """Put the weights of the best round back; tell whether there was one."""
        for learner, weights in zip(self._learners, self._weights, strict=True):
            learner.branch.load_state_dict(weights)
        return self._best_epoch > 0

    def tuned(self, logits: Array, notes: Sequence[str]) -> Tuned:
        """Return the branches of the best round with their out-of-fold logits, (N, C)."""
        branches = tuple(learner.branch.cpu() for learner in self._learners)
        loss = self._lesson.rate(logits)
        return Tuned(branches, logits, loss, self._best_epoch, self._epochs, tuple(self.history), tuple(notes))

    def saved(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "epochs": self._epochs,
            "best_epoch": self._best_epoch,
            "loss": self._loss,
            "history": [asdict(epoch) for epoch in self.history],
            "best": self._weights,
            "learners": [learner.state() for learner in self._learners],
        }

    def resume(self, saved: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.history = [Epoch(**epoch) for epoch in saved["history"]]
        self._best_epoch, self._loss = saved["best_epoch"], saved["loss"]
        self._weights = saved["best"]
        for learner, state in zip(self._learners, saved["learners"], strict=True):
            learner.resume(state)
