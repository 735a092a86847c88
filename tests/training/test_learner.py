"""One fold's branch: the same steps for the same seed, never a step on rows held out, and errors that name the cure."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from partgate.errors import TrainingError
from partgate.training.config import FineTuneSettings
from partgate.training.distributed import Team
from partgate.training.learner import Learner, LossError, Place, choose_place, warm_up_then_cosine
from partgate.training.material import Batch, KeptMaps

HERE = Place(torch.device("cpu"), Team(), None)
Task = Any  # SmallTask of conftest.py


@dataclass(frozen=True)
class Spy:
    """Material that notes which rows were asked for, and may do something else instead."""

    material: KeptMaps
    learned: list[int]
    judged: list[int]
    instead: Callable[[], Batch] | None = None

    @property
    def clean(self) -> int:
        return self.material.clean

    def learn(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        self.learned.extend(rows.tolist())
        return self.instead() if self.instead else self.material.learn(rows, rng)

    def judge(self, rows: np.ndarray, view: int) -> Batch:
        self.judged.extend(rows.tolist())
        return self.material.judge(rows, view)


def learner(
    task: Task, settings: FineTuneSettings, seed: int = 7, balance: bool = True, material: Any = None, fold: int = 0,
    epochs: int = 4,
) -> Learner:  # fmt: skip
    return Learner(
        task.start(), task.folds[fold], material or task.material, task.examples, settings, seed, HERE, balance, epochs
    )


def learned_weights(one: Learner, epochs: int = 3) -> list[torch.Tensor]:
    for epoch in range(1, epochs + 1):
        one.learn(epoch, lambda: None)
    return list(one.weights().values())


def are_equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError("Unable to allocate 9 GiB"),
    ],
    ids=["processor", "processor-linux", "gpu", "numpy"],
)
def test_short_of_memory_names_the_setting_to_lower(small_task: Any, small_settings: Any, error: Exception):
    def fail() -> Batch:
        raise error

    task = small_task()
    one = learner(task, small_settings(batch_size=8), material=Spy(task.material, [], [], fail))

    with pytest.raises(
        TrainingError,
        match=r"memory does not suffice for batches of 8 pictures; set fine_tune.batch_size to 4, or lower image_size",
    ):
        one.learn(1, lambda: None)


def test_other_errors_of_torch_stay_what_they_are(small_task: Any, small_settings: Any):
    def fail() -> Batch:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    task = small_task()

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        learner(task, small_settings(), material=Spy(task.material, [], [], fail)).learn(1, lambda: None)


def test_maps_that_are_no_numbers_stop_the_round_with_their_rows_and_leave_the_weights_alone(
    small_task: Any, small_settings: Any
):
    task = small_task()
    bad = int(task.folds[0].learned[0])
    task.material.maps[bad] = np.nan
    one = learner(task, small_settings(batch_size=100))
    before = one.weights()

    with pytest.raises(LossError) as caught:
        one.learn(1, lambda: None)

    assert bad in caught.value.rows
    assert are_equal(list(before.values()), list(one.weights().values()))


def test_fold_never_learns_from_rows_held_out(small_task: Any, small_settings: Any):
    task = small_task()
    spy = Spy(task.material, [], [])

    learned_weights(learner(task, small_settings(), material=spy), epochs=2)

    assert sorted(spy.learned) == sorted([*task.folds[0].learned, *task.folds[0].learned])
    assert not set(spy.learned) & set(task.folds[0].held_out)
    assert spy.judged == []


def test_rows_held_out_are_judged_in_their_order(small_task: Any, small_settings: Any):
    task = small_task()
    spy = Spy(task.material, [], [])
    one = learner(task, small_settings(), material=spy)

    logits = one.judge(1)

    held_out = task.folds[0].held_out
    assert spy.judged == held_out.tolist()
    with torch.inference_mode():
        expected = one.branch(*task.material.judge(held_out[1:2], 0))[0]
    assert logits[1] == pytest.approx(expected[0].numpy(), abs=1e-5)


def test_judging_takes_the_mean_over_the_clean_views(small_task: Any, small_settings: Any):
    task = small_task()
    one = learner(task, small_settings())

    both = one.judge(2)

    with torch.inference_mode():
        views = [one.branch(*task.material.judge(task.folds[0].held_out, view))[0].numpy() for view in (0, 1)]
    assert both == pytest.approx((views[0] + views[1]) / 2, abs=1e-5)


def test_row_of_weight_zero_teaches_nothing(small_task: Any, small_settings: Any):
    plain = small_task(labels=[0, 1] * 12 + [0, 1] * 3, weights=[1.0] * 24 + [0.0] * 6)
    wrong = small_task(labels=[0, 1] * 12 + [1, 0] * 3, weights=[1.0] * 24 + [0.0] * 6)
    wrong = replace(wrong, folds=plain.folds, material=plain.material)

    spy = Spy(plain.material, [], [])

    weights = [learned_weights(learner(task, small_settings())) for task in (plain, wrong)]
    learned_weights(learner(plain, small_settings(), material=spy))

    assert are_equal(*weights)
    assert max(spy.learned) < 24


def test_heavier_row_pulls_harder(small_task: Any, small_settings: Any):
    """Two rows look alike and have two labels: the one that weighs more decides."""
    task = small_task(labels=[0, 1] * 12, weights=[1.0, 3.0] * 12, noise=0.0)
    task.material.maps[:] = 1
    task.material.pooled[:] = 0

    one = learner(task, small_settings(), balance=False)
    learned_weights(one, epochs=4)

    first, second = one.judge(1)[0]
    assert second > first


def test_rare_class_is_learned_as_much_where_classes_are_balanced(small_task: Any, small_settings: Any):
    """Nothing tells the classes apart: balanced logits are equal, counted ones follow the share of 3 to 1."""
    task = small_task(labels=[0, 0, 0, 1] * 9, noise=0.0)
    task.material.maps[:] = 1
    task.material.pooled[:] = 0
    settings = small_settings(batch_size=100, epochs=60, learning_rate=0.02, head_learning_rate=0.02)

    gaps = []
    for balance in (True, False):
        one = learner(task, settings, balance=balance, epochs=60)
        learned_weights(one, epochs=60)
        first, second = one.judge(1)[0]
        gaps.append(first - second)

    assert gaps[0] == pytest.approx(0, abs=0.1)
    assert gaps[1] == pytest.approx(np.log(3), abs=0.2)


def test_same_seed_gives_the_same_weights_and_another_seed_others(small_task: Any, small_settings: Any):
    task = small_task()

    first, again, other = (learned_weights(learner(task, small_settings(), seed=seed)) for seed in (7, 7, 8))

    assert are_equal(first, again)
    assert not are_equal(first, other)


def test_folds_that_learn_at_the_same_time_take_the_steps_they_take_alone(small_task: Any, small_settings: Any):
    task = small_task()
    alone = [learned_weights(learner(task, small_settings(), seed=fold, fold=fold)) for fold in range(3)]
    learners = [learner(task, small_settings(), seed=fold, fold=fold) for fold in range(3)]

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(learned_weights, learners))

    assert all(are_equal(*pair) for pair in zip(alone, together, strict=True))


def test_learner_that_goes_on_from_a_state_ends_where_one_without_a_break_does(small_task: Any, small_settings: Any):
    task = small_task()
    whole = learned_weights(learner(task, small_settings()), epochs=3)
    broken_off = learner(task, small_settings())
    broken_off.learn(1, lambda: None)
    state = broken_off.state()

    resumed = learner(task, small_settings())
    resumed.resume(state)
    for epoch in (2, 3):
        resumed.learn(epoch, lambda: None)

    assert are_equal(whole, list(resumed.weights().values()))


def test_branch_learns_to_tell_classes_apart(small_task: Any, small_settings: Any):
    task = small_task()
    one = learner(task, small_settings(learning_rate=0.1, head_learning_rate=0.1), epochs=8)

    losses = [one.learn(epoch, lambda: None) for epoch in range(1, 9)]

    assert losses[-1] < losses[0] / 2
    assert (one.judge(1).argmax(1) == task.examples.labels[task.folds[0].held_out]).all()


def test_every_batch_is_told(small_task: Any, small_settings: Any):
    task = small_task()
    told: list[None] = []
    one = learner(task, small_settings(batch_size=5))

    one.learn(1, lambda: told.append(None))

    assert len(told) == one.steps == 4  # 16 rows in batches of at most 5


@pytest.mark.parametrize(
    ("warm_up", "factors"),
    [(0.0, [1.0, 0.85, 0.5, 0.15]), (0.5, [0.5, 1.0, 1.0, 0.5]), (0.9, [0.25, 0.5, 0.75, 1.0])],
    ids=["none", "half", "nearly-all"],
)
def test_step_size_rises_in_a_line_and_falls_as_a_cosine(warm_up: float, factors: list[float]):
    factor = warm_up_then_cosine(4, warm_up)

    assert [factor(step) for step in range(4)] == pytest.approx(factors, abs=0.01)
    assert factor(99) >= 0


@pytest.mark.parametrize(
    ("is_there", "has_bf16", "wanted", "device", "half"),
    [
        (False, False, True, "cpu", None),
        (True, True, True, "cuda:1", torch.bfloat16),
        (True, False, True, "cuda:1", torch.float16),
        (True, True, False, "cuda:1", None),
    ],
    ids=["processor-in-full", "gpu-with-bf16", "older-gpu", "gpu-in-full-where-the-file-says-so"],
)
def test_gpu_is_taken_where_there_is_one_and_half_precision_there_alone(
    monkeypatch: pytest.MonkeyPatch, is_there: bool, has_bf16: bool, wanted: bool, device: str, half: object
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: is_there)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bf16)

    place = choose_place(wanted, Team(rank=1, size=2, local_rank=1))

    assert (str(place.device), place.half) == (device, half)


def test_half_precision_learns_nearly_the_same(small_task: Any, small_settings: Any):
    task = small_task()
    half = Place(torch.device("cpu"), Team(), torch.bfloat16)

    weights = []
    for place in (HERE, half):
        one = Learner(task.start(), task.folds[0], task.material, task.examples, small_settings(), 7, place, True, 4)
        weights.append(torch.cat([value.flatten() for value in learned_weights(one)]))

    assert (weights[0] - weights[1]).abs().max() < 0.05
    assert not torch.equal(*weights)


@pytest.mark.gpu
def test_branch_learns_on_the_gpu_what_it_learns_on_the_processor(small_task: Any, small_settings: Any):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    task = small_task()
    there, settings = choose_place(True, Team()), small_settings(learning_rate=0.1, head_learning_rate=0.1)

    one = Learner(task.start(), task.folds[0], task.material, task.examples, settings, 7, there, True, 8)
    learned_weights(one, epochs=8)

    assert one.branch.head.weight.device.type == "cuda"
    assert (one.judge(1).argmax(1) == task.examples.labels[task.folds[0].held_out]).all()
