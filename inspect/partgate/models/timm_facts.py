"""Facts about any architecture of timm, from timm itself: no table of ours, no network."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import timm
import torch
from torch import nn

from partgate.errors import ConfigError, TrainingError
from partgate.models.backbones import make_static
from partgate.models.registry import TIMM_PREFIX, BackboneSpec
from partgate.models.split import branch_after, maps_at

UNKNOWN_LICENCE = "unknown: check before you sell"
_FREE = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0")  # allow selling parts judged with them
_FINEST = 8  # pixels of the picture per step of the finest maps that are pooled
_SMALLEST = (32, 160)  # a long part at the smallest image_size_px


@dataclass(frozen=True, slots=True)
class _Maps:
    """One entry of timm's ``feature_info``."""

    module: str
    reduction: int
    channels: int


@lru_cache
def find_timm_backbone(name: str) -> BackboneSpec:
    """Return the facts of ``timm/NAME``; NAME may carry the tag of its weights (``resnet26.bt_in1k``).

    The architecture is built without memory and run once at two sizes, so that what cannot be trained here is told now.

    Args:
        name: With the prefix ``timm/``.

    Raises:
        ConfigError: If timm does not know it, or it gives no maps of several depths for pictures of any size.
    """
    wanted = name.removeprefix(TIMM_PREFIX)
    known = {*timm.list_models(), *timm.list_pretrained()}
    if wanted not in known:
        near = get_close_matches(wanted, known, n=3, cutoff=0.5)
        hint = f"; nearest: {', '.join(TIMM_PREFIX + one for one in near)}" if near else ""
        raise ConfigError([f"unknown backbone '{name}': timm {timm.__version__} has no such architecture{hint}"])
    try:
        with torch.device("meta"):
            model: Any = timm.create_model(wanted, pretrained=False).eval()
    except Exception as error:  # an architecture that reads its own random weights, or lacks a further package
        raise _refusal(name, f"cannot be built ({_first_line(error)})") from error
    facts = model.pretrained_cfg
    stages, last = _choose(name, model)
    size = tuple(facts["input_size"][-2:])
    return BackboneSpec(
        name=name,
        library="timm",
        architecture=wanted,
        stages=tuple(stage.module for stage in stages),
        last=last.module,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        input_px=size[1],
        parameters_m=round(sum(value.numel() for value in model.parameters()) / 1e6, 1),
        licence=_licence(facts),
        source=f"a file of timm's weights ({_address(facts)}), named by the user with its SHA-256",
        maps_are_nhwc=_are_nhwc(name, model, (*stages, last), size),
    )


def _address(facts: dict[str, Any]) -> str:
    hub = facts.get("hf_hub_id")
    return f"https://huggingface.co/{hub}" if hub else facts.get("url") or "timm names no address"


def _licence(facts: dict[str, Any]) -> str:
    """Return the licence that timm states for its weights; the file that a user names may have another."""
    stated = facts.get("license")
    has_weights = facts.get("url") or facts.get("hf_hub_id")
    if not has_weights or stated in (None, "", "unknown", "other"):
        return UNKNOWN_LICENCE
    if "-nc" in stated or "noncommercial" in stated:
        return f"{stated}: not for commercial use"
    return str(stated) if stated in _FREE else f"{stated}: read it before you sell"


def _choose(name: str, model: Any) -> tuple[list[_Maps], _Maps]:
    """Return the maps to pool: from 8 px per step to the last."""
    entries = [
        _Maps(entry["module"], int(entry["reduction"]), int(entry["num_chs"]))
        for entry in getattr(model, "feature_info", None) or ()
    ]
    last = max(entries, key=lambda entry: entry.reduction, default=None)
    stages = [entry for entry in entries if last and _FINEST <= entry.reduction < last.reduction]
    if last is None or not stages:
        seen = ", ".join(sorted({str(entry.reduction) for entry in entries}, key=int)) or "none"
        raise _refusal(name, f"gives no maps of several depths (px per step: {seen})")
    if len({entry.module for entry in (*stages, last)}) <= len(stages):
        raise _refusal(name, f"gives maps of several depths at one place, '{last.module}'")
    return stages, last


def _are_nhwc(name: str, model: nn.Module, maps: Sequence[_Maps], size: tuple[int, ...]) -> bool:
    """Return whether channels come last; refuse what cannot be traced, cut, or run at other sizes."""
    nodes = [one.module for one in maps]
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # timm and torch about their own internals
            body = maps_at(make_static(model, size[0], size[1]), nodes)
            branch_after(model, nodes[-2], nodes[-1])
            found = [tuple(one.shape) for one in body(torch.zeros(1, 3, *size, device="meta"))]
            body(torch.zeros(1, 3, *_SMALLEST, device="meta"))
    except TrainingError as error:
        raise _refusal(name, f"has branches side by side ({error})") from error
    except Exception as error:  # each architecture has its own way to refuse
        raise _refusal(name, f"cannot be traced for pictures of any size ({_first_line(error)})") from error
    places = {
        shape.index(one.channels, 1) if len(shape) == 4 and one.channels in shape[1:] else 0
        for shape, one in zip(found, maps, strict=True)
    }
    if places not in ({1}, {3}):
        raise _refusal(
            name, f"gives {', '.join(map(str, found))}, no maps of {[one.channels for one in maps]} channels"
        )
    return places == {3}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _refusal(name: str, why: str) -> ConfigError:
    return ConfigError([f"backbone '{name}': {why}; take a convolutional one, such as {TIMM_PREFIX}resnet26"])
