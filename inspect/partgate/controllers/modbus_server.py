"""Modbus TCP server: the PLC or robot is the client, polls the station's words and writes its own.

The words, their offsets and the rules are those of ``controllers/block.py``, as holding registers from
``first_register`` on (zero-based). A client may read offsets 0 to 55 (function codes 3, 4 and 23) and write 16 to 55
(6, 16 and 23); anything else gets exception 1, 2 or 3. The station's words change at one moment, so that no request
sees half a result. Only one connection writes at a time: another one gets exception 6 until the first is closed or has
written nothing for a second. A connection means nothing: only the controller's heartbeat says that it is there.

Modbus has neither password nor encryption, so from the network one address alone may write. Tried against jsmodbus,
modbus-serial, mbpoll and pymodbus, not on hardware.

Source:
    MODBUS Messaging on TCP/IP Implementation Guide V1.0b: the header.
"""

import asyncio
import errno
import logging
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from partgate.configfile import Host
from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import (
    STATE_OFFSET,
    ControllerWords,
    StationWords,
    decode_controller_block,
    encode_station_block,
)
from partgate.controllers.modbus_registers import WHOLE_BLOCK, Registers
from partgate.errors import ControllerError
from partgate.parts import Result

logger = logging.getLogger(__name__)

_HEADER = struct.Struct(">HHHB")  # transaction, protocol, length from the unit on, unit
_LONGEST = 254  # bytes from the unit on
_MOST_CONNECTIONS = 8  # one more closes the one that was silent longest
_END_WITHIN_S = 5.0


class ModbusServerControllerConfig(ControllerConfig):
    """Where this station listens, and for whom."""

    KIND: ClassVar[str] = "modbus_server"

    kind: Literal["modbus_server"]
    host: Host = Field(
        default="127.0.0.1", min_length=1, description="own address to listen on; unless set this PC alone can connect"
    )
    only_from: IPv4Address | None = Field(
        default=None, description="address of the PLC, the only one that may write; a must where host is not this PC"
    )
    port: int = Field(default=502, ge=1, le=65535, description="TCP port; below 1024 needs special rights on Linux")
    first_register: int = Field(default=0, ge=0, le=65536 - WHOLE_BLOCK, description="zero-based register of offset 0")
    connect_within_s: float = Field(
        default=1.0, gt=0, le=5, description="longest wait for the controller's first words, in seconds"
    )
    poll_ms: float = Field(default=5, ge=1, le=20, description="time between two looks, in milliseconds")

    @model_validator(mode="after")
    def _knows_who_may_write(self) -> Self:
        if self.only_from is None and not _is_this_pc(self.host):
            raise ValueError(
                f"host {self.host} can be reached from the network: only_from must name the PLC, "
                "for anyone there could write the controller's words"
            )
        return self

    def open(self) -> "ModbusServerController":
        """Return the controller that these settings describe."""
        return ModbusServerController(self)


def _is_this_pc(host: str) -> bool:
    try:
        return IPv4Address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


class ModbusServerController:
    """Holds the station's words for whoever polls them; not thread-safe, one station owns it.

    The port is open from the moment the ``with`` block is entered until it is left, and entering waits for the
    controller's heartbeat, trigger, acknowledge and boot: from there on the station goes.
    """

    def __init__(self, config: ModbusServerControllerConfig) -> None:
        self.config = config
        self._registers: Registers | None = None
        self._server: _Server | None = None

    def __str__(self) -> str:
        return f"controller '{self.config.name}' (modbus server on {self.config.host}:{self.config.port})"

    def __enter__(self) -> Self:
        registers = Registers(self.config.first_register)
        try:
            listener = socket.create_server((self.config.host, self.config.port))
        except OSError as error:
            raise ControllerError(f"{self}: cannot listen there ({error}); {self._next_step(error)}") from error
        self._registers, self._server = registers, _Server(listener, registers, self.config.only_from, str(self))
        if not registers.is_complete.wait(self.config.connect_within_s):
            seen = self._server.seen
            self.__exit__()
            raise ControllerError(
                f"{self}: no PLC has written its words within {self.config.connect_within_s:g} s "
                f"({seen} connected); start its program: PLC_HB, TRIG_SEQ, ACK_SEQ and PLC_BOOT belong to "
                f"registers {self.config.first_register + 16} to {self.config.first_register + 22}"
            )
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._server is not None:
            self._server.end()
        self._server = self._registers = None

    @property
    def poll_period_s(self) -> float:
        """Return the configured period in seconds."""
        return self.config.poll_ms / 1000

    def read(self) -> ControllerWords:
        """Return what the controller last wrote; never waits."""
        registers = self._open_registers
        words = decode_controller_block(registers.controller_words())
        return replace(words, not_before=registers.trigger_not_before)

    def station_heartbeat(self) -> int | None:
        """Return nothing: the words are this station's, no other can write them."""
        return None

    def write_state(self, words: StationWords) -> None:
        """Show state, fault, recipe and heartbeat, all at one moment."""
        block = encode_station_block(None, words)
        self._open_registers.put({STATE_OFFSET: block[STATE_OFFSET:], 0: block[:1]})

    def clear(self, words: StationWords) -> None:
        """Show the block without a result."""
        self._open_registers.put({0: encode_station_block(None, words)})

    def send(self, result: Result, words: StationWords) -> None:
        """Show the block with a result; it stands until the next one."""
        self._open_registers.put({0: encode_station_block(result, words)})

    @property
    def _open_registers(self) -> Registers:
        if self._registers is None or self._server is None:
            raise ControllerError(f"{self}: is not listening")
        if not self._server.is_alive:
            self.__exit__()
            raise ControllerError(f"{self}: the server has stopped; it listens again when it is opened again")
        if self._registers.was_taken_over:
            self.__exit__()
            raise ControllerError(
                f"{self}: another client began to write beside a silent one; both are let go, and the words begin anew"
            )
        return self._registers

    def _next_step(self, error: OSError) -> str:
        if error.errno == errno.EACCES:
            return f"ports below 1024 need special rights: choose one above 1023, got {self.config.port}"
        if error.errno == errno.EADDRINUSE:
            return "another station or program uses this port: give each its own"
        return "host must be an address of this PC"


class _Server:
    """Serves registers from a thread of its own until it is ended.

    One request at a time from each connection, so that a client that floods waits and fills no memory.
    """

    def __init__(self, listener: socket.socket, registers: Registers, only_from: IPv4Address | None, who: str) -> None:
        self.seen = 0  # connections so far
        self._registers, self._who = registers, who
        self._only_from = None if only_from is None else str(only_from)
        self._asked_at: dict[asyncio.StreamWriter, float] = {}
        self._refused: str | None = None  # address that was told last
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listener,), name="modbus server", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Tell whether requests are answered."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Stop listening and close all connections."""
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_END_WITHIN_S)

    def _run(self, listener: socket.socket) -> None:
        with listener, asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen(listener))

    async def _listen(self, listener: socket.socket) -> None:
        async with await asyncio.start_server(self._serve, sock=listener) as server:
            await self._stop.wait()
            server.close()
            for writer in self._asked_at:
                writer.transport.abort()
            while self._asked_at:
                await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen += 1
        if len(self._asked_at) >= _MOST_CONNECTIONS:
            min(self._asked_at, key=lambda known: self._asked_at[known]).transport.abort()
        try:
            await self._answer_all(reader, writer, str(writer.get_extra_info("peername")[0]))
        except (OSError, asyncio.IncompleteReadError):  # it has hung up, perhaps in the middle of a request
            pass
        finally:
            self._registers.forget(writer)
            self._asked_at.pop(writer, None)
            writer.transport.abort()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        may_write = self._only_from in (None, peer)
        while True:
            self._asked_at[writer] = time.monotonic()
            transaction, protocol, length, unit = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if protocol != 0 or not 2 <= length <= _LONGEST:
                return  # no Modbus: nothing behind it can be trusted either
            answer = self._registers.answer(await reader.readexactly(length - 1), writer, may_write=may_write)
            writer.write(_HEADER.pack(transaction, 0, 1 + len(answer), unit) + answer)
            if answer[1:] == b"\x06" and answer[0] & 0x80:
                self._tell_refused(peer, may_write=may_write)
            await writer.drain()
            await asyncio.sleep(0)  # the others' turn

    def _tell_refused(self, peer: str, *, may_write: bool) -> None:
        """Log once for an address that it may not write now."""
        if self._refused != peer:
            why = "another connection writes" if may_write else f"only {self._only_from} may write"
            logger.warning("%s: %s was refused to write: %s", self._who, peer, why)
        self._refused = peer
