"""What the frozen backbone sees: the input size that fits the parts, its exported graph, features of every picture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from torch import nn

from partgate.cache import cached_bytes
from partgate.data.folder import Picture
from partgate.data.straighten import how_straightened
from partgate.errors import DataError
from partgate.imaging import crop_region, read_picture
from partgate.inference.bundle import BackboneFacts, Geometry
from partgate.inference.engine import OnnxEngine
from partgate.models.backbones import load_backbone
from partgate.models.classifier import FeatureNetwork, Parts, cut_backbone
from partgate.models.export import export_onnx
from partgate.models.registry import BackboneSpec, find_backbone
from partgate.training.config import TrainingConfig
from partgate.training.features import FeatureSet, Progress, compute_features
from partgate.training.map_store import MapStore
from partgate.training.views import View, clean_views

_GRID_PX = 32  # what the networks' strides divide
_MOST_ELONGATED = 4.0  # width / height; beyond, too few rows remain
_SAMPLED = 50  # pictures whose size tells the usual aspect
_FEATURES_VERSION = 2  # of what a feature is; another one, another cache


@dataclass(frozen=True, slots=True)
class Backbone:
    """The frozen backbone at one input size, in torch and as a graph."""

    spec: BackboneSpec
    geometry: Geometry
    facts: BackboneFacts
    network: nn.Module  # as loaded, to be cut
    graph: bytes  # ONNX: picture → features and maps
    key: str  # names weights and geometry

    def cut(self, *, whole: bool) -> Parts:
        """Return trunk and branch body."""
        return cut_backbone(self.spec, self.network, self.geometry.height_px, self.geometry.width_px, whole=whole)


def open_backbone(pictures: Sequence[Picture], config: TrainingConfig) -> Backbone:
    """Return the backbone of a training, at the input size that fits its pictures.

    Raises:
        ConfigError: If the backbone is unknown.
        TrainingError: If its weights are missing.
        DataError: If none of the pictures can be read.
    """
    spec = find_backbone(config.backbone)
    geometry = choose_geometry(pictures, config)
    network, sha256 = load_backbone(spec, config.weights, config.weights_sha256, download=config.download)
    seen = geometry.model_dump_json(exclude={"straightened"})  # the pictures are what they are
    key = f"{sha256} {spec.name} {seen} {_FEATURES_VERSION}"
    # What the graph is does not hang on where in a picture it looks.
    size = f"{sha256} {spec.name} {geometry.height_px} {geometry.width_px} {_FEATURES_VERSION} {version('torch')}"
    graph = cached_bytes(
        f"graphs/{hashlib.sha256(size.encode()).hexdigest()}.onnx", lambda: _export(spec, network, geometry)
    )
    facts = BackboneFacts(name=spec.name, weights_sha256=sha256, licence=spec.licence, source=spec.source)
    return Backbone(spec, geometry, facts, network, graph, key)


def _export(spec: BackboneSpec, network: nn.Module, geometry: Geometry) -> bytes:
    features = FeatureNetwork(spec, network, geometry.height_px, geometry.width_px).eval()
    return export_onnx(features, geometry.height_px, geometry.width_px, ("features", *features.map_names))


def look(
    pictures: Sequence[Picture], backbone: Backbone, threads: int, progress: Progress,
    views: Sequence[View] = clean_views(()), store: MapStore | None = None,
) -> FeatureSet:  # fmt: skip
    """Return the frozen backbone's features of pictures, computed or from the cache."""
    engine = OnnxEngine(backbone.graph)
    return compute_features(pictures, engine, backbone.geometry, backbone.key, threads, progress, views, store)


def choose_geometry(pictures: Sequence[Picture], config: TrainingConfig) -> Geometry:
    """Return an input size with the wanted number of pixels and the usual aspect of what is looked at.

    A long part keeps its proportions without grey borders; sides are multiples of 32 px.

    Raises:
        DataError: If no picture can be read, or they were straightened in different ways.
    """
    asked = Geometry(
        region=config.region, regions=config.regions, tiles=config.tiles, tile_overlap=config.tile_overlap,
        keeps_aspect=False, height_px=_GRID_PX, width_px=_GRID_PX, straightened=how_straightened(pictures),
    )  # fmt: skip
    aspects, problem = [], None
    for picture in pictures[:: max(1, len(pictures) // _SAMPLED)]:
        try:
            image = read_picture(picture.path)
            for one in asked.looks(*image.shape[:2]):
                height, width = crop_region(image, one.region).shape[:2]
                aspects.append(width / height)
        except DataError as error:
            problem = problem or error  # named later, with all others
    if not aspects:
        raise DataError(f"{config.data}: none of the sampled pictures can be used: {problem}")
    aspect = float(np.clip(np.median(aspects), 1 / _MOST_ELONGATED, _MOST_ELONGATED))
    width = max(1, round(config.image_size_px * aspect**0.5 / _GRID_PX)) * _GRID_PX
    height = max(1, round(config.image_size_px / aspect**0.5 / _GRID_PX)) * _GRID_PX
    return asked.model_copy(update={"height_px": height, "width_px": width})
