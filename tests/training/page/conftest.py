"""What a training knows at its end, made by hand: six judged pictures, two kept for the test."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from partgate.data.folder import LabelledFolder, Picture
from partgate.evaluation.threshold_words import ChosenLimits
from partgate.inference.bundle import BackboneFacts, Geometry
from partgate.models.export import Proof
from partgate.models.registry import find_backbone
from partgate.training.calibration import Calibration
from partgate.training.config import load_training
from partgate.training.features import FeatureSet
from partgate.training.fine_tune import Epoch, Tuned
from partgate.training.head import FittedHead, Linear
from partgate.training.judged import OutOfFold
from partgate.training.learn import Learned
from partgate.training.look import Backbone
from partgate.training.outcome import Story
from partgate.training.tuning import Choice, Kind

# One escape, one false reject where both limits are 0.5.
SCORES: Mapping[str, float] = {
    "good/a.png": 0.1, "good/b.png": 0.2, "good/c.png": 0.9,
    "defect/a.png": 0.05, "defect/b.png": 0.7, "defect/c.png": 0.95,
}  # fmt: skip
LIMITS = ChosenLimits(0.5, 0.5, 3, 3, 1, 1, 0, 0, 0.5, "cheapest", ())
ROUNDS = (Epoch(1, 0.9, 0.5, 4.0), Epoch(2, 0.6, 0.31, 5.0), Epoch(3, 0.4, 0.35, 6.0))
NO_LINEAR = Linear(np.zeros((2, 1)), np.zeros(2), np.zeros(1), np.ones(1))


class Reader(HTMLParser):
    """Reads what a person sees when one language is chosen."""

    void = frozenset({"meta", "input", "img", "rect", "line", "path", "circle", "polyline"})

    def __init__(self, language: str) -> None:
        super().__init__()
        self.language = language
        self.open: list[bool] = []  # one entry per open element: hidden?
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.void:
            other = tag != "html" and dict(attrs).get("lang", self.language) != self.language
            self.open.append(other or tag in ("style", "script"))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            self.open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        if not any(self.open):
            self.seen.append(data)


@pytest.fixture
def read() -> Callable[..., str]:
    """A function: the words of a page in one language, spaces made equal."""

    def words(page: str, language: str = "en") -> str:
        reader = Reader(language)
        reader.feed(page)
        reader.close()
        assert reader.open == []
        return re.sub(r"\s+", " ", " ".join(reader.seen).replace("\u00a0", " "))

    return words


@pytest.fixture
def make_tuned() -> Callable[..., Tuned]:
    """A function: three rounds of fine-tuning by two folds, the second one the best."""

    def make(**changes: Any) -> Tuned:
        branches: Any = (None, None)
        return replace(Tuned(branches, np.zeros((6, 2)), 0.31, 2, 6, ROUNDS, ()), **changes)

    return make


@pytest.fixture
def make_story(make_folder: Callable[..., Path], tmp_path: Path) -> Callable[..., Story]:
    """A function: the story of a training on eight pictures that lie in ``tmp_path / "covers"``."""

    def make(
        *,
        config: Mapping[str, Any] | None = None,
        tuned: Tuned | None = None,
        losses: Mapping[Kind, float] | None = None,
        kind: Kind = "frozen",
        groups: Sequence[str] | None = None,
        good_class: str | None = "good",
        **changes: Any,
    ) -> Story:
        folder = labelled(make_folder(tmp_path / "covers", {"good": 1, "defect": 1}), groups, good_class)
        judged = [picture for picture in folder.pictures if picture.file in SCORES]
        no_parts: Any = None
        choice = Choice(kind, no_parts, (), (1.0,), np.zeros((6, 2)), dict(losses or {kind: 0.4}))
        head = FittedHead(NO_LINEAR, np.zeros((6, 2)), 0.4, 0.003, 5)
        learned = Learned(backbone(), features(judged), head, tuned, choice, out_of_fold(judged), ())
        sides = {picture.file: side_of(picture.file) for picture in folder.pictures}
        settings, started = load_training(folder.folder, **(config or {})), datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
        return replace(Story(settings, folder, sides, learned, LIMITS, Proof(6, 3e-6, 0), (), started), **changes)

    return make


def labelled(folder: Path, groups: Sequence[str] | None, good_class: str | None) -> LabelledFolder:
    """Return eight pictures; all are the same two files, under further names."""
    pictures = []
    for place, file in enumerate([*SCORES, "good/test.png", "defect/test.png"]):
        label = file.split("/")[0]
        path = folder / file
        path.write_bytes((folder / label / f"{label}_000.png").read_bytes())
        pictures.append(Picture(path, file, label, f"{place:064x}", groups[place] if groups else f"group {place}"))
    return LabelledFolder(folder, tuple(pictures), ("defect", "good"), good_class, True, ())


def side_of(file: str) -> str:
    """Return train for the first pictures, validation for the last, test for those of that name."""
    return "test" if "test" in file else "validation" if "c.png" in file else "train"


def features(pictures: Sequence[Picture]) -> FeatureSet:
    """Return readable pictures, each looked at in one place; nobody here needs their features."""
    count = len(pictures)
    measures = ((100.0, 20.0, 48, 64),) * count
    return FeatureSet(tuple(pictures), (None,), np.zeros((count, 1, 1), np.float32), measures, (), np.arange(count))


def out_of_fold(pictures: Sequence[Picture]) -> OutOfFold:
    """Return the made scores as probabilities."""
    scores = np.array([SCORES[picture.file] for picture in pictures])
    labels = np.array([("defect", "good").index(picture.label) for picture in pictures])
    groups = np.array([picture.group for picture in pictures])
    calibration = Calibration(1.3, np.zeros(2), 1)
    looks, parts = (None,) * len(pictures), tuple(picture.file for picture in pictures)
    return OutOfFold(np.stack([scores, 1 - scores], 1), looks, labels, groups, parts, calibration, "made")


def backbone() -> Backbone:
    """Return a backbone that is never run."""
    facts = BackboneFacts(name="efficientnet_lite0", weights_sha256="0" * 64, licence="none", source="made")
    geometry = Geometry(region=None, height_px=224, width_px=320)
    return Backbone(find_backbone("efficientnet_lite0"), geometry, facts, torch.nn.Identity(), b"", "made")
