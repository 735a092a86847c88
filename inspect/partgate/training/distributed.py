"""One training on several processes or machines, started by torchrun; alone it is a team of one.

Every member reads the same pictures and draws the same batches; each works on its share of a batch and the gradients
are averaged, so the result is that of one process. Only the first member writes.

Source:
    PyTorch, "Distributed Data Parallel" (DistributedDataParallel averages gradients over the group).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

_PATIENCE = timedelta(hours=12)  # the first member alone looks at all pictures, and exports; the others wait


@dataclass(frozen=True, slots=True)
class Team:
    """The processes that train together."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Tell whether this process writes files and speaks to the user."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return which of a batch's rows this process works on; an empty share takes part with nothing."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return a module whose gradients are averaged over the team."""
        return DistributedDataParallel(module) if self.size > 1 else module

    def mean(self, value: torch.Tensor) -> float:
        """Return the mean of a number over the team."""
        if self.size > 1:
            value = value.clone()
            distributed.all_reduce(value)
            value = value / self.size
        return float(value)

    def agree(self, number: float) -> float:
        """Return the first member's number: what all go by, though clocks and last digits differ between machines."""
        if self.size == 1:
            return number
        shared = [number]
        distributed.broadcast_object_list(shared, src=0)
        return shared[0]

    def wait(self) -> None:
        """Return once every process has come here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def team_of_torchrun() -> Iterator[Team]:
    """Give the team that torchrun started, by its environment; a team of one where it did not."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank)
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
    try:
        yield Team(distributed.get_rank(), size, local_rank)
    finally:
        distributed.destroy_process_group()
