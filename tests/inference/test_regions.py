"""Several looks at one part: the worst of them decides, and none that failed is forgotten."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.errors import EngineError
from partgate.inference.bundle import Geometry
from partgate.inference.engine import OnnxEngine
from partgate.inference.inspector import Inspector
from partgate.parts import Image, Reason, Verdict
from partgate.picture_check import PictureLimits
from partgate.station.opening import measure_engine

MakeRun = Callable[..., Path]
REGIONS = {"left": (0, 0, 60, 60), "middle": (70, 0, 130, 60), "right": (140, 0, 200, 60)}
THREE_PLACES = {"region": None, "height_px": 32, "width_px": 32, "regions": REGIONS}
SIX_TILES = {"region": None, "height_px": 32, "width_px": 32, "tiles": (2, 3), "tile_overlap": 0}
DARK, MIDDLE, BRIGHT = 51, 128, 204  # good, recheck, reject where brightness is the score


class PlayedEngine(OnnxEngine):
    """An engine whose runs end one after the other as told: a defect score, or an error that is raised."""

    def __init__(self, outcomes: Sequence[float | Exception]) -> None:
        self.outcomes = list(outcomes)
        self.height_px = self.width_px = 32
        self.runs = 0

    def run(self, picture: Image, names: Sequence[str] = ("probabilities",)) -> list[np.ndarray]:
        outcome = self.outcomes[self.runs % len(self.outcomes)]
        self.runs += 1
        if isinstance(outcome, Exception):
            raise outcome
        return [np.array([outcome, 1 - outcome], np.float32)]


@pytest.fixture(scope="module")
def open_with(tmp_path_factory: pytest.TempPathFactory, make_run: MakeRun) -> Callable[..., Inspector]:
    """A function: an inspector of this geometry; with outcomes, one whose engine is played."""

    def make(geometry: dict, outcomes: Sequence[float | Exception] | None = None, **recipe: object) -> Inspector:
        run = make_run(
            tmp_path_factory.mktemp("run"), manifest={"geometry": Geometry.model_validate(geometry)}, recipe=recipe
        )
        opened = Inspector.open(run)
        return opened if outcomes is None else Inspector(opened.recipe, opened.bundle, PlayedEngine(outcomes))

    return make


def picture(height: int = 100, width: int = 210, level: int = DARK) -> Image:
    return np.full((height, width, 3), level, np.uint8)


# --- what must never be good


@pytest.mark.parametrize("place", [0, 1, 2], ids=list(REGIONS))
def test_score_that_is_no_number_in_one_region_is_a_reject_that_names_it(
    open_with: Callable[..., Inspector], place: int
) -> None:
    scores = [0.0, 0.1, 0.99]
    scores[place] = math.nan

    decision = open_with(THREE_PLACES, scores).inspect(picture()).decision

    assert (decision.verdict, decision.reason) == (Verdict.REJECT, Reason.ENGINE_FAILED)
    assert decision.detail == f"at '{list(REGIONS)[place]}': defect score nan is not between 0 and 1"


@pytest.mark.parametrize("place", [0, 1, 2], ids=list(REGIONS))
@pytest.mark.parametrize("error", [EngineError("ONNX Runtime failed"), MemoryError("full")], ids=["engine", "memory"])
def test_engine_that_fails_on_one_region_is_a_reject(
    open_with: Callable[..., Inspector], place: int, error: Exception
) -> None:
    outcomes: list[float | Exception] = [0.0, 0.0, 0.0]
    outcomes[place] = error

    inspection = open_with(THREE_PLACES, outcomes).inspect(picture())

    assert (inspection.decision.verdict, inspection.decision.reason) == (Verdict.REJECT, Reason.ENGINE_FAILED)
    assert (inspection.lane, inspection.prediction) == (0, None)


@pytest.mark.parametrize("has_limits", [True, False])
def test_region_outside_of_the_picture_is_not_decidable_and_named(
    open_with: Callable[..., Inspector], has_limits: bool
) -> None:
    limits = PictureLimits(
        brightness_from=0, brightness_to=255, contrast_from=0, aspect_from=0.1, aspect_to=9, height_px_from=1,
        width_px_from=1,
    )  # fmt: skip
    inspector = open_with(THREE_PLACES, picture=limits.model_dump() if has_limits else None)

    decision = inspector.inspect(picture(width=199)).decision

    assert (decision.verdict, decision.reason) == (Verdict.RECHECK, Reason.PICTURE_NOT_USABLE)
    assert decision.detail == "region 'right' [140, 0, 200, 60] must lie inside the picture of 199 x 100 px"


def test_tiled_region_outside_of_the_picture_is_not_decidable(open_with: Callable[..., Inspector]) -> None:
    decision = open_with(SIX_TILES | {"region": (0, 0, 220, 100)}).inspect(picture()).decision

    assert (decision.verdict, decision.reason) == (Verdict.RECHECK, Reason.PICTURE_NOT_USABLE)
    assert "region [0, 0, 220, 100] must lie inside the picture of 210 x 100 px" in decision.detail


def test_defect_in_the_last_tile_alone_is_a_reject_that_names_the_tile(open_with: Callable[..., Inspector]) -> None:
    part = picture(100, 150)
    part[50:, 100:] = BRIGHT

    inspection = open_with(SIX_TILES).inspect(part)

    assert inspection.decision.verdict is Verdict.REJECT
    assert inspection.decision.detail == "defect at 'row 2, column 3', score 0.80"
    assert inspection.prediction is not None
    assert inspection.prediction.region == "row 2, column 3"
    assert inspection.prediction.probabilities == pytest.approx({"defect": 0.8, "good": 0.2}, abs=1e-3)


@pytest.mark.parametrize("tile", range(6))
def test_defect_in_any_tile_is_found_and_in_no_other(open_with: Callable[..., Inspector], tile: int) -> None:
    row, column = divmod(tile, 3)
    part = picture(100, 150)
    part[50 * row : 50 * row + 50, 50 * column : 50 * column + 50] = BRIGHT

    prediction = open_with(SIX_TILES).predict(part)

    assert prediction.region == f"row {row + 1}, column {column + 1}"


@given(st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), min_size=3, max_size=3))
def test_part_is_always_judged_like_the_strictest_of_its_regions(
    open_with: Callable[..., Inspector], scores: list[float]
) -> None:
    inspector = open_with(THREE_PLACES, scores)
    strictness = {Verdict.GOOD: 0, Verdict.RECHECK: 1, Verdict.REJECT: 2}
    alone = [
        strictness[Verdict.REJECT if not score < 0.6 else Verdict.RECHECK if score >= 0.4 else Verdict.GOOD]
        for score in (float(np.float32(score)) for score in scores)
    ]

    assert strictness[inspector.inspect(picture()).decision.verdict] == max(alone)


# --- what is told


def test_part_whose_regions_are_all_good_is_good_and_the_worst_is_known(open_with: Callable[..., Inspector]) -> None:
    inspection = open_with(THREE_PLACES, [0.1, 0.3, 0.2]).inspect(picture())

    assert (inspection.decision.verdict, inspection.decision.detail) == (Verdict.GOOD, "")
    assert inspection.prediction is not None
    assert inspection.prediction.region == "middle"
    assert inspection.prediction.defect_score == pytest.approx(0.3)


def test_recheck_names_its_region_and_a_score_just_below_one_is_not_written_as_one(
    open_with: Callable[..., Inspector],
) -> None:
    recheck = open_with(THREE_PLACES, [0.1, 0.3, 0.5]).inspect(picture()).decision
    reject = open_with(THREE_PLACES, [0.1, 0.9996, 0.5]).inspect(picture()).decision

    assert (recheck.verdict, recheck.detail) == (Verdict.RECHECK, "defect at 'right', score 0.50")
    assert reject.detail == "defect at 'middle', score 0.9996"


@pytest.mark.parametrize("scores", [[0.7, 0.9, 0.9], [0.7, math.nan, math.nan]], ids=["equal", "no-numbers"])
def test_of_equally_bad_regions_the_first_is_named(open_with: Callable[..., Inspector], scores: list[float]) -> None:
    assert open_with(THREE_PLACES, scores).predict(picture()).region == "middle"


def test_one_look_at_the_whole_part_names_no_region(open_with: Callable[..., Inspector]) -> None:
    inspection = open_with({"region": None, "height_px": 32, "width_px": 32}).inspect(picture(level=BRIGHT))

    assert inspection.decision.detail == ""
    assert inspection.prediction is not None
    assert inspection.prediction.region is None


# --- what is measured


def test_darkness_beside_the_regions_does_not_matter(open_with: Callable[..., Inspector]) -> None:
    limits = PictureLimits(
        brightness_from=40, brightness_to=60, contrast_from=0, aspect_from=3, aspect_to=4, height_px_from=60,
        width_px_from=200,
    )  # fmt: skip
    part = picture(400, 210, level=0)
    part[:60, :200] = DARK

    decision = open_with(THREE_PLACES, picture=limits.model_dump()).inspect(part).decision

    assert decision.verdict is Verdict.GOOD


# --- what a part costs


def test_cost_of_a_part_counts_every_look_and_the_check_of_an_idle_engine_one(
    open_with: Callable[..., Inspector],
) -> None:
    inspector = open_with(SIX_TILES)
    engine = PlayedEngine([0.0])
    played = Inspector(inspector.recipe, inspector.bundle, engine)

    played.check()
    assert engine.runs == 1
    played.rehearse()
    assert engine.runs == 1 + 6
    measure_engine(played, trials=30)
    assert engine.runs == 1 + 6 + 5 * 6  # 30 runs make five parts
