"""Pretrained backbones: building the architecture, fitting weights to it, fixing its padding for one input size."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from partgate.errors import TrainingError
from partgate.models.registry import BACKBONES, BackboneSpec
from partgate.models.weights import StateDict, find_weights, read_weights


def build_backbone(spec: BackboneSpec) -> nn.Module:
    """Return the architecture with random weights; nothing is looked up anywhere."""
    if spec.library == "timm":
        import timm

        model: nn.Module = timm.create_model(spec.architecture, pretrained=False)
        return model
    import torchvision

    built: nn.Module = torchvision.models.get_model(spec.architecture, weights=None)
    return built


def load_backbone(
    spec: BackboneSpec, weights: Path | None = None, sha256: str | None = None, *, download: bool = False
) -> tuple[nn.Module, str]:
    """Return the backbone with pretrained weights, and the SHA-256 of the weights' file.

    The head for ImageNet is not used here: a file without one, or with one for other classes, fits as well.

    Args:
        spec: Which one.
        weights: File of safetensors or of a state dict; by default the file of the spec's package.
        sha256: What the file's hash must be; needed with ``weights``.
        download: Let torchvision fetch the weights that it publishes where nothing else has them.

    Raises:
        TrainingError: If there is no file, its hash differs, or it does not fit the architecture.
    """
    path, expected = find_weights(spec, weights, sha256, download=download)
    state, found = read_weights(path, expected)
    model = build_backbone(spec)
    state = _named_for(model, state)
    misfits = _misfits(model, state)
    if misfits:
        fitting = _find_fitting(state)
        cure = f"this file fits '{fitting}'" if fitting else "name a file that was made for this architecture"
        raise TrainingError(f"weights {path}: are not those of '{spec.name}': {'; '.join(misfits)}; {cure}")
    own = model.state_dict()
    fitting_ones = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    model.load_state_dict(fitting_ones, strict=False)  # what is left out is a head for other classes
    return model.eval(), found


def _heads(model: nn.Module) -> tuple[str, ...]:
    """Return how the names of the ImageNet head's tensors begin."""
    named: Any = getattr(model, "pretrained_cfg", {}).get("classifier")
    if named is None:
        named = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1:]
    return tuple(f"{name}." for name in ([named] if isinstance(named, str) else named))


def _shapes(state: Mapping[str, torch.Tensor], heads: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what matters: not the head, nor the counters that batch-norm learns by."""
    return {
        name: tuple(value.shape)
        for name, value in state.items()
        if not name.startswith(heads) and not name.endswith("num_batches_tracked")
    }


def _misfits(model: nn.Module, state: Mapping[str, torch.Tensor]) -> list[str]:
    """Return in which ways a state dict is not one of this architecture; nothing where it fits."""
    heads = _heads(model)
    must, has = _shapes(model.state_dict(), heads), _shapes(state, heads)
    missing, unknown = [name for name in must if name not in has], [name for name in has if name not in must]
    other = [name for name in must if name in has and must[name] != has[name]]
    found = [
        f"{len(names)} tensors {what} (first: {names[0]})"
        for names, what in ((missing, "missing"), (unknown, "unknown"))
        if names
    ]
    if other:
        first = other[0]
        found.append(
            f"{len(other)} of another shape (first: {first} must be {_text(must[first])}, got {_text(has[first])})"
        )
    return found


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _find_fitting(state: StateDict) -> str | None:
    """Return the first backbone of the registry that a state dict fits, by names and shapes alone."""
    for spec in BACKBONES.values():
        with torch.device("meta"):  # shapes without memory: all of them in about a second
            model = build_backbone(spec)
        if not _misfits(model, _named_for(model, state)):
            return spec.name
    return None


def _named_for(model: nn.Module, state: StateDict) -> StateDict:
    """Return a state dict under the model's names, where it is EfficientNet-Lite's own and the model is one of them."""
    if "_conv_stem.weight" not in state or not hasattr(model, "conv_stem"):
        return state
    try:
        return rename_lite_weights(state, model)
    except (KeyError, IndexError, ValueError):  # other blocks than these
        return state


def rename_lite_weights(state: Mapping[str, torch.Tensor], model: nn.Module) -> StateDict:
    """Return EfficientNet-Lite weights under timm's names.

    Args:
        state: Keys like ``_blocks.7._expand_conv.weight``.
        model: timm's architecture, whose stages tell which block lies where.

    Raises:
        KeyError: If a key is none of EfficientNet-Lite's.
        IndexError: If there are more blocks than in the model.
        ValueError: If a key has more parts than a layer and a leaf.
    """
    blocks: Any = model.blocks
    flat = [(s, b) for s, stage in enumerate(blocks) for b in range(len(stage))]
    top = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    separable = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    inverted = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
                "_project_conv": "conv_pwl", "_bn2": "bn3"}  # fmt: skip
    renamed: StateDict = {}
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

    Layers that pad by the size they see leave hundreds of helper nodes in an exported graph, and cannot be traced.
    """
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
    from timm.layers.std_conv import ScaledStdConv2dSame, StdConv2dSame

    padding = (Conv2dSame, StdConv2dSame, ScaledStdConv2dSame, AvgPool2dSame, MaxPool2dSame)
    seen: dict[str, torch.Size] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        return lambda _module, inputs: seen.__setitem__(name, inputs[0].shape[-2:])

    hooks = [
        module.register_forward_pre_hook(watch(name))
        for name, module in model.named_modules()
        if isinstance(module, padding) and getattr(module, "same_pad", True)
    ]
    if not hooks:
        return model.eval()
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, height_px, width_px, device=next(model.parameters()).device))
    for hook in hooks:
        hook.remove()
    for name, size in seen.items():
        model.set_submodule(name, _fixed_padding(model.get_submodule(name), size))
    return model.eval()


def _fixed_padding(old: Any, size: torch.Size) -> nn.Module:
    """Return a layer of timm that pads to keep the size, with the padding in front of it."""
    pads: list[int] = []
    sides = [_pair(value) for value in (old.kernel_size, old.stride, getattr(old, "dilation", 1))]
    for length, kernel, stride, dilation in zip(size, *sides, strict=True):
        total = max((-(-length // stride) - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)
        pads = [total // 2, total - total // 2, *pads]  # the last axis comes first
    pad = nn.ConstantPad2d((pads[0], pads[1], pads[2], pads[3]), 0.0)
    if isinstance(old, nn.MaxPool2d):
        pad.value = -float("inf")
        new: nn.Module = nn.MaxPool2d(old.kernel_size, old.stride, 0, old.dilation, ceil_mode=old.ceil_mode)
    elif isinstance(old, nn.AvgPool2d):
        new = nn.AvgPool2d(old.kernel_size, old.stride, 0, old.ceil_mode, old.count_include_pad)
    elif hasattr(old, "same_pad"):  # standardises its weights: stays what it is, without its own padding
        old.same_pad = False
        new = old
    else:
        new = nn.Conv2d(
            old.in_channels, old.out_channels, old.kernel_size, old.stride, 0, old.dilation, old.groups,
            old.bias is not None, device=old.weight.device,
        )  # fmt: skip
        new.load_state_dict(old.state_dict())
    return nn.Sequential(pad, new)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
