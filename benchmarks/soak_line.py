"""What the processes of the soak share: a made product, its pictures, the station file, the lens, lines of a log."""

import hashlib
import json
import mmap
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from partgate.inference.bundle import (
    BUNDLE_FORMAT,
    BackboneFacts,
    Geometry,
    Manifest,
    ProofFacts,
    TrainingFacts,
    read_bundle,
    write_bundle,
)
from partgate.recipe import BundlePin, Limits, Recipe, number_classes, save_recipe

TRUTHS = {"good": 0.70, "defect": 0.20, "band": 0.06, "torn": 0.04}  # share of each kind of part
STRAY = "stray"
GOOD_LANES = {1: 1, 2: 2}  # by recipe: each has a good lane of its own, so that the gate shows which one judged
STATION = "soak"
SCAN_MS, WINDOW_MS, TRAVEL_MS, COVER_MS, INTERVAL_MS = 2, 200, 300, 14, 20
_LEVELS = {"good": 200, "defect": 60, "band": 128, "torn": 200}  # brightness; the model's defect score is 1 less it
_SIZE_PX = 48
_PICTURES = 12  # of each kind
_FILES = {"station": "station.jsonl", "plc": "plc.jsonl", "driver": "driver.jsonl"}
_STATION = """name: {name}
recipes: {{1: recipe1/recipe.yaml, 2: recipe2/recipe.yaml}}
camera: {{kind: folder, name: top, folder: pictures, repeat: true}}
controller: {{kind: modbus, host: 127.0.0.1, port: {port}, poll_ms: 2}}
records: {{folder: records, when_unwritable: {when_unwritable}, pictures: {{keep: not_good, format: jpeg}}}}
alarms: {{stop_on: [bin_full]}}
"""


def make_line(folder: Path) -> None:
    """Make two recipes with a bundle each, and pictures of good, defect, uncertain parts and torn files."""
    for number, lane in GOOD_LANES.items():
        _make_recipe(folder / f"recipe{number}", number, lane)
    rng = np.random.default_rng(0)
    for truth, level in _LEVELS.items():
        (folder / "pictures" / truth).mkdir(parents=True)
        for index in range(_PICTURES):
            pixels = rng.normal(level, 12, (_SIZE_PX, _SIZE_PX, 3)).clip(0, 255).astype(np.uint8)
            data = cv2.imencode(".jpg", pixels)[1].tobytes()
            kept = data[: len(data) // 2] if truth == "torn" else data
            (folder / "pictures" / truth / f"{truth}{index:02}.jpg").write_bytes(kept)


def write_station(folder: Path, port: int, when_unwritable: str) -> Path:
    """Write the station file and return it."""
    path = folder / "station.yaml"
    path.write_text(_STATION.format(name=STATION, port=port, when_unwritable=when_unwritable), encoding="utf-8")
    return path


def _make_recipe(folder: Path, number: int, lane: int) -> None:
    classes = ("defect", "good")
    facts = Manifest(
        format=BUNDLE_FORMAT, created_at=datetime.now(UTC), partgate="0", versions={}, classes=classes,
        good_class="good", geometry=Geometry(region=None, height_px=_SIZE_PX, width_px=_SIZE_PX),
        backbone=BackboneFacts(name="brightness", weights_sha256="0" * 64, licence="none", source="made"),
        training=TrainingFacts(
            folder="made", pictures=1, groups=1, groups_ignored=False, seed=0, preset="quick",
            picture_sha256=(hashlib.sha256(b"made").hexdigest(),),
        ),
        proof=ProofFacts(pictures=1, largest_difference=0.0, changed_verdicts=0), parts={},
    )  # fmt: skip
    folder.mkdir(parents=True)
    write_bundle(folder / "model.partgate", facts, _brightness_model())
    bundle = read_bundle(folder / "model.partgate")
    recipe = Recipe(
        number=number, name=f"recipe {number}", bundle=BundlePin(file=bundle.path, id=bundle.id), good_class="good",
        classes=classes, decision=Limits(recheck_from=0.4, reject_from=0.6), lanes={"GOOD": lane},
        class_numbers=number_classes(classes, "good"),
    )  # fmt: skip
    save_recipe(recipe, folder / "recipe.yaml", "model.partgate")


def _brightness_model() -> bytes:
    """Return a graph: probability of good = mean brightness, of defect = 1 less it."""
    from onnx import TensorProto, helper, numpy_helper

    third = 1 / (3 * 255)
    constants = {
        "weights": np.array([[-third, third]] * 3, np.float32),
        "offsets": np.array([1.0, 0.0], np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["picture"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["levels"], ["colour"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["colour", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "offsets"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes, "brightness",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, _SIZE_PX, _SIZE_PX, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


class Lens:
    """What lies under the camera now, as light tells it: 16 bytes that the belt writes and the camera looks at.

    Byte 0 is the kind of the part, byte 1 says that all parts have left, byte 2 that no more shall come; bytes 4 to 11
    hold the number of parts that came. Kept apart from the wire: a picture shows the part that is there when it is
    exposed, whatever the station believes, and the controller's side knows what the part really is.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lens"
        if not path.exists():
            path.write_bytes(bytes(16))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), 16)

    def show(self, truth: str, entered: int) -> None:
        """Put a part under the camera."""
        self._bytes[0] = list(TRUTHS).index(truth)
        self._bytes[4:12] = entered.to_bytes(8, "little")

    @property
    def truth(self) -> str:
        """Return what kind of part is under the camera."""
        return list(TRUTHS)[self._bytes[0]]

    @property
    def entered(self) -> int:
        """Return the number of parts that came."""
        return int.from_bytes(self._bytes[4:12], "little")

    @property
    def is_over(self) -> bool:
        """Tell whether the belt is empty and no part will come."""
        return bool(self._bytes[1])

    def say_over(self) -> None:
        """Say that the belt is empty."""
        self._bytes[1] = 1

    @property
    def is_enough(self) -> bool:
        """Tell whether no more parts shall come."""
        return bool(self._bytes[2])

    def say_enough(self) -> None:
        """Ask for no more parts."""
        self._bytes[2] = 1


class Log:
    """Appends lines of JSON, each a list: what, when (monotonic seconds, the same clock for all processes), facts.

    Args:
        folder: Of the soak.
        who: ``plc``, ``station`` or ``driver``.
        at_once: Hand each line to the system at once, so that a killed process leaves it; else at ``flush``.
    """

    def __init__(self, folder: Path, who: str, *, at_once: bool) -> None:
        self._file = (folder / _FILES[who]).open("ab")
        self._at_once, self._lock = at_once, threading.Lock()

    def tell(self, what: str, *facts: Any, at: float | None = None) -> None:
        """Write one line; OSError where the disk is full."""
        line = json.dumps([what, time.monotonic() if at is None else at, *facts]).encode() + b"\n"
        with self._lock:
            if self._at_once:
                os.write(self._file.fileno(), line)
            else:
                self._file.write(line)

    def flush(self) -> None:
        """Hand all lines to the system."""
        with self._lock:
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


def read_log(folder: Path, who: str) -> list[list[Any]]:
    """Return the lines of a process, oldest first; the last one of a killed process may be cut."""
    path, found = folder / _FILES[who], []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found
