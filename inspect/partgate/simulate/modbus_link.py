"""Modbus TCP server in front of the gate's memory, with the faults of a real line built in.

Holding registers only, function codes 3, 6 and 16, any device id; an address outside the block gets exception 2,
another function exception 1.
"""

import asyncio
import errno
from collections.abc import Callable, Coroutine
from typing import Literal, cast

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from partgate.errors import ControllerError
from partgate.simulate.words import BLOCK_WORDS, RESULT_WORDS

READ_HOLDING = 3
WRITE_FUNCTIONS = (6, 16)
MBAP_LENGTH_END = 6  # transaction, protocol, length: two bytes each
LONGEST_FRAME = 260  # bytes, header included
EXECUTED_FOR_ALL = 0  # pymodbus: device id 0 answers for every id

AnswerKind = Literal["all", "writes", "results"]
ReadWords = Callable[[int, int], list[int]]
WriteWords = Callable[[int, list[int]], None]


class Link:
    """What is wrong with the line at the moment; changed only in the loop that serves it.

    Attributes:
        thawed: Cleared while the controller is frozen: requests are kept and executed afterwards.
        answer_delay_s: How long each answer is held back after its request was executed.
        withheld: Number of answers that were withheld so far.
    """

    def __init__(self, base_address: int) -> None:
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.answer_delay_s = 0.0
        self.withheld = 0
        self._results = range(base_address + RESULT_WORDS.start, base_address + RESULT_WORDS.stop)
        self._withhold_kind: AnswerKind = "all"
        self._withhold_count: int | None = 0  # None: until told otherwise
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run work that outlives its connection: what has come in is executed even if the client is gone."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Give up whatever is still to be executed or answered."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def withhold(self, kind: AnswerKind, count: int | None) -> None:
        """Withhold the next answers of a kind; their requests are executed all the same."""
        self._withhold_kind = kind
        self._withhold_count = count

    def withholds(self, request: ModbusPDU) -> bool:
        """Say whether the answer to this request is withheld, and count it."""
        if self._withhold_count == 0 or not self._is_of_kind(request):
            return False
        if self._withhold_count is not None:
            self._withhold_count -= 1
        self.withheld += 1
        return True

    def _is_of_kind(self, request: ModbusPDU) -> bool:
        if self._withhold_kind == "all":
            return True
        if request.function_code not in WRITE_FUNCTIONS:
            return False
        end = request.address + len(request.registers)
        return self._withhold_kind == "writes" or (request.address < self._results.stop and end > self._results.start)


class _Connection(ServerRequestHandler):
    """One client: requests are executed strictly one after the other, each with its own answer.

    pymodbus serves one request per packet received and forgets what came behind it in the same packet. A client
    that writes on while the controller is frozen fills the socket with several; a real stack executes them all.
    """

    def __init__(self, owner: "GateServer", link: Link) -> None:
        super().__init__(owner, None, None, None)  # type: ignore[no-untyped-call]  # pymodbus
        self.max_buffer_size = 1 << 16  # the base class drops the buffer when more than one frame waits in it
        self._link = link
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        link.spawn(self._execute_all())

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
            await self._link.thawed.wait()
            super().callback_data(frame)  # decodes into last_pdu, or answers that it cannot
            if self.last_pdu is not None:
                await self.handle_request()  # type: ignore[no-untyped-call]  # pymodbus

    def handle_later(self) -> None:
        """Leave the request to the worker, which is the only one to execute it."""

    def server_send(self, pdu: ModbusPDU | None, addr: tuple[str, int] | None) -> None:
        """Send the answer of the request just executed, unless the line is told to lose or delay it."""
        if pdu is None or (self.last_pdu is not None and self._link.withholds(self.last_pdu)):
            return
        if self._link.answer_delay_s == 0:
            self._send_now(pdu)
            return
        self._link.spawn(self._send_later(pdu, self._link.answer_delay_s))

    async def _send_later(self, pdu: ModbusPDU, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await self._link.thawed.wait()
        self._send_now(pdu)

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


class GateServer(ModbusTcpServer):
    """pymodbus' server with connections that keep every request and can be cut."""

    def __init__(self, device: SimDevice, host: str, port: int, link: Link) -> None:
        super().__init__(device, address=(host, port))
        self._link = link

    def callback_new_connection(self) -> _Connection:
        """Return the protocol of one more client."""
        return _Connection(self, self._link)

    @property
    def port(self) -> int:
        """Return the TCP port that the server listens on."""
        return int(cast(asyncio.Server, self.transport).sockets[0].getsockname()[1])

    def close_connections(self) -> None:
        """Drop all clients at once; they may connect again."""
        for connection in list(self.active_connections.values()):
            cast(_Connection, connection).abort()

    async def end(self) -> None:
        """Stop listening and drop all clients."""
        self.close_connections()
        await self.shutdown()  # type: ignore[no-untyped-call]  # pymodbus
        await asyncio.sleep(0)  # lets the transports close their sockets


def build_device(base_address: int, read: ReadWords, write: WriteWords) -> SimDevice:
    """Return a device whose registers are the gate's memory.

    Args:
        base_address: Register of offset 0, zero-based.
        read: Gives ``count`` words from an offset.
        write: Takes words to an offset.
    """

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
            write(offset, [int(value) for value in set_values])
        current_registers[offset : offset + count] = read(offset, count)
        return None

    registers = SimData(base_address, count=BLOCK_WORDS, values=0, datatype=DataType.REGISTERS)
    return SimDevice(EXECUTED_FOR_ALL, simdata=[registers], action=serve)


async def listen(device: SimDevice, host: str, port: int, link: Link) -> GateServer:
    """Return a server that listens.

    Args:
        device: What it serves.
        host: Address of this machine to listen on.
        port: TCP port; 0 takes a free one.
        link: Faults of its line.

    Raises:
        ControllerError: If the address cannot be listened on: in use, not of this machine, not allowed.
    """
    name = f"simulated controller (modbus {host}:{port})"
    try:
        # pymodbus only says that it failed; asking the system first tells why.
        (await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)).close()
        server = GateServer(device, host, port, link)
        await server.serve_forever(background=True)
    except (OSError, RuntimeError) as error:
        raise ControllerError(f"{name}: cannot listen there: {error}; {_next_step(error, port)}") from error
    return server


def _next_step(error: Exception, port: int) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EACCES:
        return f"ports below 1024 need special rights: choose a port above 1023, got {port}"
    if number == errno.EADDRINUSE:
        return f"another program listens on port {port}: stop it, or choose another port"
    return "give an address of this machine, for example 127.0.0.1, and a free port"
