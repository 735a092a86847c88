"""The stack light: what each state shows, and that lamps never stop the line or touch its outputs."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from partgate.controllers import lamps
from partgate.controllers.digital import DigitalControllerConfig
from partgate.controllers.lamps import Colour, DigitalLamps, Lamp, SerialLamps, StackLight, StackLightConfig, lamps_for
from partgate.controllers.memory import MemoryControllerConfig
from partgate.controllers.serial import SerialControllerConfig
from partgate.controllers.wired import Line, Wiring
from partgate.errors import ConfigError
from partgate.parts import Fault, StationState, StationStatus

S, F = StationState, Fault
CONFIG = StackLightConfig(lines=SerialLamps(kind="serial", protocol="relay_frames", port="x"), red=1, yellow=2, green=3)


def status(
    state: StationState = S.READY, fault: Fault = F.NONE, *, warnings: tuple[str, ...] = (), shadow: bool = False,
    results: int = 0,
) -> StationStatus:  # fmt: skip
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return StationStatus("a", now, state, fault, True, shadow, "cover", 1, warnings, results=results)


TABLE = [  # red, yellow, green, blue: - off, # on, * flashing
    (status(S.PREOPERATIONAL), "----"),
    (status(S.PREOPERATIONAL, F.CAMERA, warnings=("drift",)), "----"),
    (status(S.INITIALIZED), "--*-"),
    (status(S.READY), "--#-"),
    (status(S.SINGLE_EXECUTION), "--#-"),
    (status(S.CONTINUOUS_EXECUTION), "--#-"),
    (status(warnings=("yield falls",)), "-##-"),
    (status(shadow=True), "-##-"),
    (status(fault=F.NO_ACKNOWLEDGE), "-*#-"),
    (status(fault=F.RECORDS), "-*#-"),
    (status(S.ERROR, F.RECORDS), "*---"),
    (status(S.ERROR), "*---"),
    (status(S.ERROR, F.CAMERA), "*---"),
    (status(S.ERROR, F.CAMERA, warnings=("drift",)), "*#--"),
    (status(S.READY, F.CAMERA), "*---"),
    (status(S.INITIALIZED, F.NO_ACKNOWLEDGE), "-**-"),
    (status(S.INITIALIZED, F.CONTROLLER_LOST), "*---"),
    (status(S.ERROR, F.GOLDEN_SAMPLE), "*--*"),
    (status(S.ERROR, F.SERIES), "*--*"),
    (status(S.READY, F.SERIES), "-*#*"),
    (status(S.INITIALIZED, F.RECORDS), "-**-"),
    (status(S.HALTED), "#--*"),
    (status(S.HALTED, F.SERIES), "*--*"),
]


@pytest.mark.parametrize(
    ("said", "shown"), TABLE, ids=[f"{s.state.name}-{s.fault.name}-{n}" for n, (s, _) in enumerate(TABLE)]
)
def test_lamps_show_what_the_table_says(said: StationStatus, shown: str):
    sign = {"-": Lamp.OFF, "#": Lamp.ON, "*": Lamp.FLASHING}

    assert lamps_for(said) == {colour: sign[mark] for colour, mark in zip(Colour, shown, strict=True)}


@given(st.sampled_from(StationState), st.sampled_from(Fault), st.integers(0, 10**6))
def test_rejected_parts_never_change_a_lamp_and_red_never_stands_beside_green(state, fault, results: int):
    found = lamps_for(status(state, fault, results=results))

    assert found == lamps_for(status(state, fault))
    assert Lamp.OFF in (found[Colour.RED], found[Colour.GREEN])


class Relay:
    """A device that keeps what was switched, and can fail."""

    def __init__(self) -> None:
        self.switched: list[Mapping[Line, bool]] = []
        self.tries = self.opened = 0
        self.fails = False

    def open(self) -> None:
        self.opened += 1

    def switch(self, outputs: Mapping[Line, bool]) -> None:
        self.tries += 1
        if self.fails:
            raise OSError("is not there")
        self.switched.append(dict(outputs))

    def close(self) -> None:
        pass


def test_lamps_are_switched_and_go_off_at_the_end(wait_for: Callable[..., None]):
    relay = Relay()

    with StackLight(CONFIG, relay) as light:
        light.show(status())
        wait_for(lambda: relay.switched[-1:] == [{1: False, 2: False, 3: True}])

    assert relay.switched[-1] == {1: False, 2: False, 3: False}


def test_flashing_is_two_a_second_at_ten_calls_a_second(wait_for: Callable[..., None]):
    relay, shown = Relay(), []

    with StackLight(CONFIG, relay) as light:
        for _ in range(10):
            light.show(status(S.ERROR, F.CAMERA))
            shown.append(light._wanted[Colour.RED])

    assert "".join("#" if on else "-" for on in shown) == "##--###--#"


def test_lost_lamps_are_told_once_and_never_reach_the_caller(caplog, wait_for: Callable[..., None]):
    relay = Relay()
    relay.fails = True

    with caplog.at_level(logging.WARNING), StackLight(CONFIG, relay, again_after_s=0.01) as light:
        light.show(status())
        wait_for(lambda: relay.tries > 4)
        relay.fails = False
        wait_for(lambda: relay.switched)
        light.show(status(S.ERROR))
        wait_for(lambda: relay.switched[-1][1])

    assert [record.message for record in caplog.records] == [
        "stack light: is not there; the line goes on without it",
        "stack light is back",
    ]


def test_station_that_says_nothing_any_more_shows_red_alone(monkeypatch, wait_for: Callable[..., None]):
    monkeypatch.setattr(lamps, "SILENT_AFTER_S", 0.05)
    monkeypatch.setattr(lamps, "_REFRESH_S", 0.01)
    relay = Relay()

    with StackLight(CONFIG, relay) as light:
        light.show(status())
        wait_for(lambda: relay.switched[-1:] == [{1: True, 2: False, 3: False}])


def serial_controller(port: str) -> SerialControllerConfig:
    wiring = Wiring(trigger=0, good=2, ready=0, busy=1, heartbeat=3)
    return SerialControllerConfig(
        kind="serial", protocol="modbus_rtu", port=port, poll_ms=10, answer_within_s=0.25, window_ms=1000, wiring=wiring
    )


def test_spare_outputs_of_the_controller_carry_lamps_and_a_bad_one_leaves_the_line_alone(
    remote_io, wait_for: Callable[..., None], caplog
):
    with serial_controller(remote_io.port).open() as controller:
        with StackLightConfig(lines="controller", green=5).open(controller) as light:
            light.show(status())
            wait_for(lambda: remote_io.changes(5) == [True])
        with StackLightConfig(lines="controller", green=500).open(controller) as light:
            wait_for(lambda: "write_coil at 500 was refused" in caplog.text)
            controller.read()

    assert remote_io.changes(5) == [True, False]


def test_lamps_of_a_controller_go_off_with_it_and_its_absence_is_not_told(
    remote_io, wait_for: Callable[..., None], caplog
):
    controller = serial_controller(remote_io.port).open()
    with StackLightConfig(lines="controller", green=5).open(controller) as light:
        light.show(status())
        with controller:
            wait_for(lambda: remote_io.changes(5) == [True])
        wait_for(lambda: remote_io.changes(5) == [True, False])

    assert caplog.text == ""


def test_lamp_on_an_output_of_the_handshake_is_refused():
    controller = serial_controller("x").open()

    with pytest.raises(ConfigError, match=r"stack_light\.green: output 2 belongs to the handshake"):
        StackLightConfig(lines="controller", green=2).open(controller)
    with pytest.raises(ValueError, match="output 2 belongs to the handshake"):
        controller.terminal.switch({2: True})


@pytest.mark.parametrize(
    "controller",
    [
        MemoryControllerConfig(kind="memory").open(),
        DigitalControllerConfig(kind="digital", chip="x", wiring=Wiring(trigger=0, good=1)).open(),
    ],
    ids=["memory", "digital"],
)
def test_controller_without_spare_outputs_is_refused(controller):
    with pytest.raises(
        ConfigError, match="'controller' needs a controller of kind serial, got controller 'controller'"
    ):
        StackLightConfig(lines="controller", green=2).open(controller)


def test_lamps_on_the_boards_own_outputs(board, wait_for: Callable[..., None]):
    config = StackLightConfig(lines=DigitalLamps(kind="digital", chip="/dev/gpiochip0"), red=1, green="LED")

    with config.open(MemoryControllerConfig(kind="memory").open()) as light:
        light.show(status())
        wait_for(lambda: board.changes("LED") == [True])

    assert board.changes("LED") == [True, False]
    assert board.changes(1) == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"lines": "controller"}, "must name at least one lamp"),
        ({"lines": "controller", "red": 1, "green": 1}, "each lamp needs an output of its own, got 1, 1"),
        ({"lines": "relay", "red": 1}, "must be 'controller', or hold kind"),
        ({"lines": {"kind": "relay"}, "red": 1}, "unknown kind 'relay'; known kinds: digital, serial"),
        (
            {"lines": {"kind": "serial", "protocol": "relay_frames", "port": "x"}, "red": 0},
            "relays from 1 to 255, got 0",
        ),
        ({"lines": {"kind": "digital"}, "red": 0}, "Field required"),
    ],
)
def test_mistake_in_the_settings_is_named(data: dict, problem: str):
    with pytest.raises(ValidationError, match=problem):
        StackLightConfig.model_validate(data)
