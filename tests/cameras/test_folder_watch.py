"""The drop folder of another vision system at a station: a file is for the part whose trigger it followed."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partgate.errors import CameraError, CameraLostError, ConfigError
from partgate.station.watch import WatchedCamera

from .dropping import config, drop, picture, soon, watch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "drop"
    path.mkdir()
    return path


@pytest.fixture
def done(tmp_path: Path) -> Path:
    path = tmp_path / "done"
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"repeat": True, "split": "test"}, "mode 'watch' has no split, repeat; remove it or change mode"),
        ({"takes": "all"}, "takes: 'all' needs done, so that a restart does not judge the same files again"),
        ({"done": "drop"}, "done: must be another folder than the one that is watched"),
        ({"mode": "play"}, "mode 'play' has no settle_s; remove it or change mode"),
        ({"mode": "wait"}, "mode: input should be 'play' or 'watch', got 'wait'"),
    ],
)
def test_settings_that_cannot_work_are_named(folder: Path, values: dict[str, Any], problem: str):
    values = {key: str(folder) if value == "drop" else value for key, value in values.items()}

    with pytest.raises(ConfigError) as error:
        config(folder, **values)

    assert problem in str(error.value)


def test_folder_that_is_not_there_is_a_lost_camera(tmp_path: Path):
    with pytest.raises(CameraLostError, match=r"missing\): the folder is not there: No such file or directory"):
        watch(tmp_path / "missing").__enter__()


def test_done_folder_that_is_not_there_is_told_at_the_start(folder: Path):
    with pytest.raises(CameraLostError, match=r"there is no folder .*away for taken files; make it"):
        watch(folder, done=str(folder / "away")).__enter__()


def test_file_that_comes_after_the_trigger_is_taken(folder: Path):
    with watch(folder) as camera, soon(lambda: drop(folder / "a.png", 7)):
        frame = camera.grab(timeout_s=10)

    assert (frame.source, frame.true_class, frame.camera) == ("a.png", None, "top")
    assert int(frame.image[0, 0, 0]) == 7


def test_file_that_came_before_its_trigger_is_never_judged(folder: Path, caplog: pytest.LogCaptureFixture):
    with watch(folder) as camera:
        drop(folder / "a.png", 1)
        camera.check()  # the station sees it between two parts
        drop(folder / "b.png", 2)  # nobody looked since
        with pytest.raises(CameraError, match=r"no new whole picture within 0\.200 s"):
            camera.grab(timeout_s=0.2)

    assert "a.png came before its trigger and is not judged" in caplog.text
    assert "b.png came before its trigger and is not judged" in caplog.text


def test_file_that_came_late_for_its_part_is_not_taken_for_the_next_one(folder: Path):
    with watch(folder) as camera:
        with pytest.raises(CameraError, match="no new whole picture"):
            camera.grab(timeout_s=0.1)
        drop(folder / "late.png", 1)
        with soon(lambda: drop(folder / "next.png", 2)):
            assert camera.grab(timeout_s=10).source == "next.png"


def test_file_may_come_a_little_before_its_trigger_where_the_settings_say_so(folder: Path):
    with watch(folder, early_s=30) as camera:
        drop(folder / "a.png", 1)
        camera.check()
        assert camera.grab(timeout_s=10).source == "a.png"


def test_file_that_came_too_long_before_its_trigger_is_not_taken(folder: Path):
    with watch(folder, early_s=0.2) as camera:
        drop(folder / "a.png", 1)
        camera.check()
        time.sleep(0.5)
        with pytest.raises(CameraError, match="no new whole picture"):
            camera.grab(timeout_s=0.1)


def test_files_there_at_the_start_are_left_alone(folder: Path):
    drop(folder / "old.png", 1)

    with watch(folder, early_s=30) as camera, soon(lambda: drop(folder / "new.png", 2)):
        assert camera.grab(timeout_s=10).source == "new.png"
    assert (folder / "old.png").exists()


def test_file_renamed_before_it_was_judged_still_came_before_its_trigger(folder: Path):
    with watch(folder) as camera:
        drop(folder / "a.png", 1)
        camera.check()
        with (
            soon(lambda: (folder / "a.png").rename(folder / "b.png")),
            pytest.raises(CameraError, match="no new whole"),
        ):
            camera.grab(timeout_s=0.6)


def test_all_files_are_taken_in_order_of_arrival_and_moved(folder: Path, done: Path):
    for number, name in enumerate(["c.png", "a.png", "b.png"]):
        drop(folder / name, number)
        os.utime(folder / name, (1_000_000 + number, 1_000_000 + number))

    with watch(folder, takes="all", done=str(done)) as camera:
        taken = [camera.grab(timeout_s=10).source for _ in range(3)]

    assert taken == ["c.png", "a.png", "b.png"]
    assert sorted(path.name for path in done.iterdir()) == ["a.png", "b.png", "c.png"]
    assert not list(folder.iterdir())


def test_restart_goes_on_behind_the_files_that_were_taken(folder: Path, done: Path):
    for number in range(3):
        drop(folder / f"{number}.png", number)
    with watch(folder, takes="all", done=str(done)) as camera:
        camera.grab(timeout_s=10)

    with watch(folder, takes="all", done=str(done)) as camera:
        taken = [camera.grab(timeout_s=10).source for _ in range(2)]

    assert taken == ["1.png", "2.png"]


def test_moved_file_never_replaces_one_of_the_same_name(folder: Path, done: Path):
    drop(done / "a.png", 1)

    with watch(folder, done=str(done)) as camera, soon(lambda: drop(folder / "a.png", 2)):
        camera.grab(timeout_s=10)

    assert (done / "a.png").read_bytes() == picture(1)
    assert (done / "a_2.png").read_bytes() == picture(2)


def test_name_used_again_and_again_is_numbered_without_looking_at_every_file_moved_before(
    folder: Path, done: Path, monkeypatch: pytest.MonkeyPatch
):
    for number in range(1, 2001):
        (done / ("latest.png" if number == 1 else f"latest_{number}.png")).touch()
    looks, exists = [], Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: looks.append(path) or exists(path))

    with watch(folder, done=str(done)) as camera, soon(lambda: drop(folder / "latest.png", 2)):
        camera.grab(timeout_s=10)

    assert (done / "latest_2001.png").read_bytes() == picture(2)
    assert len([path for path in looks if path.parent == done]) < 40


def test_file_that_cannot_be_moved_is_not_judged(folder: Path, done: Path):
    with watch(folder, done=str(done)) as camera:
        done.rmdir()
        with (
            soon(lambda: drop(folder / "a.png", 2)),
            pytest.raises(CameraError, match=r"a\.png cannot be moved to .*done: No such file or directory"),
        ):
            camera.grab(timeout_s=10)


def test_name_counts_once_in_a_folder_of_many_files(folder: Path):
    for number in range(501):
        (folder / f"{number:05d}.png").touch()

    with (
        watch(folder) as camera,
        soon(lambda: drop(folder / "00007.png", 2)),
        pytest.raises(CameraError, match="no new whole picture"),
    ):
        camera.grab(timeout_s=1)


def test_share_that_vanishes_is_lost_and_taken_up_again_when_it_is_back(folder: Path):
    watched = WatchedCamera(config(folder))
    watched.open(within_s=20)
    try:
        folder.rename(folder.with_name("elsewhere"))
        wait_for(lambda: watched.is_lost)
        assert "is the share connected" in str(watched.problem)

        folder.with_name("elsewhere").rename(folder)
        wait_for(lambda: not watched.is_lost)
        with soon(lambda: drop(folder / "a.png", 2)):
            assert watched.grab(10, lambda: None).source == "a.png"
    finally:
        watched.close()


def test_empty_mount_point_in_the_place_of_a_share_is_lost(folder: Path):
    with watch(folder) as camera:
        folder.rename(folder.with_name("elsewhere"))
        folder.mkdir()
        with pytest.raises(CameraLostError, match="the folder is another one now; was the share disconnected"):
            camera.check()


def test_ten_thousand_files_do_not_keep_the_station_busy(folder: Path):
    for number in range(10_000):
        (folder / f"{number:05d}.png").touch()

    with watch(folder) as camera, soon(lambda: drop(folder / "new.png", 2), after_s=1.0):
        spent, began = time.process_time(), time.monotonic()
        frame = camera.grab(timeout_s=60)
        share = (time.process_time() - spent) / (time.monotonic() - began)

    assert frame.source == "new.png"
    assert share < 0.6  # of one core; stating each file at each look would take all of it


def wait_for(condition: Callable[[], bool], within_s: float = 20) -> None:
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)
