"""Too many rejects or misses in a row: a fault of the process or of the station, not of single parts."""

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from partgate.configfile import Settings
from partgate.controllers.block import Command
from partgate.parts import Decision, Reason, Verdict

_NOT_JUDGED = frozenset(
    {
        Reason.PICTURE_NOT_USABLE, Reason.NO_WHOLE_PICTURE, Reason.OVERRUN, Reason.TOO_LATE, Reason.ENGINE_FAILED,
    }
)  # fmt: skip
# Not ready is a stop that somebody wants, or has a fault of its own; locked is what this file does itself.
_SAYS_NOTHING = (Reason.NOT_READY, Reason.LOCKED)
_ASKS: dict[str, tuple[Command, str]] = {
    "reject_not_confirmed": (Command.REJECT_NOT_CONFIRMED, "the ejector did not confirm a reject"),
    "bin_full": (Command.BIN_FULL, "the reject bin is full"),
    "air_low": (Command.AIR_LOW, "the air pressure is low"),
}


class AlarmsConfig(Settings):
    """What is a fault of the line, and whether it stops the station."""

    rejects_in_a_row: int | None = Field(
        default=20, ge=2, description="so many rejects one after the other raise fault 8; null: never"
    )
    misses_in_a_row: int | None = Field(
        default=5, ge=2, description="so many parts without a verdict of the model raise fault 8; null: never"
    )
    stop: bool = Field(
        default=False,
        description="fault 8 locks the station: no part is good until the controller clears it (CMD bit 1)",
    )
    stop_on: tuple[Literal["reject_not_confirmed", "bin_full", "air_low"], ...] = Field(
        default=(), description="what the controller may report by CMD bits 3 to 5 that halts the station meanwhile"
    )


class Alarms:
    """Counts rejects and misses in a row, and follows what the controller reports of its own devices.

    Args:
        config: Limits.
        tell: Takes each alarm once when it begins, with what was said of the part that it begins with, and once when
            it is over: the sentence, and whether it begins.
    """

    def __init__(self, config: AlarmsConfig, tell: Callable[[str, bool], None] = lambda what, begins: None) -> None:
        self._config, self._tell = config, tell
        self._rejects = self._misses = 0
        self._series: str | None = None
        self._reported = Command(0)

    @property
    def series(self) -> str | None:
        """Return what came too often in a row; ``None`` where nothing did."""
        return self._series

    @property
    def is_locked(self) -> bool:
        """Tell whether no part may be good until the controller clears the fault."""
        return self._config.stop and self._series is not None

    @property
    def halted_by(self) -> str | None:
        """Return what the controller reports that halts the station."""
        return next(
            (text for name in self._config.stop_on for bit, text in [_ASKS[name]] if bit in self._reported), None
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return everything that is not as it should be, in words."""
        reported = (text for bit, text in _ASKS.values() if bit in self._reported)
        return (*([self._series] if self._series else []), *reported)

    def judged(self, decision: Decision) -> None:
        """Take note of a result."""
        if decision.reason in _NOT_JUDGED:
            self.missed(1, decision.detail)
            return
        if decision.reason in _SAYS_NOTHING:
            return
        self._misses = 0
        self._rejects = self._rejects + 1 if decision.verdict is Verdict.REJECT else 0
        self._look(decision.detail)

    def missed(self, parts: int, detail: str = "") -> None:
        """Take note of parts without a verdict of the model, and of why the last of them has none."""
        self._misses += parts
        self._look(detail)

    def listen(self, command: Command) -> None:
        """Take note of what the controller reports, and of its wish to clear the fault."""
        for bit, text in _ASKS.values():
            if (bit in command) != (bit in self._reported):
                self._tell(text, bit in command)
        self._reported = command
        if Command.CLEAR_FAULT in command:
            self._rejects = self._misses = 0
            self._end()

    def _look(self, last: str) -> None:
        for count, limit, what in (
            (self._rejects, self._config.rejects_in_a_row, "rejects"),
            (self._misses, self._config.misses_in_a_row, "parts without a verdict"),
        ):
            if limit is not None and count >= limit:
                if self._series is None:
                    self._series = f"{limit} {what} in a row"
                    self._tell(f"{self._series}, last: {last}" if last else self._series, True)
                return
        if not self._config.stop:
            self._end()

    def _end(self) -> None:
        if self._series is not None:
            self._tell(self._series, False)
        self._series = None
