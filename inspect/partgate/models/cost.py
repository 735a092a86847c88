"""What a backbone costs on this machine: its exported graph, timed as the line runs it.

What needs torch is imported where something is measured: a cost that is known is told without waiting for torch.
"""

import hashlib
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np

from partgate.errors import TrainingError
from partgate.models.registry import BackboneSpec

_TRIALS, _WARM_UPS = 20, 3


def known_cost_ms(spec: BackboneSpec, keep: Callable[[str, Callable[[], bytes]], bytes]) -> float:
    """Return the time for one picture, measured once on each machine.

    Args:
        spec: Which backbone.
        keep: Returns the content of a named file, made by the function where there is none.

    Raises:
        TrainingError: If the architecture cannot be exported.
    """
    machine = f"{platform.node()} {platform.machine()} {platform.processor()} {os.cpu_count()}"
    facts = f"{spec.name} {spec.input_px} {spec.stages} {spec.last} {machine} {version('onnxruntime')} 1"
    name = f"costs/{hashlib.sha256(facts.encode()).hexdigest()[:32]}.txt"
    return float(keep(name, lambda: f"{measure_cost_ms(spec):.1f}".encode()))


def measure_cost_ms(spec: BackboneSpec) -> float:
    """Return the time for one picture of ``input_px`` squared: ONNX Runtime, one thread, random weights.

    It is the thread's processor time, not the clock's: the figure is kept, and how busy this machine is at the moment
    shall not stay in it. On a free core both are the same. The export takes most of the wait, 5 to 20 seconds.

    Raises:
        TrainingError: If the architecture cannot be exported.
    """
    from partgate.inference.engine import FEATURES, OnnxEngine
    from partgate.models.backbones import build_backbone
    from partgate.models.classifier import FeatureNetwork
    from partgate.models.export import export_onnx

    side = spec.input_px
    try:
        network = FeatureNetwork(spec, build_backbone(spec).eval(), side, side).eval()
        graph = export_onnx(network, side, side, (FEATURES, *network.map_names))
    except Exception as error:  # the exporter raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"backbone '{spec.name}': cannot be exported to ONNX: {reason}; take another") from error
    engine = OnnxEngine(graph, threads=1)
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    for _ in range(_WARM_UPS):
        engine.run(picture, (FEATURES,))
    began = time.thread_time()
    for _ in range(_TRIALS):
        engine.run(picture, (FEATURES,))
    return 1000 * (time.thread_time() - began) / _TRIALS
