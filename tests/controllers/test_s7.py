"""The data block of a Siemens PLC: its layout to the byte, what a PLC may refuse, and what a spoiled line does."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from partgate.controllers.block import State, StationWords
from partgate.controllers.s7 import S7ControllerConfig
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

from ..ports import free_port
from .spoiled_line import Line

READY = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)
GOOD = Result(Trigger(3, 4711, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)
NONE_YET = "0001" + "0000" * 6 + "a55a" + "0003" + "0000" + "0001"
# heartbeat 1, sequence 4711, verdict 1, class 0, lane 1, boot 3, reason 0, check 47094, state 3, fault 0, recipe 1
GOLDEN = "0001126700010000000100030000b7f6000300000001"
SAID = "0005000700060001000200c80009" + "0000" * 9 + b"A-17".hex() + "00" * 28 + b"L4".hex() + "00" * 14
LIMIT_S = 20.0
Change = Callable[[bytes], list[bytes | None]]


class Plc:
    """A data block DB7 in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    @property
    def config(self) -> S7ControllerConfig:
        return S7ControllerConfig(kind="s7", host="127.0.0.1", port=self.port, db_number=7)

    def block(self, order: str = "get") -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def wait_for(self, content: str) -> bool:
        deadline = time.monotonic() + LIMIT_S
        while not self.block().startswith(content):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return True


@contextmanager
def running(size: int = 112) -> Iterator[Plc]:
    port = free_port()
    order = [sys.executable, Path(__file__).with_name("s7_plc.py"), str(port), "7", str(size)]
    with subprocess.Popen(order, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            yield Plc(process, port)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"db_number": 0}, "greater than or equal to 1"),
        ({"first_byte": 3}, "multiple of 2"),
        ({"first_byte": 65426}, "less than or equal to 65424"),
        ({"rack": 8}, "less than or equal to 7"),
        ({"slot": 32}, "less than or equal to 31"),
        ({"host": ""}, "at least 1 character"),
        ({"answer_within_s": 1}, r"less than or equal to 0\.1"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        S7ControllerConfig.model_validate({"kind": "s7", "host": "plc", "db_number": 7} | changes)


def test_missing_library_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "snap7.connection", None)
    config = S7ControllerConfig(kind="s7", host="127.0.0.1", db_number=7)

    with pytest.raises(ControllerError, match=r'python-snap7 is missing; pip install "partgate\[s7\]"'):
        config.open().__enter__()


def test_plc_that_is_off_is_named_and_tried_again_after_a_pause() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    controller = S7ControllerConfig(kind="s7", host="127.0.0.1", port=port, db_number=7).open()

    with pytest.raises(
        ControllerError, match=rf"\(s7 127\.0\.0\.1:{port} DB7\): no connection .*rack and slot right\?"
    ):
        controller.__enter__()
    with pytest.raises(ControllerError, match=r"is tried again in 0\.1 s"):
        controller.__enter__()


def test_library_says_nothing_beside_the_sentence(caplog: pytest.LogCaptureFixture) -> None:
    with running() as plc, plc.config.open() as controller:
        plc.process.kill()
        plc.process.wait()
        with pytest.raises(ControllerError):
            controller.read()
    with pytest.raises(ControllerError):
        plc.config.open().__enter__()
    logging.getLogger("snap7.client").warning("said by the library")

    assert caplog.records == []


def test_plc_that_takes_the_connection_and_hangs_up_asks_for_rack_and_slot() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = S7ControllerConfig(
            kind="s7", host="127.0.0.1", port=listener.getsockname()[1], db_number=7, connect_within_s=0.05
        )
        with pytest.raises(ControllerError, match=r"no connection \(Receive timeout\); .*rack and slot right"):
            config.open().__enter__()


@pytest.mark.parametrize(("changes", "wanted"), [({"db_number": 8}, "DB8"), ({"first_byte": 2}, "DB7")])
def test_data_block_that_is_missing_or_too_short_is_told_with_what_it_must_have(
    changes: dict[str, object], wanted: str
) -> None:
    with running() as plc:
        config = plc.config.model_copy(update=changes)
        first = config.first_byte
        with config.open() as controller:
            with pytest.raises(ControllerError, match=rf"{wanted} must have bytes {first} to {first + 111}; .*PUT/GET"):
                controller.read()
            with pytest.raises(ControllerError, match="is not connected"):
                controller.send(GOOD, READY)


def test_block_stands_in_the_plc_to_the_byte_and_in_one_message() -> None:
    with (
        running(130) as plc,
        Line(plc.port) as line,
        plc.config.model_copy(update={"first_byte": 10, "port": line.port}).open() as controller,
    ):
        before = len(line.requests)
        controller.send(GOOD, READY)

        assert plc.block() == "00" * 10 + GOLDEN + "00" * (130 - 10 - 22)
        assert len(line.requests) == before + 1
        assert line.requests[-1].endswith(bytes.fromhex(GOLDEN))


def test_controllers_words_are_read_to_the_byte_in_one_message() -> None:
    with running() as plc, Line(plc.port) as line:
        plc.block(f"set 32 {SAID}")
        with plc.config.model_copy(update={"port": line.port}).open() as controller:
            before = len(line.requests)
            words = controller.read()

            assert len(line.requests) == before + 1
    assert (words.heartbeat, words.trigger_sequence, words.acknowledged, int(words.command)) == (5, 7, 6, 1)
    assert (words.recipe, words.window_ms, words.boot, words.part_id, words.lot) == (2, 200, 9, "A-17", "L4")


def test_state_leaves_the_result_alone_and_the_heartbeat_comes_last() -> None:
    with (
        running() as plc,
        Line(plc.port) as line,
        plc.config.model_copy(update={"port": line.port}).open() as controller,
    ):
        controller.send(GOOD, READY)
        controller.write_state(StationWords(9, State.ONLINE, Fault.CAMERA, 4))

        assert plc.block().startswith("0009" + GOLDEN[4:32] + "000100010004")
        assert line.requests[-1].endswith(bytes.fromhex("0009"))
        assert controller.station_heartbeat() == 9
        controller.clear(READY)
        assert plc.block().startswith(NONE_YET)


def test_frozen_plc_is_an_error_at_once_and_may_execute_the_result_once_when_it_goes_on() -> None:
    with running() as plc, plc.config.open() as controller:
        os.kill(plc.process.pid, signal.SIGSTOP)
        os.waitpid(plc.process.pid, os.WUNTRACED)  # until it stands still
        try:
            with pytest.raises(ControllerError, match="write of bytes 0 to 21 got no answer: Receive timeout"):
                controller.send(GOOD, READY)
            with pytest.raises(ControllerError, match="is not connected"):
                controller.write_state(READY)
        finally:
            os.kill(plc.process.pid, signal.SIGCONT)
        assert plc.wait_for(GOLDEN)  # late: sequence, boot and the window of the PLC are what it is judged by
        plc.block("set 0 " + "00" * 22)
        time.sleep(0.11)  # the first pause
        with controller:
            assert controller.read().boot == 0
        assert plc.block().startswith("00" * 22)


def test_plc_that_is_killed_and_comes_back_is_found_again_and_gets_no_old_result() -> None:
    with running() as plc, plc.config.open() as controller:
        plc.process.kill()
        plc.process.wait()
        with pytest.raises(ControllerError, match="got no answer"):
            controller.send(GOOD, READY)
    with running() as plc, plc.config.open() as controller:
        controller.read()
        assert plc.block() == "00" * 112


SPOILED: dict[str, tuple[Change, str]] = {
    "hangs up": (lambda answer: [None], "got no answer: "),
    "half": (lambda answer: [answer[:9]], "got no answer: Receive timeout"),
    "half, then hangs up": (lambda answer: [answer[:9], None], "got no answer: Connection closed"),
    "swallowed": (lambda answer: [], "got no answer: Receive timeout"),
    "a byte at a time": (lambda answer: [bytes((byte,)) for byte in answer], "got no answer: Receive timeout"),
    "other reference": (lambda answer: [answer[:11] + b"\0\0" + answer[13:]], "got no answer: Stale packet"),
    "later reference": (lambda answer: [answer[:11] + b"\xff\xff" + answer[13:]], "got no answer: Packet lost"),
    "error in the header": (lambda answer: [answer[:17] + b"\x85\0" + answer[19:]], "got no answer: S7 protocol error"),
    "no TPKT": (lambda answer: [b"HTTP/1.1 200 OK"], "got no answer: Invalid TPKT version"),
    "no S7": (lambda answer: [answer[:7] + b"\x72" + answer[8:]], "got no answer: Invalid protocol ID"),
    "refused": (lambda answer: [answer[:-1] + b"\x0a"], r"was refused .*DB7 must have bytes 0 to 111"),
    "another function": (lambda answer: [answer[:19] + b"\x04" + answer[20:]], "was refused"),
}


@pytest.mark.parametrize(("change", "told"), SPOILED.values(), ids=SPOILED)
def test_spoiled_answer_ends_the_connection_and_the_result_is_sent_once(change: Change, told: str) -> None:
    with running() as plc, Line(plc.port) as line:
        with plc.config.model_copy(update={"port": line.port}).open() as controller:
            controller.read()
            line.change = change
            with pytest.raises(ControllerError, match=rf"^controller 'controller' \(s7 127.*\): .*{told}"):
                controller.send(GOOD, READY)
            with pytest.raises(ControllerError, match="is not connected"):
                controller.send(GOOD, READY)

        assert sum(request.endswith(bytes.fromhex(GOLDEN)) for request in line.requests) == 1


@pytest.mark.parametrize(("size", "told"), [(90, "takes messages of 90 bytes, must be at least 98"), (98, "")])
def test_plc_whose_messages_are_too_short_for_the_block_is_told(size: int, told: str) -> None:
    with running() as plc, Line(plc.port) as line:
        line.change = lambda answer: [answer[:-2] + size.to_bytes(2, "big")] if answer[5] == 0xF0 else [answer]
        controller = plc.config.model_copy(update={"port": line.port}).open()
        if told:
            with pytest.raises(ControllerError, match=told):
                controller.__enter__()
        else:
            with controller:
                pass
