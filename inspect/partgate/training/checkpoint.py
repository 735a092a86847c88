"""What a stopped training goes on from: one file per round, written beside and renamed, read without running code."""

import io
from pathlib import Path
from typing import Any

import torch

from partgate.configfile import write_atomically
from partgate.errors import TrainingError


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers and text: whole, or not at all.

    Raises:
        OSError: If the place is not writable or full.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return what was written; None where nothing was.

    Raises:
        TrainingError: If the file is no checkpoint.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        raise TrainingError(
            f"{path}: cannot be read ({type(error).__name__}); train again: it starts afresh"
        ) from error
    return state
