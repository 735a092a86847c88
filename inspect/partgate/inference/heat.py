"""Where a verdict comes from: what each place of a picture gives to the log-odds, never computed for a live verdict.

Where the graph gives heat outputs (``heat_0`` …, ``heat_bias``), they are the exact shares of the logits, and one run
per look is enough. Any other graph is asked again and again with a patch of the picture covered: a first-order map,
since two patches that stand in for each other do not show.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.errors import EngineError
from partgate.imaging import Region
from partgate.inference.bundle import Geometry, Look
from partgate.inference.engine import LOGITS, PROBABILITIES
from partgate.inference.inspector import to_prediction
from partgate.parts import Image, Prediction

HEAT_BIAS = "heat_bias"
MOST_PATCHES = 64
"""How often at most a graph without heat outputs is asked again."""

_LEAST_PROBABILITY = 1e-7
Array = NDArray[np.float64]


class HeatKind(StrEnum):
    """How a map was made."""

    CLASS_ACTIVATION = "class_activation"  # exact: the shares add up to the margin
    OCCLUSION = "occlusion"  # what the margin loses where a patch is covered


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """What each place of a picture gives to the margin of one class.

    With a good class the margin is the logit of the likeliest defect class less that of the good class; in sorting, the
    logit of the predicted class less the mean of the others. It is measured before a map of the score (calibration).
    """

    values: NDArray[np.float32]  # (H, W) of the picture, log-odds x places: their mean over a look is what it gives
    kind: HeatKind
    defect_class: str  # in sorting: the predicted class
    region: str | None  # the look that decided; its mean is what adds up to the margin
    margin: float  # log-odds
    rest: float  # of the margin, at no place: the head's bias and grey borders; patches that stand in for each other

    def resized(self, height_px: int, width_px: int) -> "HeatMap":
        """Return the map at another size, for a small picture; means of areas stay."""
        if self.values.shape == (height_px, width_px):
            return self
        is_smaller = height_px * width_px < self.values.size
        how = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
        small = cv2.resize(self.values, (width_px, height_px), interpolation=how)
        return replace(self, values=np.asarray(small, np.float32))


class Engine(Protocol):
    """What is needed of an engine: all outputs of a graph, by name."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of what the graph gives."""
        ...

    def run(self, picture: Image, names: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return the named outputs for one picture."""
        ...


def explain_part(
    engine: Engine, geometry: Geometry, image: Image, classes: tuple[str, ...], good_class: str | None
) -> HeatMap:
    """Return where the margin of a picture comes from.

    Class activation shows every look, each with what it gives to the class of the look that decided; where looks
    overlap, the mean, and the deciding look lies on top of all. Occlusion shows the deciding look alone and runs the
    engine once per look and then at most 64 times.

    Args:
        engine: With all outputs of the graph.
        geometry: Where it looks.
        image: The picture, shape (H, W, 3), uint8, RGB.
        classes: Names of the graph's outputs.
        good_class: The good one; ``None`` sorts by class.

    Raises:
        DataError: If a region does not lie inside the picture.
        EngineError: If the graph fails, or gives no numbers (NaN), which nothing explains.
    """
    looks = list(geometry.fit(image))
    levels = sorted((name for name in engine.outputs if _is_level(name)), key=lambda name: int(name[5:]))
    is_exact = bool(levels) and HEAT_BIAS in engine.outputs
    names = (PROBABILITIES, *((*levels, HEAT_BIAS) if is_exact else ()))
    found = [engine.run(picture, names) for _, picture in looks]
    said = [to_prediction(one[0], classes, good_class) for one in found]
    if any(math.isnan(one.defect_score) for one in said):
        raise EngineError("the model gave no probabilities (NaN) for this picture, so that there is nothing to explain")
    best = max(range(len(looks)), key=lambda place: said[place].defect_score)
    against = _contrast(said[best], classes, good_class)
    if not is_exact:
        return _by_occlusion(engine, looks[best], image.shape[:2], geometry, _class_of(said[best], good_class), against)
    maps = [[np.tensordot(against, level, 1) for level in one[1:-1]] for one in found]
    totals = [sum(float(level.sum()) for level in one) for one in maps]
    margin = totals[best] + float(against @ found[best][-1])
    if not math.isfinite(sum(totals) + margin):
        raise EngineError("the model's heat holds values that are no numbers (NaN): train again")
    boxes = [_box(look, image.shape[:2]) for look, _ in looks]
    values = _lay_over(
        image.shape[:2], boxes, [_spread(one, box, geometry) for one, box in zip(maps, boxes, strict=True)], best
    )
    rest = margin - float(_cut(values, boxes[best]).mean(dtype=np.float64))
    name = looks[best][0].name
    return HeatMap(values, HeatKind.CLASS_ACTIVATION, _class_of(said[best], good_class), name, margin, rest)


def _is_level(name: str) -> bool:
    return name.startswith("heat_") and name[5:].isdecimal()


def _class_of(prediction: Prediction, good_class: str | None) -> str:
    name = prediction.predicted_class if good_class is None else prediction.defect_class
    assert name is not None  # only a score that is no number leaves it open
    return name


def _contrast(prediction: Prediction, classes: tuple[str, ...], good_class: str | None) -> Array:
    """Return how much each class's logit counts in the margin, shape (C,)."""
    place = classes.index(_class_of(prediction, good_class))
    if good_class is None:
        against = np.full(len(classes), -1 / max(1, len(classes) - 1))
    else:
        against = -np.array([name == good_class for name in classes], float)
    against[place] = 1.0
    return against


def _box(look: Look, size: tuple[int, ...]) -> Region:
    return look.region or (0, 0, size[1], size[0])


def _cut(values: NDArray[np.float32], box: Region) -> NDArray[np.float32]:
    return values[box[1] : box[3], box[0] : box[2]]


def inner_box(box: Region, geometry: Geometry) -> tuple[float, float, float, float]:
    """Return where the region lies in the network's picture: top, left, height, width, in px; grey is around it."""
    height, width = box[3] - box[1], box[2] - box[0]
    if not geometry.keeps_aspect:
        return 0, 0, geometry.height_px, geometry.width_px
    scale = min(geometry.height_px / height, geometry.width_px / width)  # as fit_picture does it
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    return (geometry.height_px - inner_height) // 2, (geometry.width_px - inner_width) // 2, inner_height, inner_width


def _spread(levels: Sequence[Array], box: Region, geometry: Geometry) -> NDArray[np.float32]:
    """Return maps of the network's picture, summed up over the region's own pixels, (height, width) of the region.

    Args:
        levels: Log-odds of each place, shape (h, w) each.
        box: The region in px of the camera picture.
        geometry: How it was fitted.
    """
    top, left, inner_height, inner_width = inner_box(box, geometry)
    values = np.zeros((box[3] - box[1], box[2] - box[0]), np.float32)
    for level in levels:
        down, across = level.shape[0] / geometry.height_px, level.shape[1] / geometry.width_px
        rows = spread_cells(level.shape[0], values.shape[0], top * down, (top + inner_height) * down)
        columns = spread_cells(level.shape[1], values.shape[1], left * across, (left + inner_width) * across)
        places = inner_height * down * inner_width * across  # that lie inside the region
        values += (rows @ (places * level) @ columns.T).astype(np.float32)
    return values


def spread_cells(cells: int, pixels: int, begin: float, end: float) -> Array:
    """Return which share of each cell's value a pixel shows: straight lines between cells, averaged over the pixel.

    Args:
        cells: How many values stand side by side.
        pixels: How many pixels lie over them.
        begin: Where the first pixel begins, in cells; 0 is the edge of the first cell.
        end: Where the last pixel ends.

    Returns:
        Shape (pixels, cells), rows sum to 1; summed over all pixels of all cells, each cell counts alike.

    Source:
        Own; the integral of linear interpolation, so that no resampling changes a sum.

    Example:
        >>> spread_cells(2, 2, 0, 2).tolist()  # an eighth of each pixel leans on the neighbour
        [[0.875, 0.125], [0.125, 0.875]]
    """
    edges = np.linspace(begin, end, pixels + 1) - 0.5
    away = edges[:, None] - np.arange(-1, cells + 1)
    inside = np.where(away < 0, (away + 1) ** 2 / 2, 1 - (1 - away) ** 2 / 2)
    climbed = np.where(away <= -1, 0.0, np.where(away >= 1, 1.0, inside))
    shares = np.diff(climbed, axis=0) / ((end - begin) / pixels)
    shares[:, 1] += shares[:, 0]  # beyond the outermost centres the value stays
    shares[:, -2] += shares[:, -1]
    return np.asarray(shares[:, 1:-1], float)


def _lay_over(
    size: tuple[int, ...], boxes: Sequence[Region], parts: Sequence[NDArray[np.float32]], best: int
) -> NDArray[np.float32]:
    """Return the looks' maps at their places in the picture, shape (H, W); the deciding one on top."""
    values, count = np.zeros(size, np.float32), np.zeros(size, np.uint16)
    for box, part in zip(boxes, parts, strict=True):
        _cut(values, box)[...] += part
        count[box[1] : box[3], box[0] : box[2]] += 1
    values /= np.maximum(count, 1)
    _cut(values, boxes[best])[...] = parts[best]
    return values


def _by_occlusion(
    engine: Engine, look: tuple[Look, Image], size: tuple[int, ...], geometry: Geometry, defect_class: str,
    against: Array,
) -> HeatMap:  # fmt: skip
    """Return what the margin loses where a patch is covered by the mean colour of the look."""
    place, picture = look
    box = _box(place, size)
    top, left, height, width = (int(value) for value in inner_box(box, geometry))
    rows = min(height, max(1, round(math.sqrt(MOST_PATCHES * height / width))), MOST_PATCHES)
    columns = min(width, MOST_PATCHES // rows)
    colour = picture[top : top + height, left : left + width].mean((0, 1)).round().astype(np.uint8)
    margin = _ask(engine, picture, against)
    lost = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            covered = picture.copy()
            down = slice(top + row * height // rows, top + (row + 1) * height // rows)
            covered[down, left + column * width // columns : left + (column + 1) * width // columns] = colour
            lost[row, column] = margin - _ask(engine, covered, against)
    x_min, y_min, x_max, y_max = box
    down_shares = spread_cells(rows, y_max - y_min, 0, rows)
    across_shares = spread_cells(columns, x_max - x_min, 0, columns)
    values = np.zeros(size, np.float32)
    _cut(values, box)[...] = down_shares @ (lost * lost.size) @ across_shares.T
    return HeatMap(values, HeatKind.OCCLUSION, defect_class, place.name, margin, margin - float(lost.sum()))


def _ask(engine: Engine, picture: Image, against: Array) -> float:
    """Return the margin that the graph gives: of its logits, else of the logarithm of its probabilities.

    Raises:
        EngineError: If it is no number.
    """
    name = LOGITS if LOGITS in engine.outputs else PROBABILITIES
    (values,) = engine.run(picture, (name,))
    logits = values if name == LOGITS else np.log(np.maximum(values, _LEAST_PROBABILITY))
    margin = float(against @ logits)
    if not math.isfinite(margin):
        raise EngineError(f"the model's {name} hold values that are no numbers (NaN): nothing explains them")
    return margin
