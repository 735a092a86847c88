"""ONNX Runtime on the processor: a picture of fixed size in, class probabilities out.

Other engines stand behind the same three methods: ``run``, ``warm_up``, ``outputs``. Nothing outside this folder knows
which one runs.
"""

import contextlib
import ctypes
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from partgate.errors import EngineError
from partgate.parts import Image

INPUT_NAME = "picture"
PROBABILITIES = "probabilities"
LOGITS = "logits"
FEATURES = "features"

if hasattr(onnxruntime, "disable_telemetry_events"):  # Windows builds record events otherwise; nothing phones home
    onnxruntime.disable_telemetry_events()


def give_memory_back() -> None:
    """Return what was freed while a model was loaded to the system; glibc keeps it otherwise (20 MB here)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library: nothing to do
            ctypes.CDLL("libc.so.6").malloc_trim(0)


class OnnxEngine:
    """Runs one graph. Safe to call from several threads: ONNX Runtime's sessions are.

    Args:
        model: The graph, ONNX bytes, with one input ``picture``: (1, H, W, 3) uint8 RGB.
        threads: Processor threads for one picture. One is steady on a PC that also reads a camera.
    """

    def __init__(self, model: bytes, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads must not burn a core
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library has no common error type
            raise EngineError(
                f"the model cannot be loaded by ONNX Runtime {onnxruntime.__version__}: {error}"
            ) from error
        shape = self._session.get_inputs()[0].shape
        self.height_px, self.width_px = int(shape[1]), int(shape[2])

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of what the graph gives."""
        return tuple(output.name for output in self._session.get_outputs())

    def run(self, picture: Image, names: Sequence[str] = (PROBABILITIES,)) -> list[NDArray[np.float32]]:
        """Return the named outputs for one picture, each without its batch axis.

        Args:
            picture: Shape (height_px, width_px, 3), uint8, RGB.
            names: Outputs to return, in this order.

        Raises:
            EngineError: If the runtime refuses the picture or fails.
        """
        try:
            values: Sequence[Any] = self._session.run(list(names), {INPUT_NAME: picture[None]})
        except Exception as error:  # the library has no common error type
            raise EngineError(f"ONNX Runtime failed on a picture of shape {picture.shape}: {error}") from error
        return [np.asarray(value[0], np.float32) for value in values]

    def warm_up(self, times: int = 3) -> None:
        """Run an empty picture, so that the first part is not the slow one."""
        blank = np.zeros((self.height_px, self.width_px, 3), np.uint8)
        for _ in range(times):
            self.run(blank)
