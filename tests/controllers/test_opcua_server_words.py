"""The station as OPC UA server: words that a client writes, words that the station publishes."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from asyncua import Client, ua

from partgate.controllers.block import State, StationWords
from partgate.controllers.opcua_server import OpcuaServerController, OpcuaServerControllerConfig
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, StationState, Trigger, Verdict

from ..ports import free_port

READY = StationWords(5, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 4, StationState.READY)
BUSY = StationWords(6, State.ONLINE | State.BUSY, Fault.NONE, 4, StationState.SINGLE_EXECUTION)
AUTOMATIC = "ns=2;s=VisionSystem.VisionStateMachine.AutomaticModeStateMachine"
LIMIT_S = 20


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    password = tmp_path_factory.mktemp("secret") / "password"
    password.touch(0o600)
    password.write_text("sesame")
    return {"kind": "opcua_server", "security": "none", "password": {"file": password}}


def start(settings: dict[str, Any], **more: Any) -> OpcuaServerController:
    port = free_port()
    return OpcuaServerControllerConfig.model_validate(settings | {"port": port} | more).open()


@pytest.fixture(scope="module")
def by_words(settings: dict[str, Any]) -> Iterator[OpcuaServerController]:
    with start(settings, triggers="words") as controller:
        yield controller


def use(controller: OpcuaServerController, scenario: Callable[[Client], Awaitable[None]]) -> None:
    """Play the controller: connect, do, disconnect."""

    async def main() -> None:
        client = Client(f"opc.tcp://127.0.0.1:{controller.config.port}")
        client.set_user("controller")
        client.set_password("sesame")
        async with client:
            await scenario(client)

    asyncio.run(asyncio.wait_for(main(), LIMIT_S))


async def write(client: Client, name: str, value: Any, kind: Any = ua.VariantType.UInt16, **more: Any) -> str:
    given = ua.DataValue(ua.Variant(value, kind), **more)
    item = ua.WriteValue(ua.NodeId(f"Partgate.{name}", 2), ua.AttributeIds.Value, None, given)
    return (await client.uaclient.write(ua.WriteParameters([item])))[0].name


async def words(client: Client, *names: str) -> list[Any]:
    return await client.read_values([client.get_node(f"ns=2;s=Partgate.{name}") for name in names])


async def states(client: Client) -> tuple[str, str]:
    outer = await client.get_node("ns=2;s=VisionSystem.VisionStateMachine.CurrentState").read_value()
    inner = await client.get_node(f"{AUTOMATIC}.CurrentState").read_data_value(raise_on_bad_status=False)
    return outer.Text, inner.Value.Value.Text if inner.StatusCode.is_good() else inner.StatusCode.name


def result(boot: int, sequence: int, verdict: Verdict = Verdict.GOOD) -> Result:
    return Result(
        Trigger(boot, sequence, 200, 0.0, 0.2), Decision(verdict, Reason.MODEL), 0, int(verdict == Verdict.GOOD)
    )


def test_server_without_a_client_has_words_of_zero_and_no_trigger(settings: dict[str, Any]) -> None:
    with start(settings, triggers="words") as controller:
        found = controller.read()

    assert (found.heartbeat, found.trigger_sequence, found.acknowledged, found.boot) == (0, 0, 0, 0)


def test_words_that_the_client_writes_are_the_controllers(by_words: OpcuaServerController) -> None:
    async def scenario(client: Client) -> None:
        given = {"PART_ID": "A-17 ", "PLC_HB": 1, "WINDOW_MS": 150, "CMD": 65535, "PLC_BOOT": 3, "TRIG_SEQ": 9}
        for name, value in given.items():
            kind = ua.VariantType.String if name == "PART_ID" else ua.VariantType.UInt16
            assert await write(client, name, value, kind) == "Good"

    use(by_words, scenario)
    found = by_words.read()

    assert (found.heartbeat, found.trigger_sequence, found.boot, found.window_ms) == (1, 9, 3, 150)
    assert (found.part_id, found.lot, int(found.command)) == ("A-17", None, 0b111111)


def test_state_is_published_without_touching_the_result(by_words: OpcuaServerController) -> None:
    check = (9 + 3 + 11 + 13 * 3 + 42330) % 65536
    by_words.send(result(3, 9), BUSY)
    by_words.write_state(READY)

    async def scenario(client: Client) -> None:
        block = [5, 9, 1, 0, 1, 3, 0, check, 0b11 | 4 << 10, 0, 4]
        assert await words(client, "STATION") == [block]
        assert await words(client, "VIS_HB", "RES_SEQ", "CHECK", "STATE") == [5, 9, check, 0b11 | 4 << 10]
        assert await states(client) == ("Operational", "Ready")
        by_words.write_state(StationWords(7, State.FAULT, Fault.CAMERA, 4, StationState.ERROR))
        assert await states(client) == ("Error", "BadStateNotActive")
        by_words.clear(StationWords(8, State(0), Fault.NONE, 4, StationState.INITIALIZED))
        assert await states(client) == ("Operational", "Initialized")
        assert await words(client, "RES_SEQ", "VERDICT") == [0, 0]

    use(by_words, scenario)


@pytest.mark.parametrize(
    ("name", "value", "kind", "more"),
    [
        ("TRIG_SEQ", 7, "Int16", {}),
        ("TRIG_SEQ", "7", "String", {}),
        ("TRIG_SEQ", [7, 8], "UInt16", {}),
        ("TRIG_SEQ", None, "Null", {}),
        ("TRIG_SEQ", 7, "UInt16", {"StatusCode": ua.StatusCode(ua.StatusCodes.BadSensorFailure)}),
        ("PART_ID", "x" * 33, "String", {}),
        ("LOT", "L\x1b[2J", "String", {}),
        ("PART_ID", ["a"], "String", {}),
    ],
    ids=["signed", "text", "array", "nothing", "bad status", "long", "control", "texts"],
)
def test_value_that_is_no_word_is_refused_and_changes_nothing(
    by_words: OpcuaServerController, name: str, value: Any, kind: str, more: dict[str, Any]
) -> None:
    before = by_words.read()

    async def scenario(client: Client) -> None:
        assert await write(client, name, value, ua.VariantType[kind], **more) == "BadTypeMismatch"

    use(by_words, scenario)
    assert by_words.read() == before


def test_port_in_use_is_told_with_the_next_step_and_can_be_taken_later(settings: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        controller = start(settings, triggers="words", port=taken.getsockname()[1])
        told = r"\(opcua server on 127.*\): cannot listen there .*is another program or station using it\?"
        with pytest.raises(ControllerError, match=told), controller:
            pass
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            with controller:
                assert controller.read().boot == 0
            return
        except ControllerError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
