"""Cross-validation by group: partgate's quick preset and the floor, learning and judging the same folds."""

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from floor import floor_probabilities
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from partgate.data.folder import LabelledFolder, Picture, read_folder
from partgate.decision import DecisionRule
from partgate.evaluation.rates import auroc, balanced_accuracy, confusion_matrix
from partgate.evaluation.threshold import choose_limits
from partgate.inference.bundle import Geometry
from partgate.inference.engine import OnnxEngine
from partgate.inference.inspector import to_prediction
from partgate.models.backbones import load_backbone
from partgate.models.classifier import FeatureNetwork
from partgate.models.export import export_onnx
from partgate.models.registry import find_backbone
from partgate.parts import Prediction, Verdict
from partgate.training.config import TrainingConfig, load_training
from partgate.training.features import cached_bytes, compute_features
from partgate.training.head import Examples, fit_head
from partgate.training.look import choose_geometry

SORTED_BY_CLASS = frozenset({"steel_strip"})  # no class is the good one
ONE_GROUP = frozenset({"screw_presence"})  # nothing but folds by picture is possible
_MOST_FOLDS = 5
Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]
Figures = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class DefectSet:
    """One set, in the order of its ``labels.csv``."""

    name: str
    folder: LabelledFolder
    config: TrainingConfig
    pictures: tuple[Picture, ...]
    labels: NDArray[np.int64]  # (N,) index of the class
    groups: NDArray[np.str_]  # (N,) as given


@dataclass(slots=True)
class Tally:
    """What one method did to every picture of a set, once."""

    probabilities: NDArray[np.float64]  # (N, C)
    verdicts: NDArray[np.int64]  # (N,) numbers of ``Verdict``
    even_shares: NDArray[np.float64]  # as if classes were equal


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


def read_set(name: str, data: Path) -> DefectSet:
    """Return a set with the quick preset's settings for it."""
    config = load_training(data / name, "quick", good_class="none" if name in SORTED_BY_CLASS else None)
    folder = read_folder(data / name, config.good_class, independent=name in ONE_GROUP)
    with (data / name / "labels.csv").open(encoding="utf-8", newline="") as text:
        given = {row["file"]: (place, row["group"]) for place, row in enumerate(csv.DictReader(text))}
    pictures = tuple(sorted(folder.pictures, key=lambda picture: given[picture.file]))
    return DefectSet(
        name, folder, config, pictures,
        np.array([folder.classes.index(picture.label) for picture in pictures]),
        np.array([given[picture.file][1] for picture in pictures]),
    )  # fmt: skip


def feature_graph(config: TrainingConfig, height_px: int, width_px: int) -> tuple[bytes, str]:
    """Return the frozen network as partgate exports it, and a key that names it."""
    spec = find_backbone(config.backbone)
    backbone, sha256 = load_backbone(spec, config.weights, config.weights_sha256)
    key = f"benchmark {sha256} {height_px} {width_px}"

    def export() -> bytes:
        network = FeatureNetwork(spec, backbone, height_px, width_px).eval()
        return export_onnx(network, height_px, width_px, ("features", *network.map_names))

    return cached_bytes(f"graphs/benchmark-{sha256[:16]}-{height_px}x{width_px}.onnx", export), key


class Product:
    """The quick preset on one set; features are computed once for each input size."""

    def __init__(self, data: DefectSet, threads: int) -> None:
        self._data, self._threads = data, threads
        self._features: dict[Geometry, NDArray[np.float32]] = {}

    def judge(self, folds: Folds, seed: int) -> Tally:
        """Learn and judge each fold; the limits never see it."""
        n, classes = len(self._data.labels), len(self._data.folder.classes)
        tally = Tally(np.zeros((n, classes)), np.zeros(n, np.int64), np.zeros((n, classes)))
        for learned, held_out in folds:
            features = self._features_for(learned)
            examples = self._examples(features, learned)
            head = fit_head(examples, self._data.config.head, seed, _quiet)
            rule = self._rule(head.out_of_fold, examples.labels)
            found = _softmax(features[held_out] @ head.weight.T + head.bias)
            shares = np.bincount(examples.labels, examples.weights, classes) / examples.weights.sum()
            tally.probabilities[held_out] = found
            tally.even_shares[held_out] = found / np.maximum(shares, 1e-6)
            tally.verdicts[held_out] = [int(rule.decide(self._predict(row)).verdict) for row in found]
        return tally

    def _predict(self, row: NDArray[np.float64]) -> Prediction:
        return to_prediction(row, self._data.folder.classes, self._data.folder.good_class)

    def _features_for(self, learned: NDArray[np.int64]) -> NDArray[np.float32]:
        data = self._data
        geometry = choose_geometry([data.pictures[i] for i in learned], data.config)
        if geometry not in self._features:
            graph, key = feature_graph(data.config, geometry.height_px, geometry.width_px)
            engine = OnnxEngine(graph)
            found = compute_features(data.pictures, engine, geometry, key, self._threads, _quiet)
            if found.unreadable:
                raise RuntimeError(f"{data.name}: {len(found.unreadable)} unreadable: {found.unreadable[0]}")
            self._features[geometry] = found.features
        return self._features[geometry]

    def _examples(self, features: NDArray[np.float32], learned: NDArray[np.int64]) -> Examples:
        pictures = [self._data.pictures[i] for i in learned]
        return Examples(
            features[learned],
            self._data.labels[learned],
            np.array([picture.group for picture in pictures]),
            np.array([picture.weight for picture in pictures], float),
            len(self._data.folder.classes),
        )

    def _rule(self, out_of_fold: NDArray[np.float64], labels: NDArray[np.int64]) -> DecisionRule:
        good = self._data.folder.good_class
        scores = np.array([self._predict(row).defect_score for row in out_of_fold])
        if good is None:
            limits = choose_limits(scores, out_of_fold.argmax(1) != labels, self._data.config.decision, chances=scores)
            return DecisionRule(limits.recheck_from, 1.0)  # sorting knows sure and unsure, as training does it
        is_defect = labels != self._data.folder.classes.index(good)
        limits = choose_limits(scores, is_defect, self._data.config.decision, chances=scores)
        return DecisionRule(limits.recheck_from, limits.reject_from)


def judge_by_floor(data: DefectSet, features: NDArray[np.float32], folds: Folds) -> Tally:
    """Return the floor's verdicts: good where good is the most likely class."""
    classes = data.folder.classes
    found = np.zeros((len(data.labels), len(classes)))
    for learned, held_out in folds:
        found[held_out] = floor_probabilities(features, data.labels, learned, held_out, len(classes))
    good = data.folder.good_class
    passes = found.argmax(1) == classes.index(good) if good else np.ones(len(found), bool)
    return Tally(found, np.where(passes, Verdict.GOOD, Verdict.REJECT), found)


def rate(data: DefectSet, tally: Tally) -> Figures:
    """Return the figures of one method on one set with one seed."""
    classes, good = data.folder.classes, data.folder.good_class
    passed, rechecked = tally.verdicts == Verdict.GOOD, tally.verdicts == Verdict.RECHECK
    figures: Figures = {
        "balanced_accuracy": _balanced(data, tally.probabilities),
        "balanced_accuracy_even_shares": _balanced(data, tally.even_shares),
        "rechecks": int(rechecked.sum()),
    }
    if good is None:
        wrong = passed & (tally.probabilities.argmax(1) != data.labels)
        return figures | {"wrong_class": int(wrong.sum())}
    is_defect = data.labels != classes.index(good)
    escapes, false_rejects = is_defect & passed, ~is_defect & (tally.verdicts == Verdict.REJECT)
    ratio = data.config.decision.cost_ratio
    return figures | {
        "escapes": int(escapes.sum()),
        "false_rejects": int(false_rejects.sum()),
        "cost": float(ratio * escapes.sum() + false_rejects.sum()),
        "auroc": auroc(1 - tally.probabilities[:, classes.index(good)], is_defect),
    }


def _balanced(data: DefectSet, probabilities: NDArray[np.float64]) -> float | None:
    names = data.folder.classes
    truth = [names[i] for i in data.labels]
    return balanced_accuracy(confusion_matrix(truth, [names[i] for i in probabilities.argmax(1)], names))


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), float)


def _quiet(_what: str, _done: int, _of: int) -> None:
    return
