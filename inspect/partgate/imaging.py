"""Array functions that training and the line share: reading, region, aspect-safe resize.

What a model learned on and what it judges pass through the same functions here, so the pixels are equal.
"""

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
    x_min, y_min, x_max, y_max = region
    height, width = image.shape[:2]
    if not (0 <= x_min < x_max <= width and 0 <= y_min < y_max <= height):
        raise DataError(f"region {list(region)} must lie inside the picture of {width} x {height} px")
    return image[y_min:y_max, x_min:x_max]


def fit_picture(image: Image, region: Region | None, height_px: int, width_px: int) -> Image:
    """Return the region scaled into a fixed size with its aspect kept; what stays free is grey.

    Shrinking averages areas. Far larger pictures are first brought to four times the size by lines, which differs by
    0.3 grey levels and takes a quarter of the time.

    Args:
        image: Picture, shape (H, W, 3), uint8, RGB.
        region: What to cut out first, in pixels of ``image``.
        height_px: Height of the result.
        width_px: Width of the result.

    Returns:
        Picture, shape (height_px, width_px, 3), uint8, RGB, contiguous.

    Raises:
        DataError: If the region does not lie inside the picture.

    Source:
        Area averaging against aliasing and the two steps: own measurement.
    """
    cut = crop_region(image, region)
    height, width = cut.shape[:2]
    scale = min(height_px / height, width_px / width)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    if height >= 4 * inner_height and width >= 4 * inner_width:
        cut = np.asarray(cv2.resize(cut, (4 * inner_width, 4 * inner_height), interpolation=cv2.INTER_LINEAR), np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
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
