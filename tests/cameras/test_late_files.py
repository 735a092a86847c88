"""A file of another vision system that comes too late for its part is never the next part's picture."""

import threading
import time
from pathlib import Path

import pytest

from partgate.errors import CameraError

from .dropping import drop, soon, watch

LATE = "may be the late file of a part before, so this part has none"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "drop"
    path.mkdir()
    return path


def miss(camera) -> None:
    """Give a part without a file."""
    with pytest.raises(CameraError, match="no new whole picture"):
        camera.grab(timeout_s=0.05)


def test_file_that_missed_its_part_and_comes_during_the_next_one_is_not_judged(folder: Path):
    with watch(folder, whole_within_s=30) as camera:
        miss(camera)
        with soon(lambda: drop(folder / "1.png", 1)), pytest.raises(CameraError, match=rf"1\.png {LATE}"):
            camera.grab(timeout_s=20)


def test_system_slower_than_the_parts_come_gives_no_part_the_picture_of_another(folder: Path):
    taken: list[str | None] = []
    with watch(folder, whole_within_s=30) as camera:
        for part in range(1, 6):
            threading.Timer(0.58, drop, (folder / f"{part}.png", part)).start()
            next_at = time.monotonic() + 0.5
            try:
                taken.append(camera.grab(timeout_s=0.17).source)
            except CameraError:
                taken.append(None)
            time.sleep(max(0.0, next_at - time.monotonic()))
        time.sleep(0.2)

    assert taken == [None] * 5


def test_part_at_which_a_late_file_came_leaves_its_own_file_owed(folder: Path):
    with watch(folder, whole_within_s=30) as camera:
        miss(camera)
        for number in (1, 2, 3):
            with soon(lambda n=number: drop(folder / f"{n}.png", n)), pytest.raises(CameraError, match=LATE):
                camera.grab(timeout_s=20)


def test_late_file_itself_pays_so_no_more_than_one_stays_owed(folder: Path):
    with watch(folder, whole_within_s=30) as camera:
        miss(camera)
        with soon(lambda: drop(folder / "1.png", 1)), pytest.raises(CameraError, match=LATE):
            camera.grab(timeout_s=20)
        drop(folder / "2.png", 2)
        with soon(lambda: drop(folder / "3.png", 3)):
            assert camera.grab(timeout_s=20).source == "3.png"


def test_file_between_two_parts_pays_for_the_one_that_was_missed(folder: Path):
    with watch(folder, whole_within_s=30) as camera:
        miss(camera)
        drop(folder / "1.png", 1)
        with soon(lambda: drop(folder / "2.png", 2)):
            assert camera.grab(timeout_s=20).source == "2.png"


def test_one_file_pays_for_one_part_alone(folder: Path):
    with watch(folder, whole_within_s=30) as camera:
        miss(camera)
        miss(camera)
        drop(folder / "1.png", 1)
        with soon(lambda: drop(folder / "2.png", 2)), pytest.raises(CameraError, match=LATE):
            camera.grab(timeout_s=20)


def test_file_that_is_late_while_files_may_come_early_is_not_taken_either(folder: Path):
    with watch(folder, whole_within_s=30, early_s=30) as camera:
        miss(camera)
        drop(folder / "1.png", 1)
        with pytest.raises(CameraError, match=LATE):
            camera.grab(timeout_s=20)


def test_part_that_was_asked_for_too_late_leaves_its_file_owed(folder: Path):
    with watch(folder, whole_within_s=30) as camera:
        with pytest.raises(CameraError):
            camera.grab(timeout_s=20, not_after=time.monotonic() - 1)
        with soon(lambda: drop(folder / "1.png", 1)), pytest.raises(CameraError, match=LATE):
            camera.grab(timeout_s=20)


def test_after_a_long_silence_no_late_file_is_expected_any_more(folder: Path, caplog: pytest.LogCaptureFixture):
    with watch(folder, whole_within_s=0.5) as camera:
        miss(camera)
        time.sleep(0.6)
        with soon(lambda: drop(folder / "2.png", 2)):
            assert camera.grab(timeout_s=20).source == "2.png"

    assert "files that did not come: 1; none is waited for any more" in caplog.text


def test_parts_that_go_on_without_files_are_no_silence(folder: Path):
    with watch(folder, whole_within_s=0.5) as camera:
        for _ in range(4):
            miss(camera)
            time.sleep(0.2)
        with soon(lambda: drop(folder / "5.png", 5)), pytest.raises(CameraError, match=LATE):
            camera.grab(timeout_s=20)


def test_where_every_file_is_a_part_none_is_owed(folder: Path, tmp_path: Path):
    (tmp_path / "done").mkdir()
    with watch(folder, takes="all", done=str(tmp_path / "done")) as camera:
        miss(camera)
        drop(folder / "1.png", 1)

        assert camera.grab(timeout_s=20).source == "1.png"
