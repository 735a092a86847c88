"""The network that judges: branches and mirrored views are averaged as logits, and the exported graph says the same."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from partgate.inference.engine import OnnxEngine
from partgate.models.backbones import build_backbone
from partgate.models.calibration import CalibratedProbabilities
from partgate.models.classifier import Branch, Classifier, Eye, FeatureNetwork, cut_backbone, pool_stages
from partgate.models.export import export_onnx
from partgate.models.registry import find_backbone

HEIGHT, WIDTH, CLASSES = 64, 96, 3
SPEC = find_backbone("resnet18")
FEATURES = 2 * (128 + 256 + 512)  # mean and maximum of the maps of each depth
KNOTS = ((0.0, 0.1), (0.4, 0.2), (1.0, 0.95))


def made_backbone() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_backbone(SPEC).eval()


def made_head(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(CLASSES, FEATURES)) / 9,
        rng.normal(size=CLASSES),
        rng.normal(size=FEATURES),
        np.exp(rng.normal(size=FEATURES)),
    )


def made_classifier(
    branches: int = 1, mix: Sequence[float] = (1.0,), views: Sequence[tuple[int, ...]] = ((),), *, whole: bool = False,
    knots: tuple[tuple[float, float], ...] | None = None,
) -> Classifier:  # fmt: skip
    made = []
    for number in range(branches):
        parts = cut_backbone(SPEC, made_backbone(), HEIGHT, WIDTH, whole=whole)
        with torch.no_grad():
            for value in parts.body.parameters():
                value.mul_(1 + 0.05 * number)  # as if each had learned something else
        made.append(Branch(parts.body, *made_head(number)))
    probabilities = CalibratedProbabilities(knots, 1, CLASSES)
    return Classifier(Eye(SPEC), parts.trunk, made, mix, np.array([0.1, -0.2, 0.3]), probabilities, views)


def pictures(count: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(0, 255, (count, HEIGHT, WIDTH, 3), np.uint8))


def logits(model: Classifier, seen: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return model(seen)[1].numpy()


@pytest.mark.parametrize("whole", [False, True], ids=["last-stages", "whole"])
def test_mean_over_views_is_the_mean_of_the_mirror_pictures_logits(whole: bool):
    plain, seen = made_classifier(whole=whole), pictures()
    averaged = made_classifier(views=((), (2,), (1,), (1, 2)), whole=whole)

    found = logits(averaged, seen)

    mirrored = [seen, seen.flip(2), seen.flip(1), seen.flip(1, 2)]
    assert found == pytest.approx(np.mean([logits(plain, one) for one in mirrored], 0), abs=1e-4)
    assert np.abs(logits(plain, seen) - logits(plain, seen.flip(2))).max() > 1e-3


def test_branches_count_by_their_share():
    shift = np.array([0.1, -0.2, 0.3])
    both = made_classifier(branches=2, mix=(0.25, 0.5))
    seen = pictures()
    first, second = (logits(made_classifier(branches=2, mix=mix), seen) - shift for mix in ((1.0, 0.0), (0.0, 1.0)))

    found = logits(both, seen)

    assert found == pytest.approx(0.25 * first + 0.5 * second + shift, abs=1e-4)


def test_frozen_branch_says_what_a_linear_head_says_on_the_features():
    network = FeatureNetwork(SPEC, made_backbone(), HEIGHT, WIDTH).eval()
    weight, bias, _, _ = made_head(0)
    seen = pictures()
    with torch.inference_mode():
        features = network(seen)[0].numpy()

    found = logits(made_classifier(), seen)

    assert found == pytest.approx(features @ weight.T + bias + [0.1, -0.2, 0.3], abs=2e-3)


def test_first_views_features_and_maps_are_given_beside_the_probabilities():
    plain, averaged, seen = made_classifier(), made_classifier(views=((), (2,))), pictures()

    with torch.inference_mode():
        expected, found = plain(seen), averaged(seen)

    assert len(found) == len(averaged.output_names)
    assert averaged.output_names[:6] == ("probabilities", "logits", "features", "maps_0", "maps_1", "maps_2")
    for one, other in zip(found[2:6], expected[2:6], strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, atol=1e-4)


def test_whole_network_and_cut_network_give_outputs_of_the_same_names():
    assert made_classifier().output_names == made_classifier(whole=True).output_names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("branches", "mix", "views", "whole", "knots"),
    [
        (1, (1.0,), ((),), False, None),
        (3, (0.4, 0.3, 0.3), ((), (2,), (1,), (1, 2)), False, KNOTS),
        (2, (0.5, 0.5), ((), (2,)), True, KNOTS),
    ],
    ids=["frozen", "branches-flips-and-knots", "whole-networks"],
)
def test_exported_graph_says_the_same_as_torch(
    branches: int, mix: tuple[float, ...], views: tuple[tuple[int, ...], ...], whole: bool,
    knots: tuple[tuple[float, float], ...] | None,
):  # fmt: skip
    model = made_classifier(branches, mix, views, whole=whole, knots=knots)
    seen = pictures(3)

    engine = OnnxEngine(export_onnx(model, HEIGHT, WIDTH, model.output_names))

    assert engine.outputs == model.output_names
    for picture in seen:
        with torch.inference_mode():
            expected = [one[0].numpy() for one in model(picture[None])]
        for one, other in zip(engine.run(picture.numpy(), model.output_names), expected, strict=True):
            assert one.shape == other.shape
            assert one == pytest.approx(other, abs=2e-4, rel=1e-4)


def test_pooled_features_are_mean_and_maximum_of_each_depth():
    maps = [torch.tensor([[[[1.0, 3.0]], [[5.0, 7.0]]]]), torch.tensor([[[[9.0]]]])]

    assert pool_stages(maps).tolist() == [[2.0, 6.0, 3.0, 7.0, 9.0, 9.0]]


def test_branch_stays_in_evaluation_mode_so_that_it_draws_no_random_numbers():
    branch = made_classifier().branches[0]

    assert not any(module.training for module in branch.modules())
