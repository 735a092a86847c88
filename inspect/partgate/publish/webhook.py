"""Webhook: each message is one HTTP POST to one address.

A 2xx answer takes the message; 408, 425, 429, 5xx and silence repeat it with growing pauses until it expires, with the
same ``id``; any other answer drops it, is told and not repeated. Redirects are not followed, a proxy is not used
(those of the environment neither), nothing of the answer is read but its status. One connection a message.

Source:
    HTTP semantics: RFC 9110. Bearer tokens: RFC 6750, section 2.1.
"""

import http.client
import re
import socket
import time
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from partgate import __version__
from partgate.configfile import SECRET
from partgate.errors import ConfigError, PublishError
from partgate.publish.base import PublisherConfig
from partgate.publish.messages import Message
from partgate.publish.tls import TlsFiles, certificate_problem
from partgate.secrets import SecretSource

_PASSES_BY = (408, 425, 429)
_LOGIN = (401, 403, 407)
_LONGEST_HEAD = 16384  # bytes
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _plain_url(url: str) -> str:
    """Return an address that may be shown; a refused one is not repeated, a password may stand in it."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or not re.fullmatch(r"[!-~]+", url):
        raise PydanticCustomError(SECRET, "must be an address such as https://mes.example:8443/parts")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise PydanticCustomError(SECRET, "must hold no user, password, query or fragment; put a secret under token")
    return url


class WebhookConfig(PublisherConfig):
    """Where messages are posted to."""

    KIND: ClassVar[str] = "webhook"

    kind: Literal["webhook"]
    url: Annotated[str, AfterValidator(_plain_url)] = Field(description="address that takes each message by HTTP POST")
    token: SecretSource | None = Field(default=None, description="where the token lies: env or file")
    token_header: str = Field(
        default="Authorization",
        pattern=r"^[A-Za-z0-9-]+$",
        description="header for it; Authorization gets 'Bearer TOKEN'",
    )
    tls: TlsFiles = Field(default=TlsFiles(), description="for https: whom to trust; if unset the system's authorities")
    timeout_s: float = Field(default=5, gt=0, le=60, description="longest wait for connection and answer, in seconds")

    @model_validator(mode="after")
    def _files_are_used(self) -> Self:
        if self.tls != TlsFiles() and not self.url.startswith("https:"):
            raise ValueError("tls needs an address that begins with https://")
        return self

    @property
    def sends_secret_in_plain(self) -> bool:
        """Tell whether the token would be readable on the network."""
        parts = urlsplit(self.url)
        return self.token is not None and parts.scheme == "http" and parts.hostname not in _LOOPBACK

    def open(self, station: str, *, is_trial: bool = False) -> "WebhookPublisher":
        """Return the publisher that these settings describe."""
        return WebhookPublisher(self)


class WebhookPublisher:
    """Posts messages; not thread-safe, its outbox owns it. Opening reads token and certificates, and sends nothing."""

    def __init__(self, config: WebhookConfig) -> None:
        self.config = config
        self._parts = urlsplit(config.url)
        self._token: dict[str, str] = {}

    def __str__(self) -> str:
        return f"publisher '{self.config.name}' (webhook {self._parts.scheme}://{self._parts.netloc})"

    def __enter__(self) -> Self:
        if self.config.token is not None:
            token = self.config.token.read().get_secret_value()
            if not re.fullmatch(r"[!-~]+", token):  # the library would quote it in its complaint
                raise ConfigError(["the token must be printable ASCII without spaces"])
            header = self.config.token_header
            self._token = {header: f"Bearer {token}" if header.lower() == "authorization" else token}
        self._context = self.config.tls.context() if self._parts.scheme == "https" else None
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._token = {}

    def tend(self) -> None:
        """Do nothing: between two messages there is no connection."""

    def publish(self, message: Message, valid_s: float) -> None:
        """Post the message; the receiver has ``timeout_s`` for everything after the look-up of its name."""
        try:
            status = self._post(message.body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if problem := certificate_problem(error):
                raise PublishError(f"{self}: {problem}", is_refused=True) from error
            raise PublishError(
                f"{self}: {message.kind} not taken ({error or type(error).__name__}); is the receiver running?"
            ) from error
        if 200 <= status < 300:
            return
        if status >= 500 or status in _PASSES_BY:
            raise PublishError(f"{self}: the receiver answered {status}; the {message.kind} is sent again")
        if status in _LOGIN:
            raise PublishError(f"{self}: the receiver answered {status}, the {message.kind} is dropped; look at the "
                               "token", is_refused=True, drops_message=True)  # fmt: skip
        advice = "name the address it leads to" if 300 <= status < 400 else "look at url and the receiver's log"
        raise PublishError(f"{self}: the receiver answered {status}, the {message.kind} is dropped; {advice}",
                           drops_message=True)  # fmt: skip

    def _post(self, body: bytes) -> int:
        """Return the status of the answer."""
        host, timeout_s = self._parts.hostname or "", self.config.timeout_s
        deadline = time.monotonic() + timeout_s
        if self._context is None:
            line = http.client.HTTPConnection(host, self._parts.port, timeout=timeout_s)
        else:
            line = http.client.HTTPSConnection(host, self._parts.port, timeout=timeout_s, context=self._context)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"partgate/{__version__}",
            "Connection": "close",
            **self._token,
        }
        try:
            line.request("POST", self._parts.path or "/", body, headers)
            return _read_status(line.sock, deadline)
        finally:
            line.close()


def _read_status(line: socket.socket, deadline: float) -> int:
    """Return the final status of an answer; one that drips is given up at the deadline, the body is never read.

    Raises:
        OSError: If it does not come in time, or is not HTTP.
    """
    received = b""
    while True:
        line.settimeout(max(deadline - time.monotonic(), 0.001))
        piece = line.recv(4096)
        received += piece
        while found := re.match(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r?\n", received):
            if not found[1].startswith(b"1"):
                return int(found[1])
            _, end, rest = received.partition(b"\r\n\r\n")  # 1xx: the answer proper comes behind it
            if not end:
                break
            received = rest
        if not piece:
            raise ConnectionError("it hung up without an answer")
        if len(received) > _LONGEST_HEAD or (b"\n" in received and not received.startswith(b"HTTP/1.")):
            raise ConnectionError("its answer is not HTTP")
        if time.monotonic() > deadline:
            raise TimeoutError("its answer was not whole in time")
