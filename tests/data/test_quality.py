"""What is measured of a picture, and which of them are outliers."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.data.folder import Picture, read_folder
from partgate.data.quality import (
    Measured,
    find_outliers,
    measure_picture_file,
    measure_pictures,
    perceptual_hash,
    sharpness,
    told_apart,
)

NOISE = np.random.default_rng(0).integers(60, 190, (64, 64)).astype(np.uint8)


def quiet(step: str, done: int, total: int) -> None:
    """Say nothing."""


def written(path: Path, pixels: np.ndarray) -> Picture:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return Picture(path, path.name, "good", path.name, path.name)


def measured(brightness: float, label: str = "good") -> Measured:
    picture = Picture(Path("x"), f"{label}/{brightness}", label, "", "")
    return Measured(picture, 10, 10, brightness, 9.0, 0.0, 0.5, (1.0, 1.0), "", 0, np.zeros((64, 64), np.uint8))


# --- measures


def test_measures_of_a_half_white_picture(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40), np.uint8)
    pixels[:, 20:] = 255

    found = measure_picture_file(written(tmp_path / "a.png", pixels))

    assert (found.height_px, found.width_px) == (20, 40)
    assert (found.brightness, found.contrast, found.clipped) == (127.5, 127.5, 0.5)
    assert found.tint == (1.0, 1.0)


@pytest.mark.parametrize(
    ("pixels", "brightness"),
    [
        (np.full((16, 16), 100, np.uint8), 100),
        (np.full((16, 16), 100 * 257, np.uint16), 100),
        (np.full((16, 16, 3), 100, np.uint8), 100),
    ],
    ids=["grey", "16-bit", "colour"],
)
def test_every_kind_of_pixels_is_measured_alike(tmp_path: Path, pixels: np.ndarray, brightness: float) -> None:
    assert measure_picture_file(written(tmp_path / "a.png", pixels)).brightness == brightness


def test_unreadable_and_tiny_pictures_are_named_with_their_reason_and_the_rest_is_measured(tmp_path: Path) -> None:
    whole, tiny = written(tmp_path / "a.png", NOISE), written(tmp_path / "b.png", NOISE[:8])
    (tmp_path / "c.png").write_bytes(b"")
    empty = Picture(tmp_path / "c.png", "c.png", "good", "c", "c")

    found, unreadable = measure_pictures([whole, tiny, empty], 2, quiet)

    assert [one.picture.file for one in found] == ["a.png"]
    assert unreadable == {
        "b.png": "64 x 8 px is too small; at least 16 px",
        "c.png": "is empty (0 bytes); copy the picture again",
    }


def test_copies_are_read_once_and_each_keeps_its_name(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    data = make_folder(tmp_path / "parts", {"good": 1})
    (data / "good/copy.png").write_bytes((data / "good/good_000.png").read_bytes())
    told: list[tuple[int, int]] = []

    found, _ = measure_pictures(
        read_folder(data, for_check=True).pictures, 1, lambda step, done, total: told.append((done, total))
    )

    assert [one.picture.file for one in found] == ["good/copy.png", "good/good_000.png"]
    assert told == [(1, 1)]


def test_flat_picture_has_no_sharpness() -> None:
    assert sharpness(np.full((32, 32), 90, np.uint8)) == 0.0


def test_blur_lowers_sharpness_step_by_step_and_exposure_does_not_change_it() -> None:
    values = [sharpness(cv2.GaussianBlur(NOISE, (0, 0), sigma)) for sigma in (0.1, 1, 2, 4)]

    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.7 * values[0]
    assert sharpness(NOISE // 2 + 10) == pytest.approx(sharpness(NOISE), abs=0.01)


def test_picture_blurred_along_one_direction_counts_as_blurred() -> None:
    assert sharpness(cv2.blur(NOISE, (15, 1))) < 0.88 * sharpness(NOISE)


def test_hash_hardly_changes_with_exposure_and_differs_between_pictures() -> None:
    other = np.random.default_rng(1).integers(60, 190, (64, 64)).astype(np.uint8)

    own = perceptual_hash(NOISE)

    assert (own ^ perceptual_hash((NOISE * 0.8).astype(np.uint8))).bit_count() <= 4
    assert (own ^ perceptual_hash(other)).bit_count() > 12


# --- outliers


def far(pictures: list[Measured], sign: int, least: float = 1.0) -> list[float]:
    return [outlier.value for outlier in find_outliers(pictures, lambda one: one.brightness, lambda _: least, sign)]


def test_fewer_than_twelve_pictures_have_no_usual() -> None:
    assert far([measured(100.0)] * 10 + [measured(0.0)], -1) == []


def test_outlier_lies_beyond_three_and_a_half_robust_deviations() -> None:
    """Of 97 .. 103 the median is 100 and the median distance 2: usual is 100 ± 3.5 · 1.4826 · 2 = 100 ± 10.4."""
    usual = [measured(value) for value in (97.0, 98.0, 99.0, 100.0, 101.0, 102.0, 103.0) for _ in range(20)]

    found = find_outliers([*usual, measured(89.0), measured(90.0)], lambda one: one.brightness, lambda _: 1.0, -1)

    assert [outlier.value for outlier in found] == [89.0]
    assert (found[0].usual_from, found[0].usual_to) == pytest.approx((89.62, 110.38), abs=0.01)


def test_in_a_very_even_set_a_small_difference_is_no_outlier() -> None:
    pictures = [measured(100.0)] * 20 + [measured(95.0), measured(80.0)]

    assert far(pictures, -1, least=10.0) == [80.0]


def test_only_the_asked_side_counts_and_the_farthest_comes_first() -> None:
    pictures = [measured(100.0)] * 20 + [measured(130.0), measured(150.0), measured(20.0)]

    assert far(pictures, 1, least=10.0) == [150.0, 130.0]


def test_class_that_is_darker_as_a_whole_is_no_outlier_but_a_small_one_is_compared_with_all() -> None:
    good, burnt = [measured(100.0)] * 30, [measured(40.0, "burnt")] * 12
    few = [measured(40.0, "spot")] * 3

    assert far([*good, *burnt], -1, least=10.0) == []
    assert far([*good, *burnt, *few], -1, least=10.0) == [40.0] * 3


# --- telling classes apart


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [([1, 2], [3, 4], 1.0), ([3, 4], [1, 2], 1.0), ([1, 1], [1, 1], 0.5), ([1, 3], [2, 4], 0.75)],
    ids=["below", "above", "equal", "mixed"],
)
def test_share_of_pairs_in_order(one: list[float], other: list[float], share: float) -> None:
    assert told_apart(one, other) == share


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_share_is_never_below_half_and_the_same_from_both_sides(one: list[int], other: list[int]) -> None:
    assert 0.5 <= told_apart(one, other) <= 1
    assert told_apart(one, other) == pytest.approx(told_apart(other, one))
