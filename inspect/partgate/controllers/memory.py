"""A controller in memory: announces parts at an interval and acknowledges every result, without any wiring.

For trying a station without a PLC and for tests. It keeps the rules of the handshake from the controller's side in
their simplest form: a result is taken only for the newest part, of this boot, intact and within the window.
"""

import time
from collections.abc import Callable
from typing import ClassVar, Literal, Self

from pydantic import Field

from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import (
    LAST_SEQUENCE,
    Command,
    ControllerWords,
    State,
    StationWords,
    check_word,
    encode_station_block,
)
from partgate.errors import ControllerError
from partgate.parts import Result, Verdict

_HEARTBEAT_S = 0.1


class MemoryControllerConfig(ControllerConfig):
    """How often a part comes."""

    KIND: ClassVar[str] = "memory"

    kind: Literal["memory"]
    interval_ms: float = Field(default=200, ge=1, description="time between two parts, in milliseconds")
    window_ms: int = Field(default=200, ge=1, le=65535, description="time allowed from trigger to result")
    parts: int | None = Field(default=None, ge=1, description="how many parts come; null goes on")

    def open(self) -> "MemoryController":
        """Return a controller that announces parts by itself."""
        return MemoryController(self)


class MemoryController:
    """Plays the PLC in the station's own process."""

    def __init__(self, config: MemoryControllerConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.lanes: dict[int, int] = {}  # sequence -> lane taken, 0 = reject
        self._clock = clock
        self._boot = int(time.time() * 10) % LAST_SEQUENCE + 1  # another one at each start, as a PLC must have
        self._sequence = self._acknowledged = self._announced = 0
        self._triggered_at = self._next_at = 0.0
        self._is_ready = self._is_open = False

    def __str__(self) -> str:
        return f"controller '{self.config.name}' (memory)"

    def __enter__(self) -> Self:
        self._is_open = True
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_open = False

    @property
    def poll_period_s(self) -> float:
        """Return 1 ms."""
        return 0.001

    def read(self) -> ControllerWords:
        """Return what the controller says now; a part that is due is announced."""
        self._refuse_if_closed()
        now = self._clock()
        more = self.config.parts is None or self._announced < self.config.parts
        if self._is_ready and more and now >= self._next_at:
            self._sequence = self._sequence % LAST_SEQUENCE + 1
            self._announced += 1
            self._triggered_at, self._next_at = now, now + self.config.interval_ms / 1000
            self.lanes[self._sequence] = 0
        return ControllerWords(
            int(now / _HEARTBEAT_S) % 65536, self._sequence, self._acknowledged, Command.ENABLE, 0,
            self.config.window_ms, self._boot,
        )  # fmt: skip

    def station_heartbeat(self) -> int | None:
        """Return nothing: this process is the only station."""
        return None

    def write_state(self, words: StationWords) -> None:
        """Take heartbeat and state."""
        self._refuse_if_closed()
        self._is_ready = State.TRIGGER_READY in words.state

    def clear(self, words: StationWords) -> None:
        """Take the state; there is nothing to clear."""
        self.write_state(words)

    def send(self, result: Result, words: StationWords) -> None:
        """Take a result as a PLC would: sort the part, or leave it in the reject lane."""
        self._refuse_if_closed()
        block = encode_station_block(result, words)
        sequence, verdict, class_number, lane, boot, reason, check = block[1:8]
        intact = check == check_word(sequence, verdict, class_number, lane, boot, reason)
        in_time = (self._clock() - self._triggered_at) * 1000 <= self.config.window_ms
        if intact:
            self._acknowledged = sequence
        if intact and in_time and sequence == self._sequence and boot == self._boot and verdict == Verdict.GOOD:
            self.lanes[sequence] = lane

    def _refuse_if_closed(self) -> None:
        if not self._is_open:
            raise ControllerError(f"{self}: is not open")
