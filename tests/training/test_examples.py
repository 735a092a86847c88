"""Rows to learn from: folds that keep groups whole, weights that sum up, the worst look of a part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.errors import TrainingError
from partgate.training.examples import Examples, balanced_weights, cut_folds, mean_over_views, named, worst_rows


def rows(labels: list[int], groups: list[str], weights: list[float] | None = None) -> Examples:
    return Examples(
        np.zeros((len(labels), 1), np.float32), np.array(labels), np.array(groups),
        np.array(weights or [1.0] * len(labels)), np.arange(len(labels)), max(labels) + 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "groups", "counted"),
    [
        ([0] * 5 + [1], ["one"] * 6, r"\[5, 1\]"),
        ([0, 0, 0, 1], ["a", "b", "c", "d"], r"\[3, 1\]"),
        ([0, 0, 0], ["a", "b", "c"], r"\[3\]"),
    ],
    ids=["one-picture-in-the-only-group", "one-picture", "one-class"],
)
def test_too_few_groups_are_told_with_their_number_per_class(labels: list[int], groups: list[str], counted: str):
    with pytest.raises(TrainingError, match=rf"too few groups for out-of-fold scores: {counted} per class; at least 2"):
        cut_folds(rows(labels, groups), 5, 0)


@pytest.mark.parametrize(
    ("labels", "groups"),
    [([0, 1] * 5, ["one"] * 10), ([0] * 3 + [1] * 2, ["a", "b", "b", "c", "c"])],
    ids=["all-in-one-group", "one-class-in-one-group"],
)
def test_pictures_of_a_class_in_one_group_alone_are_dealt_out_singly_so_that_every_row_is_judged(
    labels: list[int], groups: list[str]
):
    folds = cut_folds(rows(labels, groups), 3, 0)

    assert sorted(i for fold in folds for i in fold.held_out) == list(range(len(labels)))
    assert all(len({labels[i] for i in fold.learned}) == 2 for fold in folds)


def test_groups_whose_rows_weigh_nothing_do_not_count():
    unsure = rows([0, 0, 1, 1], ["a", "b", "c", "d"], [1, 1, 1, 0])

    with pytest.raises(TrainingError, match=r"too few groups for out-of-fold scores: \[2, 1\] per class"):
        cut_folds(unsure, 3, 0)


def test_fewer_folds_are_cut_where_the_rarest_side_has_fewer_groups():
    found = cut_folds(rows([0] * 20 + [1] * 3, [str(i) for i in range(23)]), 5, 0)

    assert len(found) == 3


@given(st.integers(0, 50), st.integers(2, 5))
def test_group_is_never_on_both_sides_of_a_fold_and_every_row_is_held_out_once(seed: int, wanted: int):
    rng = np.random.default_rng(seed)
    groups = [str(i) for i in rng.integers(0, 12, 60)]
    labels = [int(group) % 2 for group in groups]

    folds = cut_folds(rows(labels, groups), wanted, seed)

    for fold in folds:
        assert not {groups[i] for i in fold.learned} & {groups[i] for i in fold.held_out}
        assert len(fold.learned) + len(fold.held_out) == 60
    assert sorted(i for fold in folds for i in fold.held_out) == list(range(60))


def test_balanced_classes_weigh_the_same_and_the_sum_stays():
    weights = balanced_weights(np.array([0, 0, 0, 1, 2]), np.array([1.0, 1.0, 0.0, 4.0, 0.0]))

    assert weights.tolist() == [1.5, 1.5, 0.0, 3.0, 0.0]  # two classes count, 6 in all, 3 for each


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.1, 0.9, 0.5, 0.2], [1, 2]), ([0.5, 0.5, 0.2, 0.2], [0, 2]), ([0.9, np.nan, 0.5, 0.6], [1, 3])],
    ids=["highest", "first-of-equals", "nan-is-the-worst"],
)
def test_worst_look_of_each_picture_is_found(scores: list[float], expected: list[int]):
    assert worst_rows(np.array(scores), np.array([0, 0, 1, 1])).tolist() == expected


def test_features_of_the_averaged_views_alone_count():
    features = np.array([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]]], np.float32)

    assert mean_over_views(features, 2).tolist() == [[2.0, 4.0]]
    assert mean_over_views(features, 1).tolist() == [[1.0, 2.0]]


def test_at_most_four_pictures_are_named_each_once():
    names = ["a", "b", "c", "d", "e", "f"]

    assert named(names, np.array([0, 1, 2]), np.array([0, 0, 1, 2, 3, 4, 5])) == "a, b"
    assert named(names, np.arange(7), np.array([0, 0, 1, 2, 3, 4, 5])) == "a, b, c, d and 2 more"
