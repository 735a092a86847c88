"""The one function that straightens a picture: training pictures and those of the line go through it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.calibration.file import Calibration, LoadedCalibration, Matrix
from partgate.errors import ConfigError, DataError
from partgate.parts import Image

_OUTSIDE_GREY = 127  # what the camera did not see; as the borders of a picture that keeps its aspect
_TURNS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}


class Straightener:
    """Straightens pictures of one camera; all that does not depend on the picture is computed once.

    Args:
        calibration: As loaded.

    Raises:
        ConfigError: If its white picture is not brighter than its dark one.
    """

    def __init__(self, calibration: LoadedCalibration) -> None:
        self.id = calibration.id
        self.settings = calibration.settings
        self.description = calibration.settings.describe()
        self._dark = calibration.dark
        self._gain = None if calibration.flat is None else flat_field_gain(calibration.flat, calibration.dark)
        self._maps = make_maps(calibration.settings)

    def straighten(self, image: Image) -> Image:
        """Return the straightened picture: even light, then one resampling for lens, plane and rotation.

        Args:
            image: As the camera gave it, shape (camera_height_px, camera_width_px, 3), uint8, RGB; not changed.

        Returns:
            Picture, shape (height, width, 3), uint8, RGB, contiguous; grey where the camera saw nothing. The same
            picture gives the same bytes on every call.

        Raises:
            DataError: If the picture has another size than those that the camera was calibrated with.
        """
        settings = self.settings
        if image.shape[:2] != (settings.camera_height_px, settings.camera_width_px):
            raise DataError(
                f"picture of {image.shape[1]} x {image.shape[0]} px does not fit calibration {self.id}, made with "
                f"{settings.camera_width_px} x {settings.camera_height_px} px; set the camera to "
                "that size or calibrate "
                "again"
            )
        straight = image
        if self._gain is not None:
            lit = image if self._dark is None else cv2.subtract(image, self._dark)
            straight = np.asarray(cv2.multiply(lit, self._gain, dtype=cv2.CV_8U), np.uint8)
        if self._maps is not None:
            grey = (_OUTSIDE_GREY,) * 3
            straight = np.asarray(
                cv2.remap(straight, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=grey),
                np.uint8,
            )
        if settings.quarter_turns:
            straight = np.asarray(cv2.rotate(straight, _TURNS[settings.quarter_turns]), np.uint8)
        return np.ascontiguousarray(straight)


def flat_field_gain(flat: Image, dark: Image | None) -> NDArray[np.float32]:
    """Return by how much each pixel and colour is to be multiplied so that an even surface looks even.

    ``mean(flat - dark) / (flat - dark)``, per colour: the mean brightness stays, and so does the colour of the light.

    Args:
        flat: Mean picture of a matt, even surface, shape (H, W, 3), uint8.
        dark: Mean picture with the lens covered; ``None`` = 0 everywhere.

    Returns:
        Factors, shape (H, W, 3), float32.

    Raises:
        ConfigError: If a pixel of ``flat`` is not brighter than in ``dark``.

    Source:
        Seibert, Boone, Lindfors (1998), "Flat-field correction technique for digital detectors", Proc. SPIE 3336.

    Example:
        >>> flat = np.array([[[100] * 3, [50] * 3]], np.uint8)  # right half gets half the light
        >>> flat_field_gain(flat, None)[0, :, 0].tolist()
        [0.75, 1.5]
    """
    light = flat.astype(np.float32) - (0 if dark is None else dark.astype(np.float32))
    unlit = int(np.count_nonzero(light.min(2) <= 0))
    if unlit:
        raise ConfigError([
            f"flat.png must be brighter than dark.png in every pixel, got {unlit} of {light.shape[0] * light.shape[1]} "
            "pixels at or below: take the white pictures again with the light on and the surface filling the picture"
        ])  # fmt: skip
    return np.asarray(light.mean((0, 1)) / light, np.float32)


def whole_transform(settings: Calibration) -> Matrix:
    """Return where a pixel without distortion goes: plane and the rest of the rotation, about the picture's centre."""
    plane = np.eye(3) if settings.plane is None else np.reshape(settings.plane, (3, 3))
    centre = ((settings.width_px - 1) / 2, (settings.height_px - 1) / 2)
    turn = np.vstack([cv2.getRotationMatrix2D(centre, settings.rest_degrees, 1.0), [0, 0, 1]])
    return np.asarray(turn @ plane, float)


def make_maps(settings: Calibration) -> tuple[NDArray[np.int16], NDArray[np.uint16]] | None:
    """Return where each straightened pixel comes from, in the fixed-point form of ``cv2.remap``; ``None`` = no change.

    Source:
        OpenCV ``initUndistortRectifyMap``, which takes any invertible matrix as the new camera's.
    """
    if settings.lens is None and settings.plane is None and not settings.rest_degrees:
        return None
    camera = np.eye(3) if settings.lens is None else settings.lens.matrix
    distortion = np.zeros(5) if settings.lens is None else np.array(settings.lens.distortion)
    size = (settings.width_px, settings.height_px)
    first, second = cv2.initUndistortRectifyMap(
        camera, distortion, np.eye(3), whole_transform(settings) @ camera, size, cv2.CV_16SC2
    )
    return np.asarray(first, np.int16), np.asarray(second, np.uint16)


def share_outside(settings: Calibration) -> float:
    """Return which share of the straightened picture the camera does not see, 0..1."""
    maps = make_maps(settings)
    if maps is None:
        return 0.0
    x, y = maps[0][..., 0], maps[0][..., 1]
    inside = (x >= 0) & (y >= 0) & (x < settings.camera_width_px - 1) & (y < settings.camera_height_px - 1)
    return float(1 - inside.mean())
