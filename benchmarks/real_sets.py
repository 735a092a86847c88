"""The real defect sets: how each is read, what is known about its parts, how it is cut into folds."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from partgate.data.folder import LabelledFolder, Picture, read_folder
from partgate.training.config import TrainingConfig, load_training

_BOTH = ["left_right", "up_down"]
_PLACES = {
    "top left": (5, 69, 261, 326), "top right": (305, 69, 561, 326),
    "bottom left": (5, 429, 261, 686), "bottom right": (325, 429, 581, 686),
}  # fmt: skip

KNOWN: Mapping[str, Mapping[str, Any]] = {
    # What the engineer of each product would write into the training file; from the parts, never from a result.
    "ball_screw": {},
    "casting_impeller": {},  # the blades turn one way: a mirrored impeller is no good part
    "fabric_stain": {"flips": _BOTH},
    "magnetic_tile": {"flips": _BOTH},
    "screw_presence": {"regions": _PLACES},  # four screws, of which each may be missing
    "steel_strip": {"flips": _BOTH, "good_class": "none"},
    "toy_figure": {},
    "solar_cells": {"flips": _BOTH},
}
ONE_GROUP = frozenset({"screw_presence"})  # nothing but folds by picture is possible
_MOST_FOLDS = 5
_TEST_SHARE = 0.25
Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True, slots=True)
class DefectSet:
    """One set, in the order of its ``labels.csv``."""

    name: str
    folder: LabelledFolder
    pictures: tuple[Picture, ...]
    labels: NDArray[np.int64]  # (N,) index of the class
    groups: NDArray[np.str_]  # (N,) as given

    def config(self, preset: str, seed: int) -> TrainingConfig:
        """Return the training settings of this product with a preset."""
        return load_training(self.folder.folder, preset, seed=seed, **KNOWN[self.name])


def read_set(name: str, folder: Path) -> DefectSet:
    """Return a set; ``labels.csv`` gives the order and the groups."""
    found = read_folder(folder, KNOWN[name].get("good_class"), independent=name in ONE_GROUP)
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as text:
        given = {row["file"]: (place, row.get("group", row["file"])) for place, row in enumerate(csv.DictReader(text))}
    pictures = tuple(sorted(found.pictures, key=lambda picture: given[picture.file]))
    if name == "screw_presence":
        pictures = tuple(_with_places(picture) for picture in pictures)
    return DefectSet(
        name, found, pictures,
        np.array([found.classes.index(picture.label) for picture in pictures]),
        np.array([given[picture.file][1] for picture in pictures]),
    )  # fmt: skip


def _with_places(picture: Picture) -> Picture:
    """Return the picture with a label for each screw: column ``slots`` tells 1 or 0 in the order of the places."""
    labels = {"1": "good", "0": "missing_screw"}
    of_place = {f"region.{name}": labels[slot] for name, slot in zip(_PLACES, picture.columns["slots"], strict=True)}
    return replace(picture, columns={**picture.columns, **of_place})


def make_folds(labels: NDArray[np.int64], groups: NDArray[np.str_], seed: int) -> tuple[Folds, str]:
    """Return pairs of learned and held-out rows, and how they were cut, in words.

    Args:
        labels: Class of each picture, shape (N,).
        groups: Group of each picture, shape (N,).
        seed: Of the shuffling.
    """
    per_class: dict[int, set[str]] = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        per_class[int(label)].add(str(group))
    rarest = min(len(found) for found in per_class.values())
    if rarest < 2:
        by_picture = StratifiedKFold(_MOST_FOLDS, shuffle=True, random_state=seed)
        return list(by_picture.split(labels, labels)), f"{_MOST_FOLDS} folds by picture, not independent"
    folds = min(_MOST_FOLDS, rarest)
    cutter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(cutter.split(labels, labels, groups)), f"{folds} folds by group"


def deal_out(pictures: Sequence[Picture], seed: int) -> tuple[list[int], list[int]]:
    """Return the rows to learn from, 75 %, and the rows to judge, alike in grade and cell type.

    Args:
        pictures: Solar cells with the columns ``grade`` and ``cell_type``, in the package's own order.
        seed: Of the draw.
    """
    strata = [f"{picture.columns['grade']} {picture.columns['cell_type']}" for picture in pictures]
    learned, test = train_test_split(range(len(strata)), test_size=_TEST_SHARE, stratify=strata, random_state=seed)
    return list(learned), list(test)


def draw_sure(data: DefectSet, rows: Sequence[int], of_each: int, seed: int) -> list[int]:
    """Return so many rows of each class whose grade is sure (0 or 1)."""
    rng = np.random.default_rng(seed)
    drawn: list[int] = []
    for label in range(len(data.folder.classes)):
        sure = [i for i in rows if data.labels[i] == label and float(data.pictures[i].columns["grade"]) in (0, 1)]
        drawn += [int(i) for i in rng.choice(sure, of_each, replace=False)]
    return drawn
