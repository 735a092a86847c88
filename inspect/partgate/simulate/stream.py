"""Requests on a byte stream, for transports whose frames are our own code: one peer, one frame after the other."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, cast

from partgate.simulate.line import Line, cannot_listen

TRY_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back for one request."""

    data: bytes
    written: Collection[int] = ()  # offsets that the request wrote; none for a read


class Wire(Protocol):
    """The code of one transport: bytes in, bytes out."""

    name: str

    def split(self, received: bytes) -> tuple[list[bytes], bytes]:
        """Return the whole frames and what has begun behind them; ValueError where nothing can be trusted."""
        ...

    def execute(self, frame: bytes) -> Answer:
        """Execute one request; ValueError ends the connection."""
        ...


class _Connection(asyncio.Protocol):
    def __init__(self, wire: Wire, line: Line, gone: Callable[["_Connection"], None]) -> None:
        self._wire, self._line, self._gone = wire, line, gone
        self._transport: asyncio.Transport | None = None
        self._begun = b""
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._line.spawn(self._execute_all())

    def data_received(self, data: bytes) -> None:
        try:
            frames, self._begun = self._wire.split(self._begun + data)
        except ValueError:
            self.abort()
            return
        for frame in frames:
            self._frames.put_nowait(frame)

    async def _execute_all(self) -> None:
        while (frame := await self._frames.get()) is not None:
            await self._line.thawed.wait()
            try:
                answer = self._wire.execute(frame)
            except ValueError:
                self.abort()
                return
            self._line.answer(answer.written, lambda data=answer.data: self._send(data))  # type: ignore[misc]

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._frames.put_nowait(None)  # behind everything that had come in
        self._gone(self)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class StreamLink:
    """Listens for peers, or connects to one and again whenever that ends.

    Args:
        wire: The transport's code.
        line: Faults of its line.
        host: Own address to listen on, or the peer's.
        port: TCP port; 0 takes a free one to listen on.
        connects: Connect instead of listening.
    """

    def __init__(self, wire: Wire, line: Line, host: str, port: int, *, connects: bool = False) -> None:
        self._wire, self._line = wire, line
        self._host, self._port, self._connects = host, port, connects
        self._server: asyncio.Server | None = None
        self._caller: asyncio.Task[None] | None = None
        self._connections: set[_Connection] = set()

    @property
    def port(self) -> int:
        """Return the TCP port."""
        return self._port

    async def listen(self) -> None:
        """Listen, or begin to connect; nothing where it does so already."""
        loop = asyncio.get_running_loop()
        if self._connects:
            self._caller = self._caller or loop.create_task(self._keep_connected())
            return
        if self._server is not None:
            return
        try:
            self._server = await loop.create_server(self._make_connection, self._host, self._port)
        except OSError as error:
            raise cannot_listen(self._wire.name, self._host, self._port, error) from error
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def stop_listening(self) -> None:
        """Drop the peers and take or make no new connection."""
        if self._caller is not None:
            self._caller.cancel()
            await asyncio.gather(self._caller, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        self._server = self._caller = None
        self.close_connections()
        await asyncio.sleep(0)  # lets the transports close their sockets

    def close_connections(self) -> None:
        """Drop all peers at once."""
        for connection in list(self._connections):
            connection.abort()

    def _make_connection(self) -> _Connection:
        connection = _Connection(self._wire, self._line, self._connections.discard)
        self._connections.add(connection)
        return connection

    async def _keep_connected(self) -> None:
        while True:
            await self._line.thawed.wait()
            if not self._connections:
                with suppress(OSError):  # the station is not there yet
                    await asyncio.get_running_loop().create_connection(self._make_connection, self._host, self._port)
            await asyncio.sleep(TRY_AGAIN_S)
