"""The simulated controller over S7, asked by python-snap7's client and by sockets with bytes worked out by hand."""

import socket

import pytest
from snap7.client import Client
from snap7.error import S7ProtocolError

from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import Word

SOON_S = 20
CONNECT = bytes.fromhex("0300001611e00000000100c0010ac1020100c2020101")
CONFIRM = bytes.fromhex("0300001611d00001000100c0010ac1020100c2020101")
SET_UP = bytes.fromhex("0300001902f08032010000000000080000f0000001000101e0")
AGREED = bytes.fromhex("0300001b02f080320300000000000800000000f00000010001") + b"\x00\xf0"  # 240 of the 480 wanted
READ_BOOT = bytes.fromhex("0300001f02f080320100000001000e00000401120a10020002000184000160")  # DB 1, byte 44, 2 bytes
BOOT_7 = bytes.fromhex("0300001b02f0803203000000010002000600000401ff0400100007")


@pytest.fixture
def plc():
    with SimulatedPlc(PlcSettings(transport="s7", boot=7)) as plc:
        yield plc


@pytest.fixture
def client(plc):
    client = Client()
    client.connect("127.0.0.1", 0, 1, plc.port)
    yield client
    client.disconnect()


def exactly(connection, count):
    received = b""
    while len(received) < count:
        piece = connection.recv(count - len(received))
        assert piece, f"the connection ended after {received!r}"
        received += piece
    return received


def pack(words):
    return bytearray(b"".join(word.to_bytes(2, "big") for word in words))


def connected(plc):
    connection = socket.create_connection(("127.0.0.1", plc.port), timeout=SOON_S)
    connection.sendall(CONNECT)
    assert exactly(connection, len(CONFIRM)) == CONFIRM
    return connection


# ---- bad input ----


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        READ_BOOT[:4] + b"\x02\xf0\x80" + b"\x33" * 24,
        b"\x03\x00\xff\xff",
        b"\x03\0\0\x07\1\1\1",
    ],
    ids=["no-s7", "wrong-protocol", "too-long", "unknown-kind"],
)
def test_what_is_no_s7_ends_the_connection(plc, sent):
    with socket.create_connection(("127.0.0.1", plc.port), timeout=SOON_S) as connection:
        connection.sendall(sent)

        assert connection.recv(100) == b""


@pytest.mark.parametrize(
    ("block", "start", "reason"), [(2, 0, "0x0a"), (1, 111, "0x05")], ids=["no-such-block", "outside-the-block"]
)
def test_address_that_does_not_exist_is_refused_and_nothing_is_written(plc, client, block, start, reason):
    with pytest.raises(S7ProtocolError, match=reason):
        client.db_read(block, start, 2)
    with pytest.raises(S7ProtocolError, match=reason):
        client.db_write(block, start, bytearray([1, 1]))

    assert plc.writes == []
    assert plc.word(Word.VIS_HB) == 0


def test_service_that_is_not_offered_is_refused_and_the_connection_goes_on(client):
    with pytest.raises(S7ProtocolError):
        client.mb_read(0, 2)  # merkers are another area

    assert client.db_read(1, 44, 2) == bytearray([0, 7])


def test_another_area_is_refused_though_the_block_number_is_ours(plc):
    merkers = READ_BOOT[:-4] + bytes.fromhex("83000160")
    with connected(plc) as connection:
        connection.sendall(merkers)
        answer = exactly(connection, 25)

    assert answer[21] == 0x0A


def test_more_than_one_frame_holds_is_refused(plc):
    item = bytes.fromhex("120a10020070000184000000")  # DB 1, byte 0, 112 bytes
    body = bytes.fromhex("02f0803201000000010026000004") + b"\x03" + 3 * item
    with connected(plc) as connection:
        connection.sendall(b"\x03\0" + (4 + len(body)).to_bytes(2, "big") + body)
        answer = exactly(connection, 20)

    assert answer[17:19] == b"\x85\x00"


# ---- words ----


def test_bytes_on_the_wire_are_those_worked_out_by_hand(plc):
    with connected(plc) as connection:
        connection.sendall(SET_UP)
        assert exactly(connection, 27) == AGREED
        connection.sendall(READ_BOOT)

        assert exactly(connection, len(BOOT_7)) == BOOT_7


def test_block_written_in_one_request_is_one_request_to_the_gate_and_is_acknowledged(plc, client, good_block):
    client.db_write(1, 0, pack(good_block(258)))

    plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 258, SOON_S)
    (write,) = plc.writes
    assert (write.sequence, write.verdict, write.offset, write.count) == (258, 1, 0, 9)
    assert client.db_read(1, 36, 2) == bytearray([1, 2])  # big-endian: 258


def test_single_byte_changes_half_a_word(plc, client):
    client.db_write(1, 0, bytearray([1, 2]))
    client.db_write(1, 1, bytearray([9]))

    assert plc.word(Word.VIS_HB) == 0x0109


def test_texts_stand_behind_the_words(plc, client):
    plc.set_part_id("A1")
    plc.set_lot("L5")

    assert client.db_read(1, 64, 3) == bytearray(b"A1\0")
    assert client.db_read(1, 96, 3) == bytearray(b"L5\0")
