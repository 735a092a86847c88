"""The simulated controller over JSON lines, asked through plain sockets."""

import json
import socket

import pytest

from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import Word

SOON_S = 20


@pytest.fixture
def plc():
    with SimulatedPlc(PlcSettings(transport="tcp", boot=7)) as plc:
        yield plc


class Peer:
    def __init__(self, connection):
        connection.settimeout(SOON_S)
        self.connection, self.lines = connection, connection.makefile("rb")

    def ask(self, **words):
        self.connection.sendall(json.dumps(words).encode() + b"\n")
        return json.loads(self.lines.readline())

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.lines.close()
        self.connection.close()


def peer(plc):
    return Peer(socket.create_connection(("127.0.0.1", plc.port)))


def result(good_block, sequence):
    names = ["VIS_HB", "RES_SEQ", "VERDICT", "CLASS", "LANE", "RES_BOOT", "REASON", "CHECK", "STATE"]
    return dict(zip(names, good_block(sequence), strict=True))


@pytest.mark.parametrize(
    "line",
    [
        b"hello", b"[1]", b'{"VIS_HB": 1}', b'{"ASK": 1, "VERDICT": true}', b'{"ASK": 1, "VERDICT": 65536}',
        b'{"ASK": 1, "TRIG_SEQ": 5}', b'{"ASK": 1, "VERDICT": 1.0}', b'{"ASK": 1}' + b" " * 4096,
    ],
    ids=["no-json", "no-object", "no-ask", "no-number", "too-large", "controllers-word", "fraction", "too-long"],
)  # fmt: skip
def test_line_that_is_not_the_stations_ends_the_connection_and_writes_nothing(plc, line):
    with peer(plc) as station:
        station.connection.sendall(line + b"\n")

        assert station.lines.read() == b""
    assert plc.word(Word.VERDICT) == plc.word(Word.VIS_HB) == plc.word(Word.TRIG_SEQ) == 0


def test_question_is_answered_with_all_words_of_the_controller_and_its_own_number(plc):
    plc.wait_until(lambda: plc.scans > 0, SOON_S)
    plc.set_part_id("A-17")
    with peer(plc) as station:
        answer = station.ask(ASK=41)

    assert answer.pop("PLC_HB") >= 0
    assert answer == {
        "ASK": 41, "TRIG_SEQ": 0, "ACK_SEQ": 0, "CMD": 1, "RECIPE": 0, "WINDOW_MS": 200, "PLC_BOOT": 7,
        "PART_ID": "A-17",
    }  # fmt: skip


def test_result_is_one_request_to_the_gate_and_is_acknowledged(plc, good_block):
    with peer(plc) as station:
        station.ask(ASK=1, **result(good_block, 5))
        plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 5, SOON_S)

        assert station.ask(ASK=2)["ACK_SEQ"] == 5
    assert [(write.sequence, write.verdict, write.count) for write in plc.writes] == [(5, 1, 9)]


def test_lines_in_pieces_and_several_in_one_packet_are_each_answered_in_order(plc):
    with peer(plc) as station:
        for byte in b'{"ASK": 1}\n':
            station.connection.sendall(bytes([byte]))
        station.connection.sendall(b'{"ASK": 2}\n{"ASK": 3}\n')

        assert [json.loads(station.lines.readline())["ASK"] for _ in range(3)] == [1, 2, 3]


def test_all_that_came_in_while_frozen_is_executed_in_order_though_the_station_has_gone(plc, good_block):
    with peer(plc) as station:
        station.ask(ASK=0)
        plc.freeze()
        for sequence in (1, 2, 3):
            station.connection.sendall(json.dumps({"ASK": 1, **result(good_block, sequence)}).encode() + b"\n")
    plc.wait_until(lambda: not plc._link._connections, SOON_S)

    plc.thaw()

    plc.wait_until(lambda: len(plc.writes) == 3, SOON_S)
    assert [write.sequence for write in plc.writes] == [1, 2, 3]


def test_as_client_it_connects_to_a_station_that_comes_later_and_again_after_the_connection_ended():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with SimulatedPlc(PlcSettings(transport="tcp", role="client", port=port, boot=7)) as plc:
        plc.wait_until(lambda: plc.scans > 20, SOON_S)  # nobody listens: it has tried in vain
        with socket.create_server(("127.0.0.1", port)) as listener:
            listener.settimeout(SOON_S)
            for number in (1, 2):
                with Peer(listener.accept()[0]) as station:
                    assert station.ask(ASK=number)["PLC_BOOT"] == 7


def test_as_client_a_cut_line_ends_and_is_made_anew_when_mended():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SOON_S)
        settings = PlcSettings(transport="tcp", role="client", port=listener.getsockname()[1], boot=7)
        with SimulatedPlc(settings) as plc:
            with Peer(listener.accept()[0]) as station:
                station.ask(ASK=1)
                plc.cut()
                with pytest.raises((ConnectionResetError, json.JSONDecodeError)):
                    station.ask(ASK=2)
            listener.settimeout(0.3)
            with pytest.raises(TimeoutError):
                listener.accept()
            listener.settimeout(SOON_S)
            plc.mend()

            with Peer(listener.accept()[0]) as station:
                assert station.ask(ASK=1)["PLC_BOOT"] == 7
