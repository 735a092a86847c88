"""What is measured of a picture: every measure answers to its own fault and to no other."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partgate.parts import Image
from partgate.picture_check import measure

SIZE = (120, 160)


def textured(height: int = 120, width: int = 160, seed: int = 0) -> Image:
    """Return fine grains on grey 120."""
    grains = np.random.default_rng(seed).normal(0, 25, (height, width, 1))
    smooth = cv2.GaussianBlur(np.repeat(grains, 3, 2), (0, 0), 1)
    return np.clip(120 + 2 * smooth, 0, 255).astype(np.uint8)


def with_part(left: int = 40, top: int = 30, width: int = 60, height: int = 40, ground: int = 200) -> Image:
    """Return a dark part on a bright ground of 120 x 160 px."""
    picture = np.full((*SIZE, 3), ground, np.uint8)
    picture[top : top + height, left : left + width] = 40
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((20, 20), np.uint8),
        np.zeros((20, 20, 1), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((20, 20, 3), np.uint16),
        np.zeros((20, 20, 3), np.float32),
        np.zeros((0, 20, 3), np.uint8),
    ],
    ids=["grey", "one-channel", "four-channels", "16-bit", "floats", "empty"],
)
def test_picture_that_is_not_rgb_is_refused_with_what_came(picture: Image) -> None:
    with pytest.raises(ValueError, match=r"image must be RGB of uint8 .*, got shape \(\d+, 20.*\) of "):
        measure(picture)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 300), (300, 1), (2, 3), (3, 2), (5, 5)], ids=lambda size: f"{size[0]}x{size[1]}"
)
@pytest.mark.parametrize("level", [0, 120, 255])
def test_picture_of_hardly_any_pixels_is_measured_all_the_same(size: tuple[int, int], level: int) -> None:
    found = measure(np.full((*size, 3), level, np.uint8))

    assert all(math.isfinite(value) for value in found[:-3]), found
    assert (found.brightness, found.contrast, found.sharpness) == pytest.approx((level, 0, 1), abs=1e-6)
    assert found[-3:] == pytest.approx((math.nan,) * 3, nan_ok=True)


def test_twenty_megapixels_measure_like_the_same_scene_with_less() -> None:
    small = textured(342, 513)
    large = np.asarray(cv2.resize(small, (5472, 3648), interpolation=cv2.INTER_NEAREST), np.uint8)

    few, many = measure(small), measure(large)

    assert (many.width_px, many.height_px) == (5472, 3648)
    assert many.brightness == pytest.approx(few.brightness, abs=0.5)
    assert many.contrast == pytest.approx(few.contrast, rel=0.05)
    assert many.balance_x == pytest.approx(few.balance_x, abs=0.005)


def test_measures_of_a_small_picture_are_those_worked_out_by_hand() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, 4:] = (100, 100, 100)

    found = measure(picture)

    # 2 px apart across: 2 of 6 pairs differ by 100, down none; 4 px apart across: 4 of 4
    near, far = 10_000 * 2 / 6 / 2, 10_000 / 2
    assert found.sharpness == pytest.approx(near / far, rel=1e-4)
    assert found.detail == pytest.approx(far / (2 * 50**2), rel=1e-4)
    assert (found.brightness, found.contrast) == (50, 50)
    assert (found.white_share, found.black_share) == (0, 0.5)
    assert (found.red_to_green, found.blue_to_green) == (1, 1)
    assert found.balance_x == 0.75  # the lit half's middle
    assert found.balance_y == 0.5


def test_colours_are_compared_with_green_after_ten_grey_levels_are_added() -> None:
    picture = np.full((20, 20, 3), (110, 50, 20), np.uint8)

    found = measure(picture)

    assert (found.red_to_green, found.blue_to_green) == (120 / 60, 30 / 60)


@pytest.mark.parametrize(
    ("pixel", "shares"),
    [
        ((255, 0, 0), (1, 0)), ((9, 254, 9), (1, 0)), ((9, 9, 254), (1, 0)), ((253, 253, 253), (0, 0)),
        ((1, 1, 1), (0, 1)), ((2, 0, 0), (0, 0)), ((0, 2, 0), (0, 0)), ((0, 0, 2), (0, 0)),
    ],
    ids=["red-full", "green-nearly-full", "blue-nearly-full", "just-below", "black", "some-red", "some-green",
         "some-blue"],
)  # fmt: skip
def test_pixel_is_white_where_one_channel_is_full_and_black_where_all_are_empty(
    pixel: tuple[int, int, int], shares: tuple[int, int]
) -> None:
    found = measure(np.full((20, 20, 3), pixel, np.uint8))

    assert (found.white_share, found.black_share) == shares


@pytest.mark.parametrize("sigma", [1, 2, 4])
def test_blur_lowers_the_sharpness_at_any_size(sigma: float) -> None:
    for picture in (textured(), textured(1000, 1400)):
        assert measure(cv2.GaussianBlur(picture, (0, 0), sigma)).sharpness < measure(picture).sharpness - 0.05


@pytest.mark.parametrize("kernel", [(9, 1), (1, 9)], ids=["across", "down"])
@pytest.mark.parametrize("size", [(120, 160), (1000, 1400)], ids=["all-rows", "bands-of-rows"])
def test_blur_in_one_direction_alone_is_seen(size: tuple[int, int], kernel: tuple[int, int]) -> None:
    picture = textured(*size)
    smeared = np.asarray(cv2.blur(picture, kernel), np.uint8)

    assert measure(smeared).sharpness < measure(picture).sharpness - 0.02
    assert measure(smeared).detail < 0.95 * measure(picture).detail


def test_strong_blur_behind_which_a_sensor_adds_noise_lowers_the_detail() -> None:
    noise = np.random.default_rng(1).normal(0, 2, (*SIZE, 3))
    picture = np.clip(with_part() / 2.0 + textured() / 2.0, 0, 255).astype(np.uint8)
    blurred = np.clip(cv2.GaussianBlur(picture, (0, 0), 4) + noise, 0, 255).astype(np.uint8)

    assert measure(blurred).detail < 0.5 * measure(picture).detail


@given(factor=st.floats(0.5, 1.0))
@settings(max_examples=20, deadline=None)
def test_light_never_changes_what_is_told_of_the_focus(factor: float) -> None:
    picture = textured()

    dim, bright = measure((picture * factor).astype(np.uint8)), measure(picture)

    assert dim.sharpness == pytest.approx(bright.sharpness, rel=0.02)
    assert dim.detail == pytest.approx(bright.detail, rel=0.02)


@given(level=st.integers(0, 255), factor=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_darker_copies_never_measure_brighter_or_whiter(level: int, factor: float) -> None:
    picture = np.clip(textured().astype(float) + level - 120, 0, 255).astype(np.uint8)

    dim, bright = measure((picture * factor).astype(np.uint8)), measure(picture)

    assert dim.brightness <= bright.brightness
    assert dim.white_share <= bright.white_share
    assert dim.black_share >= bright.black_share


def test_half_a_picture_covered_leaves_a_third_flat_field() -> None:
    whole, half, sliver = textured(), textured(), textured()
    half[:, :80] = 120
    sliver[:, :20] = 120

    assert measure(half).field_contrast == 0
    assert measure(sliver).field_contrast > 0.5 * measure(whole).field_contrast
