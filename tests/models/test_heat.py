"""Heat: where a logit comes from adds up to the logit, in torch and in the exported graph."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from partgate.inference.engine import PROBABILITIES, OnnxEngine
from partgate.inference.outputs import keep_outputs
from partgate.models.calibration import CalibratedProbabilities
from partgate.models.classifier import Axes, Branch, Classifier, Eye
from partgate.models.export import export_onnx
from partgate.models.heat import lay_out_logits, mean_over_views
from partgate.models.registry import find_backbone

HEIGHT, WIDTH, CLASSES = 24, 40, 3
CHANNELS = (4, 6, 5)
ALL_VIEWS = ((), (2,), (1,), (1, 2))


class Depths(nn.Module):
    """Maps of several depths, each half the size of the one before."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(channels)
        )
        self.names = tuple(f"maps_{place}" for place in range(len(channels) - 1))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for layer in self.layers:
            x = torch.relu(layer(x))
            maps.append(x)
        return maps


def made_branch(seed: int, body: nn.Module) -> Branch:
    rng, features = np.random.default_rng(seed), 2 * sum(CHANNELS)
    return Branch(
        body, rng.normal(size=(CLASSES, features)), rng.normal(size=CLASSES), rng.normal(size=features),
        np.exp(rng.normal(size=features)),
    )  # fmt: skip


def made_classifier(mix: Sequence[float] = (1.0,), views: Sequence[Axes] = ((),), *, whole: bool = False) -> Classifier:
    torch.manual_seed(0)
    trunk = None if whole else Depths((3, *CHANNELS[:2]))
    bodies = [Depths((3, *CHANNELS)) if whole else Depths(CHANNELS[1:]) for _ in mix]
    branches = [made_branch(seed, body) for seed, body in enumerate(bodies)]
    shift, knots = np.array([0.1, -0.2, 0.3]), ((0.0, 0.1), (0.4, 0.2), (1.0, 0.95))
    last = CalibratedProbabilities(knots, 1, CLASSES)
    return Classifier(Eye(find_backbone("resnet18")), trunk, branches, mix, shift, last, views)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def test_nan_in_a_map_never_becomes_a_number() -> None:
    maps = torch.tensor([[[[1.0, math.nan]]]])

    (heat,) = lay_out_logits([maps], torch.ones(1, 2), torch.zeros(2), torch.ones(2))

    assert torch.isnan(heat.sum())


def test_mean_is_shared_as_the_values_are_and_maximum_stands_at_its_place() -> None:
    maps = torch.tensor([[[[2.0, 6.0], [4.0, 4.0]]]])  # mean 4, maximum 6
    weight, mean, std = torch.tensor([[10.0, 100.0]]), torch.tensor([3.0, 4.0]), torch.tensor([0.5, 2.0])

    (heat,) = lay_out_logits([maps], weight, mean, std)

    # mean: 10 * (value - 3) / 0.5 / 4 places = 5 * (value - 3); maximum: 100 * (6 - 4) / 2 = 100
    assert heat.tolist() == [[[[-5.0, 115.0], [5.0, 5.0]]]]


def test_places_that_tie_for_the_maximum_share_it() -> None:
    maps = torch.zeros(1, 1, 2, 2)  # a channel that never fires

    (heat,) = lay_out_logits([maps], torch.tensor([[0.0, 8.0]]), torch.tensor([0.0, -1.0]), torch.ones(2))

    assert heat.tolist() == [[[[2.0, 2.0], [2.0, 2.0]]]]


def test_view_mirrored_both_ways_is_turned_back() -> None:
    heat = torch.zeros(2, 1, 2, 2)
    heat[0, 0, 0, 0], heat[1, 0, 1, 1] = 1.0, 3.0  # top left, and bottom right of the mirrored view

    assert mean_over_views(heat, [(), (1, 2)]).tolist() == [[[[2.0, 0.0], [0.0, 0.0]]]]


@pytest.mark.parametrize(
    ("mix", "views", "whole"),
    [
        ((1.0,), ((),), False),
        ((0.25, 0.5), ((),), False),
        ((1.0,), ALL_VIEWS, False),
        ((0.3, 0.3, 0.2), ALL_VIEWS, True),
    ],
    ids=["one-branch", "two-branches-mixed", "mirrored-views", "three-whole-networks-and-views"],
)
def test_heat_and_bias_of_the_exported_graph_add_up_to_its_logits(
    mix: tuple[float, ...], views: tuple[Axes, ...], whole: bool, caplog: pytest.LogCaptureFixture
) -> None:
    model = made_classifier(mix, views, whole=whole)

    engine = OnnxEngine(export_onnx(model, HEIGHT, WIDTH, model.output_names))

    assert engine.outputs == model.output_names
    assert engine.outputs[-4:] == ("heat_0", "heat_1", "heat_2", "heat_bias")
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]
    for seed in range(3):
        logits, *levels, bias = engine.run(picture(seed), ("logits", *engine.outputs[-4:]))
        assert [level.shape for level in levels] == [(3, 12, 20), (3, 6, 10), (3, 3, 5)]
        assert sum(level.sum((1, 2)) for level in levels) + bias == pytest.approx(logits, abs=1e-4)


def test_heat_of_a_mirrored_picture_is_mirrored_where_views_are_averaged() -> None:
    model = made_classifier(views=((), (2,)))
    names = model.output_names

    with torch.inference_mode():
        seen = torch.from_numpy(picture())[None]
        found, mirrored = (dict(zip(names, model(one), strict=True)) for one in (seen, seen.flip(2)))

    for level in ("heat_0", "heat_1", "heat_2"):
        assert torch.allclose(found[level], mirrored[level].flip(3), atol=1e-5)


def test_heat_changes_no_bit_of_the_probabilities() -> None:
    model = made_classifier((0.5, 0.5), ALL_VIEWS)
    graph = export_onnx(model, HEIGHT, WIDTH, model.output_names)

    whole, live = OnnxEngine(graph), OnnxEngine(keep_outputs(graph, (PROBABILITIES,)))

    for seed in range(3):
        (live_one,), whole_one = live.run(picture(seed)), whole.run(picture(seed), whole.outputs)[0]
        with torch.inference_mode():
            trained = model(torch.from_numpy(picture(seed))[None])[0][0].numpy()
        np.testing.assert_array_equal(live_one, whole_one)
        assert live_one == pytest.approx(trained, abs=1e-5)
