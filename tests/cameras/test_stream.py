"""Network cameras: a process sends our pictures over HTTP or RTSP, is killed, frozen, and comes back."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from partgate.cameras.stream import StreamCamera, StreamCameraConfig
from partgate.configfile import check_settings
from partgate.errors import CameraError, CameraLostError, ConfigError
from partgate.parts import Frame
from partgate.station.watch import WatchedCamera

from .network import Network

PASSWORD = "s%hr/ge:he@im"
CYCLE = 48  # pictures; the grey value of each is five times its number


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    for number in range(CYCLE):
        cv2.imwrite(str(tmp_path / f"{number:02d}.jpg"), np.full((48, 64, 3), 5 * number, np.uint8))
    network = Network(tmp_path)
    yield network
    for process in network.processes:
        with process:
            process.kill()


def camera(url: str, **more: Any) -> StreamCamera:
    return config(url, **more).open()


def config(url: str, **more: Any) -> StreamCameraConfig:
    values = {"kind": "stream", "name": "top", "url": url, "latency_ms": 20, **more}
    return check_settings(values, StreamCameraConfig, source="station.yaml", folder=Path())


def number_of(frame: Frame) -> int:
    return round(float(frame.image.mean()) / 5)


def eventually(camera: StreamCamera, within_s: float = 20) -> StreamCamera:
    """Enter a camera whose process still starts."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        with contextlib.suppress(CameraLostError):
            return camera.__enter__()
        time.sleep(0.1)
    return camera.__enter__()


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"url": f"rtsp://line:{PASSWORD}@camera/1"}, "url: must not hold user or password; write them below user"),
        ({"url": "camera/1"}, "url: must be SCHEME://HOST/PATH with one of the schemes http, https, rtsp, rtsps"),
        ({"url": "http://camera:port/1"}, "url: must be SCHEME://HOST/PATH"),
        ({"url": "file:///etc/passwd"}, "url: must be SCHEME://HOST/PATH"),
        ({"url": "http://c/1", "user": "line"}, "password: is missing, while user or {password} is there"),
        ({"url": "http://c/1?p={password}"}, "password: is missing, while user or {password} is there"),
        ({"url": "http://c/1", "password": {"env": "P"}}, "user: is missing, while password is there"),
        ({"url": "http://c/1", "user": "line", "password": PASSWORD}, "password: must not stand in this file"),
        ({"url": "http://c/1", "transport": "udp"}, "transport: udp is of rtsp:// alone; remove it"),
        ({"url": "http://c/1", "latency_ms": 0}, "latency_ms: input should be greater than or equal to 1, got 0"),
    ],
)
def test_settings_that_cannot_work_are_named_and_passwords_never_repeated(values: dict[str, Any], problem: str):
    with pytest.raises(ConfigError) as error:
        config(**values)

    assert problem in str(error.value)
    assert PASSWORD not in str(error.value)


def test_messages_show_no_part_of_an_address_that_may_hold_a_password():
    shown = str(camera("http://camera:81/video?user=line&pwd=geheim&p={password}", password={"env": "P"}))

    assert shown == "camera 'top' (stream http://camera:81/video?…)"


@pytest.mark.parametrize(
    ("kind", "transport"), [("http", "tcp"), ("rtsp", "tcp"), ("rtsp", "udp")], ids=["http", "rtsp-tcp", "rtsp-udp"]
)
def test_each_picture_was_sent_after_the_call(network: Network, kind: str, transport: str):
    port = network.start(kind, "--rate", "25")

    with camera(f"{kind}://127.0.0.1:{port}/video", transport=transport) as stream:
        for _ in range(4):
            sent = int(network.sent.read_bytes())
            frame = stream.grab(timeout_s=5)
            ahead = (number_of(frame) - sent) % CYCLE
            assert 1 <= ahead < CYCLE // 2  # a picture of the queue would be behind
            assert frame.settings == {"codec": "MJPG", "latency_ms": 20.0}


@pytest.mark.parametrize(("kind", "has_times"), [("http", False), ("rtsp", True)])
def test_lag_is_told_by_the_times_of_the_stream_where_it_has_any(network: Network, kind: str, has_times: bool):
    with camera(f"{kind}://127.0.0.1:{network.start(kind)}/video") as stream:
        stream.grab(timeout_s=5)
        lag = stream._reader and stream._reader._lag

    assert lag is not None
    assert lag._last is not None
    assert (lag._last[1] is not None) == has_times


def test_pictures_that_come_sooner_than_the_latency_are_thrown_away(network: Network):
    port = network.start("http", "--rate", "25")

    with camera(f"http://127.0.0.1:{port}/video", latency_ms=400) as stream:
        sent = int(network.sent.read_bytes())
        ahead = (number_of(stream.grab(timeout_s=5)) - sent) % CYCLE

    assert 10 <= ahead < 40  # 0.4 s at 25 a second


@pytest.mark.parametrize("codec", [("-c", "copy", "-f", "mpjpeg"), ("-c:v", "libx264", "-g", "5", "-f", "mpegts")])
def test_pictures_served_by_ffmpeg_are_taken(network: Network, codec: tuple[str, ...]):
    url = network.serve_by_ffmpeg(*codec)

    stream = eventually(camera(url, open_within_s=10))
    try:
        first, second = stream.grab(timeout_s=10), stream.grab(timeout_s=10)
    finally:
        stream.__exit__()

    assert first.image.shape == (48, 64, 3)
    assert 1 <= (number_of(second) - number_of(first)) % CYCLE < CYCLE // 2


@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_password_opens_the_stream_and_stands_in_no_message(
    network: Network, kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):  # fmt: skip
    caplog.set_level("DEBUG")
    monkeypatch.setenv("RIGHT", PASSWORD)
    monkeypatch.setenv("WRONG", "falsches")
    url = f"{kind}://127.0.0.1:{network.start(kind, '--password', PASSWORD)}/video"

    with pytest.raises(CameraLostError, match="are address, user and password right") as error:
        camera(url, user="line", password={"env": "WRONG"}).__enter__()
    with camera(url, user="line", password={"env": "RIGHT"}) as stream:
        stream.grab(timeout_s=5)

    said = str(error.value) + "".join(capfd.readouterr()) + caplog.text
    for secret in (PASSWORD, "falsches", "s%25hr"):
        assert secret not in said


def test_password_that_is_not_there_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NOT_THERE", raising=False)

    with pytest.raises(CameraLostError, match="environment variable NOT_THERE: holds no password"):
        camera("http://127.0.0.1:9/video", user="line", password={"env": "NOT_THERE"}).__enter__()


def test_address_where_nothing_listens_is_told_with_what_to_check():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(CameraLostError, match=rf"stream rtsp://127\.0\.0\.1:{port}/1\): cannot be opened within 5"):
        camera(f"rtsp://127.0.0.1:{port}/1").__enter__()


def test_address_that_never_answers_holds_the_station_up_no_longer_than_told():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(CameraLostError, match=r"cannot be opened within 0\.5 s"):
            camera(f"http://127.0.0.1:{silent.getsockname()[1]}/1", open_within_s=0.5).__enter__()

    assert time.monotonic() - began < 20  # FFmpeg alone would wait for ever


def test_damaged_picture_of_a_stream_is_never_handed_out(network: Network):
    port = network.start("http", "--short-by", "5")
    refused: list[str] = []
    whole: list[int] = []

    with camera(f"http://127.0.0.1:{port}/video") as stream:
        while not refused or len(whole) < 3:
            try:
                whole.append(number_of(stream.grab(timeout_s=5)))
            except CameraError as error:
                refused.append(str(error))

    assert all("picture is cut off or damaged" in why for why in refused)
    assert all(number % 3 == 0 for number in whole)  # the others are cut off


def test_picture_with_a_lost_packet_is_never_handed_out(network: Network):
    for number in range(CYCLE):  # large ones, of several packets
        noise = np.random.default_rng(number).integers(0, 256, (96, 128, 3), np.uint8)
        noise[:48] = 5 * number
        cv2.imwrite(str(network.pictures / f"{number:02d}.jpg"), noise)
    port = network.start(
        "rtsp", "--lose", "61"
    )  # after each, FFmpeg waits 0.1 s for it: more, and all pictures are late
    files = network.pictures.glob("*.jpg")
    sent = {cv2.imread(str(path), cv2.IMREAD_COLOR_RGB).tobytes() for path in files}

    with camera(f"rtsp://127.0.0.1:{port}/video", transport="udp") as stream:
        taken = {stream.grab(timeout_s=20).image.tobytes() for _ in range(15)}

    assert taken <= sent


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_camera_that_is_gone_is_lost_and_taken_up_again_when_it_is_back(
    network: Network, kind: str, number: signal.Signals
):
    port = network.start(kind)
    watched = WatchedCamera(config(f"{kind}://127.0.0.1:{port}/video", lost_after_s=1))
    watched.open(within_s=20)
    try:
        watched.grab(5, lambda: None)
        network.signal(number)
        wait_for(lambda: watched.is_lost)
        answer = watched.collect(watched.ask(0.1), lambda: None)
        assert isinstance(answer, CameraLostError)

        if number == signal.SIGSTOP:
            network.signal(signal.SIGCONT)
        else:
            network.start(kind, port=port)
        wait_for(lambda: not watched.is_lost)
        assert watched.grab(5, lambda: None).image.shape == (48, 64, 3)
    finally:
        watched.close()


def test_stream_that_repeats_one_picture_is_lost(network: Network):
    port = network.start("http", "--same")

    with camera(f"http://127.0.0.1:{port}/video", frozen_after_s=1.5) as stream:
        with pytest.raises(CameraError, match="the picture is the one before, to the last bit"):
            stream.grab(timeout_s=5)
        wait_for(lambda: is_lost(stream))
        with pytest.raises(CameraLostError, match="the same picture to the last bit for"):
            stream.grab(timeout_s=5)


def test_two_streams_open_at_once_each_with_its_own_transport(network: Network, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_flags;none")
    ports = {only: network.start("rtsp", "--only", only) for only in ("tcp", "udp")}
    taken: dict[str, Frame] = {}

    def take(only: str) -> None:
        with camera(f"rtsp://127.0.0.1:{ports[only]}/video", transport=only, open_within_s=20) as stream:
            taken[only] = stream.grab(timeout_s=10)

    threads = [threading.Thread(target=take, args=(only,)) for only in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)

    assert set(taken) == {"tcp", "udp"}
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_flags;none"


def test_video_that_hides_lost_packets_is_refused_over_udp(network: Network):
    port = network.start("rtsp", "--h264")

    with pytest.raises(CameraLostError, match=r"h264 over udp hides lost packets in the picture; set transport: tcp"):
        camera(f"rtsp://127.0.0.1:{port}/video", transport="udp", open_within_s=20).__enter__()


def test_transport_that_the_camera_refuses_is_a_camera_that_cannot_be_opened(network: Network):
    port = network.start("rtsp", "--only", "udp")

    with pytest.raises(CameraLostError, match="cannot be opened"):
        camera(f"rtsp://127.0.0.1:{port}/video", transport="tcp").__enter__()


def is_lost(stream: StreamCamera) -> bool:
    try:
        stream.check()
    except CameraLostError:
        return True
    return False


def wait_for(condition: Callable[[], bool], within_s: float = 30) -> None:
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)
