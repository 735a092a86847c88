"""Exported = trained: what differs is refused, by score and by verdict."""

import numpy as np
import pytest
import torch

from partgate.decision import DecisionRule
from partgate.errors import TrainingError
from partgate.models.backbones import build_backbone
from partgate.models.calibration import CalibratedProbabilities
from partgate.models.classifier import Branch, Classifier, Eye, cut_backbone
from partgate.models.export import prove_equal
from partgate.models.registry import find_backbone

CLASSES = ("defect", "good")
SIZE = 64


def made_classifier() -> Classifier:
    """Return a classifier with random weights whose head looks at the first stage's features alone."""
    torch.manual_seed(0)
    spec = find_backbone("efficientnet_lite0")
    parts = cut_backbone(spec, build_backbone(spec).eval(), SIZE, SIZE, whole=False)
    assert parts.trunk is not None
    size = 2 * (40 + 80 + 112 + 1280)  # mean and maximum of the maps of each depth
    weight = np.random.default_rng(0).normal(size=(2, size)) / size
    branch = Branch(parts.body, weight, np.zeros(2), np.zeros(size), np.ones(size))
    return Classifier(Eye(spec), parts.trunk, [branch], [1.0], np.zeros(2), CalibratedProbabilities(None, 1, 2))


def made_pictures(count: int = 3) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 255, (count, SIZE, SIZE, 3), np.uint8))


def test_export_that_differs_from_the_trained_model_is_refused():
    exported = np.full((3, 2), 0.25, np.float32)

    with pytest.raises(TrainingError, match=r"differs from the trained one: .*no bundle was written"):
        prove_equal(made_classifier(), exported, made_pictures(), DecisionRule(0.01, 0.01), CLASSES, "good")


def test_export_with_one_changed_verdict_is_refused_however_near_the_scores_are():
    model = made_classifier()
    with torch.inference_mode():
        trained = model(torch.from_numpy(made_pictures()[0][None]))[0].numpy()
    limit = float(trained[0][0]) + 1e-6
    exported = trained + np.array([[2e-6, -2e-6]], np.float32)

    with pytest.raises(TrainingError, match="1 of 1 verdicts changed"):
        prove_equal(model, exported, made_pictures()[:1], DecisionRule(limit, limit), CLASSES, "good")
