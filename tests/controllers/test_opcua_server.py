"""The station as OPC UA server: jobs that a client starts, and what is refused."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from asyncua import Client, ua

from partgate.controllers.block import Command, State, StationWords
from partgate.controllers.opcua_server import OpcuaServerController, OpcuaServerControllerConfig
from partgate.parts import Decision, Fault, Reason, Result, StationState, Trigger, Verdict

from ..ports import free_port

READY = StationWords(5, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 4, StationState.READY)
BUSY = StationWords(6, State.ONLINE | State.BUSY, Fault.NONE, 4, StationState.SINGLE_EXECUTION)
AUTOMATIC = "ns=2;s=VisionSystem.VisionStateMachine.AutomaticModeStateMachine"
NO_RECIPE = ua.Variant(0, ua.VariantType.UInt16)
JOB = ("m1", "P-1", NO_RECIPE, "prod")
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


@pytest.fixture(scope="module")
def by_methods(settings: dict[str, Any]) -> Iterator[OpcuaServerController]:
    with start(settings, triggers="methods") as controller:
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


async def call(client: Client, method: str, *given: Any) -> Any:
    return await client.get_node(AUTOMATIC).call_method(f"2:{method}", *given)


def result(boot: int, sequence: int, verdict: Verdict = Verdict.GOOD) -> Result:
    return Result(
        Trigger(boot, sequence, 200, 0.0, 0.2), Decision(verdict, Reason.MODEL), 0, int(verdict == Verdict.GOOD)
    )


def be_ready(controller: OpcuaServerController) -> None:
    """Do what the loop does in two turns."""
    for _ in range(2):
        controller.read()
        controller.write_state(READY)


class Events:
    """Takes the events of a subscription."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    def event_notification(self, event: Any) -> None:
        self.taken.append(event)

    async def wait(self, count: int) -> None:
        while len(self.taken) < count:
            await asyncio.sleep(0.01)


async def subscribe(client: Client) -> Events:
    events = Events()
    subscription = await client.create_subscription(20, events)
    types = await client.nodes.base_event_type.get_children()
    own = [node for node in types if (await node.read_browse_name()).Name == "ResultReadyEventType"]
    await subscription.subscribe_events(evtypes=own[0])
    return events


def test_where_words_trigger_a_job_is_refused_with_an_error(by_words: OpcuaServerController) -> None:
    async def scenario(client: Client) -> None:
        be_ready(by_words)
        before = by_words.read()
        assert await call(client, "StartSingleJob", *JOB) == ["", -5]
        assert await call(client, "AcknowledgeResult", "1-1") == -5
        assert await call(client, "Reset") == -5
        assert by_words.read() == before

    use(by_words, scenario)


def test_where_methods_trigger_the_words_cannot_be_written(by_methods: OpcuaServerController) -> None:
    async def scenario(client: Client) -> None:
        for name in ("TRIG_SEQ", "ACK_SEQ", "PLC_BOOT", "CMD", "VIS_HB", "CHECK"):
            assert await write(client, name, 1) == "BadUserAccessDenied"

    use(by_methods, scenario)
    assert by_methods.read().trigger_sequence == 0


def test_job_is_started_answered_once_by_its_event_and_acknowledged(by_methods: OpcuaServerController) -> None:
    async def scenario(client: Client) -> None:
        events = await subscribe(client)
        be_ready(by_methods)
        job, error = await call(client, "StartSingleJob", *JOB)
        seen = by_methods.read()
        assert (error, job) == (0, f"{seen.boot}-1")
        assert (seen.trigger_sequence, seen.acknowledged, seen.part_id) == (1, 0, "P-1")
        assert (seen.command, seen.window_ms) == (Command.ENABLE, 200)
        assert await words(client, "TRIG_SEQ", "PLC_BOOT") == [1, seen.boot]
        assert await call(client, "StartSingleJob", *JOB) == ["", -2]
        assert await call(client, "AcknowledgeResult", job) == -6

        by_methods.send(result(seen.boot, 1), BUSY)
        by_methods.send(result(seen.boot, 1), BUSY)
        await events.wait(1)
        assert await call(client, "AcknowledgeResult", job) == 0
        assert by_methods.read().acknowledged == 1
        assert await words(client, "ACK_SEQ", "RES_SEQ") == [1, 1]

        be_ready(by_methods)
        assert await call(client, "StartSingleJob", *JOB) == [f"{seen.boot}-2", 0]
        by_methods.send(result(seen.boot, 2, Verdict.REJECT), BUSY)
        await events.wait(2)
        told = [(event.JobId, event.ResultState, event.Lane, event.PartId, event.MeasId) for event in events.taken]
        assert told == [(job, 1, 1, "P-1", "m1"), (f"{seen.boot}-2", 2, 0, "P-1", "m1")]

    use(by_methods, scenario)


def test_job_is_refused_unless_the_station_says_now_that_it_is_ready(by_methods: OpcuaServerController) -> None:
    async def scenario(client: Client) -> None:
        by_methods.read()
        for state in (State.ONLINE, State.TRIGGER_READY, State.ONLINE | State.BUSY):
            by_methods.write_state(StationWords(1, state, Fault.NONE, 4))
            assert await call(client, "StartSingleJob", *JOB) == ["", -1]
        be_ready(by_methods)
        told_at = time.monotonic()
        while time.monotonic() - told_at < 0.35:  # a station that hangs says nothing new
            await asyncio.sleep(0.01)
        assert await call(client, "StartSingleJob", *JOB) == ["", -1]
        assert by_methods.read().trigger_sequence == 0

    use(by_methods, scenario)


def test_ready_that_was_said_before_the_job_was_seen_lets_no_second_one_in(by_methods: OpcuaServerController) -> None:
    async def scenario(client: Client) -> None:
        be_ready(by_methods)
        assert (await call(client, "StartSingleJob", *JOB))[1] == 0
        by_methods.write_state(READY)
        assert (await call(client, "StartSingleJob", *JOB))[1] == -2
        by_methods.read()
        by_methods.write_state(READY)  # as the loop does in the turn that takes the trigger
        assert (await call(client, "StartSingleJob", *JOB))[1] == -2
        assert by_methods.read().trigger_sequence == 1

    use(by_methods, scenario)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ((), -3),
        (JOB[:3], -3),
        ((*JOB, "more"), -3),
        (("m", ua.Variant(7, ua.VariantType.UInt16), NO_RECIPE, ""), -3),
        (("m", "P", ua.Variant(0, ua.VariantType.Int64), ""), -3),
        (("m", ["P"], NO_RECIPE, ""), -3),
        (("m", "x" * 33, NO_RECIPE, ""), -3),
        (("m", "P\n", NO_RECIPE, ""), -3),
        (("m", None, NO_RECIPE, ""), -3),
        (("", "", ua.Variant(5, ua.VariantType.UInt16), ""), -4),
        (("", "", ua.Variant(4, ua.VariantType.UInt16), ""), 0),
    ],
    ids=["none", "few", "many", "number", "wide", "array", "long", "control", "null", "other recipe", "this recipe"],
)
def test_arguments_are_checked_before_a_job_begins(
    by_methods: OpcuaServerController, given: tuple[Any, ...], error: int
) -> None:
    async def scenario(client: Client) -> None:
        be_ready(by_methods)
        assert (await call(client, "StartSingleJob", *given))[1] == error
        assert by_methods.read().trigger_sequence == (1 if error == 0 else 0)
        assert await call(client, "AcknowledgeResult") == -3
        assert await call(client, "AcknowledgeResult", ua.Variant(1, ua.VariantType.UInt16)) == -3

    use(by_methods, scenario)


def test_new_session_is_a_new_boot_and_gets_no_result_of_an_earlier_job(
    by_methods: OpcuaServerController,
) -> None:
    found: list[Any] = []

    async def first(client: Client) -> None:
        be_ready(by_methods)
        await call(client, "StartSingleJob", *JOB)
        found.append(by_methods.read())

    async def second(client: Client) -> None:
        events = await subscribe(client)
        by_methods.send(result(found[0].boot, 1), BUSY)
        now = by_methods.read()
        assert (now.trigger_sequence, now.acknowledged) == (0, 0)
        assert now.boot == found[0].boot % 65535 + 1
        be_ready(by_methods)
        job = (await call(client, "StartSingleJob", *JOB))[0]
        by_methods.send(result(now.boot, 1), BUSY)
        await events.wait(1)
        assert [event.JobId for event in events.taken] == [job]

    use(by_methods, first)
    use(by_methods, second)


def test_sign_of_life_is_any_request_of_the_session_and_ends_with_it(by_methods: OpcuaServerController) -> None:
    async def scenario(client: Client) -> None:
        before = by_methods.read().heartbeat
        assert by_methods.read().heartbeat == before
        await words(client, "VIS_HB")
        assert by_methods.read().heartbeat != before

    use(by_methods, scenario)
    after = by_methods.read().heartbeat
    assert by_methods.read().heartbeat == after


def test_reset_is_seen_by_the_station_once(by_methods: OpcuaServerController) -> None:
    async def scenario(client: Client) -> None:
        assert await call(client, "Reset") == 0
        assert Command.CLEAR_FAULT in by_methods.read().command
        assert Command.CLEAR_FAULT not in by_methods.read().command

    use(by_methods, scenario)
