"""What a PLC may answer wrongly over Modbus: each ends in an error that says so, and nothing is sent twice."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import pytest
from pydantic import ValidationError

from partgate.controllers.block import State, StationWords
from partgate.controllers.modbus import ModbusControllerConfig
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict
from partgate.simulate.plc import SimulatedPlc

from .spoiled_line import Line

READY = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)
GOOD = Result(Trigger(9, 7, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)
Answer = Callable[[bytes], bytes | None]


def right(request: bytes) -> bytes:
    """Answer as a PLC does whose words are all 0."""
    function, count = request[7], int.from_bytes(request[10:12], "big")
    body = bytes((function, 2 * count)) + bytes(2 * count) if function == 3 else request[7:12]
    return request[:4] + struct.pack(">H", 1 + len(body)) + request[6:7] + body


def exception(code: int) -> Answer:
    return lambda request: request[:4] + b"\0\3" + request[6:7] + bytes((request[7] | 0x80, code))


class Plc:
    """Answers each request with what a function gives, ``None`` hangs up; keeps every request."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.config = ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends accept
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                with self._listener.accept()[0] as line, suppress(OSError):
                    while request := line.recv(300):
                        self.requests.append(request)
                        answer = self._answer(request)
                        if answer is None:
                            break
                        line.sendall(answer)


WRONG: dict[str, tuple[Answer, str]] = {
    "silent": (lambda request: b"", "got no answer"),
    "hangs up": (lambda request: None, "got no answer"),
    "half a frame": (lambda request: right(request)[:8], "got no answer"),
    "half a header": (lambda request: right(request)[:3], "got no answer"),
    "other device": (lambda request: right(request)[:6] + b"\x07" + right(request)[7:], "got no answer"),
    "other transaction": (lambda request: b"\xff\xff" + right(request)[2:], "got no answer"),
    "no Modbus": (lambda request: b"HTTP/1.1 400 Bad Request\r\n\r\n", "got no answer"),
    "illegal function": (exception(1), "was refused .*exception 1.*must offer function codes 3 and 16"),
    "illegal address": (exception(2), "was refused .*the PLC must offer registers 0 to 55"),
    "illegal value": (exception(3), "was refused"),
    "device failure": (exception(4), "was refused"),
    "busy": (exception(6), "was refused"),
    "no path to the device": (exception(10), "was refused .*device_id 1 must be one that the PLC or its gateway has"),
    "an exception of no kind": (exception(99), "was refused"),
    "another function": (
        lambda request: right(request)[:7] + b"\x04\x02\0\0",
        "sent 1 words|confirmed|no answer",
    ),
}
CALLS: dict[str, Callable[[Any], object]] = {
    "read": lambda controller: controller.read(),
    "heartbeat": lambda controller: controller.station_heartbeat(),
    "state": lambda controller: controller.write_state(READY),
    "result": lambda controller: controller.send(GOOD, READY),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("answer", "told"), WRONG.values(), ids=WRONG)
def test_wrong_answer_is_an_error_that_names_the_plc_and_the_request_is_never_repeated(
    answer: Answer, told: str, call: Callable[[Any], object]
) -> None:
    with Plc(answer) as plc:
        with plc.config.open() as controller:
            with pytest.raises(ControllerError, match=rf"^controller 'controller' \(modbus 127.*\): .*({told})"):
                call(controller)
            with pytest.raises(ControllerError, match="is not connected"):
                controller.send(GOOD, READY)

        assert len(plc.requests) == 1


@pytest.mark.parametrize("words", [0, 1, 39, 41])
def test_answer_with_other_than_the_words_asked_for_is_an_error(words: int) -> None:
    def answer(request: bytes) -> bytes:
        return request[:4] + struct.pack(">HBBB", 3 + 2 * words, 1, 3, 2 * words) + bytes(2 * words)

    with Plc(answer) as plc, plc.config.open() as controller, pytest.raises(ControllerError, match=r"sent|no answer"):
        controller.read()


def test_heartbeat_that_comes_without_a_word_is_an_error() -> None:
    def answer(request: bytes) -> bytes:
        return request[:4] + struct.pack(">HBBB", 3, 1, 3, 0)

    with Plc(answer) as plc, plc.config.open() as controller, pytest.raises(ControllerError, match=r"sent|no answer"):
        controller.station_heartbeat()


def test_write_that_is_confirmed_for_other_registers_is_an_error() -> None:
    def answer(request: bytes) -> bytes:
        return right(request)[:8] + b"\0\x20\0\x0b"

    with Plc(answer) as plc, plc.config.open() as controller, pytest.raises(ControllerError, match="confirmed"):
        controller.send(GOOD, READY)


def test_answer_that_trickles_in_is_given_up() -> None:
    with SimulatedPlc() as plc, Line(plc.port) as line:
        line.change = lambda answer: [bytes((byte,)) for byte in answer]
        config = ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=line.port)
        with config.open() as controller, pytest.raises(ControllerError, match="got no answer"):
            controller.read()


def test_device_that_the_plc_does_not_have_is_told() -> None:
    with Plc(lambda request: right(request) if request[6] == 1 else exception(11)(request)) as plc:
        wrong = plc.config.model_copy(update={"device_id": 5})
        with plc.config.open() as controller:
            assert controller.read().boot == 0
        with wrong.open() as controller, pytest.raises(ControllerError, match=r"was refused .*device_id 5"):
            controller.read()


@pytest.mark.parametrize("first", [65481, -1])
def test_block_that_runs_past_the_last_register_is_refused_in_the_file(first: int) -> None:
    with pytest.raises(ValidationError, match=r"65480|greater than or equal to 0"):
        ModbusControllerConfig(kind="modbus", host="127.0.0.1", first_register=first)


def test_sequence_that_jumps_is_handed_on_as_it_is() -> None:
    with SimulatedPlc() as plc:
        config = ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=plc.port)
        with config.open() as controller:
            for sequence in (5, 60000, 3, 65535):
                plc.set_sequence(sequence)
                assert controller.read().trigger_sequence == sequence
