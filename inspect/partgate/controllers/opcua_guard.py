"""Who may do what at the OPC UA server: sessions that check their role themselves. Imported when the server starts.

asyncua opens an unencrypted channel for whoever asks, also where only encrypted ones are offered, and checks no rule
there; and any session can be taken over by its number. Therefore nothing rests on the channel: each session is let in
by its certificate and password, and each service checks the session that asks.

=============  ============================================================================================
role           may
=============  ============================================================================================
controller     read, subscribe; write the controller's words, call methods; one session at a time
anonymous      read, subscribe, where ``anonymous_may_read`` says so; else it is not let in
=============  ============================================================================================

Nobody can add or remove nodes, or register servers.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

import asyncua.ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import USER_TYPES, SimpleRoleRuleset, User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.server import Server
from pydantic import SecretStr

from partgate.controllers.opcua_link import TEXTS
from partgate.controllers.opcua_security import Certificate, RefusedError

SILENT_AFTER_S = 1.0  # then another session may take the controller's place
ua: Any = asyncua.ua
_codes = ua.StatusCodes
_LONGEST_MESSAGE = 1 << 20  # bytes
_Clock = Callable[[], float]


class Gate:
    """What all sessions of one server have in common; lives in the server's thread."""

    def __init__(
        self, user: str, password: SecretStr, trusted: tuple[Certificate, ...] | None, *, anonymous_may_read: bool,
        clock: _Clock = time.monotonic,
    ) -> None:  # fmt: skip
        self.requests = 0  # of the controller's session: a sign of life
        self.controller: InternalSession | None = None
        self.arrivals = 0  # sessions that became the controller
        self.words: Mapping[Any, str] = {}  # the controller's words by node
        self.trusted = trusted  # None: unencrypted
        self._user, self._password = user, password
        self._anonymous_may_read, self._clock, self._heard_at = anonymous_may_read, clock, 0.0
        self.heard_before = 0.0  # monotonic seconds of the controller's request before its last
        self.was_replaced = False

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        """Return who that is, ``None`` for nobody; asyncua's user manager."""
        if username is None:
            return User(UserRole.Anonymous, "anonymous") if self._anonymous_may_read else None
        expected = self._password.get_secret_value().encode()
        fits = hmac.compare_digest((password or "").encode(), expected)
        if username != self._user or not fits:
            return None
        if self.controller is not None and self._clock() - self._heard_at < SILENT_AFTER_S:
            raise ServiceError(_codes.BadTooManySessions)
        return User(UserRole.User, username)

    def hear(self, session: InternalSession) -> None:
        """Take note of a request."""
        if session is self.controller:
            self.heard_before, self._heard_at = self._heard_at, self._clock()
            self.requests += 1

    def welcome(self, session: InternalSession) -> None:
        """Make a session the controller; the one before, silent for long, may only read from now on."""
        if self.controller is not None:
            self.was_replaced = True  # what stands in the words is of two
            self.controller.user = User(UserRole.Anonymous, "replaced")
        self.controller, self._heard_at = session, self._clock()
        self.arrivals += 1

    def check_certificate(self, der: bytes | None, uri: str) -> None:
        """Refuse a client whose certificate is not on the list, not valid now, or another application's."""
        if self.trusted is None:
            return
        found = next((certificate for certificate in self.trusted if der and certificate.der == der), None)
        if found is None:
            raise ServiceError(_codes.BadCertificateUntrusted if der else _codes.BadSecurityModeRejected)
        try:
            found.check_dates()
        except RefusedError as error:
            raise ServiceError(_codes.BadCertificateTimeInvalid) from error
        if uri not in found.uris:
            raise ServiceError(_codes.BadCertificateUriInvalid)

    def why_not_written(self, item: Any) -> int | None:
        """Return why a value is refused: only whole words and short texts, for the controller's own nodes."""
        name = self.words.get(item.NodeId)
        if name is None or item.AttributeId != ua.AttributeIds.Value:
            return int(_codes.BadUserAccessDenied)
        value = item.Value.Value
        content = value.Value if value is not None else None
        is_whole = item.Value.StatusCode is None or item.Value.StatusCode.is_good()
        if name in TEXTS:
            fits = isinstance(content, str) and len(content) <= TEXTS[name] and content.isprintable()
        else:
            fits = value is not None and value.VariantType == ua.VariantType.UInt16 and type(content) is int
        return None if is_whole and fits and not item.IndexRange else int(_codes.BadTypeMismatch)


class Rules(SimpleRoleRuleset):
    """Which services a role may ask for at all; asyncua checks it on the channels that are offered."""

    def __init__(self) -> None:
        ids = ua.ObjectIds
        changing = (ids.WriteRequest_Encoding_DefaultBinary, ids.CallRequest_Encoding_DefaultBinary)
        everything = {ua.NodeId(number) for number in USER_TYPES}
        reading = {ua.NodeId(number) for number in USER_TYPES if number not in changing}
        self._allowed = {UserRole.User: everything, UserRole.Anonymous: reading}

    def check_validity(self, user: User, action_type: Any, body: Any) -> bool:
        """Tell whether a service may be asked for."""
        return action_type in self._allowed.get(user.role, ())


class _Session(InternalSession):
    gate: Gate
    client_uri = ""

    async def create_session(self, params: Any, sockname: Any = None) -> Any:
        self.client_uri = params.ClientDescription.ApplicationUri
        return await super().create_session(params, sockname)

    def activate_session(self, params: Any, peer_certificate: bytes | None) -> Any:
        if self.is_activated():  # taken over by another connection, or another user: it must be a new session
            raise ServiceError(_codes.BadSessionIdInvalid)
        self.gate.check_certificate(peer_certificate, self.client_uri)
        result = super().activate_session(params, peer_certificate)
        if self.user.role is UserRole.User:
            self.gate.welcome(self)
        return result

    def touch(self) -> None:
        super().touch()
        self.gate.hear(self)

    async def close_session(self, delete_subs: bool = True) -> None:
        if self.gate.controller is self:
            self.gate.controller = None
        await super().close_session(delete_subs)

    async def write(self, params: Any) -> list[Any]:
        if self.gate.controller is not self:
            return [ua.StatusCode(_codes.BadUserAccessDenied) for _ in params.NodesToWrite]
        results: list[Any] = []
        for item in params.NodesToWrite:
            refused = self.gate.why_not_written(item)
            written = [ua.StatusCode(refused)] if refused else await super().write(ua.WriteParameters([item]))
            results += written
        return results

    async def call(self, params: list[Any]) -> list[Any]:
        if self.gate.controller is not self:
            denied = ua.StatusCode(_codes.BadUserAccessDenied)
            return [ua.CallMethodResult(StatusCode=denied) for _ in params]
        return await super().call(params)

    async def history_update(self, params: Any) -> Any:
        raise ServiceError(_codes.BadServiceUnsupported)

    async def add_nodes(self, params: Any) -> Any:
        raise ServiceError(_codes.BadServiceUnsupported)

    delete_nodes = add_references = delete_references = add_nodes


class _Server(InternalServer):
    def __init__(self, gate: Gate) -> None:
        super().__init__(user_manager=gate)  # type: ignore[arg-type]  # it asks for get_user alone
        self.gate = gate
        self.allow_remote_admin = False
        self.supported_tokens = (ua.AnonymousIdentityToken, ua.UserNameIdentityToken)  # type: ignore[assignment]
        self.max_session_timeout_ms = 60_000.0
        self.max_connections = self.max_subscriptions = 20

    def create_session(self, name: str, user: User | None = None, external: bool = False) -> InternalSession:
        session = _Session(self, self.aspace, self.subscription_service, name, user or User(), external)
        session.gate = self.gate
        return session

    def register_server(self, server: Any, conf: Any = None) -> None:
        raise ServiceError(_codes.BadServiceUnsupported)

    register_server2 = register_server  # type: ignore[assignment]


def make_server(gate: Gate) -> Server:
    """Return a server whose sessions are checked by a gate; it does not listen yet."""
    server = Server(iserver=_Server(gate))
    server.limits = TransportLimits(65535, 65535, 16, _LONGEST_MESSAGE)
    return server
