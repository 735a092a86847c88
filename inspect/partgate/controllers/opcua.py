"""OPC UA controller: the station is the client and writes into variables of the PLC's server.

With ``nodes: words`` each word of ``controllers/block.py`` is one variable of type UInt16, ``PART_ID`` and ``LOT`` are
String and may be missing. With ``nodes: arrays`` there are three UInt16 arrays: ``STATE`` (VIS_HB, STATE, FAULT,
RECIPE_ACTIVE), ``RESULT`` (RES_SEQ to CHECK, offsets 1 to 7) and ``CONTROLLER`` (offsets 16 on, at least 7 words).
All that is written at once goes out in one Write call, once, without retry, the state before the heartbeat and RES_SEQ
behind the whole result; state writes never touch the result. All that is read comes from one Read call, TRIG_SEQ first:
what the PLC set before it is then new as well. The status of every item is checked, types and access when it connects.

After any failure the connection is dropped without a word, and the next attempt waits (``Pause``). The library's own
reconnecting is never used: it would go on without reading where the PLC stands. Tried against asyncua and node-opcua,
not on hardware.

Source:
    OPC 10000-4, 5.10.2 Read and 5.10.4 Write (items in the order of the request, a status for each).
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from partgate.configfile import SECRET, RelativePath
from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import ControllerWords, StationWords, decode_controller_block, encode_station_block
from partgate.controllers.opcua_link import (
    CONTROLLER_WORDS,
    RESULT_ORDER,
    SHOWN,
    STATE_ORDER,
    STATION_WORDS,
    TEXTS,
    LoopThread,
    check_written,
    cut,
    find_problem,
    import_asyncua,
    take_words,
)
from partgate.controllers.opcua_security import Identity, RefusedError, secure
from partgate.controllers.pause import Pause
from partgate.errors import ConfigError, ControllerError
from partgate.parts import Result
from partgate.secrets import SecretSource

_READ_ORDER = ("TRIG_SEQ", *(word for word in CONTROLLER_WORDS if word != "TRIG_SEQ"))
_STATE_WORDS, _RESULT_WORDS = ("VIS_HB", "STATE", "FAULT", "RECIPE_ACTIVE"), STATION_WORDS[1:8]
_REFUSALS = ("BadUser", "BadIdentityToken", "BadCertificate", "BadSecurity", "BadApplicationSignature", "BadTooManySes")
_SESSION_MS = 10_000  # after which the PLC forgets a station that was cut off: its sessions are few
_LENGTHS = {"STATE": (4, 4), "RESULT": (7, 7), "CONTROLLER": (len(CONTROLLER_WORDS), 65535)}  # fewest, most words
_CLOSE_WITHIN_S = 0.5


def _plain_url(url: str) -> str:
    if "@" in url:  # not repeated: a password may stand in it
        raise PydanticCustomError(
            SECRET, "must be opc.tcp://ADDRESS:PORT alone; user and password are keys of their own"
        )
    if re.fullmatch(r"opc\.tcp://[^\s/]+(/\S*)?", url) is None:
        raise ValueError(f"must be opc.tcp://ADDRESS:PORT, got {url!r}")
    return url


class OpcuaControllerConfig(ControllerConfig):
    """Where the PLC's variables are, and how the station proves who it is."""

    KIND: ClassVar[str] = "opcua"

    kind: Literal["opcua"]
    url: Annotated[str, AfterValidator(_plain_url)] = Field(description="of the server: opc.tcp://ADDRESS:4840")
    nodes: Literal["words", "arrays"] = Field(default="words", description="one variable a word, or three arrays")
    node: str = Field(
        default="ns=2;s=Partgate.{word}",
        description="node id of a variable; {word} stands for its name, such as VIS_HB, or STATE, RESULT, CONTROLLER",
    )
    security: Literal["none", "sign_and_encrypt"] = Field(
        description="sign_and_encrypt: Basic256Sha256 with certificates of both sides"
    )
    certificate: RelativePath | None = Field(default=None, description="the station's own, PEM or DER")
    key: RelativePath | None = Field(default=None, description="its key, without a password; its owner's alone to read")
    server_certificate: RelativePath | None = Field(default=None, description="the PLC's; no other one is accepted")
    user: str | None = Field(default=None, min_length=1, description="user of the PLC's server; unset = anonymous")
    password: SecretSource | None = Field(default=None, description="the user's password")
    connect_within_s: float = Field(default=3.0, gt=0, le=10, description="longest wait for a connection, in seconds")
    answer_within_s: float = Field(default=0.1, gt=0, le=0.1, description="longest wait for an answer, in seconds")
    poll_ms: float = Field(default=10, ge=1, le=20, description="time between two reads, in milliseconds")

    @field_validator("node")
    @classmethod
    def _is_a_template(cls, value: str) -> str:
        if value.count("{word}") != 1 or ";s=" not in f";{value}":
            raise ValueError("must be a text node id that holds {word} once, such as ns=2;s=Partgate.{word}")
        return value

    @model_validator(mode="after")
    def _is_secure_as_it_says(self) -> Self:
        needed = {"certificate": self.certificate, "key": self.key, "server_certificate": self.server_certificate}
        missing = [name for name, value in needed.items() if value is None]
        if self.security == "sign_and_encrypt" and missing:
            raise ValueError(f"security sign_and_encrypt needs {', '.join(missing)}")
        if self.security == "none" and (self.password or len(missing) < len(needed)):
            raise ValueError("security none uses no certificate, and would send a password readable by anyone; "
                             "set sign_and_encrypt or remove them")  # fmt: skip
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together; one of them is missing")
        return self

    def open(self) -> "OpcuaController":
        """Return the controller that these settings describe.

        Raises:
            ConfigError: If the password, a certificate or the key cannot be read.
        """
        return OpcuaController(self)


class OpcuaController:
    """Reads triggers from variables of a PLC and writes results to others; not thread-safe, one station owns it."""

    def __init__(self, config: OpcuaControllerConfig) -> None:
        self.config = config
        self._password: SecretStr | None = config.password.read() if config.password else None
        self._identity: Identity | None = None
        if config.certificate and config.key and config.server_certificate:
            self._identity = Identity.read(config.certificate, config.key, (config.server_certificate,))
        self._pause = Pause()
        self._link: LoopThread | None = None
        self._client: Any = None
        self._step = ""
        self._texts: tuple[str, ...] = ()  # those of PART_ID and LOT that the PLC has
        self._ids: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"controller '{self.config.name}' (opcua {self.config.url.removeprefix('opc.tcp://')})"

    def __enter__(self) -> Self:
        self._pause.refuse_early(self)
        asyncua = import_asyncua(self)
        names = (*_READ_ORDER, *TEXTS, *STATION_WORDS) if self._has_words else ("STATE", "RESULT", "CONTROLLER")
        try:
            self._ids = {name: asyncua.ua.NodeId.from_string(self.config.node.format(word=name)) for name in names}
        except (asyncua.ua.UaError, ValueError, KeyError, IndexError) as error:
            raise ControllerError(f"{self}: node '{self.config.node}' gives no node id: {error}") from error
        self._link = LoopThread(self.config.name)
        self._do(self._connect(asyncua), self.config.connect_within_s)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._link is not None and self._client is not None:
            with suppress(Exception):  # whatever it is, the connection is over
                self._link.run(self._client.disconnect(), _CLOSE_WITHIN_S)
        self._drop()

    @property
    def poll_period_s(self) -> float:
        """Return the configured period in seconds."""
        return self.config.poll_ms / 1000

    @property
    def _has_words(self) -> bool:
        return self.config.nodes == "words"

    def read(self) -> ControllerWords:
        """Return what the controller says now, from one Read."""
        words: ControllerWords = self._do(self._read_words(), self.config.answer_within_s)
        self._pause.shorten()
        return words

    def station_heartbeat(self) -> int | None:
        """Return what stands in VIS_HB."""
        name = "VIS_HB" if self._has_words else "STATE"
        value = self._do(self._read_checked((name,)), self.config.answer_within_s)[name]
        return int(value if self._has_words else value[0])

    def write_state(self, words: StationWords) -> None:
        """Write state, fault, recipe and then the heartbeat, in one Write."""
        self._write(encode_station_block(None, words), result=False)

    def clear(self, words: StationWords) -> None:
        """Write the block without a result."""
        self._write(encode_station_block(None, words), result=True)

    def send(self, result: Result, words: StationWords) -> None:
        """Write the block with a result once, in one Write."""
        self._write(encode_station_block(result, words), result=True)

    def _write(self, block: Sequence[int], *, result: bool) -> None:
        word = dict(zip(STATION_WORDS, block, strict=True))
        written: dict[str, int | list[int]] = {"STATE": [word[name] for name in _STATE_WORDS]}
        if self._has_words:
            written = {name: word[name] for name in (*STATE_ORDER, *(RESULT_ORDER if result else ()))}
        elif result:
            written["RESULT"] = [word[name] for name in _RESULT_WORDS]
        self._do(self._write_items(written), self.config.answer_within_s)

    def _do(self, task: Any, timeout_s: float) -> Any:
        """Return what a task gives; whatever else happens drops the connection.

        Raises:
            ControllerError: If it fails or takes too long.
            ConfigError: If a file is no certificate or key.
        """
        if self._link is None:
            task.close()
            raise ControllerError(f"{self}: is not connected")
        try:
            return self._link.run(task, timeout_s)
        except Exception as error:
            refused = isinstance(error, RefusedError) or type(error).__name__.startswith(_REFUSALS)
            hint = "; are user and password right?" if type(error).__name__ == "BadUserAccessDenied" else ""
            reason = f"{self._step}{str(error) or type(error).__name__}{hint}"
            self._drop()
            self._pause.lengthen(refused=refused)
            if isinstance(error, ConfigError):
                raise
            raise ControllerError(f"{self}: {reason}") from error

    def _drop(self) -> None:
        """Cut the connection without waiting for the other side."""
        link, client = self._link, self._client
        self._link, self._client, self._step = None, None, ""
        if link is not None:
            link.close(lambda: cut(client))

    async def _connect(self, asyncua: Any) -> None:
        config, seconds = self.config, self.config.connect_within_s
        self._step = "no connection; is the PLC on and its OPC UA server enabled? "
        client = asyncua.Client(config.url, timeout=seconds)
        client.session_timeout, client.name = _SESSION_MS, "partgate"
        self._client = client
        if self._identity:
            await secure(client, self._identity)
            self._step = f"no secure session; does the PLC trust {config.certificate}? "
        if config.user and self._password:
            client.set_user(config.user)
            client.set_password(self._password.get_secret_value())
        await client.connect()
        self._step = ""
        await self._check_nodes(asyncua.ua)

    async def _check_nodes(self, ua: Any) -> None:
        """Find out whether every variable is there, of the right type, and may be written."""
        values = await self._read_items(list(self._ids), ua.AttributeIds.Value)
        access = await self._read_items(list(self._ids), ua.AttributeIds.UserAccessLevel)
        self._texts = tuple(name for name in TEXTS if name in values and values[name].StatusCode.is_good())
        problems = []
        for name, value in values.items():
            if name in TEXTS and name not in self._texts:
                continue  # may be missing
            level = access[name].Value.Value if access[name].StatusCode.is_good() else None
            is_ours = name in STATION_WORDS or name in ("STATE", "RESULT")
            problem = self._find_problem(name, value)
            if not problem and is_ours and isinstance(level, int) and not level & 1 << ua.AccessLevel.CurrentWrite:
                problem = "may not be written by this user"
            if problem:
                problems.append(f"{self._ids[name].to_string()} {problem}")
        if problems:
            more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
            raise ValueError("; ".join(problems[:SHOWN]) + more)

    def _find_problem(self, name: str, value: Any) -> str | None:
        return find_problem(value, "String" if name in TEXTS else "UInt16", None if self._has_words else _LENGTHS[name])

    async def _read_items(self, names: Sequence[str], attribute: Any) -> dict[str, Any]:
        ua: Any = import_module("asyncua.ua")
        asked = [ua.ReadValueId(NodeId=self._ids[name], AttributeId=attribute) for name in names]
        found = await self._client.uaclient.read(ua.ReadParameters(NodesToRead=asked))
        if len(found) != len(names):
            raise ValueError(f"answered {len(found)} items, must be {len(names)}")
        return dict(zip(names, found, strict=True))

    async def _read_checked(self, names: Sequence[str]) -> dict[str, Any]:
        values = await self._read_items(names, import_module("asyncua.ua").AttributeIds.Value)
        for name, value in values.items():
            if problem := self._find_problem(name, value):
                raise ValueError(f"{self._ids[name].to_string()} {problem}")
        return {name: value.Value.Value for name, value in values.items()}

    async def _read_words(self) -> ControllerWords:
        if self._has_words:
            return take_words(await self._read_checked((*_READ_ORDER, *self._texts)))
        return decode_controller_block((await self._read_checked(("CONTROLLER",)))["CONTROLLER"])

    async def _write_items(self, written: dict[str, int | list[int]]) -> None:
        ua: Any = import_module("asyncua.ua")
        items = [
            ua.WriteValue(
                NodeId=self._ids[name],
                AttributeId=ua.AttributeIds.Value,
                Value=ua.DataValue(ua.Variant(value, ua.VariantType.UInt16)),  # without times: many PLCs refuse them
            )
            for name, value in written.items()
        ]
        found = await self._client.uaclient.write(ua.WriteParameters(NodesToWrite=items))
        check_written([self._ids[name].to_string() for name in written], found)
