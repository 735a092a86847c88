"""The one function that straightens: small pictures whose result can be told by eye."""

import cv2
import numpy as np
import pytest

from partgate.calibration.file import Calibration, Lens, LoadedCalibration
from partgate.calibration.straighten import Straightener, flat_field_gain, share_outside
from partgate.errors import ConfigError, DataError
from partgate.parts import Image

from .made_boards import BARREL, CAMERA, HEIGHT, WIDTH


def made(flat: Image | None = None, dark: Image | None = None, size: tuple[int, int] = (2, 3), **keys) -> Straightener:
    height, width = size
    sizes = {"camera_width_px": width, "camera_height_px": height, "width_px": width, "height_px": height}
    return Straightener(LoadedCalibration(Calibration.model_validate(sizes | keys), "abc", flat, dark))


def grey(*rows: list[int]) -> Image:
    return np.repeat(np.array(rows, np.uint8)[:, :, None], 3, 2)


PART = grey([10, 20, 30], [40, 50, 60])


def test_picture_of_another_size_is_refused_with_both_sizes():
    with pytest.raises(DataError, match=r"picture of 2 x 3 px does not fit calibration abc, made with 3 x 2 px"):
        made(rotation_degrees=90).straighten(PART.transpose(1, 0, 2))


def test_calibration_without_any_step_gives_the_picture_itself():
    assert np.array_equal(made().straighten(PART), PART)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (90, [[30, 60], [20, 50], [10, 40]]),
        (180, [[60, 50, 40], [30, 20, 10]]),
        (270, [[40, 10], [50, 20], [60, 30]]),
        (-90, [[40, 10], [50, 20], [60, 30]]),
        (360, [[10, 20, 30], [40, 50, 60]]),
    ],
)
def test_quarter_turns_are_counter_clockwise_and_lose_nothing(degrees: float, expected: list):
    assert np.array_equal(made(rotation_degrees=degrees).straighten(PART), grey(*expected))


def test_free_turn_is_counter_clockwise_about_the_middle_and_grey_outside():
    part = np.zeros((41, 41, 3), np.uint8)
    part[19:22, 34:37] = 255  # 15 px right of the middle

    turned = made(rotation_degrees=30, size=(41, 41)).straighten(part)

    y, x = np.nonzero(turned[..., 0] > 200)
    assert (x.mean(), y.mean()) == pytest.approx((33.0, 12.5), abs=0.6)  # 20 + 15 cos 30, 20 - 15 sin 30
    assert np.array_equal(turned[0, 0], (127, 127, 127))


def test_free_turn_beyond_a_quarter_is_the_turn_of_the_quarter():
    part = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)

    by_105 = made(rotation_degrees=105, size=(20, 30)).straighten(part)

    assert np.array_equal(by_105, np.rot90(made(rotation_degrees=15, size=(20, 30)).straighten(part)))
    assert by_105.shape == (30, 20, 3)


def test_even_light_makes_an_even_surface_even_and_keeps_its_brightness_and_colour():
    flat = np.array([[[200, 100, 100], [100, 50, 100]]], np.uint8)

    lit = made(flat, size=(1, 2)).straighten(flat)

    assert np.array_equal(lit, [[[150, 75, 100], [150, 75, 100]]])


def test_dark_level_is_taken_off_before_light_is_evened():
    flat, dark = grey([110, 60]), grey([10, 10])  # light of 100 and 50, mean 75

    lit = made(flat, dark, size=(1, 2)).straighten(grey([90, 50]))

    assert np.array_equal(lit, grey([60, 60]))  # 80 * 0.75 and 40 * 1.5


def test_even_light_saturates_and_never_wraps():
    lit = made(grey([200, 50]), grey([20, 20]), size=(1, 2)).straighten(grey([5, 250]))

    assert np.array_equal(lit, grey([0, 255]))


def test_white_picture_that_is_not_brighter_than_the_dark_one_is_refused():
    with pytest.raises(ConfigError, match=r"brighter than dark.png in every pixel, got 1 of 2 pixels"):
        flat_field_gain(grey([100, 7]), grey([7, 7]))


def test_given_picture_is_never_changed():
    before = PART.copy()

    made(grey([100, 50, 100], [100, 50, 100]), grey([1] * 3, [1] * 3), rotation_degrees=10).straighten(PART)

    assert np.array_equal(PART, before)


def test_same_picture_gives_the_same_bytes_in_every_straightener():
    part = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    keys = {"rotation_degrees": 7, "plane": (1.1, 0.01, 2, 0.02, 0.9, 1, 0.0001, 0, 1)}
    flat = np.random.default_rng(2).integers(100, 200, (40, 60, 3), np.uint8)

    first, second = made(flat, size=(40, 60), **keys), made(flat, size=(40, 60), **keys)

    assert first.straighten(part).tobytes() == second.straighten(part).tobytes() == first.straighten(part).tobytes()


def test_plane_moves_pixels_as_its_transform_says():
    shifted = made(plane=(1, 0, 1, 0, 1, 0, 0, 0, 1)).straighten(PART)

    assert np.array_equal(shifted, grey([127, 10, 20], [127, 40, 50]))


def test_lens_brings_a_bent_line_back_into_line():
    straight_line = np.column_stack([np.linspace(-0.4, 0.4, 200), np.full(200, -0.3), np.ones(200)])
    bent, _ = cv2.projectPoints(straight_line, np.zeros(3), np.zeros(3), CAMERA, BARREL)
    picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    cv2.polylines(picture, [np.round(bent).astype(np.int32)], isClosed=False, color=(0, 0, 0), thickness=3)
    lens = Lens(focal_x_px=600, focal_y_px=600, centre_x_px=325, centre_y_px=236, distortion=tuple(BARREL))

    straight = made(size=(HEIGHT, WIDTH), lens=lens).straighten(picture)

    def rows(image: Image) -> np.ndarray:
        columns = range(130, 520, 10)
        return np.array([np.average(np.arange(HEIGHT), weights=255.0 - image[:, x, 0] - 55 + 1e-9) for x in columns])

    assert np.ptp(rows(picture)) > 4
    assert np.ptp(rows(np.where(straight == 127, 200, straight))) < 1.0


def test_share_that_the_camera_does_not_see_is_counted():
    half = Calibration(camera_width_px=100, camera_height_px=40, width_px=100, height_px=40,
                       plane=(1, 0, 50, 0, 1, 0, 0, 0, 1))  # fmt: skip

    assert share_outside(half) == pytest.approx(0.5, abs=0.04)
    assert share_outside(half.model_copy(update={"plane": None})) == 0
