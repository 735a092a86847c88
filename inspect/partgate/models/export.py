"""Trained network → ONNX, and the proof that both say the same."""

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from partgate.decision import DecisionRule
from partgate.errors import TrainingError
from partgate.inference.engine import INPUT_NAME
from partgate.inference.inspector import to_prediction
from partgate.models.classifier import Classifier
from partgate.parts import Image

LARGEST_DIFFERENCE = 1e-4
_OPSET = 20
_BATCH = 2  # larger ones spend their time in asking for memory


@dataclass(frozen=True, slots=True)
class Proof:
    """What came out when both models saw the same pictures."""

    pictures: int
    largest_difference: float  # of any defect score
    changed_verdicts: int


def export_onnx(network: nn.Module, height_px: int, width_px: int, outputs: Sequence[str]) -> bytes:
    """Return the network as one ONNX file for single pictures of a fixed size.

    Args:
        network: Takes (1, H, W, 3) uint8.
        height_px: H.
        width_px: W.
        outputs: Names of what it gives, in order; outputs are found by name, never by place.
    """
    example = torch.zeros(1, height_px, width_px, 3, dtype=torch.uint8)
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns about its own internals
            program = torch.onnx.export(
                network.eval(), (example,), dynamo=True, opset_version=_OPSET, input_names=[INPUT_NAME],
                output_names=list(outputs), optimize=True, verbose=False,
            )  # fmt: skip
    finally:
        quiet.setLevel(level)
    if program is None:
        raise TrainingError("torch gave no ONNX program; report this with the output of 'partgate doctor'")
    return _without_remarks(program.model_proto)


def _without_remarks(model: Any) -> bytes:
    """Return the graph in one fixed form: in order, without the exporter's remarks: they name files of this PC."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for node in graph.node:
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        node.ClearField("attribute")
        node.attribute.extend(attributes)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def prove_equal(
    model: Classifier, exported: NDArray[np.float32], pictures: Iterable[Image], rule: DecisionRule,
    classes: tuple[str, ...], good_class: str | None,
) -> Proof:  # fmt: skip
    """Return how trained and exported model differ on pictures, or refuse.

    Args:
        model: As trained, in torch.
        exported: Probabilities that the exported graph gave to the same pictures, shape (N, C).
        pictures: Already fitted, each (H, W, 3) uint8; taken in small batches.
        rule: The limits in force.
        classes: Names of the model's outputs.
        good_class: The good one, if there is one.

    Raises:
        TrainingError: If a defect score differs by more than 1e-4 or a verdict changes.
    """
    quick = model.to(memory_format=torch.channels_last)

    def run(batch: Sequence[Image]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(quick(torch.from_numpy(np.stack(batch)))[0].numpy(), np.float32)

    largest, changed, count = 0.0, 0, 0
    for trained in map(run, _batches(pictures)):
        for ours, theirs in zip(trained, exported[count : count + len(trained)], strict=True):
            expected = to_prediction(ours, classes, good_class)
            found = to_prediction(theirs, classes, good_class)
            difference = abs(expected.defect_score - found.defect_score)
            largest = max(largest, difference) if difference == difference else float("inf")
            changed += rule.decide(expected).verdict is not rule.decide(found).verdict
        count += len(trained)
    if largest > LARGEST_DIFFERENCE or changed:
        raise TrainingError(
            f"the exported model differs from the trained one: largest score difference {largest:.2e} (at most "
            f"{LARGEST_DIFFERENCE:.0e}), {changed} of {count} verdicts changed; no bundle was written"
        )
    return Proof(count, largest, changed)


def _batches(pictures: Iterable[Image]) -> Iterator[list[Image]]:
    remaining = iter(pictures)
    while batch := list(islice(remaining, _BATCH)):
        yield batch
