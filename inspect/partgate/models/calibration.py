"""The last step of the exported graph: logits → calibrated probabilities, the same sums as in training."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


class CalibratedProbabilities(nn.Module):
    """Softmax, then the map of the defect score where there is one.

    The map is a sum of clamped ramps and of the score itself, which carries NaN through: engines may turn a clamped NaN
    into a number. No summand falls while the score rises, so that no rounding turns the order of two scores around.

    Args:
        knots: (score, calibrated score) from score 0 to score 1, both rising; None leaves the softmax alone.
        good: Index of the good class; None where there is none.
        classes: C.

    Raises:
        ValueError: If knots are given without a good class, do not reach from 0 to 1, or do not rise.

    Source:
        Guo et al. (2017), "On calibration of modern neural networks"; Zadrozny, Elkan (2002), "Transforming classifier
        scores into accurate multiclass probability estimates"; the form of the sum: own.
    """

    def __init__(self, knots: Sequence[tuple[float, float]] | None, good: int | None, classes: int) -> None:
        super().__init__()
        self.has_map = knots is not None
        if knots is None:
            return
        _check(knots, good, classes)
        assert good is not None
        slopes = [(value - before) / (place - start) for (start, before), (place, value) in pairwise(knots)]
        least = min(slopes)
        defects = [index for index in range(classes) if index != good]
        order = sorted(range(classes), key=[*defects, good].__getitem__)  # where each class stands among defects + good
        self.lowest, self.least_slope = knots[0][1], least
        self.register_buffer("starts", torch.tensor([start for start, _ in knots[:-1]]))
        self.register_buffer("lengths", torch.tensor([place - start for (start, _), (place, _) in pairwise(knots)]))
        self.register_buffer("slopes", torch.tensor([slope - least for slope in slopes]))
        self.register_buffer("defects", torch.tensor(defects))
        self.register_buffer("order", torch.tensor(order))
        self.starts: torch.Tensor
        self.lengths: torch.Tensor
        self.slopes: torch.Tensor
        self.defects: torch.Tensor
        self.order: torch.Tensor

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return probabilities (N, C) of logits (N, C), temperature and shift already in them; NaN stays NaN."""
        likely = torch.softmax(logits, 1)
        if not self.has_map:
            return likely
        score = likely.index_select(1, self.defects).sum(1, keepdim=True)  # (N, 1)
        climbed = torch.minimum(torch.relu(score - self.starts), self.lengths)  # (N, ramps)
        mapped = self.lowest + self.least_slope * score + (self.slopes * climbed).sum(1, keepdim=True)
        shares = torch.softmax(logits.index_select(1, self.defects), 1)
        return torch.cat([mapped * shares, 1 - mapped], 1).index_select(1, self.order)


def _check(knots: Sequence[tuple[float, float]], good: int | None, classes: int) -> None:
    if good is None or not 0 <= good < classes:
        raise ValueError(f"a map of the defect score needs a good class among {classes}, got {good}")
    places, values = [place for place, _ in knots], [value for _, value in knots]
    if len(knots) < 2 or places[0] != 0 or places[-1] != 1:
        raise ValueError(f"knots must reach from score 0 to score 1, got {places}")
    if any(b <= a for column in (places, values) for a, b in pairwise(column)) or not 0 <= values[0] < values[-1] <= 1:
        raise ValueError(f"knots must rise within 0..1, got {list(knots)}")
