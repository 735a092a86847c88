"""A task so small that fine-tuning takes milliseconds: maps of three channels of which each class lights up one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from partgate.models.classifier import Branch
from partgate.training.calibration import fit_temperature
from partgate.training.config import FineTuneSettings
from partgate.training.examples import Examples, Fold, cut_folds
from partgate.training.fine_tune import Lesson
from partgate.training.material import KeptMaps

_CHANNELS, _POOLED = 3, 2


class _Body(nn.Module):
    """Two small layers in place of a backbone's last stages."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(_CHANNELS, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))

    def forward(self, maps: torch.Tensor) -> list[torch.Tensor]:
        return [self.layers(maps)]


@dataclass(frozen=True)
class SmallTask:
    """What fine-tuning works on."""

    examples: Examples
    folds: list[Fold]
    material: KeptMaps

    def start(self, seed: int = 0) -> Branch:
        """Return a branch with random weights, always the same for a seed."""
        torch.manual_seed(seed)
        size = _POOLED + 2 * 4
        weight = np.random.default_rng(seed).normal(0, 0.1, (self.examples.classes, size))
        return Branch(_Body(), weight, np.zeros(self.examples.classes), np.zeros(size), np.ones(size))

    def starts(self) -> list[Branch]:
        """Return a branch for each fold."""
        return [self.start(number) for number in range(len(self.folds))]

    def lesson(self, **changes: object) -> Lesson:
        """Return what fine-tuning is told; any field can be given."""
        found = self.examples

        def rate(logits: np.ndarray) -> float:
            return fit_temperature(logits, found.labels, found.weights, found.classes, is_balanced=True)[1]

        lesson = Lesson(
            found, self.material, self.folds, rate, balance=True, seed=0,
            names=lambda rows: ", ".join(f"{row}.png" for row in sorted(rows)),
        )  # fmt: skip
        return replace(lesson, **changes)


@pytest.fixture
def small_task() -> Callable[..., SmallTask]:
    """A function: rows of two classes in three folds; labels, weights and noise can be given."""

    def make(
        labels: Sequence[int] = (0, 1) * 12, weights: Sequence[float] | None = None, noise: float = 0.3
    ) -> SmallTask:
        truth, rng = np.array(labels), np.random.default_rng(0)
        maps = rng.normal(0, noise, (len(truth), 2, _CHANNELS, 2, 2))
        maps[np.arange(len(truth)), :, truth] += 1
        examples = Examples(
            np.zeros((len(truth), 1), np.float32), truth, np.arange(len(truth)).astype(str),
            np.array(weights or [1.0] * len(truth)), np.arange(len(truth)), int(truth.max()) + 1,
        )  # fmt: skip
        pooled = rng.normal(size=(len(truth), 2, _POOLED)).astype(np.float32)
        material = KeptMaps(maps.astype(np.float16), np.arange(len(truth)), pooled, clean=1)
        return SmallTask(examples, cut_folds(examples, 3, 0), material)

    return make


@pytest.fixture
def small_settings() -> Callable[..., FineTuneSettings]:
    """A function: settings for small tasks; any field can be given."""

    def make(**changes: object) -> FineTuneSettings:
        fields: dict[str, object] = {
            "part": "last_stages", "epochs": 4, "least_steps": 1, "batch_size": 4, "learning_rate": 0.03,
            "head_learning_rate": 0.03, "label_smoothing": 0.0,
        }  # fmt: skip
        return FineTuneSettings.model_validate(fields | changes)

    return make
