"""What stands on the other side of each driver in its contract: an entry gives the settings while it runs."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from partgate.controllers.base import ControllerConfig
from partgate.controllers.ethernetip import EthernetIpControllerConfig
from partgate.controllers.memory import MemoryControllerConfig
from partgate.controllers.modbus import ModbusControllerConfig
from partgate.controllers.modbus_server import ModbusServerControllerConfig
from partgate.controllers.none import NoneControllerConfig
from partgate.controllers.opcua import OpcuaControllerConfig
from partgate.controllers.opcua_server import OpcuaServerControllerConfig
from partgate.controllers.s7 import S7ControllerConfig
from partgate.controllers.tcp import TcpControllerConfig
from partgate.simulate.plc import SimulatedPlc

from ..needed import need, need_libmodbus, need_node
from ..ports import free_port, listens


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
    need_libmodbus()
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
    need("nc and sed", shutil.which("nc") and shutil.which("sed"), "apt-get install netcat-openbsd")
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
    need_node(library)
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
    need("cpppo", python.exists(), "tests/counterparts/install")
    tags = ["PG_STATION=DINT[11]", "PG_PLC=DINT[40]"]
    with subprocess.Popen([python, "-m", "cpppo.server.enip", "-a", f"127.0.0.1:{port}", *tags]) as plc:
        try:
            deadline = time.monotonic() + 20
            while not listens(port):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            config = EthernetIpControllerConfig(kind="ethernetip", host="127.0.0.1", port=port)
            yield config.model_copy(update={"answer_within_s": 10.0})  # a busy machine stops a server for long
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
    need_node("node-opcua")
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
