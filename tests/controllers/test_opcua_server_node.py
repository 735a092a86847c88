"""The station's OPC UA server and node-opcua as the robot cell: encrypted, with user, by methods and by words."""

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from partgate.controllers.block import State, StationWords
from partgate.controllers.opcua_server import OpcuaServerController, OpcuaServerControllerConfig
from partgate.parts import Decision, Fault, Reason, Result, StationState, Trigger, Verdict

from ..needed import need_node
from ..ports import free_port

HERE = Path(__file__).parent
NODE_CLIENT = HERE.parent / "counterparts" / "opcua_client.js"
READY = StationWords(5, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1, StationState.READY)
BUSY = StationWords(6, State.ONLINE | State.BUSY, Fault.NONE, 1, StationState.SINGLE_EXECUTION)
PASSWORD = "open sesame"
LIMIT_S = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of both sides in PEM, and the password."""
    folder = tmp_path_factory.mktemp("certificates")
    for name, uri in (("server", "urn:test:station"), ("own", "urn:test:node-client")):
        order = [sys.executable, HERE / "opcua_certificate.py", folder, name, uri, "10"]
        subprocess.run([str(part) for part in order], check=True)
        pem = ["openssl", "x509", "-inform", "der", "-in", f"{name}.der", "-out", f"{name}.pem"]
        subprocess.run(pem, check=True, cwd=folder)
    (folder / "password").touch(0o600)
    (folder / "password").write_text(PASSWORD)
    return folder


def start(folder: Path, triggers: str) -> OpcuaServerController:
    port = free_port()
    return OpcuaServerControllerConfig.model_validate(
        {"kind": "opcua_server", "port": port, "triggers": triggers, "security": "sign_and_encrypt",
         "certificate": folder / "server.pem", "key": folder / "server.key", "trusted_clients": [folder / "own.pem"],
         "password": {"file": folder / "password"}}
    ).open()  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("triggers", ["methods", "words"])
def test_node_opcua_gets_each_part_its_own_verdict(folder: Path, tmp_path: Path, triggers: str) -> None:
    need_node("node-opcua")
    for name in ("own.pem", "own.key", "server.pem"):
        shutil.copy(folder / name, tmp_path)
    with start(folder, triggers) as controller:
        url = f"opc.tcp://127.0.0.1:{controller.config.port}"
        order = ["node", NODE_CLIENT, url, triggers, "4", "controller", PASSWORD, tmp_path]
        with subprocess.Popen([str(word) for word in order], stdout=subprocess.PIPE, text=True) as client:
            try:
                said: list[dict[str, Any]] = []
                reader = threading.Thread(target=listen, args=(client, said))
                reader.start()
                play_the_station(controller, client)
                reader.join(20)
            finally:
                client.kill()

    results = [line["result"] for line in said if "result" in line]
    assert {"done": True} in said, said
    if triggers == "methods":
        assert {"missing": ["", -3]} in said
        assert {"wrong": ["", -3]} in said
        assert [(told["state"], told["lane"], told["name"]) for told in results] == [
            (1, 1, "P-1"), (2, 0, "P-2"), (1, 1, "P-3"), (2, 0, "P-4")
        ]  # fmt: skip
        assert all(told["id"] == told["job"] and (told["again"], told["acknowledged"]) == (-2, 0) for told in results)
    else:
        assert [(told["sequence"], told["verdict"], told["lane"]) for told in results] == [
            (1, 1, 1), (2, 2, 0), (3, 1, 1), (4, 2, 0)
        ]  # fmt: skip


def listen(client: subprocess.Popen[str], said: list[dict[str, Any]]) -> None:
    assert client.stdout
    for line in client.stdout:
        if line.startswith("{"):
            said.append(json.loads(line))


def play_the_station(controller: OpcuaServerController, client: subprocess.Popen[str]) -> None:
    """Good and defect alternately, until the client has ended."""
    deadline, last, is_busy, heartbeat = time.monotonic() + LIMIT_S, (0, 0), False, 0
    while client.poll() is None:
        assert time.monotonic() < deadline
        words = controller.read()
        now = (words.boot, words.trigger_sequence)
        if words.trigger_sequence and now != last:
            last, is_busy = now, True
            is_good = words.trigger_sequence % 2 == 1
            decision = Decision(Verdict.GOOD if is_good else Verdict.REJECT, Reason.MODEL)
            controller.send(Result(Trigger(*now, 200, 0.0, 0.2), decision, 0, int(is_good)), BUSY)
        is_busy = is_busy and words.acknowledged != words.trigger_sequence
        heartbeat += 1
        state = BUSY if is_busy else READY
        controller.write_state(StationWords(heartbeat % 65536, state.state, state.fault, 1, state.station_state))
        time.sleep(0.02)
