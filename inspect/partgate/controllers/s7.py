"""Siemens S7 controller: the station reads and writes one data block of the PLC.

The words, their offsets and the rules are those of ``controllers/block.py``; word n stands in bytes 2n and 2n+1 from
``first_byte`` on, high byte first. The whole station block goes out in one request, once, without retry; the
controller's block is read in one. The library's client connects again by itself, cuts requests into pieces and waits
5 s, so only its frames are used: one request, one answer, within ``answer_within_s``. After any failure the connection
is closed: the request may still be executed by the PLC later, and its late answer must not be taken for another one's.
Tried against the server of the same library, not on hardware.

Source:
    ISO on TCP: RFC 1006. The S7 messages: python-snap7 3.3 (``connection.py``, ``s7protocol.py``).
"""

import logging
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from partgate.controllers.block import CONTROLLER_WORDS
from partgate.controllers.block_controller import WHOLE_BLOCK, BlockController, BlockControllerConfig
from partgate.controllers.pause import Pause
from partgate.errors import ControllerError

BLOCK_BYTES = 2 * WHOLE_BLOCK  # 112
_WANTED_PDU_BYTES = 480
_LEAST_PDU_BYTES = 2 * CONTROLLER_WORDS + 18  # the answer to a read: header 12, parameters 2, head of the data 4
_PG = 0x0100  # type of connection in the remote TSAP, as programming devices use it
_NEXT_STEP = "must the CPU permit PUT/GET, is its block access not optimised, are rack and slot right?"


class S7ControllerConfig(BlockControllerConfig):
    """Address of one PLC and of the data block in it."""

    KIND: ClassVar[str] = "s7"

    kind: Literal["s7"]
    port: int = Field(default=102, ge=1, le=65535, description="TCP port")
    rack: int = Field(default=0, ge=0, le=7, description="rack of the CPU")
    slot: int = Field(default=1, ge=0, le=31, description="slot of the CPU: 1 on S7-1200 and 1500, 2 on S7-300")
    db_number: int = Field(ge=1, le=65535, description="number of the data block")
    first_byte: int = Field(
        default=0, ge=0, le=65536 - BLOCK_BYTES, multiple_of=2, description="byte of word 0 in the data block, even"
    )
    connect_within_s: float = Field(
        default=1.0, gt=0, le=5, description="longest wait for each step of connecting, in seconds"
    )

    def open(self) -> "S7Controller":
        """Return the controller that these settings describe."""
        return S7Controller(self)


class _TimedSocket(socket.socket):
    """A socket whose pieces must all have come by one moment: a PLC that trickles does not hold the loop up."""

    deadline = 0.0

    def recv(self, *arguments: Any) -> bytes:
        """Receive what has come, as long as the time is not over."""
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self.settimeout(left_s)
        return super().recv(*arguments)


class S7Controller(BlockController[S7ControllerConfig]):
    """The words in a data block."""

    def __init__(self, config: S7ControllerConfig, pause: Pause | None = None) -> None:
        super().__init__(config, pause)
        self._connection: Any = None
        self._protocol: Any = None

    def __str__(self) -> str:
        config = self.config
        return f"controller '{config.name}' (s7 {config.host}:{config.port} DB{config.db_number})"

    def _connect(self) -> None:
        try:
            from snap7.connection import ISOTCPConnection
            from snap7.s7protocol import S7Protocol
        except ImportError as error:
            raise ControllerError(f'{self}: python-snap7 is missing; pip install "partgate[s7]"') from error
        logging.getLogger("snap7").setLevel(logging.CRITICAL + 1)  # what it tells comes back as an error
        config = self.config
        connection = ISOTCPConnection(config.host, config.port, remote_tsap=_PG | config.rack << 5 | config.slot)
        try:
            connection.connect(timeout=config.connect_within_s)
        except _failures() as error:
            raise self._failed(f"no connection ({error}); is the PLC on, are rack and slot right?") from error
        assert connection.socket is not None
        connection.socket = _TimedSocket(fileno=connection.socket.detach())
        self._connection, self._protocol = connection, S7Protocol()
        self._agree_on_size()

    def _hang_up(self) -> None:
        if self._connection is not None:
            if self._connection.socket is not None:
                self._connection.socket.settimeout(self.config.answer_within_s)  # it says good-bye
            self._connection.disconnect()
        self._connection = None

    def _read_words(self, offset: int, count: int) -> Sequence[int]:
        from snap7.datatypes import S7Area, S7WordLen

        start, size = self._byte(offset), 2 * count
        what = f"read of bytes {start} to {start + size - 1}"
        request = self._open_protocol.build_read_request(S7Area.DB, self.config.db_number, start, S7WordLen.BYTE, size)
        answer = self._ask(request, what)
        try:
            return struct.unpack(f">{count}H", bytes(self._protocol.extract_read_data(answer, S7WordLen.BYTE, size)))
        except _failures() as error:
            raise self._failed(f"{what} was refused ({error}); {self._must_offer}") from error

    def _write_words(self, offset: int, words: Sequence[int]) -> None:
        from snap7.datatypes import S7Area, S7WordLen

        start, content = self._byte(offset), struct.pack(f">{len(words)}H", *words)
        what = f"write of bytes {start} to {start + len(content) - 1}"
        request = self._open_protocol.build_write_request(
            S7Area.DB, self.config.db_number, start, S7WordLen.BYTE, content
        )
        answer = self._ask(request, what)
        try:
            self._protocol.check_write_response(answer)
        except _failures() as error:
            raise self._failed(f"{what} was refused ({error}); {self._must_offer}") from error

    def _byte(self, offset: int) -> int:
        return self.config.first_byte + 2 * offset

    @property
    def _open_protocol(self) -> Any:
        if self._connection is None:
            raise ControllerError(f"{self}: is not connected")
        return self._protocol

    @property
    def _must_offer(self) -> str:
        last = self.config.first_byte + BLOCK_BYTES - 1
        return f"DB{self.config.db_number} must have bytes {self.config.first_byte} to {last}; {_NEXT_STEP}"

    def _agree_on_size(self) -> None:
        """Ask how long a message may be; the controller's words must fit into one."""
        request = self._protocol.build_setup_communication_request(pdu_length=_WANTED_PDU_BYTES)
        agreed = (self._ask(request, "setup").get("parameters") or {}).get("pdu_length", 0)
        if agreed < _LEAST_PDU_BYTES:
            raise self._failed(f"takes messages of {agreed} bytes, must be at least {_LEAST_PDU_BYTES}")

    def _ask(self, request: bytes, what: str) -> dict[str, Any]:
        """Send one message and return its answer; whatever else happens closes the connection.

        Raises:
            ControllerError: If there is no answer in time, or one that is refused, not whole or another one's.
        """
        connection = self._connection
        try:
            connection.socket.deadline = time.monotonic() + self.config.answer_within_s
            connection.socket.settimeout(self.config.answer_within_s)
            connection.send_data(request)
            answer: dict[str, Any] = self._protocol.parse_response(connection.receive_data())
            self._protocol.validate_pdu_reference(answer["sequence"])
        except _failures() as error:
            raise self._failed(f"{what} got no answer: {error}") from error
        return answer


def _failures() -> tuple[type[Exception], ...]:
    """Return what the library and the socket raise where the PLC does not do as it should."""
    from snap7.error import S7Error

    return (S7Error, OSError, struct.error, ValueError, LookupError)
