"""The plane under the camera: seen from above, to scale, and the same again after the camera was moved."""

import numpy as np
import pytest

from partgate.calibration.board import Board, find_corners
from partgate.calibration.file import Lens
from partgate.calibration.plane import fit_plane, move, undistort
from partgate.errors import DataError

from .made_boards import BARREL, HEIGHT, WIDTH, render_board

BOARD = Board(9, 6, 10.0)
LENS = Lens(focal_x_px=600, focal_y_px=600, centre_x_px=325, centre_y_px=236, distortion=tuple(BARREL))
SIZE = (HEIGHT, WIDTH)


def straightened(corners: np.ndarray, px_per_mm: float | None = None):
    fit = fit_plane(corners, BOARD, LENS, SIZE, SIZE, px_per_mm)
    return fit, move(fit.transform, undistort(corners, LENS)).reshape(6, 9, 2)


def test_plane_that_is_seen_too_flat_is_refused_with_the_factor():
    corners = BOARD.points_mm()[:, :2].astype(float) * 2 + 200
    corners[:, 1] = 200 + (corners[:, 1] - 200) / 6

    with pytest.raises(DataError, match=r"too flat: lengths differ by a factor of 6.0, at most 4 are straightened"):
        fit_plane(corners.astype(np.float32), BOARD, None, SIZE, SIZE)


@pytest.mark.parametrize("tilt", [(0, 0), (20, 0), (0, -25), (15, 15)], ids=str)
def test_fields_are_squares_of_one_size_from_above(tilt: tuple[float, float]):
    corners = find_corners(render_board(tilt, turn_degrees=10), BOARD)

    fit, grid = straightened(corners)

    across, down = np.linalg.norm(np.diff(grid, axis=1), axis=2), np.linalg.norm(np.diff(grid, axis=0), axis=2)
    assert across == pytest.approx(10 * fit.px_per_mm, rel=0.01)
    assert down == pytest.approx(10 * fit.px_per_mm, rel=0.01)
    assert fit.error_px < 0.3


def test_middle_of_the_picture_stays_where_it_is_and_as_it_is_turned():
    corners = find_corners(render_board((20, -10), turn_degrees=40), BOARD)

    fit, _ = straightened(corners)

    middle = np.array([[(WIDTH - 1) / 2, (HEIGHT - 1) / 2]])
    seen = undistort(middle, LENS)
    assert np.allclose(move(fit.transform, seen), middle, rtol=0, atol=1e-6)
    right = move(fit.transform, seen + np.array([[1, 0]])) - move(fit.transform, seen)
    assert np.degrees(np.arctan2(right[0, 1], right[0, 0])) == pytest.approx(0, abs=4)


def test_board_may_lie_anywhere_and_turned_anyhow_on_the_plane():
    """The same plane, 20 degrees tilted: a board turned and moved within it gives the same view from above."""
    first, _ = straightened(find_corners(render_board((20, 0)), BOARD))
    other, _ = straightened(find_corners(render_board((20, 0), turn_degrees=25), BOARD))

    points = undistort(np.array([[150, 120], [500, 130], [320, 400]], float), LENS)
    assert np.allclose(move(first.transform, points), move(other.transform, points), rtol=0, atol=1.0)
    assert first.px_per_mm == pytest.approx(other.px_per_mm, rel=0.003)


def test_wanted_scale_is_kept():
    fit, grid = straightened(find_corners(render_board((10, 10)), BOARD), px_per_mm=3.0)

    assert fit.px_per_mm == 3.0
    assert np.linalg.norm(grid[0, 1] - grid[0, 0]) == pytest.approx(30, rel=0.01)


def test_points_without_a_lens_stay_where_they_are():
    points = np.array([[1.0, 2.0], [3.0, 4.0]])

    assert np.array_equal(undistort(points, None), points)
