"""The registers of a PLC, as an independent server holds them, and a PLC that is off, frozen or loses an answer."""

from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient

from partgate.controllers.block import State, StationWords
from partgate.controllers.modbus import ModbusControllerConfig
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict
from partgate.simulate.plc import SimulatedPlc

from ..ports import free_port
from .counterparts import libmodbus

ONLINE = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)


def good(sequence: int = 1, boot: int = 1) -> Result:
    return Result(Trigger(boot, sequence, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)


def test_modbus_block_stands_in_the_registers_of_an_independent_server(tmp_path: Path):
    with libmodbus(tmp_path) as config:
        assert isinstance(config, ModbusControllerConfig)
        with config.open() as controller:
            controller.send(good(sequence=4711, boot=3), ONLINE)
        client = ModbusTcpClient(config.host, port=config.port)
        assert client.connect()
        registers = client.read_holding_registers(config.first_register, count=11, device_id=1).registers
        client.close()

    check = (4711 + 3 * 1 + 11 * 1 + 13 * 3 + 42330) % 65536
    assert registers == [1, 4711, 1, 0, 1, 3, 0, check, 0b11, 0, 1]


def test_modbus_state_leaves_the_result_words_alone(tmp_path: Path):
    with libmodbus(tmp_path) as config:
        assert isinstance(config, ModbusControllerConfig)
        with config.open() as controller:
            controller.send(good(sequence=7), ONLINE)
            controller.write_state(StationWords(9, State.ONLINE, Fault.CAMERA, 4))
        client = ModbusTcpClient(config.host, port=config.port)
        assert client.connect()
        registers = client.read_holding_registers(config.first_register, count=11, device_id=1).registers
        client.close()

    assert (registers[0], registers[1], registers[8:]) == (9, 7, [1, 1, 4])


def test_plc_that_is_switched_off_is_named_with_address_and_next_step():
    port = free_port()

    with (
        pytest.raises(ControllerError, match=rf"\(modbus 127\.0\.0\.1:{port}\): no connection; is the PLC on"),
        ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=port).open(),
    ):
        pass


def test_plc_without_the_registers_says_which_it_must_offer(tmp_path: Path):
    with libmodbus(tmp_path) as config:
        assert isinstance(config, ModbusControllerConfig)
        beyond = config.model_copy(update={"first_register": 190})
        with beyond.open() as controller, pytest.raises(ControllerError, match="must offer registers 190 to 245"):
            controller.read()


def test_frozen_plc_gives_an_error_within_the_time_out_and_not_a_hang():
    with SimulatedPlc() as plc:
        config = ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=plc.port, answer_within_s=0.05)
        with config.open() as controller:
            plc.freeze()
            with pytest.raises(ControllerError, match="got no answer"):
                controller.send(good(), ONLINE)
            with pytest.raises(ControllerError, match="is not connected"):
                controller.read()
        plc.thaw()


def test_result_is_never_repeated_after_an_answer_was_lost():
    with SimulatedPlc() as plc:
        config = ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=plc.port, answer_within_s=0.05)
        with config.open() as controller:
            plc.withhold_answers(1, kind="results")
            with pytest.raises(ControllerError):
                controller.send(good(), ONLINE)

        assert [write.sequence for write in plc.writes] == [1]
