"""Rounds: the best one is kept and not the last, it stops in time, and what was stopped goes on as if it never was."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from partgate.errors import TrainingError
from partgate.training.checkpoint import read_checkpoint
from partgate.training.config import FineTuneSettings
from partgate.training.distributed import Team
from partgate.training.fine_tune import Tuned, fine_tune
from partgate.training.learner import Learner, LossError, Place

HERE = Place(torch.device("cpu"), Team(), None)


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def tune(
    task: Any, settings: FineTuneSettings, threads: int = 1, checkpoint: Path | None = None,
    seconds: float | None = None, progress: Callable[[str, int, int], None] = quietly, **changes: Any,
) -> Tuned | str:  # fmt: skip
    return fine_tune(task.starts(), task.lesson(**changes), settings, HERE, threads, progress, checkpoint, seconds)


def weights_of(tuned: Tuned | str) -> list[torch.Tensor]:
    assert isinstance(tuned, Tuned)
    return [value for branch in tuned.branches for value in branch.state_dict().values()]


def are_equal(one: Tuned | str, other: Tuned | str) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights_of(one), weights_of(other), strict=True))


def rated(*losses: float) -> Callable[[np.ndarray], float]:
    """Return a rate that says these losses in turn, then the last one again."""
    left = list(losses)
    return lambda logits: left.pop(0) if len(left) > 1 else left[0]


def test_loss_that_is_no_number_in_the_first_round_leaves_no_branch_and_names_the_pictures(
    small_task: Any, small_settings: Any
):
    task = small_task()
    task.material.maps[5] = np.nan

    said = tune(task, small_settings(batch_size=1))

    assert isinstance(said, str)
    assert "the loss was no number on a batch with 5.png" in said
    assert "lower fine_tune.learning_rate" in said


@pytest.mark.parametrize("threads", [1, 3])
def test_loss_that_is_no_number_later_keeps_the_best_round_before(
    small_task: Any, small_settings: Any, monkeypatch: pytest.MonkeyPatch, threads: int
):
    """Also while other folds are in the middle of the round: their steps must not get into what is kept."""
    best = tune(small_task(), small_settings(), rate=rated(0.5, 0.9, 0.9))
    original, others_step, has_failed = Learner._step, threading.Event(), threading.Event()
    rounds: dict[int, int] = {}

    def step(self: Learner, rows: np.ndarray, rng: np.random.Generator) -> float:
        if self._seed == 0 and rounds.get(0, 0) >= 4:  # the first fold, second round: four batches a round
            if threads > 1:
                assert others_step.wait(20)
            has_failed.set()
            raise LossError(rows)
        rounds[self._seed] = rounds.get(self._seed, 0) + 1
        if threads > 1 and rounds[self._seed] > 4:
            others_step.set()
            assert has_failed.wait(20)
        return original(self, rows, rng)

    monkeypatch.setattr(Learner, "_step", step)

    tuned = tune(small_task(), small_settings(), threads, rate=rated(0.5, 0.9, 0.9))

    assert isinstance(tuned, Tuned)
    assert tuned.best_epoch == 1
    assert "fine-tuning stopped in round 2" in tuned.notes[0]
    assert are_equal(tuned, best)


def test_short_of_memory_in_one_of_several_folds_is_told(
    small_task: Any, small_settings: Any, monkeypatch: pytest.MonkeyPatch
):
    def step(self: Learner, rows: np.ndarray, rng: np.random.Generator) -> float:
        if self._seed == 1000:
            raise RuntimeError("not enough memory: you tried to allocate 9 bytes")
        return 0.5

    monkeypatch.setattr(Learner, "_step", step)

    with pytest.raises(TrainingError, match=r"set fine_tune\.batch_size to 2"):
        tune(small_task(), small_settings(), threads=3)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_round_with_the_batches_that_are_on_their_way(small_task: Any, small_settings: Any, threads: int):
    """Three folds of 16 batches each; whoever is not interrupted takes his time, so that he can be halted."""
    told: list[int] = []

    def interrupt(step: str, done: int, total: int) -> None:
        told.append(done)
        if done == 2:
            raise KeyboardInterrupt
        time.sleep(0.02 if done > 2 else 0)

    with pytest.raises(KeyboardInterrupt):
        tune(small_task(), small_settings(batch_size=1), threads, progress=interrupt)

    assert len(told) < 16


def test_best_round_is_kept_and_not_the_last(small_task: Any, small_settings: Any):
    losses = (0.9, 0.4, 0.6, 0.7)

    tuned = tune(small_task(), small_settings(patience=9), rate=rated(*losses))

    assert isinstance(tuned, Tuned)
    assert tuned.best_epoch == 2
    assert [epoch.out_of_fold_loss for epoch in tuned.history] == list(losses)
    assert all(
        torch.equal(*pair) for pair in zip(weights_of(tuned), after(2, small_task(), small_settings()), strict=True)
    )


def after(rounds: int, task: Any, settings: FineTuneSettings) -> list[torch.Tensor]:
    """Return the weights of every fold after so many of four rounds, learned one by one."""
    weights = []
    for number, (branch, fold) in enumerate(zip(task.starts(), task.folds, strict=True)):
        one = Learner(branch, fold, task.material, task.examples, settings, 1000 * number, HERE, True, 4)
        for epoch in range(1, rounds + 1):
            one.learn(epoch, lambda: None)
        weights += list(one.weights().values())
    return weights


def test_out_of_fold_logits_are_those_of_the_branches_that_are_kept(small_task: Any, small_settings: Any):
    task = small_task()

    tuned = tune(task, small_settings(patience=9), rate=rated(0.9, 0.4, 0.6, 0.7))

    assert isinstance(tuned, Tuned)
    for branch, fold in zip(tuned.branches, task.folds, strict=True):
        with torch.inference_mode():
            logits = branch(*task.material.judge(fold.held_out, 0))[0].numpy()
        assert tuned.out_of_fold[fold.held_out] == pytest.approx(logits, abs=1e-5)


@pytest.mark.parametrize(
    ("patience", "rounds"), [(1, 2), (2, 3), (9, 4)], ids=["at-once", "one-more", "longer-than-all-rounds"]
)
def test_it_stops_after_so_many_rounds_without_a_better_one(
    small_task: Any, small_settings: Any, patience: int, rounds: int
):
    tuned = tune(small_task(), small_settings(patience=patience), rate=rated(0.4, 0.5))

    assert isinstance(tuned, Tuned)
    assert (len(tuned.history), tuned.best_epoch) == (rounds, 1)


def test_few_pictures_go_round_more_often_and_patience_grows_alike(small_task: Any, small_settings: Any):
    """16 rows in batches of 4 are 4 steps; 40 steps are 10 rounds instead of 2, and patience 5 instead of 1."""
    settings = small_settings(epochs=2, patience=1, least_steps=40)

    tuned = tune(small_task(), settings, rate=rated(0.4, 0.5))

    assert isinstance(tuned, Tuned)
    assert (tuned.epochs, len(tuned.history)) == (10, 6)


def test_threads_change_nothing(small_task: Any, small_settings: Any):
    assert are_equal(tune(small_task(), small_settings()), tune(small_task(), small_settings(), threads=3))


class Clock:
    """A clock that advances by a second whenever a batch is learned."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def slow_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each batch take a second: 24 rows in three folds, 4 a batch, one fold at once: about 12 s a round."""
    clock, original = Clock(), Learner._step

    def step(self: Learner, rows: np.ndarray, rng: np.random.Generator) -> float:
        clock.now += 1
        return original(self, rows, rng)

    monkeypatch.setattr(Learner, "_step", step)
    monkeypatch.setattr("partgate.training.fine_tune.time", clock)


# A row takes 1/4 s; a round is 3 x 16 rows learned and 24 rows judged at a third: 48 / 4 + 8 / 4 = 14 s.
@pytest.mark.usefixtures("slow_steps")
@pytest.mark.parametrize(
    ("seconds", "rounds"), [(28, 2), (41, 2), (42, 3), (56, 4), (999, 4)], ids=lambda value: str(value)
)
def test_budget_plans_as_many_rounds_as_fit_and_says_so(
    small_task: Any, small_settings: Any, seconds: float, rounds: int
):
    tuned = tune(small_task(), small_settings(patience=9), seconds=seconds)

    assert isinstance(tuned, Tuned)
    assert tuned.epochs == len(tuned.history) == rounds
    expected = () if rounds == 4 else (f"the time budget fits {rounds} of 4 rounds of fine-tuning",)
    assert tuned.notes == expected


@pytest.mark.usefixtures("slow_steps")
@pytest.mark.parametrize(("seconds", "fitting"), [(27, 1), (13, 0), (0, 0), (-5, 0)])
def test_budget_into_which_not_even_two_rounds_fit_is_told(
    small_task: Any, small_settings: Any, seconds: float, fitting: int
):
    said = tune(small_task(), small_settings(), seconds=seconds)

    assert said == f"not fine-tuned: the time budget fits {fitting} of 4 rounds"


@pytest.mark.usefixtures("slow_steps")
def test_budget_counts_folds_that_learn_at_the_same_time(small_task: Any, small_settings: Any):
    tuned = tune(small_task(), small_settings(patience=9), threads=8, seconds=14)  # three folds at once

    assert isinstance(tuned, Tuned)
    assert tuned.epochs == 3


@pytest.mark.parametrize("bad", ["nan", "weight"])
def test_budget_is_measured_on_rows_that_count_and_survives_a_loss_that_is_no_number(
    small_task: Any, small_settings: Any, bad: str
):
    task = small_task(weights=[0.0] * 4 + [1.0] * 20 if bad == "weight" else None)
    if bad == "nan":
        task.material.maps[:] = np.nan

    came = tune(task, small_settings(batch_size=1), seconds=1e6)

    assert isinstance(came, str) == (bad == "nan")


def test_training_that_goes_on_from_a_checkpoint_ends_where_one_without_a_break_does(
    small_task: Any, small_settings: Any, tmp_path: Path
):
    settings = small_settings(patience=9)
    whole = tune(small_task(), settings)
    told: list[int] = []

    def interrupt(step: str, done: int, total: int) -> None:
        if done == 3 * 8 + 2:  # in the middle of the third round: 3 folds of 4 batches
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(small_task(), settings, checkpoint=tmp_path / "fine-tune.pt", progress=interrupt)
    resumed = tune(
        small_task(), settings, checkpoint=tmp_path / "fine-tune.pt",
        progress=lambda step, done, total: told.append(done),
    )  # fmt: skip

    assert isinstance(resumed, Tuned)
    assert are_equal(whole, resumed)
    assert resumed.notes == ("gone on from round 2 of a training that was stopped",)
    assert told == list(range(25, 49))


def test_best_round_before_the_break_is_still_the_best_after_it(small_task: Any, small_settings: Any, tmp_path: Path):
    path = tmp_path / "fine-tune.pt"
    best = tune(small_task(), small_settings(patience=1), rate=rated(0.2, 0.9))
    tune(small_task(), small_settings(patience=1), checkpoint=path, rate=rated(0.2, 0.9))

    resumed = tune(small_task(), small_settings(patience=9), checkpoint=path, rate=rated(0.8))

    assert isinstance(resumed, Tuned)
    assert (resumed.best_epoch, len(resumed.history)) == (1, 4)
    assert are_equal(best, resumed)


def test_budget_of_the_first_start_holds_after_a_break(small_task: Any, small_settings: Any, tmp_path: Path):
    path = tmp_path / "fine-tune.pt"
    tune(small_task(), small_settings(epochs=2), checkpoint=path)
    state = read_checkpoint(path)

    resumed = tune(small_task(), small_settings(epochs=4), checkpoint=path, seconds=1e-9)

    assert state is not None
    assert isinstance(resumed, Tuned)
    assert resumed.epochs == state["epochs"] == 2
    assert resumed.notes[0] == "the time budget fits 2 of 4 rounds of fine-tuning"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"not at all a checkpoint"])
def test_damaged_checkpoint_is_told_in_one_sentence(
    small_task: Any, small_settings: Any, tmp_path: Path, content: bytes
):
    path = tmp_path / "fine-tune.pt"
    path.write_bytes(content)

    with pytest.raises(TrainingError, match=r"^.*fine-tune.pt: cannot be read \(\w+\).*train again[^\n]*$"):
        tune(small_task(), small_settings(), checkpoint=path)
