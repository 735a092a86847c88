"""The engine: named outputs, one error type, the same numbers from every thread."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from partgate.errors import EngineError
from partgate.inference.engine import OnnxEngine
from partgate.parts import Image


@pytest.fixture(scope="module")
def engine(make_model: Callable[..., bytes]) -> OnnxEngine:
    return OnnxEngine(make_model(height_px=16, width_px=24))


def even(level: int, height: int = 16, width: int = 24) -> Image:
    """Return an evenly grey picture."""
    return np.full((height, width, 3), level, np.uint8)


def test_engine_knows_the_size_and_the_outputs_of_its_graph(engine: OnnxEngine) -> None:
    assert (engine.height_px, engine.width_px) == (16, 24)
    assert engine.outputs == ("probabilities",)


@pytest.mark.parametrize(("level", "score"), [(0, 0.0), (51, 0.2), (255, 1.0)])
def test_outputs_come_without_the_batch_axis(engine: OnnxEngine, level: int, score: float) -> None:
    (probabilities,) = engine.run(even(level))

    assert probabilities.dtype == np.float32
    assert probabilities == pytest.approx([score, 1 - score], abs=1e-6)


@pytest.mark.parametrize(
    "picture",
    [even(0, 17, 24), even(0, 16, 23), even(0)[..., 0], even(0).astype(np.float32), even(0)[..., :1]],
    ids=["higher", "narrower", "grey", "float", "one-channel"],
)
def test_picture_that_does_not_fit_the_graph_is_an_engine_error_with_its_shape(
    engine: OnnxEngine, picture: Image
) -> None:
    with pytest.raises(EngineError, match=r"ONNX Runtime failed on a picture of shape \(\d+, \d+"):
        engine.run(picture)


def test_output_that_the_graph_does_not_give_is_an_engine_error(engine: OnnxEngine) -> None:
    with pytest.raises(EngineError, match="novelty"):
        engine.run(even(0), ("novelty",))


@pytest.mark.parametrize("model", [b"", b"no graph at all", b"\x08\x08" * 50], ids=["empty", "text", "nonsense"])
def test_bytes_that_are_no_model_are_an_engine_error_that_names_the_runtime(model: bytes) -> None:
    with pytest.raises(EngineError, match=r"the model cannot be loaded by ONNX Runtime \d"):
        OnnxEngine(model)


def test_same_picture_gives_the_same_numbers_from_every_thread_and_count_of_threads(
    make_model: Callable[..., bytes],
) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (32, 32, 3), np.uint8) for _ in range(40)]
    one, two = OnnxEngine(make_model()), OnnxEngine(make_model(), threads=2)

    alone = [one.run(picture)[0] for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: two.run(picture)[0], pictures))

    assert np.array_equal(alone, together)


def test_warming_up_works_on_an_empty_picture(engine: OnnxEngine) -> None:
    engine.warm_up(times=2)

    assert engine.run(np.zeros((engine.height_px, engine.width_px, 3), np.uint8))[0].shape == (2,)
