"""The calibration in the graph: the same sums as in training, exported, and never a number out of none."""

import numpy as np
import onnxruntime
import pytest
import torch

from partgate.models.calibration import CalibratedProbabilities
from partgate.models.export import export_onnx
from partgate.training.calibration import Calibration

KNOTS = ((0.0, 0.01), (0.2, 0.05), (0.3, 0.5), (0.8, 0.7), (1.0, 0.99))


@pytest.fixture(scope="module")
def exported() -> onnxruntime.InferenceSession:
    """Three classes, the middle one good; the exporter's fixed picture input stands in front."""
    return onnxruntime.InferenceSession(export_onnx(FromPicture(), 1, 3, ["probabilities"]))


class FromPicture(torch.nn.Module):
    """Takes the three reds of a 1 x 3 picture as logits: 100 is 0, one level 0.1; 255 is no number."""

    def __init__(self) -> None:
        super().__init__()
        self.calibrated = CalibratedProbabilities(KNOTS, 1, 3)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Return probabilities (1, 3)."""
        levels = picture[:, 0, :, 0].float()
        return self.calibrated(torch.where(levels == 255, torch.log(levels - 256), (levels - 100) / 10))


def picture_of(*levels: int) -> np.ndarray:
    return np.array(levels, np.uint8).reshape(1, 1, 3, 1).repeat(3, 3)


def in_training(logits: np.ndarray, good: int) -> np.ndarray:
    return Calibration(1.0, np.zeros(logits.shape[1]), good, KNOTS).apply(logits.astype(float))


@pytest.mark.parametrize(("knots", "good"), [(KNOTS, None), (KNOTS, 2)], ids=["no-good-class", "unknown-good-class"])
def test_map_without_a_good_class_is_refused(knots: tuple, good: int | None):
    with pytest.raises(ValueError, match=f"needs a good class among 2, got {good}"):
        CalibratedProbabilities(knots, good, 2)


@pytest.mark.parametrize(
    ("knots", "message"),
    [
        (((0.0, 0.1),), "must reach from score 0 to score 1"),
        (((0.1, 0.1), (1.0, 0.9)), "must reach from score 0 to score 1"),
        (((0.0, 0.1), (0.9, 0.9)), "must reach from score 0 to score 1"),
        (((0.0, 0.1), (0.5, 0.1), (1.0, 0.9)), "must rise within 0..1"),
        (((0.0, 0.1), (0.0, 0.2), (1.0, 0.9)), "must rise within 0..1"),
        (((0.0, -0.1), (1.0, 0.9)), "must rise within 0..1"),
        (((0.0, 0.1), (1.0, 1.1)), "must rise within 0..1"),
    ],
    ids=["one-knot", "starts-late", "ends-early", "level", "upright", "below-0", "above-1"],
)
def test_map_that_does_not_rise_from_0_to_1_is_refused(knots: tuple, message: str):
    with pytest.raises(ValueError, match=message):
        CalibratedProbabilities(knots, 0, 2)


@pytest.mark.parametrize("spoiled", [0, 1, 2], ids=["defect", "good", "other-defect"])
def test_logit_that_is_no_number_makes_every_probability_none(spoiled: int, exported: onnxruntime.InferenceSession):
    logits = torch.zeros(1, 3)
    logits[0, spoiled] = torch.nan
    levels = [100, 100, 100]
    levels[spoiled] = 255

    assert torch.isnan(CalibratedProbabilities(KNOTS, 1, 3)(logits)).all()
    assert np.isnan(exported.run(None, {"picture": picture_of(*levels)})[0]).all()


def test_engine_whose_ramps_swallow_nan_still_gives_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "relu", lambda values: torch.nan_to_num(values).clamp(min=0))

    found = CalibratedProbabilities(KNOTS, 1, 2)(torch.tensor([[0.0, torch.nan]]))

    assert torch.isnan(found).all()


@pytest.mark.parametrize(("classes", "good"), [(2, 0), (2, 1), (4, 0), (4, 2), (4, 3)])
def test_graph_says_what_training_says(classes: int, good: int):
    logits = np.random.default_rng(0).normal(0, 4, (2000, classes)).astype(np.float32)

    found = CalibratedProbabilities(KNOTS, good, classes)(torch.from_numpy(logits)).numpy()

    assert np.abs(found - in_training(logits, good)).max() < 1e-6


def test_exported_graph_says_what_training_says(exported: onnxruntime.InferenceSession):
    levels = np.random.default_rng(1).integers(0, 201, (300, 3))

    found = np.concatenate([exported.run(None, {"picture": picture_of(*row)})[0] for row in levels])

    assert np.abs(found - in_training((levels - 100) / 10, 1)).max() < 1e-6


def test_score_of_0_still_knows_which_defect_is_the_likelier():
    logits = torch.tensor([[0.0, 200.0, np.log(3.0)]], dtype=torch.float32)  # e^-200 is 0 in single precision

    found = CalibratedProbabilities(KNOTS, 1, 3)(logits)[0].tolist()

    assert found == pytest.approx([0.0025, 0.99, 0.0075])  # 0.01 in shares of 1 to 3


def test_higher_scores_never_become_lower_ones():
    good_logits = torch.linspace(20, -20, 20001)
    logits = torch.stack([torch.zeros(20001), good_logits], 1)

    scores = CalibratedProbabilities(KNOTS, 1, 2)(logits)[:, 0]

    assert (scores.diff() >= 0).all()
    assert scores[0] == pytest.approx(0.01)
    assert scores[-1] == pytest.approx(0.99)


def test_without_a_map_it_is_the_softmax():
    found = CalibratedProbabilities(None, None, 2)(torch.tensor([[0.0, np.log(3.0)]]))

    assert found[0].tolist() == pytest.approx([0.25, 0.75])
