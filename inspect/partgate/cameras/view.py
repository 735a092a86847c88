"""Figures to turn a lens and set a light by."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from partgate.configfile import write_atomically
from partgate.errors import DataError
from partgate.imaging import PICTURE_SUFFIXES
from partgate.parts import Image

_FULL, _BLACK = 255, 2


@dataclass(frozen=True, slots=True)
class View:
    """How sharp and how bright one picture is; shares are 0..1."""

    focus: float
    brightness: float  # mean grey value, share of full scale
    highlight: float  # grey value that 99 % of the pixels stay below, share of full scale
    saturated: float  # share of pixels with a channel at full scale
    black: float  # share of pixels at the sensor's black


def measure_view(image: Image) -> View:
    """Return sharpness and exposure of a picture.

    Focus is the standard deviation of the Laplacian over the mean grey value: it rises as edges sharpen, and does not
    change with exposure time or light, so that it can be compared while a lens is turned. It depends on what is seen:
    compare pictures of the same part, never of different ones. 0 for an even or black picture.

    Args:
        image: RGB picture.

    Source:
        Pech-Pacheco et al. (2000), "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR: variance
        of the Laplacian; Pertuz, Puig, Garcia (2013), Pattern Recognition 46: among the best of 36. The mean: own.

    Example:
        >>> stripes = np.zeros((4, 4, 3), np.uint8)
        >>> stripes[:, ::2] = 100
        >>> view = measure_view(stripes)  # the Laplacian is -200 on white and +200 on black columns, the mean 50
        >>> view.focus, round(view.brightness, 3), view.black
        (4.0, 0.196, 0.5)
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    mean = float(grey.mean())
    deviation = float(np.std(cv2.Laplacian(grey, cv2.CV_32F))) if mean else 0.0
    return View(
        focus=deviation / mean if mean else 0.0,
        brightness=mean / _FULL,
        highlight=float(np.percentile(grey, 99)) / _FULL,
        saturated=float((image.max(axis=2) == _FULL).mean()),
        black=float((grey <= _BLACK).mean()),
    )


def describe_view(view: View) -> str:
    """Return the figures as one line."""
    return (
        f"focus {view.focus:.4f}, brightness {view.brightness:.0%}, highlights {view.highlight:.0%}, "
        f"saturated {view.saturated:.1%}, black {view.black:.1%}"
    )


def write_view(image: Image, path: Path) -> None:
    """Write a picture whole or not at all, so that a viewer that reads it again and again sees no half one.

    Raises:
        DataError: If the folder is not there or not writable, or the disk is full.
    """
    done, data = cv2.imencode(path.suffix.lower(), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise DataError(f"{path}: cannot be encoded")
    try:
        write_atomically(path, data.tobytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}; name another file") from error


def check_picture_path(path: Path) -> None:
    """Refuse a name that no picture can be written under, before the camera is opened.

    Raises:
        DataError: If it does not end like a picture.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise DataError(f"{path}: must end in {', '.join(sorted(PICTURE_SUFFIXES))}, got '{path.suffix}'")
