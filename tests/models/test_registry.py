"""The registry: every backbone learns, is exported and proven on tiny made pictures; what is unknown is named."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision

from partgate.errors import ConfigError
from partgate.inference.bundle import read_bundle
from partgate.models.backbones import build_backbone, make_static
from partgate.models.registry import BACKBONES, find_backbone
from partgate.models.split import branch_after, maps_at
from partgate.training.config import load_training
from partgate.training.loop import train

OF_TIMM = ("timm/mobilenetv4_conv_small", "timm/convnext_atto")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*sorted(BACKBONES), *OF_TIMM])
def test_backbone_with_any_weights_learns_and_its_bundle_is_proven(
    name: str, make_folder: Callable[..., Path], tmp_path: Path
):
    torch.manual_seed(0)
    weights = tmp_path / "weights.pth"
    torch.save(build_backbone(find_backbone(name)).state_dict(), weights)
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    data = make_folder(tmp_path / "parts", {"good": 12, "spot": 12})
    keys = {"backbone": name, "weights": str(weights), "weights_sha256": sha256, "image_size_px": 64, "groups": "given"}
    config = load_training(data, "quick", **keys)

    train(config, tmp_path / "run", lambda step, done, total: None)

    manifest = read_bundle(tmp_path / "run" / "model.partgate").manifest
    assert (manifest.backbone.name, manifest.backbone.weights_sha256) == (name, sha256)
    assert manifest.backbone.licence == find_backbone(name).licence
    assert manifest.proof.pictures >= 4
    assert manifest.proof.largest_difference <= 1e-4


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_parameters_are_those_of_the_architecture(name: str):
    with torch.device("meta"):
        model = build_backbone(find_backbone(name))

    assert find_backbone(name).parameters_m == round(sum(value.numel() for value in model.parameters()) / 1e6, 1)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_network_can_be_cut_behind_its_last_stage(name: str):
    spec = find_backbone(name)
    static = make_static(build_backbone(spec).eval(), 64, 64)
    picture = torch.rand(1, 3, 64, 64)
    front = maps_at(static, (*spec.stages, spec.last), are_nhwc=spec.maps_are_nhwc)
    end = branch_after(static, spec.stages[-1], spec.last, are_nhwc=spec.maps_are_nhwc)

    with torch.inference_mode():
        maps = front(picture)
        (last,) = end(maps[-2])

    assert [one.shape[-1] for one in maps] == sorted((one.shape[-1] for one in maps), reverse=True)
    assert last.shape[-2:] == (2, 2)
    assert torch.equal(last, maps[-1])


def test_every_backbone_states_licence_and_source():
    assert all(spec.licence and spec.source for spec in BACKBONES.values())


def test_every_backbone_has_weights_from_a_package_or_by_download():
    assert all(bool(spec.package) != bool(spec.published) for spec in BACKBONES.values())


def test_published_weights_are_torchvisions_default_and_its_name_begins_the_hash():
    for spec in BACKBONES.values():
        if spec.published:
            weights = torchvision.models.get_model_weights(spec.architecture)
            assert weights[spec.published] is weights.DEFAULT
            assert len(weights.DEFAULT.url.removesuffix(".pth").rsplit("-", 1)[1]) >= 8


def test_normalisation_is_that_of_torchvisions_weights():
    for spec in BACKBONES.values():
        if spec.published:
            presets = torchvision.models.get_model_weights(spec.architecture)[spec.published].transforms()
            assert (tuple(presets.mean), tuple(presets.std)) == (spec.mean, spec.std)
            assert presets.crop_size == [spec.input_px]


def test_unknown_backbone_names_the_nearest():
    with pytest.raises(ConfigError, match=r"and timm/NAME for any of timm's; did you mean 'efficientnet_lite\d'"):
        find_backbone("efficientnet_lite")


def test_backbone_of_timm_without_timm_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("partgate.models.registry.find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"backbone 'timm/resnet26': needs timm; pip install 'partgate\[train\]'"):
        find_backbone("timm/resnet26")


def test_registry_is_read_without_torch():
    code = "import sys; import partgate.models.registry as r; r.find_backbone('swin_t'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
