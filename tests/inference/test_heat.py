"""Heat maps: what a place gives lies where it is in the camera's picture, and adds up; the line never computes it."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx.parser import parse_model

from partgate.errors import BundleError, DataError, EngineError
from partgate.imaging import fit_picture
from partgate.inference.bundle import Geometry
from partgate.inference.engine import OnnxEngine
from partgate.inference.heat import MOST_PATCHES, HeatKind, HeatMap, explain_part, inner_box, spread_cells
from partgate.inference.inspector import Inspector
from partgate.parts import Image

CLASSES = ("good", "scratch", "spot")
HEIGHT, WIDTH = 64, 96  # of the network's picture
BIAS = (0.5, -0.25, 0.0)
LOOKS = {"height_px": HEIGHT, "width_px": WIDTH}
MakeRun = Callable[..., Path]


def made_graph(outputs: Sequence[str] = ("probabilities", "logits", "heat_0", "heat_1", "heat_bias")) -> bytes:
    """Return a graph to which bright places look like a spot and not good; two depths, cells of 8 and of 16 px."""
    model = parse_model(f"""<ir_version: 8, opset_import: ["" : 13]>
    bright (uint8[1,{HEIGHT},{WIDTH},3] picture) => ({", ".join(f"float[N] {name}" for name in outputs)})
    <int64[4] to_picture = {{1, 1, {HEIGHT}, {WIDTH}}}, int64[2] places = {{2, 3}},
     float share = {{{64 / (HEIGHT * WIDTH * 255)}}}, float[1,3] bias = {{{str(BIAS)[1:-1]}}},
     float[3,1,1,1] by_class = {{-8, 0, 24}}, float[3,1,1,1] by_class_coarse = {{0, 0, 8}}>
    {{
      levels = Cast<to = 1>(picture)
      grey = ReduceMean<axes = [3], keepdims = 0>(levels)
      one = Reshape(grey, to_picture)
      shares = Mul(one, share)
      fine = AveragePool<kernel_shape = [8, 8], strides = [8, 8]>(shares)
      coarse = AveragePool<kernel_shape = [16, 16], strides = [16, 16]>(shares)
      heat_0 = Conv(fine, by_class)
      heat_1 = Conv(coarse, by_class_coarse)
      sum_0 = ReduceSum<keepdims = 0>(heat_0, places)
      sum_1 = ReduceSum<keepdims = 0>(heat_1, places)
      heat_bias = Identity(bias)
      logits = Sum(sum_0, sum_1, heat_bias)
      probabilities = Softmax<axis = 1>(logits)
    }}""")
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def engine() -> OnnxEngine:
    return OnnxEngine(made_graph())


def dark(height: int = 200, width: int = 300, spots: Sequence[tuple[int, int]] = ()) -> Image:
    """Return a dark picture with bright spots of 11 x 11 px around (y, x)."""
    picture = np.full((height, width, 3), 10, np.uint8)
    for y, x in spots:
        picture[y - 5 : y + 6, x - 5 : x + 6] = 250
    return picture


def explain(engine: OnnxEngine, image: Image, good_class: str | None = "good", **geometry: object) -> HeatMap:
    where = Geometry.model_validate(LOOKS | {"region": None} | geometry)
    return explain_part(engine, where, image, CLASSES, good_class)


def hottest(heat: HeatMap) -> tuple[int, ...]:
    return tuple(int(place) for place in np.unravel_index(int(heat.values.argmax()), heat.values.shape))


class Answers:
    """An engine that gives the same to every picture, and counts."""

    def __init__(self, **values: Sequence[float]) -> None:
        self.values, self.runs, self.outputs = values, 0, tuple(values)

    def run(self, picture: Image, names: Sequence[str]) -> list[np.ndarray]:
        self.runs += 1
        return [np.array(self.values[name], np.float32) for name in names]


# --- what goes wrong


def test_region_outside_of_the_picture_is_named(engine: OnnxEngine) -> None:
    with pytest.raises(DataError, match=r"region \[0, 0, 400, 100\] must lie inside the picture of 300 x 200 px"):
        explain(engine, dark(), region=(0, 0, 400, 100))


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"probabilities": (math.nan, 0.5, 0.5)}, "no probabilities .NaN."),
        ({"probabilities": (0.2, 0.3, 0.5), "logits": (0, math.nan, 1)}, "logits hold values that are no numbers"),
        (
            {"probabilities": (0.2, 0.3, 0.5), "heat_0": np.full((3, 2, 2), math.nan), "heat_bias": (0, 0, 0)},
            "heat holds values that are no numbers",
        ),
    ],
    ids=["probabilities", "logits", "heat"],
)
def test_what_is_no_number_is_never_painted(answers: dict, told: str) -> None:
    with pytest.raises(EngineError, match=told):
        explain(Answers(**answers), dark())  # type: ignore[arg-type]


def test_bundle_that_was_exchanged_since_is_refused(tmp_path: Path, make_run: MakeRun) -> None:
    facts = {"classes": CLASSES, "geometry": Geometry(region=None, **LOOKS)}
    inspector = Inspector.open(make_run(tmp_path / "run", model=made_graph(), manifest=facts))
    make_run(tmp_path / "run", model=made_graph(("probabilities",)), manifest=facts)

    with pytest.raises(BundleError, match="put the released bundle back"):
        inspector.explain(dark())


# --- it lies at its place


@pytest.mark.parametrize(
    ("geometry", "image", "spot"),
    [
        ({"region": (40, 20, 280, 180)}, dark(spots=[(60, 230)]), (60, 230)),
        ({"region": (100, 30, 160, 190)}, dark(spots=[(160, 120)]), (160, 120)),  # upright: grey left and right
        ({"region": (100, 30, 160, 190), "keeps_aspect": False}, dark(spots=[(160, 120)]), (160, 120)),
        ({"tiles": (2, 3)}, dark(spots=[(30, 270)]), (30, 270)),
        ({"regions": {"a": (0, 0, 90, 60), "b": (200, 100, 290, 160)}}, dark(spots=[(140, 220)]), (140, 220)),
        ({}, dark(25, 40, [(7, 30)]), (7, 30)),  # smaller than the network's picture
    ],
    ids=["region", "grey-borders", "stretched", "tiles", "regions", "small"],
)
def test_bright_spot_is_hottest_at_its_place_in_the_cameras_picture(
    engine: OnnxEngine, geometry: dict, image: Image, spot: tuple[int, int]
) -> None:
    heat = explain(engine, image, **geometry)

    assert (heat.kind, heat.defect_class, heat.values.dtype) == (HeatKind.CLASS_ACTIVATION, "spot", np.float32)
    assert heat.values.shape == image.shape[:2]
    assert hottest(heat) == pytest.approx(spot, abs=10)  # half a cell of 8 px, each of them 2.5 px of the camera


def test_what_the_network_does_not_see_has_no_heat(engine: OnnxEngine) -> None:
    heat = explain(engine, np.full((200, 300, 3), 200, np.uint8), region=(40, 20, 280, 180))

    inside = heat.values[20:180, 40:280]
    assert inside.min() > 0
    assert np.abs(heat.values).sum() == pytest.approx(inside.sum())


@pytest.mark.parametrize("keeps_aspect", [True, False], ids=["grey-borders", "stretched"])
@given(height=st.integers(3, 300), width=st.integers(3, 300))
def test_region_lies_in_the_networks_picture_where_fitting_puts_it(keeps_aspect: bool, height: int, width: int) -> None:
    geometry = Geometry(region=None, keeps_aspect=keeps_aspect, **LOOKS)
    white = np.full((height, width, 3), 255, np.uint8)

    top, left, inner_height, inner_width = inner_box((0, 0, width, height), geometry)

    fitted = fit_picture(white, None, HEIGHT, WIDTH, keeps_aspect=keeps_aspect)[..., 0]
    rows, columns = np.flatnonzero(fitted.max(1) == 255), np.flatnonzero(fitted.max(0) == 255)
    assert (rows[0], columns[0], len(rows), len(columns)) == (top, left, inner_height, inner_width)


# --- it adds up


@given(cells=st.integers(1, 40), pixels=st.integers(1, 400))
def test_no_size_of_picture_changes_what_the_cells_sum_up_to(cells: int, pixels: int) -> None:
    shares = spread_cells(cells, pixels, 0, cells)

    assert shares.sum(1) == pytest.approx(1)
    assert shares.sum(0) == pytest.approx(pixels / cells)
    assert shares.min() >= -1e-12


@pytest.mark.parametrize(
    ("geometry", "box"),
    [
        ({"region": (0, 20, 240, 180)}, (0, 20, 240, 180)),
        ({"region": (1, 2, 220, 199), "keeps_aspect": False}, (1, 2, 220, 199)),
        ({"regions": {"a": (0, 0, 90, 60), "b": (200, 100, 290, 160)}}, (200, 100, 290, 160)),
        ({"tiles": (2, 2), "tile_overlap": 0.3}, (123, 82, 300, 200)),
    ],
    ids=["region", "stretched", "regions", "tiles-that-overlap"],
)
def test_mean_over_the_deciding_look_and_bias_are_the_margin_of_the_graphs_logits(
    engine: OnnxEngine, geometry: dict, box: tuple[int, int, int, int]
) -> None:
    image = dark(spots=[(150, 230), (150, 176)])
    where = Geometry.model_validate(LOOKS | {"region": None, "keeps_aspect": False} | geometry)
    seen = fit_picture(image, box, HEIGHT, WIDTH, keeps_aspect=False)
    (logits,) = engine.run(seen, ("logits",))

    heat = explain_part(engine, where, image, CLASSES, "good")

    assert box in [look.region for look in where.looks(200, 300)]
    x_min, y_min, x_max, y_max = box
    mean = float(heat.values[y_min:y_max, x_min:x_max].mean())
    assert heat.margin == pytest.approx(logits[2] - logits[0], abs=1e-4)
    assert mean + BIAS[2] - BIAS[0] == pytest.approx(heat.margin, abs=1e-4)
    assert heat.rest == pytest.approx(BIAS[2] - BIAS[0], abs=1e-4)


def test_grey_borders_keep_their_share_to_themselves(engine: OnnxEngine) -> None:
    image = np.full((64, 48, 3), 127, np.uint8)  # fills half of the network's picture; the other half is as grey

    heat = explain(engine, image)

    assert heat.rest - (BIAS[2] - BIAS[0]) == pytest.approx(float(heat.values.mean()), rel=1e-4)


def test_sorting_explains_the_predicted_class_against_the_mean_of_the_others(engine: OnnxEngine) -> None:
    image = np.full((HEIGHT, WIDTH, 3), 51, np.uint8)  # a fifth: fine places give 24 * 0.2 = 4.8 to spot, -1.6 to good
    (logits,) = engine.run(image, ("logits",))

    heat = explain(engine, image, None)

    assert heat.defect_class == "spot"
    assert heat.margin == pytest.approx(logits[2] - (logits[0] + logits[1]) / 2, abs=1e-4)


def test_all_looks_are_shown_and_the_deciding_one_is_named(engine: OnnxEngine) -> None:
    heat = explain(engine, dark(spots=[(30, 30), (150, 210), (150, 250)]), tiles=(2, 2), tile_overlap=0)

    assert heat.region == "row 2, column 2"
    assert heat.values[30, 30] > 5 * np.median(heat.values)


def test_small_copy_keeps_the_mean(engine: OnnxEngine) -> None:
    heat = explain(engine, dark(spots=[(60, 230)]))
    small = heat.resized(50, 75)

    assert small.values.shape == (50, 75)
    assert small.values.mean() == pytest.approx(heat.values.mean(), rel=1e-3)
    assert heat.resized(200, 300) is heat


# --- graphs without heat


@pytest.mark.parametrize("outputs", [("probabilities", "logits"), ("probabilities",)], ids=["logits", "probabilities"])
def test_graph_without_heat_is_asked_patch_by_patch_and_the_map_says_so(outputs: tuple[str, ...]) -> None:
    heat = explain(OnnxEngine(made_graph(outputs)), dark(spots=[(60, 230)]), region=(40, 20, 280, 180))

    assert (heat.kind, heat.defect_class) == (HeatKind.OCCLUSION, "spot")
    assert hottest(heat) == pytest.approx((60, 230), abs=15)
    assert np.count_nonzero(heat.values[:20]) == 0
    assert float(heat.values[20:180, 40:280].mean()) + heat.rest == pytest.approx(heat.margin, abs=1e-4)


def test_heat_without_its_bias_is_not_trusted() -> None:
    assert explain(OnnxEngine(made_graph(("probabilities", "heat_0"))), dark()).kind is HeatKind.OCCLUSION


@pytest.mark.parametrize("shape", [(64, 96), (300, 30), (5, 400), (3, 3)], ids=["fits", "upright", "flat", "tiny"])
def test_occlusion_never_asks_more_often_than_documented(shape: tuple[int, int]) -> None:
    engine = Answers(probabilities=(0.2, 0.3, 0.5))

    heat = explain(engine, np.zeros((*shape, 3), np.uint8))  # type: ignore[arg-type]

    assert engine.runs <= 2 + MOST_PATCHES
    assert not heat.values.any()


def test_patch_without_influence_has_no_heat_and_the_margin_is_left_over() -> None:
    heat = explain(Answers(probabilities=(0.2, 0.3, 0.5)), dark())  # type: ignore[arg-type]

    assert heat.margin == heat.rest == pytest.approx(math.log(0.5 / 0.2))


# --- the line


def test_live_path_keeps_nothing_of_the_graph_but_the_probabilities(
    tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {"classes": CLASSES, "geometry": Geometry(region=None, **LOOKS)}
    loaded = []
    initialise = OnnxEngine.__init__

    def watch(self: OnnxEngine, *given: object, **named: object) -> None:
        initialise(self, *given, **named)  # type: ignore[arg-type]
        loaded.append(self.outputs)

    monkeypatch.setattr(OnnxEngine, "__init__", watch)
    inspector = Inspector.open(make_run(tmp_path / "run", model=made_graph(), manifest=facts))
    inspector.inspect(dark())
    assert loaded == [("probabilities",)]

    heat = inspector.explain(dark(spots=[(60, 230)]))

    assert hottest(heat) == pytest.approx((60, 230), abs=15)
    assert len(loaded) == 2
    inspector.explain(dark())
    assert len(loaded) == 2  # read once
