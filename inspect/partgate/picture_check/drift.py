"""What changes slowly: a dirty lens, an ageing lamp, a camera that was knocked; warned of long before it counts.

One two-sided CUSUM per measure over the parts of a station. It knows no clock and no file: measures go in, warnings
come out, and its state is numbers that can be kept over a restart.

Neighbouring parts that are alike (one lot, one shift) make false warnings more frequent than stated: the statement
holds for parts that are independent draws of what was trained. ``docs/guides/picture-check.md`` has figures for both.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from partgate.configfile import Settings
from partgate.glossary import text
from partgate.picture_check.measures import Measures
from partgate.picture_check.rules import RULES

FALSE_WARNINGS = 1e-5
"""Warnings per part on an unchanged stream, all measures together."""

_FEWEST = 10  # pictures below which mean and deviation say too little
_LEAST_SLACK = 0.25  # deviations: where a measure scatters more than the shift sought, the sum takes longer
_MEAN_ERRORS = 2.0  # standard errors by which the mean of the training pictures may be off
_MOST_STEP = 2.0  # deviations that one part adds at most: an odd part is no drift
_LEAST_LIMIT = 8.0  # so a warning takes four parts at least
_FINEST = 6.0  # a deviation is at least the shift sought by this: a still scene must not make dust a warning
_HALVINGS = 60  # of the interval in which the exponent is sought
_DOWN, _UP = 0, 1
_WORDS = {_DOWN: "falls", _UP: "rises"}


class Usual(Settings):
    """What a measure usually is, and how its sum is taken; on the measure's scale (logarithms for light and focus)."""

    mean: float = Field(description="mean of the good training pictures, on the scale of the measure")
    sigma: float = Field(gt=0, description="standard deviation of the good training pictures")
    slack: float = Field(gt=0, description="deviations that each part may be off before it adds to the sum")
    warn_from: float = Field(gt=0, description="sum of deviations from which a drift is warned of")


class DriftState(TypedDict):
    """What a monitor knows; plain values that JSON holds."""

    sums: dict[str, list[float]]  # per measure: falling, rising
    warned: list[str]


def learn_usual(name: str, values: NDArray[np.float64], independent: float, false_warnings: float) -> Usual | None:
    """Return what a measure usually is.

    The slack is half of the change that is to be found, and never less than what the error of the mean asks for. The
    limit follows from the pictures themselves: with ``theta`` the positive root of ``E[exp(theta * step)] = 1`` the
    chance that one run of the sum from 0 reaches ``h`` is at most ``exp(-theta * h)``, whatever the distribution of the
    steps. The root is taken for a mean that is off by two standard errors, and never above that of a normal
    distribution.

    Args:
        name: Of the measure.
        values: Of the good training pictures, on the scale, shape (N,).
        independent: How many independent pictures these are worth.
        false_warnings: Allowed per part, for this measure and both directions.

    Returns:
        ``None`` where there are fewer than ten pictures.

    Source:
        Page (1954), "Continuous inspection schemes", Biometrika 41; slack: Lucas (1976), J. Quality Technology 8;
        limit: Lundberg's inequality, as in Siegmund (1985), Sequential Analysis, section 2.6 (there for the normal).

    Example:
        >>> usual = learn_usual("balance_x", np.random.default_rng(0).normal(0.5, 0.02, 4000), 4000, 1e-6)
        >>> round(usual.slack, 1), round(usual.warn_from)  # half of a shift by one deviation; log(2e6) / 0.94
        (0.5, 15)
    """
    if len(values) < _FEWEST:
        return None
    rule = RULES[name]
    mean, sigma = float(values.mean()), max(float(values.std(ddof=1)), rule.shift / _FINEST)
    error = _MEAN_ERRORS / math.sqrt(independent)
    slack = max(rule.shift / sigma / 2, _LEAST_SLACK + error)
    steps = (values - mean) / sigma
    exponent = min(_exponent(np.minimum(side * steps - slack, _MOST_STEP) + error, 2 * (slack - error))
                   for side in (-1, 1))  # fmt: skip
    limit = max(_LEAST_LIMIT, math.log(2 / false_warnings) / exponent)
    return Usual(mean=_short(mean), sigma=_short(sigma), slack=_short(slack), warn_from=_short(limit))


def _exponent(steps: NDArray[np.float64], most: float) -> float:
    """Return the positive root of ``mean(exp(theta * steps)) = 1``; at most ``most``, also where there is none."""
    low, high = 0.0, most
    if np.exp(high * steps).mean() <= 1:
        return high
    for _ in range(_HALVINGS):  # the mean falls below 1 behind 0 and rises through 1 at the root
        middle = (low + high) / 2
        low, high = (middle, high) if np.exp(middle * steps).mean() <= 1 else (low, middle)
    return high


def _short(value: float) -> float:
    return float(f"{value:.4g}")


class DriftMonitor:
    """Sums up how far the parts of one camera are from what is usual, and warns.

    A warning is in force from where its sum reaches the limit until the sum is back at zero, so it does not flicker.
    Not thread-safe: one station owns one per camera.

    Args:
        usual: From the recipe, by measure; measures that are not named are not watched.
        state: Of an earlier monitor; what does not fit the recipe any more, or is no number, starts from zero.
    """

    def __init__(self, usual: Mapping[str, Usual], state: DriftState | None = None) -> None:
        self._usual = {name: usual[name] for name in RULES if name in usual}
        self._sums: dict[str, list[float]] = {}
        self._warned: set[str] = set()
        self.reset()
        for name, sums in (state["sums"] if state else {}).items():
            if name in self._sums and len(sums) == 2 and all(0 <= value < math.inf for value in sums):
                self._sums[name] = [min(float(value), self._usual[name].warn_from) for value in sums]
        known = {warning for name in self._sums for warning in self._names(name)}
        self._warned = known & set(state["warned"] if state else ())

    def take(self, measures: Sequence[float]) -> tuple[str, ...]:
        """Return the warnings in force after one more part, as ``brightness falls``; see :func:`say_warning`.

        Args:
            measures: Of the part's picture, in the order of :class:`Measures`; one that is no number changes nothing.
        """
        found = Measures(*measures)
        for name, usual in self._usual.items():
            value = getattr(found, name)
            if not math.isfinite(value):
                continue
            off = (float(RULES[name].to_scale(np.array([value]))[0]) - usual.mean) / usual.sigma
            self._add(name, _DOWN, -off, usual)
            self._add(name, _UP, off, usual)
        return tuple(warning for name in self._usual for warning in self._names(name) if warning in self._warned)

    def _add(self, name: str, side: int, off: float, usual: Usual) -> None:
        total = max(0.0, self._sums[name][side] + min(off - usual.slack, _MOST_STEP))
        self._sums[name][side] = min(total, usual.warn_from)  # no more: a warning shall end when its cause does
        warning = self._names(name)[side]
        if total >= usual.warn_from:
            self._warned.add(warning)
        elif total == 0:
            self._warned.discard(warning)

    @staticmethod
    def _names(name: str) -> tuple[str, str]:
        return f"{name} {_WORDS[_DOWN]}", f"{name} {_WORDS[_UP]}"

    def reset(self) -> None:
        """Forget all parts: after the cause was mended, or with another recipe."""
        self._sums = {name: [0.0, 0.0] for name in self._usual}
        self._warned = set()

    @property
    def state(self) -> DriftState:
        """Return what to keep over a restart."""
        return {"sums": {name: list(sums) for name, sums in self._sums.items()}, "warned": sorted(self._warned)}


def say_warning(warning: str, language: str) -> str:
    """Return a warning of :meth:`DriftMonitor.take` as people read it, with what to look after.

    Example:
        >>> say_warning("brightness falls", "de")
        'Die Helligkeit nimmt gegenüber den Lernbildern ab: Lampe, Fremdlicht, Belichtungszeit und Objektiv prüfen'
    """
    name, direction = warning.split()
    axis = name[-2:] if name.endswith(("_x", "_y")) else ""  # a place moves, the others grow or shrink
    return text(
        f"drift.{direction}{axis}", language, measure=text(f"drift.of.{name}", language),
        advice=text(f"drift.advice.{RULES[name].advice}", language),
    )  # fmt: skip
