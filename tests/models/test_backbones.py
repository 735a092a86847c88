"""Fitting weights to an architecture: what does not fit is told in numbers, and where it would fit."""

import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from partgate.errors import TrainingError
from partgate.models.backbones import build_backbone, load_backbone, make_static
from partgate.models.registry import BACKBONES, find_backbone
from partgate.models.weights import read_weights

LITE = find_backbone("efficientnet_lite0")


def weights_of(name: str, seed: int = 3) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return dict(build_backbone(find_backbone(name)).state_dict())


def load(name: str, path: Path, state: dict[str, torch.Tensor]) -> nn.Module:
    torch.save(state, path)
    return load_backbone(find_backbone(name), path, hashlib.sha256(path.read_bytes()).hexdigest())[0]


def test_weights_from_a_file_are_those_that_were_saved(tmp_path: Path):
    state = weights_of("resnet18")

    loaded = load("resnet18", tmp_path / "weights.pth", state).state_dict()

    assert all(torch.equal(value, loaded[name]) for name, value in state.items())


def test_weights_from_safetensors_are_those_that_were_saved(tmp_path: Path):
    path, state = tmp_path / "weights.safetensors", weights_of("mobilenet_v3_large")
    safetensors.torch.save_file(state, path)

    loaded, _ = load_backbone(find_backbone("mobilenet_v3_large"), path, hashlib.sha256(path.read_bytes()).hexdigest())

    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in state.items())


def test_weights_of_the_package_are_renamed_and_whole():
    loaded, sha256 = load_backbone(LITE)

    assert sha256 == BACKBONES["efficientnet_lite0"].weights_sha256
    assert loaded.state_dict()["conv_stem.weight"].std() > 0.1
    assert not loaded.training


def test_file_of_the_package_named_by_the_user_fits_too(tmp_path: Path):
    _, sha256 = load_backbone(LITE)
    package = next((Path(__import__(str(LITE.package)).__file__ or "").parent).rglob("*.pth"))

    loaded, found = load_backbone(LITE, package, sha256)

    assert found == sha256
    assert torch.equal(loaded.state_dict()["bn1.bias"], load_backbone(LITE)[0].state_dict()["bn1.bias"])


@pytest.mark.parametrize("change", ["none", "other-classes"])
def test_head_for_imagenet_may_be_missing_or_another_since_it_is_not_used(change: str, tmp_path: Path):
    state = weights_of("resnet18")
    head = {"fc.weight": torch.zeros(7, 512), "fc.bias": torch.zeros(7)} if change == "other-classes" else {}
    state = {name: value for name, value in state.items() if not name.startswith("fc.")} | head

    loaded = load("resnet18", tmp_path / "weights.pth", state)

    assert torch.equal(loaded.state_dict()["layer4.1.bn2.bias"], state["layer4.1.bn2.bias"])


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0"])
def test_file_of_another_architecture_says_which_one_it_fits(name: str, tmp_path: Path):
    with pytest.raises(TrainingError, match=rf"are not those of 'resnet50': .*; this file fits '{name}'$"):
        load("resnet50", tmp_path / "weights.pth", weights_of(name))


def test_file_of_a_larger_lite_says_that_it_fits_there(tmp_path: Path):
    larger = find_backbone("efficientnet_lite1")
    package = next((Path(__import__(str(larger.package)).__file__ or "").parent).rglob("*.pth"))

    with pytest.raises(TrainingError, match=r"'efficientnet_lite0': .*this file fits 'efficientnet_lite1'$"):
        load_backbone(LITE, package, larger.weights_sha256)


def test_misfit_is_told_by_count_and_first_name(tmp_path: Path):
    state = weights_of("resnet18")
    del state["layer1.0.conv1.weight"], state["layer1.0.bn1.bias"]
    state |= {"surplus": torch.zeros(1), "conv1.weight": torch.zeros(64, 1, 7, 7)}

    with pytest.raises(TrainingError) as refused:
        load("resnet18", tmp_path / "weights.pth", state)

    assert str(refused.value).split(".pth: ")[1] == (
        "are not those of 'resnet18': 2 tensors missing (first: layer1.0.conv1.weight); 1 tensors unknown (first: "
        "surplus); 1 of another shape (first: conv1.weight must be 64 x 3 x 7 x 7, got 64 x 1 x 7 x 7); name a file "
        "that was made for this architecture"
    )


def test_file_without_the_counters_of_batch_norm_fits(tmp_path: Path):
    state = {name: value for name, value in weights_of("resnet18").items() if "num_batches" not in name}

    loaded = load("resnet18", tmp_path / "weights.pth", state).state_dict()

    assert all(torch.equal(value, loaded[name]) for name, value in state.items())


def padding_networks() -> dict[str, nn.Module]:
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
    from timm.layers.std_conv import ScaledStdConv2dSame, StdConv2dSame

    return {
        "convolution": Conv2dSame(3, 4, 3, stride=2),
        "standardised": StdConv2dSame(3, 4, 3, stride=2),
        "scaled": ScaledStdConv2dSame(3, 4, 3, stride=2),
        "maximum": nn.Sequential(nn.Conv2d(3, 3, 1), MaxPool2dSame(3, 2)),
        "mean": nn.Sequential(nn.Conv2d(3, 3, 1), AvgPool2dSame(3, 2)),
    }


@pytest.mark.parametrize("kind", sorted(padding_networks()))
@pytest.mark.parametrize("size", [(8, 6), (7, 5)], ids=["even", "odd"])
def test_fixed_padding_gives_the_same_as_the_padding_at_run_time(kind: str, size: tuple[int, int]):
    torch.manual_seed(0)
    model = nn.Sequential(padding_networks()[kind]).eval()
    picture = torch.randn(1, 3, *size)
    with torch.inference_mode():
        before = model(picture)
        after = make_static(model, *size)(picture)

    assert torch.allclose(before, after, atol=1e-6)
    assert not any("Same" in type(module).__name__ and getattr(module, "same_pad", True) for module in model.modules())


def test_whole_network_with_fixed_padding_gives_the_same_and_stays_fixed():
    torch.manual_seed(0)
    model = build_backbone(LITE).eval()
    picture = torch.rand(1, 3, 96, 64)
    with torch.inference_mode():
        before = model(picture)
        after = make_static(make_static(model, 96, 64), 96, 64)(picture)

    assert torch.allclose(before, after, atol=1e-6)


def test_package_weights_are_read_without_running_what_they_hold():
    package = next((Path(__import__(str(LITE.package)).__file__ or "").parent).rglob("*.pth"))

    state, _ = read_weights(package, str(LITE.weights_sha256))

    assert "_conv_stem.weight" in state
