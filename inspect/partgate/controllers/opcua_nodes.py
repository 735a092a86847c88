"""The nodes of the OPC UA server and what its methods do. Imported when the server starts, runs in its thread.

A job is accepted only while the station says that it is ready and says so now: its state is not older than 0.3 s, and
was written after the station has seen the job before.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncua.ua
from pydantic import SecretStr

from partgate.controllers.block import (
    LAST_SEQUENCE,
    Command,
    ControllerWords,
    State,
    StationWords,
    encode_station_block,
)
from partgate.controllers.opcua_guard import Gate, Rules, make_server
from partgate.controllers.opcua_link import (
    CONTROLLER_WORDS,
    RESULT_ORDER,
    STATE_ORDER,
    STATION_WORDS,
    TEXTS,
    take_words,
)
from partgate.controllers.opcua_security import Identity
from partgate.parts import Result, StationState

NAMESPACE = "urn:partgate"
OK, NOT_READY, OVERRUN, BAD_ARGUMENTS, OTHER_RECIPE, BY_WORDS, UNKNOWN_JOB = 0, -1, -2, -3, -4, -5, -6
_STALE_AFTER_S = 0.3
_OUTER = {StationState.PREOPERATIONAL: "Preoperational", StationState.HALTED: "Halted", StationState.ERROR: "Error"}
_INNER = {
    StationState.INITIALIZED: "Initialized",
    StationState.READY: "Ready",
    StationState.SINGLE_EXECUTION: "SingleExecution",
    StationState.CONTINUOUS_EXECUTION: "ContinuousExecution",
}
ua: Any = asyncua.ua
_types = ua.VariantType
_EVENT = {"JobId": "String", "ResultState": "Int32", "MeasId": "String", "PartId": "String", "ProductId": "String",
          "Class": "UInt16", "Lane": "UInt16", "Reason": "UInt16"}  # fmt: skip
_START_IN = (("MeasId", "String"), ("PartId", "String"), ("RecipeId", "UInt16"), ("ProductId", "String"))


class OpcuaNodes:
    """One running server."""

    def __init__(self, config: Any, password: SecretStr, identity: Identity | None, boot: int) -> None:
        self.boot = boot  # counts sessions of the controller; in force where methods trigger
        self._config, self._identity = config, identity
        own, key, trusted = identity.parse() if identity else (None, b"", None)
        if own:
            own.check_dates()
        self._own, self._key = own, key
        self._gate = Gate(config.user, password, trusted, anonymous_may_read=config.anonymous_may_read)
        self._server = make_server(self._gate)
        self._ids: dict[str, Any] = {}
        self._event: Any = None
        self._arrivals = 0
        self._trigger_seen = 0
        self._not_before: float | None = None  # when the client was heard before it wrote this trigger
        self._told: tuple[StationWords, float] | None = None  # what the station said last, and when
        self._sequence = self._acknowledged = 0
        self._reads = 2  # of the station since the last trigger
        self._job: dict[str, str] = {}  # ids of the part in hand
        self._published = ""  # job whose result is out
        self._clear_fault = False

    async def start(self) -> None:
        """Make the nodes and listen."""
        server, config = self._server, self._config
        await server.init()
        host = f"[{config.host}]" if ":" in config.host else config.host
        server.set_endpoint(f"opc.tcp://{host}:{config.port}")
        server.set_server_name("partgate")
        policies: Any = ua.SecurityPolicyType
        if self._own:
            await server.set_application_uri(self._own.uris[0])
            await server.load_certificate(self._own.der, "der")
            await server.load_private_key(self._key, None, "der")
            server.set_security_policy([policies.Basic256Sha256_SignAndEncrypt], Rules())
        else:
            await server.set_application_uri(f"{NAMESPACE}:server")
            server.set_security_policy([policies.NoSecurity], Rules())
        index = await server.register_namespace(NAMESPACE)
        await self._make_words(index)
        await self._make_vision_system(index)
        await server.start()

    async def stop(self) -> None:
        """Listen no more."""
        await self._server.stop()

    def cut(self) -> None:
        """Listen no more and drop every client without a word: the library waits for those that read no more."""
        server: Any = self._server
        for transport in list(server.iserver.asyncio_transports):
            transport.abort()
        if server.bserver is not None and server.bserver._server is not None:
            server.bserver._server.close()

    async def _make_words(self, index: int) -> None:
        folder = await self._server.nodes.objects.add_object(ua.NodeId("Partgate", index), f"{index}:Partgate")
        for name in (*STATION_WORDS, *CONTROLLER_WORDS, *TEXTS):
            start: Any = ("", _types.String) if name in TEXTS else (0, _types.UInt16)
            node = await folder.add_variable(ua.NodeId(f"Partgate.{name}", index), f"{index}:{name}", *start)
            self._ids[name] = node.nodeid
            if name not in STATION_WORDS and self._config.triggers == "words":
                await node.set_writable()
        start = ([0] * len(STATION_WORDS), _types.UInt16)
        node = await folder.add_variable(ua.NodeId("Partgate.STATION", index), f"{index}:STATION", *start)
        self._ids["STATION"] = node.nodeid
        self._gate.words = {self._ids[name]: name for name in (*CONTROLLER_WORDS, *TEXTS)}

    async def _make_vision_system(self, index: int) -> None:
        parent, path = self._server.nodes.objects, ""
        for name in ("VisionSystem", "VisionStateMachine", "AutomaticModeStateMachine"):
            path = f"{path}.{name}".lstrip(".")
            parent = await parent.add_object(ua.NodeId(path, index), f"{index}:{name}")
            if name != "VisionSystem":
                start = ua.LocalizedText("Preoperational"), _types.LocalizedText
                node = await parent.add_variable(
                    ua.NodeId(f"{path}.CurrentState", index), f"{index}:CurrentState", *start
                )
                self._ids[name] = node.nodeid
        for name, called, given, returned in (
            ("StartSingleJob", self._start_single_job, _START_IN, (("JobId", "String"), ("Error", "Int32"))),
            ("AcknowledgeResult", self._acknowledge_result, (("JobId", "String"),), (("Error", "Int32"),)),
            ("Reset", self._reset, (), (("Error", "Int32"),)),
        ):
            await parent.add_method(
                ua.NodeId(f"{path}.{name}", index), f"{index}:{name}", called, _arguments(given), _arguments(returned)
            )
        properties: Any = [(name, _types[kind]) for name, kind in _EVENT.items()]
        kind = await self._server.create_custom_event_type(index, "ResultReadyEventType", properties=properties)
        self._event = await self._server.get_event_generator(kind)

    async def read(self) -> ControllerWords:
        """Return the controller's words now."""
        if self._config.triggers == "methods":
            return await self._count()
        if self._gate.was_replaced:  # what stands there is of two clients: the new one says where it stands
            self._gate.was_replaced = False
            for name in CONTROLLER_WORDS:
                await self._set(name, ua.Variant(0, _types.UInt16))
        words = take_words({name: self._value(name) for name in (*CONTROLLER_WORDS, *TEXTS)})
        if words.trigger_sequence != self._trigger_seen:
            self._trigger_seen, self._not_before = words.trigger_sequence, self._gate.heard_before
        return replace(words, not_before=self._not_before)

    async def _count(self) -> ControllerWords:
        """Return what the calls amount to, and show it in the words."""
        self._notice_arrival()
        self._reads = min(self._reads + 1, 2)
        clear, self._clear_fault = self._clear_fault, False
        command = Command.ENABLE | (Command.CLEAR_FAULT if clear else Command(0))
        words = ControllerWords(
            self._gate.requests % 65536, self._sequence, self._acknowledged, command, 0, self._config.window_ms,
            self.boot, self._job.get("PartId") or None,
        )  # fmt: skip
        shown = (
            words.heartbeat,
            words.trigger_sequence,
            words.acknowledged,
            int(command),
            0,
            words.window_ms,
            words.boot,
        )
        for name, value in zip(CONTROLLER_WORDS, shown, strict=True):
            if self._value(name) != value:
                await self._set(name, ua.Variant(value, _types.UInt16))
        return words

    def _notice_arrival(self) -> None:
        """Count a new session of the controller as its restart: what its predecessor started is nobody's any more."""
        if self._arrivals != self._gate.arrivals or not self.boot:
            self._arrivals = self._gate.arrivals
            self.boot = self.boot % LAST_SEQUENCE + 1
            self._sequence = self._acknowledged = 0
            self._job, self._published, self._reads = {}, "", 2

    async def write_state(self, words: StationWords) -> None:
        """Publish the state, then the heartbeat; the result's nodes are not touched."""
        await self._publish(encode_station_block(None, words), words, STATE_ORDER)

    async def write_block(self, result: Result | None, words: StationWords) -> None:
        """Publish the block, and the event of a job that the session in force has started."""
        await self._publish(encode_station_block(result, words), words, (*STATE_ORDER, *RESULT_ORDER))
        if result is None or self._config.triggers != "methods":
            return
        self._notice_arrival()
        trigger, decision = result.trigger, result.decision
        job = f"{trigger.boot}-{trigger.sequence}"
        if (trigger.boot, trigger.sequence) != (self.boot, self._sequence) or job == self._published:
            return
        self._published = job
        fields = {"JobId": job, "ResultState": int(decision.verdict), "Class": result.class_number,
                  "Lane": result.lane, "Reason": int(decision.reason), **self._job}  # fmt: skip
        for name, value in fields.items():
            setattr(self._event.event, name, ua.Variant(value, _types[_EVENT[name]]))
        await self._event.trigger(message=f"result of job {job}")

    async def _publish(self, block: list[int], words: StationWords, order: tuple[str, ...]) -> None:
        state = words.station_state
        await self._set("VisionStateMachine", ua.Variant(ua.LocalizedText(_OUTER.get(state, "Operational"))))
        if state in _INNER:
            await self._set("AutomaticModeStateMachine", ua.Variant(ua.LocalizedText(_INNER[state])))
        else:
            await self._set("AutomaticModeStateMachine", None, ua.StatusCodes.BadStateNotActive)
        word = dict(zip(STATION_WORDS, block, strict=True))
        for name in order:
            await self._set(name, ua.Variant(word[name], _types.UInt16))
        whole = [word[name] if name in order else self._value(name) for name in STATION_WORDS]
        await self._set("STATION", ua.Variant(whole, _types.UInt16))
        if self._reads >= 2:
            self._told = words, time.monotonic()

    def _value(self, name: str) -> Any:
        found = self._server.iserver.aspace.read_attribute_value(self._ids[name], ua.AttributeIds.Value)
        assert found.Value is not None
        return found.Value.Value

    async def _set(self, name: str, value: Any, status: int = 0) -> None:
        content = ua.DataValue(value, ua.StatusCode(status), SourceTimestamp=datetime.now(UTC))
        await self._server.write_attribute_value(self._ids[name], content)

    async def _start_single_job(self, parent: Any, *given: Any) -> list[Any]:
        """Announce a part, or say why not."""
        error = self._why_no_job(given)
        if error == OK:
            self._sequence = self._sequence % LAST_SEQUENCE + 1
            self._job = {name: given[place].Value for place, (name, _) in enumerate(_START_IN) if name != "RecipeId"}
            self._reads, self._told = 0, None
        job = "" if error else f"{self.boot}-{self._sequence}"
        return [ua.Variant(job, _types.String), ua.Variant(error, _types.Int32)]

    def _why_no_job(self, given: tuple[Any, ...]) -> int:
        if self._config.triggers != "methods":
            return BY_WORDS
        if not _fit(given, _START_IN):
            return BAD_ARGUMENTS
        self._notice_arrival()
        if self._sequence and self._acknowledged != self._sequence and (self._told is None or not self._is_ready()):
            return OVERRUN
        if not self._is_ready():
            return NOT_READY
        assert self._told
        return OK if given[2].Value in (0, self._told[0].recipe) else OTHER_RECIPE

    def _is_ready(self) -> bool:
        if self._told is None or time.monotonic() - self._told[1] > _STALE_AFTER_S:
            return False
        return State.ONLINE | State.TRIGGER_READY in self._told[0].state

    async def _acknowledge_result(self, parent: Any, *given: Any) -> list[Any]:
        """Take note that the client has taken the result of a job."""
        error = BY_WORDS if self._config.triggers != "methods" else BAD_ARGUMENTS
        if error == BAD_ARGUMENTS and _fit(given, (("JobId", "String"),)):
            self._notice_arrival()
            error = OK if self._published and given[0].Value == self._published else UNKNOWN_JOB
        if error == OK:
            self._acknowledged = self._sequence
        return [ua.Variant(error, _types.Int32)]

    async def _reset(self, parent: Any, *given: Any) -> list[Any]:
        """Clear a fault that waits for it, as CMD bit 1 does."""
        error = BY_WORDS if self._config.triggers != "methods" else BAD_ARGUMENTS if given else OK
        self._clear_fault = self._clear_fault or error == OK
        return [ua.Variant(error, _types.Int32)]


def _fit(given: tuple[Any, ...], wanted: tuple[tuple[str, str], ...]) -> bool:
    """Tell whether arguments are complete and of their types: the library calls a method with whatever came."""
    if len(given) != len(wanted):
        return False
    for found, (_, kind) in zip(given, wanted, strict=True):
        if found.VariantType.name != kind or isinstance(found.Value, list) or found.Value is None:
            return False
        if kind == "String" and (len(found.Value) > TEXTS["PART_ID"] or not found.Value.isprintable()):
            return False
    return True


def _arguments(named: tuple[tuple[str, str], ...]) -> list[Any]:
    return [
        ua.Argument(Name=name, DataType=ua.NodeId(getattr(ua.ObjectIds, kind)), ValueRank=-1) for name, kind in named
    ]
