"""The network that judges: a backbone, pooled maps of several depths, a linear head."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from partgate.models.backbones import make_static
from partgate.models.registry import BackboneSpec


class FeatureNetwork(nn.Module):
    """Turns pictures into features: the last maps' mean, and mean and maximum of earlier stages' maps.

    Pictures come in as the camera's bytes, (N, H, W, 3) uint8 RGB; scaling and normalisation are part of the network,
    so that no one outside can do them differently.

    Source:
        Several depths, mean beside maximum: own measurement on ELPV (+0.6 to +1.4 points AUROC over the last mean).
    """

    def __init__(self, spec: BackboneSpec, backbone: nn.Module, height_px: int, width_px: int) -> None:
        super().__init__()
        nodes = {node: f"maps_{i}" for i, node in enumerate((*spec.stages, spec.last))}
        self.map_names = tuple(nodes.values())
        self.body = create_feature_extractor(make_static(backbone, height_px, width_px), return_nodes=nodes)
        self.register_buffer("mean", 255 * torch.tensor(spec.mean).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / (255 * torch.tensor(spec.std)).view(1, 3, 1, 1))
        self.mean: torch.Tensor
        self.scale: torch.Tensor

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return features (N, D) and the maps of each depth, (N, C, h, w), the last ones last."""
        x = (picture.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        found = self.body(x)
        maps = [found[name] for name in self.map_names]
        pooled = [maps[-1].mean((2, 3))]
        for stage in maps[:-1]:
            pooled += [stage.mean((2, 3)), stage.amax((2, 3))]
        return torch.cat(pooled, 1), *maps


class Classifier(nn.Module):
    """Feature network and head; gives probabilities, logits, features and maps."""

    def __init__(self, features: FeatureNetwork, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
        """Take the head as arrays: weight (C, D), bias (C,)."""
        super().__init__()
        self.features = features
        classes, size = weight.shape
        self.head = nn.Linear(size, classes)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight))
            self.head.bias.copy_(torch.from_numpy(bias))
        self.eval()

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return probabilities (N, C), logits (N, C), features (N, D) and the maps of each depth."""
        features, *maps = self.features(picture)
        logits = self.head(features)
        return torch.softmax(logits, 1), logits, features, *maps

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return the names of what :meth:`forward` gives, in its order."""
        return ("probabilities", "logits", "features", *self.features.map_names)
