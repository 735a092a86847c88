"""The simulated controller over Modbus TCP, asked by clients that are not ours."""

import shutil
import socket
import struct
import subprocess
import time

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import Word

from ..needed import need

SOON_S = 20  # far beyond what anything here takes, for a busy machine


def write_without_waiting(port, requests):
    """Send requests in one packet and return the socket; the answers have not been read."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=SOON_S)
    packet = b""
    for transaction, (address, words) in enumerate(requests, start=1):
        body = struct.pack(f">BBHHB{len(words)}H", 1, 16, address, len(words), 2 * len(words), *words)
        packet += struct.pack(">HHH", transaction, 0, len(body)) + body
    connection.sendall(packet)
    return connection


def read_transactions(connection, answers):
    """Return the transaction numbers of so many answers to write requests, twelve bytes each."""
    received = b""
    while len(received) < 12 * answers:
        received += connection.recv(4096)
    return [int.from_bytes(received[start : start + 2], "big") for start in range(0, len(received), 12)]


# ---- registers ----


def test_controller_words_are_read_in_one_request(plc, client):
    plc.wait_until(lambda: plc.scans > 0, SOON_S)

    words = client.read_holding_registers(16, count=16).registers

    assert words[Word.PLC_BOOT - 16] == 7
    assert words[Word.WINDOW_MS - 16] == 200
    assert words[Word.CMD - 16] == 1


def test_single_and_many_registers_are_written_and_read_back(plc, client, good_block):
    client.write_register(Word.RECIPE_ACTIVE, 4)
    client.write_registers(0, good_block(9))

    assert client.read_holding_registers(0, count=11).registers == [*good_block(9), 0, 4]
    assert plc.word(Word.RECIPE_ACTIVE) == 4


@pytest.mark.parametrize(("address", "count"), [(64, 1), (60, 5), (1000, 1)], ids=["behind", "across", "far-away"])
def test_register_outside_the_block_answers_illegal_address(client, address, count):
    read = client.read_holding_registers(address, count=count)
    written = client.write_registers(address, [1] * count)

    assert (read.isError(), read.exception_code) == (True, 2)
    assert (written.isError(), written.exception_code) == (True, 2)


def test_other_function_codes_answer_illegal_function(client):
    answers = [client.read_coils(0), client.read_input_registers(0), client.write_coil(0, True)]

    assert [answer.exception_code for answer in answers] == [1, 1, 1]


def test_block_stands_at_the_base_address():
    with (
        SimulatedPlc(PlcSettings(base_address=1024, boot=3)) as plc,
        ModbusTcpClient("127.0.0.1", port=plc.port, retries=0) as client,
    ):
        assert client.read_holding_registers(1024 + Word.PLC_BOOT).registers == [3]
        assert client.read_holding_registers(1023).exception_code == 2
        assert client.read_holding_registers(Word.PLC_BOOT).exception_code == 2


def test_every_device_id_is_answered(client):
    assert client.read_holding_registers(Word.PLC_BOOT, device_id=17).registers == [7]


def test_what_is_no_modbus_ends_the_connection(plc):
    with socket.create_connection(("127.0.0.1", plc.port), timeout=SOON_S) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")

        assert connection.recv(100) == b""


def test_requests_in_one_packet_and_in_pieces_are_all_executed_in_order(plc):
    with write_without_waiting(plc.port, [(Word.VIS_HB, [number]) for number in range(1, 41)]) as connection:
        transactions = read_transactions(connection, 40)
        body = struct.pack(">HHHBBHH", 99, 0, 6, 1, 6, Word.VIS_HB, 77)
        for byte in body:
            connection.sendall(bytes([byte]))
        read_transactions(connection, 1)

    assert transactions == list(range(1, 41))
    assert plc.word(Word.VIS_HB) == 77


# ---- an independent client ----


def mbpoll(plc, *arguments):
    program = shutil.which("mbpoll")
    need("mbpoll", program, "apt-get install mbpoll")
    fixed = [program, "-m", "tcp", "-p", str(plc.port), "-a", "1", "-t", "4", "-1", "-o", "5"]
    return subprocess.run([*fixed, *arguments], capture_output=True, text=True, timeout=SOON_S, check=False)


def test_mbpoll_reads_the_boot_number(plc):
    answer = mbpoll(plc, "-r", str(Word.PLC_BOOT + 1), "-c", "1", "127.0.0.1")

    assert answer.returncode == 0, answer.stderr
    assert "[23]: \t7\n" in answer.stdout


def test_mbpoll_writes_a_block_that_the_controller_acknowledges(plc, good_block):
    answer = mbpoll(plc, "-r", "2", "127.0.0.1", "--", *map(str, good_block(5)[1:8]))

    assert answer.returncode == 0, answer.stderr
    plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 5, SOON_S)
    assert [(write.sequence, write.verdict) for write in plc.writes] == [(5, 1)]


def test_mbpoll_is_told_about_an_address_outside(plc):
    answer = mbpoll(plc, "-r", "65", "-c", "1", "127.0.0.1")

    assert "Illegal data address" in answer.stderr


# ---- frozen, silent, slow ----


def test_frozen_controller_neither_scans_nor_answers_and_executes_everything_afterwards(plc, good_block):
    plc.freeze()
    scans = plc.scans
    with (
        write_without_waiting(plc.port, [(0, good_block(1)), (0, good_block(2)), (0, good_block(3))]) as connection,
        ModbusTcpClient("127.0.0.1", port=plc.port, timeout=0.2, retries=0) as client,
    ):
        with pytest.raises(ModbusIOException):
            client.write_register(Word.VIS_HB, 55)
        frozen_scans, frozen_writes = plc.scans, plc.writes

        plc.thaw()
        transactions = read_transactions(connection, 3)
        plc.wait_until(lambda: plc.word(Word.VIS_HB) == 55, SOON_S)

    assert frozen_scans == scans
    assert frozen_writes == []
    assert transactions == [1, 2, 3]
    assert [write.sequence for write in plc.writes] == [1, 2, 3]


def test_request_of_a_client_that_gave_up_is_executed_after_the_thaw(plc, good_block):
    plc.freeze()
    write_without_waiting(plc.port, [(0, good_block(4))]).close()

    plc.thaw()

    plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 4, SOON_S)
    assert [write.sequence for write in plc.writes] == [4]


def test_request_that_came_before_the_cable_was_cut_is_executed_after_the_thaw(plc, good_block):
    plc.freeze()
    with (
        write_without_waiting(plc.port, [(0, good_block(4))]),
        ModbusTcpClient("127.0.0.1", port=plc.port, timeout=0.2, retries=0) as client,
    ):
        with pytest.raises(ModbusIOException):  # what was sent before this has long come in
            client.read_holding_registers(0)
        plc.cut()

        plc.thaw()

        plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 4, SOON_S)


def test_withheld_answer_belongs_to_a_request_that_was_executed(plc, good_block):
    plc.withhold_answers(1, kind="results")
    with ModbusTcpClient("127.0.0.1", port=plc.port, timeout=0.3, retries=0) as client:
        assert not client.write_register(Word.VIS_HB, 3).isError()
        with pytest.raises(ModbusIOException):
            client.write_registers(0, good_block(6))
        assert client.read_holding_registers(Word.RES_SEQ).registers == [6]

    assert plc.withheld_answers == 1
    assert [write.sequence for write in plc.writes] == [6]


def test_answers_to_writes_alone_are_withheld(plc, good_block):
    plc.withhold_answers(1, kind="writes")
    with ModbusTcpClient("127.0.0.1", port=plc.port, timeout=0.3, retries=0) as client:
        assert not client.read_holding_registers(0).isError()
        with pytest.raises(ModbusIOException):
            client.write_register(Word.VIS_HB, 3)

    assert plc.withheld_answers == 1


def test_all_answers_are_withheld_until_told_otherwise(plc):
    plc.withhold_answers()
    with ModbusTcpClient("127.0.0.1", port=plc.port, timeout=0.1, retries=0) as client:
        for _ in range(2):
            with pytest.raises(ModbusIOException):
                client.read_holding_registers(0)
        plc.withhold_answers(0)

        assert not client.read_holding_registers(0).isError()


def test_delayed_answer_comes_late_and_its_request_is_executed_at_once(plc, good_block):
    plc.delay_answers(300)
    begun = time.monotonic()
    with write_without_waiting(plc.port, [(0, good_block(6))]) as connection:
        plc.wait_until(lambda: plc.word(Word.RES_SEQ) == 6, SOON_S)
        read_transactions(connection, 1)

    assert time.monotonic() - begun >= 0.3
    plc.delay_answers(0)
