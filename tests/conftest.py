"""What several test files share: made pictures in labelled folders, a tiny model, the cache, the real sets."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import settings

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
from partgate.parts import Image
from partgate.recipe import BundlePin, Limits, Recipe, default_lanes, number_classes, save_recipe

REPOSITORY = Path(__file__).parents[1]
MARKS = ("none", "scratch", "spot", "bar")  # what tells the classes of a made folder apart
GOOD_NAMES = ("good", "ok", "io", "gut")

# Two shared cores: how long one example takes says nothing; pytest-timeout ends what hangs.
settings.register_profile("partgate", deadline=None)
settings.load_profile("partgate")


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep features and graphs of the tests away from those of the person who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARTGATE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def real_data(request: pytest.FixtureRequest) -> Path:
    """The folder with the real defect sets; a test that needs it carries the marker ``data``."""
    assert request.node.get_closest_marker("data"), "a test with real_data needs the marker data"
    folder = Path(os.environ.get("PARTGATE_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        reason = f"the real defect sets are not at {folder}; set PARTGATE_DATA to their folder"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}: in CI these tests never skip")
        pytest.skip(reason)
    return folder


def make_part(mark: str, seed: int, height: int = 48, width: int = 64) -> Image:
    """Return a made picture of a round part: evenly lit, a little noise, one mark."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 60, np.uint8)
    x, y = width // 2 + int(rng.integers(-2, 3)), height // 2 + int(rng.integers(-2, 3))
    radius = min(height, width) // 2 - 4
    cv2.circle(picture, (x, y), radius, (150, 150, 160), -1)
    reach = radius // 2
    if mark == "scratch":
        cv2.line(picture, (x - reach, y - reach), (x + reach, y + reach), (250, 250, 250), 2)
    if mark == "spot":
        cv2.circle(picture, (x, y), max(2, reach // 2), (20, 20, 20), -1)
    if mark == "bar":
        cv2.rectangle(picture, (x - reach, y - 2), (x + reach, y + 2), (200, 40, 40), -1)
    noise = rng.integers(-6, 7, picture.shape)
    return np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8)


def write_picture(path: Path, picture: Image) -> Path:
    """Write an RGB picture in the format of its suffix, whatever characters stand in its name."""
    done, data = cv2.imencode(path.suffix.lower(), picture[..., ::-1])
    assert done
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())
    return path


@pytest.fixture(scope="session")
def make_folder() -> Callable[..., Path]:
    """A function: fill a folder with so many different pictures per class; no two are byte-identical."""

    def make(folder: Path, counts: Mapping[str, int], *, suffix: str = ".png") -> Path:
        defects = [name for name in counts if name.casefold() not in GOOD_NAMES]
        folder.mkdir(parents=True, exist_ok=True)
        for place, (name, count) in enumerate(counts.items()):
            mark = MARKS[1 + defects.index(name) % 3] if name in defects else "none"
            (folder / name).mkdir(exist_ok=True)
            for index in range(count):
                part = make_part(mark, 1000 * place + index)
                write_picture(folder / name / f"{name}_{index:03d}{suffix}", part)
        return folder

    return make


@pytest.fixture(scope="session")
def make_model() -> Callable[..., bytes]:
    """A function: a graph that judges by colour. Class probabilities = mean of R, G, B (0..1) x weights + offsets.

    By default two classes: the brightness is the probability of the first one.
    """

    def make(
        weights: Sequence[Sequence[float]] = ((1 / 3, -1 / 3), (1 / 3, -1 / 3), (1 / 3, -1 / 3)),
        offsets: Sequence[float] = (0.0, 1.0),
        height_px: int = 32,
        width_px: int = 32,
    ) -> bytes:
        from onnx import TensorProto, helper, numpy_helper

        constants = {
            "per_level": np.array(1 / 255, np.float32),
            "weights": np.array(weights, np.float32),
            "offsets": np.array(offsets, np.float32),
        }
        nodes = [
            helper.make_node("Cast", ["picture"], ["levels"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["levels", "per_level"], ["shares"]),
            helper.make_node("ReduceMean", ["shares"], ["colour"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["colour", "weights"], ["weighted"]),
            helper.make_node("Add", ["weighted", "offsets"], ["probabilities"]),
        ]
        graph = helper.make_graph(
            nodes,
            "by_colour",
            [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, height_px, width_px, 3])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, len(offsets)])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        return bytes(model.SerializeToString())

    return make


@pytest.fixture(scope="session")
def make_manifest() -> Callable[..., Manifest]:
    """A function: a manifest with made facts; any field can be given."""

    def make(**changes: object) -> Manifest:
        fields: dict[str, object] = {
            "format": BUNDLE_FORMAT,
            "created_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "partgate": "0.1",
            "versions": {"onnxruntime": "1.20"},
            "classes": ("defect", "good"),
            "good_class": "good",
            "geometry": Geometry(region=None, height_px=32, width_px=32),
            "backbone": BackboneFacts(name="by_colour", weights_sha256="0" * 64, licence="none", source="made"),
            "training": TrainingFacts(
                folder="made",
                pictures=1,
                groups=1,
                groups_ignored=False,
                seed=0,
                preset="quick",
                picture_sha256=(hashlib.sha256(b"x").hexdigest(),),
            ),
            "proof": ProofFacts(pictures=1, largest_difference=0.0, changed_verdicts=0),
            "parts": {},
        }
        return Manifest.model_validate(fields | changes)

    return make


@pytest.fixture(scope="session")
def make_run(make_model: Callable[..., bytes], make_manifest: Callable[..., Manifest]) -> Callable[..., Path]:
    """A function: a run folder with a bundle and the recipe that pins it; by default brightness is the defect score.

    Recheck from 0.4, reject from 0.6. ``recipe`` gives further keys of the recipe, ``manifest`` of the manifest.
    """

    def make(
        run: Path,
        *,
        model: bytes | None = None,
        recheck_from: float = 0.4,
        reject_from: float = 0.6,
        manifest: Mapping[str, object] | None = None,
        recipe: Mapping[str, object] | None = None,
    ) -> Path:
        facts = make_manifest(**(manifest or {}))
        run.mkdir(parents=True, exist_ok=True)
        write_bundle(run / "model.partgate", facts, make_model() if model is None else model)
        bundle = read_bundle(run / "model.partgate")
        keys = {
            "name": "made part",
            "bundle": BundlePin(file=bundle.path, id=bundle.id),
            "good_class": facts.good_class,
            "classes": facts.classes,
            "decision": Limits(recheck_from=recheck_from, reject_from=reject_from),
            "lanes": default_lanes(facts.classes, facts.good_class),
            "class_numbers": number_classes(facts.classes, facts.good_class),
            "region": facts.geometry.region,
        }
        save_recipe(Recipe.model_validate(keys | dict(recipe or {})), run / "recipe.yaml", "model.partgate")
        return run

    return make


@pytest.fixture(scope="session")
def trained(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A labelled folder of made parts and the run folder of a real training on it: data, run."""
    from partgate.training.config import load_training
    from partgate.training.loop import train

    folder = tmp_path_factory.mktemp("trained")
    data = make_folder(folder / "parts", {"good": 30, "scratch": 16, "spot": 14})
    config = load_training(data, "quick", image_size_px=96, groups="given")  # by looks all made parts are one
    train(config, folder / "run", lambda step, done, total: None)
    return data, folder / "run"
