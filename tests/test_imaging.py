"""Pictures as users have them: whole or refused, in any form the same RGB; region and size for training and line."""

import hashlib
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from partgate.data.folder import Picture
from partgate.errors import DataError
from partgate.imaging import (
    PICTURE_SUFFIXES,
    _is_whole,
    crop_region,
    decode_picture,
    encode_jpeg,
    encode_png,
    fit_picture,
    read_picture,
    to_rgb,
)
from partgate.inference.bundle import Geometry
from partgate.parts import Image

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


# --- whole, or refused


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_cut_off_picture_is_never_taken_for_a_whole_one(suffix: str) -> None:
    data = encoded(noise(), suffix)
    lengths = {1, 2, 9, 13, 14, 54, len(data) // 2, len(data) - 1, len(data) - 2, len(data) - 7}

    for length in sorted(lengths):
        with pytest.raises(DataError, match=r"cut off or damaged \(\d+ bytes\); copy|is not a picture"):
            decode_picture(data[:length])


@given(st.data())
def test_cut_off_picture_is_never_taken_for_a_whole_one_wherever_it_is_cut(data: st.DataObject) -> None:
    whole = encoded(noise(), data.draw(st.sampled_from([".png", ".jpg", ".bmp"])))
    length = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(DataError, match=r"0 bytes|cut off|not a picture"):
        decode_picture(whole[:length])


@given(st.data())
def test_cut_off_picture_is_always_noticed_without_the_library_which_fills_it_with_grey_in_its_4th_version(
    data: st.DataObject,
) -> None:
    whole = encoded(noise(), data.draw(st.sampled_from([".png", ".jpg", ".bmp"])))
    length = data.draw(st.integers(14, len(whole) - 1))  # the start tells which kind it is

    assert _is_whole(whole)
    assert not _is_whole(whole[:length])


@pytest.mark.parametrize("missing", [1, 100, 2399])
def test_tiff_whose_directory_stands_in_front_is_refused_where_pixels_are_missing(missing: int) -> None:
    data = tiff(noise()[..., 0])

    with pytest.raises(DataError, match=rf"is cut off or damaged \({len(data) - missing} bytes\)"):
        decode_picture(data[:-missing])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_whole_picture_of_each_kind_is_taken_with_bytes_behind_its_end(suffix: str) -> None:
    data = encoded(noise(), suffix)

    assert decode_picture(data + b"written by camera 3").shape == (40, 60, 3)


def test_thumbnail_inside_a_jpeg_does_not_hide_that_the_picture_is_cut_off() -> None:
    thumbnail = encoded(noise(8, 8), ".jpg")
    data = encoded(noise(), ".jpg")
    whole = data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]

    assert decode_picture(whole).shape == (40, 60, 3)
    assert not _is_whole(whole[: len(whole) - 500])


def test_flipped_byte_inside_a_png_is_noticed() -> None:
    data = bytearray(encoded(noise(), ".png"))
    data[len(data) // 2] ^= 1

    with pytest.raises(DataError, match="cut off or damaged"):
        decode_picture(bytes(data))


def test_zero_byte_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "good" / "a.png"
    path.parent.mkdir()
    path.touch()

    with pytest.raises(DataError, match=r"a\.png: is empty \(0 bytes\); copy the picture again"):
        read_picture(path)


@pytest.mark.parametrize("text", [b"this is no picture", b"{}", b"\0" * 100, b"%PDF-1.7\n"])
def test_text_named_png_is_no_picture(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(text)

    with pytest.raises(DataError, match=r"a\.png: is not a picture \(png, jpg, bmp or tif\); remove it"):
        read_picture(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.png: cannot be read: No such file"):
        read_picture(tmp_path / "nowhere.png")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that exists and cannot be read: /proc/self/mem")
def test_file_that_the_disk_cannot_give_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("/proc/self/mem")

    with pytest.raises(DataError, match=r"a\.png: cannot be read: Input/output error"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(("width", "height"), [(0, 0), (200_000, 200_000)], ids=["no-pixels", "beyond-any-camera"])
def test_png_that_claims_an_impossible_size_is_refused(width: int, height: int) -> None:
    with pytest.raises(DataError, match=r"cut off or damaged|cannot be decoded"):
        decode_picture(png(width, height, 8, 0, [b"\0"]))


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*"]))
def test_bytes_never_end_in_anything_but_a_picture_or_a_data_error(data: bytes, head: bytes) -> None:
    try:
        picture = decode_picture(head + data)
    except DataError:
        return

    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


# --- any form, the same RGB


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_colours_come_out_as_red_green_blue(suffix: str) -> None:
    picture = decode_picture(encoded(RGB_PIXELS[..., ::-1], suffix))

    np.testing.assert_array_equal(picture, RGB_PIXELS)


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
    np.testing.assert_allclose(picture, 77, atol=1)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_alpha_is_dropped_and_hides_nothing(suffix: str) -> None:
    alpha = np.array([[0, 128, 255], [0, 0, 0]], np.uint8)

    picture = decode_picture(encoded(np.dstack([RGB_PIXELS[..., ::-1], alpha]), suffix))

    np.testing.assert_array_equal(picture, RGB_PIXELS)


def test_sixteen_bit_alpha_is_dropped() -> None:
    pixels = np.dstack([RGB_PIXELS[..., ::-1], np.zeros((2, 3), np.uint8)]).astype(np.uint16) * 257

    np.testing.assert_array_equal(decode_picture(encoded(pixels, ".png")), RGB_PIXELS)


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

    np.testing.assert_allclose(read_picture(path), 90, atol=1)


def test_known_suffixes_are_those_of_the_data_format() -> None:
    assert sorted(PICTURE_SUFFIXES) == [".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"]


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_png_of_the_records_always_gives_back_every_pixel(picture: Image) -> None:
    np.testing.assert_array_equal(decode_picture(encode_png(picture)), picture)


def test_jpeg_of_the_records_keeps_the_colours() -> None:
    picture = np.full((16, 16, 3), (200, 40, 40), np.uint8)

    np.testing.assert_allclose(decode_picture(encode_jpeg(picture)), picture, atol=4)


# --- region and size


@given(st.data())
def test_region_inside_always_gives_exactly_its_pixels(data: st.DataObject) -> None:
    x_max, y_max = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 40))
    x_min, y_min = data.draw(st.integers(0, x_max - 1)), data.draw(st.integers(0, y_max - 1))
    picture = noise(40, 60)

    cut = crop_region(picture, (x_min, y_min, x_max, y_max))

    assert cut.shape == (y_max - y_min, x_max - x_min, 3)
    np.testing.assert_array_equal(cut[0, 0], picture[y_min, x_min])
    np.testing.assert_array_equal(cut[-1, -1], picture[y_max - 1, x_max - 1])


@pytest.mark.parametrize(
    "region",
    [(-1, 0, 10, 10), (0, -1, 10, 10), (0, 0, 61, 40), (0, 0, 60, 41), (10, 0, 10, 40), (30, 0, 20, 40), (0, 9, 60, 9)],
    ids=["left", "above", "right", "below", "no-width", "turned-round", "no-height"],
)
def test_region_that_does_not_lie_inside_is_refused_with_both_sizes(region: tuple[int, int, int, int]) -> None:
    told = rf"region \[{', '.join(map(str, region))}\] must lie inside the picture of 60 x 40 px"

    with pytest.raises(DataError, match=told):
        crop_region(noise(40, 60), region)
    with pytest.raises(DataError, match=told):
        fit_picture(noise(40, 60), region, 32, 32)


def test_without_a_region_the_picture_stays_whole() -> None:
    picture = noise()

    assert crop_region(picture, None) is picture


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64), st.integers(1, 64))
def test_fitted_picture_always_has_the_wanted_size(height: int, width: int, height_px: int, width_px: int) -> None:
    picture = np.full((height, width, 3), 200, np.uint8)

    fitted = fit_picture(picture, None, height_px, width_px)

    assert fitted.shape == (height_px, width_px, 3)
    assert fitted.dtype == np.uint8
    assert fitted.flags.c_contiguous
    assert set(np.unique(fitted)) <= {127, 200}


def test_aspect_is_kept_and_what_stays_free_is_grey() -> None:
    picture = np.full((10, 40, 3), 255, np.uint8)  # four times as wide as high

    fitted = fit_picture(picture, None, 32, 32)

    # 40 x 10 px into 32 x 32: scale 0.8, so 32 x 8, in the middle: rows 12 to 19
    assert (fitted[12:20] == 255).all()
    assert (fitted[:12] == 127).all()
    assert (fitted[20:] == 127).all()


@pytest.mark.parametrize("size", [(7, 5), (64, 64), (900, 1100)], ids=["enlarged", "same", "shrunk-in-two-steps"])
def test_circle_stays_a_circle(size: tuple[int, int]) -> None:
    side = min(size)
    picture = np.zeros((*size, 3), np.uint8)
    cv2.circle(picture, (size[1] // 2, size[0] // 2), side // 2 - 1, (255, 255, 255), -1)

    rows, columns = np.nonzero(fit_picture(picture, None, 48, 64)[..., 0] > 180)

    assert abs(np.ptp(rows) - np.ptp(columns)) <= 4


def test_part_already_of_the_right_size_is_not_touched() -> None:
    picture = noise(32, 32)

    np.testing.assert_array_equal(fit_picture(picture, None, 32, 32), picture)


def test_shrinking_averages_areas_so_that_a_fine_pattern_becomes_even() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[::2, ::2] = picture[1::2, 1::2] = 200  # half of the pixels

    np.testing.assert_allclose(fit_picture(picture, None, 32, 32), 100, atol=1)


def test_region_is_cut_out_before_the_size_is_changed() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:30, 20:40] = 255

    assert (fit_picture(picture, (20, 10, 40, 30), 32, 32) == 255).all()


def test_long_part_fills_the_input_where_the_aspect_is_not_kept() -> None:
    """Left half black, right half white, twice as wide as high: a square of two halves, without grey."""
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 20:] = 255

    fitted = fit_picture(picture, None, 32, 32, keeps_aspect=False)

    assert (fitted[:, :16] == 0).all()
    assert (fitted[:, 16:] == 255).all()


@pytest.mark.parametrize("keeps_aspect", [True, False], ids=["with-borders", "without-borders"])
def test_training_and_line_see_the_same_array(
    tmp_path: Path, make_run: Callable[..., Path], make_model: Callable[..., bytes], keeps_aspect: bool
) -> None:
    features = pytest.importorskip("partgate.training.features", reason="needs partgate[train]")
    from partgate.inference.engine import OnnxEngine
    from partgate.inference.inspector import Inspector

    class Watching(OnnxEngine):
        """An engine that keeps what it was given."""

        def run(self, picture: Image, names: tuple[str, ...] = ("probabilities",)) -> list[np.ndarray]:
            self.seen = picture
            return super().run(picture, names)

    geometry = Geometry(region=(5, 3, 165, 103), height_px=32, width_px=64, keeps_aspect=keeps_aspect)
    path = tmp_path / "part.jpg"
    path.write_bytes(with_orientation(encoded(noise(180, 120), ".jpg"), 6))
    model = make_model(height_px=32, width_px=64)
    inspector = Inspector.open(make_run(tmp_path / "run", model=model, manifest={"geometry": geometry}))
    engine = Watching(model)

    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    (learned,), _ = features.read_part(Picture(path, "part.jpg", "good", sha256, "0"), geometry)
    Inspector(inspector.recipe, inspector.bundle, engine).predict(read_picture(path))

    np.testing.assert_array_equal(engine.seen, learned)
