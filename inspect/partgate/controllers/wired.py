"""Numbered inputs and outputs of an I/O device, and which of them is which signal of the reduced profile."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, Self

from pydantic import Field, model_validator

from partgate.configfile import Settings
from partgate.controllers.reduced import Inputs
from partgate.parts import Verdict

Line = int | str
"""Number of an input or output, or its name where the device knows names."""


class Lines(Protocol):
    """An I/O device. Every method raises ``OSError`` with a sentence, and ends in time."""

    def open(self, inputs: Sequence[Line], outputs: Sequence[Line]) -> None:
        """Connect; no output is switched on."""
        ...

    def close(self) -> None:
        """Let go of the device; nothing is switched."""
        ...

    def read(self, inputs: Sequence[Line]) -> Mapping[Line, bool]:
        """Return which inputs are on."""
        ...

    def write(self, outputs: Mapping[Line, bool]) -> None:
        """Switch outputs once; the others stay as they are."""
        ...


class Wiring(Settings):
    """Which line is which signal."""

    trigger: Line = Field(description="input: a part is at the camera (rising edge)")
    enable: Line | None = Field(default=None, description="input: parts are wanted; unset = always")
    good: Line = Field(description="output: this part is good (pulse)")
    ready: Line | None = Field(default=None, description="output: takes the next part")
    busy: Line | None = Field(default=None, description="output: judges a part")
    heartbeat: Line | None = Field(
        default=None, description="output: square wave, 100 ms on and 100 ms off; GOOD counts only while it changes"
    )

    @model_validator(mode="after")
    def _each_line_once(self) -> Self:
        for what, lines in (("inputs", self.inputs), ("outputs", self.outputs)):
            if len(set(lines)) < len(lines):
                raise ValueError(f"each of the {what} needs a line of its own, got {', '.join(map(str, lines))}")
        return self

    @property
    def inputs(self) -> list[Line]:
        """Return the wired inputs."""
        return _wired(self.trigger, self.enable)

    @property
    def outputs(self) -> list[Line]:
        """Return the wired outputs."""
        return _wired(self.ready, self.busy, self.good, self.heartbeat)


class WiredTerminal:
    """The reduced profile's terminal over the lines of an I/O device.

    Args:
        lines: The device.
        wiring: Which line is which signal.
    """

    def __init__(self, lines: Lines, wiring: Wiring) -> None:
        self._lines, self._wiring = lines, wiring
        self._lamps: set[Line] = set()

    def open(self) -> None:
        """Open the device."""
        self._lines.open(self._wiring.inputs, self._wiring.outputs)

    def close(self) -> None:
        """Close the device."""
        self._lines.close()

    def read(self) -> Inputs:
        """Return TRIGGER and ENABLE; an ENABLE that is not wired is on."""
        levels, enable = self._lines.read(self._wiring.inputs), self._wiring.enable
        return Inputs(enable=enable is None or levels[enable], trigger=levels[self._wiring.trigger])

    def show(self, *, ready: bool, busy: bool, beat: bool, holds_good: bool) -> None:
        """Switch the outputs; GOOD is switched off every time it does not hold, never on."""
        wiring = self._wiring
        wanted = [(wiring.ready, ready), (wiring.busy, busy), (wiring.heartbeat, beat)]
        outputs = {line: on for line, on in wanted if line is not None}
        self._lines.write(outputs if holds_good else {**outputs, wiring.good: False})

    def announce(self, verdict: Verdict, sequence: int) -> None:
        """Switch GOOD on for a GOOD; nothing else is put out."""
        if verdict is Verdict.GOOD:
            self._lines.write({self._wiring.good: True})

    def withdraw(self) -> None:
        """Switch GOOD off."""
        self._lines.write({self._wiring.good: False})

    def switch_off(self) -> None:
        """Switch all outputs off, GOOD first and alone: a device that refuses another one has that done."""
        self.withdraw()
        self._lines.write(dict.fromkeys([*self._wiring.outputs, *self._lamps], False))

    def switch(self, outputs: Mapping[Line, bool]) -> None:
        """Switch lamps; the handshake's outputs are refused."""
        if taken := sorted(str(line) for line in outputs if line in self._wiring.outputs):
            raise ValueError(f"output {', '.join(taken)} belongs to the handshake; give the lamp another")
        self._lines.write(outputs)
        self._lamps |= set(outputs)  # the device has them: they go off with the rest


def _wired(*lines: Line | None) -> list[Line]:
    return [line for line in lines if line is not None]


def runs(numbers: Iterable[int]) -> list[list[int]]:
    """Return numbers as runs that follow each other without a gap, sorted.

    Example:
        >>> runs([7, 0, 2, 1])
        [[0, 1, 2], [7]]
    """
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found
