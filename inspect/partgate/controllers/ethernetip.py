"""EtherNet/IP controller: the station reads and writes two array tags of a Rockwell PLC.

The words, their offsets and the rules are those of ``controllers/block.py``: ``PG_STATION`` holds offsets 0 to 10,
``PG_PLC`` 16 to 55, one word an element, DINT or INT as the PLC has them. The whole station block goes out in one
request, once, without retry; the controller's block is read in one. The library tells trouble by a status, connects
again by itself, waits for ever for an answer that ends in the middle, and takes any answer for its own: here a
connection that has failed is never used again, and every answer must be whole, in time, and the one that was asked
for. A write that failed may still be executed by the PLC later. Tried against cpppo, not on hardware.

Source:
    pylogix 1.1.6 (``eip.py``): its calls.
"""

import re
import struct
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from partgate.controllers.block import CONTROLLER_OFFSET, CONTROLLER_WORDS, STATION_WORDS
from partgate.controllers.block_controller import BlockController, BlockControllerConfig
from partgate.controllers.pause import Pause
from partgate.errors import ControllerError

_TAG = re.compile(r"(Program:[A-Z_]\w{0,39}\.)?[A-Z_]\w{0,39}", re.ASCII | re.IGNORECASE)
_TYPES = {0xC3: "INT", 0xC4: "DINT"}
_MESSAGE_BYTES = 504  # the size that every controller grants


class EthernetIpControllerConfig(BlockControllerConfig):
    """Address of one PLC and the names of the two tags in it."""

    KIND: ClassVar[str] = "ethernetip"

    kind: Literal["ethernetip"]
    port: int = Field(default=44818, ge=1, le=65535, description="TCP port")
    slot: int = Field(default=0, ge=0, le=31, description="slot of the CPU; 0 on CompactLogix")
    station_tag: str = Field(default="PG_STATION", description="array of 11 that the station writes")
    plc_tag: str = Field(default="PG_PLC", description="array of 40 that the PLC writes")
    connect_within_s: float = Field(
        default=1.0, gt=0, le=5, description="longest wait for each step of connecting, in seconds"
    )
    poll_ms: float = Field(default=10, ge=1, le=20, description="time between two reads, in milliseconds")

    @field_validator("station_tag", "plc_tag")
    @classmethod
    def _is_a_name(cls, tag: str) -> str:
        if not _TAG.fullmatch(tag):
            raise ValueError("must be a tag's name (letters, digits and _, at most 40), or Program:NAME.TAG")
        return tag

    def open(self) -> "EthernetIpController":
        """Return the controller that these settings describe."""
        return EthernetIpController(self)


class EthernetIpController(BlockController[EthernetIpControllerConfig]):
    """The words in two array tags."""

    def __init__(self, config: EthernetIpControllerConfig, pause: Pause | None = None) -> None:
        super().__init__(config, pause)
        self._plc: Any = None

    def __str__(self) -> str:
        return f"controller '{self.config.name}' (ethernetip {self.config.host}:{self.config.port})"

    def _connect(self) -> None:
        try:
            from pylogix import PLC  # type: ignore[import-untyped]  # has no types

            from partgate.controllers.ethernetip_connection import TimedConnection
        except ImportError as error:
            raise ControllerError(f'{self}: pylogix is missing; pip install "partgate[ethernetip]"') from error
        config = self.config
        self._plc = PLC(config.host, slot=config.slot, timeout=config.connect_within_s, port=config.port)
        self._plc.conn.Socket.close()
        self._plc.conn.msg_socket.close()
        self._plc.conn = TimedConnection(self._plc)
        self._plc.conn.ConnectionSize = _MESSAGE_BYTES
        connected, why = self._plc.conn.open()
        if not connected:
            raise self._failed(f"no connection ({why}); is the PLC on, is the slot of its CPU {config.slot}?")
        for tag, length in ((config.station_tag, STATION_WORDS), (config.plc_tag, CONTROLLER_WORDS)):
            self._read_values(tag, length, self.config.connect_within_s)

    def __exit__(self, *exc_info: object) -> None:
        if self._plc is not None:
            self._plc.conn.close()
        self._plc = None

    def _hang_up(self) -> None:
        if self._plc is not None:
            self._plc.conn.drop()
        self._plc = None

    def _read_words(self, offset: int, count: int) -> Sequence[int]:
        is_own = offset < CONTROLLER_OFFSET
        tag = self.config.station_tag if is_own else self.config.plc_tag
        values = self._read_values(tag, count)
        if is_own or self._is_short(tag):  # before it is written anything may stand there; an INT has a sign
            return [value & 0xFFFF for value in values]
        wrong = next((place for place, value in enumerate(values) if not 0 <= value <= 65535), None)
        if wrong is not None:
            raise self._failed(f"{tag}[{wrong}] must be 0 to 65535, got {values[wrong]}")
        return values

    def _write_words(self, offset: int, words: Sequence[int]) -> None:
        tag = self.config.station_tag
        if self._plc is not None and self._is_short(tag):
            words = [word - 65536 if word > 32767 else word for word in words]
        target = f"{tag}[{offset}]"
        self._call("Write", target, list(words), must_be=f"{tag} must be writable, an array of {STATION_WORDS}")

    def _read_values(self, tag: str, length: int, within_s: float | None = None) -> list[int]:
        """Return the first elements of a tag.

        Raises:
            ControllerError: If there is no such tag, it is too short or of another type, or there is no answer in time.
        """
        must_be = f"{tag} must be an array of {length} DINT or INT"
        found = self._call("Read", tag, length, must_be=must_be, within_s=within_s).Value
        if self._plc.KnownTags[tag][0] not in _TYPES:
            raise self._failed(f"{must_be}, not of another type")
        values = found if isinstance(found, list) else [found]
        if len(values) != length:
            raise self._failed(f"{must_be}, it gave {len(values)}")
        return values

    def _is_short(self, tag: str) -> bool:
        return bool(_TYPES[self._plc.KnownTags[tag][0]] == "INT")

    def _call(self, function: str, tag: str, argument: object, *, must_be: str, within_s: float | None = None) -> Any:
        """Make one call of the library; whatever is not a success closes the connection.

        Args:
            function: Of the library.
            tag: What is read or written.
            argument: A count to read, or values to write.
            must_be: What to say where it is refused.
            within_s: Longest wait; ``answer_within_s`` unless given, which a PLC that connects may need longer than.

        Raises:
            ControllerError: If there is no answer in time, or one that is refused, not whole or another one's.
        """
        if self._plc is None:
            raise ControllerError(f"{self}: is not connected")
        connection = self._plc.conn
        connection.begin(within_s or self.config.answer_within_s)
        what = f"{function.lower()} of {tag}"
        try:
            answer = getattr(self._plc, function)(tag, argument)
        except (OSError, struct.error, ValueError, TypeError, LookupError) as error:  # from an answer of another form
            raise self._failed(f"{what} got an answer that is none: {error}") from error
        if connection.trouble:
            raise self._failed(f"{what} got no answer: {connection.trouble}")
        if answer.Status != "Success":
            raise self._failed(f"{what} was refused ({answer.Status}); {must_be}")
        return answer
