"""The plane that the parts lie on: seen from right above, in known pixels per millimetre."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.calibration.board import Board, Corners
from partgate.calibration.file import Lens, Matrix
from partgate.errors import DataError

_STEEPEST = 4.0  # scale along the picture's axes; beyond, one pixel is stretched over four


@dataclass(frozen=True, slots=True)
class PlaneFit:
    """A plane and how even the board on it looks from above."""

    transform: Matrix  # pixels without distortion to straightened ones
    px_per_mm: float
    error_px: float  # root mean square distance of the straightened corners from an even grid


def undistort(points: NDArray[np.float32] | Corners, lens: Lens | None) -> NDArray[np.float64]:
    """Return points as a lens without distortion would show them, shape (N, 2), px."""
    if lens is None:
        return np.asarray(points, float).reshape(-1, 2)
    flat = cv2.undistortPoints(
        np.asarray(points, float).reshape(-1, 1, 2), lens.matrix, np.array(lens.distortion), P=lens.matrix
    )
    return np.asarray(flat, float).reshape(-1, 2)


def move(transform: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points moved by a homogeneous transform, shape (N, 2).

    Example:
        >>> move(np.diag([2.0, 2.0, 1.0]), np.array([[1.0, 3.0]])).tolist()
        [[2.0, 6.0]]
    """
    moved = np.column_stack([points, np.ones(len(points))]) @ transform.T
    return np.asarray(moved[:, :2] / moved[:, 2:], float)


def fit_plane(
    corners: Corners, board: Board, lens: Lens | None, camera_px: tuple[int, int], size_px: tuple[int, int],
    px_per_mm: float | None = None,
) -> PlaneFit:  # fmt: skip
    """Return how a picture of the plane is seen from right above.

    The middle of the picture stays where it is and as it is turned, wherever on the plane the board lies: a camera
    that is calibrated again shows what it showed before.

    Args:
        corners: Of a board that lies flat on the plane, as the camera sees them.
        board: Its size.
        lens: ``None`` = without distortion.
        camera_px: Height and width of the camera's pictures.
        size_px: Height and width of the straightened picture.
        px_per_mm: Wanted scale; ``None`` keeps that of the picture's middle.

    Raises:
        DataError: If the camera looks at the plane too flat.

    Source:
        Hartley, Zisserman (2004), "Multiple View Geometry", 2.7: metric rectification by known points.
    """
    seen, flat = undistort(corners, lens), board.points_mm()[:, :2].astype(float)
    to_picture = np.asarray(cv2.findHomography(flat, seen)[0], float)
    to_board = np.linalg.inv(to_picture)
    middle = undistort(np.array([[(camera_px[1] - 1) / 2, (camera_px[0] - 1) / 2]], np.float32), lens)
    on_board = move(to_board, middle)
    slopes = _slopes(to_picture, on_board)
    left, scales, right = np.linalg.svd(slopes)
    if not np.isfinite(scales).all() or scales[1] <= 0 or scales[0] / scales[1] > _STEEPEST:
        raise DataError(
            "the camera looks at the plane too flat: lengths differ by a factor of "
            f"{scales[0] / scales[1]:.1f}, at most "
            f"{_STEEPEST:g} are straightened; mount it more from above"
        )
    scale = px_per_mm or round(float(np.sqrt(scales[0] * scales[1])), 3)
    similar = np.eye(3)
    similar[:2, :2] = scale * (left @ right)
    target = np.array([(size_px[1] - 1) / 2, (size_px[0] - 1) / 2])
    similar[:2, 2] = target - similar[:2, :2] @ on_board[0]
    transform = similar @ to_board
    transform /= transform[2, 2]
    off = move(transform, seen) - move(similar, flat)
    return PlaneFit(transform, scale, float(np.sqrt((off**2).sum(1).mean())))


def _slopes(transform: Matrix, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far a step of 1 along x or y moves the image of a point, shape (2, 2): the Jacobian."""
    x, y, w = transform @ np.array([*point[0], 1.0])
    return np.asarray(
        [(transform[0, :2] - x / w * transform[2, :2]) / w, (transform[1, :2] - y / w * transform[2, :2]) / w]
    )
