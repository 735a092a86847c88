"""Laying one picture onto another: turned, mirrored, shifted, in other light; another part and another size refused."""

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from partgate.data.geometry_match import correlate_rings, make_sketch, match

SIDE_PX = 160


def surface(seed: int, height: int = SIDE_PX, width: int = SIDE_PX) -> NDArray[np.uint8]:
    """Return a surface with blotches of 4 to 10 px, another one for each seed."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    blotches = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.clip(128 + 30 * blotches / blotches.std(), 0, 255).astype(np.uint8)


def moved(
    picture: NDArray[np.uint8], degrees: float = 0.0, size: float = 1.0, right_px: float = 0.0
) -> NDArray[np.uint8]:
    """Return a picture turned around its middle, magnified, shifted; what comes in from outside is mirrored."""
    height, width = picture.shape
    place = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, size)
    place[0, 2] += right_px
    return np.asarray(cv2.warpAffine(picture, place, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return how well two pictures lie on each other at the same size; -1 where the size changed."""
    found = match(make_sketch(first), make_sketch(second))
    return found.correlation if found.stretch < 0.1 else -1.0


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(surface(0), id="the same picture"),
        pytest.param(moved(surface(0), right_px=4), id="shifted"),
        pytest.param(moved(surface(0), degrees=3), id="turned a little"),
        pytest.param(moved(surface(0), degrees=137), id="turned far"),
        pytest.param(np.fliplr(surface(0)), id="mirrored"),
        pytest.param(moved(np.fliplr(surface(0)), degrees=60), id="mirrored and turned"),
        pytest.param((surface(0) * 0.4).astype(np.uint8), id="darker"),
        pytest.param((surface(0) * np.linspace(0.4, 1, SIDE_PX)).astype(np.uint8), id="lit from the side"),
        pytest.param((surface(0) * np.repeat([0.2, 1], [120, 40])).astype(np.uint8), id="three quarters in the shade"),
    ],
)
def test_same_part_is_recognised_when_it_is(again):
    assert correlation(surface(0), np.ascontiguousarray(again)) > 0.8


def test_other_part_of_the_same_material_is_not_taken_for_the_same():
    assert max(correlation(surface(0), surface(seed)) for seed in range(1, 6)) < 0.6


def test_which_of_two_pictures_comes_first_makes_no_difference_where_one_is_smaller():
    large, crop = surface(0), np.ascontiguousarray(surface(0)[20:140, 20:140])

    there = match(make_sketch(large), make_sketch(crop))
    back = match(make_sketch(crop), make_sketch(large))

    assert there == back
    assert there.correlation > 0.8
    assert there.stretch < 0.05


def test_magnified_surface_lies_on_the_other_only_with_its_size_changed():
    found = match(make_sketch(surface(0)), make_sketch(moved(surface(0), size=1.2)))

    assert found.stretch == pytest.approx(math.log(1.2), abs=0.03)
    assert not found.is_same_frame


def test_picture_saved_at_half_its_size_is_corner_on_corner():
    half = np.asarray(cv2.resize(surface(0), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)

    found = match(make_sketch(surface(0)), make_sketch(half))

    assert found.is_same_frame
    assert found.correlation > 0.95
    assert found.stretch == pytest.approx(math.log(2), abs=0.02)


def test_evenly_grey_picture_is_alike_to_nothing():
    grey = np.full((SIDE_PX, SIDE_PX), 90, np.uint8)

    assert correlation(grey, grey) == 0
    assert correlation(grey, surface(0)) == 0


def test_long_picture_is_compared_with_its_proportions_kept():
    strip = surface(0, 60, 300)

    sketch = make_sketch(strip)

    assert sketch.pixels.shape == (43, 215)
    assert correlation(strip, moved(strip, right_px=6)) > 0.8


def test_strips_that_share_only_their_middle_are_not_compared():
    upright, lying = surface(0, 300, 300)[:, 120:180], surface(0, 300, 300)[120:180]

    assert correlation(np.ascontiguousarray(upright), np.ascontiguousarray(lying)) < 0.5


def test_rings_are_alike_however_far_the_part_is_turned():
    turned, other = moved(surface(0), degrees=100), surface(1)
    rings = np.stack([make_sketch(one).rings for one in (surface(0), turned, other)])

    found = correlate_rings(rings[:1], rings)

    assert found[0, 0] == pytest.approx(1, abs=1e-3)
    assert found[0, 1] > 0.8
    assert found[0, 2] < 0.6
