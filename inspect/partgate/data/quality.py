"""What a picture is like before anything is learned: size, light, sharpness, and what tells copies from other pictures.

Outliers are judged against the set itself, and within their class where it has enough pictures: a kind of defect may
be darker or softer than a good part without being badly photographed.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.data.folder import Picture
from partgate.errors import DataError
from partgate.imaging import MIN_SIDE_PX, read_picture
from partgate.parts import Image

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""

THUMBNAIL_PX = 64
BLANK_BELOW = 2.0
"""Standard deviation of the grey values below which a picture shows nothing."""

_SHARPNESS_PX = 512  # longest side at which sharpness is measured: pictures of several cameras stay comparable
_REBLUR_PX = 9
_CLIPPED_FROM = 250  # grey value at which a sensor is as good as full
_ENOUGH_OF_A_CLASS = 12  # pictures from which on a class is its own yardstick
_ROBUST_Z = 3.5
_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True)
class Measured:
    """One readable picture and its measures."""

    picture: Picture
    height_px: int
    width_px: int
    brightness: float  # mean grey value, 0-255
    contrast: float  # standard deviation of the grey values
    clipped: float  # share of pixels that are as good as white, 0..1
    sharpness: float  # 0 = as soft as if blurred already, 1 = crisp; whatever exposure and contrast
    tint: tuple[float, float]  # red / green and blue / green of the whole picture
    pixels_sha256: str  # of the decoded pixels: the same where only the file differs
    hash: int  # perceptual, 64 bits
    thumbnail: NDArray[np.uint8]  # (64, 64), grey, whatever the aspect


def measure_pictures(
    pictures: Sequence[Picture], threads: int, progress: Progress
) -> tuple[list[Measured], dict[str, str]]:
    """Return the measures of the readable pictures in their order, and by file why others cannot be read.

    Args:
        pictures: What to look at; byte-identical files are measured once.
        threads: Pictures worked on at once.
        progress: Is told about each picture.
    """
    first = {picture.sha256: picture for picture in reversed(pictures)}
    lock, done = threading.Lock(), 0

    def measure(picture: Picture) -> Measured | str:
        nonlocal done
        try:
            found: Measured | str = measure_picture_file(picture)
        except DataError as error:
            found = str(error).removeprefix(f"{picture.path}: ")
        with lock:
            done += 1
            progress("measures", done, len(first))
        return found

    pool = ThreadPoolExecutor(threads)
    try:
        by_content = dict(zip(first, pool.map(measure, first.values()), strict=True))
    finally:
        pool.shutdown(cancel_futures=True)
    whole, unreadable = [], {}
    for picture in pictures:
        found = by_content[picture.sha256]
        if isinstance(found, str):
            unreadable[picture.file] = found
        else:
            fields = {name: getattr(found, name) for name in Measured.__slots__}
            whole.append(Measured(**(fields | {"picture": picture})))
    return whole, unreadable


def measure_picture_file(picture: Picture) -> Measured:
    """Return the measures of one picture.

    Raises:
        DataError: If it cannot be read or is too small to show anything.
    """
    image = read_picture(picture.path)
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise DataError(f"{picture.path}: {width} x {height} px is too small; at least {MIN_SIDE_PX} px")
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    red, green, blue = (max(float(value), 0.5) for value in cv2.mean(image)[:3])
    thumbnail = np.asarray(cv2.resize(grey, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA), np.uint8)
    return Measured(
        picture,
        height,
        width,
        float(grey.mean()),
        float(grey.std()),
        float(np.count_nonzero(grey >= _CLIPPED_FROM) / grey.size),
        sharpness(grey),
        (red / green, blue / green),
        _pixel_sha256(image),
        perceptual_hash(thumbnail),
        thumbnail,
    )


def _pixel_sha256(image: Image) -> str:
    return hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()


def sharpness(grey: NDArray[np.uint8]) -> float:
    """Return how much of the differences between neighbouring pixels a further blur takes away.

    A crisp picture loses most of them, a soft one hardly any. Gain and offset (exposure) cancel out; noise counts as
    crispness, so that pictures are comparable within one camera only.

    Args:
        grey: Shape (H, W), uint8.

    Returns:
        0..1; 0 where there is no difference at all.

    Source:
        Crété-Roffet, Dolmiere, Ladret, Nicolas (2007), "The blur effect: perception and estimation with a new
        no-reference perceptual blur metric", Proc. SPIE 6492; here 1 - their blur.
    """
    scale = _SHARPNESS_PX / max(grey.shape)
    if scale < 1:
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    values = grey.astype(np.float32)
    kept = []
    for axis, kernel in ((0, (1, _REBLUR_PX)), (1, (_REBLUR_PX, 1))):
        before = np.abs(np.diff(values, axis=axis))
        after = np.abs(np.diff(cv2.blur(values, kernel), axis=axis))
        total = float(before.sum())
        kept.append(float(np.maximum(before - after, 0).sum()) / total if total else 0.0)
    return min(kept)


def perceptual_hash(thumbnail: NDArray[np.uint8]) -> int:
    """Return 64 bits that stay nearly the same over compression, scaling and exposure.

    The bits say which of the 64 lowest frequencies, without the constant one, lie above their median.

    Args:
        thumbnail: Shape (64, 64), uint8, grey.

    Source:
        Zauner (2010), "Implementation and benchmarking of perceptual image hash functions", section 3.2.
    """
    small = cv2.resize(thumbnail.astype(np.float32), (32, 32), interpolation=cv2.INTER_AREA)
    lowest = np.asarray(cv2.dct(small))[:9, :9].ravel()[1:65]
    return int.from_bytes(np.packbits(lowest > np.median(lowest)).tobytes(), "big")


@dataclass(frozen=True, slots=True)
class Outlier:
    """A picture outside of what is usual."""

    measured: Measured
    value: float
    usual_from: float
    usual_to: float


def find_outliers(
    pictures: Sequence[Measured],
    measure: Callable[[Measured], float],
    least_distance: Callable[[float], float],
    sign: int,
) -> list[Outlier]:
    """Return the pictures whose measure lies far on one side of what is usual among their like.

    Their like is the class where it has at least 12 pictures, else all pictures. Usual is the median plus and minus
    3.5 robust standard deviations, and never narrower than ``least_distance``: in a very even set a small difference is
    no outlier. The farthest come first.

    Args:
        pictures: All pictures; with fewer than 12 nothing is usual yet, and nothing is returned.
        measure: What is compared.
        least_distance: From the median: the distance that must be exceeded at least.
        sign: -1 for far below, +1 for far above.

    Source:
        Median absolute deviation and 3.5: Iglewicz, Hoaglin (1993), "How to detect and handle outliers".
    """
    if len(pictures) < _ENOUGH_OF_A_CLASS:
        return []
    by_class: dict[str, list[Measured]] = {}
    for one in pictures:
        by_class.setdefault(one.picture.label, []).append(one)
    found = []
    for members in by_class.values():
        values = np.array([measure(one) for one in (members if len(members) >= _ENOUGH_OF_A_CLASS else pictures)])
        middle = float(np.median(values))
        sigma = _TO_SIGMA * float(np.median(np.abs(values - middle)))
        reach = max(_ROBUST_Z * sigma, least_distance(middle))
        found += [
            Outlier(one, value, middle - reach, middle + reach)
            for one in members
            if sign * ((value := measure(one)) - middle) > reach
        ]
    return sorted(found, key=lambda outlier: -abs(outlier.value - (outlier.usual_from + outlier.usual_to) / 2))


def told_apart(one: Sequence[float], other: Sequence[float]) -> float:
    """Return how well a single measure tells two classes apart: 0.5 not at all, 1 always, whichever is the larger.

    Source:
        Mann, Whitney (1947): the share of pairs in order, ties count half.

    Example:
        >>> told_apart([1, 2], [3, 4])
        1.0
    """
    values = np.sort(np.asarray(other, float))
    below = np.searchsorted(values, one, side="left")
    level = np.searchsorted(values, one, side="right") - below
    share = float((below + level / 2).sum()) / (len(one) * len(other))
    return max(share, 1 - share)
