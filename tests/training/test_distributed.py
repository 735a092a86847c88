"""Several processes: each row of a batch is worked on once, and the result is that of one process."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from partgate.recipe import load_recipe
from partgate.training.config import load_training
from partgate.training.distributed import Team, team_of_torchrun
from partgate.training.loop import train

KEYS = {
    "preset": "standard", "groups": "given", "image_size_px": 64,
    "fine_tune": {"epochs": 2, "least_steps": 1, "folds": 2, "batch_size": 7, "augmented_views": 1},
}  # fmt: skip


@given(st.integers(0, 40), st.integers(1, 9))
def test_every_row_of_a_batch_is_worked_on_by_exactly_one_process(count: int, size: int):
    rows = np.arange(count)

    shares = [rows[Team(rank, size).share(count)] for rank in range(size)]

    assert np.concatenate(shares).tolist() == rows.tolist()
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_process_that_torchrun_did_not_start_is_a_team_of_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    module = nn.Linear(1, 1)

    with team_of_torchrun() as team:
        assert team == Team(0, 1, 0)
        assert team.leads
        assert team.wrap(module) is module
        assert team.mean(torch.tensor(3.0)) == team.agree(3.0) == 3.0
        team.wait()


def test_only_the_first_member_leads():
    assert [Team(rank, 3).leads for rank in range(3)] == [True, False, False]


def start_two(code: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python's arguments in two processes under torchrun; nothing leaves the loopback."""
    torchrun = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d",
        "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1",
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.run(
        [*torchrun, *code], capture_output=True, text=True, cwd=cwd, env=env, timeout=280, check=False
    )


ASK = """
import sys, torch
from partgate.training.distributed import team_of_torchrun
with team_of_torchrun() as team:
    model = team.wrap(torch.nn.Linear(1, 1, bias=False))
    rows = torch.arange(1.0, 4.0)[team.share(3)]  # 1 for the first, 2 and 3 for the second
    model(rows[:, None]).sum().mul(team.size).backward()  # the mean over the team: 1 + 2 + 3
    (gradient,) = [float(value.grad) for value in model.parameters()]
    said = (team.agree(float(team.rank + 5)), team.mean(torch.tensor(float(team.rank))), gradient)
    open(f"{sys.argv[1]}.{team.rank}", "w").write(repr(said))
    team.wait()
"""


@pytest.mark.slow
def test_members_agree_average_and_share_a_gradient(tmp_path: Path):
    (tmp_path / "ask.py").write_text(ASK, encoding="utf-8")

    done = start_two([str(tmp_path / "ask.py"), str(tmp_path / "said")], tmp_path)

    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"said.{rank}").read_text() for rank in (0, 1)] == ["(5.0, 0.5, 6.0)"] * 2


def probabilities(run: Path) -> np.ndarray:
    with (run / "out_of_fold.csv").open(encoding="utf-8", newline="") as file:
        return np.array([float(row["p_good"]) for row in csv.DictReader(file)])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_train_what_one_trains_and_the_first_alone_speaks(
    make_folder: Callable[..., Path], tmp_path: Path
):
    """A batch of 7 gives one process 3 rows and the other 4; the last one of a round may give one of them none."""
    data = make_folder(tmp_path / "parts", {"good": 14, "spot": 14})
    (tmp_path / "training.yaml").write_text(yaml.safe_dump({"data": "parts", **KEYS}), encoding="utf-8")
    alone = train(load_training(tmp_path / "training.yaml"), tmp_path / "one", lambda step, done, total: None)

    done = start_two(["-m", "partgate", "train", "training.yaml", "--out", "two"], tmp_path)

    assert done.returncode == 0, done.stderr
    assert alone is not None
    assert data.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "parts", "training.yaml", "two"]
    assert probabilities(tmp_path / "two") == pytest.approx(probabilities(tmp_path / "one"), abs=1e-3)
    one, two = (load_recipe(tmp_path / name).decision for name in ("one", "two"))
    assert two.recheck_from == pytest.approx(one.recheck_from, abs=0.01)
    assert two.reject_from == pytest.approx(one.reject_from, abs=0.01)
    history = [
        json.loads((tmp_path / name / "training.json").read_text(encoding="utf-8"))["fine_tuning"]["history"]
        for name in ("one", "two")
    ]
    assert len(history[0]) == len(history[1]) == 2
    for ours, theirs in zip(*history, strict=True):
        assert theirs["learned_loss"] == pytest.approx(ours["learned_loss"], abs=1e-3)
    assert done.stdout.count("limits: ") == 1
    assert done.stdout.count("quick: ") == 1
    assert done.stderr.count("fine-tuning (") == 1
