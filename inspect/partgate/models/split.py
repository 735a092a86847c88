"""A pretrained backbone in two parts: a frozen trunk that runs once per picture, and a branch that may learn."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, cast

import torch
from torch import fx, nn
from torchvision.models.feature_extraction import create_feature_extractor

from partgate.errors import TrainingError


class Maps(nn.Module):
    """The maps of a network at several nodes, (N, C, h, w) each, whatever order of axes the architecture uses."""

    def __init__(self, body: nn.Module, names: Sequence[str], *, are_nhwc: bool) -> None:
        super().__init__()
        self.body, self.names, self.are_nhwc = body, tuple(names), are_nhwc

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps in the order of ``names``."""
        found = self.body(x)
        maps = [found[name] for name in self.names]
        return [one.permute(0, 3, 1, 2) for one in maps] if self.are_nhwc else maps


class _Single(nn.Module):
    """A graph between two maps, with both as (N, C, h, w) and the result as a list of one."""

    def __init__(self, graph: fx.GraphModule, *, are_nhwc: bool) -> None:
        super().__init__()
        self.graph, self.are_nhwc = graph, are_nhwc

    def forward(self, maps: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps behind ``maps``."""
        if not self.are_nhwc:
            return [self.graph(maps)]
        return [self.graph(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)]


def maps_at(backbone: nn.Module, nodes: Sequence[str], *, are_nhwc: bool = False) -> nn.Module:
    """Return a network that takes a normalised picture (N, 3, H, W) and gives the maps of ``nodes`` as a list.

    Args:
        backbone: In evaluation mode, padding fixed.
        nodes: Nodes as torchvision names them, from shallow to deep.
        are_nhwc: The architecture keeps channels last.
    """
    names = {node: f"maps_{place}" for place, node in enumerate(nodes)}
    body = create_feature_extractor(backbone, return_nodes=names, suppress_diff_warning=True)
    return Maps(body, tuple(names.values()), are_nhwc=are_nhwc)


def branch_after(backbone: nn.Module, cut: str, last: str, *, are_nhwc: bool = False) -> nn.Module:
    """Return a copy of what lies between two nodes: takes maps of ``cut``, gives those of ``last`` as a list.

    Args:
        backbone: In evaluation mode, padding fixed.
        cut: A node through which everything flows; its maps are what the trunk gives.
        last: The last maps before pooling.
        are_nhwc: The architecture keeps channels last.

    Raises:
        TrainingError: If something flows past ``cut``.
    """
    whole: Any = create_feature_extractor(backbone, {cut: "cut", last: "last"}, suppress_diff_warning=True)
    nodes = list(whole.graph.nodes)
    ends: dict[str, fx.Node] = nodes[-1].args[0]
    graph = fx.Graph()
    known: dict[fx.Node, fx.Node] = {ends["cut"]: graph.placeholder("maps")}

    def copied(node: fx.Node) -> fx.Node:
        if node not in known:
            raise TrainingError(f"the backbone cannot be cut at '{cut}': '{node.name}' flows past it")
        return known[node]

    for node in nodes[nodes.index(ends["cut"]) + 1 : -1]:
        known[node] = graph.node_copy(node, copied)
    graph.output(known[ends["last"]])
    return _Single(deepcopy(fx.GraphModule(cast(nn.Module, whole), graph)), are_nhwc=are_nhwc)
