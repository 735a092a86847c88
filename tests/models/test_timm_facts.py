"""Any architecture of timm by its name: facts from timm, what cannot be trained here refused in one sentence."""

import hashlib
from pathlib import Path

import pytest
import torch

from partgate.errors import ConfigError, TrainingError
from partgate.models.backbones import build_backbone, load_backbone
from partgate.models.registry import find_backbone


@pytest.mark.parametrize(
    ("name", "stages", "last", "input_px", "parameters_m"),
    [
        ("resnet26", ("layer2", "layer3"), "layer4", 224, 16.0),
        ("convnext_atto", ("stages.1", "stages.2"), "stages.3", 224, 3.7),
        ("tf_efficientnet_lite0", ("blocks.2", "blocks.4"), "blocks.6", 224, 4.7),
        pytest.param("mobilenetv3_large_100", ("blocks.2", "blocks.4"), "blocks.6", 224, 5.5, marks=pytest.mark.slow),
        pytest.param("regnety_002", ("s2", "s3"), "s4", 224, 3.2, marks=pytest.mark.slow),
        pytest.param("resnetv2_50", ("stages.1", "stages.2"), "stages.3", 224, 25.5, marks=pytest.mark.slow),
    ],
)
def test_facts_of_an_architecture_come_from_timm(
    name: str, stages: tuple[str, ...], last: str, input_px: int, parameters_m: float
):
    spec = find_backbone(f"timm/{name}")

    assert (spec.name, spec.library, spec.architecture) == (f"timm/{name}", "timm", name)
    assert (spec.stages, spec.last, spec.input_px, spec.parameters_m) == (stages, last, input_px, parameters_m)
    assert not spec.maps_are_nhwc
    assert spec.package is None


def test_mean_and_deviation_are_those_of_the_weights_that_the_name_means():
    assert find_backbone("timm/resnet26").mean == (0.485, 0.456, 0.406)
    assert find_backbone("timm/tf_efficientnet_lite0").mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("resnet26.bt_in1k", "apache-2.0"),
        pytest.param("regnety_002", "mit", marks=pytest.mark.slow),
        ("convnextv2_atto", "cc-by-nc-4.0: not for commercial use"),
        ("convnext_tiny.dinov3_lvd1689m", "dinov3-license: read it before you sell"),
        ("nf_resnet26", "unknown: check before you sell"),
    ],
    ids=["free", "free-too", "never-for-money", "own-terms", "no-weights-published"],
)
def test_licence_says_whether_money_may_be_made(name: str, licence: str):
    assert find_backbone(f"timm/{name}").licence == licence


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("vit_tiny_patch16_224", r"gives no maps of several depths \(px per step: 16\)"),
        ("mixer_s32_224", r"gives no maps of several depths \(px per step: 32\)"),
        ("hrnet_w18_small", "has branches side by side"),
        ("levit_128s", "cannot be traced for pictures of any size"),
        ("coat_tiny", "gives maps of several depths at one place, 'parallel_blocks'"),
    ],
)
def test_architecture_that_cannot_be_cut_or_fed_any_size_is_refused_with_a_way_out(name: str, sentence: str):
    with pytest.raises(ConfigError, match=f"^backbone 'timm/{name}': {sentence}.*; take a convolutional one, such as"):
        find_backbone(f"timm/{name}")


@pytest.mark.parametrize("name", ["resnet27", "resnet26.no_such_tag"])
def test_unknown_name_or_tag_names_the_nearest(name: str):
    with pytest.raises(ConfigError, match=f"unknown backbone 'timm/{name}': .*; nearest: .*timm/resnet26"):
        find_backbone(f"timm/{name}")


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet26.bt_in1k", "local-dir:/tmp", ""])
def test_name_that_would_make_timm_look_elsewhere_is_unknown(name: str):
    with pytest.raises(ConfigError, match="has no such architecture"):
        find_backbone(f"timm/{name}")


def test_without_a_file_the_address_of_its_weights_is_told():
    with pytest.raises(
        TrainingError, match=r"\(a file of timm's weights \(https://huggingface\.co/timm/resnet26\.bt_in1k"
    ):
        load_backbone(find_backbone("timm/resnet26"), download=True)


def test_weights_of_timm_come_from_a_file_with_its_hash(tmp_path: Path):
    spec, path = find_backbone("timm/convnext_atto"), tmp_path / "weights.pth"
    torch.manual_seed(3)
    saved = build_backbone(spec).state_dict()
    torch.save(saved, path)

    loaded, _ = load_backbone(spec, path, hashlib.sha256(path.read_bytes()).hexdigest())

    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in saved.items())
