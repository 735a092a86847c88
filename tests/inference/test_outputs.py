"""A graph cut down to some of its outputs: what is left says the same, and nothing else is computed."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx.parser import parse_model

from partgate.errors import EngineError
from partgate.inference.engine import OnnxEngine
from partgate.inference.outputs import keep_outputs

GRAPH = """<ir_version: 8, opset_import: ["" : 13]>
chain (uint8[1,2,2,3] picture) => (float[1,2,2,3] probabilities, float[1,2,2,3] heat_0, float[1,2,2,3] heat_bias)
<float two = {2}>
{
  levels = Cast<to = 1>(picture)
  unused = Sqrt(levels)
  heat_0 = Mul(levels, two)
  between = Mul(heat_0, two)
  heat_bias = Exp(between)
  probabilities = Add(levels, two)
}"""
LOOP = """<ir_version: 8, opset_import: ["" : 13]>
either (bool yes, float[2] x) => (float[2] kept, float[2] other)
{
  other = Exp(x)
  kept = If (yes) <
    then_branch = one () => (float[2] a) { a = Sqrt(other) },
    else_branch = two () => (float[2] b) { b = Neg(x) }
  >
}"""


def model_of(graph: str) -> bytes:
    return bytes(parse_model(graph).SerializeToString())


@pytest.mark.parametrize(
    ("kept", "nodes"),
    [
        (["probabilities"], ["Cast", "Add"]),
        (["heat_0"], ["Cast", "Mul"]),
        (["heat_bias", "probabilities"], ["Cast", "Mul", "Mul", "Exp", "Add"]),
    ],
    ids=["probabilities", "heat", "two"],
)
def test_outputs_and_the_nodes_that_only_they_need_are_taken_out(kept: list[str], nodes: list[str]) -> None:
    cut = onnx.load_from_string(keep_outputs(model_of(GRAPH), kept))

    onnx.checker.check_model(cut)
    assert [node.op_type for node in cut.graph.node] == nodes
    assert sorted(output.name for output in cut.graph.output) == sorted(kept)


def test_what_is_kept_says_the_same() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    whole, cut = OnnxEngine(model_of(GRAPH)), OnnxEngine(keep_outputs(model_of(GRAPH), ["probabilities"]))

    assert cut.outputs == ("probabilities",)
    np.testing.assert_array_equal(cut.run(picture)[0], whole.run(picture)[0])


def test_graph_with_graphs_inside_is_left_alone_since_they_read_what_they_like() -> None:
    model = model_of(LOOP)

    assert keep_outputs(model, ["kept"]) == model


@pytest.mark.parametrize("names", [[], ["novelty"]], ids=["none", "unknown"])
def test_graph_that_would_be_left_without_outputs_stays_whole(names: list[str]) -> None:
    assert keep_outputs(model_of(GRAPH), names) == model_of(GRAPH)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_model_come_back_as_they_are(content: bytes) -> None:
    assert keep_outputs(content, ["probabilities"]) == content


@pytest.mark.parametrize("length", range(0, len(model_of(GRAPH)), 7))
def test_model_that_was_cut_off_is_never_mended(length: int) -> None:
    with pytest.raises(EngineError):
        OnnxEngine(keep_outputs(model_of(GRAPH)[:length], ["probabilities"]))
