"""The thread that asyncua runs in: what takes too long is given up, and no socket stays open behind it."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from partgate.controllers.opcua_link import LoopThread
from partgate.controllers.opcua_server import OpcuaServerControllerConfig


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        found.settimeout(20)
        yield found


def nothing() -> None:
    """No connection is open."""


def test_task_that_takes_longer_than_its_time_is_given_up_and_cancelled() -> None:
    cancelled = threading.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    link = LoopThread("test")
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        link.run(slow(), 0.05)

    assert cancelled.wait(20)
    link.close(nothing)


@pytest.mark.parametrize("held_up_s", [0, 1.5], ids=["at-once", "held-up"])
def test_connection_is_cut_and_its_socket_closed_also_by_a_loop_that_is_held_up(
    listener: socket.socket, wait_for: Callable[..., None], held_up_s: float
) -> None:
    async def connect() -> asyncio.Transport:
        address = listener.getsockname()
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, *address)
        return transport

    link = LoopThread("test")
    transport = link.run(connect(), 20)
    line = transport.get_extra_info("socket")
    link._loop.call_soon_threadsafe(time.sleep, held_up_s)
    link.close(transport.abort)

    wait_for(lambda: line.fileno() == -1)
    wait_for(link._loop.is_closed)
    with listener.accept()[0] as peer, suppress(ConnectionResetError):
        peer.settimeout(20)
        assert peer.recv(1) == b""


def test_connection_that_a_given_up_task_had_just_made_is_closed_too(
    listener: socket.socket, wait_for: Callable[..., None]
) -> None:
    lines: list[socket.socket] = []

    async def connect_and_wait() -> None:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, *listener.getsockname())
        lines.append(transport.get_extra_info("socket"))
        try:
            await asyncio.sleep(60)
        finally:
            transport.close()

    link = LoopThread("test")
    with pytest.raises(TimeoutError):
        link.run(connect_and_wait(), 0.5)
    link.close(nothing)

    wait_for(lambda: not lines or lines[0].fileno() == -1)
    wait_for(link._loop.is_closed)


def test_connection_that_a_task_makes_when_it_is_cancelled_is_cut_too(
    listener: socket.socket, wait_for: Callable[..., None]
) -> None:
    made: list[asyncio.Transport] = []

    async def connect_late() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, *listener.getsockname())
        made.append(transport)

    link = LoopThread("test")
    asyncio.run_coroutine_threadsafe(connect_late(), link._loop)
    link.run(asyncio.sleep(0.01), 20)
    link.close(lambda: [transport.abort() for transport in made] and None)

    wait_for(link._loop.is_closed)
    assert [transport.get_extra_info("socket").fileno() for transport in made] == [-1]


def test_server_that_does_not_stop_in_time_leaves_neither_port_nor_client_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_text("sesame")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = probe.getsockname()
    settings = {"kind": "opcua_server", "port": address[1], "security": "none", "triggers": "words"}
    controller = OpcuaServerControllerConfig.model_validate(
        settings | {"password": {"file": tmp_path / "password"}}
    ).open()

    with controller:
        monkeypatch.setattr(controller._nodes, "stop", lambda: asyncio.sleep(60))
        client = socket.create_connection(address, 20)
    with client, suppress(ConnectionResetError):
        assert client.recv(1) == b""
    socket.create_server(address).close()
