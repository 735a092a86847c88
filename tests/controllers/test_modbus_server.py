"""The station as Modbus server: who may write, what floods and half frames do, and what stays when a PLC goes."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from partgate.controllers.block import State, StationWords
from partgate.controllers.modbus_server import ModbusServerController, ModbusServerControllerConfig
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

from ..ports import free_port

READY = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)
LIMIT_S = 20.0


def settings(**changes: object) -> ModbusServerControllerConfig:
    port = free_port()
    return ModbusServerControllerConfig.model_validate(
        {"kind": "modbus_server", "port": port, "connect_within_s": 5} | changes
    )


def result(sequence: int, verdict: Verdict, boot: int = 9) -> Result:
    lane = 1 if verdict is Verdict.GOOD else 0
    return Result(Trigger(boot, sequence, 200, 0.0, 0.2), Decision(verdict, Reason.MODEL), 0, lane)


def frame(body: bytes, transaction: int = 1, protocol: int = 0) -> bytes:
    return struct.pack(">HHHB", transaction, protocol, 1 + len(body), 1) + body


def writing(offset: int, *values: int) -> bytes:
    return frame(struct.pack(f">BHHB{len(values)}H", 16, offset, len(values), 2 * len(values), *values))


READ_BLOCK = frame(struct.pack(">BHH", 3, 0, 11), transaction=2)
HELLO = writing(16, 5, 7, 6, 1, 0, 200, 9)


def connect(config: ModbusServerControllerConfig, source: str = "127.0.0.1") -> socket.socket:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", config.port), LIMIT_S, (source, 0))
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.005)


def ask(line: socket.socket, request: bytes) -> bytes:
    """Return what follows the header of the answer."""
    line.sendall(request)
    return receive(line)


def receive(line: socket.socket) -> bytes:
    header = line.recv(7, socket.MSG_WAITALL)
    return line.recv(int.from_bytes(header[4:6], "big") - 1, socket.MSG_WAITALL) if header else b""


def ended(line: socket.socket) -> bool:
    """Wait until the other side closes the connection."""
    with suppress(ConnectionResetError):
        while line.recv(4096):
            pass
    return True


@contextmanager
def greeted_by_a_plc(
    config: ModbusServerControllerConfig, first: bytes = HELLO
) -> Iterator[Callable[[], socket.socket]]:
    """A PLC that says its first words as soon as the station listens; gives its connection after that."""
    peers: list[socket.socket] = []

    def greet() -> None:
        peers.append(connect(config))
        ask(peers[0], first)

    thread = threading.Thread(target=greet)
    thread.start()

    def peer() -> socket.socket:
        thread.join()
        return peers[0]

    try:
        yield peer
    finally:
        peer().close()


@contextmanager
def served(**changes: object) -> Iterator[tuple[ModbusServerController, socket.socket]]:
    """A station that serves, and the PLC's connection."""
    config = settings(**changes)
    with greeted_by_a_plc(config) as peer, config.open() as controller:
        assert isinstance(controller, ModbusServerController)
        yield controller, peer()


def test_second_station_on_the_same_port_is_told_to_take_another() -> None:
    with served() as (controller, _):
        with pytest.raises(ControllerError, match="another station or program uses this port: give each its own"):
            controller.config.open().__enter__()
        assert controller.read().boot == 9


def test_plc_that_does_not_come_or_says_nothing_is_told_and_the_port_is_free_again() -> None:
    config = settings(connect_within_s=0.05)
    told = r"\(modbus server on 127.*\): no PLC has written its words within 0\.05 s \(0 connected\); .* 16 to 22"
    with pytest.raises(ControllerError, match=told):
        config.open().__enter__()

    socket.create_server(("127.0.0.1", config.port)).close()


def test_controller_is_not_ready_before_it_has_said_where_it_stands() -> None:
    config = settings(connect_within_s=0.5)
    with greeted_by_a_plc(config, first=writing(16, 5, 7)) as peer:
        with pytest.raises(ControllerError, match=r"\(1 connected\)"):
            config.open().__enter__()
        assert ended(peer())


@pytest.mark.parametrize(
    "sent",
    [
        frame(b"\x03\0\0\0\1", protocol=1),
        struct.pack(">HHHB", 1, 0, 1, 1),
        struct.pack(">HHHB", 1, 0, 255, 1),
        b"GET /",
    ],
    ids=["other protocol", "no function", "too long", "web browser"],
)
def test_what_is_no_modbus_ends_its_connection_and_no_other(sent: bytes) -> None:
    with served() as (controller, line), connect(controller.config) as stranger:
        stranger.sendall(sent + b"\0" * 300)
        assert ended(stranger)
        assert len(ask(line, READ_BLOCK)) == 2 + 22


def test_half_a_request_waits_for_its_rest_and_disturbs_nobody() -> None:
    with served() as (controller, line), connect(controller.config) as slow:
        for byte in READ_BLOCK[:-1]:
            slow.sendall(bytes((byte,)))
        assert len(ask(line, READ_BLOCK)) == 2 + 22
        assert len(ask(slow, READ_BLOCK[-1:])) == 2 + 22
        slow.sendall(READ_BLOCK[:4])
        slow.close()
        assert len(ask(line, READ_BLOCK)) == 2 + 22


def test_two_requests_in_one_packet_are_both_answered_in_order() -> None:
    with served() as (controller, line):
        line.sendall(writing(17, 8) + READ_BLOCK)

        assert receive(line) == struct.pack(">BHH", 16, 17, 1)
        assert len(receive(line)) == 2 + 22
        assert controller.read().trigger_sequence == 8


def test_only_the_named_address_may_write_and_a_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with served(only_from="127.0.0.1") as (controller, _), connect(controller.config, source="127.0.0.2") as stranger:
        assert ask(stranger, writing(17, 99)).hex() == "9006"
        assert ask(stranger, writing(17, 99)).hex() == "9006"
        assert len(ask(stranger, READ_BLOCK)) == 2 + 22
        assert controller.read().trigger_sequence == 7

    assert [line for line in caplog.messages if "127.0.0.2 was refused to write: only 127.0.0.1 may write" in line] == [
        caplog.messages[0]
    ]
    assert len(caplog.messages) == 1


def test_second_writer_is_refused_while_the_plc_writes_and_taken_when_it_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("partgate.controllers.modbus_registers._OWNS_FOR_S", 3600)
    with served() as (controller, line), connect(controller.config) as second:
        ask(line, writing(16, 6))
        assert ask(second, writing(17, 99)).hex() == "9006"
        line.close()
        deadline = time.monotonic() + LIMIT_S
        while ask(second, writing(17, 8)).hex() == "9006":
            assert time.monotonic() < deadline
        assert controller.read().trigger_sequence == 8


def test_ninth_connection_is_taken_and_the_one_silent_longest_is_closed() -> None:
    with served() as (controller, line):
        lines = [connect(controller.config) for _ in range(7)]
        for each in (*lines, line):
            ask(each, READ_BLOCK)
        with connect(controller.config) as ninth:
            assert len(ask(ninth, READ_BLOCK)) == 2 + 22
            assert ended(lines[0])
            assert len(ask(line, READ_BLOCK)) == 2 + 22
        for each in lines:
            each.close()


def test_ten_thousand_triggers_are_read_without_waiting_and_the_last_one_counts() -> None:
    with served() as (controller, line):
        seen = set()
        for hundred in range(100):
            line.sendall(b"".join(writing(17, 100 * hundred + number) for number in range(100)))
            seen.add(controller.read().trigger_sequence)
            for _ in range(100):
                assert receive(line)[0] == 16
        assert controller.read().trigger_sequence == 9999
        assert len(seen) > 1


def test_client_that_never_takes_its_answers_is_not_served_further_and_the_others_are() -> None:
    with served() as (controller, line), socket.socket() as flood:
        flood.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        flood.connect(("127.0.0.1", controller.config.port))
        flood.setblocking(False)
        deadline = time.monotonic() + LIMIT_S
        while (waiting := longest_queue(controller)) <= 65536:
            assert time.monotonic() < deadline
            with suppress(BlockingIOError):
                flood.send(READ_BLOCK * 1000)
            ask(line, READ_BLOCK)
        for _ in range(300):
            assert len(ask(line, READ_BLOCK)) == 2 + 22
        assert longest_queue(controller) <= waiting + 100
        assert controller.read().boot == 9


def longest_queue(controller: ModbusServerController) -> int:
    """Return how many bytes of answers wait in the server for one client."""
    assert controller._server is not None
    return max(writer.transport.get_write_buffer_size() for writer in list(controller._server._asked_at))


def test_result_stands_whole_until_the_next_and_state_leaves_it_alone() -> None:
    with served() as (controller, line):
        controller.send(result(4711, Verdict.GOOD, boot=3), READY)
        controller.write_state(StationWords(9, State.ONLINE, Fault.CAMERA, 4))
        words = struct.unpack(">11H", ask(line, READ_BLOCK)[2:])

        assert words == (9, 4711, 1, 0, 1, 3, 0, (4711 + 3 + 11 + 39 + 42330) % 65536, 1, 1, 4)


def test_opened_again_it_shows_no_result_of_before_and_knows_no_word_of_before() -> None:
    with served() as (controller, _):
        controller.send(result(7, Verdict.GOOD), READY)
    config = controller.config
    with greeted_by_a_plc(config) as peer, config.open() as again:
        words = struct.unpack(">11H", ask(peer(), READ_BLOCK)[2:])
        assert words == (0,) * 11
        assert again.read().part_id is None


def test_plc_that_has_gone_leaves_its_last_words_and_a_heartbeat_that_stands_still() -> None:
    with served() as (controller, line):
        before = controller.read()
        line.close()

        assert controller.read() == before


def test_server_that_has_died_is_an_error_and_not_a_silence() -> None:
    with served() as (controller, _):
        assert controller._server is not None
        controller._server.end()
        with pytest.raises(ControllerError, match="the server has stopped"):
            controller.read()
        with pytest.raises(ControllerError, match="is not listening"):
            controller.send(result(7, Verdict.GOOD), READY)
