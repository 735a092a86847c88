"""Logits → probabilities that mean what they say: temperature, shifts, and a map of the score where it pays."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.isotonic import isotonic_regression
from sklearn.model_selection import StratifiedGroupKFold

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Knots = tuple[tuple[float, float], ...]

_TEMPERATURES = (0.2, 20.0)
_SHIFT_PENALTY, _MOST_SHIFT = 1e-3, 10.0

# With fewer pictures a gain cannot be told from noise: of 40 made sets that needed a map it was found in 3 with 100
# pictures, in 16 with 200, in 27 with 400, in all with 1000. The noise itself cannot be told from a handful of groups.
_LEAST_PICTURES, _LEAST_OF_EACH, _LEAST_GROUPS = 200, 50, 20
_FOLDS = 5
_SURELY = 2.0  # standard errors that a map must win by
_MOST_KNOTS = 20
_LEAST_IN_BLOCK = 10.0  # weighted pictures behind one knot
_STEEPEST = 5.0  # trained and exported scores differ in the seventh digit; the map must not make more of it
_NEAREST = 1e-3  # between two knots
_OWN_SHARE = 0.05  # of the score itself in the map, so that it rises everywhere and two scores never become one


@dataclass(frozen=True, slots=True)
class Calibration:
    """How logits become probabilities."""

    temperature: float
    shift: Array  # (C,) added to the logits after the temperature
    good: int | None = None  # index of the good class; None where there is none
    knots: Knots | None = None  # (score, calibrated score) from score 0 to score 1, both rising; None leaves it alone

    def apply(self, logits: Array) -> Array:
        """Return probabilities, shape (N, C), rows sum to 1; a row with NaN gives NaN throughout.

        With knots the defect score ``s`` becomes ``f(s)``: the good class gets ``1 - f(s)``, the defect classes share
        ``f(s)`` as they shared ``s``; their shares come from the logits, so that they are known at ``s = 0`` too.

        Args:
            logits: As the head gave them, shape (N, C).

        Example:
            >>> halved = Calibration(1.0, np.zeros(2), 1, ((0.0, 0.1), (1.0, 0.6)))
            >>> halved.apply(np.array([[0.0, 0.0]])).round(2).tolist()  # score 0.5, half way between the knots
            [[0.35, 0.65]]
        """
        shifted = logits / self.temperature + self.shift
        likely = softmax(shifted)
        if self.knots is None or self.good is None:
            return likely
        is_defect = np.arange(likely.shape[1]) != self.good
        mapped = _interpolate(self.knots, likely[:, is_defect].sum(1))
        likely[:, is_defect] = mapped[:, None] * softmax(shifted[:, is_defect])
        likely[:, self.good] = 1 - mapped
        return likely


def softmax(logits: Array) -> Array:
    """Return probabilities of logits, both (N, C)."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), float)


def fit_calibration(
    logits: Array, labels: Integers, weights: Array, groups: NDArray[np.str_], classes: int, good: int | None,
    is_balanced: bool, seed: int,
) -> tuple[Calibration, float, str]:  # fmt: skip
    """Return the calibration that explains held-out pictures best, its loss, and in a sentence how it came about.

    First one temperature and a shift per class. Where there is a good class and enough was seen, an isotonic map of the
    defect score is tried on top, and kept if it lowers the log loss in cross-validation by group by more than noise.

    Args:
        logits: Of pictures not learned from, shape (N, C).
        labels: Index of the class, shape (N,).
        weights: Of the pictures, shape (N,); those of weight 0 count nowhere.
        groups: Pictures of one group stay on one side of each fold, shape (N,).
        classes: C.
        good: Index of the good class; None for sorting by class, which has no defect score to map.
        is_balanced: The logits come from a head to which every class was equally frequent.
        seed: Of the folds.

    Returns:
        Calibration; weighted log loss of temperature and shift with its penalty, the same whether a map was kept or
        not, so that it compares heads; the sentence.

    Source:
        Guo et al. (2017), "On calibration of modern neural networks"; Zadrozny, Elkan (2002), "Transforming classifier
        scores into accurate multiclass probability estimates" (isotonic regression); knots in the middle of each
        block: Oron, Flournoy (2017), "Centered isotonic regression"; when it is tried and kept: own.
    """
    plain, loss = fit_temperature(logits, labels, weights, classes, is_balanced)
    plain, base = replace(plain, good=good), "temperature and shift per class"
    if good is None:
        return plain, loss, base
    counts = weights > 0
    logits, labels, weights, groups = logits[counts], labels[counts], weights[counts], groups[counts]
    is_defect = labels != good
    defects, goods, parts = int(is_defect.sum()), int((~is_defect).sum()), _equal_groups(weights, groups)
    if len(labels) < _LEAST_PICTURES or min(defects, goods) < _LEAST_OF_EACH or parts < _LEAST_GROUPS:
        return plain, loss, (
            f"{base}; an isotonic map of the defect score was not tried: {goods} good and {defects} defect pictures, "
            f"whose groups count as {parts:.0f} of equal size; needed are {_LEAST_PICTURES} with {_LEAST_OF_EACH} of "
            f"each side and {_LEAST_GROUPS} groups"
        )  # fmt: skip
    before, after = _losses(logits, labels, weights, groups, good, is_balanced, seed)
    gain, error = _mean_and_error(before - after, weights, groups)
    losses = f"log loss {np.average(after, weights=weights):.4f} against {np.average(before, weights=weights):.4f}"
    measured = f"({losses} in cross-validation by group; gain {gain:.4f} ± {error:.4f})"
    if gain <= _SURELY * error:
        return plain, loss, f"{base}; an isotonic map of the defect score did not win by more than noise {measured}"
    kept = _with_map(plain, logits, is_defect, weights)
    return kept, loss, f"{base}, then an isotonic map of the defect score {measured}"


def fit_temperature(
    logits: Array, labels: Integers, weights: Array, classes: int, is_balanced: bool
) -> tuple[Calibration, float]:
    """Return temperature and shifts with the least weighted log loss, and that loss with the shifts' penalty.

    Balanced logits know nothing of how frequent a class is, so the shift begins at the classes' shares. How far it may
    go from there is held by a penalty: strongly regularised logits need less of a shift than Bayes' rule says.

    Args:
        logits: Of pictures not learned from, shape (N, C).
        labels: Index of the class, shape (N,).
        weights: Of the pictures, shape (N,).
        classes: C.
        is_balanced: See :func:`fit_calibration`.

    Source:
        Guo et al. (2017), section 4.2; start: Bayes' rule; penalty: own, by grouped cross-validation on seven sets.
    """
    start = _log_shares(labels, weights, classes) if is_balanced else np.zeros(classes)
    rows = np.arange(len(logits))

    def loss(found: Array) -> float:
        likely = softmax(np.asarray(logits / np.exp(found[0]) + start + found[1:], float))[rows, labels]
        mean = np.average(-np.log(np.maximum(likely, 1e-12)), weights=weights)
        return float(mean + _SHIFT_PENALTY * (found[1:] ** 2).sum())

    bounds = [tuple(np.log(_TEMPERATURES)), *[(-_MOST_SHIFT, _MOST_SHIFT)] * classes]
    best = minimize(loss, np.zeros(1 + classes), bounds=bounds, method="L-BFGS-B")
    return Calibration(float(np.exp(best.x[0])), start + best.x[1:]), float(best.fun)


def fit_knots(scores: Array, is_defect: NDArray[np.bool_], weights: Array) -> Knots:
    """Return a rising, continuous map of scores to the share of defects among them.

    Isotonic regression gives blocks of equal share; each of at least a few pictures becomes one knot at its mean score,
    and between knots the map is straight. Shares are kept from 0 and 1 by Laplace's rule: where none of n was a defect,
    1 / (n + 2). Beyond the outermost knots it goes half the way on to 0 and 1.

    Args:
        scores: Defect scores 0..1, shape (N,).
        is_defect: Truth, shape (N,).
        weights: Above 0, shape (N,).

    Returns:
        At most 20 knots, the first at score 0, the last at score 1.

    Source:
        Zadrozny, Elkan (2002); Oron, Flournoy (2017); thinning, ends and least slope: own.

    Example:
        >>> scores = np.array([0.2] * 10 + [0.8] * 10)
        >>> knots = fit_knots(scores, np.arange(20) >= 6, np.ones(20))  # 4 of 10 at 0.2, 10 of 10 at 0.8
        >>> [(round(score, 2), round(share, 2)) for score, share in knots]
        [(0.0, 0.19), (0.2, 0.39), (0.8, 0.91), (1.0, 0.96)]
    """
    blocks = _blocks(scores, is_defect, weights)
    least = max(_LEAST_IN_BLOCK, blocks[:, 0].sum() / (_MOST_KNOTS - 2))
    while (first := _first_to_pool(blocks, least)) is not None:
        pooled = blocks[first : first + 2].sum(0, keepdims=True)
        blocks = np.concatenate([blocks[:first], pooled, blocks[first + 2 :]])
    places, shares = _places_and_shares(blocks)
    low, high = float(shares[0]), float(shares[-1])
    start = max(low / 2, low - _STEEPEST * float(places[0]))
    end = min((1 + high) / 2, high + _STEEPEST * (1 - float(places[-1])))
    places, shares = np.array([0.0, *places, 1.0]), np.array([start, *shares, end])
    mixed = (1 - _OWN_SHARE) * shares + _OWN_SHARE * places
    return tuple((float(place), float(share)) for place, share in zip(places, mixed, strict=True))


def _log_shares(labels: Integers, weights: Array, classes: int) -> Array:
    counts = np.bincount(labels, weights, classes)
    return np.asarray(np.log(np.maximum(counts, 1e-3) / counts.sum()), float)


def _interpolate(knots: Knots, scores: Array) -> Array:
    places, values = np.array(knots).T
    return np.asarray(np.interp(scores, places, values), float)


def _with_map(plain: Calibration, logits: Array, is_defect: NDArray[np.bool_], weights: Array) -> Calibration:
    assert plain.good is not None
    scores = np.delete(plain.apply(logits), plain.good, axis=1).sum(1)
    return replace(plain, knots=fit_knots(scores, is_defect, weights))


def _losses(
    logits: Array, labels: Integers, weights: Array, groups: NDArray[np.str_], good: int, is_balanced: bool, seed: int
) -> tuple[Array, Array]:
    """Return the log loss of each picture, (N,), without and with a map; neither has seen the picture's group."""
    before, after = np.zeros(len(labels)), np.zeros(len(labels))
    is_defect = labels != good
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    for learned, held_out in folds.split(logits, is_defect, groups):
        plain, _ = fit_temperature(logits[learned], labels[learned], weights[learned], logits.shape[1], is_balanced)
        plain = replace(plain, good=good)
        mapped = _with_map(plain, logits[learned], is_defect[learned], weights[learned])
        before[held_out] = _surprise(plain, logits[held_out], labels[held_out])
        after[held_out] = _surprise(mapped, logits[held_out], labels[held_out])
    return before, after


def _surprise(calibration: Calibration, logits: Array, labels: Integers) -> Array:
    """Return the log loss of each picture, (N,)."""
    likely = calibration.apply(logits)[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.maximum(likely, 1e-12)), float)


def _mean_and_error(values: Array, weights: Array, groups: NDArray[np.str_]) -> tuple[float, float]:
    """Return the weighted mean and its standard error, pictures of one group taken as one observation.

    Source:
        Cochran (1977), "Sampling techniques", section 9A (ratio estimate over clusters).
    """
    mean = float(np.average(values, weights=weights))
    names, of = np.unique(groups, return_inverse=True)
    deviations = np.bincount(of, weights * (values - mean))
    spread = (deviations**2).sum() * len(names) / (len(names) - 1)
    return mean, float(np.sqrt(spread) / weights.sum())


def _equal_groups(weights: Array, groups: NDArray[np.str_]) -> float:
    """Return how many groups of equal size tell as much: a group that holds nearly all pictures makes it nearly one.

    Source:
        Kish (1965), "Survey sampling" (effective sample size).
    """
    _, of = np.unique(groups, return_inverse=True)
    held = np.bincount(of, weights)
    return float(held.sum() ** 2 / max((held**2).sum(), 1e-12))


def _blocks(scores: Array, is_defect: NDArray[np.bool_], weights: Array) -> Array:
    """Return a row per block of isotonic regression: weight, weight of defects, weighted sum of scores."""
    distinct, of = np.unique(scores, return_inverse=True)
    weight = np.bincount(of, weights)
    defects = np.bincount(of, weights * is_defect)
    levels = isotonic_regression(defects / weight, sample_weight=weight)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(levels) > 0]))
    return np.asarray(np.add.reduceat(np.stack([weight, defects, weight * distinct], 1), starts), float)


def _first_to_pool(blocks: Array, least: float) -> int | None:
    """Return the first of two neighbouring blocks that must become one: too light, too near or too steep; None is done.

    Pooling neighbours keeps their shares rising.
    """
    if len(blocks) < 2:
        return None
    lightest = int(blocks[:, 0].argmin())
    if blocks[lightest, 0] < least:
        beside = [index for index in (lightest - 1, lightest + 1) if 0 <= index < len(blocks)]
        return min(lightest, min(beside, key=lambda index: float(blocks[index, 0])))
    for index, ((place, share), (next_place, next_share)) in enumerate(
        pairwise(zip(*_places_and_shares(blocks), strict=True))
    ):
        if next_place - place < _NEAREST or next_share - share > _STEEPEST * (next_place - place):
            return index
    return None


def _places_and_shares(blocks: Array) -> tuple[Array, Array]:
    """Return each block's mean score and its share of defects, the latter kept from 0 and 1 by Laplace's rule."""
    weight, defects, scores = blocks.T
    shares = np.clip(defects / weight, 1 / (weight[0] + 2), 1 - 1 / (weight[-1] + 2))
    return np.clip(scores / weight, _NEAREST, 1 - _NEAREST), shares
