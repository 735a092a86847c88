"""The run page's charts: well-formed, the chosen one marked, labels that do not lie on one another."""

import re
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from partgate.training.fine_tune import Epoch, Tuned
from partgate.training.page_charts import curves_svg, losses_svg


def texts(svg: str) -> dict[str, ElementTree.Element]:
    """Return what is written in a chart, by its words; fails where it is no well-formed XML."""
    return {node.text or "": node for node in ElementTree.fromstring(svg).iter("text")}


def frame(svg: str) -> tuple[int, int]:
    width, height = re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0]
    return int(width), int(height)


def test_chosen_model_alone_is_framed_and_bold():
    svg = losses_svg({"frozen": 0.4, "fine-tuned": 0.5, "mean of both": 0.3}, "mean of both", 0.693, "en")

    written = texts(svg)
    framed = [node for node in ElementTree.fromstring(svg).iter("rect") if node.get("stroke")]
    assert [name for name, node in written.items() if node.get("font-weight") == "600"] == ["mean of both", "0.300"]
    assert len(framed) == 1
    assert "guessing: 0.693" in written


def test_length_of_a_bar_is_its_loss():
    svg = losses_svg({"frozen": 0.4, "fine-tuned": 0.2}, "fine-tuned", None, "en")

    longer, shorter = (float(node.get("width", "")) for node in ElementTree.fromstring(svg).iter("rect"))
    assert longer / shorter == pytest.approx(2, rel=0.01)
    assert "guessing" not in svg


def test_losses_speak_german_too():
    written = texts(losses_svg({"frozen": 0.4}, "frozen", 0.693, "de"))

    assert {"unverändertes Netz", "0,400", "geraten: 0,693"} <= set(written)


def test_curves_mark_the_round_that_was_kept(make_tuned: Callable[..., Tuned]):
    svg = curves_svg(make_tuned().history, 2, 0.4, "en")

    large = [node for node in ElementTree.fromstring(svg).iter("circle") if node.get("r") == "6"]
    assert "kept: round 2" in texts(svg)
    assert len(large) == 1
    assert "not learned from, round 2: 0.310" in svg


def test_lower_loss_is_drawn_lower(make_tuned: Callable[..., Tuned]):
    svg = curves_svg(make_tuned().history, 2, 0.4, "en")

    learned, held_out = (node.get("points", "").split() for node in ElementTree.fromstring(svg).iter("polyline"))
    heights = [float(point.split(",")[1]) for point in held_out]
    assert heights[1] == max(heights)
    assert [float(point.split(",")[1]) for point in learned] == sorted(float(p.split(",")[1]) for p in learned)


@pytest.mark.parametrize(
    "losses", [(0.4, 0.4, 0.4), (0.0, 0.0, 0.0), (80.0, 0.4, 0.3), (500.0, 400.0, 0.4)],
    ids=["equal", "zero", "far-apart", "beyond-the-axis"],
)  # fmt: skip
@pytest.mark.parametrize("rounds", [1, 2, 40])
def test_labels_lie_apart_and_inside(losses: tuple[float, float, float], rounds: int):
    history = [Epoch(number + 1, losses[0], losses[1], 1.0) for number in range(rounds)]

    svg = curves_svg(history, rounds, losses[2], "en")

    width, height = frame(svg)
    ends = [texts(svg)[name] for name in ("while learning", "not learned from", "unchanged network")]
    levels = sorted(float(node.get("y", "")) for node in ends)
    assert all(lower - upper >= 15.9 for upper, lower in pairwise(levels))
    assert all(0 <= float(node.get("y", "")) <= height for node in ElementTree.fromstring(svg).iter("text"))
    assert all(0 <= float(node.get("x", "")) <= width for node in ElementTree.fromstring(svg).iter("text"))


def test_many_rounds_get_few_numbers():
    history = [Epoch(number + 1, 0.5, 0.4, 1.0) for number in range(40)]

    numbers = [name for name in texts(curves_svg(history, 7, 0.4, "en")) if name.isdigit()]

    assert numbers == ["1", "5", "9", "13", "17", "21", "25", "29", "33", "37"]
