"""The station's OPC UA server: who is let in, who may change anything."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.crypto.uacrypto import CertProperties
from pydantic import SecretStr, ValidationError

from partgate.controllers.opcua_guard import Gate, make_server
from partgate.controllers.opcua_server import OpcuaServerController, OpcuaServerControllerConfig
from partgate.errors import ControllerError

from ..ports import free_port

HERE = Path(__file__).parent
AUTOMATIC = "ns=2;s=VisionSystem.VisionStateMachine.AutomaticModeStateMachine"
PASSWORD = "open sesame"
LIMIT_S = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name, uri, days in (
        ("server", "urn:test:station", 10),
        ("own", "urn:test:node-client", 10),
        ("stranger", "urn:test:node-client", 10),
        ("old", "urn:test:node-client", -1),
    ):
        order = [sys.executable, HERE / "opcua_certificate.py", folder, name, uri, str(days)]
        subprocess.run([str(part) for part in order], check=True)
    (folder / "password").touch(0o600)
    (folder / "password").write_text(PASSWORD)
    return folder


def start(folder: Path, **more: Any) -> OpcuaServerController:
    port = free_port()
    settings = {"kind": "opcua_server", "port": port, "triggers": "words", "password": {"file": folder / "password"}}
    return OpcuaServerControllerConfig.model_validate(settings | more).open()


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[OpcuaServerController]:
    with start(folder, security="none", anonymous_may_read=True) as controller:
        yield controller


def secured(folder: Path, **more: Any) -> dict[str, Any]:
    trusted = [folder / "own.der", folder / "old.der"]
    return {"security": "sign_and_encrypt", "certificate": folder / "server.der", "key": folder / "server.key",
            "trusted_clients": trusted, **more}  # fmt: skip


@pytest.fixture(scope="module")
def secure(folder: Path) -> Iterator[OpcuaServerController]:
    with start(folder, **secured(folder)) as controller:
        yield controller


def client_of(controller: OpcuaServerController, user: str | None = "controller", password: str = PASSWORD) -> Client:
    client = Client(f"opc.tcp://127.0.0.1:{controller.config.port}", timeout=10)
    if user:
        client.set_user(user)
        client.set_password(password)
    return client


async def encrypted(controller: OpcuaServerController, folder: Path, name: str, **more: Any) -> Client:
    client = client_of(controller, **more)
    client.application_uri = "urn:test:node-client"
    key = CertProperties(folder / f"{name}.key", "pem")
    server = folder / "server.der"
    await client.set_security(SecurityPolicyBasic256Sha256, folder / f"{name}.der", key, server_certificate=server)
    return client


def run(scenario: Any) -> None:
    asyncio.run(asyncio.wait_for(scenario, LIMIT_S))


async def write(client: Client, name: str = "TRIG_SEQ", value: int = 1) -> str:
    given = ua.DataValue(ua.Variant(value, ua.VariantType.UInt16))
    item = ua.WriteValue(ua.NodeId(f"Partgate.{name}", 2), ua.AttributeIds.Value, None, given)
    return (await client.uaclient.write(ua.WriteParameters([item])))[0].name


async def refusal(client: Client) -> str:
    """Return with which status a connection is refused, or that it was let in."""
    try:
        async with client:
            return "let in"
    except (ua.UaError, ConnectionError, TimeoutError) as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("user", "password"), [("controller", "wrong"), ("controller", ""), ("admin", PASSWORD), ("Controller", PASSWORD)]
)
def test_wrong_user_or_password_is_refused(plain: OpcuaServerController, user: str, password: str) -> None:
    async def scenario() -> None:
        assert await refusal(client_of(plain, user, password)) == "BadUserAccessDenied"

    run(scenario())


def test_anonymous_is_refused_unless_the_file_lets_it_read(folder: Path) -> None:
    async def scenario(controller: OpcuaServerController) -> None:
        assert await refusal(client_of(controller, None)) == "BadUserAccessDenied"

    with start(folder, security="none") as controller:
        run(scenario(controller))


def test_anonymous_reads_and_changes_nothing(plain: OpcuaServerController) -> None:
    async def scenario() -> None:
        async with client_of(plain, None) as client:
            assert await client.get_node("ns=2;s=Partgate.VIS_HB").read_value() == 0
            before = plain.read()
            for name in ("TRIG_SEQ", "PLC_HB", "VIS_HB", "CHECK"):
                with pytest.raises(ua.UaStatusCodeError, match="BadUserAccessDenied"):
                    await write(client, name)
            with pytest.raises(ua.UaStatusCodeError, match="BadUserAccessDenied"):
                await client.get_node(AUTOMATIC).call_method("2:Reset")
            with pytest.raises(ua.UaStatusCodeError, match="BadUserAccessDenied"):
                await client.nodes.objects.add_object(2, "Intruder")
            with pytest.raises(ua.UaStatusCodeError, match="BadUserAccessDenied"):
                await client.delete_nodes([client.get_node("ns=2;s=Partgate.TRIG_SEQ")])
            assert plain.read() == before

    run(scenario())


def test_controller_cannot_change_what_stands_around_its_words(plain: OpcuaServerController) -> None:
    async def scenario() -> None:
        async with client_of(plain) as client:
            assert await write(client, "RES_SEQ") == await write(client, "STATION") == "BadUserAccessDenied"
            node = client.get_node("ns=2;s=Partgate.CHECK")
            with pytest.raises(ua.UaStatusCodeError, match="BadUserAccessDenied"):
                await node.set_writable()
            with pytest.raises(ua.UaStatusCodeError, match="BadUserAccessDenied"):
                await client.delete_nodes([node])
            assert await write(client, "PLC_HB", 7) == "Good"

    run(scenario())


def test_second_controller_is_refused_while_the_first_lives_and_replaces_it_when_it_is_silent(
    plain: OpcuaServerController,
) -> None:
    async def scenario() -> None:
        async with client_of(plain) as first:
            assert await refusal(client_of(plain)) == "BadTooManySessions"
            assert await write(first) == "Good"
            first._supervisor_task.cancel()  # its reading once a second
            await asyncio.sleep(0)
            while await refusal(second := client_of(plain)) == "BadTooManySessions":
                await asyncio.sleep(0.1)
            async with second:
                with pytest.raises(ua.UaStatusCodeError, match="BadUserAccessDenied"):
                    await write(first)
                assert await write(second) == "Good"

    run(scenario())


def test_session_that_is_not_the_controllers_changes_nothing_whatever_its_channel_allows() -> None:
    gate = Gate("controller", SecretStr("x"), None, anonymous_may_read=False)
    server = make_server(gate)

    async def scenario() -> None:
        session = server.iserver.create_session("intruder", User(UserRole.Admin), external=True)
        given = ua.DataValue(ua.Variant(1, ua.VariantType.UInt16))
        item = ua.WriteValue(ua.NodeId(1, 0), ua.AttributeIds.Value, None, given)
        assert gate.why_not_written(item) == ua.StatusCodes.BadUserAccessDenied  # no word of the controller
        gate.words = {item.NodeId: "TRIG_SEQ"}
        assert gate.why_not_written(item) is None
        assert [status.name for status in await session.write(ua.WriteParameters([item]))] == ["BadUserAccessDenied"]
        assert [found.StatusCode.name for found in await session.call([ua.CallMethodRequest()])] == [
            "BadUserAccessDenied"
        ]
        for change in (session.add_nodes, session.delete_nodes, session.add_references, session.delete_references):
            with pytest.raises(ServiceError):
                await change([])
        with pytest.raises(ServiceError):
            await session.history_update(None)
        with pytest.raises(ServiceError):
            server.iserver.register_server(None)

    run(scenario())
    server.iserver.method_service.stop()


def test_session_cannot_be_taken_over_by_its_number(plain: OpcuaServerController) -> None:
    async def scenario() -> None:
        async with client_of(plain) as client:
            thief = client_of(plain, None)
            await thief.connect_socket()
            await thief.send_hello()
            await thief.open_secure_channel()
            thief.uaclient.session.restore_authentication_token(client.uaclient.session.authentication_token)
            with pytest.raises(ua.UaStatusCodeError, match="BadSessionIdInvalid"):
                await thief.activate_session()
            thief.disconnect_socket()
            assert await write(client, "PLC_HB", 8) == "Good"

    run(scenario())


def test_encrypted_client_with_certificate_and_password_writes(secure: OpcuaServerController, folder: Path) -> None:
    async def scenario() -> None:
        async with await encrypted(secure, folder, "own") as client:
            assert await write(client, "PLC_BOOT", 12) == "Good"

    run(scenario())
    assert secure.read().boot == 12


def test_unencrypted_client_is_refused_where_only_encrypted_ones_are_offered(secure: OpcuaServerController) -> None:
    async def scenario() -> None:
        client = client_of(secure)
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()  # the library opens it for whoever asks
        with pytest.raises(ua.UaError):
            await client.create_session()
        with pytest.raises(ua.UaStatusCodeError, match="BadSecurityModeRejected"):
            await client.activate_session("controller", PASSWORD)
        assert await refusal(client_of(secure, None)) != "let in"
        client.disconnect_socket()

    run(scenario())


@pytest.mark.parametrize(
    ("name", "uri", "password", "status"),
    [
        ("stranger", "urn:test:node-client", PASSWORD, "BadCertificateUntrusted"),
        ("old", "urn:test:node-client", PASSWORD, "BadCertificateTimeInvalid"),
        ("own", "urn:test:another", PASSWORD, "BadCertificateUriInvalid"),
        ("own", "urn:test:node-client", "wrong", "BadUserAccessDenied"),
    ],
    ids=["stranger", "expired", "other application", "wrong password"],
)
def test_encrypted_client_is_refused_that_is(
    secure: OpcuaServerController, folder: Path, name: str, uri: str, password: str, status: str
) -> None:
    async def scenario() -> None:
        client = await encrypted(secure, folder, name, password=password)
        client.application_uri = uri
        assert await refusal(client) == status

    run(scenario())


def test_own_certificate_that_has_expired_is_told(folder: Path) -> None:
    files = {"certificate": folder / "old.der", "key": folder / "old.key"}
    controller = start(folder, **secured(folder, **files))

    with pytest.raises(ControllerError, match=r"old\.der expired on .* UTC; make a new one"), controller:
        pass


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"security": "none", "host": "0.0.0.0"}, r"possible on 127\.0\.0\.1 alone"),
        ({"security": "none", "host": "192.0.2.1"}, r"possible on 127\.0\.0\.1 alone"),
        ({"security": "sign_and_encrypt"}, "needs certificate, key, trusted_clients"),
        ({"security": "none", "key": "x"}, "none uses no certificates"),
        ({"security": "none", "triggers": "both"}, "'words' or 'methods'"),
        ({"security": "none", "password": "sesame"}, "must not stand in this file"),
        ({}, "security"),
    ],
    ids=["all networks", "network", "no files", "unused key", "both", "password", "unsaid"],
)
def test_settings_that_are_not_safe_are_refused(settings: dict[str, object], told: str) -> None:
    base = {"kind": "opcua_server", "triggers": "words", "password": {"env": "X"}}
    with pytest.raises(ValidationError, match=told) as error:
        OpcuaServerControllerConfig.model_validate(base | settings)

    assert "sesame" not in str(error.value) or "got" not in str(error.value)


def test_server_listens_on_this_pc_alone_unless_told_otherwise() -> None:
    settings = {"kind": "opcua_server", "triggers": "words", "security": "none", "password": {"env": "X"}}

    assert OpcuaServerControllerConfig.model_validate(settings).host == "127.0.0.1"
