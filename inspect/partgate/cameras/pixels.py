"""What cameras send, as RGB uint8, by one rule for all machine-vision drivers.

1. Packed values are unpacked.
2. Values of more than 8 bits are scaled by their full range and rounded: 1023 → 255 (10 bit), 4095 → 255 (12 bit).
3. Grey becomes three equal channels; Bayer is interpolated bilinearly after that; BGR is turned round, alpha dropped.
4. Y'CbCr and YUV 4:2:2 are full-range BT.601 (as in JPEG), each chroma value for both of its pixels; formats that say
   ``601`` are limited-range (16-235).

Source:
    EMVA, GenICam Pixel Format Naming Convention (PFNC) 2.4; GigE Vision 2.0, section 26 (Mono10Packed, Mono12Packed).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.errors import CameraError
from partgate.parts import Image

Bytes = NDArray[np.uint8]
Values = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class _Format:
    """How one format lies in memory and what its values mean."""

    bits: int  # of one value
    group_bytes: int  # smallest piece that holds whole pixels, in bytes ...
    group_px: int  # ... and in pixels
    unpack: Callable[[Bytes], Bytes | Values]
    channels: int = 1
    code: int = cv2.COLOR_GRAY2RGB  # how OpenCV makes RGB of it


def to_rgb(data: Bytes, pixel_format: str, height_px: int, width_px: int, padding_bytes: int = 0) -> Image:
    """Return a picture as RGB.

    Args:
        data: The picture as it came, uint8, lines one after another; of any shape, since only its bytes count. More
            bytes than the picture needs (chunks, block padding) are not looked at.
        pixel_format: GenICam's name, one of :data:`PIXEL_FORMATS` or another spelling of it (``Mono12Packed``).
        height_px: Height of the picture.
        width_px: Width of the picture.
        padding_bytes: Bytes behind each line that are no pixels.

    Returns:
        Picture, shape (height, width, 3), uint8, RGB. Always memory of its own.

    Raises:
        CameraError: If the format is not known, or there are fewer bytes than the picture needs; without the camera's
            name.

    Example:
        >>> to_rgb(np.array([0, 255], np.uint8), "Mono8", 1, 2).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
        >>> to_rgb(np.array([0xFF, 0x0F, 0x80], np.uint8), "Mono12p", 1, 2)[0, :, 0].tolist()  # 4095 and 2048
        [255, 128]
    """
    form = _format_of(pixel_format)
    flat = np.asarray(data, np.uint8).reshape(-1)
    line_bytes = -(-width_px * form.group_bytes // form.group_px)
    is_gapless = padding_bytes == 0
    if not is_gapless:
        if width_px % form.group_px:
            raise CameraError(
                f"line padding needs a width in steps of {form.group_px} for {pixel_format}, got {width_px}"
            )
        needed = height_px * (line_bytes + padding_bytes)
        _check_size(flat, needed - padding_bytes, pixel_format, height_px, width_px)
        whole = flat if flat.size >= needed else np.concatenate([flat, np.zeros(needed - flat.size, np.uint8)])
        flat = np.ascontiguousarray(whole[:needed].reshape(height_px, -1)[:, :line_bytes]).reshape(-1)
    pixels = height_px * width_px
    used = -(-pixels // form.group_px) * form.group_bytes  # packed formats run on from line to line
    if flat.size < used:  # the last group may be cut off where its values are not of the picture
        _check_size(flat, -(-pixels * form.group_bytes // form.group_px), pixel_format, height_px, width_px)
        flat = np.concatenate([flat, np.zeros(used - flat.size, np.uint8)])
    values = form.unpack(flat[:used])[: pixels * form.channels]
    shape = (height_px, width_px) if form.channels == 1 else (height_px, width_px, form.channels)
    levels = _to_levels(values, form.bits).reshape(shape)
    if form.code == _NOTHING:
        return levels.copy() if levels.base is not None else levels
    return np.asarray(cv2.cvtColor(levels, form.code), np.uint8)


def check_pixel_format(pixel_format: str) -> None:
    """Refuse a format that cannot be understood, before the first picture.

    Raises:
        CameraError: If it is not known; the known ones are named; without the camera's name.
    """
    _format_of(pixel_format)


def _format_of(pixel_format: str) -> _Format:
    form = _FORMATS.get(_OTHER_NAMES.get(pixel_format, pixel_format))
    if form is None:
        raise CameraError(f"pixel format must be one of {', '.join(PIXEL_FORMATS)}, got '{pixel_format}'")
    return form


def _check_size(data: Bytes, needed: int, pixel_format: str, height_px: int, width_px: int) -> None:
    if data.size < needed:
        size = f"{width_px} x {height_px} px {pixel_format}"
        raise CameraError(f"picture is not whole: {size} needs {needed} bytes, got {data.size}")


def _to_levels(values: Bytes | Values, bits: int) -> Bytes:
    """Scale by the full range and round; a table, since a division for each pixel takes several times as long."""
    return np.asarray(values, np.uint8) if bits == 8 else np.take(_levels(bits), values, mode="clip")


@cache
def _levels(bits: int) -> Bytes:
    highest = 2**bits - 1
    return np.asarray((np.arange(highest + 1, dtype=np.uint32) * 255 + highest // 2) // highest, np.uint8)


def _keep(data: Bytes) -> Bytes:
    return data


def _unpack_words(data: Bytes) -> Values:
    """Little-endian words of 16 bits, the value in the low ones."""
    return np.asarray(data.view(np.dtype("<u2")), np.uint16)


def _unpack_10p(data: Bytes) -> Values:
    """4 values in 5 bytes, one stream of bits, the lowest first (PFNC)."""
    five = data.reshape(-1, 5).astype(np.uint16)
    values = [((five[:, i] >> 2 * i) | (five[:, i + 1] << (8 - 2 * i))) & 0x3FF for i in range(4)]
    return np.stack(values, axis=1).reshape(-1)


def _unpack_12p(data: Bytes) -> Values:
    """2 values in 3 bytes, one stream of bits, the lowest first (PFNC)."""
    three = data.reshape(-1, 3).astype(np.uint16)
    first = three[:, 0] | (three[:, 1] & 0x0F) << 8
    return np.stack([first, three[:, 1] >> 4 | three[:, 2] << 4], axis=1).reshape(-1)


def _unpack_10_packed(data: Bytes) -> Values:
    """2 values in 3 bytes: high bits, the low 2 bits of both in the middle byte at bits 0 and 4 (GigE Vision)."""
    three = data.reshape(-1, 3).astype(np.uint16)
    first = three[:, 0] << 2 | (three[:, 1] & 0x03)
    return np.stack([first, three[:, 2] << 2 | (three[:, 1] >> 4 & 0x03)], axis=1).reshape(-1)


def _unpack_12_packed(data: Bytes) -> Values:
    """2 values in 3 bytes: high bits, the low 4 bits of both in the middle byte (GigE Vision)."""
    three = data.reshape(-1, 3).astype(np.uint16)
    first = three[:, 0] << 4 | (three[:, 1] & 0x0F)
    return np.stack([first, three[:, 2] << 4 | three[:, 1] >> 4], axis=1).reshape(-1)


def _unpack_ycrcb(luma: int) -> Callable[[Bytes], Bytes]:
    """2 pixels in 4 bytes as (Y, Cr, Cb) of each; ``luma`` is the place of the first Y, Cb comes before Cr."""

    def unpack(data: Bytes) -> Bytes:
        four = data.reshape(-1, 4)
        out = np.empty((four.shape[0], 2, 3), np.uint8)
        out[:, :, 0] = four[:, luma::2]
        out[:, :, 1] = four[:, 3 - luma, None]
        out[:, :, 2] = four[:, 1 - luma, None]
        return out.reshape(-1)

    return unpack


_NOTHING = -1  # the values are RGB already
# PFNC names a mosaic by its first two pixels, OpenCV by the square they begin.
_MOSAICS = {
    "Mono": cv2.COLOR_GRAY2RGB,
    "BayerGR": cv2.COLOR_BayerGRBG2RGB,
    "BayerRG": cv2.COLOR_BayerRGGB2RGB,
    "BayerGB": cv2.COLOR_BayerGBRG2RGB,
    "BayerBG": cv2.COLOR_BayerBGGR2RGB,
}
_DEPTHS: dict[str, tuple[int, int, int, Callable[[Bytes], Bytes | Values]]] = {
    "8": (8, 1, 1, _keep),
    "10": (10, 2, 1, _unpack_words),
    "10p": (10, 5, 4, _unpack_10p),
    "10Packed": (10, 3, 2, _unpack_10_packed),
    "12": (12, 2, 1, _unpack_words),
    "12p": (12, 3, 2, _unpack_12p),
    "12Packed": (12, 3, 2, _unpack_12_packed),
    "14": (14, 2, 1, _unpack_words),
    "16": (16, 2, 1, _unpack_words),
}
_FORMATS = {
    **{
        mosaic + depth: _Format(bits, size, pixels, unpack, 1, code)
        for mosaic, code in _MOSAICS.items()
        for depth, (bits, size, pixels, unpack) in _DEPTHS.items()
    },
    "RGB8": _Format(8, 3, 1, _keep, 3, _NOTHING),
    "BGR8": _Format(8, 3, 1, _keep, 3, cv2.COLOR_BGR2RGB),
    "RGBa8": _Format(8, 4, 1, _keep, 4, cv2.COLOR_RGBA2RGB),
    "BGRa8": _Format(8, 4, 1, _keep, 4, cv2.COLOR_BGRA2RGB),
    "YUV422_8": _Format(8, 4, 2, _unpack_ycrcb(0), 3, cv2.COLOR_YCrCb2RGB),
    "YUV422_8_UYVY": _Format(8, 4, 2, _unpack_ycrcb(1), 3, cv2.COLOR_YCrCb2RGB),
    "YCbCr601_422_8": _Format(8, 2, 1, _keep, 2, cv2.COLOR_YUV2RGB_YUY2),
    "YCbCr601_422_8_CbYCrY": _Format(8, 2, 1, _keep, 2, cv2.COLOR_YUV2RGB_UYVY),
}
_OTHER_NAMES = {
    "RGB8Packed": "RGB8",
    "BGR8Packed": "BGR8",
    "RGBA8Packed": "RGBa8",
    "BGRA8Packed": "BGRa8",
    "YUV422Packed": "YUV422_8_UYVY",
    "YUYVPacked": "YUV422_8",
    "YUV422_YUYV_Packed": "YUV422_8",
    "YCbCr422_8": "YUV422_8",
    "YCbCr422_8_CbYCrY": "YUV422_8_UYVY",
}
PIXEL_FORMATS = tuple(sorted(_FORMATS))
"""Formats that :func:`to_rgb` understands, by GenICam's names."""
