"""A picture of a calibration to look at: the board as the camera sees it, and straightened, under straight lines."""

from pathlib import Path

import cv2
import numpy as np

from partgate.calibration.board import Board, Corners
from partgate.calibration.file import LoadedCalibration
from partgate.calibration.straighten import Straightener
from partgate.configfile import write_atomically
from partgate.errors import DataError
from partgate.imaging import encode_jpeg
from partgate.parts import Image

LOOK_FILE = "look.jpg"
_SIDE_PX = 900  # of the longer side of each half
_LINES = 12
_LINE_RGB, _CORNER_RGB = (255, 90, 30), (40, 220, 60)


def draw_calibration(
    image: Image, calibration: LoadedCalibration, board: Board | None = None, corners: Corners | None = None
) -> Image:
    """Return both pictures side by side.

    Args:
        image: As the camera gave it, shape (H, W, 3), uint8, RGB.
        calibration: Its calibration.
        board: To mark its corners.
        corners: Where they are in ``image``.

    Raises:
        DataError: If the picture does not fit the calibration.
    """
    straight = _shrunk(Straightener(calibration).straighten(image))
    raw = _shrunk(image)
    if board is not None and corners is not None:
        points = np.asarray(corners * (raw.shape[1] / image.shape[1]), np.float32).reshape(-1, 1, 2)
        for before, after in zip(points[:-1, 0], points[1:, 0], strict=True):
            cv2.line(raw, _at(before), _at(after), _CORNER_RGB, 1, cv2.LINE_AA)
        for point in points[:, 0]:
            cv2.circle(raw, _at(point), 4, _CORNER_RGB, 1, cv2.LINE_AA)
    height, width = straight.shape[:2]
    for step in range(1, _LINES):
        x, y = step * width // _LINES, step * height // _LINES
        cv2.line(straight, (x, 0), (x, height), _LINE_RGB, 1)
        cv2.line(straight, (0, y), (width, y), _LINE_RGB, 1)
    page = np.full((max(raw.shape[0], height), raw.shape[1] + width + 12, 3), 255, np.uint8)
    page[: raw.shape[0], : raw.shape[1]] = raw
    page[:height, raw.shape[1] + 12 :] = straight
    return page


def save_look(folder: Path, page: Image) -> Path:
    """Write the picture into the calibration's folder and return its path.

    Raises:
        DataError: If the disk is full.
    """
    try:
        write_atomically(folder / LOOK_FILE, encode_jpeg(page))
    except OSError as error:
        raise DataError(f"{folder / LOOK_FILE}: cannot be written: {error.strerror}; free some space") from error
    return folder / LOOK_FILE


def _at(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _shrunk(image: Image) -> Image:
    scale = min(1.0, _SIDE_PX / max(image.shape[:2]))
    if scale == 1:
        return image.copy()
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
