"""EtherNet/IP controller: the station reads and writes two array tags of a Rockwell PLC.

The words, their offsets and the rules are those of ``controllers/block.py``: ``PG_STATION`` holds offsets 0 to 10,
``PG_PLC`` 16 to 55, one word an element, DINT or INT as the PLC has them. The whole station block goes out in one
request, once, without retry; the controller's block is read in one. The library tells trouble by a status, connects
again by itself, waits for ever for an answer that ends in the middle, and takes any answer for its own: here a
connection that has failed is never used again, and every answer must be whole, in time, and the one that was asked
for. A write that failed may still be executed by the PLC later. Tried against cpppo, not on hardware.

Source:
    pylogix 1.1.6 (``eip.py``, ``lgx_comm.py``): its calls, and where type and sequence stand in an answer.
"""

import re
import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator

from partgate.configfile import Host
from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import (
    CONTROLLER_WORDS,
    STATE_OFFSET,
    STATION_WORDS,
    ControllerWords,
    StationWords,
    decode_controller_block,
    encode_station_block,
)
from partgate.controllers.pause import Pause
from partgate.errors import ControllerError
from partgate.parts import Result

_TAG = re.compile(r"(Program:[A-Z_]\w{0,39}\.)?[A-Z_]\w{0,39}", re.ASCII | re.IGNORECASE)
_TYPES = {0xC3: "INT", 0xC4: "DINT"}
_MESSAGE_BYTES = 504  # the size that every controller grants
_HEADER_BYTES = 24
_SEND_UNIT_DATA = 0x70
_SEQUENCE_AT = 44


class EthernetIpControllerConfig(ControllerConfig):
    """Address of one PLC and the names of the two tags in it."""

    KIND: ClassVar[str] = "ethernetip"

    kind: Literal["ethernetip"]
    host: Host = Field(min_length=1, description="address of the PLC")
    port: int = Field(default=44818, ge=1, le=65535, description="TCP port")
    slot: int = Field(default=0, ge=0, le=31, description="slot of the CPU; 0 on CompactLogix")
    station_tag: str = Field(default="PG_STATION", description="array of 11 that the station writes")
    plc_tag: str = Field(default="PG_PLC", description="array of 40 that the PLC writes")
    connect_within_s: float = Field(
        default=1.0, gt=0, le=5, description="longest wait for each step of connecting, in seconds"
    )
    answer_within_s: float = Field(default=0.1, gt=0, le=0.1, description="longest wait for an answer, in seconds")
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


class EthernetIpController:
    """Reads triggers from a tag and writes results to another; not thread-safe, one station owns it.

    After a failure the next attempt waits: 0.1 s, then twice as long each time up to 2 s, until an answer was whole.
    """

    def __init__(self, config: EthernetIpControllerConfig, pause: Pause | None = None) -> None:
        self.config = config
        self._pause = pause or Pause()
        self._plc: Any = None
        self._is_connected = False

    def __str__(self) -> str:
        return f"controller '{self.config.name}' (ethernetip {self.config.host}:{self.config.port})"

    def __enter__(self) -> Self:
        try:
            from pylogix import PLC  # type: ignore[import-untyped]  # has no types
        except ImportError as error:
            raise ControllerError(f'{self}: pylogix is missing; pip install "partgate[ethernetip]"') from error
        self._pause.refuse_early(self)
        config = self.config
        self._plc = PLC(config.host, slot=config.slot, timeout=config.connect_within_s, port=config.port)
        self._plc.conn.Socket.close()
        self._plc.conn.msg_socket.close()
        self._plc.conn = _connection(self._plc)
        self._plc.conn.ConnectionSize = _MESSAGE_BYTES
        connected, why = self._plc.conn.open()
        if not connected:
            raise self._failed(f"no connection ({why}); is the PLC on, is the slot of its CPU {config.slot}?")
        self._is_connected = True
        for tag, length in ((config.station_tag, STATION_WORDS), (config.plc_tag, CONTROLLER_WORDS)):
            self._read_values(tag, length, self.config.connect_within_s)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._plc is not None:
            self._plc.conn.close()
        self._plc, self._is_connected = None, False

    @property
    def poll_period_s(self) -> float:
        """Return the configured period in seconds."""
        return self.config.poll_ms / 1000

    def read(self) -> ControllerWords:
        """Return what the controller says now, from one request."""
        tag = self.config.plc_tag
        values = self._read_values(tag, CONTROLLER_WORDS)
        words = [value & 0xFFFF if self._is_short(tag) else value for value in values]  # an INT has a sign
        wrong = next((place for place, word in enumerate(words) if not 0 <= word <= 65535), None)
        if wrong is not None:
            raise self._failed(f"{tag}[{wrong}] must be 0 to 65535, got {words[wrong]}")
        self._pause.shorten()
        return decode_controller_block(words)

    def station_heartbeat(self) -> int | None:
        """Return the first word of the station's tag, as it stands in the PLC."""
        tag = self.config.station_tag
        value = self._call("Read", f"{tag}[0]", 1, must_be=f"{tag} must be readable").Value
        return int(value) & 0xFFFF

    def write_state(self, words: StationWords) -> None:
        """Write state, fault and recipe, then the heartbeat: a new heartbeat never stands beside an old state."""
        block = encode_station_block(None, words)
        self._write(STATE_OFFSET, block[STATE_OFFSET:])
        self._write(0, block[:1])

    def clear(self, words: StationWords) -> None:
        """Write the block without a result."""
        self._write(0, encode_station_block(None, words))

    def send(self, result: Result, words: StationWords) -> None:
        """Write the block with a result once."""
        self._write(0, encode_station_block(result, words))

    def _read_values(self, tag: str, length: int, within_s: float | None = None) -> list[int]:
        """Return the first elements of a tag.

        Raises:
            ControllerError: If there is no such tag, it is too short or of another type, or there is no answer in time.
        """
        must_be = f"{tag} must be an array of {length} DINT or INT"
        values = self._call("Read", tag, length, must_be=must_be, within_s=within_s).Value
        if self._plc.KnownTags[tag][0] not in _TYPES:
            raise self._failed(f"{must_be}, not of another type")
        if not isinstance(values, list) or len(values) != length:
            raise self._failed(f"{must_be}, it gave {len(values) if isinstance(values, list) else 1}")
        return values

    def _write(self, offset: int, words: Sequence[int]) -> None:
        tag = self.config.station_tag
        if self._plc is not None and self._is_short(tag):
            words = [word - 65536 if word > 32767 else word for word in words]
        target = f"{tag}[{offset}]"
        self._call("Write", target, list(words), must_be=f"{tag} must be writable, an array of {STATION_WORDS}")

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
        if not self._is_connected:
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

    def _failed(self, problem: str) -> ControllerError:
        """Close, let the next attempt wait, and return the error to raise."""
        self._plc.conn.drop()
        self._plc, self._is_connected = None, False
        self._pause.lengthen()
        return ControllerError(f"{self}: {problem}")


def _connection(plc: Any) -> Any:
    """Return the library's connection with what it lacks: an end to waiting, and answers that are looked at."""
    from pylogix.lgx_comm import Connection  # type: ignore[import-untyped]  # has no types

    class TimedConnection(Connection):  # type: ignore[misc]  # has no types
        """One request, one whole answer, by one moment; a connection that has failed is never used again."""

        def __init__(self, parent: Any) -> None:
            super().__init__(parent)
            self.msg_socket.close()  # for messages that a PLC begins
            self.trouble = ""
            self._deadline = 0.0
            self._asked: int | None = None  # sequence of the request that waits for its answer

        def begin(self, within_s: float) -> None:
            """Give all that follows so much time, in seconds."""
            self._deadline, self.trouble = time.monotonic() + within_s, ""

        def open(self) -> tuple[bool, str]:
            """Connect once; return whether that was possible, else why not."""
            self.begin(3 * self.parent.SocketTimeout)  # a connection, a session, a way through it
            connected, why = super().connect()
            if connected:
                self.Socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected, self.trouble or str(why)

        def connect(self, connected: bool = True) -> list[Any]:
            """Say whether it is connected; the library would connect again by itself, without reading first."""
            return [self.SocketConnected, "Connection lost"]

        def drop(self) -> None:
            """Close without a word: nobody is there to hear it."""
            self.SocketConnected = False
            self.Socket.close()

        def close(self) -> None:
            """Say good-bye and close."""
            self.begin(self.parent.SocketTimeout)
            super().close()

        def send(self, request: bytes, connected: bool = True, slot: int | None = None) -> tuple[int, bytes | None]:
            """Send one request and return status and answer, none where something is wrong."""
            if select.select([self.Socket], [], [], 0)[0]:  # an answer that nobody waits for, or the end
                self.trouble = "sent something unasked" if self.Socket.recv(4096) else "has hung up"
                return 1, None
            self._asked = self._sequence_counter
            try:
                status: tuple[int, bytes | None] = super().send(request, connected, slot)
            finally:
                self._asked = None
            return status

        def receive_data(self) -> bytes | None:
            """Return one whole answer, none where something is wrong."""
            try:
                answer = self._receive_whole()
                self._check(answer)
            except (OSError, ValueError, struct.error) as error:
                self.trouble = str(error)
                return None
            return answer

        def _receive_whole(self) -> bytes:
            received, length = b"", _HEADER_BYTES
            while len(received) < length:
                so_far = " in the middle of it" if received else ""
                self.Socket.settimeout(max(self._deadline - time.monotonic(), 1e-6))
                try:
                    piece = self.Socket.recv(4096)
                except TimeoutError:
                    raise TimeoutError(f"timed out{so_far}") from None
                if not piece:
                    raise ConnectionError(f"has hung up{so_far}")
                received += piece
                if len(received) >= _HEADER_BYTES:
                    length = _HEADER_BYTES + int(struct.unpack_from("<H", received, 2)[0])
            if len(received) > length:
                raise ValueError(f"{len(received) - length} bytes stand behind it")
            return received

        def _check(self, answer: bytes) -> None:
            """Refuse what is no answer to the request that waits."""
            if struct.unpack_from("<I", answer, 8)[0] != 0:
                raise ValueError(f"status {answer[8:12].hex()} in its header")
            if self._asked is None:
                return
            command, sequence = struct.unpack_from("<H", answer)[0], struct.unpack_from("<H", answer, _SEQUENCE_AT)[0]
            if command != _SEND_UNIT_DATA or sequence != self._asked:
                raise ValueError(f"it answers request {sequence}, must be {self._asked}")
            struct.unpack_from("<H", answer, _SEQUENCE_AT + 4)  # the status

    return TimedConnection(plc)
