"""The chessboard and the lens: what is found is compared with the made camera, what is no use is refused."""

import cv2
import numpy as np
import pytest

from partgate.calibration.board import (
    Board,
    covered_share,
    find_corners,
    fit_lens,
    is_new_pose,
    parse_board,
)
from partgate.errors import DataError
from partgate.imaging import read_picture

from .made_boards import FOCAL_PX, HEIGHT, K1, WIDTH, render_board

BOARD = Board(9, 6, 10.0)


@pytest.fixture(scope="module")
def seen(boards) -> list:
    return [find_corners(read_picture(path), BOARD) for path in sorted(boards.iterdir())]


@pytest.mark.parametrize("text", ["9", "9x", "x6", "2x6", "nine x six", "9.5x6", "-9x6", ""])
def test_board_that_is_no_board_is_refused_with_an_example(text: str):
    with pytest.raises(DataError, match=r"a board of 10 x 7 fields is 9x6"):
        parse_board(text, 10)


@pytest.mark.parametrize("square_mm", [0, -1])
def test_field_without_a_size_is_refused(square_mm: float):
    with pytest.raises(DataError, match=r"--square-mm must be greater than 0, got"):
        parse_board("9x6", square_mm)


@pytest.mark.parametrize("text", ["9x6", " 9 x 6", "9×6", "9X6"])
def test_board_may_be_written_in_several_ways(text: str):
    assert parse_board(text, 10) == BOARD


def test_picture_without_a_whole_board_has_no_corners():
    half = render_board(middle_mm=(-70, 0))

    assert find_corners(half, BOARD) is None
    assert find_corners(render_board(), Board(10, 6, 10.0)) is None


def test_corners_in_a_large_picture_are_found_as_exactly_as_in_a_small_one():
    small = render_board((15, 10))
    large = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)

    found, finer = find_corners(small, BOARD), find_corners(large, BOARD)

    assert found is not None
    assert finer is not None
    finer = (finer + 0.5) / 4 - 0.5
    nearest = np.linalg.norm(found[:, None] - finer[None], axis=2).min(1)
    assert nearest.max() < 0.5


def test_lens_that_took_the_pictures_is_found(seen: list):
    fit = fit_lens(seen, BOARD, HEIGHT, WIDTH)

    assert fit.lens.focal_x_px == pytest.approx(FOCAL_PX, rel=0.005)
    assert fit.lens.centre_x_px == pytest.approx(325, abs=2)
    assert fit.lens.distortion[0] == pytest.approx(K1, abs=0.02)
    assert fit.error_px < 0.3
    assert fit.spread_degrees > 40


def test_seven_boards_are_too_few(seen: list):
    with pytest.raises(DataError, match=r"found in 7 pictures, a lens needs at least 8: take more"):
        fit_lens(seen[:7], BOARD, HEIGHT, WIDTH)


def test_boards_from_one_angle_are_refused_with_the_angle():
    flat = [find_corners(render_board(turn_degrees=4 * n, middle_mm=(3 * n - 12, n - 4)), BOARD) for n in range(8)]

    with pytest.raises(
        DataError, match=r"all 8 boards are seen from one angle \(they differ by \d+ degrees, at least 12"
    ):
        fit_lens(flat, BOARD, HEIGHT, WIDTH)


def test_corners_that_no_lens_explains_are_refused_with_the_error_and_the_worst_picture(seen: list):
    rng = np.random.default_rng(0)
    shaken = [corners + rng.normal(0, 0.1, corners.shape).astype(np.float32) for corners in seen]
    shaken[4] = shaken[4] + rng.normal(0, 8, shaken[4].shape).astype(np.float32)

    with pytest.raises(DataError, match=r"to \d+\.\d\d px only, 1.5 px at most are usable \(picture 5 is the worst"):
        fit_lens(shaken, BOARD, HEIGHT, WIDTH)


def test_covered_share_counts_fields_of_the_picture_that_hold_a_corner():
    corners = np.array([[0, 0], [79, 0], [80, 0], [639, 479], [640, 480]], np.float32)

    assert covered_share([corners], 480, 640) == 3 / 64


def test_pose_is_new_only_where_corners_moved_from_all_kept_ones():
    here = np.zeros((4, 2), np.float32)

    assert is_new_pose(here, [], 100)
    assert not is_new_pose(here + 4, [here], 100)
    assert is_new_pose(here + 6, [here], 100)
    assert not is_new_pose(here + 6, [here, here + 8], 100)
