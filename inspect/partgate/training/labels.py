"""Which label each look of a picture has: the picture's, a region's own, that of marked tiles, or the likeliest place.

A defect picture that is looked at in several places shows its defect in some of them. Where nobody says in which, the
place that looks most like a defect to a model that has not seen the picture is taken, and the others teach nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from partgate.data.folder import LabelledFolder, Picture
from partgate.data.marks import MARK_COLUMNS, read_boxes
from partgate.errors import DataError
from partgate.imaging import Region, read_picture
from partgate.inference.bundle import Geometry
from partgate.training.config import HeadSettings
from partgate.training.examples import Array, Examples, Rows, cut_folds, mean_over_views, worst_rows
from partgate.training.features import FeatureSet
from partgate.training.head import refit

REGION_COLUMN = "region."
"""``labels.csv`` may hold a column ``region.NAME`` per region with the label of that place."""

_UNKNOWN = -1
_SEEN_SHARE = 0.25  # of a marked box that a tile must show to be called a defect; less teaches nothing
_ROUNDS, _STRENGTH, _FOLDS = 3, 0.003, 3


def make_examples(
    found: FeatureSet, folder: LabelledFolder, geometry: Geometry, views: int, seed: int
) -> tuple[Examples, Rows]:
    """Return the rows to learn from, and the label of each picture, (P,).

    Args:
        found: Features of the pictures.
        folder: Its classes and good class.
        geometry: Where each picture is looked at.
        views: How many of the features' views are averaged.
        seed: Of the folds by which places are found.

    Raises:
        DataError: If a region's label is no class, a marked box is none, or several looks are to be sorted by class.
    """
    place = {name: i for i, name in enumerate(folder.classes)}
    of_picture = np.array([place[picture.label] for picture in found.pictures])
    looks = len(found.looks)
    if looks > 1 and folder.good_class is None:
        raise DataError(
            f"{folder.folder}: sorting by class looks at one place of a part; regions and tiles need a good class"
        )
    picture = np.repeat(np.arange(len(found.pictures)), looks)
    weights = np.array([one.weight for one in found.pictures], float)[picture]
    groups = np.array([one.group for one in found.pictures])[picture]
    features = mean_over_views(found.features, views)
    labels = of_picture[picture]
    if looks == 1:
        return Examples(features, labels, groups, weights, picture, len(folder.classes)), of_picture
    good = folder.classes.index(folder.good_class or "")
    _check_columns(found.pictures[0], found.looks)
    known = np.concatenate([_labels_of(one, found.looks, geometry, place, good) for one in found.pictures])
    is_known = (known != _UNKNOWN) | (labels == good)
    labels = np.where(known == _UNKNOWN, labels, known)
    examples = Examples(features, labels, groups, weights, picture, len(folder.classes))
    return (examples if is_known.all() else _find_places(examples, is_known, good, seed)), of_picture


def _labels_of(
    picture: Picture, looks: Sequence[str | None], geometry: Geometry, place: dict[str, int], good: int
) -> Rows:
    """Return the label of each look as the user gave it; -1 where nobody said."""
    given = [picture.columns.get(f"{REGION_COLUMN}{name}", "") for name in looks]
    wrong = [label for label in given if label and label not in place]
    if wrong:
        raise DataError(f"{picture.path}: region label '{wrong[0]}' is no class; known: {', '.join(sorted(place))}")
    if any(given):
        _check_agreement(picture, given, place, good)
        return np.array([place[label] if label else _UNKNOWN for label in given])
    written = next((text for name in MARK_COLUMNS if (text := picture.columns.get(name, "").strip())), "")
    if place[picture.label] == good or not written:
        return np.full(len(looks), _UNKNOWN)
    try:
        boxes = read_boxes(written)
    except ValueError as error:
        raise DataError(f"{picture.path}: labels.csv: {error}") from error
    height, width = read_picture(picture.path).shape[:2]
    shown = [_share_shown(boxes, look.region or (0, 0, width, height)) for look in geometry.looks(height, width)]
    return np.array([
        place[picture.label] if share >= _SEEN_SHARE else good if share == 0 else _UNKNOWN for share in shown
    ])  # fmt: skip


def _check_columns(picture: Picture, looks: Sequence[str | None]) -> None:
    names = [column.removeprefix(REGION_COLUMN) for column in picture.columns if column.startswith(REGION_COLUMN)]
    unknown = [name for name in names if name not in looks]
    if unknown:
        known = ", ".join(str(name) for name in looks)
        raise DataError(f"labels.csv: column '{REGION_COLUMN}{unknown[0]}' names no region; the training has: {known}")


def _check_agreement(picture: Picture, given: Sequence[str], place: dict[str, int], good: int) -> None:
    """Refuse a good part with a defect place, and a defect part of which every place is good."""
    defects = [label for label in given if label and place[label] != good]
    is_good = place[picture.label] == good
    if (is_good and defects) or (not is_good and all(given) and not defects):
        raise DataError(
            f"{picture.path}: is '{picture.label}', but its regions are {', '.join(given)}; correct one of them"
        )


def _share_shown(boxes: Sequence[tuple[float, float, float, float]], region: Region) -> float:
    """Return the largest share of any box that lies in a region."""
    shares = [0.0]
    for x_min, y_min, x_max, y_max in boxes:
        across = max(0.0, min(x_max, region[2]) - max(x_min, region[0]))
        down = max(0.0, min(y_max, region[3]) - max(y_min, region[1]))
        shares.append(across * down / max(1e-9, (x_max - x_min) * (y_max - y_min)))
    return max(shares)


def _find_places(examples: Examples, is_known: NDArray[np.bool_], good: int, seed: int) -> Examples:
    """Return examples in which one look of each unclear defect picture carries its label and the rest weigh nothing.

    Source:
        Andrews, Tsochantaridis, Hofmann (2002), "Support vector machines for multiple-instance learning" (MI-SVM); that
        each picture is judged by a model which has not seen its group: own.
    """
    per_picture = np.bincount(examples.picture)[examples.picture]
    is_placed = np.zeros(examples.picture.max() + 1, bool)  # pictures whose defect is known to lie in another look
    is_placed[examples.picture[is_known & (examples.labels != good)]] = True
    given = np.where(is_known | ~is_placed[examples.picture], examples.weights, 0.0)
    weights = np.where(is_known, given, given / per_picture)
    folds = cut_folds(examples, _FOLDS, seed)
    for _ in range(_ROUNDS):
        current = replace(examples, weights=weights)
        scores: Array = np.zeros(len(examples.labels))
        for fold, linear in zip(folds, refit(current, folds, _STRENGTH, HeadSettings()), strict=True):
            logits = linear.logits(examples.features[fold.held_out])
            scores[fold.held_out] = np.delete(logits, good, 1).max(1) - logits[:, good]
        worst = worst_rows(np.where(is_known, -np.inf, scores), examples.picture)
        chosen = np.zeros(len(scores), bool)
        chosen[worst] = True
        weights = np.where(is_known | chosen, given, 0.0)
    return replace(examples, weights=weights)
