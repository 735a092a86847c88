"""Remote I/O and relays on a serial line: what goes over the cable, and every way it can fail."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from partgate.configfile import load_config
from partgate.controllers.block import State, StationWords
from partgate.controllers.serial import ModbusRtuLines, RelayFrameLines, SerialControllerConfig, relay_frame
from partgate.controllers.wired import Wiring
from partgate.errors import ConfigError, ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict
from partgate.station.config import StationConfig

WIRING = Wiring(trigger=0, good=2, ready=0, busy=1, heartbeat=3)
ONLINE = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)


def rtu(port: object, **settings: Any) -> SerialControllerConfig:
    defaults = {"wiring": WIRING, "poll_ms": 10, "answer_within_s": 0.25, "window_ms": 20000, "good_ms": 5000}
    return SerialControllerConfig(kind="serial", protocol="modbus_rtu", port=str(port), **{**defaults, **settings})


def relays(port: object, **settings: Any) -> SerialControllerConfig:
    wiring = Wiring(trigger="cts", good=1, heartbeat=2)
    return SerialControllerConfig(kind="serial", protocol="relay_frames", port=str(port), wiring=wiring, **settings)


@pytest.mark.parametrize("answer", ["mute", "half", "stray"])
def test_answer_that_is_not_whole_or_not_its_own_is_an_error_in_time(remote_io, wait_for, answer: str):
    with rtu(remote_io.port).open() as controller:
        remote_io.process.tell(answer)
        with pytest.raises(ControllerError, match=r"serial modbus_rtu .*(got no answer|belongs to another request)"):
            wait_for(controller.read and (lambda: controller.read() is None))
        with pytest.raises(ControllerError, match="could not be switched off"):
            controller.write_state(ONLINE)


def test_unit_that_is_not_there_is_named_with_the_baud_rate(remote_io):
    with pytest.raises(ControllerError, match="is unit 9 there, at 9600 baud"):
        rtu(remote_io.port, unit=9).open().__enter__()


def test_line_that_the_module_lacks_is_refused_and_named(remote_io):
    wiring = Wiring(trigger=0, good=200)

    with pytest.raises(ControllerError, match=r"write_coil at 200 was refused .*does unit 1 have this line"):
        rtu(remote_io.port, wiring=wiring).open().__enter__()


def test_unplugged_adapter_is_an_error_and_a_new_one_is_taken_without_a_good(remote_io, wait_for: Callable[..., None]):
    controller = rtu(remote_io.port).open()
    with controller:
        remote_io.unplug()
        with pytest.raises(ControllerError, match="serial modbus_rtu"):
            wait_for(lambda: controller.read() is None)
    remote_io.cable.plug()
    remote_io.start()

    def opens() -> bool:
        try:
            controller.__enter__()
        except ControllerError:
            return False
        return True

    wait_for(opens)
    assert controller.read().trigger_sequence == 0
    controller.__exit__()
    assert remote_io.changes(2) == []


def test_port_is_held_for_one_station_alone(remote_io):
    with (
        rtu(remote_io.port).open(),
        pytest.raises(ControllerError, match=r"cannot be opened .*used by no other program"),
        rtu(remote_io.port).open(),
    ):
        pass


def test_port_that_is_not_there_is_tried_again_after_a_pause(tmp_path: Path):
    controller = rtu(tmp_path / "nothing").open()

    with pytest.raises(ControllerError, match=r"nothing\): cannot be opened \(.*\); is it plugged in"):
        controller.__enter__()
    with pytest.raises(ControllerError, match=r"is tried again in 0\.1 s"):
        controller.__enter__()


def test_inputs_may_be_read_as_coils(remote_io, wait_for: Callable[..., None]):
    with rtu(remote_io.port, inputs="coils", wiring=Wiring(trigger=8, enable=9, good=2)).open() as controller:
        remote_io.set_input(0, True)
        wait_for(lambda: controller.read().trigger_sequence == 1)


def test_relay_before_the_station_was_killed_goes_off_when_it_is_back(remote_io, wait_for: Callable[..., None]):
    left_on = ModbusRtuLines(rtu(remote_io.port))
    left_on.open([], [])
    left_on.write({2: True})
    left_on.close()
    wait_for(lambda: remote_io.changes(2) == [True])

    with rtu(remote_io.port).open():
        wait_for(lambda: remote_io.changes(2) == [True, False])


def test_relay_frames_on_the_cable_are_those_of_the_data_sheet(serial_cable):
    far = os.open(serial_cable.far, os.O_RDWR | os.O_NOCTTY)
    lines = RelayFrameLines(relays(serial_cable.near))
    lines.open([], [])
    lines.write({1: True, 2: False})

    received = b""
    while len(received) < 8:
        received += os.read(far, 8)
    os.close(far)
    lines.close()

    assert received.hex(" ") == "a0 01 01 a2 a0 02 00 a2"
    assert relay_frame(255, on=True)[-1] == (0xA0 + 255 + 1) % 256


def test_port_without_modem_lines_says_so(serial_cable):
    with pytest.raises(ControllerError, match=r"cannot read cts \(.*\); is it plugged in, and a port with modem lines"):
        relays(serial_cable.near).open().__enter__()


def test_trigger_on_a_modem_line_gets_its_good(wait_for: Callable[..., None]):
    """pyserial's own loop: RTS comes back as CTS, and what is sent comes back, too."""
    controller = relays("loop://", window_ms=20000, good_ms=5000).open()
    with controller:
        port = controller.terminal._lines._port  # type: ignore[attr-defined]
        for level in (False, True):
            port.rts = level
            controller.read()
        words = controller.read()
        port.reset_input_buffer()
        trigger = Trigger(words.boot, words.trigger_sequence, 200, 0.0, 0.2)
        controller.send(Result(trigger, Decision(Verdict.GOOD, Reason.MODEL), 0, 1), ONLINE)

        assert words.trigger_sequence == 1
        assert port.read(4) == relay_frame(1, on=True)


def test_unplugged_relay_is_told_with_what_may_still_be_on(serial_cable, wait_for: Callable[..., None]):
    lines = RelayFrameLines(relays(serial_cable.near))
    lines.open([], [])
    serial_cable.unplug()

    def switches() -> bool:
        lines.write({1: True})
        return False

    with pytest.raises(OSError, match="relays cannot be switched"):
        wait_for(switches)
    lines.close()


@pytest.mark.parametrize(
    ("protocol", "wiring", "problem"),
    [
        ("modbus_rtu", {"trigger": "cts", "good": 0}, "lines of modbus_rtu are addresses from 0 to 65535, got 'cts'"),
        ("modbus_rtu", {"trigger": 0, "good": 70000}, "addresses from 0 to 65535, got 70000"),
        ("modbus_rtu", {"trigger": 0, "enable": 5000, "good": 0}, "inputs must lie within 2000 addresses"),
        ("relay_frames", {"trigger": 0, "good": 1}, "inputs of relay_frames are cts, dsr, dcd, ri, got 0"),
        ("relay_frames", {"trigger": "cts", "good": 0}, "outputs of relay_frames are relays from 1 to 255, got 0"),
    ],
)
def test_line_that_the_protocol_does_not_have_is_refused(protocol: Any, wiring: dict, problem: str):
    with pytest.raises(ValidationError, match=problem):
        SerialControllerConfig(kind="serial", protocol=protocol, port="/dev/ttyUSB0", wiring=Wiring(**wiring))


def test_mistakes_in_a_station_file_are_all_told_in_one_go(tmp_path: Path):
    station = Path(__file__).parents[2] / "configs/stations/serial-relay.yaml"
    text = station.read_text(encoding="utf-8").replace("port:", "prot:").replace("good: 2", "good: yes")
    (tmp_path / "wrong.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as told:
        load_config(tmp_path / "wrong.yaml", StationConfig)

    assert "did you mean 'port'?" in str(told.value)
    assert "wiring.good: must not be yes" in str(told.value)
