"""The basler driver with Basler's library failing on purpose (``failing_basler.py``), stopped and killed."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from partgate.cameras.basler import BaslerCamera
from partgate.errors import CameraError, CameraLostError, DamagedPictureError
from partgate.parts import Frame
from partgate.station.watch import WatchedCamera

from .emulated_basler import make_camera, make_config, number_of, write_pictures

LONG_S = 60.0  # a time-out that only a hanging test reaches


@pytest.fixture
def pictures(faults: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Our pictures; the driver's process can fail by the files in ``faults``."""
    monkeypatch.setenv("PYLON_CAMEMU", "2")
    folders = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, folders)))
    monkeypatch.setattr(BaslerCamera, "SESSION", "failing_basler")
    return write_pictures(tmp_path_factory.mktemp("played") / "pictures")


@pytest.fixture
def watched(pictures: Path) -> Iterator[WatchedCamera]:
    camera = WatchedCamera(make_config(pictures))
    camera.open(LONG_S)
    yield camera
    camera.close()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine processes stand still, too; for tests in which nothing hangs."""
    monkeypatch.setattr("partgate.cameras.aside_camera._GRACE_S", LONG_S)
    monkeypatch.setattr("partgate.cameras.aside_camera._CHECK_WITHIN_S", LONG_S)


def the_process() -> psutil.Process:
    [process] = psutil.Process().children(recursive=True)
    return process


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_until_back(watched: WatchedCamera, before: psutil.Process) -> None:
    """Wait for another process than before; it is started only after the camera was lost."""

    def is_back() -> bool:
        children = psutil.Process().children()
        return bool(children) and before not in children and not watched.is_lost

    wait_for(is_back)


def grab_aside(camera: BaslerCamera) -> tuple[threading.Thread, list[Frame | CameraError]]:
    """Grab in a thread; the picture or the error comes into the list."""
    answers: list[Frame | CameraError] = []

    def grab() -> None:
        try:
            answers.append(camera.grab(LONG_S))
        except CameraError as error:
            answers.append(error)

    thread = threading.Thread(target=grab)
    thread.start()
    return thread, answers


def test_camera_used_by_another_program_says_so(pictures: Path, faults: Path):
    (faults / "used").touch()

    with (
        pytest.raises(
            CameraLostError,
            match=r"Emulation 0815-0000 does not open \(The device is controlled by another application\); "
            "is it used by another program",
        ),
        make_camera(pictures),
    ):
        pass

    assert (faults / "openings").read_text() == "o"  # an answer is not asked for twice


@pytest.mark.usefixtures("patience")
def test_camera_that_is_not_ready_is_begun_anew_and_lost_after_three_parts(pictures: Path, faults: Path):
    with make_camera(pictures) as camera:
        first = camera.grab(LONG_S)
        (faults / "busy").touch()
        with pytest.raises(CameraError, match=r"was not ready for a trigger within 0\.050 s \(software trigger\)"):
            camera.grab(0.05)
        (faults / "busy").unlink()
        anew = camera.grab(LONG_S)
        (faults / "busy").touch()
        for _ in range(2):
            with pytest.raises(CameraError) as caught:
                camera.grab(0.05)
            assert not isinstance(caught.value, CameraLostError)
        with pytest.raises(CameraLostError, match="was not ready for a trigger 3 times in a row"):
            camera.grab(0.05)

    assert (first.block_id, anew.block_id) == (0, 0)  # counted from the start of grabbing


def test_damaged_picture_is_an_error_of_this_part_alone(pictures: Path, faults: Path):
    with make_camera(pictures) as camera:
        first = camera.grab(LONG_S)
        (faults / "damaged").touch()
        for _ in range(4):  # more than make a lost camera of pictures that do not come
            with pytest.raises(DamagedPictureError, match=r"came damaged and is not judged .*incompletely grabbed"):
                camera.grab(LONG_S)
        (faults / "damaged").unlink()
        after = camera.grab(LONG_S)

    assert first.block_id is not None
    assert after.block_id == first.block_id + 5  # the numbers of the damaged ones are missing


@pytest.mark.usefixtures("patience")
def test_pulled_camera_is_lost_at_the_next_check_and_at_the_next_picture(pictures: Path, faults: Path):
    with make_camera(pictures) as camera:
        camera.check()
        (faults / "gone").touch()
        with pytest.raises(CameraLostError, match="was removed; is the cable in"):
            camera.check()
        with pytest.raises(CameraLostError, match=r"does not answer \(The device has been removed\); is the cable in"):
            camera.grab(LONG_S)


def test_library_that_hangs_and_keeps_pythons_lock_is_a_lost_camera_and_its_process_is_ended(
    pictures: Path, faults: Path
):
    with make_camera(pictures) as camera:
        (faults / "hang").touch()
        with pytest.raises(CameraLostError, match=r"did not answer within 0\.6 s; it is started anew"):
            camera.grab(timeout_s=0.1)
        assert psutil.Process().children() == []
        with pytest.raises(CameraLostError, match="ended"):
            camera.grab(timeout_s=0.1)


def test_library_that_hangs_while_nothing_is_asked_is_lost_at_the_next_check(pictures: Path):
    with make_camera(pictures) as camera:
        the_process().suspend()
        with pytest.raises(CameraLostError, match="did not answer within 1 s"):
            camera.check()


def test_crashing_library_is_a_lost_camera(pictures: Path, faults: Path):
    with make_camera(pictures) as camera:
        (faults / "crash").touch()
        with pytest.raises(CameraLostError, match=r"ended its process \(code -6\)"):
            camera.grab(LONG_S)


def test_opening_that_hangs_is_tried_once_more(pictures: Path, faults: Path):
    (faults / "hang_at_opening").touch()

    with make_camera(pictures, open_within_s=16) as camera:
        assert number_of(camera.grab(LONG_S).image) == 0

    assert (faults / "openings").read_text() == "oo"


def test_camera_that_never_opens_is_given_up_within_its_time(pictures: Path, faults: Path):
    (faults / "hang").touch()

    with (
        pytest.raises(CameraLostError, match=r"did not answer within 0\.9 s"),
        make_camera(pictures, open_within_s=2),
    ):
        pass

    assert psutil.Process().children() == []


def test_what_the_library_prints_does_not_come_between_the_answers(
    pictures: Path, faults: Path, capfd: pytest.CaptureFixture[str]
):
    (faults / "chatty").touch()

    with make_camera(pictures) as camera:
        assert number_of(camera.grab(LONG_S).image) == 0

    assert capfd.readouterr() == ("", "")


def test_process_killed_during_an_exposure_is_a_lost_camera_at_once(pictures: Path):
    with make_camera(pictures, takes_us=3_000_000) as camera:
        thread, answers = grab_aside(camera)
        the_process().kill()
        thread.join(LONG_S / 2)  # half of the grab's own time-out

    [answer] = answers
    assert isinstance(answer, CameraLostError)
    assert "ended its process (code -9)" in str(answer)


def test_station_gets_its_camera_back_after_each_kill_and_no_wrong_picture(watched: WatchedCamera):
    pictures: list[list[int]] = []
    for _ in range(3):
        taken = [watched.grab(LONG_S, lambda: None) for _ in range(2)]
        pictures.append([number_of(frame.image) for frame in taken])
        ticket = watched.ask(LONG_S)
        process = the_process()
        process.kill()
        answer = watched.collect(ticket, lambda: None)
        if isinstance(answer, Frame):  # it was whole before the kill
            assert number_of(answer.image) == 2
        wait_until_back(watched, process)

    assert pictures == [[0, 1]] * 3  # a camera opened anew plays from the beginning


def test_station_goes_on_while_the_library_stands_still_and_gets_its_camera_back(watched: WatchedCamera):
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    process = the_process()
    process.suspend()
    with pytest.raises(CameraError):
        watched.grab(1.0, tick)
    wait_until_back(watched, process)

    assert number_of(watched.grab(LONG_S, tick).image) == 0
    assert ticks >= 10


@pytest.mark.slow
def test_opening_twenty_times_leaves_processes_threads_and_memory_flat(pictures: Path):
    process = psutil.Process()

    def open_and_close() -> tuple[int, int, int]:
        with make_camera(pictures) as camera:
            camera.grab(LONG_S)
        return process.num_threads(), process.num_fds(), process.memory_info().rss

    for _ in range(2):
        threads, files, memory = open_and_close()
    for _ in range(20):
        threads_after, files_after, memory_after = open_and_close()

    assert (threads_after, files_after) == (threads, files)
    assert memory_after - memory < 10_000_000
    assert psutil.Process().children(recursive=True) == []
