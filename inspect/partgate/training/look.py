"""What the frozen backbone sees: the input size that fits the parts, its exported graph, features of every picture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from partgate.data.folder import Picture
from partgate.errors import DataError
from partgate.imaging import crop_region, read_picture
from partgate.inference.bundle import BackboneFacts, Geometry
from partgate.inference.engine import OnnxEngine
from partgate.models.backbones import load_backbone
from partgate.models.classifier import FeatureNetwork
from partgate.models.export import export_onnx
from partgate.models.registry import BackboneSpec, find_backbone
from partgate.training.config import TrainingConfig
from partgate.training.features import FeatureSet, Progress, cached_bytes, compute_features

_GRID_PX = 32  # what the networks' strides divide
_MOST_ELONGATED = 4.0  # width / height; beyond, too few rows remain
_SAMPLED = 50  # pictures whose size tells the usual aspect


@dataclass(frozen=True, slots=True)
class Seen:
    """What the frozen backbone saw."""

    geometry: Geometry
    network: FeatureNetwork
    backbone: BackboneFacts
    found: FeatureSet


def look(pictures: Sequence[Picture], config: TrainingConfig, progress: Progress) -> Seen:
    """Return the frozen backbone's features of pictures, computed or from the cache.

    Raises:
        ConfigError: If the backbone is unknown.
        TrainingError: If its weights are missing.
        DataError: If none of the pictures can be read.
    """
    spec = find_backbone(config.backbone)
    geometry = choose_geometry(pictures, config)
    network, weights_sha256 = _feature_network(spec, config, geometry)
    key = f"{weights_sha256} {spec.name} {geometry.model_dump_json()} 1"
    graph_id = hashlib.sha256(f"{key} {version('torch')}".encode()).hexdigest()
    graph = cached_bytes(
        f"graphs/{graph_id}.onnx",
        lambda: export_onnx(network, geometry.height_px, geometry.width_px, ("features", *network.map_names)),
    )
    found = compute_features(pictures, OnnxEngine(graph), geometry, key, config.threads, progress)
    facts = BackboneFacts(name=spec.name, weights_sha256=weights_sha256, licence=spec.licence, source=spec.source)
    return Seen(geometry, network, facts, found)


def choose_geometry(pictures: Sequence[Picture], config: TrainingConfig) -> Geometry:
    """Return an input size with the wanted number of pixels and the usual aspect of the parts.

    A long part keeps its proportions without grey borders; sides are multiples of 32 px.

    Raises:
        DataError: If no picture can be read.
    """
    aspects = []
    for picture in pictures[:: max(1, len(pictures) // _SAMPLED)]:
        try:
            height, width = crop_region(read_picture(picture.path), config.region).shape[:2]
        except DataError:
            continue  # named later, with all others
        aspects.append(width / height)
    if not aspects:
        raise DataError(f"{config.data}: none of the sampled pictures can be read with region {config.region}")
    aspect = float(np.clip(np.median(aspects), 1 / _MOST_ELONGATED, _MOST_ELONGATED))
    width = max(1, round(config.image_size_px * aspect**0.5 / _GRID_PX)) * _GRID_PX
    height = max(1, round(config.image_size_px / aspect**0.5 / _GRID_PX)) * _GRID_PX
    return Geometry(region=config.region, height_px=height, width_px=width)


def _feature_network(spec: BackboneSpec, config: TrainingConfig, geometry: Geometry) -> tuple[FeatureNetwork, str]:
    backbone, sha256 = load_backbone(spec, config.weights, config.weights_sha256)
    network = FeatureNetwork(spec, backbone, geometry.height_px, geometry.width_px)
    return network.eval(), sha256
