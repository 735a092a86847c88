"""OPC UA server in front of the gate's memory: one variable for each word, without security, on the given address.

The variables are ``ns=2;s=Partgate.NAME`` with the names of the handshake: UInt16, and ``PART_ID`` and ``LOT`` as
String. The station's words can be written by anyone, the controller's by nobody. A Read and a Write request each meet
the memory between two scans, however many variables they name. To be polled: a subscription sees no changes.
asyncua's server, with connections that keep what has come in while the controller is frozen.
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Any, cast

from asyncua import ua
from asyncua.crypto.permission_rules import User
from asyncua.server.address_space import AttributeService
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.server import Server
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from partgate.simulate.line import Line, Memory, cannot_listen
from partgate.simulate.words import (
    BLOCK_WORDS,
    CONTROLLER_NAMES,
    COUNTERS,
    STATION_NAMES,
    TEXT_WORDS,
    Word,
    unpack_text,
)  # fmt: skip

NAMESPACE = "urn:partgate:simulated-controller"
NAMESPACE_INDEX = 2
FOLDER = "Partgate"
_WRITE_REQUEST = ua.NodeId(ObjectIds.WriteRequest_Encoding_DefaultBinary)  # type: ignore[arg-type]  # asyncua
_READABLE = {
    **STATION_NAMES, **CONTROLLER_NAMES, **{word.name: word for word in COUNTERS.values()}, "LANE_OUT": Word.LANE_OUT,
}  # fmt: skip


def node_id(name: str) -> ua.NodeId:
    """Return the node of one word."""
    return ua.NodeId(f"{FOLDER}.{name}", NAMESPACE_INDEX)  # type: ignore[arg-type]  # asyncua


class _GateAttributes(AttributeService):
    """Reads and writes the values of our variables in the memory, all of one request at once."""

    def __init__(self, address_space: Any, memory: Memory) -> None:
        super().__init__(address_space)
        self._memory = memory
        self._words = {node_id(name): int(word) for name, word in _READABLE.items()}
        self._texts = {node_id(name): where for name, where in TEXT_WORDS.items()}
        self._writable = {node_id(name): int(word) for name, word in STATION_NAMES.items()}
        self.written: set[int] = set()  # by the last Write request

    def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        memory = self._memory.read(0, BLOCK_WORDS)
        others = super().read(params)
        return [
            self._value(item, memory) or other for item, other in zip(params.NodesToRead, others, strict=True)
        ]  # fmt: skip

    def _value(self, item: ua.ReadValueId, memory: list[int]) -> ua.DataValue | None:
        if item.AttributeId != AttributeIds.Value:
            return None
        if item.NodeId in self._words:
            return ua.DataValue(ua.Variant(memory[self._words[item.NodeId]], ua.VariantType.UInt16))
        if item.NodeId in self._texts:
            where = self._texts[item.NodeId]
            return ua.DataValue(ua.Variant(unpack_text(memory[where.start : where.stop]), ua.VariantType.String))
        return None

    async def write(self, params: ua.WriteParameters, user: User | None = None) -> list[ua.StatusCode]:
        words: dict[int, int] = {}
        codes = [self._take(item, words) for item in params.NodesToWrite]
        self.written = set(words)
        if words:
            self._memory.write(words)
        return [ua.StatusCode(code) for code in codes]  # type: ignore[arg-type]  # asyncua

    def _take(self, item: ua.WriteValue, words: dict[int, int]) -> int:
        """Put one item among the words to write; return its status."""
        if item.NodeId not in self._writable or item.AttributeId != AttributeIds.Value:
            is_known = item.NodeId in self._words or item.NodeId in self._texts
            return StatusCodes.BadNotWritable if is_known else StatusCodes.BadNodeIdUnknown
        variant = item.Value.Value
        if variant is None or variant.VariantType != ua.VariantType.UInt16 or not isinstance(variant.Value, int):
            return StatusCodes.BadTypeMismatch
        words[self._writable[item.NodeId]] = variant.Value
        return StatusCodes.Good


class _Processor(UaProcessor):
    """Knows what the request in hand writes when its answer is sent."""

    def __init__(self, server: Any, transport: asyncio.Transport, limits: Any, line: Line) -> None:
        super().__init__(server, transport, limits)
        self._line = line
        self._is_write = False

    async def _process_message(self, typeid: ua.NodeId, requesthdr: Any, seqhdr: Any, body: Any) -> bool:
        self._is_write = typeid == _WRITE_REQUEST
        done: bool = await super()._process_message(typeid, requesthdr, seqhdr, body)  # type: ignore[no-untyped-call]
        return done

    def send_response(
        self, requesthandle: Any, seqhdr: Any, response: Any, msgtype: bytes = ua.MessageType.SecureMessage
    ) -> None:
        attributes = cast(_GateAttributes, self.iserver.attribute_service)
        written: Collection[int] = attributes.written if self._is_write else ()

        def send() -> None:
            if not self._transport.is_closing():
                super(_Processor, self).send_response(requesthandle, seqhdr, response, msgtype)  # type: ignore[no-untyped-call]

        self._line.answer(written, send)


class _Connection(OPCUAProtocol):
    """One client: what has come in is executed even if the client is gone, and kept while the line is frozen."""

    def __init__(self, line: Line, **named: Any) -> None:
        super().__init__(**named)
        self._line = line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.transport is not None:
            self.processor = _Processor(self.iserver, self.transport, self.limits, self._line)
            self.processor.set_policies(self.policies)  # type: ignore[no-untyped-call]

    def connection_lost(self, ex: BaseException | None) -> None:
        task, processor = self._task, self.processor
        self._task = self.processor = None  # the base class would cancel the one and close the other at once
        super().connection_lost(ex)
        self.processor = processor
        if task is not None and processor is not None:
            self._line.spawn(self._close_after(task, processor))

    async def _close_after(self, task: "asyncio.Task[None]", processor: UaProcessor) -> None:
        await task
        await processor.close()  # type: ignore[no-untyped-call]  # asyncua

    async def _process_one_msg(self, header: Any, buf: Any) -> bool:
        await self._line.thawed.wait()
        return await super()._process_one_msg(header, buf)


class _BinaryServer(BinaryServer):
    def __init__(self, line: Line, server: Any, host: str, port: int, limits: Any) -> None:
        super().__init__(server, host, port, limits)
        self._line = line

    def _make_protocol(self) -> OPCUAProtocol:
        return _Connection(
            self._line, iserver=self.iserver, policies=self._policies, clients=self.clients,
            closing_tasks=self.closing_tasks, limits=self.limits,
        )  # fmt: skip


class _GateServer(Server):
    """asyncua's server, listening with connections of ours, again after it was cut."""

    def __init__(self, memory: Memory, line: Line) -> None:
        super().__init__()
        self._memory, self._line = memory, line

    async def prepare(self) -> None:
        """Make the address space."""
        await self.init()
        self.disable_clock()
        self.set_server_name("partgate simulated controller")
        self.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        if await self.register_namespace(NAMESPACE) != NAMESPACE_INDEX:
            raise RuntimeError(f"{NAMESPACE} must be namespace {NAMESPACE_INDEX}")
        folder = await self.nodes.objects.add_folder(node_id("Words"), f"{NAMESPACE_INDEX}:{FOLDER}")
        for name in _READABLE:
            variable = await folder.add_variable(node_id(name), f"{NAMESPACE_INDEX}:{name}", 0, ua.VariantType.UInt16)
            if name in STATION_NAMES:
                await variable.set_writable()
        for name in TEXT_WORDS:
            await folder.add_variable(node_id(name), f"{NAMESPACE_INDEX}:{name}", "", ua.VariantType.String)
        await self._setup_server_nodes()
        await self.iserver.start()
        self.iserver.attribute_service = _GateAttributes(self.iserver.aspace, self._memory)

    async def offer(self, host: str, port: int) -> int:
        """Listen; return the port."""
        self.set_endpoint(f"opc.tcp://{host}:{port}")
        self.bserver = _BinaryServer(self._line, self.iserver, host, port, self.limits)
        self.bserver.set_policies(self._policies)
        await self.bserver.start()
        return int(self.bserver.port)


class OpcuaLink:
    """Variables that are the gate's memory.

    Args:
        memory: The words.
        line: Faults of the line.
        host: Address of this machine to listen on.
        port: TCP port; 0 takes a free one.
    """

    def __init__(self, memory: Memory, line: Line, host: str, port: int) -> None:
        self._memory, self._line, self._host, self._port = memory, line, host, port
        self._server: _GateServer | None = None
        logging.getLogger("asyncua.server").setLevel(logging.CRITICAL)  # a dropped client is what we are here for

    @property
    def port(self) -> int:
        """Return the TCP port."""
        return self._port

    async def listen(self) -> None:
        """Listen; nothing where it does so already."""
        if self._server is None:
            server = _GateServer(self._memory, self._line)
            await server.prepare()
            self._server = server
        if self._server.bserver is not None:
            return
        try:
            self._port = await self._server.offer(self._host, self._port)
        except OSError as error:
            self._server.bserver = None
            raise cannot_listen("opcua", self._host, self._port, error) from error

    async def stop_listening(self) -> None:
        """Stop listening and drop all clients; their sessions end with them."""
        if self._server is not None and self._server.bserver is not None:
            self.close_connections()
            await self._server.bserver.stop()
            self._server.bserver = None

    def close_connections(self) -> None:
        """Drop all clients at once; they may connect again."""
        if self._server is not None:
            for transport in list(self._server.iserver.asyncio_transports):
                transport.abort()
