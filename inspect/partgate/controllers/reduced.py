"""The rules of the reduced profile: a controller that has wires or text lines, and no room for the block.

It tells that a part is there (TRIGGER) and whether parts are wanted (ENABLE); it is told READY, BUSY, a heartbeat as a
square wave, and GOOD. Nothing in it carries a number, so there is at most one part between camera and gate and no
queue: GOOD is put out only for the last part that was triggered, once, while the whole pulse still fits into its
window. A further part, ENABLE going off, closing and every failure end a pulse at once. There is no acknowledge: a
result counts as taken as soon as the driver has put it out, or decided that nothing is put out.

Source:
    ``docs/handshake.md``, section on transports that cannot carry the block.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from pydantic import Field, model_validator

from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import LAST_SEQUENCE
from partgate.parts import Verdict


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the other side says."""

    enable: bool
    trigger: bool = False  # level of a wire
    triggers: int | None = None  # parts announced since the last read; None where there is only a level
    beats: int | None = None  # the device's own heartbeat; None where its answering is all there is


class Terminal(Protocol):
    """The device at the end of the cable. Every method raises ``OSError`` with a sentence, and ends in time."""

    def open(self) -> None:
        """Connect, with nothing put out."""
        ...

    def close(self) -> None:
        """Let go of the device; nothing is sent."""
        ...

    def read(self) -> Inputs:
        """Return what the other side says now."""
        ...

    def show(self, *, ready: bool, busy: bool, beat: bool, holds_good: bool) -> None:
        """Put out what the station says of itself; GOOD is switched off again unless it is to hold."""
        ...

    def announce(self, verdict: Verdict, sequence: int) -> None:
        """Put out a verdict once."""
        ...

    def withdraw(self) -> None:
        """Switch GOOD off."""
        ...

    def switch_off(self) -> None:
        """Switch all outputs off, GOOD first."""
        ...

    def switch(self, outputs: Mapping[int | str, bool]) -> None:
        """Switch outputs that are not the handshake's: lamps."""
        ...


class ReducedConfig(ControllerConfig):
    """How long a verdict may take, and how GOOD looks."""

    window_ms: int = Field(
        default=200,
        ge=20,
        le=65535,
        description="time from TRIGGER to the end of GOOD, in milliseconds; shorter than the way from camera to gate",
    )
    good_ms: int = Field(default=50, ge=10, le=60000, description="length of the GOOD pulse, in milliseconds")
    poll_ms: float = Field(default=5, ge=1, le=20, description="time between two reads, in milliseconds")

    @property
    def reserve_ms(self) -> float:
        """Return what must be left of the window for GOOD, in milliseconds: its pulse."""
        return self.good_ms

    @model_validator(mode="after")
    def _pulse_fits_into_the_window(self) -> Self:
        if self.reserve_ms >= self.window_ms:
            what = "good_ms" if self.reserve_ms == self.good_ms else "answer_within_s, in milliseconds,"
            raise ValueError(
                f"{what} must be shorter than window_ms {self.window_ms}, got {self.reserve_ms:g}: "
                "the verdict and the whole pulse lie inside the window"
            )
        return self


class PartRules:
    """Which part is the last one, and whether GOOD may be on: no I/O and no clock of its own.

    Args:
        config: Window, pulse.
        boot: Number of this connection.
        now: Monotonic seconds.
        debounce: A level counts when two reads in a row agree.

    Example:
        >>> rules = PartRules(ReducedConfig(kind="x", window_ms=200, good_ms=50), boot=7, now=0.0)
        >>> rules.see(Inputs(enable=True, trigger=False), 0.00)
        >>> rules.see(Inputs(enable=True, trigger=True), 0.01)
        >>> rules.sequence, rules.why_stale(7, 1), rules.why_not_good(now=0.1)
        (1, None, None)
        >>> rules.why_not_good(now=0.16)
        'it came 10 ms too late: GOOD of 50 ms no longer fits into the window of 200 ms'
    """

    def __init__(self, config: ReducedConfig, boot: int, now: float, *, debounce: bool = False) -> None:
        self.boot, self.sequence, self.acknowledged = boot, 0, 0
        self.is_enabled = False
        self.beats: int | None = None
        self._window_s, self._good_s, self._debounce = config.window_ms / 1000, config.good_ms / 1000, debounce
        self._reserve_s = config.reserve_ms / 1000
        self._level = self._last_level = True  # a level that is on from the start is no new part
        self._quiet_at = self._deadline = now
        self._answered = 0
        self._until: float | None = None

    def see(self, inputs: Inputs, asked_at: float) -> None:
        """Take note of what was read.

        Args:
            inputs: What the other side said.
            asked_at: Monotonic seconds before it was asked. The window of a part begins at the read *before* the one
                that saw it: its edge may have come right after that.
        """
        if inputs.triggers is None:
            new, is_quiet = self._rises(inputs.trigger)
        else:
            new, is_quiet = inputs.triggers, True
        if new:
            self.sequence = (self.sequence + new - 1) % LAST_SEQUENCE + 1
            self._deadline = self._quiet_at + self._window_s
        if is_quiet:
            self._quiet_at = asked_at
        self.is_enabled, self.beats = inputs.enable, inputs.beats
        if self._until is not None and (new or not inputs.enable):
            self._until = asked_at  # over

    def _rises(self, level: bool) -> tuple[int, bool]:
        """Return how many parts a level announces, 0 or 1, and whether it is off for sure."""
        is_steady = level == self._last_level or not self._debounce
        self._last_level = level
        if not is_steady:
            return 0, False
        has_risen = level and not self._level
        self._level = level
        return int(has_risen), not level

    def why_stale(self, boot: int, sequence: int) -> str | None:
        """Return why a verdict is not for the last part, or ``None``."""
        if boot != self.boot:
            return "it belongs to an earlier connection"
        if sequence != self.sequence:
            return f"part {self.sequence} is at the camera by now"
        return "it was answered before" if sequence == self._answered else None

    def why_not_good(self, now: float) -> str | None:
        """Return why GOOD must not be put out for the last part, or ``None``."""
        if not self.is_enabled:
            return "ENABLE is off"
        late_s = now + self._reserve_s - self._deadline
        if late_s <= 0:
            return None
        return (
            f"it came {1000 * late_s:.0f} ms too late: GOOD of {1000 * self._reserve_s:.0f} ms no longer fits into "
            f"the window of {1000 * self._window_s:.0f} ms"
        )

    def answer(self, sequence: int) -> None:
        """Take note that a part is decided: whatever comes for it later is withheld."""
        self._answered = sequence

    def hold(self, now: float) -> None:
        """Begin the pulse; it ends with the window at the latest."""
        self._until = min(now + self._good_s, self._deadline)

    @property
    def holds_good(self) -> bool:
        """Tell whether GOOD is on."""
        return self._until is not None

    def is_over(self, now: float) -> bool:
        """Tell whether GOOD is on and must go off."""
        return self._until is not None and now >= self._until

    def ended(self) -> None:
        """Take note that GOOD is off."""
        self._until = None
