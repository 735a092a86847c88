"""The genicam driver against a producer that passes ``viky.cti`` on and fails on purpose (``faulty_producer.c``)."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from partgate.cameras.genicam import GenicamCamera, GenicamCameraConfig
from partgate.errors import CameraError, CameraLostError, DamagedPictureError
from partgate.station.watch import WatchedCamera

REGION = {"width_px": 120, "height_px": 100}


def make_config(producer: Path, **changes: object) -> GenicamCameraConfig:
    values = {
        "kind": "genicam",
        "name": "top",
        "producer": producer,
        "serial": "1",
        "trigger": {"mode": "free"},
        "region": REGION,
        **changes,
    }
    return GenicamCameraConfig.model_validate(values)


def make_camera(producer: Path, **changes: object) -> GenicamCamera:
    return make_config(producer, **changes).open()


def wait_for(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_camera_used_by_another_program_says_so(faulty: Path, faults: Path):
    (faults / "used").touch()

    with (
        pytest.raises(CameraLostError, match=r"Viky 1 does not open \(.*in use.*\); is it used by another program"),
        make_camera(faulty),
    ):
        pass


def test_camera_that_does_not_open_in_time_is_left_behind(faulty: Path, faults: Path):
    (faults / "slow").touch()

    with (
        pytest.raises(CameraLostError, match=r"did not answer within 0\.9 s; it is started anew"),
        make_camera(faulty, open_within_s=2),
    ):
        pass

    assert children() == []


def test_incomplete_picture_is_an_error_of_this_part_alone(faulty: Path, faults: Path):
    with make_camera(faulty) as camera:
        (faults / "incomplete").touch()
        with pytest.raises(DamagedPictureError, match="came incomplete and is not judged"):
            camera.grab(timeout_s=2)
        (faults / "incomplete").unlink()
        frame = camera.grab(timeout_s=2)

    assert frame.image.shape == (100, 120, 3)


def test_picture_with_fewer_bytes_than_it_says_is_not_judged(faulty: Path, faults: Path):
    with make_camera(faulty) as camera:
        (faults / "cut").touch()
        with pytest.raises(DamagedPictureError, match=r"not whole: 120 x 100 px RGBa8 needs 48000 bytes, got 1000"):
            camera.grab(timeout_s=2)


def test_buffers_of_damaged_pictures_go_back_to_the_producer(faulty: Path, faults: Path):
    with make_camera(faulty) as camera:
        (faults / "cut").touch()
        for _ in range(10):
            with pytest.raises(CameraError, match="not whole"):
                camera.grab(timeout_s=2)
        (faults / "cut").unlink()
        assert camera.grab(timeout_s=2).image.shape == (100, 120, 3)


def test_camera_that_sends_nothing_is_lost_after_three_pictures(faulty: Path, faults: Path):
    with make_camera(faulty) as camera:
        (faults / "silent").touch()
        for _ in range(2):
            with pytest.raises(CameraError, match=r"no picture within 0\.100 s \(free trigger\)") as caught:
                camera.grab(timeout_s=0.1)
            assert not isinstance(caught.value, CameraLostError)
        with pytest.raises(CameraLostError, match="no picture 3 times in a row though the camera answers"):
            camera.grab(timeout_s=0.1)


def test_pulled_camera_is_lost_at_the_next_picture_and_at_the_next_check(faulty: Path, faults: Path):
    with make_camera(faulty) as camera:
        camera.check()
        (faults / "gone").touch()
        with pytest.raises(CameraLostError, match=r"does not answer \(.*\); is the cable in"):
            camera.check()
        with pytest.raises(CameraLostError, match="does not answer"):
            camera.grab(timeout_s=0.1)


def test_hanging_producer_is_a_lost_camera_and_its_process_is_ended(faulty: Path, faults: Path):
    with make_camera(faulty) as camera:
        (faults / "hang").touch()
        with pytest.raises(CameraLostError, match="did not answer within"):
            camera.grab(timeout_s=0.1)
        with pytest.raises(CameraLostError, match="ended"):
            camera.grab(timeout_s=0.1)

    assert children() == []


def test_crashing_producer_is_a_lost_camera(faulty: Path, faults: Path):
    with make_camera(faulty) as camera:
        (faults / "crash").touch()
        with pytest.raises(CameraLostError, match=r"ended its process \(code -6\)"):
            camera.grab(timeout_s=1)


def test_station_goes_on_while_the_producer_hangs_and_gets_its_camera_back(faulty: Path, faults: Path):
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    watched = WatchedCamera(make_config(faulty))
    watched.open(20)
    try:
        (faults / "hang").touch()
        with pytest.raises(CameraError):
            watched.grab(1.0, tick)
        wait_for(lambda: watched.is_lost)
        (faults / "hang").unlink()
        wait_for(lambda: not watched.is_lost)
        frame = watched.grab(5.0, tick)
    finally:
        watched.close()

    assert frame.image.shape == (100, 120, 3)
    assert ticks >= 10  # a library that kept Python's lock would have left none


def test_process_of_a_hanging_producer_ends_when_its_station_is_killed(faulty: Path, faults: Path, tmp_path: Path):
    program = f"""
from pathlib import Path
from partgate.cameras.genicam import GenicamCameraConfig
config = dict(kind="genicam", producer={str(faulty)!r}, serial="1", trigger=dict(mode="free"))
with GenicamCameraConfig.model_validate(config).open() as camera:
    Path({str(faults / "hang")!r}).touch()
    print("hangs", flush=True)
    camera.grab(30)
"""
    command = [sys.executable, "-c", program.replace("grab(30)", "grab(2)")]
    station = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert station.stdout is not None
        assert station.stdout.readline() == b"hangs\n"
        producer = psutil.Process(station.pid).children()
    finally:
        station.kill()
        station.communicate()

    assert len(producer) == 1
    gone, _ = psutil.wait_procs(producer, timeout=30)
    assert gone == producer


def test_what_a_producer_prints_does_not_come_between_the_answers(
    faulty: Path, faults: Path, capfd: pytest.CaptureFixture[str]
):
    (faults / "chatty").touch()

    with make_camera(faulty) as camera:
        camera.check()
        frame = camera.grab(timeout_s=2)

    assert frame.image.shape == (100, 120, 3)
    assert capfd.readouterr() == ("", "")
