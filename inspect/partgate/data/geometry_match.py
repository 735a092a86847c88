"""Do two pictures show the same part? One is turned, mirrored, shifted and tilted onto the other, then compared.

Sure signs are small and local: pores, scratches, the run of the grain. So light and exposure are evened out first, and
the two must agree pixel by pixel once the best of some guesses has been refined.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE_PX = 96  # side of a square sketch; others have the same area
_DETAIL_PX = 6.0  # coarser than this is light and exposure, not the part
_OUTLINE_PX = 12.0  # for the first guess of the turn, where fine detail hardly helps
_NOISE = 2.0  # grey levels; a plain surface must not become a picture of its noise
_GREY = 128  # zero in the sketch's 8 bits
_STEPS = 31.0  # of the sketch's 8 bits for one local standard deviation: four of them fit on either side of grey
_ANGLES, _RADII = 128, 24  # of the rings around the middle
_SMALL_PX = 32  # side of the perceptual hash
_LEAST_OVERLAP = 0.4  # of the smaller picture; less is not a comparison
_SAME_FRAME_PX = 2.0  # within which corners of a sketch lie on each other
_LEAST_SPREAD = 1e-3  # grey levels of a sketch; below, there is nothing to compare
_REFINE = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 1e-3)
_BLUR_PX = 3  # widens the reach of the refinement

Affine = NDArray[np.float32]
"""Shape (2, 3): where a point (x, y) of the first sketch lies in the second."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """What of a picture is compared with others."""

    pixels: NDArray[np.uint8]  # (h, w), evened out, as many pixels as any other sketch
    scale: float  # pixels of the sketch per pixel of the picture
    rings: NDArray[np.complex64]  # (_ANGLES / 2 + 1, _RADII) spectrum over the angle around the middle
    small: NDArray[np.float32]  # (_SMALL_PX ** 2,) unit length: a perceptual hash, two are compared by their product


@dataclass(frozen=True, slots=True)
class Match:
    """How well one picture lies on another."""

    correlation: float  # of what overlaps, -1 to 1; -1 where they cannot be compared
    stretch: float  # the largest change of a length between the two, as |ln|; 0 = same size, inf = not compared
    is_same_frame: bool  # corner on corner: one picture could be the other, saved at another size


def make_sketch(grey: NDArray[np.uint8]) -> Sketch:
    """Return what is compared of a picture.

    Args:
        grey: Shape (H, W), grey values 0-255.
    """
    height, width = grey.shape
    scale = _SIDE_PX / math.sqrt(height * width)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(grey, size, interpolation=how).astype(np.float32)
    pixels = np.clip(_even_out(small, _DETAIL_PX) * _STEPS + _GREY, 0, 255).astype(np.uint8)
    square = cv2.resize(pixels, (_SMALL_PX, _SMALL_PX), interpolation=cv2.INTER_AREA)
    return Sketch(pixels, scale, _rings(_even_out(small, _OUTLINE_PX)), _unit(square.astype(np.float32).ravel()))


def _even_out(grey: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Return a picture with the same mean (0) and contrast (1) everywhere, whatever the light."""
    detail = grey - cv2.GaussianBlur(grey, (0, 0), sigma_px)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), sigma_px))
    return np.asarray(detail / (contrast + _NOISE), np.float32)


def _rings(detail: NDArray[np.float32]) -> NDArray[np.complex64]:
    height, width = detail.shape
    middle = (width - 1) / 2, (height - 1) / 2
    rings = cv2.warpPolar(detail, (_RADII, _ANGLES), middle, _reach(detail), cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR)
    unit = _unit(np.asarray(rings, np.float32).ravel()).reshape(_ANGLES, _RADII)
    return np.asarray(np.fft.rfft(unit, axis=0), np.complex64)


def _reach(pixels: NDArray[np.float32] | NDArray[np.uint8]) -> float:
    return (float(min(pixels.shape)) - 1) / 2


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = values - values.mean()
    length = float(np.linalg.norm(centred))
    return np.asarray(centred / length if length > _LEAST_SPREAD else np.zeros_like(centred), np.float32)


def correlate_rings(some: NDArray[np.complex64], others: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Return the correlation of pictures turned, or mirrored and turned, to where they are most alike.

    Args:
        some: Spectra as in ``Sketch.rings``, shape (M, _ANGLES / 2 + 1, _RADII).
        others: The same, shape (N, _ANGLES / 2 + 1, _RADII).

    Returns:
        Shape (M, N), -1 to 1.
    """
    first = np.conj(some).transpose(1, 0, 2)  # (frequency, M, radius)
    second = others.transpose(1, 2, 0)  # (frequency, radius, N)
    turned, mirrored = (np.fft.irfft(first @ way, _ANGLES, axis=0).max(axis=0) for way in (second, np.conj(second)))
    return np.asarray(np.maximum(turned, mirrored), np.float32)


def match(first: Sketch, second: Sketch) -> Match:
    """Return how well the second picture lies on the first, at its best.

    Guesses of the place (frame on frame, same size on the same middle, turned to the best angle) are compared; the best
    is refined by shift, turn, stretch and shear.

    Source:
        Refinement: Evangelidis, Psarakis (2008), "Parametric image alignment using enhanced correlation coefficient
        maximization", IEEE TPAMI 30(10). Turn by rings around the middle: own.
    """
    if first.scale < second.scale:  # the smaller picture is the measure of how much must overlap
        first, second = second, first
    guess = max(_guesses(first, second), key=lambda place: _agreement(first, second, place))
    everywhere = np.full_like(second.pixels, 255)
    try:
        _, refined = cv2.findTransformECC(
            first.pixels, second.pixels, guess.copy(), cv2.MOTION_AFFINE, _REFINE, everywhere, _BLUR_PX
        )
    except cv2.error:  # no way up from here: the guess stands
        refined = guess
    place = np.asarray(refined, np.float32)
    if not np.isfinite(place).all():
        return Match(-1.0, math.inf, is_same_frame=False)
    lengths = np.linalg.svd(place[:, :2].astype(float) * (first.scale / second.scale), compute_uv=False)
    stretch = float(np.abs(np.log(np.maximum(lengths, 1e-6))).max())
    return Match(_correlation(first, second, place), stretch, _is_same_frame(first, second, place))


def _is_same_frame(first: Sketch, second: Sketch, place: Affine) -> bool:
    (h1, w1), (h2, w2) = first.pixels.shape, second.pixels.shape
    corners = np.array([[0, 0, 1], [w1, 0, 1], [0, h1, 1], [w1, h1, 1]]) @ place.T  # (4, 2) in the second sketch
    return bool((np.abs(corners - [[0, 0], [w2, 0], [0, h2], [w2, h2]]) <= _SAME_FRAME_PX).all())


def _guesses(first: Sketch, second: Sketch) -> Iterator[Affine]:
    (h1, w1), (h2, w2) = first.pixels.shape, second.pixels.shape
    yield _around_middle(first, second, np.diag([w2 / w1, h2 / h1]))
    if (h1, w1) != (h2, w2) or first.scale != second.scale:
        yield _around_middle(first, second, np.eye(2) * (second.scale / first.scale))
    size = _reach(second.pixels) / _reach(first.pixels)
    spectra = np.conj(first.rings)
    turned = np.fft.irfft((spectra * second.rings).sum(axis=1), _ANGLES)
    mirrored = np.fft.irfft((spectra * np.conj(second.rings)).sum(axis=1), _ANGLES)
    is_mirrored = mirrored.max() > turned.max()
    angle = 2 * math.pi * int(np.argmax(mirrored if is_mirrored else turned)) / _ANGLES
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    yield _around_middle(first, second, size * np.diag([1.0, -1.0 if is_mirrored else 1.0]) @ turn)


def _around_middle(first: Sketch, second: Sketch, matrix: NDArray[np.float64]) -> Affine:
    (h1, w1), (h2, w2) = first.pixels.shape, second.pixels.shape
    here, there = np.array([w1 - 1, h1 - 1]) / 2, np.array([w2 - 1, h2 - 1]) / 2
    return np.column_stack([matrix, there - matrix @ here]).astype(np.float32)


def _laid(first: Sketch, pixels: NDArray[np.uint8], place: Affine, outside: int) -> NDArray[np.uint8]:
    height, width = first.pixels.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(pixels, place, (width, height), flags=flags, borderValue=outside), np.uint8)


def _agreement(first: Sketch, second: Sketch, place: Affine) -> float:
    """Return a quick correlation to choose a guess by; what does not overlap counts as grey."""
    laid = _laid(first, second.pixels, place, _GREY)
    return float(cv2.matchTemplate(first.pixels, laid, cv2.TM_CCOEFF_NORMED)[0, 0])


def _correlation(first: Sketch, second: Sketch, place: Affine) -> float:
    inside = _laid(first, np.full_like(second.pixels, 255), place, 0) == 255
    if inside.mean() < _LEAST_OVERLAP:
        return -1.0
    laid = _laid(first, second.pixels, place, _GREY)
    return float(_unit(first.pixels[inside].astype(np.float32)) @ _unit(laid[inside].astype(np.float32)))
