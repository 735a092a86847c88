"""What a branch learns from, batch by batch: kept maps of several views, or pictures augmented anew each time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from partgate.models.classifier import Eye
from partgate.training.augment import Augmenter
from partgate.training.examples import Rows
from partgate.training.views import Mirrored

Batch = tuple[torch.Tensor, torch.Tensor]
"""What a branch's body takes, and the features of the trunk's stages (N, P)."""


class Material(Protocol):
    """Rows to learn from, each in several views."""

    @property
    def clean(self) -> int:
        """Return how many views are averaged in judging; they come first."""
        ...

    def learn(self, rows: Rows, rng: np.random.Generator) -> Batch:
        """Return one view of each row, drawn by ``rng``."""
        ...

    def judge(self, rows: Rows, view: int) -> Batch:
        """Return a clean view of each row."""
        ...


@dataclass(frozen=True, slots=True)
class KeptMaps:
    """Maps that the frozen trunk gave once; 20 times as fast as running it again."""

    maps: NDArray[np.float16]  # (stored rows, V, C, h, w), on disk
    stored: Rows  # (N,) where each row is stored
    pooled: NDArray[np.float32]  # (N, V, P)
    clean: int

    def learn(self, rows: Rows, rng: np.random.Generator) -> Batch:  # noqa: D102
        views = rng.integers(self.pooled.shape[1], size=len(rows))
        return self._batch(rows, views)

    def judge(self, rows: Rows, view: int) -> Batch:  # noqa: D102
        return self._batch(rows, np.full(len(rows), view))

    def _batch(self, rows: Rows, views: Rows) -> Batch:
        maps = torch.from_numpy(self.maps[self.stored[rows], views]).float()
        return maps.contiguous(memory_format=torch.channels_last), torch.from_numpy(self.pooled[rows, views])


@dataclass(frozen=True, slots=True)
class KeptPictures:
    """Pictures at the network's size; each draw is mirrored and augmented anew."""

    pictures: NDArray[np.uint8]  # (N, H, W, 3), on disk
    names: Sequence[str]  # (N,) what tells them apart
    eye: Eye
    augmenter: Augmenter
    mirrored: Sequence[Mirrored]
    clean: int

    def learn(self, rows: Rows, rng: np.random.Generator) -> Batch:  # noqa: D102
        ways, numbers = rng.integers(len(self.mirrored), size=len(rows)), rng.integers(2**31, size=len(rows))
        seen = [
            self.mirrored[way].show(self.augmenter.view(self.pictures[row], self.names[row], int(number)), "")
            for row, way, number in zip(rows, ways, numbers, strict=True)
        ]
        return self._batch(seen)

    def judge(self, rows: Rows, view: int) -> Batch:  # noqa: D102
        return self._batch([self.mirrored[view].show(self.pictures[row], "") for row in rows])

    def _batch(self, seen: Sequence[NDArray[np.uint8]]) -> Batch:
        with torch.inference_mode(False), torch.no_grad():
            x = self.eye(torch.from_numpy(np.stack(seen)))
        return x.contiguous(memory_format=torch.channels_last), torch.zeros((len(seen), 0))
