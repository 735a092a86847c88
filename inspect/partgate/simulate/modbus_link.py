"""Modbus TCP server in front of the gate's memory, with the faults of a real line built in.

Holding registers only, function codes 3, 6 and 16, any device id; an address outside the block gets exception 2,
another function exception 1.
"""

import asyncio
from typing import cast

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from partgate.simulate.line import Line, Memory, cannot_listen
from partgate.simulate.words import BLOCK_WORDS

READ_HOLDING = 3
WRITE_FUNCTIONS = (6, 16)
MBAP_LENGTH_END = 6  # transaction, protocol, length: two bytes each
LONGEST_FRAME = 260  # bytes, header included
EXECUTED_FOR_ALL = 0  # pymodbus: device id 0 answers for every id


class _Connection(ServerRequestHandler):
    """One client: requests are executed strictly one after the other, each with its own answer.

    pymodbus serves one request per packet received and forgets what came behind it in the same packet. A client
    that writes on while the controller is frozen fills the socket with several; a real stack executes them all.
    """

    def __init__(self, owner: "_GateServer", line: Line, base_address: int) -> None:
        super().__init__(owner, None, None, None)  # type: ignore[no-untyped-call]  # pymodbus
        self.max_buffer_size = 1 << 16  # the base class drops the buffer when more than one frame waits in it
        self._line, self._base = line, base_address
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        line.spawn(self._execute_all())

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        """Queue every whole frame; return the number of bytes used."""
        used = 0
        while len(data) - used >= MBAP_LENGTH_END:
            header = data[used : used + MBAP_LENGTH_END]
            length = MBAP_LENGTH_END + int.from_bytes(header[4:6], "big")
            if header[2:4] != b"\0\0" or not MBAP_LENGTH_END + 2 <= length <= LONGEST_FRAME:
                self.abort()  # no Modbus: nothing behind it can be trusted either
                return len(data)
            if len(data) - used < length:
                break
            self._frames.put_nowait(data[used : used + length])
            used += length
        return used

    async def _execute_all(self) -> None:
        while (frame := await self._frames.get()) is not None:
            await self._line.thawed.wait()
            super().callback_data(frame)  # decodes into last_pdu, or answers that it cannot
            if self.last_pdu is not None:
                await self.handle_request()  # type: ignore[no-untyped-call]  # pymodbus

    def handle_later(self) -> None:
        """Leave the request to the worker, which is the only one to execute it."""

    def server_send(self, pdu: ModbusPDU | None, addr: tuple[str, int] | None) -> None:
        """Send the answer of the request just executed, unless the line is told to lose or delay it."""
        if pdu is not None:
            self._line.answer(self._written(), lambda: self._send_now(pdu))

    def _written(self) -> range:
        request = self.last_pdu
        if request is None or request.function_code not in WRITE_FUNCTIONS:
            return range(0)
        first = request.address - self._base
        return range(first, first + len(request.registers))

    def _send_now(self, pdu: ModbusPDU) -> None:
        if self.transport is not None:  # the client may have gone in the meantime
            self.pdu_send(pdu)

    def send(self, data: bytes, addr: tuple[str, int] | None = None) -> None:
        """Send an answer and keep what has come in of the next request, which the base class would forget."""
        begun = self.recv_buffer
        super().send(data, addr)
        self.recv_buffer = begun

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Let the worker end once everything that had come in is executed."""
        super().callback_disconnected(exc)
        self._frames.put_nowait(None)

    def abort(self) -> None:
        """Drop the connection at once, unsent answers included."""
        if self.transport is not None:
            cast(asyncio.Transport, self.transport).abort()


class _GateServer(ModbusTcpServer):
    """pymodbus' server with connections that keep every request and can be cut."""

    def __init__(self, device: SimDevice, host: str, port: int, line: Line, base_address: int) -> None:
        super().__init__(device, address=(host, port))
        self._line, self._base = line, base_address

    def callback_new_connection(self) -> _Connection:
        """Return the protocol of one more client."""
        return _Connection(self, self._line, self._base)

    def close_connections(self) -> None:
        """Drop all clients at once."""
        for connection in list(self.active_connections.values()):
            cast(_Connection, connection).abort()


class ModbusLink:
    """Holding registers that are the gate's memory.

    Args:
        memory: The words.
        line: Faults of the line.
        host: Address of this machine to listen on.
        port: TCP port; 0 takes a free one.
        base_address: Register of offset 0, zero-based.
    """

    def __init__(self, memory: Memory, line: Line, host: str, port: int, base_address: int) -> None:
        self._device = _build_device(base_address, memory)
        self._line, self._host, self._port, self._base = line, host, port, base_address
        self._server: _GateServer | None = None

    @property
    def port(self) -> int:
        """Return the TCP port."""
        return self._port

    async def listen(self) -> None:
        """Listen; nothing where it does so already."""
        if self._server is not None:
            return
        try:
            # pymodbus only says that it failed; asking the system first tells why.
            (await asyncio.get_running_loop().create_server(asyncio.Protocol, self._host, self._port)).close()
            server = _GateServer(self._device, self._host, self._port, self._line, self._base)
            await server.serve_forever(background=True)
        except (OSError, RuntimeError) as error:
            raise cannot_listen("modbus", self._host, self._port, error) from error
        self._server = server
        self._port = int(cast(asyncio.Server, server.transport).sockets[0].getsockname()[1])

    async def stop_listening(self) -> None:
        """Stop listening and drop all clients."""
        server, self._server = self._server, None
        if server is not None:
            server.close_connections()
            await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus
            await asyncio.sleep(0)  # lets the transports close their sockets

    def close_connections(self) -> None:
        """Drop all clients at once; they may connect again."""
        if self._server is not None:
            self._server.close_connections()


def _build_device(base_address: int, memory: Memory) -> SimDevice:
    async def serve(
        function_code: int,
        start_address: int,
        address: int,
        count: int,
        current_registers: list[int],
        set_values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Let each request see and change the memory itself; pymodbus' own registers are only the way there."""
        if function_code != READ_HOLDING and function_code not in WRITE_FUNCTIONS:
            return ExcCodes.ILLEGAL_FUNCTION
        offset = address - start_address
        if set_values is not None:
            memory.write(dict(enumerate((int(value) for value in set_values), start=offset)))
        current_registers[offset : offset + count] = memory.read(offset, count)
        return None

    registers = SimData(base_address, count=BLOCK_WORDS, values=0, datatype=DataType.REGISTERS)
    return SimDevice(EXECUTED_FOR_ALL, simdata=[registers], action=serve)
