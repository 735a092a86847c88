"""Bytes of cameras as RGB: each expected pixel is worked out by hand from the format's definition."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.cameras.pixels import PIXEL_FORMATS, check_pixel_format, to_rgb
from partgate.errors import CameraError


def grey(data: Sequence[int], pixel_format: str, width_px: int = 2, height_px: int = 1, **more: int) -> list[int]:
    """Return the grey values of a picture, which must be equal in all channels."""
    image = to_rgb(np.array(data, np.uint8), pixel_format, height_px, width_px, **more)
    assert np.array_equal(image[..., 0], image[..., 1])
    assert np.array_equal(image[..., 0], image[..., 2])
    return [int(value) for value in image[..., 0].reshape(-1)]


@pytest.mark.parametrize("pixel_format", ["Mono9", "", "mono8", "Confidence8"])
def test_unknown_format_is_refused_with_those_that_are_known(pixel_format: str):
    with pytest.raises(CameraError, match=rf"must be one of .*BayerRG8.*Mono8.*, got '{pixel_format}'"):
        check_pixel_format(pixel_format)


@pytest.mark.parametrize("pixel_format", PIXEL_FORMATS)
def test_picture_with_a_byte_too_few_is_not_whole(pixel_format: str):
    rng = np.random.default_rng(0)
    whole = next(size for size in range(16, 8 * 16) if _fits(rng, size, pixel_format))

    with pytest.raises(CameraError, match=rf"not whole: 4 x 4 px {pixel_format} needs {whole} bytes, got {whole - 1}"):
        to_rgb(np.zeros(whole - 1, np.uint8), pixel_format, 4, 4)


def _fits(rng: np.random.Generator, size: int, pixel_format: str) -> bool:
    try:
        image = to_rgb(rng.integers(0, 256, size, dtype=np.uint8), pixel_format, 4, 4)
    except CameraError:
        return False
    assert image.shape == (4, 4, 3)
    assert image.dtype == np.uint8
    return True


@pytest.mark.parametrize(
    ("pixel_format", "data", "expected"),
    [
        ("Mono8", [0, 200], [0, 200]),
        # 1023 is white; 512 x 255 / 1023 = 127.6
        ("Mono10", [0xFF, 0x03, 0x00, 0x02], [255, 128]),
        # 4095 is white; 16 x 255 / 4095 = 0.996
        ("Mono12", [0xFF, 0x0F, 0x10, 0x00], [255, 1]),
        # 8192 x 255 / 16383 = 127.5
        ("Mono14", [0xFF, 0x3F, 0x00, 0x20], [255, 128]),
        # 257 x 255 / 65535 = 1
        ("Mono16", [0xFF, 0xFF, 0x01, 0x01], [255, 1]),
        # first 0xABC, second 0x123: BC | 3A | 12; 2748 x 255 / 4095 = 171.1, 291 x 255 / 4095 = 18.1
        ("Mono12p", [0xBC, 0x3A, 0x12], [171, 18]),
        # high bytes AB and 12, in the middle the low halves: C of the first, 3 of the second
        ("Mono12Packed", [0xAB, 0x3C, 0x12], [171, 18]),
        # first 0b10_1010_1011 = 683 → 170.2, second 0b01_0000_0010 = 258 → 64.3; low 2 bits at bits 0 and 4
        ("Mono10Packed", [0b10101010, 0b0010_0011, 0b01000000], [170, 64]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_grey_values_are_scaled_by_their_full_range(pixel_format: str, data: list[int], expected: list[int]):
    assert grey(data, pixel_format) == expected


def test_mono_10p_holds_four_pixels_in_five_bytes_lowest_bits_first():
    values = [0b11_1111_1111, 0b00_0000_0000, 0b10_1010_1011, 0b01_0000_0010]
    stream = sum(value << 10 * place for place, value in enumerate(values))

    assert grey(list(stream.to_bytes(5, "little")), "Mono10p", width_px=4) == [255, 0, 170, 64]


@pytest.mark.parametrize("pixel_format", ["Mono12p", "Mono12Packed", "Mono10Packed"])
def test_packed_picture_of_odd_size_ends_in_half_a_group(pixel_format: str):
    assert grey([255, 255, 255, 255, 255], pixel_format, width_px=3) == [255, 255, 255]


def test_packed_lines_run_on_without_a_gap():
    data = [0xFF, 0x0F, 0x00, 0xFF, 0x0F, 0x00, 0xFF, 0x0F, 0x00]  # white and black in turn, 3 x 2

    assert grey(data, "Mono12p", width_px=3, height_px=2) == [255, 0, 255, 0, 255, 0]


def test_padding_behind_lines_and_chunks_behind_the_picture_are_no_pixels():
    assert grey([1, 2, 99, 3, 4, 99, 77, 77], "Mono8", height_px=2, padding_bytes=1) == [1, 2, 3, 4]
    assert grey([1, 2, 99, 3, 4], "Mono8", height_px=2, padding_bytes=1) == [1, 2, 3, 4]  # none behind the last line


def test_padding_that_would_split_a_group_of_packed_pixels_is_refused():
    with pytest.raises(CameraError, match="needs a width in steps of 2 for Mono12p, got 3"):
        to_rgb(np.zeros(99, np.uint8), "Mono12p", 2, 3, padding_bytes=1)


@pytest.mark.parametrize(
    ("pixel_format", "data"),
    [
        ("RGB8", [200, 10, 30]),
        ("RGB8Packed", [200, 10, 30]),
        ("BGR8", [30, 10, 200]),
        ("RGBa8", [200, 10, 30, 7]),
        ("BGRa8", [30, 10, 200, 7]),
    ],
)
def test_colour_is_red_green_blue_whatever_the_order_sent(pixel_format: str, data: list[int]):
    assert to_rgb(np.array(data, np.uint8), pixel_format, 1, 1).tolist() == [[[200, 10, 30]]]


MOSAICS = {"RG": "RGGB", "GR": "GRBG", "GB": "GBRG", "BG": "BGGR"}  # the first two lines, two pixels each
COLOUR = {"R": 200, "G": 100, "B": 40}


@pytest.mark.parametrize("depth", ["8", "10", "12"])
@pytest.mark.parametrize("first", sorted(MOSAICS))
def test_mosaic_of_one_colour_becomes_that_colour_everywhere(first: str, depth: str):
    square = [COLOUR[letter] for letter in MOSAICS[first]]
    mosaic = np.tile(np.array(square).reshape(2, 2), (4, 4))
    highest = 2 ** int(depth) - 1
    raw = mosaic.astype(np.uint8) if depth == "8" else (mosaic * highest / 255).round().astype("<u2")

    image = to_rgb(raw.view(np.uint8), f"Bayer{first}{depth}", 8, 8)

    assert np.array_equal(image, np.broadcast_to(np.array([200, 100, 40], np.uint8), (8, 8, 3)))


def test_missing_colours_of_a_mosaic_are_means_of_the_nearest():
    raw = np.zeros((6, 6), np.uint8)
    raw[2, 2] = 120  # RG: even lines and columns are red

    image = to_rgb(raw, "BayerRG8", 6, 6)

    assert image[2, 2].tolist() == [120, 0, 0]
    assert image[2, 3, 0] == 60  # between two reds
    assert image[3, 3, 0] == 30  # between four
    assert image[..., 1:].max() == 0


@pytest.mark.parametrize(
    ("pixel_format", "data", "expected"),
    [
        # full range: R = 100 + 1.402 x 50 = 170.1, G = 100 - 0.714 x 50 = 64.3, B = 100; the second pixel 20 brighter
        ("YUV422_8", [100, 128, 120, 178], [[170, 64, 100], [190, 84, 120]]),
        ("YUV422_8_UYVY", [128, 100, 178, 120], [[170, 64, 100], [190, 84, 120]]),
        # B = 100 + 1.772 x 50 = 188.6, G = 100 - 0.344 x 50 = 82.8
        ("YUV422Packed", [178, 100, 128, 120], [[100, 83, 189], [120, 103, 209]]),
        # limited range: 16 is black, 235 is white
        ("YCbCr601_422_8", [16, 128, 235, 128], [[0, 0, 0], [255, 255, 255]]),
        ("YCbCr601_422_8_CbYCrY", [128, 16, 128, 235], [[0, 0, 0], [255, 255, 255]]),
    ],
)
def test_luma_and_chroma_become_colour_by_bt_601(pixel_format: str, data: list[int], expected: list[list[int]]):
    image = to_rgb(np.array(data, np.uint8), pixel_format, 1, 2)

    assert np.abs(image[0].astype(int) - expected).max() <= 1  # rounding of the library


def test_picture_keeps_its_memory_when_the_cameras_buffer_is_used_again():
    buffer = np.full(12, 50, np.uint8)
    image = to_rgb(buffer, "RGB8", 2, 2)
    buffer[:] = 99

    assert image.max() == 50


@given(st.lists(st.integers(0, 4095), min_size=2, max_size=40))
def test_packed_values_never_differ_from_the_same_values_unpacked(values: list[int]):
    values = values[: len(values) // 2 * 2]
    pairs = [(values[i], values[i + 1]) for i in range(0, len(values), 2)]
    words = np.array(values, "<u2").view(np.uint8).tolist()
    lowest_first = [byte for one, two in pairs for byte in (one | two << 12).to_bytes(3, "little")]
    high_bytes = [byte for one, two in pairs for byte in (one >> 4, (one & 15) | (two & 15) << 4, two >> 4)]

    assert grey(lowest_first, "Mono12p", len(values)) == grey(words, "Mono12", len(values))
    assert grey(high_bytes, "Mono12Packed", len(values)) == grey(words, "Mono12", len(values))
