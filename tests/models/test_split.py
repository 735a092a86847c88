"""A backbone cut in two: trunk and branch give exactly the maps of the whole, and a bad cut is refused."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from partgate.errors import TrainingError
from partgate.models.backbones import build_backbone, make_static
from partgate.models.classifier import cut_backbone
from partgate.models.registry import BACKBONES, find_backbone
from partgate.models.split import branch_after, maps_at

QUICK = {"efficientnet_lite0", "resnet18", "mobilenet_v3_large", "swin_t"}


class Bypassed(nn.Module):
    """Three layers; the first one's output also jumps over the second."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(3, 3, 1) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.first(x)
        two = self.second(one)
        return self.third(two + one)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in sorted(BACKBONES)]
)
def test_trunk_and_branch_give_exactly_the_maps_of_the_whole(name: str):
    torch.manual_seed(0)
    spec = find_backbone(name)
    backbone = build_backbone(spec).eval()
    whole = maps_at(make_static(backbone, 64, 96), (*spec.stages, spec.last), are_nhwc=spec.maps_are_nhwc)
    parts = cut_backbone(spec, backbone, 64, 96, whole=False)
    picture = torch.rand(2, 3, 64, 96)

    with torch.inference_mode():
        expected = whole(picture)
        assert parts.trunk is not None
        stages = parts.trunk(picture)
        last = parts.body(stages[-1])

    assert all(torch.equal(one, other) for one, other in zip([*stages, *last], expected, strict=True))
    assert last[0].shape[-2:] == (2, 3)  # (N, C, h, w), whatever order the architecture keeps


def test_whole_backbone_as_a_branch_has_no_trunk():
    spec = find_backbone("resnet18")
    torch.manual_seed(0)
    backbone = build_backbone(spec).eval()

    parts = cut_backbone(spec, backbone, 64, 64, whole=True)

    assert parts.trunk is None
    with torch.inference_mode():
        assert [maps.shape[1] for maps in parts.body(torch.rand(1, 3, 64, 64))] == [128, 256, 512]


@pytest.mark.parametrize(("cut", "works"), [("first", True), ("second", False)])
def test_cut_at_a_node_that_something_flows_past_is_refused(cut: str, works: bool):
    network = Bypassed().eval()
    if not works:
        with pytest.raises(TrainingError, match="the backbone cannot be cut at 'second': 'first' flows past it"):
            branch_after(network, cut, "third")
        return

    (last,) = branch_after(network, cut, "third")(network.first(torch.ones(1, 3, 2, 2)))

    assert torch.allclose(last, network(torch.ones(1, 3, 2, 2)))


def test_branch_that_learns_leaves_the_backbone_and_other_branches_as_they_are():
    network = Bypassed().eval()
    before = [value.clone() for value in network.state_dict().values()]
    one, other = (branch_after(network, "first", "third") for _ in range(2))

    with torch.no_grad():
        for parameter in one.parameters():
            parameter.add_(1)

    assert unchanged(before, network.state_dict().values())
    assert unchanged(before[2:], other.state_dict().values())  # what lies behind the first layer


def unchanged(before: Sequence[torch.Tensor], after: object) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))  # type: ignore[call-overload]


def test_branch_holds_nothing_of_the_trunk():
    assert {name.split(".")[-2] for name in branch_after(Bypassed().eval(), "first", "third").state_dict()} == {
        "second",
        "third",
    }
