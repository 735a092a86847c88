"""How an error falls with the number of examples: a power law through measured points, and what lies beyond them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Trend = Literal["falls", "wide", "flat", "none"]

FEWEST_SIZES = 3  # three numbers are fitted
_EXPONENTS = np.linspace(0.1, 1.5, 29)  # of large sets 0.07 to 0.5; steeper while few are there
_BAND = (0.05, 0.95)
_WIDE_SHARE, _WIDE = 0.5, 0.01  # a band wider than half of today's error, and than a hundredth, tells little
_BEYOND = 2.0
_HALF = 0.55  # sizes that count as half or less, as groups are not of one size
_MOST_WIDENED = 4.0
_STEPS = 41  # of the drawn curve


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``error = floor + drop * size ** -exponent``; one curve or a stack of them."""

    floor: Array
    drop: Array
    exponent: Array

    def at(self, size: float) -> Array:
        """Return the error at a size."""
        return self.floor + self.drop * size**-self.exponent


@dataclass(frozen=True, slots=True)
class Backwards:
    """What half of the examples promised for all of them, and what all of them measured; errors."""

    half: float
    promised: tuple[float, float]
    measured: float

    @property
    def was_kept(self) -> bool:
        """Tell whether the promise held."""
        return self.promised[0] <= self.measured <= self.promised[1]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was measured with everything, and what twice as much would bring; errors between 0 and 1."""

    now: float
    now_band: tuple[float, float]  # had other parts been there to learn from and to be tested on
    twice: float | None  # None where the trend is none or flat
    twice_band: tuple[float, float] | None  # on the same parts
    trend: Trend
    law: PowerLaw | None
    curve: tuple[tuple[float, float, float, float], ...]  # size, error, lower and upper edge, from all to twice
    tried: Backwards | None  # None where half has too few sizes


def fit_power_law(sizes: Array, errors: Array, weights: Array) -> PowerLaw:
    """Return the power laws that lie nearest to errors, by weighted squares; floor and drop are never below 0.

    Args:
        sizes: How much was learned from, above 0, shape (S,); 1 is all there is.
        errors: Shape (..., S).
        weights: Of the sizes, shape (S,).

    Returns:
        Numbers of shape (...).

    Source:
        Hestness et al. (2017), "Deep learning scaling is predictable, empirically"; Viering, Loog (2021), "The shape of
        learning curves: a review" (three parameters with a floor). The search over exponents, for each of which floor
        and drop have a closed form: own.

    Example:
        >>> sizes = np.array([0.25, 0.5, 1.0])
        >>> law = fit_power_law(sizes, 0.1 + 0.2 * sizes**-0.5, np.ones(3))
        >>> round(float(law.floor), 3), round(float(law.drop), 3), round(float(law.exponent), 2)
        (0.1, 0.2, 0.5)
    """
    weights = weights / weights.sum()
    best: tuple[Array, Array, Array, Array] | None = None
    for exponent in _EXPONENTS:
        x = sizes**-exponent
        mean_x, mean_y = float(weights @ x), errors @ weights
        spread = float(weights @ (x - mean_x) ** 2)
        drop = np.maximum(((errors - mean_y[..., None]) * (weights * (x - mean_x))).sum(-1) / spread, 0)
        floor = mean_y - drop * mean_x
        through_zero = np.maximum(errors @ (weights * x) / float(weights @ x**2), 0)
        drop, floor = np.where(floor < 0, through_zero, drop), np.maximum(floor, 0)
        left = ((errors - floor[..., None] - drop[..., None] * x) ** 2) @ weights
        if best is None:
            best = (left, floor, drop, np.full_like(left, exponent))
        else:
            is_nearer = left < best[0] - 1e-15
            found = (left, floor, drop, np.full_like(left, exponent))
            best = tuple(np.where(is_nearer, new, old) for new, old in zip(found, best, strict=True))  # type: ignore[assignment]
    assert best is not None
    return PowerLaw(*(np.asarray(value, float) for value in best[1:]))


def look_ahead(sizes: Array, errors: Array, seed: int) -> Outlook:
    """Return what twice the examples would bring, by a power law, with a band.

    The band is that of the gain from today to twice as much: from one bootstrap draw to the next other draws of the
    examples and other groups of tested parts are counted. Where the same method, tried backwards from half to all,
    promised too much or too little, the band is made wider by as much. How far another test would have measured
    today's figure itself stands apart in ``now_band``.

    Args:
        sizes: How much was learned from, rising, the last one is 1: all there is; shape (S,).
        errors: Shape (draws, S, 1 + B): as measured, then over B bootstrap draws of the tested groups. NaN where
            nothing could be measured.
        seed: Of the bootstrap over draws.

    Source:
        Efron, Tibshirani (1993), "An introduction to the bootstrap", chapter 13 (percentiles); the widening: own.
    """
    draws, _, columns = errors.shape
    chosen = np.random.default_rng(seed).integers(draws, size=(columns - 1, draws))
    means = errors[:, :, 0].mean(0)  # (S,)
    shaken = np.stack([errors[rows, :, column + 1].mean(0) for column, rows in enumerate(chosen)])  # (B, S)
    shaken = shaken[np.isfinite(shaken).all(1)]
    now = float(means[-1])
    if not np.isfinite(means).all() or not len(shaken):
        return Outlook(now, (now, now), None, None, "none", None, (), None)
    now_band = _edges(shaken[:, -1])
    if len(sizes) < FEWEST_SIZES:
        return Outlook(now, now_band, None, None, "none", None, (), None)
    noise = errors[:, :, 0].var(0, ddof=1) if draws > 1 else np.zeros(len(sizes))
    weights = 1 / (noise + np.median(noise) + 1e-6)  # one lucky size does not rule over all others
    law, laws = fit_power_law(sizes, means, weights), fit_power_law(sizes, shaken, weights)
    is_flat = bool(np.quantile(shaken[:, 0] - shaken[:, -1], _BAND[0]) <= 0) or float(law.drop) == 0
    tried = _try_backwards(sizes, means, shaken, weights)
    if is_flat:
        return Outlook(now, now_band, None, None, "flat", law, (), tried)
    missed = (1.0, 1.0) if tried is None else _missed_by(tried)
    curve = tuple(_beyond(now, law, laws, size, missed) for size in np.linspace(1, _BEYOND, _STEPS))
    _, twice, low, high = curve[-1]
    trend: Trend = "wide" if high - low > max(_WIDE, _WIDE_SHARE * now) else "falls"
    return Outlook(now, now_band, twice, (low, high), trend, law, curve, tried)


def _edges(values: Array) -> tuple[float, float]:
    low, high = np.quantile(values, _BAND)
    return float(low), float(high)


def _beyond(
    now: float, law: PowerLaw, laws: PowerLaw, size: float, missed: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return size, error and band: today's measured error less what the laws say that it falls by."""
    least, most = _edges(np.maximum(laws.at(1) - laws.at(size), 0))
    least, most = least * missed[0], most * missed[1]
    gain = min(max(float(law.at(1) - law.at(size)), least), most)
    return float(size), max(0.0, now - gain), max(0.0, now - most), max(0.0, now - least)


def _try_backwards(sizes: Array, means: Array, shaken: Array, weights: Array) -> Backwards | None:
    """Return how the same method would have done from half; None where half has too few sizes."""
    lower = sizes <= _HALF
    if lower.sum() < FEWEST_SIZES:
        return None
    last = int(np.flatnonzero(lower)[-1])
    laws = fit_power_law(sizes[lower], shaken[:, lower], weights[lower])
    low, high = _edges(means[last] - np.maximum(laws.at(float(sizes[last])) - laws.at(1), 0))
    return Backwards(float(means[last]), (max(0.0, low), high), float(means[-1]))


def _missed_by(tried: Backwards) -> tuple[float, float]:
    """Return by which factors the least and the largest promised gain missed the measured one; 1 where they did not."""
    least, most = tried.half - tried.promised[1], tried.half - tried.promised[0]
    gain = max(0.0, tried.half - tried.measured)
    down = gain / least if gain < least else 1.0
    return down, min(gain / most, _MOST_WIDENED) if gain > most > 0 else 1.0
