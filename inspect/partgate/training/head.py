"""The linear head: regularised logistic regression on frozen features, calibrated by out-of-fold scores."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from partgate.errors import TrainingError
from partgate.training.config import HeadSettings
from partgate.training.features import Progress

Array = NDArray[np.float64]
_MOST_ITERATIONS = 500
_TOLERANCE = 1e-4
_UNSEEN_CLASS = -5.0  # logit below the lowest, for a class that a fold has not seen
_TEMPERATURES = (0.2, 20.0)
_SHIFT_PENALTY, _MOST_SHIFT = 1e-3, 10.0


@dataclass(frozen=True, slots=True)
class Examples:
    """What the head learns from."""

    features: NDArray[np.float32]  # (N, D)
    labels: NDArray[np.int64]  # (N,) index of the class
    groups: NDArray[np.str_]  # (N,)
    weights: Array  # (N,) from labels.csv
    classes: int


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A calibrated head and the scores that its like gave to pictures not learned from."""

    weight: Array  # (C, D), on raw features: standardisation and calibration are folded in
    bias: Array  # (C,)
    out_of_fold: Array  # (N, C) probabilities
    regularisation: float
    temperature: float
    folds: int


def fit_head(examples: Examples, settings: HeadSettings, seed: int, progress: Progress) -> FittedHead:
    """Return the head that explains out-of-fold pictures best, fitted on all of them.

    The strength of the regularisation is the one with the least out-of-fold log loss. One temperature and one
    shift per class turn logits into probabilities; both come from out-of-fold logits, folded into weight and bias.

    Args:
        examples: Training and validation pictures.
        settings: Strengths, folds, balance.
        seed: Of the folds.
        progress: Is told about each fit.

    Raises:
        TrainingError: If there are too few groups for two folds.

    Source:
        Guo et al. (2017), "On calibration of modern neural networks" (temperature, shift per class); the classes'
        shares as where the shift begins: Bayes' rule; its penalty: own, by grouped cross-validation on seven sets.
    """
    with threadpool_limits(1):  # small sums: threads that wait for one another take 20 times as long on a busy PC
        return _fit_head(examples, settings, seed, progress)


def _fit_head(examples: Examples, settings: HeadSettings, seed: int, progress: Progress) -> FittedHead:
    folds = list(_folds(examples, settings.folds, seed))
    steps, step = len(folds) * len(settings.regularisation) + 1, 0
    best: tuple[float, float, _Calibration, Array] | None = None
    for strength in settings.regularisation:
        logits = np.zeros((len(examples.labels), examples.classes))
        for learned, held_out in folds:
            weight, bias = _fit(examples, learned, strength, settings.class_balance)
            logits[held_out] = examples.features[held_out] @ weight.T + bias
            step += 1
            progress("head", step, steps)
        calibration, loss = _calibrate(logits, examples, settings.class_balance)
        if best is None or loss < best[0]:
            best = (loss, strength, calibration, logits)
    assert best is not None
    _, strength, calibration, logits = best
    weight, bias = _fit(examples, np.arange(len(examples.labels)), strength, settings.class_balance)
    progress("head", steps, steps)
    return FittedHead(
        weight / calibration.temperature,
        bias / calibration.temperature + calibration.shift,
        _softmax(logits / calibration.temperature + calibration.shift),
        strength,
        calibration.temperature,
        len(folds),
    )


def _folds(examples: Examples, wanted: int, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    groups_per_class = [len(set(examples.groups[examples.labels == label])) for label in range(examples.classes)]
    usable = [count for count in groups_per_class if count > 1]
    if not usable or len(set(examples.groups)) < 2:
        raise TrainingError(
            f"too few groups for out-of-fold scores: {groups_per_class} per class; at least 2 are needed"
        )
    cutter = StratifiedGroupKFold(min(wanted, max(2, min(usable))), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer groups than folds: told to the user elsewhere
        for learned, held_out in cutter.split(examples.features, examples.labels, examples.groups):
            if len(held_out) and len(set(examples.labels[learned])) > 1:
                yield learned, held_out


def _fit(
    examples: Examples, rows: Sequence[int] | NDArray[np.int64], strength: float, balance: bool
) -> tuple[Array, Array]:
    x, y, w = examples.features[rows], examples.labels[rows], examples.weights[rows].copy()
    present = np.unique(y)
    if balance:
        total = w.sum()
        for label in present:
            w[y == label] *= total / (len(present) * max(w[y == label].sum(), 1e-12))
    given = examples.weights[rows]  # balanced weights would let a few parts set the scale
    mean = np.average(x, axis=0, weights=given)
    std = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=given))
    std[std < 1e-8] = 1.0
    standard = ((x - mean) / std).astype(np.float32)  # half the memory traffic, and as good
    model = LogisticRegression(C=strength, max_iter=_MOST_ITERATIONS, tol=_TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 500 steps of a smooth problem are close enough
        model.fit(standard, y, sample_weight=w)
    coefficients, intercept = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    if len(present) == 2:  # one row stands for the second class against the first
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    weight = np.zeros((examples.classes, x.shape[1]))
    bias = np.full(examples.classes, float(intercept.min()) + _UNSEEN_CLASS)
    weight[present] = coefficients / std
    bias[present] = intercept - (coefficients / std) @ mean
    return weight, bias


def _log_shares(examples: Examples) -> Array:
    counts = np.bincount(examples.labels, examples.weights, examples.classes)
    return np.asarray(np.log(np.maximum(counts, 1e-3) / counts.sum()), float)


@dataclass(frozen=True, slots=True)
class _Calibration:
    temperature: float
    shift: Array  # (C,) added to the logits


def _calibrate(logits: Array, examples: Examples, is_balanced: bool) -> tuple[_Calibration, float]:
    """Return temperature and shifts with the least weighted log loss, and that loss.

    Balanced logits know nothing of how frequent a class is, so the shift begins at the classes' shares. How far it may
    go from there is held by a penalty: strongly regularised logits need less of a shift than Bayes' rule says.
    """
    start = _log_shares(examples) if is_balanced else np.zeros(examples.classes)
    rows = np.arange(len(logits))

    def shifted(found: Array) -> Array:
        return np.asarray(logits / np.exp(found[0]) + start + found[1:], float)

    def loss(found: Array) -> float:
        likely = _softmax(shifted(found))[rows, examples.labels]
        mean = np.average(-np.log(np.maximum(likely, 1e-12)), weights=examples.weights)
        return float(mean + _SHIFT_PENALTY * (found[1:] ** 2).sum())

    bounds = [tuple(np.log(_TEMPERATURES)), *[(-_MOST_SHIFT, _MOST_SHIFT)] * examples.classes]
    best = minimize(loss, np.zeros(1 + examples.classes), bounds=bounds, method="L-BFGS-B")
    return _Calibration(float(np.exp(best.x[0])), start + best.x[1:]), float(best.fun)


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), float)
