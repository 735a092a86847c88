"""Is a picture worth collecting: what shows nothing is refused, what is odd is told, real variety is not."""

import re

import cv2
import numpy as np
import pytest

from partgate.parts import Image
from partgate.station.variety import ALIKE_AFTER, BURNT_OUT_AGAIN, VarietyWatch, why_useless


def part(seed: int, *, base: int = 0, noise: int = 6) -> Image:
    """A texture of 60 x 80 px that ``base`` chooses, under noise that ``seed`` chooses."""
    coarse = np.random.default_rng(base).integers(60, 200, (6, 8)).repeat(10, 0).repeat(10, 1)
    grain = np.random.default_rng(1000 + seed).integers(-noise, noise + 1, (60, 80))
    return np.repeat(np.clip(coarse + grain, 0, 255).astype(np.uint8)[:, :, None], 3, 2)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros((20, 20, 3), np.uint8), "too dark .mean grey value 0 of 255."),
        (np.full((20, 20, 3), 120, np.uint8), "shows nothing .contrast 0.0 grey levels."),
        (np.full((20, 20, 3), 255, np.uint8), "shows nothing"),
    ],
    ids=["covered", "grey", "burnt-out"],
)
def test_picture_that_shows_nothing_is_useless(image: Image, told: str):
    assert re.search(told, why_useless(image) or "")


def test_picture_of_a_part_is_not_useless():
    assert why_useless(part(0)) is None


def test_frozen_picture_is_found_by_equal_bits_and_noise_is_not_frozen():
    watch = VarietyWatch()

    assert [watch.is_frozen(part(seed)) for seed in (0, 1, 1, 2)] == [False, False, True, False]


def test_one_part_again_and_again_is_told_after_forty_and_then_after_forty_more():
    watch = VarietyWatch()

    told = [watch.look(part(seed)) for seed in range(2 * ALIKE_AFTER)]

    assert [number for number, lines in enumerate(told) if lines] == [ALIKE_AFTER - 1, 2 * ALIKE_AFTER - 1]
    assert told[ALIKE_AFTER - 1][0].startswith("the last 40 pictures are nearly the same (they differ by 1.")


def test_one_other_part_among_forty_is_enough():
    watch = VarietyWatch()

    told = [watch.look(part(seed, base=1 if seed == 20 else 0)) for seed in range(ALIKE_AFTER)]

    assert not any(told)


def test_different_parts_are_never_nearly_the_same():
    watch = VarietyWatch()

    assert not any(watch.look(part(seed, base=seed)) for seed in range(3 * ALIKE_AFTER))


def test_blurred_picture_is_told_with_its_share_of_the_usual_sharpness():
    watch = VarietyWatch()
    for seed in range(10):
        assert watch.look(part(seed, base=seed)) == []

    (line,) = watch.look(np.asarray(cv2.GaussianBlur(part(10, base=10), (0, 0), 3), np.uint8))

    assert line.startswith("less sharp than the pictures before (")


def test_burnt_out_picture_is_told_with_its_share():
    image = part(0)
    image[:, :40] = 255

    (line,) = VarietyWatch().look(image)

    assert line.startswith("50 % of the picture is burnt out (from 250 of 255): shorten the exposure, unless it is a")


def test_white_ground_is_told_once_and_then_with_every_twentieth_picture():
    watch, told = VarietyWatch(), []
    for seed in range(45):
        image = part(seed, base=seed)
        image[:, :40] = 255
        told.append(any("burnt out" in line for line in watch.look(image)))

    assert [number for number, is_told in enumerate(told) if is_told] == [0, BURNT_OUT_AGAIN, 2 * BURNT_OUT_AGAIN]
