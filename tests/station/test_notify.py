"""What systemd, or the station's own watcher, hears of a loop that is alive."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from partgate.station.notify import Alive


class Ear:
    """Real datagrams, as systemd gets them."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    found = Ear(str(tmp_path / "notify"))
    yield found
    found.socket.close()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nobody_listens_and_nothing_is_opened_or_said():
    alive = Alive({})

    alive.ready("ready")
    alive.beat("running")
    alive.stopping()

    assert alive._listeners == []


@pytest.mark.parametrize(
    ("environment", "is_tried"),
    [
        ({"NOTIFY_SOCKET": ""}, False),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, False),
        ({"NOTIFY_SOCKET": "/no/such/socket"}, True),
        ({"NOTIFY_SOCKET": "/" + 200 * "x"}, True),
        ({"NOTIFY_SOCKET": "@nobody-listens-here"}, True),
        ({"PARTGATE_WATCH": "1"}, False),
        ({"PARTGATE_WATCH": "1:secret"}, True),
        ({"PARTGATE_WATCH": "x:secret"}, False),
        ({"PARTGATE_WATCH": "70000:secret"}, False),
        ({"PARTGATE_WATCH": "²:secret"}, False),
        ({"PARTGATE_WATCH": "1:"}, False),
    ],
    ids=lambda found: "-".join(found.values())[:24] or "empty" if isinstance(found, dict) else "",
)
def test_watcher_that_is_gone_is_tried_and_one_wrongly_named_is_not_and_neither_stops_a_station(
    environment: dict[str, str], is_tried: bool
):
    alive = Alive(environment | {"WATCHDOG_USEC": "never"})

    alive.ready()
    alive.beat("running")
    alive.stopping()

    assert bool(alive._listeners) is is_tried


def test_watcher_that_does_not_read_never_holds_up_the_loop(ear: Ear, tmp_path: Path):
    clock = Clock()
    alive = Alive({"NOTIFY_SOCKET": str(tmp_path / "notify")}, clock)

    for _ in range(2000):  # many times what a socket's queue holds
        clock.now += 2
        alive.beat(500 * "x")

    assert 0 < len(ear.heard()) < 2000


def test_ready_is_said_once_then_life_then_the_stop(ear: Ear, tmp_path: Path):
    alive = Alive({"NOTIFY_SOCKET": str(tmp_path / "notify")})

    alive.ready("begins")
    alive.ready("begins")
    alive.beat("3 parts judged")
    alive.stopping()

    assert ear.heard() == ["READY=1\nSTATUS=begins", "WATCHDOG=1\nSTATUS=3 parts judged", "STOPPING=1"]


def test_abstract_socket_is_reached():
    name = f"partgate-test-{os.getpid()}"
    ear = Ear("\0" + name)

    Alive({"NOTIFY_SOCKET": "@" + name}).ready()

    assert ear.heard() == ["READY=1"]
    ear.socket.close()


def test_line_feed_in_a_status_gives_no_further_message(ear: Ear, tmp_path: Path):
    Alive({"NOTIFY_SOCKET": str(tmp_path / "notify")}).beat("running\nMAINPID=1\r\nREADY=1 \udcff ä")

    assert ear.heard() == ["WATCHDOG=1\nSTATUS=running MAINPID=1 READY=1 ? ä"]


@pytest.mark.parametrize(
    ("microseconds", "pid", "every_s"),
    [
        pytest.param("2000000", str(os.getpid()), 0.5, id="a quarter of what systemd waits"),
        pytest.param("2000000", "", 0.5, id="no process is named"),
        pytest.param("2000000", "1", 1.0, id="meant for another process"),
        pytest.param("60000000", "", 1.0, id="once a second where more time is given"),
        pytest.param("0", "", 1.0, id="switched off"),
    ],
)
def test_life_is_told_as_often_as_asked_for_and_no_more(
    ear: Ear, tmp_path: Path, microseconds: str, pid: str, every_s: float
):
    clock = Clock()
    named = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": microseconds, "WATCHDOG_PID": pid}
    alive = Alive(named, clock)

    alive.beat()
    clock.now += every_s - 0.01
    alive.beat()
    assert len(ear.heard()) == 1

    clock.now += 0.02
    alive.beat()
    assert len(ear.heard()) == 1


def test_own_watcher_hears_the_password_first():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)

        Alive({"PARTGATE_WATCH": f"{listener.getsockname()[1]}:secret"}).beat("running")

        assert listener.recv(4096) == b"secret\nWATCHDOG=1\nSTATUS=running"
