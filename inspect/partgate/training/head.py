"""The linear head: regularised logistic regression on frozen features, its strength chosen by out-of-fold scores."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from partgate.training.calibration import fit_temperature
from partgate.training.config import HeadSettings
from partgate.training.examples import Array, Examples, Fold, Rows, balanced_weights, cut_folds
from partgate.training.features import Progress

_MOST_ITERATIONS = 500
_TOLERANCE = 1e-4
_UNSEEN_CLASS = -5.0  # logit below the lowest, for a class that a fold has not seen
_LEAST_SPAN = 1e-10  # of the widest direction; what is narrower is rounding
_LEAST_STD = 1e-4  # a feature that hardly moves tells nothing and would be blown up


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear head on raw features, and the standardisation that it was fitted with."""

    weight: Array  # (C, D)
    bias: Array  # (C,)
    mean: Array  # (D,) of the features
    std: Array  # (D,)

    def logits(self, features: NDArray[np.floating]) -> Array:
        """Return logits (N, C) of features (N, D)."""
        return np.asarray(features @ self.weight.T + self.bias, float)


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A head fitted on all rows, and the logits that its like gave to rows not learned from."""

    linear: Linear
    out_of_fold: Array  # (N, C) logits, not calibrated
    loss: float  # weighted log loss of them once calibrated
    regularisation: float
    folds: int


def fit_head(examples: Examples, settings: HeadSettings, seed: int, progress: Progress, threads: int = 1) -> FittedHead:
    """Return the head that explains out-of-fold rows best, fitted on all of them.

    The strength of the regularisation is the one with the least out-of-fold log loss after calibration.

    Args:
        examples: Training and validation pictures.
        settings: Strengths, folds, balance.
        seed: Of the folds.
        progress: Is told about each fold.
        threads: Folds worked on at once.

    Raises:
        TrainingError: If there are too few groups for two folds.
    """
    balance, strengths = settings.class_balance, sorted(settings.regularisation)
    with (
        threadpool_limits(1),
        ThreadPoolExecutor(threads) as pool,
    ):  # small sums: their own threads would wait for others
        folds = cut_folds(examples, settings.folds, seed)
        logits = np.zeros((len(strengths), len(examples.labels), examples.classes))
        found = pool.map(lambda fold: fit_path(examples, fold.learned, strengths, balance), folds)
        for step, (fold, path) in enumerate(zip(folds, found, strict=True), start=1):
            for place, linear in enumerate(path):
                logits[place, fold.held_out] = linear.logits(examples.features[fold.held_out])
            progress("head", step, len(folds) + 1)
        losses = [calibrated_loss(one, examples, balance) for one in logits]
        best = int(np.argmin(losses))
        linear = fit_linear(examples, np.arange(len(examples.labels)), strengths[best], balance)
        progress("head", len(folds) + 1, len(folds) + 1)
    return FittedHead(linear, logits[best], losses[best], strengths[best], len(folds))


def refit(examples: Examples, folds: Sequence[Fold], strength: float, settings: HeadSettings) -> list[Linear]:
    """Return a head for each fold, which has not seen the rows held out there."""
    with threadpool_limits(1):
        return [fit_linear(examples, fold.learned, strength, settings.class_balance) for fold in folds]


def calibrated_loss(logits: Array, examples: Examples, is_balanced: bool) -> float:
    """Return the weighted log loss of out-of-fold logits (N, C) after temperature and shift; lower is better."""
    return fit_temperature(logits, examples.labels, examples.weights, examples.classes, is_balanced)[1]


def fit_linear(examples: Examples, rows: Rows, strength: float, balance: bool) -> Linear:
    """Return a logistic regression fitted on some rows; those of weight 0 are left out."""
    return fit_path(examples, rows, [strength], balance)[0]


def fit_path(examples: Examples, rows: Rows, strengths: Sequence[float], balance: bool) -> list[Linear]:
    """Return a logistic regression per strength, each begun where the one before ended; order them from small to large.

    With fewer rows than features everything happens in the space that the rows span, which changes nothing but the
    time: the regularised weights are a sum of rows.

    Args:
        examples: Rows and features.
        rows: Which to learn from; those of weight 0 are left out.
        strengths: Inverse strengths C.
        balance: Rare classes weigh as much as frequent ones.

    Source:
        Kimeldorf, Wahba (1971), "Some results on Tchebycheffian spline functions" (representer theorem).
    """
    rows = rows[examples.weights[rows] > 0]
    x, y, given = examples.features[rows], examples.labels[rows], examples.weights[rows]
    present = np.unique(y)
    mean = np.average(x, axis=0, weights=given)  # by the given weights: balanced ones let a few parts set the scale
    std = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=given))
    std[std < _LEAST_STD] = 1.0
    standard = (x - mean) / std
    basis = _row_space(standard)
    inside = (standard if basis is None else standard @ basis).astype(np.float32)  # half the traffic, and as good
    model = LogisticRegression(max_iter=_MOST_ITERATIONS, tol=_TOLERANCE, warm_start=True)
    path = []
    for strength in strengths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 500 steps of a smooth problem are close enough
            model.set_params(C=strength).fit(inside, y, sample_weight=balanced_weights(y, given) if balance else given)
        coefficients, intercept = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
        coefficients = coefficients if basis is None else coefficients @ basis.T
        if len(present) == 2:  # one row stands for the second class against the first
            coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
            intercept = np.concatenate([-intercept / 2, intercept / 2])
        weight = np.zeros((examples.classes, x.shape[1]))
        bias = np.full(examples.classes, float(intercept.min()) + _UNSEEN_CLASS)
        weight[present] = coefficients / std
        bias[present] = intercept - (coefficients / std) @ mean
        path.append(Linear(weight, bias, np.asarray(mean, float), np.asarray(std, float)))
    return path


def _row_space(rows: Array) -> Array | None:
    """Return orthonormal columns (D, r) that span the rows (N, D); None where there are as many rows as features."""
    if rows.shape[0] >= rows.shape[1]:
        return None
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = values > _LEAST_SPAN * values[-1]
    return np.asarray(rows.T @ (vectors[:, kept] / np.sqrt(values[kept])), float)
