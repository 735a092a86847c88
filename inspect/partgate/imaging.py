"""Array functions that training and the line share: reading, regions and tiles, aspect-safe resize.

What a model learned on and what it judges pass through the same functions here, so the pixels are equal.
"""

import math
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.errors import DataError
from partgate.parts import Image

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
MIN_SIDE_PX = 16
"""Below this a picture shows nothing that a network could see."""

_PAD_GREY = 127  # the middle of the range: zero after normalisation
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_HEADS = (b"\xff\xd8", _PNG_HEAD, b"BM", b"II*\0", b"MM\0*")  # JPEG, PNG, BMP, TIFF of either byte order
_LOW_BITS = 4095  # a 16-bit picture that never exceeds 12 bits was saved without scaling

Region = tuple[int, int, int, int]
"""x_min_px, y_min_px, x_max_px, y_max_px; the maxima are just outside."""

# One thread: the loop's latency must not depend on a pool, and pictures are worked on in parallel, not their rows.
cv2.setNumThreads(1)


def read_picture(path: Path) -> Image:
    """Return a picture file as RGB.

    Rules: EXIF rotation is applied; grey becomes RGB with three equal channels; alpha is dropped; 16-bit values are
    scaled by their full range (65535 → 255).

    Args:
        path: png, jpg, jpeg, bmp, tif or tiff.

    Returns:
        Picture, shape (height, width, 3), uint8, RGB.

    Raises:
        DataError: If the file is missing, empty, cut off, no picture, of another pixel type, or 16-bit with all
            values in the lowest 12 bits (a camera's 10- or 12-bit data saved without scaling would look black).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return decode_picture(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def decode_picture(data: bytes) -> Image:
    """Return encoded picture bytes as RGB, by the rules of :func:`read_picture`.

    Raises:
        DataError: As :func:`read_picture`, without the file's name.
    """
    if not data:
        raise DataError("is empty (0 bytes); copy the picture again")
    if not _is_whole(data):
        raise DataError(f"is cut off or damaged ({len(data)} bytes); copy the picture again")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)
    except cv2.error as error:
        raise DataError(f"cannot be decoded as a picture: {error.err}") from error
    if pixels is None and data.startswith(_HEADS):
        raise DataError(f"is cut off or damaged ({len(data)} bytes); copy the picture again")
    if pixels is None:
        raise DataError("is not a picture (png, jpg, bmp or tif); remove it or save it as a picture")
    return to_rgb(pixels)


def to_rgb(pixels: NDArray[np.generic]) -> Image:
    """Return pixels as OpenCV gives them (grey or BGR, 8 or 16 bit) as RGB uint8.

    Args:
        pixels: Shape (H, W), (H, W, 1) or (H, W, 3), uint8 or uint16, BGR where coloured.

    Raises:
        DataError: If the pixel type is another one, or 16-bit values stay within 12 bits.
    """
    if pixels.dtype == np.uint16:
        highest = int(pixels.max())
        if highest <= _LOW_BITS:
            raise DataError(f"holds 16-bit values of at most {highest}, so it is not scaled: save it as 8 bit")
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise DataError(f"has pixels of type {pixels.dtype}; 8-bit and 16-bit pictures are understood")
    bytes_ = np.asarray(pixels, np.uint8)
    code = cv2.COLOR_GRAY2RGB if bytes_.ndim == 2 or bytes_.shape[2] == 1 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(bytes_, code), np.uint8)


def _is_whole(data: bytes) -> bool:
    """Tell whether a picture file reaches its own end; OpenCV fills what is missing with grey and says nothing."""
    if data.startswith(b"\xff\xd8"):  # JPEG: an end marker behind the last scan (0xFF is escaped inside a scan)
        return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda") > 0
    if data.startswith(_PNG_HEAD):
        return _png_is_whole(data)
    if data.startswith(b"BM"):
        return len(data) >= 14 and len(data) >= int(struct.unpack_from("<I", data, 2)[0])
    return True


def _png_is_whole(data: bytes) -> bool:
    at = len(_PNG_HEAD)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data) or struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(data[at + 4 : end - 4]):
            return False
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at = end
    return False


def crop_region(image: Image, region: Region | None) -> Image:
    """Return the part of the picture inside a region; the whole picture where none is given.

    Raises:
        DataError: If the region does not lie inside the picture.

    Example:
        >>> crop_region(np.arange(27, dtype=np.uint8).reshape(3, 3, 3), (1, 0, 3, 2)).shape
        (2, 2, 3)
    """
    if region is None:
        return image
    check_region(region, *image.shape[:2])
    x_min, y_min, x_max, y_max = region
    return image[y_min:y_max, x_min:x_max]


def check_region(region: Region, height_px: int, width_px: int, name: str | None = None) -> None:
    """Refuse a region that does not lie inside a picture of this size.

    Args:
        region: In pixels of the picture.
        height_px: Height of the picture.
        width_px: Width of the picture.
        name: What the user calls the region, for the message.

    Raises:
        DataError: If a part of it lies outside, or it is empty.
    """
    x_min, y_min, x_max, y_max = region
    if not (0 <= x_min < x_max <= width_px and 0 <= y_min < y_max <= height_px):
        who = "region" if name is None else f"region '{name}'"
        raise DataError(f"{who} {list(region)} must lie inside the picture of {width_px} x {height_px} px")


def cut_tiles(region: Region, rows: int, columns: int, overlap: float) -> tuple[Region, ...]:
    """Return the tiles that cover a region, row by row, all of one size.

    A defect on the border of one tile lies whole in its neighbour as long as it is smaller than what they share.

    Args:
        region: What to cut, in pixels.
        rows: Tiles one below the other.
        columns: Tiles side by side.
        overlap: Share of a tile's side that it has in common with the next one, 0 to below 0.5; rounded to whole
            pixels, rather more than less.

    Returns:
        ``rows * columns`` boxes in pixels of the same picture.

    Example:
        >>> cut_tiles((0, 0, 19, 10), 1, 2, 0.1)  # two of 10 px that share one
        ((0, 0, 10, 10), (9, 0, 19, 10))
    """
    x_min, y_min, x_max, y_max = region
    across = _cut_length(x_max - x_min, columns, overlap)
    down = _cut_length(y_max - y_min, rows, overlap)
    return tuple(
        (x_min + left, y_min + top, x_min + right, y_min + bottom) for top, bottom in down for left, right in across
    )


def _cut_length(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    if count == 1:
        return [(0, length)]
    side = math.ceil(round(length / (count - (count - 1) * overlap), 6))  # rounded: 19 / 1.9 is 10, not a hair more
    starts = [i * (length - side) // (count - 1) for i in range(count)]
    return [(start, start + side) for start in starts]


def fit_picture(
    image: Image, region: Region | None, height_px: int, width_px: int, *, keeps_aspect: bool = True
) -> Image:
    """Return the region scaled into a fixed size.

    Shrinking averages areas. Far larger pictures are first brought to four times the size by lines, which differs by
    0.3 grey levels and takes a quarter of the time.

    Args:
        image: Picture, shape (H, W, 3), uint8, RGB.
        region: What to cut out first, in pixels of ``image``.
        height_px: Height of the result.
        width_px: Width of the result.
        keeps_aspect: Scale height and width alike and leave the rest grey; else the region fills the result.

    Returns:
        Picture, shape (height_px, width_px, 3), uint8, RGB, contiguous.

    Raises:
        DataError: If the region does not lie inside the picture.

    Source:
        Area averaging against aliasing and the two steps: own measurement.
    """
    cut = crop_region(image, region)
    height, width = cut.shape[:2]
    inner_height, inner_width = height_px, width_px
    if keeps_aspect:
        scale = min(height_px / height, width_px / width)
        inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    if height >= 4 * inner_height and width >= 4 * inner_width:
        cut = np.asarray(cv2.resize(cut, (4 * inner_width, 4 * inner_height), interpolation=cv2.INTER_LINEAR), np.uint8)
    is_shrunk = inner_height * inner_width < height * width
    how = cv2.INTER_AREA if is_shrunk else cv2.INTER_LINEAR
    small = cv2.resize(cut, (inner_width, inner_height), interpolation=how)
    if (inner_height, inner_width) == (height_px, width_px):
        return np.ascontiguousarray(small, dtype=np.uint8)
    result = np.full((height_px, width_px, 3), _PAD_GREY, np.uint8)
    top, left = (height_px - inner_height) // 2, (width_px - inner_width) // 2
    result[top : top + inner_height, left : left + inner_width] = small
    return result


def encode_jpeg(image: Image, quality: int = 90) -> bytes:
    """Return an RGB picture as JPEG bytes."""
    return _encode(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def encode_png(image: Image) -> bytes:
    """Return an RGB picture as PNG bytes, losslessly; quick rather than small."""
    return _encode(image, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _encode(image: Image, suffix: str, options: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"picture of shape {image.shape} cannot be encoded as {suffix}")
    return data.tobytes()
