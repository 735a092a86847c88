"""The head: it separates, weighs, calibrates and never trains on the fold it scores."""

import numpy as np
import pytest

from partgate.errors import TrainingError
from partgate.training.config import HeadSettings
from partgate.training.head import Examples, fit_head

SETTINGS = HeadSettings(regularisation=(0.1, 1.0), folds=4)


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def examples(
    labels: list[int], groups: list[str] | None = None, weights: list[float] | None = None, spread: float = 0.3
):
    rng = np.random.default_rng(0)
    truth = np.array(labels)
    features = rng.normal(0, spread, (len(labels), 5)).astype(np.float32)
    features[np.arange(len(labels)), truth] += 1
    return Examples(
        features,
        truth,
        np.array(groups or [str(i) for i in range(len(labels))]),
        np.array(weights or [1.0] * len(labels)),
        int(truth.max()) + 1,
    )


def probabilities(head, features):
    logits = features @ head.weight.T + head.bias
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_head_recognises_classes_that_lie_apart(classes: int):
    found = examples([i % classes for i in range(60)], spread=0.1)

    head = fit_head(found, SETTINGS, 0, quietly)

    assert (probabilities(head, found.features).argmax(1) == found.labels).mean() > 0.95
    assert (head.out_of_fold.argmax(1) == found.labels).mean() > 0.9
    assert np.allclose(head.out_of_fold.sum(1), 1)


def test_out_of_fold_scores_of_noise_are_no_better_than_chance():
    rng = np.random.default_rng(1)
    labels = np.array([0, 1] * 60)
    noise = Examples(
        rng.normal(size=(120, 300)).astype(np.float32), labels, np.arange(120).astype(str), np.ones(120), 2
    )

    head = fit_head(noise, SETTINGS, 0, quietly)

    assert 0.3 < (head.out_of_fold.argmax(1) == labels).mean() < 0.7
    assert (probabilities(head, noise.features).argmax(1) == labels).mean() == 1.0


def test_out_of_fold_scores_cannot_recognise_a_part_by_its_other_pictures():
    rng = np.random.default_rng(2)
    parts = rng.normal(size=(20, 200))
    labels = np.repeat(np.arange(20) % 2, 6)
    found = Examples(
        (np.repeat(parts, 6, 0) + rng.normal(0, 0.01, (120, 200))).astype(np.float32),
        labels,
        np.repeat(np.arange(20), 6).astype(str),
        np.ones(120),
        2,
    )

    head = fit_head(found, SETTINGS, 0, quietly)

    assert (head.out_of_fold.argmax(1) == labels).mean() < 0.75


def test_probabilities_follow_the_share_of_a_rare_class_that_looks_like_the_other():
    rng = np.random.default_rng(3)
    labels = np.array([1] * 10 + [0] * 190)
    blind = Examples(rng.normal(size=(200, 3)).astype(np.float32), labels, np.arange(200).astype(str), np.ones(200), 2)

    head = fit_head(blind, SETTINGS, 0, quietly)

    assert head.out_of_fold[:, 1].mean() == pytest.approx(0.05, abs=0.03)


def test_examples_without_weight_are_not_learned_from():
    found = examples([0, 1] * 20 + [1] * 20, weights=[1.0] * 40 + [0.0] * 20)
    found.features[40:] = -9  # mislabelled, and told to be worth nothing

    head = fit_head(found, SETTINGS, 0, quietly)

    assert (probabilities(head, found.features[:40]).argmax(1) == found.labels[:40]).mean() > 0.9


def test_class_that_stands_in_one_group_alone_is_learned_all_the_same():
    found = examples([0] * 20 + [1] * 20 + [2] * 4, groups=[str(i) for i in range(40)] + ["one"] * 4, spread=0.05)

    head = fit_head(found, SETTINGS, 0, quietly)

    assert (probabilities(head, found.features).argmax(1) == found.labels).mean() > 0.9


def test_one_group_is_too_few():
    with pytest.raises(TrainingError, match="too few groups for out-of-fold scores"):
        fit_head(examples([0, 1] * 10, groups=["one"] * 20), SETTINGS, 0, quietly)


def test_same_seed_gives_the_same_head():
    found = examples([0, 1] * 20)

    first, second = fit_head(found, SETTINGS, 5, quietly), fit_head(found, SETTINGS, 5, quietly)

    assert np.array_equal(first.weight, second.weight)
    assert np.array_equal(first.out_of_fold, second.out_of_fold)
