"""Region and size: the same for training and line."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.data.folder import Picture
from partgate.errors import DataError
from partgate.imaging import crop_region, fit_picture, read_picture
from partgate.inference.bundle import Geometry
from partgate.parts import Image

from .made_pictures import encoded, noise, with_orientation


@given(st.data())
def test_region_inside_always_gives_exactly_its_pixels(data: st.DataObject) -> None:
    x_max, y_max = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 40))
    x_min, y_min = data.draw(st.integers(0, x_max - 1)), data.draw(st.integers(0, y_max - 1))
    picture = noise(40, 60)

    cut = crop_region(picture, (x_min, y_min, x_max, y_max))

    assert cut.shape == (y_max - y_min, x_max - x_min, 3)
    assert np.array_equal(cut[0, 0], picture[y_min, x_min])
    assert np.array_equal(cut[-1, -1], picture[y_max - 1, x_max - 1])


@pytest.mark.parametrize(
    "region",
    [(-1, 0, 10, 10), (0, -1, 10, 10), (0, 0, 61, 40), (0, 0, 60, 41), (10, 0, 10, 40), (30, 0, 20, 40), (0, 9, 60, 9)],
    ids=["left", "above", "right", "below", "no-width", "turned-round", "no-height"],
)
def test_region_that_does_not_lie_inside_is_refused_with_both_sizes(region: tuple[int, int, int, int]) -> None:
    told = rf"region \[{', '.join(map(str, region))}\] must lie inside the picture of 60 x 40 px"

    with pytest.raises(DataError, match=told):
        crop_region(noise(40, 60), region)
    with pytest.raises(DataError, match=told):
        fit_picture(noise(40, 60), region, 32, 32)


def test_without_a_region_the_picture_stays_whole() -> None:
    picture = noise()

    assert crop_region(picture, None) is picture


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64), st.integers(1, 64))
def test_fitted_picture_always_has_the_wanted_size(height: int, width: int, height_px: int, width_px: int) -> None:
    picture = np.full((height, width, 3), 200, np.uint8)

    fitted = fit_picture(picture, None, height_px, width_px)

    assert fitted.shape == (height_px, width_px, 3)
    assert fitted.dtype == np.uint8
    assert fitted.flags.c_contiguous
    assert set(np.unique(fitted)) <= {127, 200}


def test_aspect_is_kept_and_what_stays_free_is_grey() -> None:
    picture = np.full((10, 40, 3), 255, np.uint8)  # four times as wide as high

    fitted = fit_picture(picture, None, 32, 32)

    # 40 x 10 px into 32 x 32: scale 0.8, so 32 x 8, in the middle: rows 12 to 19
    assert (fitted[12:20] == 255).all()
    assert (fitted[:12] == 127).all()
    assert (fitted[20:] == 127).all()


@pytest.mark.parametrize("size", [(7, 5), (64, 64), (900, 1100)], ids=["enlarged", "same", "shrunk-in-two-steps"])
def test_circle_stays_a_circle(size: tuple[int, int]) -> None:
    side = min(size)
    picture = np.zeros((*size, 3), np.uint8)
    cv2.circle(picture, (size[1] // 2, size[0] // 2), side // 2 - 1, (255, 255, 255), -1)

    rows, columns = np.nonzero(fit_picture(picture, None, 48, 64)[..., 0] > 180)

    assert abs(np.ptp(rows) - np.ptp(columns)) <= 4


def test_part_already_of_the_right_size_is_not_touched() -> None:
    picture = noise(32, 32)

    assert np.array_equal(fit_picture(picture, None, 32, 32), picture)


def test_shrinking_averages_areas_so_that_a_fine_pattern_becomes_even() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[::2, ::2] = picture[1::2, 1::2] = 200  # half of the pixels

    assert np.allclose(fit_picture(picture, None, 32, 32), 100, rtol=0, atol=1)


def test_region_is_cut_out_before_the_size_is_changed() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:30, 20:40] = 255

    assert (fit_picture(picture, (20, 10, 40, 30), 32, 32) == 255).all()


def test_long_part_fills_the_input_where_the_aspect_is_not_kept() -> None:
    """Left half black, right half white, twice as wide as high: a square of two halves, without grey."""
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 20:] = 255

    fitted = fit_picture(picture, None, 32, 32, keeps_aspect=False)

    assert (fitted[:, :16] == 0).all()
    assert (fitted[:, 16:] == 255).all()


@pytest.mark.parametrize("keeps_aspect", [True, False], ids=["with-borders", "without-borders"])
def test_training_and_line_see_the_same_array(
    tmp_path: Path, make_run: Callable[..., Path], make_model: Callable[..., bytes], keeps_aspect: bool
) -> None:
    features = pytest.importorskip("partgate.training.features", reason="needs partgate[train]")
    from partgate.inference.engine import OnnxEngine
    from partgate.inference.inspector import Inspector

    class Watching(OnnxEngine):
        """An engine that keeps what it was given."""

        def run(self, picture: Image, names: tuple[str, ...] = ("probabilities",)) -> list[np.ndarray]:
            self.seen = picture
            return super().run(picture, names)

    geometry = Geometry(region=(5, 3, 165, 103), height_px=32, width_px=64, keeps_aspect=keeps_aspect)
    path = tmp_path / "part.jpg"
    path.write_bytes(with_orientation(encoded(noise(180, 120), ".jpg"), 6))
    model = make_model(height_px=32, width_px=64)
    inspector = Inspector.open(make_run(tmp_path / "run", model=model, manifest={"geometry": geometry}))
    engine = Watching(model)

    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    (learned,), _ = features.read_part(Picture(path, "part.jpg", "good", sha256, "0"), geometry)
    Inspector(inspector.recipe, inspector.bundle, engine).predict(read_picture(path))

    assert np.array_equal(engine.seen, learned)
