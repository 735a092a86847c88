"""The words that a Modbus server of the station holds: what is refused, who may write, and that all is seen whole."""

import struct
import threading

import pytest

from partgate.controllers.modbus_registers import Registers

FIRST = 100
PLC, OTHER = object(), object()


def read(offset: int, count: int, function: int = 3) -> bytes:
    return struct.pack(">BHH", function, FIRST + offset, count)


def write(offset: int, *values: int) -> bytes:
    return struct.pack(f">BHHB{len(values)}H", 16, FIRST + offset, len(values), 2 * len(values), *values)


def write_one(offset: int, value: int) -> bytes:
    return struct.pack(">BHH", 6, FIRST + offset, value)


def read_and_write(read_from: int, count: int, offset: int, *values: int) -> bytes:
    head = struct.pack(">BHHHHB", 23, FIRST + read_from, count, FIRST + offset, len(values), 2 * len(values))
    return head + struct.pack(f">{len(values)}H", *values)


REFUSED = {
    "station's heartbeat": (write_one(0, 1), "8602"),
    "station's verdict": (write(2, 1), "9002"),
    "whole block": (write(0, *[1] * 56), "9002"),
    "unused word": (write_one(15, 1), "8602"),
    "from an unused word on": (write(15, 1, 1), "9002"),
    "behind the block": (write_one(56, 1), "8602"),
    "past the end": (write(55, 1, 1), "9002"),
    "before the block": (struct.pack(">BHH", 6, FIRST - 1, 1), "8602"),
    "read behind the block": (read(56, 1), "8302"),
    "read past the end": (read(0, 57), "8302"),
    "read before the block": (struct.pack(">BHH", 3, FIRST - 1, 2), "8302"),
    "read nothing": (read(0, 0), "8303"),
    "read too much": (read(0, 126), "8303"),
    "write nothing": (write(16), "9003"),
    "length that lies": (struct.pack(">BHHBH", 16, FIRST + 16, 1, 4, 7), "9003"),
    "values missing": (struct.pack(">BHHBH", 16, FIRST + 16, 2, 4, 7), "9003"),
    "values left over": (struct.pack(">BHHBHH", 16, FIRST + 16, 1, 2, 7, 7), "9003"),
    "half a request": (read(0, 1)[:3], "8303"),
    "function alone": (bytes((16,)), "9003"),
    "request too long": (read(0, 1) + b"\0", "8303"),
    "coils": (bytes((1, 0, FIRST, 0, 1)), "8101"),
    "a mask": (bytes((22, 0, FIRST + 16, 0, 0, 0, 0)), "9601"),
    "an exception": (bytes((0x83, 2)), "8301"),
    "read outside, write inside": (read_and_write(50, 20, 16, 7), "9702"),
    "read inside, write outside": (read_and_write(0, 11, 0, 7), "9702"),
}


@pytest.mark.parametrize(("request_", "answer"), REFUSED.values(), ids=REFUSED)
def test_request_that_cannot_be_is_answered_by_its_exception_and_changes_nothing(request_: bytes, answer: str) -> None:
    registers = Registers(FIRST)
    registers.put({0: range(1, 12)})
    registers.answer(write(16, *range(16, 56)), PLC)
    before = registers.answer(read(0, 56), PLC)

    assert registers.answer(request_, PLC).hex() == answer
    assert registers.answer(read(0, 56), PLC) == before


def test_second_connection_is_refused_to_write_until_the_first_is_silent_for_a_second() -> None:
    now = 0.0
    registers = Registers(FIRST, clock=lambda: now)
    registers.answer(write_one(17, 5), PLC)
    now = 0.9
    assert registers.answer(write_one(17, 9), OTHER).hex() == "8606"
    assert registers.answer(read(17, 1), OTHER).hex() == "03020005"
    registers.answer(write_one(17, 6), PLC)
    now = 1.8
    assert registers.answer(write_one(17, 9), OTHER).hex() == "8606"
    now = 2.0
    assert registers.answer(write_one(17, 9), OTHER) == write_one(17, 9)
    assert registers.answer(write_one(17, 6), PLC).hex() == "8606"


def test_second_connection_may_write_as_soon_as_the_first_is_closed() -> None:
    registers = Registers(FIRST)
    registers.answer(write_one(17, 5), PLC)
    registers.forget(OTHER)
    assert registers.answer(write_one(17, 9), OTHER).hex() == "8606"
    registers.forget(PLC)

    assert registers.answer(write_one(17, 9), OTHER) == write_one(17, 9)


def test_refused_write_does_not_keep_others_from_writing() -> None:
    registers = Registers(FIRST)
    registers.answer(write_one(0, 5), OTHER)

    assert registers.answer(write_one(17, 9), PLC) == write_one(17, 9)


def test_who_may_not_write_may_read() -> None:
    registers = Registers(FIRST)

    assert registers.answer(write(16, 1, 2), PLC, may_write=False).hex() == "9006"
    assert registers.answer(read_and_write(0, 1, 16, 1), PLC, may_write=False).hex() == "9706"
    assert registers.answer(read(16, 2), PLC, may_write=False).hex() == "030400000000"


def test_controller_has_said_where_it_stands_when_heartbeat_trigger_acknowledge_and_boot_are_written() -> None:
    registers = Registers(FIRST)
    for offset in (16, 17, 19, 20, 21, 22):
        registers.answer(write_one(offset, 0), PLC)
    assert not registers.is_complete.is_set()
    registers.answer(write_one(18, 0), PLC)

    assert registers.is_complete.is_set()
    assert len(registers.controller_words()) == 40


def test_every_function_reads_and_writes_the_same_words() -> None:
    registers = Registers(FIRST)
    registers.put({0: [7, 8]})

    assert registers.answer(write(16, 1, 2), PLC) == struct.pack(">BHH", 16, FIRST + 16, 2)
    assert registers.answer(read_and_write(15, 3, 17, 65535), PLC).hex() == "170600000001ffff"
    assert registers.answer(read(0, 2, function=4), PLC).hex() == "040400070008"
    assert registers.controller_words()[:3] == [1, 65535, 0]


def test_no_request_ever_sees_half_of_what_the_station_says() -> None:
    registers, stop = Registers(FIRST), threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number = (number + 1) % 65536
            registers.put({8: [number] * 3, 0: [number]} if number % 2 else {0: [number] * 11})

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(3000):
            words = struct.unpack(">11H", registers.answer(read(0, 11), PLC)[2:])
            assert len({words[0], *words[8:]}) == 1
            assert len(set(words[1:8])) == 1
    finally:
        stop.set()
        thread.join()


def test_client_that_begins_to_write_beside_a_silent_one_is_noticed() -> None:
    now = 0.0
    registers = Registers(clock=lambda: now)
    registers.answer(bytes((6, 0, 17, 0, 2)), "first")
    now = 0.9
    assert registers.answer(bytes((6, 0, 17, 0, 3)), "second")[0] & 0x80
    assert not registers.was_taken_over

    now = 1.1
    registers.answer(bytes((6, 0, 17, 0, 3)), "second")

    assert registers.was_taken_over


def test_client_that_comes_after_the_first_has_gone_takes_nothing_over() -> None:
    registers = Registers()
    registers.answer(bytes((6, 0, 17, 0, 2)), "first")
    registers.forget("first")

    registers.answer(bytes((6, 0, 17, 0, 3)), "second")

    assert not registers.was_taken_over


def test_trigger_is_as_old_as_the_request_before_the_one_that_brought_it() -> None:
    now = 10.0
    registers = Registers(clock=lambda: now)
    registers.answer(bytes((6, 0, 17, 0, 2)), "plc")
    now = 10.1
    registers.answer(bytes((3, 0, 0, 0, 1)), "plc")
    now = 12.0
    registers.answer(bytes((3, 0, 0, 0, 1)), "somebody who looks on")
    registers.answer(bytes((6, 0, 17, 0, 3)), "plc")
    now = 12.1
    registers.answer(bytes((6, 0, 16, 0, 9)), "plc")

    assert registers.trigger_not_before == 10.1
