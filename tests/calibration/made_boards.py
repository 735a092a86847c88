"""A made camera with a known lens that looks at a made chessboard: what is found can be compared with what is true."""

from pathlib import Path

import cv2
import numpy as np

from partgate.parts import Image

HEIGHT, WIDTH = 480, 640
FOCAL_PX = 600.0
K1 = -0.25
COLUMNS, ROWS, SQUARE_MM = 9, 6, 10.0
CAMERA = np.array([[FOCAL_PX, 0, 325.0], [0, FOCAL_PX, 236.0], [0, 0, 1]])
BARREL = np.array([K1, 0.05, 0.0, 0.0, 0.0])
_FINER = 2  # each pixel is the mean of 2 x 2 rays


def render_board(
    tilt_degrees: tuple[float, float] = (0, 0), turn_degrees: float = 0, middle_mm: tuple[float, float] = (0, 0),
    distance_mm: float = 150, *, distortion: np.ndarray = BARREL, size: tuple[int, int] = (HEIGHT, WIDTH),
) -> Image:  # fmt: skip
    """Give the picture of a board of 10 x 7 fields in a pose, seen through the lens."""
    height, width = size
    step = (np.arange(width * _FINER) + 0.5) / _FINER - 0.5, (np.arange(height * _FINER) + 0.5) / _FINER - 0.5
    rays = np.stack(np.meshgrid(*step), -1).reshape(-1, 1, 2)
    seen = cv2.undistortPoints(rays, CAMERA, distortion).reshape(-1, 2)
    a, b, c = (np.radians(value) for value in (*tilt_degrees, turn_degrees))
    turn = cv2.Rodrigues(np.array([a, 0, 0]))[0] @ cv2.Rodrigues(np.array([0, b, 0]))[0]
    turn = turn @ cv2.Rodrigues(np.array([0, 0, c]))[0]
    board_middle = np.array([(COLUMNS - 1) / 2 * SQUARE_MM, (ROWS - 1) / 2 * SQUARE_MM, 0])
    shift = np.array([*middle_mm, distance_mm]) - turn @ board_middle
    to_picture = np.column_stack([turn[:, 0], turn[:, 1], shift])
    points = np.column_stack([seen, np.ones(len(seen))]) @ np.linalg.inv(to_picture).T
    x, y = points[:, 0] / points[:, 2] / SQUARE_MM + 1, points[:, 1] / points[:, 2] / SQUARE_MM + 1
    on_board = (x >= 0) & (x < COLUMNS + 1) & (y >= 0) & (y < ROWS + 1)
    is_black = on_board & ((np.floor(x) + np.floor(y)) % 2 == 0)
    grey = np.where(is_black, 30.0, 220.0).reshape(height, _FINER, width, _FINER).mean((1, 3))
    grey = cv2.GaussianBlur(grey, (0, 0), 0.7)  # no lens draws sharper
    return np.repeat(np.round(grey).astype(np.uint8)[:, :, None], 3, 2)


POSES = [
    ((25, 0), 0, (-20, -12), 150), ((-25, 5), 10, (20, -12), 150), ((0, 25), -10, (20, 14), 160),
    ((5, -25), 5, (-20, 14), 160), ((20, 20), 0, (0, 0), 140), ((-20, -20), 15, (-10, 5), 140),
    ((15, -20), -15, (15, -5), 150), ((-15, 20), 5, (0, 12), 150), ((0, 0), 0, (0, 0), 130),
    ((10, 10), 90, (5, 0), 190),
]  # fmt: skip


def write(path: Path, image: Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path
