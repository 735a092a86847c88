"""Kept maps and features: what the trunk gave comes back, row by row and view by view, and nothing runs twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from partgate.cache import cache_folder
from partgate.data.folder import Picture, read_folder
from partgate.inference.bundle import Geometry
from partgate.inference.engine import OnnxEngine
from partgate.training.features import FeatureSet, compute_features
from partgate.training.map_store import MapStore, is_complete, open_maps
from partgate.training.views import Mirrored, clean_views

SIZE = 32
FLIPPED = clean_views(("left_right",))


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def graph() -> bytes:
    """A graph with the outputs of a backbone of two stages: maps are quarters of the picture's colours."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["picture"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["levels"], ["chw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["chw"], ["maps_0"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("AveragePool", ["chw"], ["maps_1"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("AveragePool", ["chw"], ["maps_2"], kernel_shape=[32, 32], strides=[32, 32]),
    ]
    pooled = []
    for place in range(3):
        nodes += [
            helper.make_node("ReduceMean", [f"maps_{place}"], [f"mean_{place}"], axes=[2, 3], keepdims=0),
            helper.make_node("ReduceMax", [f"maps_{place}"], [f"max_{place}"], axes=[2, 3], keepdims=0),
        ]
        pooled += [f"mean_{place}", f"max_{place}"]
    nodes.append(helper.make_node("Concat", pooled, ["features"], axis=1))
    shapes = {"features": [1, 18], "maps_0": [1, 3, 4, 4], "maps_1": [1, 3, 2, 2], "maps_2": [1, 3, 1, 1]}
    made = helper.make_graph(
        nodes, "stages",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


@dataclass
class Looking:
    """Looks at a folder's pictures and counts how often the graph ran."""

    graph: bytes
    pictures: Sequence[Picture]
    geometry: Geometry
    key: str
    runs: int = 0

    def look(
        self, views: Sequence[Mirrored] = FLIPPED, store: MapStore | None = None,
        pictures: Sequence[Picture] | None = None,
    ) -> FeatureSet:  # fmt: skip
        engine, runs = OnnxEngine(self.graph), []
        original = engine.run
        engine.run = lambda *given: runs.append(1) or original(*given)  # type: ignore[method-assign, func-returns-value]
        found = compute_features(
            self.pictures if pictures is None else pictures, engine, self.geometry, self.key, 2, quietly, views, store
        )
        self.runs = len(runs)
        return found


@pytest.fixture
def looking(make_folder: Callable[..., Path], tmp_path: Path, graph: bytes) -> Callable[..., Looking]:
    """A function: something that looks at four made pictures; the geometry's keys can be given."""
    folder = read_folder(make_folder(tmp_path / "parts", {"good": 2, "spot": 2}))

    def make(**geometry: object) -> Looking:
        keys = {"region": None, "height_px": SIZE, "width_px": SIZE, "keeps_aspect": False, **geometry}
        return Looking(graph, folder.pictures, Geometry.model_validate(keys), str(tmp_path) + str(geometry))

    return make


def test_maps_and_pooled_features_come_back_row_by_row_and_view_by_view(
    looking: Callable[..., Looking], graph: bytes, tmp_path: Path
):
    looks = looking(tiles=(1, 2))
    store = MapStore.make(tmp_path, 4, 2, 2, graph, 2)

    found = looks.look(store=store)
    store.close()

    maps, pooled = open_maps(tmp_path)
    engine = OnnxEngine(graph)
    assert maps.shape == (8, 2, 3, 2, 2)  # four pictures x two tiles, two views, maps of the second stage
    assert pooled.shape == (8, 2, 12)  # mean and maximum of three channels of two stages
    from partgate.training.features import read_part

    seen = read_part(looks.pictures[3], looks.geometry)[0][1]
    for view, picture in enumerate((seen, np.ascontiguousarray(seen[:, ::-1]))):
        features, expected = engine.run(picture, ("features", "maps_1"))
        assert maps[7, view] == pytest.approx(expected, abs=0.1)  # half precision
        assert np.array_equal(pooled[7, view], features[:12])
        assert np.array_equal(found.features[7, view], features)


def test_store_says_whether_it_is_complete(graph: bytes, tmp_path: Path):
    store = MapStore.make(tmp_path, 1, 1, 1, graph, 2)

    assert not is_complete(tmp_path)
    store.close()

    assert is_complete(tmp_path)


def test_further_views_go_behind_the_first_ones_and_to_the_rows_of_the_readable_pictures(
    looking: Callable[..., Looking], graph: bytes, tmp_path: Path
):
    looks = looking()
    torn = looks.pictures[1].path
    torn.write_bytes(torn.read_bytes()[:50])
    store = MapStore.make(tmp_path, 4, 1, 3, graph, 2)

    found = looks.look(store=store)
    looks.look(clean_views(())[:1], store.work_on(found.places, 2), found.pictures)
    store.close()

    maps, _ = open_maps(tmp_path)
    assert found.places.tolist() == [0, 2, 3]
    assert len(found.unreadable) == 1
    assert not maps[1].any()
    for row in (0, 2, 3):
        assert np.array_equal(maps[row, 2], maps[row, 0])
        assert maps[row, 0].any()


def test_known_features_are_not_computed_again(looking: Callable[..., Looking]):
    looks = looking()

    first = looks.look()
    runs = looks.runs
    second = looks.look()

    assert (runs, looks.runs) == (8, 0)  # four pictures in two views
    assert np.array_equal(first.features, second.features)
    assert first.measures == second.measures


def test_another_view_alone_is_computed_anew(looking: Callable[..., Looking]):
    looks = looking()
    looks.look(clean_views(()))

    looks.look(FLIPPED)

    assert looks.runs == 8  # both of each: the picture is read once in any case


def test_features_of_each_view_and_look_have_their_place(looking: Callable[..., Looking]):
    """Of a picture cut into left and right, the mirror picture of the left half has the same mean."""
    looks = looking(tiles=(1, 2), tile_overlap=0)

    found = looks.look()

    assert found.features.shape == (8, 2, 18)
    assert found.features[:, 0, :3] == pytest.approx(found.features[:, 1, :3], abs=0.5)
    assert found.looks == ("row 1, column 1", "row 1, column 2")
    single = looking().look()
    assert (found.features[0::2, 0, :3] + found.features[1::2, 0, :3]) / 2 == pytest.approx(
        single.features[:, 0, :3], abs=1.5
    )


def test_random_views_are_not_kept(looking: Callable[..., Looking]):
    looks = looking()
    view = replace(clean_views(())[0], is_kept=False)

    looks.look([view])
    looks.look([view])

    assert looks.runs == 4


@pytest.mark.parametrize("content", [b"", b"\x00" * 16, b"\x00" * 21], ids=["empty", "without-features", "cut-off"])
def test_damaged_file_of_the_cache_is_computed_again(looking: Callable[..., Looking], content: bytes):
    looks = looking()
    before = set((cache_folder() / "features").rglob("*.f32")) if (cache_folder() / "features").exists() else set()
    first = looks.look()
    for path in set((cache_folder() / "features").rglob("*.f32")) - before:
        path.write_bytes(content)

    second = looks.look()

    assert np.array_equal(first.features, second.features)


def test_folder_without_a_readable_picture_gives_no_row(looking: Callable[..., Looking]):
    looks = looking()
    for picture in looks.pictures:
        picture.path.write_bytes(b"no picture")

    found = looks.look()

    assert (len(found.pictures), len(found.features), len(found.unreadable)) == (0, 0, 4)
