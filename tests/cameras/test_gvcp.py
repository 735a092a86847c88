"""Questions on a GigE camera's control channel, answered by a socket that answers as it is told."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from partgate.cameras.gvcp import ControlChannel

from .gige_camera import own_address

PORT = 3956
Answer = Callable[[bytes, int], bytes | None]  # request, how many came before → answer


@pytest.fixture
def played() -> Iterator[Callable[[Answer], ControlChannel]]:
    """A function: play a camera by a rule, and return a channel to it."""
    address, lock = own_address()
    stop = threading.Event()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, PORT))
    server.settimeout(0.05)
    opened: list[ControlChannel] = []
    threads: list[threading.Thread] = []

    def serve(answer: Answer) -> None:
        count = 0
        while not stop.is_set():
            try:
                request, sender = server.recvfrom(1024)
            except TimeoutError:
                continue
            reply = answer(request, count)
            count += 1
            if reply is not None:
                server.sendto(reply, sender)

    def play(answer: Answer) -> ControlChannel:
        threads.append(threading.Thread(target=serve, args=(answer,), daemon=True))
        threads[-1].start()
        opened.append(ControlChannel(address))
        return opened[0]

    yield play
    stop.set()
    for thread in threads:
        thread.join()
    for channel in opened:
        channel.__exit__()
    server.close()
    lock.close()


def number_of(request: bytes) -> int:
    return int(struct.unpack(">H", request[6:8])[0])


def register(value: int, *, number: Callable[[int], int] = lambda number: number, status: int = 0) -> Answer:
    """Answer to READREG (0x0081) with a value."""

    def answer(request: bytes, _: int) -> bytes:
        data = struct.pack(">I", value)
        return struct.pack(">HHHH", status, 0x0081, len(data), number(number_of(request))) + data

    return answer


def test_camera_that_does_not_answer_is_known_after_a_quarter_of_a_second(played):
    channel = played(lambda request, count: None)
    began = time.monotonic()

    assert channel.is_controlled() is None
    assert 0.2 < time.monotonic() - began < 5


def test_camera_that_misses_a_question_and_answers_the_next_is_there(played):
    assert played(lambda request, count: register(2)(request, 0) if count >= 1 else None).is_controlled() is True


def test_answer_to_another_question_counts_for_none(played):
    assert played(register(2, number=lambda number: number + 1)).is_controlled() is None


@pytest.mark.parametrize(("value", "is_controlled"), [(0, False), (1, True), (2, True), (3, True), (4, False)], ids=str)
def test_control_is_told_by_its_two_lowest_bits(value: int, is_controlled: bool, played):
    assert played(register(value)).is_controlled() is is_controlled


def test_refusal_is_an_answer_and_nobody_controls(played):
    assert played(register(2, status=0x8006)).is_controlled() is False


def test_answer_that_is_cut_off_is_no_answer(played):
    assert played(lambda request, count: b"\0\0\0").is_controlled() is None


def test_request_is_readreg_of_the_control_register_with_an_answer_wanted(played):
    seen: list[bytes] = []

    def answer(request: bytes, count: int) -> bytes:
        seen.append(request)
        return register(0)(request, count)

    played(answer).is_controlled()

    assert seen == [bytes.fromhex("42 01 0080 0004 0001 00000a00")]


def test_serial_number_ends_at_the_first_zero(played):
    def answer(request: bytes, _: int) -> bytes:
        data = struct.pack(">I", 0xD8) + b"40123456".ljust(16, b"\0")
        return struct.pack(">HHHH", 0, 0x0085, len(data), number_of(request)) + data

    assert played(answer).serial() == "40123456"


def test_controller_is_told_by_its_address(played):
    assert played(register(0xC0A80007)).controller() == "192.168.0.7"


def test_camera_in_a_network_that_this_pc_is_not_in_does_not_answer():
    with ControlChannel("255.255.255.255") as channel:  # the system refuses the way there at once
        assert channel.is_controlled() is None
        assert channel.serial() is None
