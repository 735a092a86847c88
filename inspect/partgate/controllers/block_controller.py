"""What drivers share whose PLC holds the words of ``controllers/block.py`` side by side: registers, bytes, elements.

A driver gives how words are read and written, each in one request; in which order, how often and when again stands
here. After a failure the connection is never used again: the request may still be executed by the PLC later, and its
late answer must not be taken for another one's.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Self, TypeVar

from pydantic import Field

from partgate.configfile import Host
from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import (
    CONTROLLER_OFFSET,
    CONTROLLER_WORDS,
    STATE_OFFSET,
    ControllerWords,
    StationWords,
    decode_controller_block,
    encode_station_block,
)
from partgate.controllers.pause import Pause
from partgate.errors import ControllerError
from partgate.parts import Result

WHOLE_BLOCK = CONTROLLER_OFFSET + CONTROLLER_WORDS


class BlockControllerConfig(ControllerConfig):
    """Where one PLC is, and how long it may take."""

    host: Host = Field(min_length=1, description="address of the PLC")
    answer_within_s: float = Field(default=0.1, gt=0, le=0.1, description="longest wait for an answer, in seconds")
    poll_ms: float = Field(default=5, ge=1, le=20, description="time between two reads, in milliseconds")


ConfigT = TypeVar("ConfigT", bound=BlockControllerConfig)


class BlockController(ABC, Generic[ConfigT]):
    """Reads triggers from words of a PLC and writes results to others; not thread-safe, one station owns it.

    After a failure the next attempt waits: 0.1 s, then twice as long each time up to 2 s, until an answer was whole.

    Args:
        config: Address and times.
        pause: The wait between attempts.
    """

    def __init__(self, config: ConfigT, pause: Pause | None = None) -> None:
        self.config = config
        self._pause = pause or Pause()

    def __enter__(self) -> Self:
        self._pause.refuse_early(self)
        self._connect()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._hang_up()

    @property
    def poll_period_s(self) -> float:
        """Return the configured period in seconds."""
        return self.config.poll_ms / 1000

    def read(self) -> ControllerWords:
        """Return what the controller says now, from one request."""
        words = self._read_words(CONTROLLER_OFFSET, CONTROLLER_WORDS)
        self._pause.shorten()
        return decode_controller_block(words)

    def station_heartbeat(self) -> int | None:
        """Return the first word of the station's block, as it stands in the PLC."""
        return self._read_words(0, 1)[0]

    def write_state(self, words: StationWords) -> None:
        """Write state, fault and recipe, then the heartbeat: a new heartbeat never stands beside an old state."""
        block = encode_station_block(None, words)
        self._write_words(STATE_OFFSET, block[STATE_OFFSET:])
        self._write_words(0, block[:1])

    def clear(self, words: StationWords) -> None:
        """Write the block without a result."""
        self._write_words(0, encode_station_block(None, words))

    def send(self, result: Result, words: StationWords) -> None:
        """Write the block with a result once."""
        self._write_words(0, encode_station_block(result, words))

    @abstractmethod
    def _connect(self) -> None:
        """Connect and write nothing.

        Raises:
            ControllerError: If it cannot, with the connection closed.
        """

    @abstractmethod
    def _hang_up(self) -> None:
        """Close the connection where there is one."""

    @abstractmethod
    def _read_words(self, offset: int, count: int) -> Sequence[int]:
        """Return so many words, each 0 to 65535, from one request.

        Raises:
            ControllerError: If there is no answer in time, or one that is refused, not whole or another one's.
        """

    @abstractmethod
    def _write_words(self, offset: int, words: Sequence[int]) -> None:
        """Write words in one request, once.

        Raises:
            ControllerError: If there is no answer in time, or one that is refused, not whole or another one's.
        """

    def _failed(self, problem: str) -> ControllerError:
        """Close, let the next attempt wait, and return the error to raise."""
        self._hang_up()
        self._pause.lengthen()
        return ControllerError(f"{self}: {problem}")
