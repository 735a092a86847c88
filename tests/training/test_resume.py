"""A training that is killed or stopped goes on from its last round, and ends where one without a break ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partgate.errors import TrainingError
from partgate.inference.bundle import read_bundle
from partgate.training.config import load_training
from partgate.training.loop import TrainingResult, train
from partgate.training.run_folder import WORK_FOLDER
from partgate.training.tuning import CHECKPOINT_FILE

KEYS: dict[str, Any] = {
    "preset": "standard", "image_size_px": 64, "groups": "given",
    "fine_tune": {"epochs": 4, "least_steps": 1, "patience": 9, "folds": 2, "batch_size": 8, "augmented_views": 1},
}  # fmt: skip
CODE = """
import json, sys
from pathlib import Path
from partgate.training.config import load_training
from partgate.training.loop import train
keys = json.loads(sys.argv[3])
train(load_training(Path(sys.argv[1]), **keys), Path(sys.argv[2]), lambda step, done, total: None)
"""


@pytest.fixture
def data(make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    return make_folder(tmp_path / "parts", {"good": 16, "spot": 16})


def learn(data: Path, run: Path, progress: Any = lambda step, done, total: None, **keys: Any) -> TrainingResult:
    result = train(load_training(data, **(KEYS | keys)), run, progress)
    assert result is not None
    return result


def interrupted(data: Path, run: Path, at: str = "fine-tuning", share: float = 0.6) -> None:
    """Train, and press Ctrl-C once so much of a step is done."""

    def interrupt(step: str, done: int, total: int) -> None:
        if step == at and done >= share * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(data, run, interrupt)


def unfinished(run: Path) -> Path:
    return run.with_name(f"{run.name}.unfinished")


def first_step(data: Path, run: Path, **keys: Any) -> int:
    """Start a training and return the first step of fine-tuning that it tells."""
    steps: list[int] = []

    def stop(step: str, done: int, total: int) -> None:
        if step == "fine-tuning":
            steps.append(done)
            raise ValueError("far enough")

    with pytest.raises(ValueError, match="far enough"):
        learn(data, run, stop, **keys)
    return steps[0]


def gone_on(notes: tuple[str, ...]) -> list[str]:
    return [note for note in notes if note.startswith("gone on from round")]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of Unix")
def test_training_killed_after_a_round_goes_on_and_ends_with_the_same_model(data: Path, tmp_path: Path):
    whole = learn(data, tmp_path / "whole")
    run = tmp_path / "run"
    checkpoint = unfinished(run) / WORK_FOLDER / CHECKPOINT_FILE
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(data), str(run), json.dumps(KEYS)], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    while not checkpoint.is_file():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert not run.exists()

    resumed = learn(data, run)

    assert len(gone_on(resumed.notes)) == 1
    assert gone_on(whole.notes) == []
    assert resumed.bundle.id == whole.bundle.id
    assert resumed.kind == whole.kind
    for name in ("out_of_fold.csv", "split.csv"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not unfinished(run).exists()
    facts = json.loads((run / "training.json").read_text(encoding="utf-8"))
    assert len(facts["fine_tuning"]["history"]) == 4
    assert read_bundle(run / "model.partgate").id == whole.bundle.id


@pytest.mark.slow
def test_ctrl_c_leaves_an_unfinished_run_that_the_same_command_goes_on_from(data: Path, tmp_path: Path):
    run = tmp_path / "run"

    interrupted(data, run)

    assert (unfinished(run) / WORK_FOLDER / CHECKPOINT_FILE).is_file()
    assert not run.exists()
    assert gone_on(learn(data, run).notes) == ["gone on from round 2 of a training that was stopped"]
    assert not unfinished(run).exists()


@pytest.mark.slow
@pytest.mark.parametrize("at", ["features", "head", "views"])
def test_ctrl_c_before_the_first_round_goes_on_too(data: Path, tmp_path: Path, at: str):
    run = tmp_path / "run"

    interrupted(data, run, at)

    assert first_step(data, run) == 1


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["setting", "label", "weight", "name"])
def test_other_settings_or_data_start_afresh(data: Path, tmp_path: Path, changed: str):
    run = tmp_path / "run"
    interrupted(data, run, share=0.6)
    keys: dict[str, Any] = {}
    if changed == "setting":
        keys = {"seed": 1}
    elif changed == "label":
        (data / "good/good_000.png").rename(data / "spot/other.png")
    elif changed == "name":  # another order of pictures: rows of the kept maps would belong to others
        (data / "good/good_000.png").rename(data / "good/z.png")
    else:
        lines = [f"{path.relative_to(data).as_posix()},{path.parent.name},0.5" for path in sorted(data.rglob("*.png"))]
        (data / "labels.csv").write_text("\n".join(["file,label,weight", *lines]), encoding="utf-8")

    assert first_step(data, run, **keys) == 1


@pytest.mark.slow
def test_damaged_checkpoint_is_one_sentence_and_the_next_start_is_afresh(data: Path, tmp_path: Path):
    run = tmp_path / "run"
    interrupted(data, run)
    (unfinished(run) / WORK_FOLDER / CHECKPOINT_FILE).write_bytes(b"damaged")

    with pytest.raises(TrainingError, match=r"^[^\n]*fine-tune.pt: cannot be read[^\n]*train again[^\n]*$"):
        learn(data, run)

    assert not unfinished(run).exists()
    assert not run.exists()


@pytest.mark.slow
def test_any_other_error_during_fine_tuning_leaves_nothing(data: Path, tmp_path: Path):
    def fail(step: str, done: int, total: int) -> None:
        if step == "fine-tuning" and done > 0.6 * total:
            raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match="run: cannot be written: No space left on device; nothing was left there"):
        learn(data, tmp_path / "run", fail)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts"]


@pytest.mark.slow
def test_budget_that_fits_nothing_leaves_the_quick_model_and_says_so(data: Path, tmp_path: Path):
    result = learn(data, tmp_path / "run", budget_minutes=0.0001)

    assert result.kind == "frozen"
    assert any(note.startswith("not fine-tuned: the time budget fits 0 of 4 rounds") for note in result.notes)
    facts = json.loads((tmp_path / "run" / "training.json").read_text(encoding="utf-8"))
    assert facts["fine_tuning"] is None
    assert facts["chosen"]["model"] == "frozen"
