"""Where a model looks at a part: one place, named regions or tiles; what of it stands in the bundle."""

import json
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from partgate.errors import BundleError, DataError
from partgate.imaging import cut_tiles, fit_picture
from partgate.inference import bundle as bundles
from partgate.inference.bundle import Geometry, Look, Manifest, read_bundle, write_bundle
from partgate.recipe import load_recipe

MakeRun = Callable[..., Path]
REGIONS = {"left": (0, 0, 60, 60), "middle": (70, 0, 130, 60), "right": (140, 0, 200, 60)}
THREE_PLACES = {"region": None, "height_px": 32, "width_px": 32, "regions": REGIONS}
SIX_TILES = {"region": None, "height_px": 32, "width_px": 32, "tiles": (2, 3), "tile_overlap": 0}


def test_looks_are_the_whole_the_named_regions_or_the_tiles() -> None:
    plain = Geometry(region=(5, 6, 70, 80), height_px=32, width_px=32)
    tiles = Geometry(region=(10, 20, 110, 60), height_px=32, width_px=32, tiles=(1, 2), tile_overlap=0.2)

    assert plain.looks(100, 210) == (Look(None, (5, 6, 70, 80)),)
    assert Geometry.model_validate(THREE_PLACES).looks(100, 210) == tuple(Look(n, box) for n, box in REGIONS.items())
    # two tiles of side s that share 0.2 s cover 100 px: 1.8 s = 100, so 56 px
    assert tiles.looks(100, 210) == (
        Look("row 1, column 1", (10, 20, 66, 60)),
        Look("row 1, column 2", (54, 20, 110, 60)),
    )


@pytest.mark.parametrize(
    ("geometry", "told"),
    [
        (THREE_PLACES, r"^region 'right' \[140, 0, 200, 60\] must lie inside the picture of 199 x 60 px"),
        (
            SIX_TILES | {"region": (0, 0, 200, 60)},
            r"^region \[0, 0, 200, 60\] must lie inside the picture of 199 x 60 px",
        ),
    ],
    ids=["regions", "tiled-region"],
)
def test_picture_that_is_too_small_for_the_looks_is_refused(geometry: dict, told: str) -> None:
    wanted = Geometry.model_validate(geometry)

    with pytest.raises(DataError, match=told):
        wanted.looks(60, 199)
    assert len(wanted.looks(60, 200)) == (3 if wanted.regions else 6)


def test_network_is_shown_each_look_as_if_it_were_cut_by_hand() -> None:
    geometry = Geometry.model_validate(THREE_PLACES)
    part = np.random.default_rng(0).integers(0, 256, (100, 210, 3), np.uint8)

    shown = list(geometry.fit(part))

    assert [look.name for look, _ in shown] == list(REGIONS)
    for look, small in shown:
        np.testing.assert_array_equal(small, fit_picture(part, look.region, 32, 32))


@pytest.mark.parametrize(
    ("geometry", "area"),
    [
        (THREE_PLACES, (0, 0, 200, 60)),
        (SIX_TILES, None),
        (SIX_TILES | {"region": (1, 2, 30, 40)}, (1, 2, 30, 40)),
        ({"region": (1, 2, 30, 40), "height_px": 8, "width_px": 8}, (1, 2, 30, 40)),
    ],
    ids=["box-around-regions", "whole", "tiled-region", "region"],
)
def test_picture_check_measures_what_is_looked_at(geometry: dict, area: object) -> None:
    assert Geometry.model_validate(geometry).measured_region == area


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"regions": REGIONS, "region": (0, 0, 9, 9)}, "regions .left, middle, right. cannot stand beside region"),
        ({"regions": REGIONS, "tiles": (2, 2)}, "cannot stand beside tiles: name all places under regions, or cut one"),
        ({"regions": {"": (0, 0, 9, 9)}}, "at least 1 character"),
        ({"tiles": (0, 2)}, "greater than or equal to 1"),
        ({"tiles": (2, 33)}, "less than or equal to 32"),
        ({"tiles": (True, 2)}, "valid integer"),
        ({"tiles": (2, 2), "tile_overlap": 0.5}, "less than 0.5"),
        ({"tiles": (2, 2), "tile_overlap": -0.1}, "greater than or equal to 0"),
    ],
    ids=["region", "tiles", "no-name", "no-row", "too-many", "yes", "half", "negative"],
)  # fmt: skip
def test_geometry_that_contradicts_itself_is_refused(changes: dict, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Geometry.model_validate({"region": None, "height_px": 32, "width_px": 32} | changes)


def test_equal_geometries_are_one_key() -> None:
    one, two = Geometry.model_validate(THREE_PLACES), Geometry.model_validate(THREE_PLACES)

    assert len({one, two, Geometry.model_validate(SIX_TILES)}) == 2


# --- tiles


@given(
    width=st.integers(8, 5000), height=st.integers(8, 5000), rows=st.integers(1, 8), columns=st.integers(1, 8),
    overlap=st.floats(0, 0.499), left=st.integers(0, 50), top=st.integers(0, 50),
)  # fmt: skip
def test_tiles_always_cover_every_pixel_lie_inside_and_have_one_size(
    width: int, height: int, rows: int, columns: int, overlap: float, left: int, top: int
) -> None:
    tiles = cut_tiles((left, top, left + width, top + height), rows, columns, overlap)

    assert len(tiles) == rows * columns
    assert len({(x_max - x_min, y_max - y_min) for x_min, y_min, x_max, y_max in tiles}) == 1
    across, down = np.zeros(width, bool), np.zeros(height, bool)  # every row of tiles has the same columns
    for x_min, y_min, x_max, y_max in tiles:
        assert left <= x_min < x_max <= left + width
        assert top <= y_min < y_max <= top + height
        across[x_min - left : x_max - left] = True
        down[y_min - top : y_max - top] = True
    assert across.all()
    assert down.all()
    assert {tile[::2] for tile in tiles[:columns]} == {tile[::2] for tile in tiles}


@given(length=st.integers(40, 5000), count=st.integers(2, 8), overlap=st.floats(0, 0.499))
def test_neighbouring_tiles_always_share_what_was_asked_give_or_take_rounding(
    length: int, count: int, overlap: float
) -> None:
    tiles = cut_tiles((0, 0, length, 10), 1, count, overlap)

    wanted_px = overlap * length / (count - (count - 1) * overlap)  # count sides less what they share = length
    for before, after in pairwise(tiles):
        assert -1 < before[2] - after[0] - wanted_px < 3


# --- the file


def test_bundle_of_one_look_stays_as_older_versions_read_it(
    tmp_path: Path, make_manifest: Callable[..., Manifest]
) -> None:
    write_bundle(tmp_path / "plain", make_manifest(), b"the graph")

    with zipfile.ZipFile(tmp_path / "plain") as archive:
        written = json.loads(archive.read("manifest.json"))

    assert written["format"] == 1
    assert written["geometry"] == {"region": None, "height_px": 32, "width_px": 32}
    assert read_bundle(tmp_path / "plain").manifest.geometry.tiles is None


@pytest.mark.parametrize("geometry", [THREE_PLACES, SIX_TILES], ids=["regions", "tiles"])
def test_bundle_of_several_looks_is_refused_by_a_version_that_knows_one_look_alone(
    tmp_path: Path, make_manifest: Callable[..., Manifest], geometry: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Geometry.model_validate(geometry)
    write_bundle(tmp_path / "several", make_manifest(geometry=wanted), b"the graph")

    assert read_bundle(tmp_path / "several").manifest.geometry == wanted
    assert read_bundle(tmp_path / "several").manifest.format == 2
    monkeypatch.setattr(bundles, "BUNDLE_FORMAT", 1)  # the check is the one of the first version
    with pytest.raises(BundleError, match=r"format 2 was written by a newer partgate .* update partgate on this PC"):
        read_bundle(tmp_path / "several")


@pytest.mark.parametrize(("geometry", "places"), [(THREE_PLACES, 3), (SIX_TILES, 6)], ids=["regions", "tiles"])
def test_sorting_by_class_in_several_places_is_refused_when_the_bundle_is_read(
    tmp_path: Path, make_run: MakeRun, geometry: dict, places: int
) -> None:
    with pytest.raises(BundleError, match=rf"sorts by class, but looks at {places} places of a part, .* good_class,"):
        make_run(tmp_path, manifest={"geometry": Geometry.model_validate(geometry), "good_class": None})


def test_recipe_keeps_the_region_of_the_bundle_and_repeats_no_tiles(tmp_path: Path, make_run: MakeRun) -> None:
    geometry = Geometry.model_validate(SIX_TILES | {"region": (0, 0, 90, 60)})
    run = make_run(tmp_path / "run", manifest={"geometry": geometry})

    assert load_recipe(run).region == (0, 0, 90, 60)
    assert "tiles" not in (run / "recipe.yaml").read_text(encoding="utf-8")
    with pytest.raises(BundleError, match="region none differs from"):
        bundles.open_pinned(load_recipe(run).model_copy(update={"region": None}))
