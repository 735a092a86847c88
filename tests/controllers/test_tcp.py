"""JSON lines over TCP: what a robot may say and may say wrong, who may connect, and what is never repeated."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from pydantic import ValidationError

from partgate.controllers.block import State, StationWords
from partgate.controllers.tcp import TcpController, TcpControllerConfig
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

from ..ports import free_port

OWN = StationWords(5, State.ONLINE | State.BUSY | State.RECIPE_READY, Fault.NONE, 1)
GOOD = Result(Trigger(9, 1, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)
WORDS = {"PLC_HB": 5, "TRIG_SEQ": 7, "ACK_SEQ": 6, "CMD": 1, "PLC_BOOT": 3}
Answer = Callable[[dict], bytes | None]


def line(asked: dict, **changes: object) -> bytes:
    return json.dumps({"ASK": asked["ASK"], **WORDS, **changes}).encode() + b"\n"


class Robot:
    """Answers each line with what a function gives, ``None`` hangs up; keeps every line that came."""

    def __init__(self, answer: Answer, greeting: bytes = b"") -> None:
        self.said: list[dict] = []
        self.connections = 0
        self._answer, self._greeting = answer, greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.config = TcpControllerConfig(
            kind="tcp", role="client", host="127.0.0.1", port=self._listener.getsockname()[1]
        )
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "Robot":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends accept
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                try:
                    connection.sendall(self._greeting)
                    self.connections += 1
                    for text in lines:
                        self.said.append(json.loads(text))
                        answer = self._answer(self.said[-1])
                        if answer is None:
                            break
                        connection.sendall(answer)
                except OSError:  # the station has closed in the middle of it
                    continue


@contextmanager
def connected(answer: Answer = line, greeting: bytes = b"") -> Iterator[tuple[Robot, TcpController]]:
    with Robot(answer, greeting) as robot, robot.config.open() as controller:
        assert isinstance(controller, TcpController)
        yield robot, controller


BAD_ANSWERS: dict[str, tuple[Answer, str]] = {
    "silent": (lambda asked: b"", r"no answer within 0\.1 s$"),
    "half a line": (lambda asked: b'{"ASK": 1, "PLC', r"only half a line: .*end it with a line feed"),
    "no line feed": (lambda asked: line(asked)[:-1], "only half a line"),
    "a megabyte": (lambda asked: b"x" * 1_000_000 + b"\n", "a line of more than 4096 bytes"),
    "a line too long": (lambda asked: line(asked, LOT="x" * 5000), "a line of more than 4096 bytes"),
    "text": (lambda asked: b"hello\n", "'hello', which is not JSON"),
    "list": (lambda asked: b"[1, 2]\n", "which is not one JSON object"),
    "deep list": (lambda asked: b"[" * 4000 + b"\n", "which is not one JSON object"),
    "no UTF-8": (lambda asked: b'{"LOT": "\xff"}\n', r"which is not UTF-8 \(byte 9\)"),
    "key missing": (lambda asked: b'{"ASK": 1, "PLC_HB": 1}\n', "lacks 'TRIG_SEQ', 'ACK_SEQ', 'CMD', 'PLC_BOOT'"),
    "key unknown": (lambda asked: line(asked, WINDOW=900), "has the unknown 'WINDOW'"),
    "key doubled": (lambda asked: line(asked)[:-2] + b', "TRIG_SEQ": 8}\n', "a key that stands twice"),
    "other ask": (lambda asked: line({"ASK": 5}), "answered ASK 5, must be 1"),
    "word as text": (lambda asked: line(asked, TRIG_SEQ="7"), "TRIG_SEQ must be a whole number from 0 to 65535"),
    "word as true": (lambda asked: line(asked, CMD=True), "CMD must be a whole number .* got 'True'"),
    "word with a point": (lambda asked: line(asked, PLC_HB=1.0), "PLC_HB must be a whole number"),
    "word below 0": (lambda asked: line(asked, TRIG_SEQ=-1), "TRIG_SEQ must be a whole number"),
    "word too large": (lambda asked: line(asked, TRIG_SEQ=65536), "TRIG_SEQ must be .* got '65536'"),
    "word null": (lambda asked: line(asked, PLC_BOOT=None), "PLC_BOOT must be a whole number"),
    "no number": (lambda asked: line(asked, WINDOW_MS=float("nan")), "WINDOW_MS must be .* got 'nan'"),
    "part id too long": (lambda asked: line(asked, PART_ID="x" * 33), "PART_ID must be at most 32 printable"),
    "part id a number": (lambda asked: line(asked, PART_ID=17), "PART_ID must be at most 32 printable"),
    "lot with control": (lambda asked: line(asked, LOT="L\x1b[2J"), "LOT must be at most 16 printable"),
    "two answers": (lambda asked: line(asked) + line(asked), "behind its answer; each line must answer one"),
    "hangs up": (lambda asked: None, "has hung up"),
}


@pytest.mark.parametrize(("answer", "told"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_bad_answer_is_quoted_and_ends_the_connection(answer: Answer, told: str) -> None:
    with connected(answer) as (_, controller):
        with pytest.raises(ControllerError, match=rf"^controller 'controller' \(tcp client of 127.*\): .*{told}"):
            controller.read()
        with pytest.raises(ControllerError, match="is not connected"):
            controller.send(GOOD, OWN)


@pytest.mark.parametrize(
    ("pieces", "told"),
    [(1, r"has hung up in mid-line: '\{'"), (300, r"no answer within 0\.1 s, only half a line")],
    ids=["hangs up", "a byte at a time"],
)
def test_answer_that_trickles_in_is_given_up_after_the_whole_time(pieces: int, told: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = TcpControllerConfig(kind="tcp", role="client", host="127.0.0.1", port=listener.getsockname()[1])
        with config.open() as controller:
            peer = listener.accept()[0]

            def trickle() -> None:
                with peer, suppress(OSError):
                    peer.recv(4096)
                    for byte in line({"ASK": 1}, PART_ID="x" * 32)[:pieces]:
                        peer.sendall(bytes([byte]))
                        time.sleep(0.02)

            thread = threading.Thread(target=trickle)
            thread.start()
            with pytest.raises(ControllerError, match=told):
                controller.read()
            thread.join()


def test_line_that_was_not_asked_for_may_be_old_and_is_not_taken() -> None:
    with connected(greeting=line({"ASK": 1})) as (robot, controller):
        while not robot.connections:
            time.sleep(0.001)
        with pytest.raises(ControllerError, match="unasked; each line must answer one"):
            controller.send(GOOD, OWN)

    assert robot.said == []


def test_connecting_says_nothing_and_reading_writes_no_word() -> None:
    with connected() as (robot, controller):
        assert robot.said == []
        words = controller.read()

    assert robot.said == [{"ASK": 1}]
    assert (words.heartbeat, words.trigger_sequence, words.acknowledged, words.boot) == (5, 7, 6, 3)
    assert (words.recipe, words.window_ms, words.part_id, words.lot) == (0, 0, None, None)


def test_part_id_and_lot_may_hold_what_people_write() -> None:
    with connected(lambda asked: line(asked, PART_ID="Gehäuse 17", LOT="", WINDOW_MS=300)) as (_, controller):
        words = controller.read()

    assert (words.part_id, words.lot, words.window_ms) == ("Gehäuse 17", None, 300)


def test_state_line_leaves_the_result_out_and_result_line_holds_every_word() -> None:
    with connected() as (robot, controller):
        controller.write_state(OWN)
        controller.send(GOOD, OWN)

    own = {"VIS_HB": 5, "STATE": 69, "FAULT": 0, "RECIPE_ACTIVE": 1}
    result = {"RES_SEQ": 1, "VERDICT": 1, "CLASS": 0, "LANE": 1, "RES_BOOT": 9, "REASON": 0, "CHECK": 42462}
    assert robot.said == [{"ASK": 1, **own}, {"ASK": 2, **own, **result}]


def test_ask_counts_to_65535_and_begins_again_at_1() -> None:
    with connected() as (robot, controller):
        controller._asked = 65534
        controller.read()
        controller.read()

    assert [said["ASK"] for said in robot.said] == [65535, 1]


def test_result_that_got_no_answer_is_never_repeated_after_the_connection_is_back() -> None:
    with Robot(lambda asked: None if "RES_SEQ" in asked else line(asked)) as robot:
        controller = robot.config.open()
        with controller, pytest.raises(ControllerError, match="has hung up"):
            controller.send(GOOD, OWN)
        time.sleep(0.12)  # the first pause
        with controller:
            controller.read()
            controller.write_state(OWN)

    assert robot.connections == 2
    assert [said.get("RES_SEQ") for said in robot.said] == [1, None, None]


def test_pause_between_attempts_doubles_up_to_two_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    now, tried = 0.0, []
    config = TcpControllerConfig(kind="tcp", role="client", host="127.0.0.1", port=port)
    controller = TcpController(config, clock=lambda: now)
    for tenth in range(75):
        now = tenth / 10 + 0.001 * tenth
        with pytest.raises(ControllerError) as told, controller:
            pass
        if "is tried again in" not in str(told.value):
            assert "is the robot's program running and listening?" in str(told.value)
            tried.append(tenth)

    assert tried == [0, 1, 3, 7, 15, 31, 51, 71]


def test_pause_is_short_again_after_a_whole_answer() -> None:
    with Robot(lambda asked: line(asked) if "STATE" not in asked else None) as robot:
        controller = robot.config.open()
        for _ in range(3):
            with controller:
                controller.read()
                with pytest.raises(ControllerError, match="has hung up without"):
                    controller.write_state(OWN)
            time.sleep(0.12)  # the first pause


def free_server() -> TcpControllerConfig:
    return TcpControllerConfig(kind="tcp", role="server", port=free_port(), connect_within_s=5)


def connect(address: tuple[str, int]) -> socket.socket:
    deadline = time.monotonic() + 5
    while True:
        try:
            return socket.create_connection(address)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_server_is_reached_from_this_machine_alone_unless_told_otherwise() -> None:
    assert free_server().address[0] == "127.0.0.1"
    assert free_server().model_copy(update={"host": "192.0.2.1"}).address[0] == "192.0.2.1"


def test_second_robot_is_refused_while_one_is_connected_and_taken_when_it_has_gone() -> None:
    config = free_server()
    peers: list[socket.socket] = []
    thread = threading.Thread(target=lambda: peers.append(connect(config.address)))
    thread.start()
    controller = config.open()
    with controller:
        thread.join()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(config.address)
        peers[0].close()
        with pytest.raises(ControllerError, match="has hung up; it is connected again when it is there"):
            controller.read()
    time.sleep(0.12)  # the first pause
    thread = threading.Thread(target=lambda: peers.append(connect(config.address)))
    thread.start()
    with controller:
        thread.join()
    peers[1].close()


def test_port_in_use_is_told_with_the_next_step() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = TcpControllerConfig(kind="tcp", role="server", port=taken.getsockname()[1])
        told = r"\(tcp server on 127.*\): cannot listen there .*is another program or station using it\?"
        with pytest.raises(ControllerError, match=told), config.open():
            pass


def test_robot_that_does_not_come_is_told_and_the_port_is_free_again() -> None:
    config = free_server().model_copy(update={"connect_within_s": 0.01})

    with pytest.raises(ControllerError, match="no robot has connected; start the robot's program"), config.open():
        pass
    socket.create_server(config.address).close()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"role": "client"}, "role 'client' needs host"),
        ({"role": "peer", "host": "a"}, "'client' or 'server'"),
        ({"role": "server", "port": 0}, "greater than or equal to 1"),
        ({"role": "server", "answer_within_s": 1}, r"less than or equal to 0\.1"),
    ],
    ids=["no-host", "role", "port", "slow"],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TcpControllerConfig.model_validate({"kind": "tcp", "port": 5025} | settings)
