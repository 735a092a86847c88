"""Copies of a picture as a fault of camera, lens, light or mounting would give it; noise comes after the optics."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from partgate.parts import Image

PATIENCE = 2000
"""Parts after which a slow change counts as not found."""

_NOISE = 2.0  # grey levels: what a sensor adds again behind a blurred lens


def _noisy(image: Image) -> Image:
    noise = np.random.default_rng(int(image[::7, ::7].sum())).normal(0, _NOISE, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def light(image: Image, factor: float | tuple[float, float, float]) -> Image:
    """Return the picture with all channels, or each, brighter or darker; what is too bright is clipped."""
    return np.clip(image * np.asarray(factor, float), 0, 255).astype(np.uint8)


def defocus(image: Image, radius_px: int) -> Image:
    """Return the picture through a lens out of focus: a disc in place of each point, then noise."""
    disc = np.zeros((2 * radius_px + 1, 2 * radius_px + 1), np.float32)
    cv2.circle(disc, (radius_px, radius_px), radius_px, 1, -1)
    return _noisy(np.asarray(cv2.filter2D(image, -1, disc / disc.sum()), np.uint8))


def blur(image: Image, sigma_px: float) -> Image:
    """Return the picture through a greasy lens: a Gaussian, then noise."""
    return _noisy(np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8))


def smear(image: Image, length_px: int) -> Image:
    """Return the picture of a part that moved across while exposed, then noise."""
    return _noisy(np.asarray(cv2.blur(image, (length_px, 1)), np.uint8))


def shift(image: Image, share: float) -> Image:
    """Return the picture of a camera moved by a share of the width; the border goes on as it ends."""
    width = image.shape[1]
    moved = cv2.copyMakeBorder(image, 0, 0, max(1, round(width * share)), 0, cv2.BORDER_REPLICATE)
    return np.asarray(moved[:, :width], np.uint8)


def cover(image: Image, share: float, level: int) -> Image:
    """Return the picture with a share of its width hidden from the left by something even, then noise."""
    covered = image.copy()
    covered[:, : round(image.shape[1] * share)] = level
    return _noisy(covered)


SPOILED: Mapping[str, Callable[[Image], Image]] = {
    "blurred 1 px": lambda image: blur(image, 1),
    "blurred 2 px": lambda image: blur(image, 2),
    "blurred 4 px": lambda image: blur(image, 4),
    "defocused 3 px": lambda image: defocus(image, 3),
    "defocused 6 px": lambda image: defocus(image, 6),
    "smeared 9 px": lambda image: smear(image, 9),
    "light -30 %": lambda image: light(image, 0.7),
    "light -50 %": lambda image: light(image, 0.5),
    "light -75 %": lambda image: light(image, 0.25),
    "light +30 %": lambda image: light(image, 1.3),
    "light +60 %": lambda image: light(image, 1.6),
    "light +150 %": lambda image: light(image, 2.5),
    "red +20 %": lambda image: light(image, (1.2, 1, 1)),
    "blue -20 %": lambda image: light(image, (1, 1, 0.8)),
    "shifted 10 %": lambda image: shift(image, 0.1),
    "shifted 25 %": lambda image: shift(image, 0.25),
    "half covered, black": lambda image: cover(image, 0.5, 0),
    "half covered, grey": lambda image: cover(image, 0.5, 128),
    "covered, black": lambda image: cover(image, 1, 0),
    "covered, grey": lambda image: cover(image, 1, 128),
}

SLOW: Mapping[str, Callable[[Image], Image]] = {
    "nothing": lambda image: image,  # what warns then is the other groups, not the change
    "light -15 %": lambda image: light(image, 0.85),
    "light +15 %": lambda image: light(image, 1.15),
    "blurred 1 px": lambda image: blur(image, 1),
    "defocused 2 px": lambda image: defocus(image, 2),
    "camera moved 3 %": lambda image: shift(image, 0.03),
}
