"""The tags of a Rockwell PLC: what they must be, what a spoiled line does, and that nothing is written twice."""

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pylogix import PLC

from partgate.controllers.block import State, StationWords
from partgate.controllers.ethernetip import EthernetIpControllerConfig
from partgate.controllers.ethernetip_connection import TimedConnection
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

from ..needed import need
from ..ports import free_port, listens
from .spoiled_line import Line

READY = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)
GOOD = Result(Trigger(3, 4711, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)
BLOCK = [1, 4711, 1, 0, 1, 3, 0, 47094, 3, 0, 1]  # 47094 = 4711 + 3 + 11 + 13 * 3 + 42330
LIMIT_S = 20.0
Change = Callable[[bytes], list[bytes | None]]


class Tags:
    """An EtherNet/IP server of somebody else's with the two tags."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    @property
    def config(self) -> EthernetIpControllerConfig:
        return EthernetIpControllerConfig(kind="ethernetip", host="127.0.0.1", port=self.port)

    def call(self, function: str, *arguments: object) -> Any:
        """Look or write from the PLC's side, over a connection of its own."""
        with PLC("127.0.0.1", timeout=LIMIT_S, port=self.port) as plc:
            answer = getattr(plc, function)(*arguments)
            plc.conn.msg_socket.close()
        assert answer.Status == "Success"
        return answer.Value

    def block(self) -> list[int]:
        return list(self.call("Read", "PG_STATION", 11))


@contextmanager
def running(*tags: str) -> Iterator[Tags]:
    python = Path(__file__).parents[1] / "counterparts/enip/bin/python"
    need("cpppo", python.exists(), "tests/counterparts/install")
    port = free_port()
    order = [python, "-m", "cpppo.server.enip", "-a", f"127.0.0.1:{port}", *(tags or DINTS)]
    with subprocess.Popen(order, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + LIMIT_S
            while not listens(port):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield Tags(process, port)
        finally:
            process.kill()


DINTS = ("PG_STATION=DINT[11]", "PG_PLC=DINT[40]")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"host": ""}, "at least 1 character"),
        ({"slot": 32}, "less than or equal to 31"),
        ({"station_tag": "PG_STATION[3]"}, "must be a tag's name"),
        ({"plc_tag": "PG_PLÇ"}, "must be a tag's name"),
        ({"plc_tag": "9"}, "must be a tag's name"),
        ({"plc_tag": "a" * 41}, "must be a tag's name"),
        ({"answer_within_s": 1}, r"less than or equal to 0\.1"),
        ({"poll_ms": 50}, "less than or equal to 20"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        EthernetIpControllerConfig.model_validate({"kind": "ethernetip", "host": "plc"} | changes)


def test_missing_library_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylogix", None)
    config = EthernetIpControllerConfig(kind="ethernetip", host="127.0.0.1")

    with pytest.raises(ControllerError, match=r'pylogix is missing; pip install "partgate\[ethernetip\]"'):
        config.open().__enter__()


def test_plc_that_is_off_is_named_and_tried_again_after_a_pause() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    controller = EthernetIpControllerConfig(kind="ethernetip", host="127.0.0.1", port=port).open()

    with pytest.raises(ControllerError, match=rf"\(ethernetip 127.*:{port}\): no connection .*slot of its CPU 0"):
        controller.__enter__()
    with pytest.raises(ControllerError, match=r"is tried again in 0\.1 s"):
        controller.__enter__()


def test_what_takes_the_connection_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config = EthernetIpControllerConfig(kind="ethernetip", host="127.0.0.1", port=port, connect_within_s=0.02)
        with pytest.raises(ControllerError, match=r"no connection \(timed out\)"):
            config.open().__enter__()


def test_what_takes_the_connection_and_cuts_it_is_told_and_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = EthernetIpControllerConfig(kind="ethernetip", host="127.0.0.1", port=listener.getsockname()[1])
        lines: list[socket.socket] = []

        def register_too_late(self: TimedConnection) -> bytes:
            lines.append(self.Socket)
            with listener.accept()[0] as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closes by a reset
            select.select([self.Socket], [], [], LIMIT_S)
            return b"register"

        monkeypatch.setattr(TimedConnection, "_build_register_session", register_too_late)
        with pytest.raises(ControllerError, match=r"no connection \(.*reset.*\); is the PLC on"):
            config.open().__enter__()

    assert [line.fileno() for line in lines] == [-1]


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (["PG_PLC=DINT[40]"], "read of PG_STATION was refused .* PG_STATION must be an array of 11 DINT or INT"),
        (["PG_STATION=DINT[10]", "PG_PLC=DINT[40]"], "PG_STATION must be an array of 11"),
        (["PG_STATION=DINT[11]", "PG_PLC=DINT[39]"], "PG_PLC must be an array of 40"),
        (["PG_STATION=REAL[11]", "PG_PLC=DINT[40]"], "PG_STATION must be an array of 11 DINT or INT, not of another"),
        (["PG_STATION=DINT[11]", "PG_PLC=SINT[40]"], "PG_PLC must be an array of 40 DINT or INT, not of another"),
    ],
    ids=["missing", "station too short", "plc too short", "real", "sint"],
)
def test_tag_that_is_missing_too_short_or_of_another_type_is_told_before_anything_is_written(
    tags: list[str], told: str
) -> None:
    with running(*tags) as plc, pytest.raises(ControllerError, match=told):
        plc.config.open().__enter__()


@pytest.mark.parametrize("wrong", [65536, -1])
def test_element_that_is_no_word_is_told_with_its_place(wrong: int) -> None:
    with running() as plc, plc.config.open() as controller:
        plc.call("Write", "PG_PLC[1]", wrong)
        with pytest.raises(ControllerError, match=rf"PG_PLC\[1\] must be 0 to 65535, got {wrong}"):
            controller.read()


def holds(request: bytes) -> bool:
    """Tell whether a request carries the block with the result."""
    return struct.pack("<11i", *BLOCK) in request


def test_block_stands_in_the_tag_after_one_request_and_state_leaves_the_result_alone() -> None:
    with (
        running() as plc,
        Line(plc.port) as line,
        plc.config.model_copy(update={"port": line.port}).open() as controller,
    ):
        before = len(line.requests)
        controller.send(GOOD, READY)
        assert [holds(request) for request in line.requests[before:]] == [True]
        assert plc.block() == BLOCK
        controller.write_state(StationWords(9, State.ONLINE, Fault.CAMERA, 4))
        assert plc.block() == [9, *BLOCK[1:8], 1, 1, 4]
        assert line.requests[-1].endswith(struct.pack("<Hi", 1, 9))  # the heartbeat, alone and last
        assert controller.station_heartbeat() == 9
        controller.clear(READY)
        assert plc.block() == [1, 0, 0, 0, 0, 0, 0, 42330, 3, 0, 1]


@pytest.mark.parametrize("kind", ["DINT", "INT"])
def test_words_above_32767_fit_in_both_types(kind: str) -> None:
    high = Result(Trigger(65535, 65534, 200, 0.0, 0.2), Decision(Verdict.REJECT, Reason.MODEL), 65535, 0)
    with running(f"PG_STATION={kind}[11]", f"PG_PLC={kind}[40]") as plc:
        short = kind == "INT"
        text = int.from_bytes(b"A7", "big")
        said = [65535, 40000, 6, 1, 2, 200, 9, *[0] * 9, text, *[0] * 23]
        plc.call("Write", "PG_PLC", [word - 65536 if short and word > 32767 else word for word in said])
        with plc.config.open() as controller:
            words = controller.read()
            controller.send(high, READY)
            block = [word & 0xFFFF for word in plc.block()]

    assert (words.heartbeat, words.trigger_sequence, words.boot, words.part_id) == (65535, 40000, 9, "A7")
    assert block[1:7] == [65534, 2, 65535, 0, 65535, 0]


def test_frozen_plc_is_an_error_at_once_and_may_execute_the_result_once_when_it_goes_on() -> None:
    with running() as plc, plc.config.open() as controller:
        os.kill(plc.process.pid, signal.SIGSTOP)
        os.waitpid(plc.process.pid, os.WUNTRACED)  # until it stands still
        try:
            with pytest.raises(ControllerError, match=r"write of PG_STATION\[0\] got no answer: timed out"):
                controller.send(GOOD, READY)
            with pytest.raises(ControllerError, match="is not connected"):
                controller.write_state(READY)
        finally:
            os.kill(plc.process.pid, signal.SIGCONT)
        deadline = time.monotonic() + LIMIT_S
        while plc.block() != BLOCK:  # late: sequence, boot and the window of the PLC are what it is judged by
            assert time.monotonic() < deadline
        plc.call("Write", "PG_STATION", [0] * 11)
        time.sleep(0.11)  # the first pause
        with controller:
            controller.read()
        assert plc.block() == [0] * 11


def test_plc_that_is_killed_is_an_error_and_the_next_one_gets_no_old_result() -> None:
    with running() as plc, plc.config.open() as controller:
        plc.process.kill()
        plc.process.wait()
        with pytest.raises(ControllerError, match="got no answer: has hung up"):
            controller.send(GOOD, READY)
    with running() as plc, plc.config.open() as controller:
        controller.read()
        assert plc.block() == [0] * 11


SPOILED: dict[str, tuple[Change, str]] = {
    "hangs up": (lambda answer: [None], "got no answer: has hung up"),
    "half": (lambda answer: [answer[:40]], "got no answer: timed out in the middle of it"),
    "half a header": (lambda answer: [answer[:20]], "got no answer: timed out in the middle of it"),
    "half, then hangs up": (lambda answer: [answer[:40], None], "got no answer: has hung up in the middle of it"),
    "swallowed": (lambda answer: [], "got no answer: timed out$"),
    "a byte at a time": (lambda answer: [bytes((byte,)) for byte in answer], "timed out in the middle"),
    "other sequence": (lambda answer: [answer[:44] + b"\xff\xff" + answer[46:]], "it answers request 65535, must be"),
    "two answers": (lambda answer: [answer + answer], "got no answer: 50 bytes stand behind it"),
    "other command": (lambda answer: [b"\x6f\0" + answer[2:]], "it answers request"),
    "status in the header": (lambda answer: [answer[:8] + b"\x64\0\0\0" + answer[12:]], "status 64000000 in its"),
    "too short": (lambda answer: [b"\x70\0\x10\0" + answer[4:40]], "got no answer: unpack_from requires"),
    "no EtherNet/IP": (lambda answer: [b"HTTP/1.1 200 OK\r\nServer: some\r\n\r\n"], "got no answer: "),
    "refused": (lambda answer: [answer[:48] + b"\x0f" + answer[49:]], "was refused .*PG_STATION must be writable"),
    "partly": (lambda answer: [answer[:48] + b"\x06" + answer[49:]], "was refused .*PG_STATION must be writable"),
}


@pytest.mark.parametrize(("change", "told"), SPOILED.values(), ids=SPOILED)
def test_spoiled_answer_ends_the_connection_and_the_result_is_sent_once(change: Change, told: str) -> None:
    with running() as plc, Line(plc.port) as line:
        with plc.config.model_copy(update={"port": line.port}).open() as controller:
            controller.read()
            line.change = change
            with pytest.raises(ControllerError, match=rf"^controller 'controller' \(ethernetip 127.*\): .*{told}"):
                controller.send(GOOD, READY)
            with pytest.raises(ControllerError, match="is not connected"):
                controller.send(GOOD, READY)

        assert sum(holds(request) for request in line.requests) == 1


def test_answer_that_nobody_waits_for_ends_the_connection_before_anything_is_sent() -> None:
    with running() as plc, Line(plc.port) as line:
        with plc.config.model_copy(update={"port": line.port}).open() as controller:
            line.say(b"old")
            select.select([controller._plc.conn.Socket], [], [], LIMIT_S)
            with pytest.raises(ControllerError, match="got no answer: sent something unasked"):
                controller.send(GOOD, READY)

        assert not any(holds(request) for request in line.requests)


def test_connection_that_the_library_has_given_up_is_not_made_again_behind_the_stations_back() -> None:
    with running() as plc, Line(plc.port) as line:
        with plc.config.model_copy(update={"port": line.port}).open() as controller:
            controller._plc.conn.SocketConnected = False
            with pytest.raises(ControllerError, match=r"write of .* was refused"):
                controller.send(GOOD, READY)

        assert not any(holds(request) for request in line.requests)
