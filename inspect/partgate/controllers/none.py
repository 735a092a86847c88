"""No controller at all: results go to the records and to whoever is told of them, and nothing sorts the parts.

For a place where a person sorts, or where parts are only counted and documented. Nothing is wired and nothing is sent,
so no part is ever let into a good lane by this driver. It announces no parts either: the station does, by its trigger
``timer`` or ``presence``.
"""

import time
from typing import ClassVar, Literal, Self

from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import LAST_SEQUENCE, Command, ControllerWords, StationWords, encode_station_block
from partgate.errors import ControllerError
from partgate.parts import Result

_HEARTBEAT_S = 0.1


class NoneControllerConfig(ControllerConfig):
    """Nothing to be set: there is no controller."""

    KIND: ClassVar[str] = "none"

    kind: Literal["none"]

    def open(self) -> "NoneController":
        """Return a controller that takes every result and does nothing with it."""
        return NoneController(self)


class NoneController:
    """Takes every result at once; one thread owns it."""

    def __init__(self, config: NoneControllerConfig) -> None:
        self.config = config
        self._boot = int(time.time() * 10) % LAST_SEQUENCE + 1  # another one at each start
        self._acknowledged = 0
        self._is_open = False

    def __str__(self) -> str:
        return f"controller '{self.config.name}' (none)"

    def __enter__(self) -> Self:
        self._is_open = True
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_open = False

    @property
    def poll_period_s(self) -> float:
        """Return 5 ms."""
        return 0.005

    def read(self) -> ControllerWords:
        """Return that parts are wanted, that none was announced, and the newest result as acknowledged."""
        self._refuse_if_closed()
        beat = int(time.monotonic() / _HEARTBEAT_S) % 65536
        return ControllerWords(beat, 0, self._acknowledged, Command.ENABLE, 0, 0, self._boot)

    def station_heartbeat(self) -> int | None:
        """Return nothing: this process is the only station."""
        return None

    def write_state(self, words: StationWords) -> None:
        """Take heartbeat and state; nobody reads them here."""
        self._refuse_if_closed()

    def clear(self, words: StationWords) -> None:
        """Take the state; there is nothing to clear."""
        self._refuse_if_closed()

    def send(self, result: Result, words: StationWords) -> None:
        """Acknowledge a result that could stand on the wire."""
        self._refuse_if_closed()
        encode_station_block(result, words)
        self._acknowledged = result.trigger.sequence

    def _refuse_if_closed(self) -> None:
        if not self._is_open:
            raise ControllerError(f"{self}: is not open")
