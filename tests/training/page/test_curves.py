"""Curves for TensorBoard: refused at the start where the package is missing, complete where it is there."""

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest

from partgate.errors import TrainingError
from partgate.training.curves import check_tensorboard, write_curves
from partgate.training.fine_tune import Tuned
from partgate.training.outcome import Story

from ...needed import need

WANTED = {"tensorboard": True}
LOSSES = {"frozen": 0.4, "fine-tuned": 0.31, "mean of both": 0.29}


class Written:
    """Stands where ``torch.utils.tensorboard.SummaryWriter`` stands, and keeps what it is given."""

    found: dict[tuple[str, int], float]
    folder: str
    is_closed = False

    def __init__(self, folder: str) -> None:
        Written.found, Written.folder, Written.is_closed = {}, folder, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        Written.is_closed = True

    def add_scalar(self, name: str, value: float, step: int) -> None:
        assert (name, step) not in self.found
        self.found[name, step] = value


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> type[Written]:
    """Put the stub in place of the writer."""
    module: Any = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Written
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return Written


def test_missing_package_is_told_before_anything_is_learned(
    make_story: Callable[..., Story], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # as if it were not installed

    with pytest.raises(TrainingError, match=r"tensorboard: true needs .* pip install 'partgate\[tensorboard\]'"):
        check_tensorboard(make_story(config=WANTED).config)


def test_missing_package_is_no_matter_where_no_curves_are_asked_for(
    make_story: Callable[..., Story], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    story = make_story()

    check_tensorboard(story.config)
    write_curves(tmp_path / "tensorboard", story)

    assert not (tmp_path / "tensorboard").exists()


def test_package_that_is_there_is_no_reason_to_stop(make_story: Callable[..., Story], monkeypatch: pytest.MonkeyPatch):
    module = ModuleType("tensorboard")
    module.__spec__ = ModuleSpec("tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboard", module)

    check_tensorboard(make_story(config=WANTED).config)


def test_curves_hold_every_round_and_begin_with_the_unchanged_network(
    make_story: Callable[..., Story], make_tuned: Callable[..., Tuned], written: type[Written], tmp_path: Path
):
    write_curves(tmp_path / "tensorboard", make_story(config=WANTED, tuned=make_tuned(), losses=LOSSES))

    found = written.found
    assert [found["loss/out_of_fold", step] for step in range(4)] == [0.4, 0.5, 0.31, 0.35]
    assert [found["loss/learned", step] for step in (1, 2, 3)] == [0.9, 0.6, 0.4]
    assert [found["seconds_per_round", step] for step in (1, 2, 3)] == [4.0, 5.0, 6.0]
    assert written.folder == str(tmp_path / "tensorboard")
    assert written.is_closed


def test_curves_hold_counts_and_what_was_reached(
    make_story: Callable[..., Story], written: type[Written], tmp_path: Path
):
    write_curves(tmp_path, make_story(config=WANTED))

    found = {name: value for (name, _), value in written.found.items()}
    assert {name: found[name] for name in found if name.startswith("pictures")} == {
        "pictures_train/defect": 2, "pictures_train/good": 2, "pictures_validation/defect": 1,
        "pictures_validation/good": 1, "pictures_test/defect": 1, "pictures_test/good": 1,
    }  # fmt: skip
    reached = {name.removeprefix("reached/"): found[name] for name in found if name.startswith("reached")}
    assert reached == {
        "log_loss frozen": 0.4, "auroc": pytest.approx(5 / 9, abs=1e-4),
        "balanced_accuracy": pytest.approx(2 / 3, abs=1e-4), "escapes": 1, "false_rejects": 1, "rechecks": 0,
    }  # fmt: skip
    assert not any(name.startswith("loss/") for name in found)  # nothing was fine-tuned


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of tensorboard and its helpers, about their own internals
def test_tensorboard_itself_reads_what_was_written(
    make_story: Callable[..., Story], make_tuned: Callable[..., Tuned], tmp_path: Path
):
    need("tensorboard", importlib.util.find_spec("tensorboard"), 'pip install "partgate[tensorboard]"')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write_curves(tmp_path / "tensorboard", make_story(config=WANTED, tuned=make_tuned(), losses=LOSSES))

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    shown = {event.step: round(event.value, 4) for event in events.Scalars("loss/out_of_fold")}
    assert shown == {0: 0.4, 1: 0.5, 2: 0.31, 3: 0.35}
    assert events.Scalars("reached/log_loss mean of both")[0].value == pytest.approx(0.29)
