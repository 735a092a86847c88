"""Every controller driver that carries the block must pass these; a new driver adds one entry to ``COUNTERPARTS``."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient

from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import State, StationWords
from partgate.controllers.ethernetip import EthernetIpControllerConfig
from partgate.controllers.memory import MemoryControllerConfig
from partgate.controllers.modbus import ModbusControllerConfig
from partgate.controllers.modbus_server import ModbusServerControllerConfig
from partgate.controllers.none import NoneControllerConfig
from partgate.controllers.opcua import OpcuaControllerConfig
from partgate.controllers.opcua_server import OpcuaServerControllerConfig
from partgate.controllers.reduced import ReducedConfig
from partgate.controllers.s7 import S7ControllerConfig
from partgate.controllers.tcp import TcpControllerConfig
from partgate.drivers import driver_config_class, driver_kinds
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict
from partgate.simulate.plc import SimulatedPlc

ONLINE = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def memory(_: Path) -> Iterator[ControllerConfig]:
    yield MemoryControllerConfig(kind="memory", interval_ms=1)


@contextmanager
def no_controller(_: Path) -> Iterator[ControllerConfig]:
    yield NoneControllerConfig(kind="none")


@contextmanager
def simulated_plc(_: Path) -> Iterator[ControllerConfig]:
    with SimulatedPlc() as plc:
        yield ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=plc.port)


@contextmanager
def libmodbus(folder: Path) -> Iterator[ControllerConfig]:
    """A server on libmodbus, compiled here: an independent implementation of the protocol."""
    if shutil.which("gcc") is None or not Path("/usr/include/modbus/modbus.h").exists():
        if os.environ.get("CI"):
            pytest.fail("libmodbus-dev and gcc are missing; .ci/run installs them")
        pytest.skip("needs gcc and libmodbus-dev (apt-get install gcc libmodbus-dev)")
    program, port = folder / "registers", free_port()
    source = Path(__file__).with_name("registers.c")
    subprocess.run(["gcc", "-I/usr/include/modbus", source, "-o", program, "-lmodbus"], check=True)
    with subprocess.Popen([program, str(port)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        yield ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=port, first_register=20)
        server.kill()


@contextmanager
def robot_that_listens(_: Path) -> Iterator[ControllerConfig]:
    with run_robot("server") as port:
        yield TcpControllerConfig(kind="tcp", role="client", host="127.0.0.1", port=port)


@contextmanager
def robot_that_connects(_: Path) -> Iterator[ControllerConfig]:
    with run_robot("client") as port:
        yield TcpControllerConfig(kind="tcp", role="server", port=port, connect_within_s=5)


@contextmanager
def run_robot(role: str) -> Iterator[int]:
    """A robot's program on plain sockets, in a process of its own."""
    port, program = free_port(), Path(__file__).with_name("robot.py")
    with subprocess.Popen([sys.executable, program, role, str(port)], stdout=subprocess.PIPE, text=True) as robot:
        assert robot.stdout is not None
        assert robot.stdout.readline() == "up\n"
        yield port
        robot.kill()


@contextmanager
def netcat(folder: Path) -> Iterator[ControllerConfig]:
    """The guide's lines for a shell, as they stand there but for the port."""
    if shutil.which("nc") is None or shutil.which("sed") is None:
        if os.environ.get("CI"):
            pytest.fail("netcat-openbsd is missing; .ci/run installs it")
        pytest.skip("needs nc and sed (apt-get install netcat-openbsd)")
    guide = Path(__file__).parents[2].joinpath("docs/guides/tcp.md").read_text(encoding="utf-8")
    port, script = free_port(), guide.split("```sh\n")[1].split("```")[0]
    assert "5025" in script
    with subprocess.Popen(["sh", "-c", script.replace("5025", str(port))], cwd=folder, start_new_session=True) as shell:
        deadline = time.monotonic() + 10
        while not listens(port):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield TcpControllerConfig(kind="tcp", role="client", host="127.0.0.1", port=port)
        os.killpg(shell.pid, signal.SIGKILL)


@contextmanager
def jsmodbus(_: Path) -> Iterator[ControllerConfig]:
    with node_plc("jsmodbus") as port:
        yield ModbusServerControllerConfig(kind="modbus_server", port=port, first_register=40, connect_within_s=5)


@contextmanager
def modbus_serial(_: Path) -> Iterator[ControllerConfig]:
    with node_plc("modbus-serial") as port:
        yield ModbusServerControllerConfig(kind="modbus_server", port=port, first_register=40, connect_within_s=5)


@contextmanager
def node_plc(library: str) -> Iterator[int]:
    """A PLC that polls the station, on one of Node's libraries; no part comes."""
    folder, port = Path(__file__).parents[1] / "counterparts", free_port()
    if shutil.which("node") is None or not (folder / "node_modules" / library).exists():
        if os.environ.get("CI"):
            pytest.fail("Node's Modbus is missing; .ci/run calls tests/counterparts/install")
        pytest.skip("needs Node's Modbus (tests/counterparts/install)")
    with subprocess.Popen(["node", folder / "modbus_plc.js", library, str(port), "40", "0"]) as plc:
        try:
            yield port
        finally:
            plc.kill()


@contextmanager
def s7_block(_: Path) -> Iterator[ControllerConfig]:
    """A data block in a process of its own."""
    port, program = free_port(), Path(__file__).with_name("s7_plc.py")
    order = [sys.executable, program, str(port), "7", "130"]
    with subprocess.Popen(order, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as plc:
        try:
            assert plc.stdout is not None
            assert plc.stdout.readline() == "up\n"
            yield S7ControllerConfig(kind="s7", host="127.0.0.1", port=port, db_number=7, first_byte=10)
        finally:
            plc.kill()


@contextmanager
def cpppo(_: Path) -> Iterator[ControllerConfig]:
    """Tags on an EtherNet/IP server of somebody else's, a process of its own: the licence of cpppo wants that."""
    python, port = Path(__file__).parents[1] / "counterparts/enip/bin/python", free_port()
    if not python.exists():
        if os.environ.get("CI"):
            pytest.fail("cpppo is missing; .ci/run calls tests/counterparts/install")
        pytest.skip("needs cpppo (tests/counterparts/install)")
    tags = ["PG_STATION=DINT[11]", "PG_PLC=DINT[40]"]
    with subprocess.Popen([python, "-m", "cpppo.server.enip", "-a", f"127.0.0.1:{port}", *tags]) as plc:
        try:
            deadline = time.monotonic() + 20
            while not listens(port):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield EthernetIpControllerConfig(kind="ethernetip", host="127.0.0.1", port=port)
        finally:
            plc.kill()


@contextmanager
def asyncua_plc(_: Path) -> Iterator[ControllerConfig]:
    program = Path(__file__).with_name("opcua_plc.py")
    with opcua_plc([sys.executable, program, "PORT", "{}"], "ns=2;s=Partgate.{word}") as config:
        yield config


@contextmanager
def node_opcua_plc(folder: Path) -> Iterator[ControllerConfig]:
    program = Path(__file__).parents[1] / "counterparts/opcua_plc.js"
    if shutil.which("node") is None or not (program.parent / "node_modules/node-opcua").exists():
        if os.environ.get("CI"):
            pytest.fail("Node's OPC UA is missing; .ci/run calls tests/counterparts/install")
        pytest.skip("needs Node's OPC UA (tests/counterparts/install)")
    with opcua_plc(["node", program, "PORT", folder / "node"], "ns=1;s=Partgate.{word}") as config:
        yield config


@contextmanager
def opcua_plc(order: list[object], node: str) -> Iterator[ControllerConfig]:
    """A PLC's OPC UA server, a process that says when it is up."""
    port = free_port()
    words = [str(port) if word == "PORT" else str(word) for word in order]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as plc:
        try:
            assert plc.stdout is not None
            assert any(line.startswith('{"up"') for line in iter(plc.stdout.readline, ""))
            url = f"opc.tcp://127.0.0.1:{port}"
            yield OpcuaControllerConfig(kind="opcua", url=url, security="none", node=node)
        finally:
            plc.kill()


@contextmanager
def opcua_without_client(folder: Path) -> Iterator[ControllerConfig]:
    password = folder / "password"
    password.touch(0o600)
    password.write_text("sesame")
    yield OpcuaServerControllerConfig.model_validate(
        {"kind": "opcua_server", "port": free_port(), "triggers": "words", "security": "none",
         "password": {"file": password}}
    )  # fmt: skip


COUNTERPARTS = {
    "ethernetip": [cpppo],
    "memory": [memory],
    "none": [no_controller],
    "modbus": [simulated_plc, libmodbus],
    "modbus_server": [jsmodbus, modbus_serial],
    "s7": [s7_block],
    "tcp": [robot_that_listens, robot_that_connects, netcat],
    "opcua": [asyncua_plc, node_opcua_plc],
    "opcua_server": [opcua_without_client],
}
CASES = [(kind, counterpart) for kind, counterparts in COUNTERPARTS.items() for counterpart in counterparts]


@pytest.fixture(params=CASES, ids=[f"{kind}-{counterpart.__name__}" for kind, counterpart in CASES])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ControllerConfig]:
    with request.param[1](tmp_path) as found:
        yield found


def good(sequence: int = 1, boot: int = 1) -> Result:
    return Result(Trigger(boot, sequence, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)


def test_every_registered_controller_stands_in_this_contract():
    kinds = driver_kinds("controller")
    reduced = {kind for kind in kinds if issubclass(driver_config_class("controller", kind), ReducedConfig)}

    assert set(COUNTERPARTS) == set(kinds) - reduced  # those stand in test_reduced_contract.py


def test_connected_controller_says_boot_trigger_and_acknowledge(config: ControllerConfig):
    with config.open() as controller:
        words = controller.read()

    assert (words.trigger_sequence, words.acknowledged) == (0, 0)
    assert words.boot >= 0


def test_connecting_writes_nothing(config: ControllerConfig):
    with config.open() as controller:
        first = controller.read()
    with config.open() as controller:
        second = controller.read()

    assert (first.acknowledged, second.acknowledged) == (0, 0)


def test_state_clear_and_result_are_taken_without_complaint(config: ControllerConfig):
    with config.open() as controller:
        controller.clear(ONLINE)
        controller.write_state(ONLINE)
        controller.send(good(), ONLINE)
        words = controller.read()

    assert words.boot >= 0


def test_poll_period_is_short_enough_for_a_window_of_200_ms(config: ControllerConfig):
    with config.open() as controller:
        assert 0 < controller.poll_period_s <= 0.02


def test_closed_controller_answers_with_a_controller_error(config: ControllerConfig):
    controller = config.open()
    with controller:
        pass

    with pytest.raises(ControllerError, match="controller 'controller'"):
        controller.send(good(), ONLINE)


def test_controller_prints_as_its_name_and_address(config: ControllerConfig):
    assert str(config.open()).startswith("controller 'controller' (")


def test_modbus_block_stands_in_the_registers_of_an_independent_server(tmp_path: Path):
    with libmodbus(tmp_path) as config:
        assert isinstance(config, ModbusControllerConfig)
        with config.open() as controller:
            controller.send(good(sequence=4711, boot=3), ONLINE)
        client = ModbusTcpClient(config.host, port=config.port)
        assert client.connect()
        registers = client.read_holding_registers(config.first_register, count=11, device_id=1).registers
        client.close()

    check = (4711 + 3 * 1 + 11 * 1 + 13 * 3 + 42330) % 65536
    assert registers == [1, 4711, 1, 0, 1, 3, 0, check, 0b11, 0, 1]


def test_modbus_state_leaves_the_result_words_alone(tmp_path: Path):
    with libmodbus(tmp_path) as config:
        assert isinstance(config, ModbusControllerConfig)
        with config.open() as controller:
            controller.send(good(sequence=7), ONLINE)
            controller.write_state(StationWords(9, State.ONLINE, Fault.CAMERA, 4))
        client = ModbusTcpClient(config.host, port=config.port)
        assert client.connect()
        registers = client.read_holding_registers(config.first_register, count=11, device_id=1).registers
        client.close()

    assert (registers[0], registers[1], registers[8:]) == (9, 7, [1, 1, 4])


def test_plc_that_is_switched_off_is_named_with_address_and_next_step():
    port = free_port()

    with (
        pytest.raises(ControllerError, match=rf"\(modbus 127\.0\.0\.1:{port}\): no connection; is the PLC on"),
        ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=port).open(),
    ):
        pass


def test_plc_without_the_registers_says_which_it_must_offer(tmp_path: Path):
    with libmodbus(tmp_path) as config:
        assert isinstance(config, ModbusControllerConfig)
        beyond = config.model_copy(update={"first_register": 190})
        with beyond.open() as controller, pytest.raises(ControllerError, match="must offer registers 190 to 245"):
            controller.read()


def test_frozen_plc_gives_an_error_within_the_time_out_and_not_a_hang():
    with SimulatedPlc() as plc:
        config = ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=plc.port, answer_within_s=0.05)
        with config.open() as controller:
            plc.freeze()
            with pytest.raises(ControllerError, match="got no answer"):
                controller.send(good(), ONLINE)
            with pytest.raises(ControllerError, match="is not connected"):
                controller.read()
        plc.thaw()


def test_result_is_never_repeated_after_an_answer_was_lost():
    with SimulatedPlc() as plc:
        config = ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=plc.port, answer_within_s=0.05)
        with config.open() as controller:
            plc.withhold_answers(1, kind="results")
            with pytest.raises(ControllerError):
                controller.send(good(), ONLINE)

        assert [write.sequence for write in plc.writes] == [1]


def test_memory_controller_lets_a_part_pass_only_with_a_good_of_its_own_in_time():
    now = 0.0
    config = MemoryControllerConfig(kind="memory", interval_ms=100, window_ms=50)
    controller = type(config.open())(config, clock=lambda: now)
    with controller:
        controller.write_state(ONLINE)
        boot = controller.read().boot
        controller.send(good(sequence=1, boot=boot), ONLINE)
        now = 0.1
        assert controller.read().trigger_sequence == 2
        controller.send(good(sequence=1, boot=boot), ONLINE)
        now = 0.2
        assert controller.read().trigger_sequence == 3
        now = 0.26
        controller.send(good(sequence=3, boot=boot), ONLINE)
        now = 0.31
        assert controller.read().trigger_sequence == 4
        controller.send(good(sequence=4, boot=boot + 1), ONLINE)

    assert controller.lanes == {1: 1, 2: 0, 3: 0, 4: 0}
