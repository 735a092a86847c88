"""The genicam driver against ``viky.cti``, and against a producer that passes it on and fails on purpose."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from partgate.cameras.genicam import GenicamCamera, GenicamCameraConfig
from partgate.errors import CameraError, CameraLostError, ConfigError
from partgate.station.watch import WatchedCamera

HERE = Path(__file__).parent
REGION = {"width_px": 120, "height_px": 100}


@pytest.fixture(scope="session")
def viky() -> Path:
    import genicam

    return Path(genicam.__file__).parent / "viky.cti"


@pytest.fixture(scope="session")
def faulty(viky: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("producer") / "faulty.cti"
    command = ["cc", "-shared", "-fPIC", "-o", path, HERE / "faulty_producer.c", "-Wl,--no-as-needed", viky]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the name of a file is a fault."""
    monkeypatch.setenv("FAULTY_PRODUCER", str(tmp_path))
    return tmp_path


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


def test_producer_that_is_not_there_names_those_of_the_installed_software(
    viky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GENICAM_GENTL64_PATH", str(viky.parent))

    with (
        pytest.raises(CameraLostError, match=r"producer .*missing\.cti is not there; found .*viky\.cti"),
        make_camera(tmp_path / "missing.cti"),
    ):
        pass


def test_producer_that_is_not_there_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GENICAM_GENTL64_PATH", raising=False)

    with (
        pytest.raises(CameraLostError, match="is the vendor's software installed"),
        make_camera(tmp_path / "missing.cti"),
    ):
        pass


def test_file_that_is_no_producer_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "damaged.cti").write_text("hello")

    with pytest.raises(CameraLostError, match=r"must end with \.cti"), make_camera(tmp_path / "notes.txt"):
        pass
    with pytest.raises(CameraLostError, match="cannot be loaded"), make_camera(tmp_path / "damaged.cti"):
        pass


def test_serial_number_that_is_not_there_lists_those_seen(viky: Path):
    with (
        pytest.raises(CameraLostError, match=r"no camera with serial 9; the producer sees: .*serial 0.*serial 2"),
        make_camera(viky, serial="9"),
    ):
        pass


def test_several_cameras_that_fit_are_refused(viky: Path):
    with (
        pytest.raises(CameraLostError, match="3 cameras fit, set serial"),
        make_camera(viky, serial=None, model="Viky"),
    ):
        pass


def test_camera_of_another_vendor_is_not_taken(viky: Path):
    with pytest.raises(CameraLostError, match="no camera with serial 1, vendor Acme"), make_camera(viky, vendor="Acme"):
        pass


def test_every_setting_that_the_camera_does_not_have_is_told_at_once(viky: Path):
    wrong = {"exposure_us": 100, "nodes": {"Widht": 3}, "pixel_format": "Mono9", "trigger": {"mode": "software"}}

    with pytest.raises(ConfigError) as caught, make_camera(viky, **wrong):
        pass

    text = str(caught.value)
    assert "this camera has none of ExposureTime, ExposureTimeAbs, ExposureTimeRaw" in text
    assert "this camera has no Widht; it has Width" in text
    assert "must be one of RGBa8, Mono8, got 'Mono9'" in text
    assert "this camera has no TriggerMode; it knows mode free only, got software" in text


def test_region_that_the_camera_cannot_take_states_what_it_can(viky: Path):
    with (
        pytest.raises(ConfigError, match=r"region\.width_px: must be 100 to 800, got 99"),
        make_camera(viky, region={"width_px": 99, "height_px": 100}),
    ):
        pass


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
        pytest.raises(CameraLostError, match=r"did not answer within 2 s; it is started anew"),
        make_camera(faulty, open_within_s=2),
    ):
        pass

    assert children() == []


def test_incomplete_picture_is_an_error_of_this_part_alone(faulty: Path, faults: Path):
    with make_camera(faulty) as camera:
        (faults / "incomplete").touch()
        with pytest.raises(CameraError, match="came incomplete and is not judged") as caught:
            camera.grab(timeout_s=2)
        (faults / "incomplete").unlink()
        frame = camera.grab(timeout_s=2)

    assert not isinstance(caught.value, CameraLostError)
    assert frame.image.shape == (100, 120, 3)


def test_picture_with_fewer_bytes_than_it_says_is_not_judged(faulty: Path, faults: Path):
    with make_camera(faulty) as camera:
        (faults / "cut").touch()
        with pytest.raises(CameraError, match=r"not whole: 120 x 100 px RGBa8 needs 48000 bytes, got 1000"):
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


def test_interrupt_from_the_keyboard_is_left_to_the_station(viky: Path):
    with make_camera(viky) as camera:
        camera.grab(timeout_s=2)
        [process] = children()
        process.send_signal(signal.SIGINT)
        assert camera.grab(timeout_s=2).image.shape == (100, 120, 3)

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_a_producer_prints_does_not_come_between_the_answers(
    faulty: Path, faults: Path, capfd: pytest.CaptureFixture[str]
):
    (faults / "chatty").touch()

    with make_camera(faulty) as camera:
        camera.check()
        frame = camera.grab(timeout_s=2)

    assert frame.image.shape == (100, 120, 3)
    assert capfd.readouterr() == ("", "")


def test_two_cameras_of_one_producer_work_at_once(viky: Path):
    with make_camera(viky, serial="0") as red, make_camera(viky, serial="2") as blue:
        first, second = red.grab(timeout_s=2), blue.grab(timeout_s=2)

    assert (first.source, second.source) == ("Viky 0", "Viky 2")
    assert first.image.mean((0, 1))[0] > first.image.mean((0, 1))[2]
    assert second.image.mean((0, 1))[2] > second.image.mean((0, 1))[0]


def test_picture_after_a_pause_is_a_new_one(viky: Path):
    with make_camera(viky, skip_frames=1) as camera:
        before = camera.grab(timeout_s=2)
        time.sleep(1.0)  # twenty pictures of the camera, of which four fit into the buffers
        after = camera.grab(timeout_s=2)

    assert before.block_id is not None
    assert after.block_id is not None
    assert after.block_id - before.block_id > 4 + 10


def test_settings_are_read_back_and_travel_with_the_frame(viky: Path):
    with make_camera(viky, pixel_format="Mono8", nodes={"BouncingBallSize": 30}) as camera:
        frame = camera.grab(timeout_s=2)

    assert frame.settings["width_px"] == 120
    assert frame.settings["pixel_format"] == "Mono8"
    assert frame.block_id is not None
    assert np.ptp(frame.image, axis=2).max() == 0
    assert camera.differences == ()


def test_camera_that_is_not_open_gives_no_picture(viky: Path):
    with pytest.raises(CameraLostError, match="is not open"):
        make_camera(viky).grab(timeout_s=1)


@pytest.mark.slow
def test_opening_twenty_times_leaves_processes_threads_and_memory_flat(viky: Path):
    process = psutil.Process()

    def open_and_close() -> tuple[int, int, int]:
        with make_camera(viky) as camera:
            camera.grab(timeout_s=5)
        return process.num_threads(), process.num_fds(), process.memory_info().rss

    for _ in range(2):
        threads, files, memory = open_and_close()
    for _ in range(20):
        threads_after, files_after, memory_after = open_and_close()

    assert (threads_after, files_after) == (threads, files)
    assert memory_after - memory < 10_000_000
    assert children() == []
    assert os.getpid() == process.pid
