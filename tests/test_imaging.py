"""Pictures as users have them: in any form the same RGB."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from partgate.errors import DataError
from partgate.imaging import (
    PICTURE_SUFFIXES,
    decode_picture,
    encode_jpeg,
    encode_png,
    fit_picture,
    read_picture,
    to_rgb,
)
from partgate.parts import Image

from .made_pictures import BLUE, GREEN, LOSSLESS, RED, RGB_PIXELS, encoded, png, png_chunk, tiff, with_orientation


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_colours_come_out_as_red_green_blue(suffix: str) -> None:
    picture = decode_picture(encoded(RGB_PIXELS[..., ::-1], suffix))

    assert np.array_equal(picture, RGB_PIXELS)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled_by_their_whole_range(suffix: str) -> None:
    pixels = np.array([[0, 128, 129, 257, 32_768, 65_535]], np.uint16)

    picture = decode_picture(encoded(pixels, suffix))

    # 65535 / 255 = 257 levels each: 128 / 257 rounds to 0, 129 / 257 to 1, 32768 / 257 = 127.5 to 128
    assert picture[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]


@pytest.mark.parametrize("byte_order", ["<", ">"], ids=["little", "big"])
def test_sixteen_bit_tiff_of_either_byte_order_is_understood(byte_order: str) -> None:
    picture = decode_picture(tiff(np.array([[0, 257, 65_535]], np.uint16), byte_order=byte_order))

    assert picture[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("highest", [1023, 4095], ids=["10-bit", "12-bit"])
def test_camera_data_saved_without_scaling_is_refused_because_it_would_look_black(highest: int) -> None:
    pixels = np.array([[0, 7, highest]], np.uint16)

    with pytest.raises(DataError, match=f"16-bit values of at most {highest}, so it is not scaled: save it as 8 bit"):
        decode_picture(encoded(pixels, ".png"))


def test_first_value_beyond_twelve_bits_is_taken_for_a_scaled_picture() -> None:
    assert decode_picture(encoded(np.array([[0, 4096]], np.uint16), ".png"))[0, :, 0].tolist() == [0, 16]


@pytest.mark.parametrize("suffix", [*LOSSLESS, ".jpg"])
def test_grey_becomes_three_equal_channels(suffix: str) -> None:
    grey = np.full((16, 16), 77, np.uint8)

    picture = decode_picture(encoded(grey, suffix))

    assert picture.shape == (16, 16, 3)
    assert np.allclose(picture, 77, rtol=0, atol=1)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_alpha_is_dropped_and_hides_nothing(suffix: str) -> None:
    alpha = np.array([[0, 128, 255], [0, 0, 0]], np.uint8)

    picture = decode_picture(encoded(np.dstack([RGB_PIXELS[..., ::-1], alpha]), suffix))

    assert np.array_equal(picture, RGB_PIXELS)


def test_sixteen_bit_alpha_is_dropped() -> None:
    pixels = np.dstack([RGB_PIXELS[..., ::-1], np.zeros((2, 3), np.uint8)]).astype(np.uint16) * 257

    assert np.array_equal(decode_picture(encoded(pixels, ".png")), RGB_PIXELS)


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (png(2, 1, 8, 4, [bytes([10, 0, 200, 255])]), [[10] * 3, [200] * 3]),
        (png(2, 1, 1, 0, [b"\x40"]), [[0] * 3, [255] * 3]),
        (png(2, 1, 8, 3, [b"\0\1"], png_chunk(b"PLTE", bytes([*RED, *GREEN]))), [list(RED), list(GREEN)]),
    ],
    ids=["grey-with-alpha", "one-bit", "palette"],
)
def test_rarer_kinds_of_png_are_understood(data: bytes, pixels: list[list[int]]) -> None:
    assert decode_picture(data).tolist() == [pixels]


def test_float_tiff_is_refused_by_its_pixel_type() -> None:
    pixels = np.array([[0.0, 0.5, 1.0]], np.float32)

    with pytest.raises(DataError, match="has pixels of type float32; 8-bit and 16-bit pictures are understood"):
        decode_picture(encoded(pixels, ".tif"))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.float64])
def test_pixel_type_that_no_camera_gives_is_refused(dtype: type) -> None:
    with pytest.raises(DataError, match=f"pixels of type {np.dtype(dtype)}"):
        to_rgb(np.zeros((2, 2), dtype))


# The red edge is stored on the left; where it must be seen is said by the EXIF standard (JEITA CP-3451, tag 0x0112):
# the stored first row and first column are, for 1: top, left; 2: top, right; 3: bottom, right; 4: bottom, left;
# 5: left, top; 6: right, top; 7: right, bottom; 8: left, bottom.
@pytest.mark.parametrize(
    ("orientation", "edge", "shape"),
    [
        (1, "left", (40, 60)), (2, "right", (40, 60)), (3, "right", (40, 60)), (4, "left", (40, 60)),
        (5, "top", (60, 40)), (6, "top", (60, 40)), (7, "bottom", (60, 40)), (8, "bottom", (60, 40)),
    ],
)  # fmt: skip
def test_picture_is_turned_as_its_exif_says(orientation: int, edge: str, shape: tuple[int, int]) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :16] = BLUE  # red for OpenCV

    picture = decode_picture(with_orientation(encoded(pixels, ".jpg"), orientation))

    edges = {"left": picture[:, 4], "right": picture[:, -4], "top": picture[4], "bottom": picture[-4]}
    red = [name for name, line in edges.items() if (line[:, 0] > 128).all() and (line[:, 1] < 90).all()]
    assert picture.shape[:2] == shape
    assert red == [edge]


def test_single_pixel_is_a_picture() -> None:
    assert decode_picture(encoded(np.array([[[30, 20, 10]]], np.uint8), ".png")).tolist() == [[[10, 20, 30]]]


@pytest.mark.slow
def test_hundred_million_pixels_are_read_and_fitted() -> None:
    pixels = np.zeros((10_000, 10_000), np.uint8)
    pixels[:, 5_000:] = 200

    picture = fit_picture(decode_picture(encoded(pixels, ".png")), None, 32, 32)

    assert picture.shape == (32, 32, 3)
    assert picture[:, :16].max() == 0
    assert picture[:, 16:].min() == 200


@pytest.mark.parametrize(
    "name", ["Gehäuse grün ß.PNG", "two words.Jpg", "line\nbreak.BMP", 'it\'s "a" #1.TIFF', "鋼.tif"]
)
def test_names_with_umlauts_spaces_newlines_and_upper_case_suffixes_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(np.full((20, 20, 3), 90, np.uint8), path.suffix.lower()))

    assert np.allclose(read_picture(path), 90, rtol=0, atol=1)


def test_known_suffixes_are_those_of_the_data_format() -> None:
    assert sorted(PICTURE_SUFFIXES) == [".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"]


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_png_of_the_records_always_gives_back_every_pixel(picture: Image) -> None:
    assert np.array_equal(decode_picture(encode_png(picture)), picture)


def test_jpeg_of_the_records_keeps_the_colours() -> None:
    picture = np.full((16, 16, 3), (200, 40, 40), np.uint8)

    assert np.allclose(decode_picture(encode_jpeg(picture)), picture, rtol=0, atol=4)
