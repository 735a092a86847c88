"""Write ``inspect/partgate/inference/probe.onnx``: a network of known size without weights in the file.

``partgate doctor`` measures the machine with it where no bundle is at hand. The layers follow EfficientNet-Lite0 (wide
1 x 1 and depthwise 3 x 3 convolutions, 0.6 G multiply-adds at 288 px); weights are constants that the runtime unfolds.

Run: python tools/make_probe.py
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

SIZE = 288
# (expansion, channels out, stride, repeats), as in EfficientNet-Lite0
STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 40, 2, 2), (6, 80, 2, 3), (6, 112, 1, 3), (6, 192, 2, 4), (6, 320, 1, 1)]


def main() -> None:
    """Build the graph and write it."""
    nodes, constants, count = [], [], 0

    def constant(shape: tuple[int, ...]) -> str:
        nonlocal count
        count += 1
        constants.append(numpy_helper.from_array(np.array(shape, np.int64), f"shape_{count}"))
        value = numpy_helper.from_array(np.array([0.01], np.float32))
        nodes.append(helper.make_node("ConstantOfShape", [f"shape_{count}"], [f"weight_{count}"], value=value))
        return f"weight_{count}"

    def conv(
        x: str, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, clip: bool = True
    ) -> str:
        weight = constant((outputs, inputs // groups, kernel, kernel))
        y, pad = f"y_{count}", kernel // 2
        nodes.append(helper.make_node("Conv", [x, weight], [y], kernel_shape=[kernel] * 2, strides=[stride] * 2,
                                      pads=[pad] * 4, group=groups))  # fmt: skip
        if not clip:
            return y
        nodes.append(helper.make_node("Clip", [y, "low", "high"], [f"clip_{count}"]))
        return f"clip_{count}"

    constants += [
        numpy_helper.from_array(np.array(value, np.float32), name) for value, name in ((0, "low"), (6, "high"))
    ]
    nodes.append(helper.make_node("Cast", ["picture"], ["cast"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Transpose", ["cast"], ["x"], perm=[0, 3, 1, 2]))
    x, channels = conv("x", 3, 32, 3, 2), 32
    for expansion, out, first_stride, repeats in STAGES:
        for repeat in range(repeats):
            wide = channels * expansion
            y = conv(x, channels, wide, 1) if expansion > 1 else x
            y = conv(y, wide, wide, 3, first_stride if repeat == 0 else 1, wide)
            x, channels = conv(y, wide, out, 1, clip=False), out
    x = conv(x, channels, 1280, 1)
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["features"]))
    head = constant((1280, 2))
    nodes.append(helper.make_node("MatMul", ["features", head], ["logits"]))
    nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1))
    picture = helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, SIZE, SIZE, 3])
    result = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph(nodes, "probe", [picture], [result], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    checker.check_model(model)
    target = Path(__file__).parents[1] / "inspect" / "partgate" / "inference" / "probe.onnx"
    target.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
