"""Every backbone of the registry: train → export → proof on tiny made pictures, and weights from a file."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from partgate.decision import DecisionRule
from partgate.errors import ConfigError, TrainingError
from partgate.inference.engine import PROBABILITIES, OnnxEngine
from partgate.models.backbones import build_backbone, load_backbone, make_static
from partgate.models.classifier import Classifier, FeatureNetwork
from partgate.models.export import export_onnx, prove_equal
from partgate.models.registry import BACKBONES, find_backbone

CLASSES = ("defect", "good")
RULE = DecisionRule(0.5, 0.5)
SIZE = 64


def made_classifier(name: str) -> Classifier:
    torch.manual_seed(0)
    network = FeatureNetwork(find_backbone(name), build_backbone(find_backbone(name)).eval(), SIZE, SIZE)
    with torch.inference_mode():
        size = network(torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8))[0].shape[1]
    weight = np.random.default_rng(0).normal(size=(2, size)) / size
    return Classifier(network, weight, np.zeros(2))


def made_pictures(count: int = 3) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 255, (count, SIZE, SIZE, 3), np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_exported_backbone_says_the_same_as_the_trained_one(name: str):
    model = made_classifier(name)
    engine = OnnxEngine(export_onnx(model, SIZE, SIZE, model.output_names))
    pictures = made_pictures()
    exported = np.array([engine.run(picture, (PROBABILITIES,))[0] for picture in pictures])

    proof = prove_equal(model, exported, pictures, RULE, CLASSES, "good")

    assert proof.pictures == 3
    assert proof.largest_difference < 1e-4
    assert engine.outputs == model.output_names


def test_export_that_differs_from_the_trained_model_is_refused():
    model = made_classifier("efficientnet_lite0")
    exported = np.full((3, 2), 0.5, np.float32)

    with pytest.raises(TrainingError, match=r"differs from the trained one: .*no bundle was written"):
        prove_equal(model, exported, made_pictures(), DecisionRule(0.01, 0.01), CLASSES, "good")


def test_export_with_one_changed_verdict_is_refused_however_near_the_scores_are():
    model = made_classifier("efficientnet_lite0")
    with torch.inference_mode():
        trained = model(torch.from_numpy(made_pictures()[0][None]))[0].numpy()
    limit = float(trained[0][0]) + 1e-6
    exported = trained + np.array([[2e-6, -2e-6]], np.float32)

    with pytest.raises(TrainingError, match="1 of 1 verdicts changed"):
        prove_equal(model, exported, made_pictures()[:1], DecisionRule(limit, limit), CLASSES, "good")


def test_fixed_padding_gives_the_same_as_the_padding_at_run_time():
    torch.manual_seed(0)
    model = build_backbone(find_backbone("efficientnet_lite0")).eval()
    picture = torch.rand(1, 3, 96, 64)
    with torch.inference_mode():
        before = model(picture)
        after = make_static(model, 96, 64)(picture)

    assert torch.allclose(before, after, atol=1e-6)


def test_weights_of_the_package_are_checked_by_their_hash_and_fit():
    _, sha256 = load_backbone(find_backbone("efficientnet_lite0"))

    assert sha256 == BACKBONES["efficientnet_lite0"].weights_sha256


def test_weights_of_torchvision_come_from_a_file_with_its_hash(tmp_path: Path):
    torch.manual_seed(3)
    saved = build_backbone(find_backbone("mobilenet_v3_large"))
    path = tmp_path / "weights.pth"
    torch.save(saved.state_dict(), path)

    loaded, _ = load_backbone(find_backbone("mobilenet_v3_large"), path, hashlib.sha256(path.read_bytes()).hexdigest())

    for name, value in saved.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])


def test_weights_without_a_hash_are_refused_and_the_hash_is_told(tmp_path: Path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"anything")

    with pytest.raises(TrainingError, match=f"weights_sha256: {hashlib.sha256(b'anything').hexdigest()}"):
        load_backbone(find_backbone("resnet18"), path)


def test_weights_with_another_hash_are_refused(tmp_path: Path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"anything")

    with pytest.raises(TrainingError, match=f"must be {'0' * 64}"):
        load_backbone(find_backbone("resnet18"), path, "0" * 64)


def test_file_that_is_no_state_dict_of_the_backbone_is_refused(tmp_path: Path):
    path = tmp_path / "weights.pth"
    torch.save({"layer": torch.zeros(1)}, path)

    with pytest.raises(TrainingError, match="are no state dict of 'resnet18'"):
        load_backbone(find_backbone("resnet18"), path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_pickle_that_runs_code_is_never_executed(tmp_path: Path):
    path, victim = tmp_path / "weights.pth", tmp_path / "executed"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (f"open({str(victim)!r}, 'w').close()",)

    torch.save({"layer": Evil()}, path)

    with pytest.raises(TrainingError, match="no state dict"):
        load_backbone(find_backbone("resnet18"), path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not victim.exists()


def test_backbone_without_a_package_asks_for_a_file():
    with pytest.raises(TrainingError, match="name a file with weights: and weights_sha256:"):
        load_backbone(find_backbone("resnet50"))


def test_unknown_backbone_names_the_nearest():
    with pytest.raises(ConfigError, match=r"did you mean 'efficientnet_lite\d'"):
        find_backbone("efficientnet_lite")


def test_every_backbone_states_licence_and_source():
    assert all(spec.licence and spec.source for spec in BACKBONES.values())
