"""Where the part lies: told only where one part stands clearly apart from the ground."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from partgate.picture_check.position import find_part

NOWHERE = pytest.approx((math.nan,) * 3, nan_ok=True)
Grey = NDArray[np.uint8]


def part(left: int = 40, top: int = 30, width: int = 60, height: int = 40, levels: tuple[int, int] = (200, 40)) -> Grey:
    """Return a part on a ground of 120 x 160 px."""
    picture = np.full((120, 160), levels[0], np.uint8)
    picture[top : top + height, left : left + width] = levels[1]
    return picture


def vignette() -> Grey:
    """Return an empty scene whose light falls off from the middle: it has a level, but no edge."""
    down, across = np.mgrid[:120, :160]
    return np.clip(200 - (across - 80) ** 2 / 60 - (down - 60) ** 2 / 40, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "grey",
    [
        vignette(),
        np.full((120, 160), 120, np.uint8),
        np.zeros((1, 1), np.uint8),
        np.random.default_rng(0).normal(120, 20, (120, 160)).clip(0, 255).astype(np.uint8),
        part(left=0),
        np.maximum(part(10, 10, 30, 30, (0, 200)), part(100, 60, 30, 30, (0, 200))),
        part(80, 60, 5, 5),
        part(1, 1, 158, 118),
    ],
    ids=["vignette", "flat", "one-pixel", "grains", "cut-off-by-the-border", "two-parts", "speck", "hardly-any-ground"],
)
def test_picture_without_one_whole_part_has_no_outline(grey: Grey) -> None:
    assert find_part(grey) == NOWHERE


@pytest.mark.parametrize("levels", [(200, 40), (40, 200)], ids=["dark-part", "bright-part"])
def test_part_is_found_with_centre_and_size(levels: tuple[int, int]) -> None:
    # 60 x 40 of 160 x 120 px from (40, 30): centre (70, 50), an eighth of the area
    assert find_part(part(levels=levels)) == pytest.approx((70 / 160, 50 / 120, math.sqrt(1 / 8)), abs=0.01)


def test_dust_beside_the_part_changes_nothing() -> None:
    grey = part()
    grey[100:103, 20:23] = 40

    assert find_part(grey) == pytest.approx(find_part(part()), abs=0.002)


@given(left=st.integers(5, 90), top=st.integers(5, 70))
@settings(max_examples=30, deadline=None)
def test_outline_always_follows_the_part_and_keeps_its_size(left: int, top: int) -> None:
    x, y, size = find_part(part(left, top))

    assert x == pytest.approx((left + 30) / 160, abs=0.01)
    assert y == pytest.approx((top + 20) / 120, abs=0.01)
    assert size == pytest.approx(math.sqrt(1 / 8), abs=0.01)
