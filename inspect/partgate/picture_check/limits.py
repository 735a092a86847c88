"""Within which limits a picture is usable: learned from the training pictures, for an allowed share of false alarms."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from partgate.configfile import Settings
from partgate.imaging import MIN_SIDE_PX, Region, crop_region
from partgate.parts import Image
from partgate.picture_check.drift import FALSE_WARNINGS, Usual, learn_usual
from partgate.picture_check.measures import Measures, measure
from partgate.picture_check.rules import RULES, Rule, to_scales

FALSE_ALARMS = 0.001
"""Share of good pictures that may be found not usable, all measures together."""

_CONFIDENCE = 0.95  # that the limits hold this share of all pictures
_FEWEST = 5  # independent pictures: the factor is that of five where there are fewer
_ASPECT_MARGIN = 1.25  # a picture may be a quarter longer or wider in proportion
_SIZE_SHARE = 0.5  # half the smallest training picture: below, details are lost that the model looked at


class PictureLimits(Settings):
    """What a picture must be to be judged, learned from the training pictures; what is null is not checked."""

    brightness_from: float = Field(description="mean grey value, 0-255, below which a picture is too dark")
    brightness_to: float = Field(description="mean grey value, 0-255, above which a picture is too bright")
    contrast_from: float = Field(ge=0, description="standard deviation of grey values below which nothing is visible")
    aspect_from: float = Field(gt=0, description="smallest width / height")
    aspect_to: float = Field(gt=0, description="largest width / height")
    height_px_from: int = Field(ge=1, description="smallest height in pixels")
    width_px_from: int = Field(ge=1, description="smallest width in pixels")
    contrast_to: float | None = Field(default=None, description="largest standard deviation of grey values")
    sharpness_from: float | None = Field(
        default=None, description="squared differences 2 px apart by those 4 px apart; below, the picture is blurred"
    )
    detail_from: float | None = Field(
        default=None, description="squared differences 4 px apart by twice the variance; below, the picture is blurred"
    )
    white_share_to: float | None = Field(default=None, description="largest share of white (clipped) pixels, 0-1")
    black_share_to: float | None = Field(default=None, description="largest share of black (clipped) pixels, 0-1")
    red_to_green_from: float | None = Field(default=None, description="smallest ratio of red to green")
    red_to_green_to: float | None = Field(default=None, description="largest ratio of red to green")
    blue_to_green_from: float | None = Field(default=None, description="smallest ratio of blue to green")
    blue_to_green_to: float | None = Field(default=None, description="largest ratio of blue to green")
    field_contrast_from: float | None = Field(
        default=None, description="standard deviation in the third flattest of 3 x 3 fields; below, a part is covered"
    )
    balance_x_from: float | None = Field(default=None, description="centre of the light, widths from the left")
    balance_x_to: float | None = Field(default=None, description="centre of the light, widths from the left")
    balance_y_from: float | None = Field(default=None, description="centre of the light, heights from the top")
    balance_y_to: float | None = Field(default=None, description="centre of the light, heights from the top")
    part_x_from: float | None = Field(default=None, description="centre of the part's outline, widths from the left")
    part_x_to: float | None = Field(default=None, description="centre of the part's outline, widths from the left")
    part_y_from: float | None = Field(default=None, description="centre of the part's outline, heights from the top")
    part_y_to: float | None = Field(default=None, description="centre of the part's outline, heights from the top")
    part_size_from: float | None = Field(default=None, description="root of the outline's share of the picture's area")
    part_size_to: float | None = Field(default=None, description="root of the outline's share of the picture's area")
    whole_height_px: int | None = Field(
        default=None, ge=1, description="height of the camera's whole picture, where a region is given in its pixels"
    )
    whole_width_px: int | None = Field(
        default=None, ge=1, description="width of the camera's whole picture, where a region is given in its pixels"
    )
    usual: Mapping[str, Usual] = Field(
        default={}, description="per measure, what it usually is; a station warns when it drifts away from that"
    )


def learn_limits(
    measures: Sequence[Sequence[float]], groups: Sequence[str] = (), are_good: Sequence[bool] = (),
    false_alarms: float = FALSE_ALARMS,
) -> PictureLimits:  # fmt: skip
    """Return limits that every training picture keeps with a margin.

    On the scale of each measure a limit lies ``k`` standard deviations from the mean, and at least a fixed margin
    beyond the farthest training picture. ``k`` is the factor of a normal tolerance interval that holds, with 95 %
    confidence, all but the allowed share of pictures, which all limits share evenly; few pictures make it large (20:
    5.5, 200: 4.3).

    Args:
        measures: One :func:`measure` per training picture, at least one; or only the first values of each. A measure
            that is NaN in one of them (no outline of a part) is not checked.
        groups: Of each picture; pictures of a group count as fewer where they are alike. Empty: all are independent.
        are_good: Whether each picture shows a good part: what is usual is learned from these. Empty: all are.
        false_alarms: Share of good pictures that may be found not usable, 0 to 1.

    Source:
        Tolerance factor: Howe (1969), "Two-sided tolerance limits for normal populations", JASA 64; quantile of chi
        square: Wilson and Hilferty (1931), PNAS 17; worth of alike pictures: Kish (1965), Survey Sampling, section 5.4.
        Margins: own.
    """
    rows = [Measures(*row) for row in measures]
    scales = to_scales(rows)
    kept = {f"{name}_{side}" for name in scales for side in ("from", "to")} & PictureLimits.model_fields.keys()
    found: dict[str, float] = {}
    for name, values in scales.items():
        far = _tolerance(_count_independent(values, groups), false_alarms / len(kept)) * _deviation(values)
        rule, mean = RULES[name], float(values.mean())
        ends = {"from": min(mean - far, float(values.min()) - rule.margin),
                "to": max(mean + far, float(values.max()) + rule.margin)}  # fmt: skip
        found |= {f"{name}_{side}": _round(rule, end, side) for side, end in ends.items() if f"{name}_{side}" in kept}
    return PictureLimits(**found, **_shape_limits(rows), usual=_learn_usual(scales, groups, are_good))


def _shape_limits(rows: Sequence[Measures]) -> dict[str, float]:
    heights, widths = (np.array([getattr(row, name) for row in rows]) for name in ("height_px", "width_px"))
    aspects = widths / heights
    return {
        "aspect_from": round(float(aspects.min()) / _ASPECT_MARGIN, 3),
        "aspect_to": round(float(aspects.max()) * _ASPECT_MARGIN, 3),
        "height_px_from": int(max(min(MIN_SIDE_PX, heights.min()), heights.min() * _SIZE_SHARE)),
        "width_px_from": int(max(min(MIN_SIDE_PX, widths.min()), widths.min() * _SIZE_SHARE)),
    }


def _learn_usual(
    scales: Mapping[str, NDArray[np.float64]], groups: Sequence[str], are_good: Sequence[bool]
) -> dict[str, Usual]:
    good = np.asarray(are_good, bool) if any(are_good) else np.ones(len(scales["brightness"]), bool)
    of_good = np.asarray(groups)[good].tolist() if len(groups) else []
    found = {
        name: learn_usual(name, values[good], _count_independent(values[good], of_good), FALSE_WARNINGS / len(scales))
        for name, values in scales.items()
    }
    return {name: usual for name, usual in found.items() if usual is not None}


def _round(rule: Rule, end: float, side: str) -> float:
    """Return a limit as it stands in the file, rounded outwards."""
    step = math.floor if side == "from" else math.ceil
    return step(rule.from_scale(end) * 10**4) / 10**4


def _deviation(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _tolerance(independent: float, outside: float) -> float:
    """Return how many standard deviations hold all but a share on each side."""
    count = max(independent, _FEWEST)
    free = count - 1
    low = NormalDist().inv_cdf(1 - _CONFIDENCE)
    chi_square = free * (1 - 2 / (9 * free) + low * math.sqrt(2 / (9 * free))) ** 3
    return -NormalDist().inv_cdf(outside) * math.sqrt(free * (1 + 1 / count) / chi_square)


def _count_independent(values: NDArray[np.float64], groups: Sequence[str]) -> float:
    """Return how many independent pictures these are worth: between the count of groups and that of pictures.

    Example:
        >>> _count_independent(np.array([1.0, 1, 5, 5]), ["a", "a", "b", "b"])
        2.0
    """
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(member)
    count, of_groups = len(values), len(sizes)
    if of_groups < 2 or of_groups == count:  # one group says nothing about how alike pictures of a group are
        return float(count)
    means = np.bincount(member, values) / sizes
    between = float(sizes @ (means - values.mean()) ** 2) / (of_groups - 1)
    within = float(((values - means[member]) ** 2).sum()) / (count - of_groups)
    usual_size = (count - float(sizes @ sizes) / count) / (of_groups - 1)
    spread = between + (usual_size - 1) * within
    alike = max(0.0, (between - within) / spread) if spread else 0.0
    design_effect = 1 + (float(sizes @ sizes) / count - 1) * alike
    return min(float(count), max(float(of_groups), count / design_effect))


class CheckedPicture(NamedTuple):
    """What the check of one picture found."""

    faults: list[str]  # why it cannot be judged, one sentence each; empty where it can
    measures: Measures | None  # None where nothing was measured: no limits, or a picture far too small


def check_picture(image: Image, region: Region | None, limits: PictureLimits | None) -> CheckedPicture:
    """Return why a picture cannot be judged, and what was measured of it.

    Args:
        image: Picture as the camera gave it, shape (H, W, 3), uint8, RGB.
        region: What the model looks at, in pixels of ``image``.
        limits: From the recipe; without them only the region and the smallest size are checked.

    Raises:
        DataError: If the region does not lie inside the picture.
    """
    seen = crop_region(image, region)
    if min(image.shape[:2]) < MIN_SIDE_PX:  # as in training
        fault = f"picture of {image.shape[1]} x {image.shape[0]} px is smaller than {MIN_SIDE_PX} x {MIN_SIDE_PX} px"
        return CheckedPicture([fault], None)
    if limits is None:
        return CheckedPicture([], None)
    if another_size := _another_size(image, limits):
        return CheckedPicture([another_size], None)
    measures = measure(seen)
    return CheckedPicture(find_faults(measures, limits), measures)


def _another_size(image: Image, limits: PictureLimits) -> str | None:
    """Return that the camera's resolution is another one: a region in pixels would show another place."""
    size, wanted = image.shape[:2], (limits.whole_height_px, limits.whole_width_px)
    if None in wanted or size == wanted:
        return None
    return (
        f"picture of {size[1]} x {size[0]} px is not of {wanted[1]} x {wanted[0]} px as at training, and the region is "
        "given in those: set the camera to that size"
    )


def find_picture_faults(image: Image, region: Region | None, limits: PictureLimits | None) -> list[str]:
    """Return why a picture cannot be judged, one sentence each; see :func:`check_picture`."""
    return check_picture(image, region, limits).faults


def find_faults(measures: Measures, limits: PictureLimits) -> list[str]:
    """Return which limits a measured picture does not keep, one sentence each; what is no number keeps none."""
    return [*_shape_faults(measures, limits), *_limit_faults(measures, limits)]


def _shape_faults(measures: Measures, limits: PictureLimits) -> Iterator[str]:
    height, width = measures.height_px, measures.width_px
    if height < limits.height_px_from or width < limits.width_px_from:
        yield f"picture of {width} x {height} px is smaller than {limits.width_px_from} x {limits.height_px_from} px"
    if not limits.aspect_from <= width / height <= limits.aspect_to:
        yield f"width / height {width / height:.2f} is not within {limits.aspect_from} to {limits.aspect_to}"


def _limit_faults(measures: Measures, limits: PictureLimits) -> Iterator[str]:
    is_lost = False
    for name, rule in RULES.items():
        value = getattr(measures, name)
        lowest, highest = getattr(limits, f"{name}_from", None), getattr(limits, f"{name}_to", None)
        if lowest is None and highest is None:
            continue
        if not math.isfinite(value):
            if not (is_lost and name.startswith("part_")):  # place and size are lost together: told once
                yield _say_lost(name, rule)
            is_lost = name.startswith("part_")
            continue
        value = rule.clip(value)  # a limit at the end of the scale is none
        if lowest is not None and value < lowest:
            yield f"{rule.too_low}: {rule.label} {value:.{rule.digits}f} is below {lowest:.{rule.digits}f}"
        if highest is not None and value > highest:
            yield f"{rule.too_high}: {rule.label} {value:.{rule.digits}f} is above {highest:.{rule.digits}f}"


def _say_lost(name: str, rule: Rule) -> str:
    if name.startswith("part_"):
        return "part not found: no outline as in the training pictures"
    return f"{rule.label} cannot be measured"
