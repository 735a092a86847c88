"""Files of a drop folder: each is taken once, and only when it is whole."""

import os
import shutil
import time
from pathlib import Path

import pytest

from partgate.errors import CameraError, CameraLostError

from .dropping import drop, picture, soon, watch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "drop"
    path.mkdir()
    return path


def test_each_file_is_taken_once(folder: Path):
    with watch(folder) as camera:
        with soon(lambda: drop(folder / "a.png", 1)):
            camera.grab(timeout_s=10)
        with pytest.raises(CameraError, match="no new whole picture"):
            camera.grab(timeout_s=0.2)


@pytest.mark.parametrize("kind", ["renamed", "copied", "touched"])
def test_file_taken_before_is_not_judged_again(folder: Path, kind: str):
    acts = {
        "renamed": lambda: (folder / "a.png").rename(folder / "b.png"),
        "copied": lambda: shutil.copyfile(folder / "a.png", folder / "b.png"),
        "touched": lambda: os.utime(folder / "a.png"),
    }
    with watch(folder) as camera:
        with soon(lambda: drop(folder / "a.png", 1)):
            camera.grab(timeout_s=10)
        with soon(acts[kind]), pytest.raises(CameraError, match="no new whole picture"):
            camera.grab(timeout_s=0.6)


def test_file_that_was_there_at_the_start_is_no_new_one_under_another_name(folder: Path):
    drop(folder / "old.png", 1)

    with (
        watch(folder) as camera,
        soon(lambda: (folder / "old.png").rename(folder / "b.png")),
        pytest.raises(CameraError, match="no new whole picture"),
    ):
        camera.grab(timeout_s=0.6)


def test_file_renamed_while_it_waits_is_taken_under_its_new_name(folder: Path):
    with watch(folder, early_s=30) as camera:
        drop(folder / "a.png", 1)
        camera.check()
        (folder / "a.png").rename(folder / "b.png")

        assert camera.grab(timeout_s=10).source == "b.png"


def test_file_that_still_changes_is_waited_for_even_where_it_can_be_decoded(folder: Path):
    def write_twice() -> None:
        drop(folder / "a.png", 1)
        time.sleep(0.3)
        drop(folder / "a.png", 2)

    with watch(folder, settle_s=1.5) as camera, soon(write_twice):
        assert int(camera.grab(timeout_s=20).image[0, 0, 0]) == 2


def test_file_written_again_under_its_name_is_a_new_picture(folder: Path):
    drop(folder / "latest.png", 1)

    with watch(folder) as camera, soon(lambda: drop(folder / "latest.png", 2)):
        assert int(camera.grab(timeout_s=10).image[0, 0, 0]) == 2


def test_file_that_is_written_under_another_name_first_is_taken_when_it_gets_its_own(folder: Path):
    def write_and_rename() -> None:
        (folder / "a.png.part").write_bytes(picture(3))
        (folder / "a.png.part").rename(folder / "a.png")

    with watch(folder) as camera, soon(write_and_rename):
        assert camera.grab(timeout_s=10).source == "a.png"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_half_written_file_is_waited_for(folder: Path, suffix: str):
    data = picture(9, suffix)
    path = folder / f"a{suffix}"

    def write_slowly() -> None:
        with path.open("wb") as file:
            for part in (data[:30], data[30:-10], data[-10:]):
                file.write(part)
                file.flush()
                time.sleep(0.3)

    with watch(folder, whole_within_s=30) as camera, soon(write_slowly):
        frame = camera.grab(timeout_s=20)

    assert abs(int(frame.image[0, 0, 0]) - 9) <= 2


def test_file_that_stays_half_written_is_not_whole_and_the_next_one_is_taken(folder: Path):
    with watch(folder, whole_within_s=0.3) as camera:
        half = picture(1)[:-5]
        with (
            soon(lambda: (folder / "a.png").write_bytes(half)),
            pytest.raises(CameraError, match=r"a\.png is cut off or damaged .* it was waited for 0\.3 s") as error,
        ):
            camera.grab(timeout_s=10)
        with soon(lambda: drop(folder / "b.png", 2)):
            assert camera.grab(timeout_s=10).source == "b.png"

    assert not isinstance(error.value, CameraLostError)


def test_file_that_cannot_be_decoded_is_not_whole(folder: Path):
    with (
        watch(folder, whole_within_s=0.2) as camera,
        soon(lambda: (folder / "a.png").write_text("no picture", encoding="utf-8")),
        pytest.raises(CameraError, match=r"a\.png is not a picture"),
    ):
        camera.grab(timeout_s=10)


def test_other_files_and_hidden_ones_are_not_looked_at(folder: Path):
    def drop_all() -> None:
        for name in ("result.csv", ".a.png", "a.tmp"):
            (folder / name).write_bytes(picture(1))
        drop(folder / "b.png", 2)

    with watch(folder) as camera, soon(drop_all):
        assert camera.grab(timeout_s=10).source == "b.png"
