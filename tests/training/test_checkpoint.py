"""A checkpoint: read as it was written, without running what stands in it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from partgate.errors import TrainingError
from partgate.training.checkpoint import read_checkpoint, write_checkpoint


def test_checkpoint_that_would_run_code_is_refused(tmp_path: Path):
    import pickle

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "fine-tune.pt"
    torch.save({"epochs": Trap()}, path, pickle_module=pickle)

    with pytest.raises(TrainingError, match="cannot be read"):
        read_checkpoint(path)

    assert not (tmp_path / "ran").exists()


def test_checkpoint_is_read_as_it_was_written_and_none_where_there_is_none(tmp_path: Path):
    write_checkpoint(tmp_path / "a.pt", {"epochs": 3, "best": [{"w": torch.arange(3)}]})

    state = read_checkpoint(tmp_path / "a.pt")

    assert state is not None
    assert state["epochs"] == 3
    assert state["best"][0]["w"].tolist() == [0, 1, 2]
    assert read_checkpoint(tmp_path / "b.pt") is None
