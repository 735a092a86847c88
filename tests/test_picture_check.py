"""Usable pictures: a covered lens, a failed lamp or another camera is told apart from a part."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.errors import DataError
from partgate.parts import Image
from partgate.picture_check import PictureLimits, find_picture_faults, learn_limits, measure_picture

WIDTH, HEIGHT = 160, 120


def part(level: int = 120, height: int = HEIGHT, width: int = WIDTH) -> Image:
    """Return a picture of a bright part on a dark ground, mean grey value about ``level``."""
    picture = np.full((height, width, 3), level - 40, np.uint8)
    picture[height // 4 : -height // 4, width // 4 : -width // 4] = level + 80
    return picture


@pytest.fixture(scope="module")
def limits() -> PictureLimits:
    return learn_limits([measure_picture(part(level)) for level in (110, 120, 130)])


def test_measures_are_brightness_contrast_height_and_width() -> None:
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[:, 2:] = 100

    # half 0, half 100: mean 50, deviation 50
    assert measure_picture(picture) == pytest.approx((50, 50, 2, 4))


def test_limits_are_the_training_pictures_with_a_margin() -> None:
    limits = learn_limits([(100.0, 20.0, 100, 200), (140.0, 40.0, 120, 120)])

    assert limits.model_dump() == {
        "brightness_from": 70.0,  # 100 - 30
        "brightness_to": 170.0,  # 140 + 30
        "contrast_from": 6.0,  # 20 x 0.3
        "aspect_from": 0.8,  # 1 / 1.25
        "aspect_to": 2.5,  # 2 x 1.25
        "height_px_from": 50,  # half of 100
        "width_px_from": 60,  # half of 120
    }


@pytest.mark.parametrize("level", [100, 110, 120, 130, 140])
def test_part_like_the_training_pictures_is_usable(limits: PictureLimits, level: int) -> None:
    assert find_picture_faults(part(level), None, limits) == []


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (np.zeros((HEIGHT, WIDTH, 3), np.uint8), ["too dark: brightness 0 is below", "nothing visible: contrast 0.0"]),
        (np.full((HEIGHT, WIDTH, 3), 255, np.uint8), ["too bright: brightness 255 is above", "nothing visible"]),
        (np.full((HEIGHT, WIDTH, 3), 120, np.uint8), ["nothing visible: contrast 0.0 is below"]),
        (part(height=40, width=54), ["picture of 54 x 40 px is smaller than 80 x 60 px"]),
        (part(height=160, width=120), ["width / height 0.75 is not within 1.067 to 1.667"]),
        (part(height=120, width=240), ["width / height 2.00 is not within"]),
        (part(50), ["too dark"]),
    ],
    ids=["black", "white", "covered-lens", "tiny", "turned", "wide", "failed-lamp"],
)
def test_picture_that_shows_no_part_is_not_usable_and_says_why(
    limits: PictureLimits, picture: Image, told: list[str]
) -> None:
    faults = find_picture_faults(picture, None, limits)

    assert len(faults) == len(told)
    assert all(fault.startswith(start) for fault, start in zip(faults, told, strict=True)), faults


@pytest.mark.parametrize("size", [(1, 1), (15, 200), (200, 15)])
def test_picture_too_small_to_see_anything_is_never_usable_even_without_limits(
    limits: PictureLimits, size: tuple[int, int]
) -> None:
    picture = cv2.resize(part(), size[::-1])

    assert "is smaller than 16 x 16 px" in find_picture_faults(picture, None, None)[0]
    assert find_picture_faults(picture, None, limits)


def test_without_limits_any_other_picture_is_judged() -> None:
    assert find_picture_faults(np.zeros((16, 16, 3), np.uint8), None, None) == []


def test_only_what_lies_in_the_region_counts(limits: PictureLimits) -> None:
    picture = np.zeros((3 * HEIGHT, 3 * WIDTH, 3), np.uint8)
    region = (WIDTH, HEIGHT, 2 * WIDTH, 2 * HEIGHT)
    picture[HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH] = part()

    assert find_picture_faults(picture, region, limits) == []
    assert find_picture_faults(picture, (0, 0, WIDTH, HEIGHT), limits) != []


@pytest.mark.parametrize("has_limits", [True, False])
def test_region_outside_the_picture_is_an_error_with_both_sizes(limits: PictureLimits, has_limits: bool) -> None:
    with pytest.raises(DataError, match=r"region \[0, 0, 200, 120\] must lie inside the picture of 160 x 120 px"):
        find_picture_faults(part(), (0, 0, 200, 120), limits if has_limits else None)


@given(
    st.lists(
        st.tuples(st.integers(16, 400), st.integers(16, 400), st.integers(0, 255), st.integers(0, 60)),
        min_size=1,
        max_size=5,
    )
)
def test_training_pictures_always_pass_their_own_limits(made: list[tuple[int, int, int, int]]) -> None:
    pictures = []
    for height, width, level, noise in made:
        grains = np.random.default_rng(0).integers(-noise, noise + 1, (height, width, 3))
        pictures.append(np.clip(level + grains, 0, 255).astype(np.uint8))

    limits = learn_limits([measure_picture(picture) for picture in pictures])

    assert [find_picture_faults(picture, None, limits) for picture in pictures] == [[]] * len(pictures)


def test_narrow_region_of_training_pictures_passes_its_own_limits() -> None:
    picture, region = part(), (20, 50, 140, 60)  # ten pixels high: a weld seam
    limits = learn_limits([measure_picture(picture[50:60, 20:140])])

    assert find_picture_faults(picture, region, limits) == []
