"""The head: it separates, weighs, and never trains on the fold it scores."""

import numpy as np
import pytest

from partgate.errors import TrainingError
from partgate.training.calibration import fit_temperature, softmax
from partgate.training.config import HeadSettings
from partgate.training.examples import Examples, Fold
from partgate.training.head import FittedHead, fit_head, fit_linear, refit

SETTINGS = HeadSettings(regularisation=(0.1, 1.0), folds=4)


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def examples(
    labels: list[int],
    groups: list[str] | None = None,
    weights: list[float] | None = None,
    spread: float = 0.3,
    features: np.ndarray | None = None,
) -> Examples:
    """Return rows of five numbers, each class one higher in a number of its own; or the given features."""
    truth = np.array(labels)
    if features is None:
        features = np.random.default_rng(0).normal(0, spread, (len(labels), 5))
        features[np.arange(len(labels)), truth] += 1
    return Examples(
        features.astype(np.float32),
        truth,
        np.array(groups or [str(i) for i in range(len(labels))]),
        np.array(weights or [1.0] * len(labels)),
        np.arange(len(labels)),
        int(truth.max()) + 1,
    )


def calibrated(head: FittedHead, found: Examples) -> np.ndarray:
    calibration, _ = fit_temperature(head.out_of_fold, found.labels, found.weights, found.classes, is_balanced=True)
    return calibration.apply(head.out_of_fold)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_head_recognises_classes_that_lie_apart(classes: int):
    found = examples([i % classes for i in range(60)], spread=0.1)

    head = fit_head(found, SETTINGS, 0, quietly)

    assert (head.linear.logits(found.features).argmax(1) == found.labels).mean() > 0.95
    assert (head.out_of_fold.argmax(1) == found.labels).mean() > 0.9
    assert head.loss < 0.2


def test_out_of_fold_scores_of_noise_are_no_better_than_chance():
    labels = [0, 1] * 60
    noise = examples(labels, features=np.random.default_rng(1).normal(size=(120, 300)))

    head = fit_head(noise, SETTINGS, 0, quietly)

    assert 0.3 < (head.out_of_fold.argmax(1) == labels).mean() < 0.7
    assert (head.linear.logits(noise.features).argmax(1) == labels).mean() == 1.0


def test_out_of_fold_scores_cannot_recognise_a_part_by_its_other_pictures():
    rng = np.random.default_rng(2)
    parts = np.repeat(rng.normal(size=(20, 200)), 6, 0) + rng.normal(0, 0.01, (120, 200))
    labels = np.repeat(np.arange(20) % 2, 6)
    found = examples(list(labels), groups=[str(part) for part in np.repeat(np.arange(20), 6)], features=parts)

    head = fit_head(found, SETTINGS, 0, quietly)

    assert (head.out_of_fold.argmax(1) == labels).mean() < 0.75


def test_strength_with_the_least_out_of_fold_loss_is_taken():
    noise = examples([0, 1] * 60, features=np.random.default_rng(1).normal(size=(120, 300)))
    clear = examples([0, 1] * 60, spread=0.1)
    settings = HeadSettings(regularisation=(1e-6, 10.0), folds=4)

    assert fit_head(noise, settings, 0, quietly).regularisation == 1e-6
    assert fit_head(clear, settings, 0, quietly).regularisation == 10.0


def test_probabilities_follow_the_share_of_a_rare_class_that_looks_like_the_other():
    blind = examples([1] * 10 + [0] * 190, features=np.random.default_rng(3).normal(size=(200, 3)))

    head = fit_head(blind, SETTINGS, 0, quietly)

    assert calibrated(head, blind)[:, 1].mean() == pytest.approx(0.05, abs=0.03)


def test_rare_class_weighs_as_much_as_the_frequent_one_where_classes_are_balanced():
    blind = examples([1] * 10 + [0] * 190, features=np.random.default_rng(3).normal(size=(200, 3)))
    rows = np.arange(200)

    balanced = softmax(fit_linear(blind, rows, 1e-6, balance=True).logits(blind.features))
    counted = softmax(fit_linear(blind, rows, 1e-6, balance=False).logits(blind.features))

    assert balanced[:, 1].mean() == pytest.approx(0.5, abs=0.01)
    assert counted[:, 1].mean() == pytest.approx(10 / 200, abs=0.01)


def test_examples_without_weight_are_not_learned_from():
    found = examples([0, 1] * 20 + [1] * 20, weights=[1.0] * 40 + [0.0] * 20)
    found.features[40:] = -9  # mislabelled, and told to be worth nothing
    bare = examples([0, 1] * 20, features=found.features[:40])

    with_them = fit_linear(found, np.arange(60), 1.0, balance=True)
    without = fit_linear(bare, np.arange(40), 1.0, balance=True)

    assert np.array_equal(with_them.weight, without.weight)
    assert np.array_equal(with_them.bias, without.bias)


def test_class_that_stands_in_one_group_alone_is_learned_all_the_same():
    found = examples([0] * 20 + [1] * 20 + [2] * 4, groups=[str(i) for i in range(40)] + ["one"] * 4, spread=0.05)

    head = fit_head(found, SETTINGS, 0, quietly)

    assert (head.linear.logits(found.features).argmax(1) == found.labels).mean() > 0.9


def test_class_that_a_fold_has_not_seen_is_its_unlikeliest():
    found = examples([0] * 10 + [1] * 10 + [2] * 4)

    (linear,) = refit(found, [Fold(np.arange(20), np.arange(20, 24))], 1.0, SETTINGS)

    assert (linear.logits(found.features).argmin(1) == 2).all()


def test_feature_that_never_changes_teaches_nothing_and_breaks_nothing():
    found = examples([0, 1] * 10)
    found.features[:, 4] = 3.0

    linear = fit_linear(found, np.arange(20), 1.0, balance=True)

    assert linear.weight[:, 4] == pytest.approx(0, abs=1e-6)
    assert np.isfinite(linear.logits(found.features)).all()


def test_one_picture_of_a_class_is_too_few():
    with pytest.raises(TrainingError, match="too few groups for out-of-fold scores"):
        fit_head(examples([0] * 10 + [1]), SETTINGS, 0, quietly)


@pytest.mark.parametrize("classes", [2, 3])
def test_head_fitted_in_the_space_of_few_rows_is_the_one_fitted_on_all_features(classes: int):
    """The same rows thrice, a third as heavy each, are as many rows as features and must give the same head."""
    labels = [i % classes for i in range(24)]
    few = np.random.default_rng(0).normal(size=(24, 60))
    small = fit_linear(examples(labels, features=few), np.arange(24), 0.03, balance=True)

    thrice = examples(labels * 3, features=np.tile(few, (3, 1)), weights=[1 / 3] * 72)
    large = fit_linear(thrice, np.arange(72), 0.03, balance=True)

    assert small.logits(few) == pytest.approx(large.logits(few), abs=2e-3)
    assert small.weight == pytest.approx(large.weight, abs=1e-3)


def test_threads_change_nothing():
    found = examples([0, 1] * 20)

    one, several = (fit_head(found, SETTINGS, 5, quietly, threads) for threads in (1, 3))

    assert np.array_equal(one.out_of_fold, several.out_of_fold)


def test_progress_counts_every_fit_to_the_end():
    told: list[tuple[int, int]] = []

    fit_head(examples([0, 1] * 20), SETTINGS, 0, lambda step, done, total: told.append((done, total)))

    assert told == [(number, 5) for number in range(1, 6)]  # four folds, and the last one on all


def test_same_seed_gives_the_same_head():
    found = examples([0, 1] * 20)

    first, second = fit_head(found, SETTINGS, 5, quietly), fit_head(found, SETTINGS, 5, quietly)

    assert np.array_equal(first.linear.weight, second.linear.weight)
    assert np.array_equal(first.out_of_fold, second.out_of_fold)
