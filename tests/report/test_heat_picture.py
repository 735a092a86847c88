"""Painted heat: it reads in greyscale too, a weak heat looks weak, and nothing is painted where nothing speaks."""

import math
import re

import numpy as np
import pytest

from partgate.glossary import languages
from partgate.inference.heat import HeatKind, HeatMap
from partgate.parts import Image
from partgate.report.heat_picture import common_scale, heat_colours, heat_scale_svg, paint_heat

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def heat_of(values: object) -> HeatMap:
    array = np.array(values, np.float32)
    return HeatMap(array, HeatKind.CLASS_ACTIVATION, "scratch", None, 1.0, 0.0)


def even(level: int, height: int = 40, width: int = 60) -> Image:
    return np.full((height, width, 3), level, np.uint8)


def painted(level: int, heat: float, full: float = 1.0) -> np.ndarray:
    """Return the colour in the middle of an evenly grey picture under even heat, where no line passes."""
    return paint_heat(even(level), heat_of(np.full((40, 60), heat)), full)[20, 30]


@pytest.mark.parametrize("full", [0.0, -1.0, math.nan, math.inf])
def test_scale_that_is_no_scale_is_refused(full: float) -> None:
    with pytest.raises(ValueError, match="full heat must be above 0, got"):
        paint_heat(even(0), heat_of([[1.0]]), full)
    with pytest.raises(ValueError, match="full heat must be above 0, got"):
        heat_scale_svg(full, "en")


def test_heat_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="heat must be numbers, got 1 of 2400 that are none"):
        paint_heat(even(0), heat_of(np.where(np.arange(2400).reshape(40, 60) == 7, math.nan, 0)), 1)
    with pytest.raises(ValueError, match="heat must be numbers, got nan"):
        common_scale([heat_of([[1.0, math.nan]])])


# --- colours


def test_every_step_of_the_paint_is_lighter_than_the_one_before() -> None:
    luminance = heat_colours() @ LUMA

    assert heat_colours().shape == (256, 3)
    assert (np.diff(luminance) > -0.8).all()  # rounding to whole levels
    assert (luminance[8:] > luminance[:-8]).all()


@pytest.mark.parametrize("level", [0, 128, 255], ids=["black", "grey", "white"])
def test_more_heat_is_lighter_in_greyscale_on_every_picture(level: int) -> None:
    luminance = [float(painted(level, heat) @ LUMA) for heat in np.linspace(0, 1, 41)]

    assert (np.diff(luminance) > 0).all()


def test_hot_place_of_a_black_picture_is_lighter_than_a_place_without_heat_of_a_white_one() -> None:
    assert painted(0, 0.12) @ LUMA > painted(255, 0) @ LUMA


@pytest.mark.parametrize("heat", [0.0, -3.0], ids=["none", "against"])
def test_where_nothing_speaks_for_the_class_the_picture_shows_through(heat: float) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)

    found = paint_heat(picture, heat_of(np.full((40, 60), heat)), 1.0)

    assert (found[..., 0] == found[..., 1]).all()
    assert (found[..., 0] == found[..., 2]).all()
    darkest, brightest = picture.sum(2).argmin(), picture.sum(2).argmax()
    assert found[..., 0].flat[darkest] < found[..., 0].flat[brightest]


def test_given_picture_and_heat_are_not_changed() -> None:
    picture, heat = even(90), heat_of(np.ones((40, 60)))

    paint_heat(picture, heat, 1.0)

    assert (picture == 90).all()
    assert (heat.values == 1).all()


def test_heat_beyond_the_scale_looks_like_full_heat() -> None:
    assert painted(90, 7.0, full=2.0).tolist() == painted(90, 2.0, full=2.0).tolist()


# --- the line


def test_line_goes_around_what_has_half_of_the_scale_and_lies_at_its_place() -> None:
    values = np.zeros((80, 120))
    values[20:30, 90:100] = 1.0
    values[50:60, 20:30] = 0.49

    found = paint_heat(even(0, 80, 120), heat_of(values), 1.0)

    rows, columns = np.nonzero((found == 255).all(2))
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (18, 32, 88, 102)


def test_picture_of_weak_heat_has_no_line() -> None:
    found = paint_heat(even(0), heat_of(np.full((40, 60), 0.49)), 1.0)

    assert not (found == 255).all(2).any()


def test_map_of_another_size_is_painted_at_the_same_place() -> None:
    values = np.zeros((400, 600))
    values[100:140, 500:560] = 1.0

    found = paint_heat(even(0), heat_of(values), 1.0)

    assert np.unravel_index((found @ LUMA).argmax(), (40, 60)) == pytest.approx((12, 53), abs=5)
    assert found[12, 53] @ LUMA > 200
    assert not found[30:].any()


# --- the scale


def test_scale_holds_the_peak_of_nine_in_ten_pictures_rounded_up_to_a_number_that_reads_well() -> None:
    maps = [heat_of([[peak, -50.0]]) for peak in range(1, 12)]  # 1 to 11; the quantile of 0.9 is 10

    assert common_scale(maps) == 10
    assert common_scale([*maps[:1], heat_of([[-5.0, 0.0]])]) == 1  # nothing speaks for the class: does not count
    assert common_scale(iter([heat_of([[12.4]])])) == 15
    assert common_scale([heat_of([[0.031]])]) == pytest.approx(0.04)


def test_scale_without_any_heat_is_one() -> None:
    assert common_scale([]) == common_scale([heat_of([[-1.0, 0.0]])]) == 1.0


@pytest.mark.parametrize(
    ("full", "english", "german"),
    [(60, ["0", "30", "60 "], ["0", "30", "60 "]), (1.5, ["0.00", "0.75", "1.50 "], ["0,00", "0,75", "1,50 "])],
    ids=["whole", "decimals"],
)
def test_scale_bar_tells_its_numbers_in_both_languages(full: float, english: list[str], german: list[str]) -> None:
    for language, numbers in zip(languages, (english, german), strict=True):
        drawn = re.findall(r"<text[^>]*>([^<]*)</text>", heat_scale_svg(full, language))
        assert all(any(text.startswith(number) for text in drawn) for number in numbers)


def test_scale_bar_goes_from_the_first_paint_to_the_last() -> None:
    drawn = heat_scale_svg(60, "de")

    for colour in heat_colours()[[0, -1]]:
        assert "#{:02x}{:02x}{:02x}".format(*colour) in drawn
