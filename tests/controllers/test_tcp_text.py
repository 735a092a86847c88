"""Plain text lines: the lines themselves, and everything a device can send that is none of them."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from pydantic import ValidationError

from partgate.controllers.block import State, StationWords
from partgate.controllers.reduced_controller import ReducedController
from partgate.controllers.tcp_text import TcpTextControllerConfig
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

from ..ports import free_port

ONLINE = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)


def server(port: int, **settings: float) -> TcpTextControllerConfig:
    defaults: dict[str, float] = {"window_ms": 20000, "good_ms": 5000, "connect_within_s": 5, "answer_within_s": 1}
    return TcpTextControllerConfig(kind="tcp_text", role="server", port=port, **{**defaults, **settings})


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def ends(port: int, wait_for: Callable[..., None]) -> Iterator[tuple[ReducedController, socket.socket]]:
    """A controller and the device's bare socket."""
    sockets: list[socket.socket] = []

    def connect() -> None:
        while not sockets:
            try:
                sockets.append(socket.create_connection(("127.0.0.1", port), 5))
            except OSError:
                continue

    device = threading.Thread(target=connect, daemon=True)
    device.start()
    with server(port).open() as controller:
        device.join(10)
        yield controller, sockets[0]
    sockets[0].close()


def received(device: socket.socket, lines: int) -> list[str]:
    found = b""
    device.settimeout(10)
    while found.count(b"\n") < lines:
        found += device.recv(4096)
    return found.decode().splitlines()


def test_lines_are_those_of_the_guide(ends, wait_for: Callable[..., None]):
    controller, device = ends

    controller.write_state(ONLINE)
    device.sendall(b"HB 1\r\nTRI")
    device.sendall(b"GGER\n")
    wait_for(lambda: controller.read().trigger_sequence == 1)
    words = controller.read()
    for verdict in (Verdict.RECHECK, Verdict.GOOD):  # the second is withheld: the part is answered
        result = Result(Trigger(words.boot, 1, 200, 0.0, 0.2), Decision(verdict, Reason.MODEL), 0, int(verdict == 1))
        controller.send(result, ONLINE)
    controller.write_state(StationWords(2, State.ONLINE | State.BUSY, Fault.NONE, 1))

    assert received(device, 7) == ["READY 1", "BUSY 0", "HB 1", "RECHECK 1", "READY 0", "BUSY 1", "HB 0"]
    assert words.heartbeat == 1


def test_parts_announced_in_one_go_are_all_counted(ends, wait_for: Callable[..., None]):
    controller, device = ends

    device.sendall(b"TRIGGER\n" * 3)

    wait_for(lambda: controller.read().trigger_sequence == 3)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"GOOD 1\n", "sent 'GOOD 1'; the lines are 'TRIGGER', 'ENABLE 1', 'ENABLE 0'$"),
        (b"trigger\n", "sent 'trigger'"),
        (b"TRIGGER 1\n", "sent 'TRIGGER 1'"),
        (b"\n", "sent ''"),
        (b"ENABLE 2\n", "sent 'ENABLE 2'"),
        (b"HB 1\n", "sent 'HB 1'"),
        (b"\xff\x00\n", r"sent '\\\\xff"),
        (b"T" * 200, "a line of more than 64 bytes"),
        (b"\n" * 100000, "sent ''"),
    ],
    ids=["good", "small", "number", "empty", "enable-2", "beat-never-sent", "no-ascii", "endless", "flood"],
)
def test_line_that_is_none_ends_the_connection_and_is_quoted(
    ends, wait_for: Callable[..., None], sent: bytes, told: str
):
    controller, device = ends

    device.sendall(sent)

    with pytest.raises(ControllerError, match=told):
        wait_for(lambda: controller.read() is None)
    with pytest.raises(ControllerError):
        controller.write_state(ONLINE)


def test_wrong_heartbeat_line_names_the_one_expected(ends, wait_for: Callable[..., None]):
    controller, device = ends
    controller.write_state(ONLINE)

    device.sendall(b"HB 0\n")

    with pytest.raises(ControllerError, match=r"sent 'HB 0'; the lines are .*, 'HB 1' back"):
        wait_for(lambda: controller.read() is None)


def test_heartbeat_that_does_not_come_back_ends_the_connection(ends, wait_for: Callable[..., None]):
    controller, _ = ends
    controller.write_state(ONLINE)

    with pytest.raises(ControllerError, match=r"'HB 1' did not come back within 1 s; send each HB line back"):
        wait_for(lambda: controller.read() is None)


def test_device_that_hangs_up_in_mid_line_is_told(ends, wait_for: Callable[..., None]):
    controller, device = ends

    device.sendall(b"TRIG")
    device.close()

    with pytest.raises(ControllerError, match="has hung up in mid-line: 'TRIG'"):
        wait_for(lambda: controller.read() is None)


def test_device_that_does_not_read_is_an_error_and_not_a_hang(ends):
    controller, _ = ends
    line = controller.terminal._line
    line.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            line.send(b"x" * 65536)

    with pytest.raises(ControllerError, match=r"could not be sent .*does the device read its lines"):
        controller.write_state(ONLINE)


def test_what_stands_unsent_is_thrown_away_with_the_connection(ends):
    controller, device = ends

    controller.__exit__()

    device.settimeout(10)
    with pytest.raises(ConnectionResetError):
        device.recv(1)


def test_second_device_is_refused_while_one_is_connected(ends, port: int):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_nobody_connecting_is_no_reason_to_pause(port: int):
    controller = server(port, connect_within_s=0.05).open()

    for _ in range(2):
        with pytest.raises(ControllerError, match="no device has connected; switch it on"):
            controller.__enter__()


def test_device_that_is_off_is_named_with_its_address(port: int):
    config = TcpTextControllerConfig(kind="tcp_text", role="client", host="127.0.0.1", port=port)

    with pytest.raises(ControllerError, match=rf"client of 127\.0\.0\.1:{port}\): no connection .*is the device on"):
        config.open().__enter__()


def test_port_that_is_taken_is_told(ends, port: int):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = server(taken.getsockname()[1])
        with pytest.raises(ControllerError, match="cannot listen there"):
            other.open().__enter__()


def test_client_without_host_is_refused():
    with pytest.raises(ValidationError, match="role 'client' needs host"):
        TcpTextControllerConfig(kind="tcp_text", role="client", port=1)


def test_server_listens_on_the_loopback_unless_told_otherwise():
    assert server(5026).address == ("127.0.0.1", 5026)


def test_lamps_have_no_place_on_a_text_line(ends):
    with pytest.raises(ValueError, match="a text line has no outputs 1"):
        ends[0].switch({1: True})
