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

    Raises:
        TrainingError: If there are too few groups for two folds.
    """
    known = examples.weights > 0
    groups_per_class = [
        len(set(examples.groups[known & (examples.labels == label)])) for label in range(examples.classes)
    ]
    usable = [count for count in groups_per_class if count > 1]
    too_few = TrainingError(
        f"too few groups for out-of-fold scores: {groups_per_class} per class; at least 2 are needed"
    )
    if not usable or len(set(examples.groups)) < 2:
        raise too_few
    cutter = StratifiedGroupKFold(min(wanted, max(2, min(usable))), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer groups than folds: told to the user elsewhere
        cuts = list(cutter.split(examples.features, examples.labels, examples.groups))
    folds = [Fold(learned, held_out) for learned, held_out in cuts if len(held_out)]
    if any(len(set(examples.labels[fold.learned[known[fold.learned]]])) < 2 for fold in folds):
        raise too_few  # what such a fold holds out would be judged by nobody
    return folds


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
