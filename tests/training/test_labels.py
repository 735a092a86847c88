"""Labels of places: what the user said, what marked boxes show, and where nobody said, the likeliest place."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from partgate.data.folder import LabelledFolder, Picture
from partgate.errors import DataError
from partgate.inference.bundle import Geometry
from partgate.training.features import FeatureSet
from partgate.training.labels import make_examples

CLASSES = ("dent", "good", "pore")
GOOD, DENT, PORE = 1, 0, 2
REGIONS = {"left": (0, 0, 32, 48), "right": (32, 0, 64, 48)}


def geometry(**keys: object) -> Geometry:
    return Geometry.model_validate({"region": None, "height_px": 32, "width_px": 32, **keys})


def made(path: Path, label: str, number: int, columns: Mapping[str, str] | None = None, weight: float = 1.0) -> Picture:
    import cv2

    cv2.imwrite(str(path), np.full((48, 64, 3), number, np.uint8))
    return Picture(path, path.name, label, f"{number:064d}", f"group {number}", weight=weight, columns=columns or {})


def found(
    tmp_path: Path, rows: Sequence[tuple[str, Mapping[str, str]]], where: Geometry,
    features: np.ndarray | None = None, weights: Sequence[float] | None = None,
) -> tuple[FeatureSet, LabelledFolder]:  # fmt: skip
    pictures = tuple(
        made(tmp_path / f"{i}.png", label, i, columns, (weights or [1.0] * len(rows))[i])
        for i, (label, columns) in enumerate(rows)
    )
    looks = where.look_names or (None,)
    if features is None:
        features = np.zeros((len(rows) * len(looks), 1, 1))
    facts = FeatureSet(pictures, looks, features.astype(np.float32), ((0, 0, 48, 64),) * len(rows), (), np.arange(9))
    return facts, LabelledFolder(tmp_path, pictures, CLASSES, "good", False, ())


def labelled(tmp_path: Path, rows: Sequence[tuple[str, Mapping[str, str]]], where: Geometry) -> list[list[object]]:
    """Return label and weight of each look, where all are known."""
    examples, _ = make_examples(*found(tmp_path, rows, where), where, 1, 0)
    return [[CLASSES[label], float(weight)] for label, weight in zip(examples.labels, examples.weights, strict=True)]


def test_region_label_that_is_no_class_is_refused_with_the_known_ones(tmp_path: Path):
    rows = [("good", {}), ("dent", {"region.left": "dnet"})]
    where = geometry(regions=REGIONS)

    with pytest.raises(DataError, match=r"1.png: region label 'dnet' is no class; known: dent, good, pore$"):
        make_examples(*found(tmp_path, rows, where), where, 1, 0)


def test_column_of_a_region_that_the_training_does_not_have_is_named(tmp_path: Path):
    where = geometry(regions=REGIONS)

    with pytest.raises(DataError, match=r"column 'region.lfet' names no region; the training has: left, right$"):
        make_examples(*found(tmp_path, [("good", {"region.lfet": "good"}), ("dent", {})], where), where, 1, 0)


@pytest.mark.parametrize(
    ("label", "left"),
    [pytest.param("good", "dent", id="good-part-with-a-defect"), pytest.param("dent", "good", id="defect-nowhere")],
)
def test_part_whose_places_contradict_its_label_is_refused(tmp_path: Path, label: str, left: str):
    rows = [("good", {}), (label, {"region.left": left, "region.right": "good"})]
    where = geometry(regions=REGIONS)

    with pytest.raises(DataError, match=rf"is '{label}', but its regions are {left}, good; correct one of them$"):
        make_examples(*found(tmp_path, rows, where), where, 1, 0)


def test_marked_box_that_is_none_is_refused_with_the_picture(tmp_path: Path):
    rows = [("good", {}), ("dent", {"boxes": "1 2 3"})]
    where = geometry(tiles=(1, 2))

    with pytest.raises(DataError, match=r"1.png: labels.csv: a box must be x0 y0 x1 y1 .*, got '1 2 3'$"):
        make_examples(*found(tmp_path, rows, where), where, 1, 0)


def test_sorting_by_class_in_several_places_is_refused(tmp_path: Path):
    where = geometry(tiles=(1, 2))
    facts, folder = found(tmp_path, [("good", {}), ("dent", {})], where)
    sorting = LabelledFolder(folder.folder, folder.pictures, CLASSES, None, False, ())

    with pytest.raises(DataError, match="sorting by class looks at one place of a part; regions and tiles need a good"):
        make_examples(facts, sorting, where, 1, 0)


def test_only_look_has_the_label_of_the_picture(tmp_path: Path):
    where = geometry()
    facts, folder = found(tmp_path, [("good", {}), ("dent", {}), ("pore", {})], where, weights=[1.0, 0.5, 0.0])

    examples, of_picture = make_examples(facts, folder, where, 1, 0)

    assert examples.labels.tolist() == of_picture.tolist() == [GOOD, DENT, PORE]
    assert examples.weights.tolist() == [1.0, 0.5, 0.0]
    assert examples.picture.tolist() == [0, 1, 2]


def test_every_look_of_a_good_part_is_good(tmp_path: Path):
    assert labelled(tmp_path, [("good", {}), ("good", {})], geometry(tiles=(1, 2))) == [["good", 1.0]] * 4


def test_region_has_the_label_that_its_column_says(tmp_path: Path):
    rows = [
        ("dent", {"region.left": "dent", "region.right": "good"}),
        ("pore", {"region.left": "pore", "region.right": "dent"}),
    ]

    assert labelled(tmp_path, rows, geometry(regions=REGIONS)) == [
        ["dent", 1.0], ["good", 1.0], ["pore", 1.0], ["dent", 1.0],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("box", "left", "right"),
    [
        ("4 4 12 12", ["dent", 1.0], ["good", 1.0]),
        ("20 4 44 12", ["dent", 1.0], ["dent", 1.0]),
        ("20 4 36 12", ["dent", 1.0], ["dent", 1.0]),
        ("4 4 12 12; 40 4 50 12", ["dent", 1.0], ["dent", 1.0]),
    ],
    ids=["in-one-tile", "half-in-each", "a-quarter-is-enough", "two-boxes"],
)
def test_tile_that_shows_enough_of_a_box_is_a_defect_and_one_that_shows_none_is_good(
    tmp_path: Path, box: str, left: list[object], right: list[object]
):
    where = geometry(tiles=(1, 2), tile_overlap=0)  # cut at x = 32

    assert labelled(tmp_path, [("good", {}), ("dent", {"boxes_xyxy": box})], where)[2:] == [left, right]


def test_tile_with_a_sliver_of_a_box_teaches_nothing(tmp_path: Path):
    """Of 16 px across 2 lie in the right tile: neither good, nor the place of a defect known to be in the left."""
    where = geometry(tiles=(1, 2), tile_overlap=0)
    rows = [("dent", {"boxes": "18 4 34 12"})] * 3 + [("good", {})] * 3

    assert labelled(tmp_path, rows, where)[:2] == [["dent", 1.0], ["dent", 0.0]]


def test_columns_of_a_region_stand_above_boxes(tmp_path: Path):
    rows = [("dent", {"region.left": "good", "region.right": "dent", "boxes": "4 4 12 12"})]

    assert labelled(tmp_path, [("good", {}), *rows], geometry(regions=REGIONS))[2:] == [["good", 1.0], ["dent", 1.0]]


def test_unknown_place_of_a_defect_is_found_and_the_others_teach_nothing(tmp_path: Path):
    """Twelve parts in four tiles each; the tile with the defect has another feature, and nobody says which it is."""
    where, rng = geometry(tiles=(2, 2)), np.random.default_rng(0)
    features = rng.normal(0, 0.3, (24 * 4, 1, 6))
    truth = rng.integers(0, 4, 12)
    features[np.arange(12) * 4 + truth, :, 2] += 3
    rows = [("dent", {})] * 12 + [("good", {})] * 12
    facts, folder = found(tmp_path, rows, where, features)

    examples, of_picture = make_examples(facts, folder, where, 1, 0)

    weights = examples.weights.reshape(24, 4)
    assert weights[:12].argmax(1).tolist() == truth.tolist()
    assert (weights[:12].sum(1) == 1).all()
    assert (weights[12:] == 1).all()
    assert of_picture.tolist() == [DENT] * 12 + [GOOD] * 12
    assert (examples.labels.reshape(24, 4) == of_picture[:, None]).all()


def test_weight_of_the_picture_stays_with_the_place_that_is_found(tmp_path: Path):
    where, rng = geometry(tiles=(1, 2)), np.random.default_rng(0)
    features = rng.normal(0, 0.3, (24 * 2, 1, 4))
    features[np.arange(12) * 2, :, 2] += 3
    rows = [("dent", {})] * 12 + [("good", {})] * 12
    facts, folder = found(tmp_path, rows, where, features, weights=[0.5] * 12 + [1.0] * 12)

    examples, _ = make_examples(facts, folder, where, 1, 0)

    assert examples.weights[:4].tolist() == [0.5, 0.0, 0.5, 0.0]


def test_mean_over_the_averaged_views_is_learned_from(tmp_path: Path):
    where = geometry()
    facts, folder = found(tmp_path, [("good", {}), ("dent", {})], where, np.array([[[1.0], [3.0]], [[5.0], [9.0]]]))

    assert make_examples(facts, folder, where, 2, 0)[0].features.tolist() == [[2.0], [7.0]]
    assert make_examples(facts, folder, where, 1, 0)[0].features.tolist() == [[1.0], [5.0]]
