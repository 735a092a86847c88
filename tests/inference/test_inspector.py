"""The inspector: whatever goes wrong on the way from picture to verdict, it never ends in GOOD."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from partgate.errors import BundleError, ConfigError, EngineError
from partgate.inference.bundle import Geometry
from partgate.inference.engine import OnnxEngine
from partgate.inference.inspector import Inspector, to_prediction
from partgate.parts import Image, Reason, Verdict
from partgate.picture_check import PictureLimits

GOOD_LANE, RECHECK_LANE = 5, 6
LANES = {"GOOD": GOOD_LANE, "RECHECK": RECHECK_LANE}
PICTURE_LIMITS = PictureLimits(
    brightness_from=20, brightness_to=240, contrast_from=1, aspect_from=0.8, aspect_to=1.25, height_px_from=32,
    width_px_from=32,
)  # fmt: skip


class BrokenEngine(OnnxEngine):
    """An engine whose every run ends in one way: an error is raised, numbers are returned."""

    def __init__(self, outcome: Exception | Sequence[float]) -> None:
        self.outcome = outcome

    def run(self, picture: Image, names: Sequence[str] = ("probabilities",)) -> list[np.ndarray]:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return [np.array(self.outcome, np.float32)]


def grey(level: int, height: int = 64, width: int = 64) -> Image:
    """Return a picture of this mean brightness, with some contrast."""
    picture = np.full((height, width, 3), level, np.uint8)
    picture[:, : width // 2] -= 4
    picture[:, width // 2 :] += 4
    return picture


@pytest.fixture
def inspector(tmp_path: Path, make_run: Callable[..., Path]) -> Inspector:
    """Brightness is the defect score: recheck from 0.4, reject from 0.6."""
    return Inspector.open(make_run(tmp_path / "run", recipe={"lanes": LANES, "picture": PICTURE_LIMITS.model_dump()}))


@pytest.fixture
def sorter(tmp_path: Path, make_run: Callable[..., Path], make_model: Callable[..., bytes]) -> Inspector:
    """Sorts by colour into three lanes; unsure where no colour has more than 0.6."""
    classes = ("blue", "green", "red")
    model = make_model(weights=np.eye(3)[:, ::-1], offsets=(0, 0, 0))  # red comes last in the alphabet
    run = make_run(
        tmp_path / "sort",
        model=model,
        recheck_from=0.4,
        reject_from=1.0,
        manifest={"classes": classes, "good_class": None},
        recipe={"lanes": {"blue": 1, "green": 2, "red": 3, "RECHECK": 4}},
    )
    return Inspector.open(run)


# --- what goes right


@pytest.mark.parametrize(
    ("level", "verdict", "reason", "lane", "number"),
    [
        (51, Verdict.GOOD, Reason.MODEL, GOOD_LANE, 0),
        (128, Verdict.RECHECK, Reason.RECHECK_BAND, RECHECK_LANE, 1),
        (204, Verdict.REJECT, Reason.MODEL, 0, 1),
    ],
    ids=["good", "recheck", "reject"],
)
def test_score_becomes_verdict_lane_and_class(
    inspector: Inspector, level: int, verdict: Verdict, reason: Reason, lane: int, number: int
) -> None:
    inspection = inspector.inspect(grey(level))

    assert (inspection.decision.verdict, inspection.decision.reason) == (verdict, reason)
    assert (inspection.lane, inspection.class_number) == (lane, number)
    assert inspection.prediction is not None
    assert inspection.prediction.defect_score == pytest.approx(level / 255, abs=1e-4)


def test_engine_check_says_nothing_where_the_model_runs(inspector: Inspector) -> None:
    inspector.check()


# --- the engine


@pytest.mark.parametrize(
    "outcome",
    [
        EngineError("ONNX Runtime failed"), RuntimeError("out of memory"), MemoryError(), ValueError("shape"),
        [math.nan, math.nan], [math.nan, 1.0], [0.0, math.nan], [math.inf, 0.0], [0.0, math.inf], [-math.inf, 1.0],
        [0.0, 0.0], [0.0, 0.5], [0.9, 0.9], [-0.2, 1.2], [0.1], [0.0, 0.5, 0.5], [],
    ],
    ids=str,
)  # fmt: skip
def test_engine_that_raises_or_gives_no_probabilities_is_a_reject_of_reason_8(
    inspector: Inspector, outcome: Exception | Sequence[float]
) -> None:
    broken = Inspector(inspector.recipe, inspector.bundle, BrokenEngine(outcome))

    inspection = broken.inspect(grey(51))

    assert (inspection.decision.verdict, inspection.decision.reason) == (Verdict.REJECT, Reason.ENGINE_FAILED)
    assert inspection.decision.detail
    assert (inspection.lane, inspection.class_number) == (0, 0)


@pytest.mark.parametrize("outcome", [EngineError("ONNX Runtime failed"), [math.nan] * 3, [0.0] * 3, [2.0, 0.0, 0.0]])
def test_sorting_with_a_broken_engine_is_a_reject_too(sorter: Inspector, outcome: Exception | Sequence[float]) -> None:
    inspection = Inspector(sorter.recipe, sorter.bundle, BrokenEngine(outcome)).inspect(grey(100))

    assert (inspection.decision.verdict, inspection.lane) == (Verdict.REJECT, 0)
    assert inspection.decision.reason is Reason.ENGINE_FAILED


def test_broken_engine_fails_the_check_that_the_heartbeat_waits_for(inspector: Inspector) -> None:
    broken = BrokenEngine(EngineError("ONNX Runtime failed"))
    broken.height_px = broken.width_px = 32

    with pytest.raises(EngineError, match="ONNX Runtime failed"):
        Inspector(inspector.recipe, inspector.bundle, broken).check()


@given(arrays(np.float32, 2, elements=st.floats(width=32)))
def test_good_is_never_reached_unless_the_numbers_are_probabilities_below_the_limit(values: np.ndarray) -> None:
    prediction = to_prediction(values, ("defect", "good"), "good")

    if 0 <= prediction.defect_score < 0.5:
        assert values.min() >= 0
        assert abs(float(values.sum()) - 1) <= 0.011
        assert prediction.predicted_class == "good"


# --- the picture


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (
            np.zeros((64, 64, 3), np.uint8),
            "too dark: brightness 0 is below 20; nothing visible: contrast 0.0 is below 1.0",
        ),
        (np.full((64, 64, 3), 255, np.uint8), "too bright: brightness 255 is above 240; nothing visible"),
        (grey(51, 20, 20), "picture of 20 x 20 px is smaller than 32 x 32 px"),
        (grey(51, 1, 1), "picture of 1 x 1 px is smaller than"),
        (grey(51, 64, 128), "width / height 2.00 is not within 0.8 to 1.25"),
    ],
    ids=["black", "white", "tiny", "one-pixel", "other-camera"],
)
def test_picture_that_is_not_usable_is_rechecked_without_asking_the_model(
    inspector: Inspector, picture: Image, told: str
) -> None:
    silent = Inspector(inspector.recipe, inspector.bundle, BrokenEngine([0.0, 1.0]))

    inspection = silent.inspect(picture)

    assert (inspection.decision.verdict, inspection.decision.reason) == (Verdict.RECHECK, Reason.PICTURE_NOT_USABLE)
    assert inspection.decision.detail.startswith(told)
    assert inspection.prediction is None
    assert (inspection.lane, inspection.class_number) == (RECHECK_LANE, 0)


@pytest.mark.parametrize("has_limits", [True, False])
def test_region_outside_the_picture_is_rechecked(
    tmp_path: Path, make_run: Callable[..., Path], has_limits: bool
) -> None:
    run = make_run(
        tmp_path / "run",
        manifest={"geometry": Geometry(region=(0, 0, 100, 100), height_px=32, width_px=32)},
        recipe={"picture": PICTURE_LIMITS.model_dump() if has_limits else None},
    )

    inspection = Inspector.open(run).inspect(grey(51))

    assert (inspection.decision.verdict, inspection.decision.reason) == (Verdict.RECHECK, Reason.PICTURE_NOT_USABLE)
    assert inspection.decision.detail == "region [0, 0, 100, 100] must lie inside the picture of 64 x 64 px"


def test_single_pixel_never_passes_even_where_the_recipe_has_no_picture_limits(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    inspector = Inspector.open(make_run(tmp_path / "run"))

    assert inspector.inspect(np.zeros((1, 1, 3), np.uint8)).decision.reason is Reason.PICTURE_NOT_USABLE
    assert inspector.inspect(np.zeros((64, 64, 3), np.uint8)).decision.verdict is Verdict.GOOD


@pytest.mark.parametrize(
    "image",
    [np.zeros((0, 0, 3), np.uint8), np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float64), None],
    ids=["empty", "grey", "float64", "none"],
)
def test_array_that_is_no_picture_never_raises_and_never_passes(inspector: Inspector, image: Image) -> None:
    assert inspector.inspect(image).decision.verdict is not Verdict.GOOD


def test_only_the_region_is_judged(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    geometry = Geometry(region=(64, 0, 128, 64), height_px=32, width_px=32)
    inspector = Inspector.open(make_run(tmp_path / "run", manifest={"geometry": geometry}))
    picture = np.hstack([grey(230), grey(51)])

    assert inspector.inspect(picture).decision.verdict is Verdict.GOOD
    assert inspector.inspect(picture[:, ::-1].copy()).decision.verdict is Verdict.REJECT


# --- sorting by class


@pytest.mark.parametrize(("colour", "lane"), [((0, 0, 255), 1), ((0, 255, 0), 2), ((255, 0, 0), 3)])
def test_sure_sorting_is_good_with_the_lane_and_number_of_its_class(
    sorter: Inspector, colour: tuple[int, int, int], lane: int
) -> None:
    inspection = sorter.inspect(np.full((64, 64, 3), colour, np.uint8))

    assert inspection.decision.verdict is Verdict.GOOD
    assert (inspection.lane, inspection.class_number) == (lane, lane)


def test_unsure_sorting_is_rechecked(sorter: Inspector) -> None:
    inspection = sorter.inspect(np.full((64, 64, 3), (128, 127, 0), np.uint8))  # half red, half green

    assert (inspection.decision.verdict, inspection.decision.reason) == (Verdict.RECHECK, Reason.RECHECK_BAND)
    assert inspection.lane == 4
    assert inspection.prediction is not None
    assert inspection.prediction.defect_score == pytest.approx(1 - 128 / 255, abs=1e-4)


# --- from probabilities to what they mean


def test_score_is_the_probability_of_all_defects_together() -> None:
    prediction = to_prediction(np.array([0.2, 0.5, 0.3]), ("dent", "good", "scratch"), "good")

    assert prediction.defect_score == pytest.approx(0.5)
    assert prediction.probabilities == pytest.approx({"dent": 0.2, "good": 0.5, "scratch": 0.3})
    assert (prediction.predicted_class, prediction.defect_class) == ("good", "scratch")


def test_small_scores_keep_their_digits() -> None:
    probabilities = np.array([1e-9, 1.0], np.float32)

    assert to_prediction(probabilities, ("dent", "good"), "good").defect_score == pytest.approx(1e-9)


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=5), st.data())
def test_score_of_probabilities_is_always_between_0_and_1(parts: list[float], data: st.DataObject) -> None:
    probabilities = np.array(parts, np.float32) / np.float32(sum(parts))
    classes = tuple("abcde"[: len(parts)])
    good = data.draw(st.sampled_from([None, *classes]))

    prediction = to_prediction(probabilities, classes, good)

    assert 0 <= prediction.defect_score <= 1
    assert prediction.predicted_class == classes[int(np.argmax(probabilities))]
    assert prediction.defect_class != good


# --- opening


def test_missing_run_and_damaged_bundle_are_errors_before_the_first_part(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    run = make_run(tmp_path / "run")
    data = bytearray((run / "model.partgate").read_bytes())
    data[100] ^= 1
    (run / "model.partgate").write_bytes(data)

    with pytest.raises(ConfigError, match="no recipe there"):
        Inspector.open(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="is damaged"):
        Inspector.open(run)


def test_intact_bundle_whose_model_no_engine_loads_is_an_error_before_the_first_part(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    with pytest.raises(EngineError, match="cannot be loaded"):
        Inspector.open(make_run(tmp_path / "run", model=b"no graph"))
