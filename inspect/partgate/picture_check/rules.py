"""What each measure is held to: on which scale, how far it may always go, which change of it is worth a warning.

Margins follow from what a model is trained to bear, shifts from what a person on the line should look after; none of
them was fitted to a set of pictures.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from partgate.picture_check.measures import Measures


@dataclass(frozen=True, slots=True)
class Rule:
    """How one measure is judged; margin and shift are distances on its scale."""

    label: str  # in a fault
    too_low: str | None  # what a value below the limit means; None where there is no limit below
    too_high: str | None
    margin: float  # beyond the training pictures that is always allowed
    shift: float  # change of the mean that is warned of
    least: float  # values lie between these
    most: float
    offset: float | None = 0.0  # the scale is log(value + offset); None leaves the value as it is
    digits: int = 3  # in a fault
    advice: str = "light"  # what to look after where it drifts: light, focus or place

    def to_scale(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values on the scale on which the same change of light or focus is the same distance everywhere."""
        clipped = np.clip(values, self.least, self.most)
        return clipped if self.offset is None else np.log(clipped + self.offset)

    def from_scale(self, place: float) -> float:
        """Return the value that stands at a place of the scale, within what the measure can be."""
        lowest, highest = self.to_scale(np.array([self.least, self.most]))
        within = float(np.clip(place, lowest, highest))
        return self.clip(within if self.offset is None else math.exp(within) - self.offset)

    def clip(self, value: float) -> float:
        """Return the value, at most as far out as the scale reaches; NaN stays NaN."""
        return min(max(value, self.least), self.most)


_LOG = math.log


def _colour(label: str) -> Rule:
    """Return the rule of a ratio of channels; the measure's offset keeps it between 0.03 and 30."""
    return Rule(label, "colour cast", "colour cast", _LOG(1.1), _LOG(1.05), 0.03, 30)


def _place(label: str, fault: str, margin: float, shift: float) -> Rule:
    """Return the rule of a place in widths or heights."""
    return Rule(label, fault, fault, margin, shift, 0, 1, offset=None, advice="place")


RULES: Mapping[str, Rule] = MappingProxyType({
    "brightness": Rule("brightness", "too dark", "too bright", _LOG(1.3), _LOG(1 / 0.85), 0, 255, 10, 0),
    "contrast": Rule("contrast", "nothing visible", "too much contrast", _LOG(1.5), _LOG(1.25), 0, 255, 2, 1),
    # 0.25 is the least that a smooth picture can have; close to it small differences count
    "sharpness": Rule("sharpness", "blurred", None, 0.2, 0.2, 0.23, 4, -0.22, advice="focus"),
    "detail": Rule("detail", "blurred", None, _LOG(1.3), _LOG(1.15), 0.001, 4, advice="focus"),
    "white_share": Rule("share of white pixels", None, "overexposed", _LOG(3), _LOG(2), 0, 1, 0.01),
    "black_share": Rule("share of black pixels", None, "underexposed", _LOG(3), _LOG(2), 0, 1, 0.01),
    "red_to_green": _colour("red to green"),
    "blue_to_green": _colour("blue to green"),
    "field_contrast": Rule("contrast of fields", "partly covered", None, _LOG(1.3), _LOG(1.25), 0, 255, 1, 1),
    "balance_x": _place("centre of light across", "uneven", 0.03, 0.02),
    "balance_y": _place("centre of light down", "uneven", 0.03, 0.02),
    "part_x": _place("part's centre across", "part out of place", 0.05, 0.03),
    "part_y": _place("part's centre down", "part out of place", 0.05, 0.03),
    "part_size": Rule("part's size", "part too small", "part too large", _LOG(1.1), _LOG(1.05), 0.01, 1,
                      advice="place"),
})  # fmt: skip
"""By name of the measure, in the order in which faults are told."""


def to_scales(measures: Sequence[Sequence[float]]) -> dict[str, NDArray[np.float64]]:
    """Return each measure that every picture has, on its scale, one value per picture.

    Args:
        measures: One :class:`Measures` per picture, or the first few values of one; at least one.

    Example:
        >>> sorted(to_scales([Measures(100, 20, 480, 640)]))
        ['brightness', 'contrast']
    """
    rows = [Measures(*row) for row in measures]
    columns = {name: np.array([getattr(row, name) for row in rows], np.float64) for name in RULES}
    return {name: RULES[name].to_scale(values) for name, values in columns.items() if np.isfinite(values).all()}
