"""A picture is whole or refused, whatever its file holds."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.errors import DataError
from partgate.imaging import _is_whole, decode_picture, read_picture

from .made_pictures import encoded, noise, png, tiff


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
