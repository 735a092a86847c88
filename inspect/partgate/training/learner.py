"""One fold's branch while it learns: steps, rounds, and what it says about the rows held out."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch.nn import functional

from partgate.errors import TrainingError
from partgate.models.classifier import Branch
from partgate.training.config import FineTuneSettings
from partgate.training.distributed import Team
from partgate.training.examples import Array, Examples, Fold, Rows, balanced_weights
from partgate.training.material import Material

State = Mapping[str, Any]
Result = TypeVar("Result")
_JUDGED_AT_ONCE = 32
_SHORT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class LossError(Exception):
    """The loss of a batch is no number; carries the rows of the batch."""

    def __init__(self, rows: Rows) -> None:
        super().__init__("loss is not a number")
        self.rows = rows


@dataclass(frozen=True, slots=True)
class Place:
    """Where the numbers are worked on."""

    device: torch.device
    team: Team
    half: torch.dtype | None  # autocast's type on a GPU; None computes in full precision

    def move(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor on this device."""
        return tensor.to(self.device, non_blocking=True)


def choose_place(mixed_precision: bool, team: Team) -> Place:
    """Return a GPU where there is one, else the processor; half precision on a GPU only.

    On a processor bf16 speeds up the forward pass alone and slows down the backward one (own measurement).
    """
    if not torch.cuda.is_available():
        return Place(torch.device("cpu"), team, None)
    half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return Place(torch.device("cuda", team.local_rank), team, half if mixed_precision else None)


class Learner:
    """Fine-tunes one branch on one fold; the same seed gives the same steps, whatever other folds do meanwhile."""

    def __init__(
        self, branch: Branch, fold: Fold, material: Material, examples: Examples, settings: FineTuneSettings, seed: int,
        place: Place, balance: bool, epochs: int,
    ) -> None:  # fmt: skip
        self.branch = branch.to(place.device).to(memory_format=torch.channels_last)
        self.fold, self._material, self._settings, self._seed, self._place = fold, material, settings, seed, place
        self._rows = fold.learned[examples.weights[fold.learned] > 0]
        given = examples.weights[self._rows]
        weights = np.zeros(len(examples.labels))
        weights[self._rows] = balanced_weights(examples.labels[self._rows], given) if balance else given
        self._weights = torch.from_numpy(weights / weights[self._rows].mean()).float()
        self._labels = torch.from_numpy(examples.labels)
        self._classes = examples.classes
        self._model = place.team.wrap(self.branch)
        self.steps = math.ceil(len(self._rows) / settings.batch_size)
        body, head = list(self.branch.body.parameters()), list(self.branch.head.parameters())
        rates = [(body, settings.learning_rate), (head, settings.head_learning_rate)]
        self._optimizer = torch.optim.AdamW(
            [{"params": values, "lr": rate} for values, rate in rates], weight_decay=settings.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, warm_up_then_cosine(self.steps * epochs, settings.warm_up)
        )
        self._scaler = torch.amp.GradScaler(place.device.type, enabled=place.half is torch.float16)

    def learn(self, epoch: int, tell: Callable[[], None]) -> float:
        """Go once over the rows to learn from; return the mean loss.

        Raises:
            LossError: If the loss of a batch is none.
            TrainingError: If memory does not suffice.
        """
        rng = np.random.default_rng([self._seed, epoch])  # of its own per round: a resumed training draws the same
        losses = []
        for rows in np.array_split(rng.permutation(self._rows), self.steps):
            loss = self._guarded(partial(self._step, rows, rng))
            if not math.isfinite(loss):
                raise LossError(rows)
            losses.append(loss)
            tell()
        return float(np.mean(losses))

    def _step(self, rows: Rows, rng: np.random.Generator) -> float:
        place = self._place
        given, pooled = self._material.learn(rows, rng)  # all of the batch on every machine: the same draws
        mine = place.team.share(len(rows))
        weights = self._weights[rows]
        with torch.autocast(place.device.type, place.half or torch.bfloat16, enabled=place.half is not None):
            logits = self._model(place.move(given[mine]), place.move(pooled[mine]))[0]  # (n, C)
        each = functional.cross_entropy(
            logits.float(), place.move(self._labels[rows][mine]), reduction="none",
            label_smoothing=self._settings.label_smoothing,
        )  # fmt: skip
        # Gradients are averaged over the team, so each member counts its share of the whole batch's weight.
        loss = (each * place.move(weights[mine])).sum() / len(rows) * place.team.size
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        total = place.team.mean(loss.detach())
        if math.isfinite(total):
            self._scaler.step(self._optimizer)
            self._scaler.update()
            self._schedule.step()
        return total

    def judge(self, views: int) -> Array:
        """Return logits (n, C) of the rows held out, the mean over the first so many clean views."""
        return self._guarded(partial(self._logits, self.fold.held_out, views))

    def _logits(self, rows: Rows, views: int) -> Array:
        found = np.zeros((len(rows), self._classes))
        with torch.inference_mode():
            for start in range(0, len(rows), _JUDGED_AT_ONCE):
                some = rows[start : start + _JUDGED_AT_ONCE]
                for view in range(views):
                    given, pooled = self._material.judge(some, view)
                    logits = self.branch(self._place.move(given), self._place.move(pooled))[0]
                    found[start : start + len(some)] += logits.double().cpu().numpy() / views
        return found

    def _guarded(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, MemoryError) or any(text in str(error) for text in _SHORT_OF_MEMORY):
                raise TrainingError(
                    f"fine-tuning: memory does not suffice for batches of {self._settings.batch_size} pictures; set "
                    f"fine_tune.batch_size to {max(1, self._settings.batch_size // 2)}, or lower image_size_px"
                ) from error
            raise

    def weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of the branch's weights, on the processor."""
        return {name: value.detach().cpu().clone() for name, value in self.branch.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """Return all that a resumed training needs."""
        return {
            "branch": self.weights(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def resume(self, state: State) -> None:
        """Go on from where :meth:`state` was taken."""
        self.branch.load_state_dict(state["branch"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])


def warm_up_then_cosine(steps: int, warm_up: float) -> Callable[[int], float]:
    """Return the step size's factor over the steps: rising in a line to 1, then falling as a cosine towards 0.

    Source:
        Loshchilov, Hutter (2017), "SGDR: stochastic gradient descent with warm restarts", equation 5, one period.

    Example:
        >>> [round(warm_up_then_cosine(10, 0.2)(step), 2) for step in (0, 1, 2, 6, 10)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    rising = round(steps * warm_up)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))

    return factor
