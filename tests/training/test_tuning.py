"""What the model is made of: frozen features, fine-tuned branches or the mean of both, by out-of-fold scores."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from partgate.data.folder import read_folder
from partgate.errors import DataError
from partgate.models.calibration import CalibratedProbabilities
from partgate.models.classifier import Classifier, Eye
from partgate.training.calibration import softmax
from partgate.training.config import TrainingConfig, load_training
from partgate.training.distributed import Team
from partgate.training.examples import Examples
from partgate.training.fine_tune import Tuned
from partgate.training.head import FittedHead, Linear, calibrated_loss
from partgate.training.learn import Learned, learn
from partgate.training.tuning import CHECKPOINT_FILE, Choice, Quick, choose
from partgate.training.views import clean_views

LABELS = np.array([0, 1] * 40)
SURE = np.eye(2)[LABELS] * 4
TINY = {"image_size_px": 64, "fine_tune": {"epochs": 1, "least_steps": 1, "folds": 2, "augmented_views": 1}}


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


class Whole:
    """Stands where the backbone is asked to be cut."""

    def cut(self, *, whole: bool) -> Any:
        from partgate.models.classifier import Parts

        return Parts(None, torch.nn.Identity())


def chosen(task: Any, frozen: np.ndarray, tuned: np.ndarray) -> Choice:
    """Return what is chosen where the head gave some logits and fine-tuning gave others."""
    examples = Examples(np.zeros((80, 1), np.float32), LABELS, np.arange(80).astype(str), np.ones(80), np.arange(80), 2)
    linear = Linear(np.zeros((2, 10)), np.zeros(2), np.zeros(10), np.ones(10))
    head = FittedHead(linear, frozen, calibrated_loss(frozen, examples, True), 0.1, 5)
    config = TrainingConfig.model_validate(
        {"data": ".", "backbone": "resnet18", "image_size_px": 96, "fine_tune": {"part": "last_stages"}}
    )
    quick = Quick(config, Whole(), None, examples, head, None)  # type: ignore[arg-type]
    branches = (task.start(1), task.start(2))
    return choose(quick, Tuned(branches, tuned, calibrated_loss(tuned, examples, True), 1, 2, (), ()))


def noisy(seed: int, noise: float) -> np.ndarray:
    return SURE + np.random.default_rng(seed).normal(0, noise, SURE.shape)


def test_frozen_features_are_kept_where_fine_tuning_makes_it_worse(small_task: Any):
    choice = chosen(small_task(), noisy(0, 1.5), np.random.default_rng(0).normal(size=(80, 2)))

    assert choice.kind == "frozen"
    assert (len(choice.branches), choice.mix) == (1, (1.0,))
    assert np.array_equal(choice.out_of_fold, noisy(0, 1.5))


def test_branches_of_pure_noise_never_take_the_place_of_frozen_features(small_task: Any):
    kinds = [
        chosen(small_task(), noisy(n, 1.5), np.random.default_rng(100 + n).normal(size=(80, 2))) for n in range(20)
    ]

    assert {choice.kind for choice in kinds} == {"frozen"}
    assert any(min(choice.losses.values()) < choice.losses["frozen"] for choice in kinds)  # by less than a fiftieth


def test_fine_tuned_branches_are_taken_alone_where_the_frozen_ones_only_disturb(small_task: Any):
    choice = chosen(small_task(), np.random.default_rng(0).normal(size=(80, 2)), SURE)

    assert choice.kind == "fine-tuned"
    assert choice.mix == (0.5, 0.5)
    assert np.array_equal(choice.out_of_fold, SURE)


def test_mean_of_both_is_taken_where_each_errs_elsewhere(small_task: Any):
    choice = chosen(small_task(), noisy(0, 3.0), 10 * noisy(1, 3.0))

    assert choice.kind == "mean of both"
    assert len(choice.branches) == 3
    assert choice.losses["mean of both"] == min(choice.losses.values())
    frozen, *tuned = choice.mix
    assert sum(tuned) == pytest.approx(frozen / 10, rel=0.3)  # ten times as loud, so a tenth as heavy
    assert choice.out_of_fold == pytest.approx(frozen * noisy(0, 3.0) + sum(tuned) * 10 * noisy(1, 3.0))


@pytest.fixture
def taught(make_folder: Callable[..., Path], tmp_path: Path) -> Callable[..., tuple[Learned, TrainingConfig]]:
    """A function: what is learned from two dozen made parts, without a run folder; keys can be given."""

    def teach(**keys: Any) -> tuple[Learned, TrainingConfig]:
        data = make_folder(tmp_path / "parts", {"good": 12, "spot": 12})
        settings = {**TINY, **keys, "fine_tune": TINY["fine_tune"] | keys.get("fine_tune", {})}
        config, work = load_training(data, **settings), tmp_path / "work"
        work.mkdir()
        folder = read_folder(data)
        learned = learn(folder.pictures, folder, config, work, Team(), quietly, lambda _: None, lambda: None)
        return learned, config

    return teach


def logits_of(learned: Learned, config: TrainingConfig, pictures: np.ndarray) -> np.ndarray:
    views = [view.axes for view in clean_views(config.flips)] if config.average_flips else [()]
    model = Classifier(
        Eye(learned.backbone.spec), learned.choice.parts.trunk, learned.choice.branches, learned.choice.mix,
        np.zeros(2), CalibratedProbabilities(None, 0, 2), views,
    )  # fmt: skip
    with torch.inference_mode():
        return model(torch.from_numpy(pictures))[1].numpy()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["last_stages", "whole"])
def test_branches_that_were_tuned_say_of_a_held_out_picture_what_was_noted(
    taught: Callable[..., tuple[Learned, TrainingConfig]], part: str, tmp_path: Path
):
    """From kept maps or pictures, with flips: the assembled network gives what judging during learning gave."""
    from partgate.training.features import read_part

    learned, config = taught(fine_tune={"part": part}, flips=("left_right",))

    assert learned.tuned is not None
    assert len(learned.tuned.branches) == 2
    pictures = np.stack([read_part(one, learned.backbone.geometry)[0][0] for one in learned.found.pictures])
    parts = learned.backbone.cut(whole=part == "whole")
    each = []
    for branch in learned.tuned.branches:
        alone = replace(learned, choice=replace(learned.choice, parts=parts, branches=(branch,), mix=(1.0,)))
        each.append(logits_of(alone, config, pictures))
    nearest = np.min([np.abs(one - learned.tuned.out_of_fold).max(1) for one in each], 0)
    assert nearest.max() < 0.05  # kept maps are of half precision
    assert (learned.judged.probabilities.argmax(1) == learned.judged.labels).mean() > 0.9
    assert (tmp_path / "work" / CHECKPOINT_FILE).is_file()


@pytest.mark.slow
def test_frozen_choice_says_of_a_picture_what_the_head_said_on_its_features(
    taught: Callable[..., tuple[Learned, TrainingConfig]],
):
    from partgate.training.features import read_part

    learned, config = taught(preset="quick", flips=("left_right", "up_down"))

    pictures = np.stack([read_part(one, learned.backbone.geometry)[0][0] for one in learned.found.pictures[:6]])
    expected = learned.head.linear.logits(learned.found.features[:6].mean(1))
    assert softmax(logits_of(learned, config, pictures)) == pytest.approx(softmax(expected), abs=2e-3)
    assert learned.tuned is None


def test_class_whose_pictures_cannot_be_read_is_named(
    make_folder: Callable[..., Path], taught: Callable[..., Any], tmp_path: Path
):
    data = make_folder(tmp_path / "parts", {"good": 12, "spot": 12})
    for path in (data / "spot").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    folder = read_folder(data)
    config = load_training(data, "quick", image_size_px=64)

    with pytest.raises(DataError, match=r"no readable training picture of class spot\n.*spot_000.png: is cut off"):
        learn(folder.pictures, folder, config, tmp_path, Team(), quietly, lambda _: None, lambda: None)
