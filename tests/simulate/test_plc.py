"""The simulated controller as a whole: parts, faults, start and stop."""

import asyncio
import socket
import sys
import threading
import time

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from partgate.errors import ControllerError
from partgate.simulate.conveyor import ConveyorSettings
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import Word

SOON_S = 20  # far beyond what anything here takes, for a busy machine
SHORT_BELT = ConveyorSettings(interval_ms=300, travel_ms=300)


# ---- words and parts ----


def test_words_that_the_controller_asks_for_are_there(client, plc):
    plc.set_recipe(12)
    plc.set_lot("L5")
    plc.set_part_id("A1")
    plc.enable(False)
    plc.wait_until(lambda: plc.word(Word.CMD) == 0, SOON_S)

    assert client.read_holding_registers(Word.RECIPE).registers == [12]
    assert client.read_holding_registers(Word.LOT, count=2).registers == [0x4C35, 0]
    assert client.read_holding_registers(Word.PART_ID, count=2).registers == [0x4131, 0]


def test_word_out_of_range_is_refused(plc):
    with pytest.raises(ValueError, match=r"RECIPE must be 0\.\.65535, got 65536"):
        plc.set_recipe(65536)


def test_part_id_comes_with_its_trigger():
    with SimulatedPlc(PlcSettings(part_id_prefix="P")) as plc:
        plc.feed()
        plc.wait_until(lambda: plc.word(Word.TRIG_SEQ) == 1, SOON_S)

        assert plc.word(Word.PART_ID) == 0x5031


def test_parts_take_the_lanes_that_the_station_names(plc, make_station):
    with make_station(plc.port, lane=2):
        plc.wait_until(lambda: plc.is_station_ready, SOON_S)
        plc.feed(3)
        plc.wait_until(lambda: plc.is_belt_empty, SOON_S)

    assert [(part.number, part.boot, part.sequence, part.lane) for part in plc.outcomes] == [
        (1, 7, 1, 2),
        (2, 7, 2, 2),
        (3, 7, 3, 2),
    ]
    assert [write.sequence for write in plc.writes] == [1, 2, 3]
    assert plc.counters["good"] == 3


def test_sequence_set_before_the_wrap_goes_on_at_1(plc, make_station):
    plc.set_sequence(65533)
    with make_station(plc.port):
        plc.wait_until(lambda: plc.is_station_ready, SOON_S)
        plc.feed(4)
        plc.wait_until(lambda: plc.is_belt_empty, SOON_S)

    assert [(part.sequence, part.lane) for part in plc.outcomes] == [(65534, 1), (65535, 1), (1, 1), (2, 1)]


def test_double_trigger_touching_taken_away_and_stray_are_made_and_counted(plc, make_station):
    with make_station(plc.port, is_silent=True):
        plc.wait_until(lambda: plc.is_station_ready, SOON_S)
        plc.double_trigger()
        plc.feed(touching=2)
        plc.feed()
        plc.take_away(5)
        plc.wait_until(lambda: plc.entered == 5, SOON_S)
        plc.put_at_gate()
        plc.wait_until(lambda: plc.is_belt_empty and plc.counters["missing"] == 1, SOON_S)

    assert plc.taken_away == [5]
    assert [part.lane for part in plc.outcomes] == [0] * 5
    assert plc.counters["overrun"] == 1
    assert plc.counters["stray"] == 1


def test_endless_feeding_ends_when_it_is_told_to(plc):
    plc.feed_endlessly()
    plc.wait_until(lambda: plc.entered >= 2, SOON_S)
    plc.stop_feeding()
    plc.wait_until(lambda: plc.is_belt_empty, SOON_S)

    assert len(plc.outcomes) == plc.entered


# ---- faults ----


def test_missed_scans_are_not_made_up_for(plc):
    """Held for 30 scans' time, the loop goes on with the next scan alone, not with thirty in a row."""
    plc.wait_until(lambda: plc.scans >= 3, SOON_S)
    plc.freeze()
    frozen_at = plc.scans
    held_until = time.monotonic() + 0.3
    plc.wait_until(lambda: time.monotonic() >= held_until, SOON_S)
    thawed_at = time.monotonic()

    plc.thaw()
    plc.wait_until(lambda: plc.scans >= frozen_at + 5, SOON_S)

    assert time.monotonic() - thawed_at >= 0.03


def test_belt_stands_still_with_the_frozen_controller(plc):
    plc.feed()
    plc.wait_until(lambda: plc.entered == 1, SOON_S)
    plc.freeze()
    scans = plc.scans

    plc.thaw()
    plc.wait_until(lambda: plc.is_belt_empty, SOON_S)

    assert scans < plc.scans
    assert plc.counters["reject"] == 1


def test_damage_is_done_to_one_result_alone_and_counted_once(plc, client, good_block):
    plc.damage_next_result()
    client.write_registers(0, good_block(1))
    plc.wait_until(lambda: plc.counters["damaged"] == 1, SOON_S)
    client.write_registers(0, good_block(2))
    plc.wait_until(lambda: plc.word(Word.ACK_SEQ) == 2, SOON_S)

    assert plc.counters["damaged"] == 1


def test_restarted_controller_has_the_next_boot_and_empty_registers(plc, client, good_block):
    client.write_registers(0, good_block(1))
    plc.restart()

    assert plc.boot == 8
    assert client.read_holding_registers(0, count=16).registers == [0] * 16
    assert plc.watchdog_fault


def test_restart_with_power_loss_drops_the_clients(plc, client):
    assert not client.read_holding_registers(0).isError()

    plc.restart(keep_memory=True, drop_connections=True)

    with pytest.raises((ModbusException, OSError)):
        client.read_holding_registers(0)


def test_cut_cable_drops_clients_refuses_new_ones_and_is_mended_on_the_same_port(plc, client):
    port = plc.port
    assert not client.read_holding_registers(0).isError()

    plc.cut()
    with pytest.raises((ModbusException, OSError)):
        client.read_holding_registers(0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=SOON_S)
    scans = plc.scans
    plc.wait_until(lambda: plc.scans > scans, SOON_S)
    plc.mend()

    assert plc.port == port
    with ModbusTcpClient("127.0.0.1", port=port, retries=0) as again:
        assert not again.read_holding_registers(0).isError()


def test_totals_count_over_all_starts_of_the_controller(plc, client, good_block):
    plc.damage_next_result()
    client.write_registers(0, good_block(1))
    plc.wait_until(lambda: plc.counters["damaged"] == 1, SOON_S)

    plc.restart()
    plc.damage_next_result()
    client.write_registers(0, good_block(2))
    plc.wait_until(lambda: plc.totals["damaged"] == 2, SOON_S)

    assert plc.counters["damaged"] == 1


# ---- start and stop ----


def test_missing_library_of_a_transport_is_named_with_how_to_get_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "partgate.simulate.opcua_link", raising=False)
    monkeypatch.setitem(sys.modules, "asyncua", None)

    with pytest.raises(ControllerError, match=r"transport opcua needs asyncua.*pip install 'partgate\[opcua\]'"):
        SimulatedPlc(PlcSettings(transport="opcua"))


def test_port_in_use_is_named_with_what_to_do(plc):
    second = SimulatedPlc(PlcSettings(port=plc.port))

    with pytest.raises(ControllerError, match=rf"127\.0\.0\.1:{plc.port}\): cannot listen.*choose another port"):
        second.start()


def test_address_of_another_machine_is_refused_with_what_to_do():
    with pytest.raises(ControllerError, match=r"192\.0\.2\.1.*give an address of this machine"):
        SimulatedPlc(PlcSettings(host="192.0.2.1")).start()


def test_two_starts_have_two_boot_numbers():
    first, later = SimulatedPlc().boot, set()
    with SimulatedPlc() as plc:
        plc.wait_until(lambda: later.add(SimulatedPlc().boot) or later - {first}, SOON_S)

    assert later - {first}


def test_wait_that_is_in_vain_tells_what_was_seen(plc):
    with pytest.raises(TimeoutError, match=r"not so within 0\.01 s; scan \d+"):
        plc.wait_until(lambda: False, 0.01)


def test_stopped_controller_no_longer_listens_and_says_that_it_must_be_started():
    with SimulatedPlc() as plc:
        port = plc.port
    plc.stop()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=SOON_S)
    with pytest.raises(RuntimeError, match="must be started first"):
        plc.freeze()


def test_frozen_controller_with_a_client_can_be_stopped():
    with SimulatedPlc() as plc:
        connection = socket.create_connection(("127.0.0.1", plc.port), timeout=SOON_S)
        plc.freeze()
        connection.sendall(b"\0\1\0\0\0\6\1\3\0\0\0\1")

    with connection:
        assert connection.recv(100) == b""


def test_failure_of_the_simulator_itself_is_told_to_whoever_waits():
    plc = SimulatedPlc()
    plc._conveyor = None
    with plc, pytest.raises(RuntimeError, match="stopped scanning"):
        plc.wait_until(lambda: False, SOON_S)


def test_nothing_of_the_event_loop_is_left_behind():
    before = threading.active_count()
    with SimulatedPlc():
        pass

    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
