"""Usable pictures: a covered lens, a failed lamp, a blurred or shifted picture is told apart from a part."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partgate.errors import DataError
from partgate.parts import Image
from partgate.picture_check import Measures, PictureLimits, find_faults, find_picture_faults, learn_limits, measure
from partgate.picture_check.rules import RULES

WIDTH, HEIGHT = 160, 120
OLD = {
    "brightness_from": 20, "brightness_to": 240, "contrast_from": 1, "aspect_from": 0.8, "aspect_to": 1.25,
    "height_px_from": 32, "width_px_from": 32,
}  # fmt: skip


def part(level: int = 120, height: int = HEIGHT, width: int = WIDTH, moved: int = 0, seed: int = 0) -> Image:
    """Return a grained bright part on a dark ground, mean grey value about ``level``."""
    picture = np.full((height, width, 3), level - 40.0)
    picture[height // 4 : -height // 4, width // 4 + moved : moved - width // 4] = level + 80
    picture += cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 12, (height, width, 1)), (0, 0), 0.7)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def thirty() -> list[Measures]:
    """Return measures of thirty pictures under light that scatters by 2 %."""
    return [measure(part(round(120 + 3 * math.sin(seed)), seed=seed)) for seed in range(30)]


@pytest.fixture(scope="module")
def limits() -> PictureLimits:
    return learn_limits(thirty())


def covered(share: float, level: int) -> Image:
    picture = part()
    picture[:, : round(WIDTH * share)] = level
    return picture


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (np.zeros((HEIGHT, WIDTH, 3), np.uint8), "too dark: brightness 0 is below"),
        (np.full((HEIGHT, WIDTH, 3), 255, np.uint8), "too bright: brightness 255 is above"),
        (np.full((HEIGHT, WIDTH, 3), 120, np.uint8), "nothing visible: contrast 0.0 is below"),
        (part(60), "too dark: brightness"),
        (part(height=40, width=54), "picture of 54 x 40 px is smaller than 80 x 60 px"),
        (part(height=160, width=120), "width / height 0.75 is not within 1.067 to 1.667"),
        (part(height=120, width=240), "width / height 2.00 is not within"),
        (cv2.GaussianBlur(part(), (0, 0), 2), "blurred: sharpness"),
        (np.where(part() > 170, 255, part()).astype(np.uint8), "overexposed: share of white pixels"),
        (np.where(part() < 100, 0, part()).astype(np.uint8), "underexposed: share of black pixels"),
        ((part() * np.array([1, 0.8, 1])).astype(np.uint8), "colour cast: red to green"),
        ((part() * np.array([1, 1, 0.8])).astype(np.uint8), "colour cast: blue to green"),
        (covered(0.5, 100), "partly covered: contrast of fields 0.0 is below"),
        (covered(0.5, 0), "uneven: centre of light across"),
        (part(moved=30), "part out of place: part's centre across"),
    ],
    ids=["black", "white", "covered-lens", "failed-lamp", "tiny", "turned", "wide", "blurred", "overexposed",
         "underexposed", "green-missing", "blue-missing", "half-covered-grey", "half-covered-black", "shifted"],
)  # fmt: skip
def test_picture_unlike_the_training_pictures_is_not_usable_and_the_figure_and_its_limit_are_told(
    limits: PictureLimits, picture: Image, told: str
) -> None:
    faults = find_picture_faults(picture, None, limits)

    assert any(fault.startswith(told) for fault in faults), faults


@pytest.mark.parametrize("level", [110, 115, 120, 125, 130])
def test_part_like_the_training_pictures_is_usable(limits: PictureLimits, level: int) -> None:
    assert find_picture_faults(part(level, seed=99), None, limits) == []


@pytest.mark.parametrize("name", RULES)
def test_measure_that_is_no_number_is_never_within_its_limits(limits: PictureLimits, name: str) -> None:
    faults = find_faults(measure(part())._replace(**{name: math.nan}), limits)

    assert len(faults) == 1, faults


def test_part_that_is_not_found_is_told_once(limits: PictureLimits) -> None:
    lost = measure(part())._replace(part_x=math.nan, part_y=math.nan, part_size=math.nan)

    assert find_faults(lost, limits) == ["part not found: no outline as in the training pictures"]


def test_value_at_its_limit_is_usable_and_just_beyond_it_is_not(limits: PictureLimits) -> None:
    found = measure(part())

    at = found._replace(brightness=limits.brightness_from, balance_x=limits.balance_x_to)
    beyond = found._replace(brightness=limits.brightness_from - 0.001, balance_x=(limits.balance_x_to or 0) + 0.001)

    assert find_faults(at, limits) == []
    assert len(find_faults(beyond, limits)) == 2


@pytest.mark.parametrize("size", [(1, 1), (15, 200), (200, 15)])
def test_picture_too_small_to_see_anything_is_never_usable_even_without_limits(
    limits: PictureLimits, size: tuple[int, int]
) -> None:
    picture = cv2.resize(part(), size[::-1])

    assert "is smaller than 16 x 16 px" in find_picture_faults(picture, None, None)[0]
    assert find_picture_faults(picture, None, limits)


def test_without_limits_any_other_picture_is_judged() -> None:
    assert find_picture_faults(np.zeros((16, 16, 3), np.uint8), None, None) == []


def test_recipe_of_before_checks_what_it_names_and_nothing_else() -> None:
    limits = PictureLimits.model_validate(OLD)
    green_noise = np.zeros((64, 64, 3), np.uint8)
    green_noise[:, :32] = (0, 255, 0)

    assert limits.usual == {}
    assert find_picture_faults(green_noise, None, limits) == []
    assert [fault[:8] for fault in find_picture_faults(green_noise // 255, None, limits)] == ["too dark", "nothing "]


def test_only_what_lies_in_the_region_counts(limits: PictureLimits) -> None:
    picture = np.zeros((3 * HEIGHT, 3 * WIDTH, 3), np.uint8)
    region = (WIDTH, HEIGHT, 2 * WIDTH, 2 * HEIGHT)
    picture[HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH] = part()

    assert find_picture_faults(picture, region, limits) == []
    assert find_picture_faults(picture, (0, 0, WIDTH, HEIGHT), limits) != []


def test_region_of_another_resolution_is_never_looked_at(limits: PictureLimits) -> None:
    of_one_size = limits.model_copy(update={"whole_height_px": 2 * HEIGHT, "whole_width_px": 2 * WIDTH})
    region = (0, 0, WIDTH, HEIGHT)
    learned, larger = (np.tile(part(), (times, times, 1)) for times in (2, 3))

    assert find_picture_faults(learned, region, of_one_size) == []
    assert find_picture_faults(larger, region, limits) == []
    assert find_picture_faults(larger, region, of_one_size) == [
        "picture of 480 x 360 px is not of 320 x 240 px as at training, and the region is given in those: "
        "set the camera to that size"
    ]


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
@settings(deadline=None)
def test_training_pictures_always_pass_their_own_limits(made: list[tuple[int, int, int, int]]) -> None:
    pictures = []
    for height, width, level, noise in made:
        grains = np.random.default_rng(0).integers(-noise, noise + 1, (height, width, 3))
        pictures.append(np.clip(level + grains, 0, 255).astype(np.uint8))

    limits = learn_limits([measure(picture) for picture in pictures])

    assert [find_picture_faults(picture, None, limits) for picture in pictures] == [[]] * len(pictures)


@given(level=st.integers(60, 160), factor=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_darker_copies_of_a_usable_picture_never_become_too_bright(
    limits: PictureLimits, level: int, factor: float
) -> None:
    before = find_picture_faults(part(level), None, limits)

    faults = find_picture_faults((part(level) * factor).astype(np.uint8), None, limits)

    if not any(fault.startswith(("too bright", "overexposed")) for fault in before):
        assert not [fault for fault in faults if fault.startswith(("too bright", "overexposed"))]


def test_narrow_region_of_training_pictures_passes_its_own_limits() -> None:
    picture, region = part(), (20, 50, 140, 60)  # ten pixels high: a weld seam
    limits = learn_limits([measure(picture[50:60, 20:140])])

    assert find_picture_faults(picture, region, limits) == []
