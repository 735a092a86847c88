"""What learning works on: a row per picture and look with label, group, weight; folds that keep groups whole."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from partgate.errors import TrainingError

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows to learn from, and rows of other groups to be judged."""

    learned: Rows
    held_out: Rows


@dataclass(frozen=True, slots=True)
class Examples:
    """What is learned from: N rows, of P pictures with N / P looks each."""

    features: NDArray[np.float32]  # (N, D), the mean over the views that are averaged
    labels: Rows  # (N,) index of the class
    groups: NDArray[np.str_]  # (N,)
    weights: Array  # (N,) from labels.csv; 0 where a look's label is not known
    picture: Rows  # (N,) which picture a row belongs to
    classes: int


def cut_folds(examples: Examples, wanted: int, seed: int) -> list[Fold]:
    """Return folds by group in which every row is held out once; fewer than wanted where groups lack.

    Where a class stands in one group alone and no other is left to learn beside it, its pictures are dealt out singly:
    scores of such folds are too good, which the split's note says.

    Raises:
        TrainingError: If there are too few groups, or pictures of such a class, for two folds.
    """
    known = examples.weights > 0
    single = [label for label, count in enumerate(_groups_per_class(examples, examples.groups)) if count == 1]
    alone = known & np.isin(examples.labels, single)
    by_picture = np.where(alone, np.char.add("picture ", examples.picture.astype(str)), examples.groups)
    for groups in (examples.groups, by_picture):
        folds = _cut(examples, groups, wanted, seed)
        if folds and all(len(set(examples.labels[fold.learned[known[fold.learned]]])) > 1 for fold in folds):
            return folds
    raise TrainingError(
        f"too few groups for out-of-fold scores: {_groups_per_class(examples, by_picture)} per class; at least 2 of "
        "each of two classes are needed"
    )


def _groups_per_class(examples: Examples, groups: NDArray[np.str_]) -> list[int]:
    known = examples.weights > 0
    return [len(set(groups[known & (examples.labels == label)])) for label in range(examples.classes)]


def _cut(examples: Examples, groups: NDArray[np.str_], wanted: int, seed: int) -> list[Fold]:
    usable = [count for count in _groups_per_class(examples, groups) if count > 1]
    if not usable:
        return []
    cutter = StratifiedGroupKFold(min(wanted, max(2, min(usable))), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer groups than folds: told to the user elsewhere
        cuts = list(cutter.split(examples.features, examples.labels, groups))
    return [Fold(learned, held_out) for learned, held_out in cuts if len(held_out)]


def balanced_weights(labels: Rows, weights: Array) -> Array:
    """Return weights under which every class that occurs weighs the same; their sum stays.

    Example:
        >>> balanced_weights(np.array([0, 0, 0, 1]), np.ones(4)).round(2).tolist()
        [0.67, 0.67, 0.67, 2.0]
    """
    balanced, total = weights.copy(), weights.sum()
    present = [label for label in np.unique(labels) if weights[labels == label].sum() > 0]
    for label in present:
        balanced[labels == label] *= total / (len(present) * weights[labels == label].sum())
    return balanced


def worst_rows(scores: Array, picture: Rows) -> Rows:
    """Return for each picture the row with the highest score, the first of equals; NaN is worse than all.

    Args:
        scores: Defect scores, shape (N,).
        picture: Which picture each row belongs to, ascending from 0, shape (N,).

    Example:
        >>> worst_rows(np.array([0.1, 0.9, 0.5, 0.2]), np.array([0, 0, 1, 1])).tolist()
        [1, 2]
    """
    worst = np.where(np.isnan(scores), np.inf, scores)
    order = np.lexsort((np.arange(len(worst)), -worst, picture))
    _, first = np.unique(picture[order], return_index=True)
    return order[first]


def mean_over_views(features: NDArray[np.float32], views: int) -> NDArray[np.float32]:
    """Return (N, D): the mean of the first ``views`` of (N, V, D); a linear head gives it the mean of their logits."""
    return np.asarray(features[:, :views].mean(1), np.float32)


def named(pictures: Sequence[str], rows: Rows, picture: Rows) -> str:
    """Return the names of a few pictures that rows belong to."""
    names = list(dict.fromkeys(pictures[picture[row]] for row in rows))
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
