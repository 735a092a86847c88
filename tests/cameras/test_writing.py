"""Pictures at full size that are not filled yet: BMP and TIFF do not tell their end, so their writer has to close."""

import io
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from partgate.cameras import drop_folder
from partgate.cameras.writing import is_surely_closed, tells_its_end

from .dropping import watch

PIXELS = np.full((40, 30, 3), 180, np.uint8)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say who writes")


def encode(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind)
    return buffer.getvalue()


def write_with_a_pause(path: Path, data: bytes, pause_s: float) -> threading.Thread:
    """Write as a copy does that sets the size first, and stops for a while at half."""

    def write() -> None:
        time.sleep(0.1)
        with path.open("wb") as file:
            file.truncate(len(data))
            file.write(data[: len(data) // 2])
            file.flush()
            time.sleep(pause_s)
            file.write(data[len(data) // 2 :])

    thread = threading.Thread(target=write)
    thread.start()
    return thread


@linux_only
@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_picture_at_full_size_whose_writer_pauses_is_waited_for(tmp_path: Path, kind: str):
    path = tmp_path / f"a.{kind.lower()}"
    with watch(tmp_path, settle_unmarked_s=30) as camera:
        writer = write_with_a_pause(path, encode(kind), pause_s=0.6)
        frame = camera.grab(timeout_s=20)
        writer.join()

    assert (frame.image == PIXELS).all()


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_where_the_system_says_nothing_such_a_picture_must_stand_still_for_longer(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(drop_folder, "is_surely_closed", lambda _: False)
    path = tmp_path / f"a.{kind.lower()}"
    with watch(tmp_path, settle_unmarked_s=1.5) as camera:
        writer = write_with_a_pause(path, encode(kind), pause_s=0.6)
        frame = camera.grab(timeout_s=20)
        writer.join()

    assert (frame.image == PIXELS).all()


@linux_only
def test_picture_that_was_renamed_into_place_is_taken_at_once(tmp_path: Path):
    (tmp_path / "a.bmp.part").write_bytes(encode("BMP"))
    with watch(tmp_path, settle_unmarked_s=30) as camera:
        timer = threading.Timer(0.1, (tmp_path / "a.bmp.part").rename, (tmp_path / "a.bmp",))
        timer.start()

        assert camera.grab(timeout_s=20).source == "a.bmp"


def test_png_is_taken_even_while_its_writer_keeps_it_open(tmp_path: Path):
    with watch(tmp_path, settle_unmarked_s=30) as camera, (tmp_path / "a.tmp").open("wb") as file:
        file.write(encode("PNG"))
        file.flush()
        timer = threading.Timer(0.1, (tmp_path / "a.tmp").rename, (tmp_path / "a.png",))
        timer.start()

        assert camera.grab(timeout_s=20).source == "a.png"


@pytest.mark.parametrize(("kind", "tells"), [("BMP", False), ("TIFF", False), ("PNG", True), ("JPEG", True)])
def test_formats_that_tell_their_end_are_known(kind: str, tells: bool):
    assert tells_its_end(encode(kind)) is tells


def test_tiff_of_the_other_byte_order_does_not_tell_its_end_either():
    assert not tells_its_end(b"MM\0*" + bytes(20))


@linux_only
def test_file_that_is_open_for_writing_is_not_closed(tmp_path: Path):
    with (tmp_path / "a").open("wb"):
        assert not is_surely_closed(tmp_path / "a")
    assert is_surely_closed(tmp_path / "a")


def test_file_that_is_gone_is_not_surely_closed(tmp_path: Path):
    assert not is_surely_closed(tmp_path / "missing")


@linux_only
def test_asking_leaves_the_file_free_for_its_next_writer(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"x")
    assert is_surely_closed(tmp_path / "a")

    began = time.monotonic()
    (tmp_path / "a").write_bytes(b"y")

    assert time.monotonic() - began < 20  # a lease that were kept would hold the writer up for 45 s


def test_other_systems_are_never_sure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(sys, "platform", "win32")

    assert not is_surely_closed(tmp_path / "a")
