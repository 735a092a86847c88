"""What the tests of the basler driver share: the library's emulated cameras with our own pictures."""

from pathlib import Path

import cv2
import numpy as np

from partgate.cameras.basler import BaslerCamera, BaslerCameraConfig

REGION = {"width_px": 64, "height_px": 48}
RED = (200, 10, 10)


def write_pictures(folder: Path) -> Path:
    """Write four pictures: red 200 and green 10, 20, 30, 40."""
    folder.mkdir()
    for number in range(4):
        colour = (RED[2], RED[1] + 10 * number, RED[0])
        cv2.imwrite(str(folder / f"{number}.png"), np.full((48, 64, 3), colour, np.uint8))
    return folder


def make_config(pictures: Path, takes_us: float = 10_000, **changes: object) -> BaslerCameraConfig:
    """Return a camera that plays the pictures; the emulation waits for its old exposure node alone."""
    plays = {
        "ImageFilename": str(pictures),
        "ImageFileMode": "On",
        "TestImageSelector": "Off",
        "ExposureTimeAbs": takes_us,
    }
    values = {
        "kind": "basler",
        "name": "top",
        "serial": "0815-0000",
        "region": REGION,
        "pixel_format": "RGB8Packed",
        "nodes": plays,
        "open_within_s": 60,
        "frozen_after": 0,  # the same few pictures again and again
        **changes,
    }
    return BaslerCameraConfig.model_validate(values)


def make_camera(pictures: Path, takes_us: float = 10_000, **changes: object) -> BaslerCamera:
    return make_config(pictures, takes_us, **changes).open()


def number_of(image: np.ndarray) -> int:
    """Return which of the pictures this is."""
    return (int(image[0, 0, 1]) - RED[1]) // 10
