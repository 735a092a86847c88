"""What is wrong with a line looks the same on every transport: frozen, silent, slow, cut, dropped, damaged."""

import contextlib
import json
import socket
import struct
import time

import pytest
from asyncua import ua
from asyncua.sync import Client

from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import Word

SOON_S = 20
VAIN_S = 0.3  # how long a client waits that is to be left without an answer
NAMES = ["VIS_HB", "RES_SEQ", "VERDICT", "CLASS", "LANE", "RES_BOOT", "REASON", "CHECK", "STATE"]


class LostError(Exception):
    """No answer, or no connection."""


class SocketClient:
    """Writes a block and waits for the answer; LostError where none comes."""

    def __init__(self, port):
        try:
            self.connection = socket.create_connection(("127.0.0.1", port), timeout=SOON_S)
        except OSError as error:
            raise LostError from error
        try:
            self.open()
        except (OSError, LostError) as error:
            self.close()
            raise LostError from error

    def open(self):
        """Say what the transport wants to hear first."""

    def write(self, block, timeout_s=SOON_S):
        try:
            self.connection.settimeout(timeout_s)
            self.connection.sendall(self.request(block))
            if not self.connection.recv(4096):
                raise LostError
        except OSError as error:
            raise LostError from error

    def close(self):
        self.connection.close()


class ModbusClient(SocketClient):
    def request(self, block):
        body = struct.pack(f">BBHHB{len(block)}H", 1, 16, 0, len(block), 2 * len(block), *block)
        return struct.pack(">HHH", 1, 0, len(body)) + body


class TcpClient(SocketClient):
    def request(self, block):
        return json.dumps({"ASK": 1, **dict(zip(NAMES, block, strict=True))}).encode() + b"\n"


class S7Client(SocketClient):
    def open(self):
        self.connection.sendall(bytes.fromhex("0300001611e00000000100c0010ac1020100c2020101"))
        if not self.connection.recv(4096):
            raise LostError

    def request(self, block):
        data = struct.pack(f">xBH{len(block)}H", 4, 16 * len(block), *block)
        item = struct.pack(">BBBBHHBBH", 0x12, 10, 0x10, 2, 2 * len(block), 1, 0x84, 0, 0)
        body = struct.pack(">BBHHHH", 0x32, 1, 0, 1, 2 + len(item), len(data)) + bytes([5, 1]) + item + data
        return struct.pack(">BBH", 3, 0, 7 + len(body)) + b"\x02\xf0\x80" + body


class OpcuaClient:
    def __init__(self, port):
        self.client = Client(f"opc.tcp://127.0.0.1:{port}", timeout=SOON_S)
        try:
            self.client.connect()
        except (OSError, ua.UaError) as error:
            self.client.tloop.stop()
            raise LostError from error
        self.nodes = [self.client.get_node(f"ns=2;s=Partgate.{name}") for name in NAMES]

    def write(self, block, timeout_s=SOON_S):
        self.client.aio_obj.uaclient.protocol.timeout = timeout_s
        try:
            self.client.write_values(
                self.nodes, [ua.DataValue(ua.Variant(word, ua.VariantType.UInt16)) for word in block]
            )
        except (OSError, ua.UaError) as error:
            raise LostError from error

    def close(self):
        with contextlib.suppress(Exception):
            self.client.aio_obj.uaclient.protocol.timeout = 0.1
            self.client.disconnect()
        with contextlib.suppress(Exception):
            self.client.tloop.stop()


CLIENTS = {"modbus": ModbusClient, "opcua": OpcuaClient, "s7": S7Client, "tcp": TcpClient}


@pytest.fixture(scope="module", params=sorted(CLIENTS))
def running(request):
    with SimulatedPlc(PlcSettings(transport=request.param, boot=7)) as plc:
        yield plc


@pytest.fixture
def plc(running):
    running.restart()
    return running


@pytest.fixture
def connect(plc):
    """A function: one more client of this transport."""
    clients = []

    def make():
        clients.append(CLIENTS[plc.settings.transport](plc.port))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def sequences(plc, since):
    return [write.sequence for write in plc.writes[since:]]


def test_what_came_in_while_frozen_is_executed_afterwards_though_its_client_gave_up(plc, connect, good_block):
    client, before = connect(), len(plc.writes)
    plc.freeze()
    with pytest.raises(LostError):
        client.write(good_block(4), VAIN_S)
    frozen = sequences(plc, before)
    client.close()

    plc.thaw()

    plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 4, SOON_S)
    assert (frozen, sequences(plc, before)) == ([], [4])


def test_withheld_answer_belongs_to_a_result_that_was_executed(plc, connect, good_block):
    client, withheld = connect(), plc.withheld_answers
    plc.withhold_answers(1, kind="results")

    with pytest.raises(LostError):
        client.write(good_block(6), VAIN_S)

    plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 6, SOON_S)
    assert plc.withheld_answers == withheld + 1
    connect().write(good_block(7))


def test_delayed_answer_comes_late_and_its_request_is_executed_at_once(plc, connect, good_block):
    client = connect()
    plc.delay_answers(300)
    begun = time.monotonic()
    with pytest.raises(LostError):
        client.write(good_block(6), 0.1)
    plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 6, SOON_S)

    client.write(good_block(7))

    assert time.monotonic() - begun >= 0.3
    plc.delay_answers(0)


def test_damaged_result_is_counted_and_not_acknowledged(plc, connect, good_block):
    client = connect()
    plc.damage_next_result()
    client.write(good_block(1))
    plc.wait_until(lambda: plc.counters["damaged"] == 1, SOON_S)

    assert plc.word(Word.ACK_SEQ) == 0


def test_cut_line_drops_its_clients_refuses_new_ones_and_is_mended_on_the_same_port(plc, connect, good_block):
    client, port = connect(), plc.port
    client.write(good_block(1))

    plc.cut()
    with pytest.raises(LostError):
        client.write(good_block(2), VAIN_S)
    with pytest.raises(LostError):
        connect()
    plc.mend()

    assert plc.port == port
    connect().write(good_block(3))
    plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 3, SOON_S)


def test_power_loss_drops_the_clients_and_they_may_connect_again(plc, connect, good_block):
    client, boot = connect(), plc.boot
    client.write(good_block(1))

    plc.restart(keep_memory=True, drop_connections=True)

    with pytest.raises(LostError):
        client.write(good_block(2), VAIN_S)
    connect().write(good_block(3))
    assert plc.boot == boot + 1
