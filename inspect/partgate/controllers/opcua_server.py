"""OPC UA server: the PLC, robot or MES connects to the station, writes its words or calls its methods.

Nodes stand in the namespace ``urn:partgate``; ``Partgate.VIS_HB`` and so on are the words of ``controllers/block.py``,
``Partgate.STATION`` the station's in one array. States, method and event have the names of OPC 40100-1; the types of
its NodeSet are not there. A part is announced in one way alone, said in the station file:

- ``triggers: words``: the client writes PLC_HB, TRIG_SEQ, ACK_SEQ, CMD, PLC_BOOT and so on, as into a PLC's block,
  TRIG_SEQ last. StartSingleJob answers with an error.
- ``triggers: methods``: it calls StartSingleJob, and AcknowledgeResult when it has taken the result; the station
  counts, each new session is a new PLC_BOOT, and the job's id is "RES_BOOT-RES_SEQ". Its sign of life is any request of
  its session: it must ask at least every 0.3 s, for instance by a subscription to VIS_HB. The controller's words cannot
  be written.

The server listens on this PC alone unless told otherwise, and elsewhere only encrypted. Who may do what stands in
``opcua_guard.py``. A result is published once. Tried against node-opcua and asyncua, not on a PLC.

Source:
    OPC 40100-1, 8.3.6 (StartSingleJob; an error below 0 is the application's own), 8.2 and 8.3 (states); numbers of
    the result state: OPC 40001-101.
"""

import ipaddress
import time
from contextlib import suppress
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from partgate.configfile import Host, RelativePath
from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import ControllerWords, StationWords
from partgate.controllers.opcua_link import LoopThread, import_asyncua
from partgate.controllers.opcua_security import Identity, RefusedError
from partgate.controllers.pause import Pause
from partgate.errors import ControllerError
from partgate.parts import Result
from partgate.secrets import SecretSource

_START_WITHIN_S, _STOP_WITHIN_S = 10.0, 2.0  # the standard's own nodes are made first


class OpcuaServerControllerConfig(ControllerConfig):
    """Where the server listens, how a part is announced, and who is let in."""

    KIND: ClassVar[str] = "opcua_server"

    kind: Literal["opcua_server"]
    host: Host = Field(default="127.0.0.1", min_length=1, description="own address; this PC alone if unset")
    port: int = Field(default=4840, ge=1, le=65535, description="TCP port")
    triggers: Literal["words", "methods"] = Field(description="words: TRIG_SEQ is written; methods: StartSingleJob")
    window_ms: int = Field(default=200, ge=1, le=65535, description="methods: time allowed from trigger to result")
    security: Literal["none", "sign_and_encrypt"] = Field(
        description="sign_and_encrypt: Basic256Sha256 with certificates of both sides; none: on this PC alone"
    )
    certificate: RelativePath | None = Field(default=None, description="the station's own, PEM or DER")
    key: RelativePath | None = Field(default=None, description="its key, without a password; its owner's alone to read")
    trusted_clients: tuple[RelativePath, ...] = Field(default=(), description="certificates that are let in, no others")
    user: str = Field(default="controller", min_length=1, description="user that may write and call")
    password: SecretSource = Field(description="that user's password")
    anonymous_may_read: bool = Field(default=False, description="clients without a user may read and subscribe")
    answer_within_s: float = Field(default=0.1, gt=0, le=0.1, description="longest wait for the own server, in seconds")
    poll_ms: float = Field(default=5, ge=1, le=20, description="time between two looks at the words, in milliseconds")

    @model_validator(mode="after")
    def _is_secure_as_it_says(self) -> Self:
        missing = [
            name for name, value in (
                ("certificate", self.certificate), ("key", self.key), ("trusted_clients", self.trusted_clients)
            ) if not value
        ]  # fmt: skip
        if self.security == "sign_and_encrypt" and missing:
            raise ValueError(f"security sign_and_encrypt needs {', '.join(missing)}")
        if self.security == "none" and len(missing) < 3:
            raise ValueError("security none uses no certificates; set sign_and_encrypt or remove them")
        if self.security == "none" and not _is_loopback(self.host):
            raise ValueError("security none is possible on 127.0.0.1 alone: the password would be readable on the "
                             "network; set sign_and_encrypt")  # fmt: skip
        return self

    def open(self) -> "OpcuaServerController":
        """Return the controller that these settings describe.

        Raises:
            ConfigError: If the password, a certificate or the key cannot be read.
        """
        return OpcuaServerController(self)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class OpcuaServerController:
    """Offers the words to whoever is let in; not thread-safe, one station owns it.

    While no client is connected its words stand still: the station then says that it hears no controller.
    """

    def __init__(self, config: OpcuaServerControllerConfig) -> None:
        self.config = config
        self._password = config.password.read()
        self._identity: Identity | None = None
        if config.certificate and config.key:
            self._identity = Identity.read(config.certificate, config.key, config.trusted_clients)
        self._pause = Pause()
        self._link: LoopThread | None = None
        self._nodes: Any = None  # OpcuaNodes, while it is open
        self._boot = int(time.time() * 10) % 65535  # another one at each start, as a PLC must have

    def __str__(self) -> str:
        return f"controller '{self.config.name}' (opcua server on {self.config.host}:{self.config.port})"

    def __enter__(self) -> Self:
        self._pause.refuse_early(self)
        import_asyncua(self)
        from partgate.controllers.opcua_nodes import OpcuaNodes

        self._link = LoopThread(self.config.name)
        try:
            self._nodes = OpcuaNodes(self.config, self._password, self._identity, self._boot)
            self._link.run(self._nodes.start(), _START_WITHIN_S)
        except (OSError, RefusedError) as error:
            self.__exit__()
            self._pause.lengthen(refused=isinstance(error, RefusedError))
            if isinstance(error, RefusedError):
                raise ControllerError(f"{self}: {error}") from error
            hint = "is another program or station using it?"
            raise ControllerError(f"{self}: cannot listen there ({error}); {hint}") from error
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        link, nodes, self._link, self._nodes = self._link, self._nodes, None, None
        if link is None:
            return
        if nodes is not None:
            self._boot = nodes.boot
            with suppress(Exception):  # it stops with its thread
                link.run(nodes.stop(), _STOP_WITHIN_S)
        link.close(nodes.cut if nodes is not None else lambda: None)

    @property
    def poll_period_s(self) -> float:
        """Return the configured period in seconds."""
        return self.config.poll_ms / 1000

    def read(self) -> ControllerWords:
        """Return what the client wrote, or what its calls amount to."""
        words: ControllerWords = self._do("read")
        self._pause.shorten()
        return words

    def station_heartbeat(self) -> int | None:
        """Return nothing: the words are the station's own, no other one can write them."""
        return None

    def write_state(self, words: StationWords) -> None:
        """Publish state, fault and recipe, then the heartbeat."""
        self._do("write_state", words)

    def clear(self, words: StationWords) -> None:
        """Publish the block without a result."""
        self._do("write_block", None, words)

    def send(self, result: Result, words: StationWords) -> None:
        """Publish the block with a result once, and the event ResultReady where the job was started by a call."""
        self._do("write_block", result, words)

    def _do(self, name: str, *values: object) -> Any:
        if self._link is None:
            raise ControllerError(f"{self}: is not connected")
        try:
            return self._link.run(getattr(self._nodes, name)(*values), self.config.answer_within_s)
        except Exception as error:
            self.__exit__()
            self._pause.lengthen()
            raise ControllerError(
                f"{self}: {name.replace('_', ' ')} failed: {error or type(error).__name__}"
            ) from error
