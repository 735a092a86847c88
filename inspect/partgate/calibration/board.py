"""The chessboard: where its corners are in a picture, and which pictures a calibration may rest on."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.calibration.file import Lens
from partgate.errors import DataError
from partgate.parts import Image

FEWEST_BOARDS = 8
"""Pictures with a whole board that a lens needs; Zhang's method needs three, its error settles from eight on."""

LEAST_SPREAD_DEGREES = 12.0
"""Between the two boards that are tilted most differently; seen from one angle, focal length and distance are one."""

GOOD_ERROR_PX, WORST_ERROR_PX = 0.5, 1.5
_LEAST_COVERED = 0.5  # of the picture, in 8 x 8 fields; beyond the outermost corner the distortion is guessed
_FIELDS = 8
_SEARCH_PX = 1600  # a board is found in a smaller picture first: 20 MP take seconds

Corners = NDArray[np.float32]
"""Inner corners row by row, shape (N, 2), x and y in px."""


@dataclass(frozen=True, slots=True)
class Board:
    """A chessboard by its inner corners, e.g. 9 x 6 for 10 x 7 fields."""

    columns: int
    rows: int
    square_mm: float

    def points_mm(self) -> NDArray[np.float32]:
        """Return the corners on the board, shape (N, 3), z = 0."""
        grid = np.zeros((self.rows * self.columns, 3), np.float32)
        grid[:, :2] = np.mgrid[: self.columns, : self.rows].T.reshape(-1, 2) * self.square_mm
        return grid


def parse_board(text: str, square_mm: float) -> Board:
    """Return the board that a user means by ``9x6``.

    Raises:
        DataError: If it is no such text, or too small.

    Example:
        >>> parse_board("9x6", 10).points_mm()[-1].tolist()
        [80.0, 50.0, 0.0]
    """
    columns, _, rows = text.lower().replace("×", "x").partition("x")
    if not (columns.strip().isdecimal() and rows.strip().isdecimal()) or min(int(columns), int(rows)) < 3:
        raise DataError(
            f"--board must be inner corners as COLUMNSxROWS, each from 3 up, got '{text}'; a "
            "board of 10 x 7 fields is 9x6"
        )
    if square_mm <= 0:
        raise DataError(
            f"--square-mm must be greater than 0, got {square_mm:g}: measure one field of the printed board"
        )
    return Board(int(columns), int(rows), square_mm)


def find_corners(image: Image, board: Board) -> Corners | None:
    """Return the inner corners of the board, to a fraction of a pixel; ``None`` where it is not seen whole.

    Source:
        Duda, Frese (2018), "Accurate detection and localization of checkerboard corners for calibration", as OpenCV's
        ``findChessboardCornersSB``; then Förstner, Gülch (1987), as its ``cornerSubPix``.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, _SEARCH_PX / max(grey.shape))
    small = grey if scale == 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found, corners = cv2.findChessboardCornersSB(small, (board.columns, board.rows), flags=cv2.CALIB_CB_NORMALIZE_IMAGE)
    if not found or corners is None:
        return None
    points = (np.asarray(corners, np.float32).reshape(board.rows, board.columns, 2) + 0.5) / scale - 0.5
    field = float(np.linalg.norm(np.diff(points, axis=1), axis=2).min())
    reach = int(np.clip(field / 3, 3, 25))  # no neighbouring corner within; halves the error of the search
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.001)
    start = np.asarray(points.reshape(-1, 1, 2), np.float32)
    return np.asarray(cv2.cornerSubPix(grey, start, (reach, reach), (-1, -1), stop), np.float32).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class LensFit:
    """A lens and how well it explains the boards."""

    lens: Lens
    error_px: float  # root mean square distance of found and computed corners
    worst_picture: int  # place of the picture with the largest error
    worst_px: float  # its error
    spread_degrees: float  # largest angle between two boards
    covered: float  # share of the picture in which corners were seen


def fit_lens(seen: Sequence[Corners], board: Board, height_px: int, width_px: int) -> LensFit:
    """Return the lens that explains what was seen of a board in several poses.

    Args:
        seen: Corners per picture, at least :data:`FEWEST_BOARDS`.
        board: Its size.
        height_px: Of the camera's pictures.
        width_px: Of the camera's pictures.

    Raises:
        DataError: If there are too few boards, all are seen from one angle, or no lens explains them.

    Source:
        Zhang (2000), "A flexible new technique for camera calibration", IEEE PAMI 22(11). Limits: own.
    """
    if len(seen) < FEWEST_BOARDS:
        raise DataError(
            f"the board was found in {len(seen)} pictures, a lens needs at least {FEWEST_BOARDS}: take more, each with "
            "the whole board, tilted to another side and in another corner"
        )
    points = [board.points_mm()] * len(seen)
    try:
        _, matrix, distortion, turns, _, _, _, errors = cv2.calibrateCameraExtended(
            points, [corners.reshape(-1, 1, 2) for corners in seen], (width_px, height_px), np.eye(3), np.zeros(5),
            flags=cv2.CALIB_FIX_K3,
        )  # fmt: skip
    except cv2.error as error:
        raise DataError(
            f"no lens explains these boards ({error.err}): take them again, tilted by 20 to 40 degrees"
        ) from None
    spread = _spread_degrees([np.asarray(turn, float) for turn in turns])
    if spread < LEAST_SPREAD_DEGREES:
        raise DataError(
            f"all {len(seen)} boards are seen from one angle (they differ by {spread:.0f} degrees, at least "
            f"{LEAST_SPREAD_DEGREES:.0f} are needed): tilt the board by 20 to 40 degrees to each side"
        )
    per_picture = np.asarray(errors, float).ravel()
    error_px = float(np.sqrt(np.mean(per_picture**2)))
    worst = int(per_picture.argmax())
    if not np.isfinite(error_px) or error_px > WORST_ERROR_PX:
        raise DataError(
            f"the lens explains the corners to {error_px:.2f} px only, {WORST_ERROR_PX} px at most are usable (picture "
            f"{worst + 1} is the worst with {per_picture[worst]:.2f} px): is the board flat, "
            "sharp and of the size that "
            "--board says?"
        )
    values = np.asarray(distortion, float).ravel()[:5].tolist()
    lens = Lens(
        focal_x_px=matrix[0, 0], focal_y_px=matrix[1, 1], centre_x_px=matrix[0, 2], centre_y_px=matrix[1, 2],
        distortion=tuple(values),
    )  # fmt: skip
    covered = covered_share(seen, height_px, width_px)
    return LensFit(lens, error_px, worst, float(per_picture[worst]), spread, covered)


def _spread_degrees(turns: Sequence[NDArray[np.float64]]) -> float:
    normals = np.array([cv2.Rodrigues(turn)[0][:, 2] for turn in turns])
    return float(np.degrees(np.arccos(np.clip(normals @ normals.T, -1, 1).min())))


def covered_share(seen: Sequence[Corners], height_px: int, width_px: int) -> float:
    """Return in which share of the picture corners were seen, counted in 8 x 8 fields, 0..1."""
    points = np.concatenate(list(seen))
    x = np.clip(points[:, 0] * _FIELDS // width_px, 0, _FIELDS - 1).astype(int)
    y = np.clip(points[:, 1] * _FIELDS // height_px, 0, _FIELDS - 1).astype(int)
    return len(set(zip(x.tolist(), y.tolist(), strict=True))) / _FIELDS**2


def covers_enough(covered: float) -> bool:
    """Tell whether corners were seen in enough of the picture for the distortion at its edge to be known."""
    return covered >= _LEAST_COVERED


def is_new_pose(corners: Corners, kept: Sequence[Corners], width_px: int) -> bool:
    """Tell whether a board lies or tilts otherwise than in all pictures kept so far.

    Args:
        corners: Of the new picture.
        kept: Of those before.
        width_px: Of the camera's pictures; corners that moved by 5 % of it on average are another pose.
    """
    return all(float(np.abs(corners - other).mean()) > 0.05 * width_px for other in kept)
