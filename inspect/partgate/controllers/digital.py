"""Inputs and outputs of the PC's own board (GPIO), by the Linux character device.

A line is its number on the chip, or the name that the board's maker gave it (``gpioinfo`` lists both). Lines are
requested for this process alone; a line that another program holds is refused. All outputs are off at the moment of
the request. What a line does when the process ends is the board's affair: see the guide for the wiring. Tried against
a stand-in for the library alone, not on hardware.

Source:
    libgpiod 2, Python bindings: ``request_lines``, ``LineRequest``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from partgate.configfile import Settings
from partgate.controllers.reduced import ReducedConfig
from partgate.controllers.reduced_controller import ReducedController
from partgate.controllers.wired import Line, WiredTerminal, Wiring


class GpioChip(Settings):
    """One chip and the electrical side of its lines."""

    chip: str = Field(min_length=1, description="device of the chip, for example /dev/gpiochip0")
    inputs_active_low: bool = Field(default=False, description="an input is on while its voltage is low")
    outputs_active_low: bool = Field(default=False, description="an output is on while its voltage is low")
    bias: Literal["as_is", "disabled", "pull_up", "pull_down"] = Field(
        default="as_is", description="resistor at the inputs, where the chip has one"
    )

    def lines(self) -> "GpioLines":
        """Return the device that these settings describe; it is opened later."""
        return GpioLines(self)


class DigitalControllerConfig(ReducedConfig, GpioChip):
    """The PC's own inputs and outputs as the way to the controller."""

    KIND: ClassVar[str] = "digital"

    kind: Literal["digital"]
    wiring: Wiring = Field(description="which input and output is which signal")
    debounce: bool = Field(default=True, description="TRIGGER and ENABLE count when two reads in a row agree")

    def open(self) -> ReducedController:
        """Return the controller that these settings describe."""
        terminal = WiredTerminal(self.lines(), self.wiring)
        return ReducedController(self, terminal, f"digital {self.chip}", debounce=self.debounce)


class GpioLines:
    """Lines of one chip; not thread-safe."""

    def __init__(self, config: GpioChip) -> None:
        self._config = config
        self._request: Any = None
        self._on: Any = None
        self._off: Any = None

    def open(self, inputs: Sequence[Line], outputs: Sequence[Line]) -> None:
        """Request the lines, every output off."""
        try:
            import gpiod
            from gpiod.line import Bias, Direction, Value
        except ImportError as error:
            raise OSError('the library gpiod is missing; pip install "partgate[digital]" (Linux)') from error
        self._on, self._off = Value.ACTIVE, Value.INACTIVE
        config = self._config
        as_input = gpiod.LineSettings(
            direction=Direction.INPUT, bias=Bias[config.bias.upper()], active_low=config.inputs_active_low
        )
        as_output = gpiod.LineSettings(
            direction=Direction.OUTPUT, active_low=config.outputs_active_low, output_value=Value.INACTIVE
        )
        wanted: dict[Any, Any] = {**dict.fromkeys(inputs, as_input), **dict.fromkeys(outputs, as_output)}
        try:
            self._request = gpiod.request_lines(config.chip, config=wanted, consumer="partgate")
        except (OSError, ValueError) as error:  # ValueError: no line of that name
            names = ", ".join(map(str, wanted))
            raise OSError(
                f"lines {names} cannot be requested ({error}); gpioinfo lists them and who holds them"
            ) from error

    def close(self) -> None:
        """Let the lines go."""
        if self._request is not None:
            self._request.release()
        self._request = None

    def read(self, inputs: Sequence[Line]) -> Mapping[Line, bool]:
        """Read the inputs at one moment."""
        values = self._requested().get_values(list(inputs))
        return {line: value == self._on for line, value in zip(inputs, values, strict=True)}

    def write(self, outputs: Mapping[Line, bool]) -> None:
        """Switch the outputs at one moment."""
        self._requested().set_values({line: self._on if on else self._off for line, on in outputs.items()})

    def _requested(self) -> Any:
        if self._request is None:
            raise OSError("is not connected")
        return self._request
