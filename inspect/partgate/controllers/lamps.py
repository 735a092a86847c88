"""The stack light: what the station is, as red, yellow, green and blue lamps on a relay or on digital outputs.

| lamp   | on                                                       | flashing                                    |
|--------|----------------------------------------------------------|---------------------------------------------|
| red    | halted or locked; or the station no longer says anything | a fault keeps parts from being judged       |
| yellow | warnings (drift, yield falling, disk), or shadow mode    | a fault that lets the line go on            |
| green  | takes parts                                              | running, but the controller wants no parts  |
| blue   | –                                                        | a person must act: release, check, confirm  |

A rejected part is no lamp: that is the gate at work. A station that is off shows nothing.

Source:
    Colours: IEC 60073 and IEC 60204-1, section on indicator lights. Flashing at 2 Hz lies within IEC 60073's
    1.4 to 2.8 Hz.
"""

import logging
import threading
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from partgate.configfile import Settings
from partgate.controllers.base import Controller
from partgate.controllers.digital import GpioChip
from partgate.controllers.reduced_controller import ReducedController
from partgate.controllers.serial import SerialControllerConfig, SerialPort
from partgate.controllers.wired import Line, Lines
from partgate.errors import ConfigError, PartgateError
from partgate.parts import Fault, StationState, StationStatus

logger = logging.getLogger(__name__)

SILENT_AFTER_S = 2.0  # a station that says nothing for so long is shown as a fault
_REFRESH_S, _AGAIN_AFTER_S, _LONGEST_WAIT_S = 1.0, 5.0, 2.0
_BEATS, _BEATS_ON = 5, 3  # of 100 ms: 2 Hz
_LINE_GOES_ON = (Fault.NO_ACKNOWLEDGE, Fault.RECORDS, Fault.SERIES)
_STOPPED = (StationState.HALTED, StationState.ERROR)
_PERSON_MUST_ACT = (Fault.GOLDEN_SAMPLE, Fault.SERIES)
_RUNNING = (StationState.READY, StationState.SINGLE_EXECUTION, StationState.CONTINUOUS_EXECUTION)


class Colour(StrEnum):
    """Lamps of a stack light, from the top."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"
    BLUE = "blue"


class Lamp(StrEnum):
    """What a lamp does."""

    OFF = "off"
    ON = "on"
    FLASHING = "flashing"


def lamps_for(status: StationStatus) -> Mapping[Colour, Lamp]:
    """Return what each lamp shows for what a station says of itself.

    Args:
        status: Its counts do not matter: a rejected part is no lamp.
    """
    state, fault = status.state, status.fault
    goes_on = state not in _STOPPED and fault in _LINE_GOES_ON
    lamps = dict.fromkeys(Colour, Lamp.OFF)
    if state is StationState.PREOPERATIONAL:
        return lamps
    if state is StationState.HALTED:
        lamps[Colour.RED], lamps[Colour.BLUE] = Lamp.ON, Lamp.FLASHING
    if state is StationState.ERROR or (fault is not Fault.NONE and not goes_on):
        lamps[Colour.RED] = Lamp.FLASHING
    if fault in _PERSON_MUST_ACT:
        lamps[Colour.BLUE] = Lamp.FLASHING
    if goes_on:
        lamps[Colour.YELLOW] = Lamp.FLASHING
    elif status.warnings or status.is_shadow:
        lamps[Colour.YELLOW] = Lamp.ON
    if lamps[Colour.RED] is Lamp.OFF:
        lamps[Colour.GREEN] = Lamp.ON if state in _RUNNING else Lamp.FLASHING
    return lamps


class SerialLamps(SerialPort):
    """Lamps on a relay or remote I/O of their own."""

    kind: Literal["serial"]


class DigitalLamps(GpioChip):
    """Lamps on the PC's own outputs."""

    kind: Literal["digital"]


_DEVICES: dict[str, type[SerialLamps] | type[DigitalLamps]] = {"digital": DigitalLamps, "serial": SerialLamps}


def _choose_device(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, dict):
        if value == "controller" or isinstance(value, tuple(_DEVICES.values())):
            return value
        raise ValueError(f"must be 'controller', or hold kind ({', '.join(_DEVICES)}) and its settings")
    model = _DEVICES.get(str(value.get("kind")))
    if model is None:
        raise ValueError(f"unknown kind {value.get('kind')!r}; known kinds: {', '.join(_DEVICES)}")
    return model.model_validate(value, context=info.context)


class StackLightConfig(Settings):
    """Where each lamp hangs; a colour that is left out is not there."""

    lines: Annotated[Literal["controller"] | SerialLamps | DigitalLamps, BeforeValidator(_choose_device)] = Field(
        description="the lamps' device (kind serial or digital), or 'controller': spare outputs of a serial controller"
    )
    red: Line | None = Field(default=None, description="output: halted, locked, or a fault")
    yellow: Line | None = Field(default=None, description="output: warning")
    green: Line | None = Field(default=None, description="output: takes parts")
    blue: Line | None = Field(default=None, description="output: a person must act")

    @model_validator(mode="after")
    def _has_lamps_of_their_own(self) -> Self:
        outputs = list(self.outputs.values())
        if not outputs:
            raise ValueError("must name at least one lamp: red, yellow, green or blue")
        if len(set(outputs)) < len(outputs):
            raise ValueError(f"each lamp needs an output of its own, got {', '.join(map(str, outputs))}")
        if isinstance(self.lines, SerialPort):
            self.lines.refuse_lines([], outputs)
        return self

    @property
    def outputs(self) -> Mapping[Colour, Line]:
        """Return the lamps that are there."""
        return {colour: line for colour in Colour if (line := getattr(self, colour)) is not None}

    def open(self, controller: Controller) -> "StackLight":
        """Return the stack light that these settings describe.

        Args:
            controller: The station's, whose spare outputs may be asked for.

        Raises:
            ConfigError: If they are asked for and it has none, or an output belongs to the handshake.
        """
        if self.lines != "controller":
            return StackLight(self, _OwnDevice(self.lines.lines(), list(self.outputs.values())))
        if not isinstance(controller, ReducedController) or not isinstance(controller.config, SerialControllerConfig):
            raise ConfigError([f"stack_light.lines: 'controller' needs a controller of kind serial, got {controller}"])
        wiring = controller.config.wiring
        for colour, line in self.outputs.items():
            if line in wiring.outputs:
                raise ConfigError([f"stack_light.{colour}: output {line} belongs to the handshake; name another"])
        try:
            controller.config.refuse_lines([], list(self.outputs.values()))
        except ValueError as error:
            raise ConfigError([f"stack_light: {error}"]) from None
        return StackLight(self, _SpareOutputs(controller))


_RED_ALONE = {colour: colour is Colour.RED for colour in Colour}


class _Device(Protocol):
    def open(self) -> None: ...
    def switch(self, outputs: Mapping[Line, bool]) -> None: ...
    def close(self) -> None: ...


class _OwnDevice:
    def __init__(self, lines: Lines, outputs: list[Line]) -> None:
        self._lines, self._outputs = lines, outputs

    def open(self) -> None:
        self._lines.open([], self._outputs)

    def switch(self, outputs: Mapping[Line, bool]) -> None:
        self._lines.write(outputs)

    def close(self) -> None:
        self._lines.close()


class _SpareOutputs:
    def __init__(self, controller: ReducedController) -> None:
        self._controller = controller

    def open(self) -> None:
        """Nothing to do: the station opens it."""

    def switch(self, outputs: Mapping[Line, bool]) -> None:
        if self._controller.is_open:  # its loss is told by the station, and closing it switches all off
            self._controller.switch(outputs)

    def close(self) -> None:
        """Nothing to do: the station closes it."""


class StackLight:
    """Shows lamps from a thread of its own: a lamp that cannot be switched never stops the line.

    It is told in the log once when the lamps are lost and once when they are back; between, they are tried again every
    5 s. Where the station says nothing for 2 s, red alone is on.
    """

    def __init__(self, config: StackLightConfig, device: _Device, again_after_s: float = _AGAIN_AFTER_S) -> None:
        self._outputs, self._device, self._again_after_s = config.outputs, device, again_after_s
        self._news = threading.Condition()
        self._wanted: Mapping[Colour, bool] = dict.fromkeys(Colour, False)
        self._told_at, self._beat = time.monotonic(), 0
        self._stopping = self._is_open = self._is_lost = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._stopping, self._told_at = False, time.monotonic()
        self._thread = threading.Thread(target=self._run, name="stack light", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Switch the lamps off."""
        with self._news:
            self._stopping = True
            self._wanted = dict.fromkeys(Colour, False)
            self._news.notify()
        if self._thread is not None:
            self._thread.join(_LONGEST_WAIT_S)
        self._thread = None

    def show(self, status: StationStatus) -> None:
        """Take what the station says; called with each heartbeat, returns at once. Flashing counts these calls."""
        self._beat += 1
        is_bright = self._beat % _BEATS < _BEATS_ON
        lamps = lamps_for(status)
        wanted = {colour: lamp is Lamp.ON or (lamp is Lamp.FLASHING and is_bright) for colour, lamp in lamps.items()}
        with self._news:
            self._told_at = time.monotonic()
            if wanted != self._wanted:
                self._wanted = wanted
                self._news.notify()

    def _run(self) -> None:
        while self._turn():
            pass
        self._close()

    def _turn(self) -> bool:
        """Switch the lamps, wait for the next change, and return whether to go on."""
        with self._news:
            wanted, stopping, told_at = self._wanted, self._stopping, self._told_at
        is_silent = not stopping and time.monotonic() - told_at > SILENT_AFTER_S
        works = self._switch(_RED_ALONE if is_silent else wanted)
        if stopping:
            return False
        with self._news:
            if works:
                self._news.wait_for(lambda: self._stopping or self._wanted is not wanted, _REFRESH_S)
            else:
                self._news.wait_for(lambda: self._stopping, self._again_after_s)
        return True

    def _switch(self, wanted: Mapping[Colour, bool]) -> bool:
        try:
            if not self._is_open:
                self._device.open()
                self._is_open = True
            self._device.switch({line: wanted[colour] for colour, line in self._outputs.items()})
        except (OSError, PartgateError) as error:
            if not self._is_lost:
                logger.error("stack light: %s; the line goes on without it", error)
            self._is_lost = True
            self._close()
            return False
        if self._is_lost:
            logger.warning("stack light is back")
        self._is_lost = False
        return True

    def _close(self) -> None:
        self._is_open = False
        try:
            self._device.close()
        except OSError as error:
            logger.error("stack light: %s", error)
