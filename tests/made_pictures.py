"""Pictures as bytes of files, of kinds that OpenCV does not write too."""

import struct
import zlib

import cv2
import numpy as np

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
RGB_PIXELS = np.array([[RED, GREEN, BLUE], [(0, 0, 0), (255, 255, 255), (10, 20, 30)]], np.uint8)
LOSSLESS = (".png", ".bmp", ".tif", ".tiff")


def encoded(pixels: np.ndarray, suffix: str) -> bytes:
    """Return pixels in OpenCV's order (BGR) as the bytes of a file."""
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return data.tobytes()


def noise(height: int = 40, width: int = 60) -> np.ndarray:
    """Return a picture that no compression makes small, so that cutting it off loses pixels."""
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Return one chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, bits: int, colour_type: int, rows: list[bytes], *further: bytes) -> bytes:
    """Return a PNG file of any kind, as OpenCV does not write all of them."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = (png_chunk(b"IHDR", head), *further, png_chunk(b"IDAT", body), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(pixels: np.ndarray, *, byte_order: str = "<") -> bytes:
    """Return a grey TIFF with its directory in front of the pixels, as many cameras write it; OpenCV puts it behind."""
    height, width = pixels.shape
    bits, start = 8 * pixels.dtype.itemsize, 8 + 2 + 12 * 9 + 4
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, start), (277, 1), (278, height),
            (279, pixels.nbytes)]  # fmt: skip
    entries = b"".join(struct.pack(f"{byte_order}HHII", tag, 4, 1, value) for tag, value in tags)
    head = (b"II" if byte_order == "<" else b"MM") + struct.pack(f"{byte_order}HIH", 42, 8, len(tags))
    return head + entries + b"\0\0\0\0" + pixels.astype(pixels.dtype.newbyteorder(byte_order)).tobytes()


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Return a JPEG with an EXIF block that holds nothing but tag 0x0112, the orientation."""
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
