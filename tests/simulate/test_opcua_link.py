"""The simulated controller over OPC UA, asked by asyncua's client."""

import pytest
from asyncua import ua
from asyncua.sync import Client

from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import Word

SOON_S = 20
STATION = ["VIS_HB", "RES_SEQ", "VERDICT", "CLASS", "LANE", "RES_BOOT", "REASON", "CHECK", "STATE"]
CONTROLLER = ["TRIG_SEQ", "ACK_SEQ", "CMD", "RECIPE", "WINDOW_MS", "PLC_BOOT", "PART_ID", "LOT"]
UINT16 = ua.VariantType.UInt16


@pytest.fixture(scope="module")
def running():
    with SimulatedPlc(PlcSettings(transport="opcua", boot=7)) as plc:  # its address space takes a second
        yield plc


@pytest.fixture
def plc(running):
    running.restart()
    return running


@pytest.fixture
def client(plc):
    with Client(f"opc.tcp://127.0.0.1:{plc.port}", timeout=SOON_S) as client:
        yield client


def nodes(client, names):
    return [client.get_node(f"ns=2;s=Partgate.{name}") for name in names]


def values(words, kind=UINT16):
    return [ua.DataValue(ua.Variant(word, kind)) for word in words]


# ---- bad input ----


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("PLC_BOOT", UINT16, "BadNotWritable"),
        ("PART_ID", UINT16, "BadNotWritable"),
        ("VERDICT", ua.VariantType.Int16, "BadTypeMismatch"),
        ("VERDICTS", UINT16, "BadNodeIdUnknown"),
    ],
)
def test_write_of_another_word_or_type_is_refused_with_its_own_status_and_changes_nothing(
    plc, client, name, kind, code
):
    boot = plc.boot

    with pytest.raises(ua.UaStatusCodeError) as refused:
        client.get_node(f"ns=2;s=Partgate.{name}").write_value(values([1], kind)[0])

    assert type(refused.value).__name__ == code
    assert (plc.boot, plc.word(Word.VERDICT)) == (boot, 0)


def test_node_of_the_server_itself_cannot_be_written(client):
    with pytest.raises(ua.UaStatusCodeError):
        client.get_node(ua.NodeId(ua.ObjectIds.Server_ServerArray)).write_value(["urn:other"])


# ---- words ----


def test_words_are_uint16_and_texts_are_strings(client):
    word, text = nodes(client, ["VERDICT", "LOT"])

    assert word.read_data_type_as_variant_type() == UINT16
    assert text.read_data_type_as_variant_type() == ua.VariantType.String


def test_all_words_of_the_controller_are_read_in_one_request(plc, client):
    plc.wait_until(lambda: plc.word(Word.CMD) == 1, SOON_S)
    plc.set_part_id("A-17")

    read = client.read_values(nodes(client, CONTROLLER))

    assert read == [0, 0, 1, 0, 200, plc.boot, "A-17", ""]


def test_block_written_in_one_request_is_one_request_to_the_gate_and_is_acknowledged(plc, client, good_block):
    before = len(plc.writes)

    client.write_values(nodes(client, STATION), values(good_block(5)))

    plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 5, SOON_S)
    (write,) = plc.writes[before:]
    assert (write.sequence, write.verdict, write.offset, write.count) == (5, 1, 0, 9)
    assert client.read_values(nodes(client, STATION)) == good_block(5)


def test_port_in_use_is_named_with_what_to_do(plc):
    from partgate.errors import ControllerError

    second = SimulatedPlc(PlcSettings(transport="opcua", port=plc.port))

    with pytest.raises(ControllerError, match=rf"opcua 127\.0\.0\.1:{plc.port}\): cannot listen.*choose another port"):
        second.start()
