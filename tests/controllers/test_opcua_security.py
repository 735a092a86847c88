"""OPC UA client, encrypted: who is accepted, who is refused and how that is told; node-opcua as the PLC."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from partgate.controllers.block import State, StationWords
from partgate.controllers.opcua import OpcuaControllerConfig
from partgate.errors import ConfigError, ControllerError
from partgate.parts import Decision, Fault, Reason, Result, StationState, Trigger, Verdict

from ..needed import need_node
from ..ports import free_port

HERE = Path(__file__).parent
NODE_PLC = HERE.parent / "counterparts" / "opcua_plc.js"
OWN = StationWords(5, State.ONLINE | State.BUSY, Fault.NONE, 1, StationState.SINGLE_EXECUTION)
GOOD = Result(Trigger(9, 17, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)
CHECK = (17 + 3 + 11 + 13 * 9 + 42330) % 65536
PASSWORD = "a b:c&d"


class Plc:
    """A server's process."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port
        self.up = self.next()["up"]

    def next(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        while line and not line.startswith("{"):  # node-opcua also warns there
            line = self.process.stdout.readline()
        return json.loads(line)

    def config(self, **more: Any) -> OpcuaControllerConfig:
        settings = {"kind": "opcua", "url": f"opc.tcp://127.0.0.1:{self.port}", "security": "none"}
        return OpcuaControllerConfig.model_validate(settings | {"connect_within_s": 10} | more)


@contextmanager
def run(*order: object) -> Iterator[Plc]:
    """Start a program with ``PORT`` for its port."""
    port = free_port()
    words = [str(port) if word == "PORT" else str(word) for word in order]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Plc(process, port)
        finally:
            process.kill()


def run_plc(**settings: Any) -> Any:
    return run(sys.executable, HERE / "opcua_plc.py", "PORT", json.dumps(settings))


@pytest.fixture(scope="module")
def plc() -> Iterator[Plc]:
    with run_plc() as plc:
        yield plc


def certificate(folder: Path, name: str, uri: str, days: int = 10) -> Path:
    order = [sys.executable, HERE / "opcua_certificate.py", folder, name, uri, str(days)]
    subprocess.run([str(part) for part in order], check=True)
    return folder / f"{name}.der"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    certificate(folder, "plc", "urn:test:plc")
    certificate(folder, "own", "urn:test:station")
    (folder / "password").touch(0o600)
    (folder / "password").write_text(PASSWORD)
    return folder


@pytest.fixture(scope="module")
def secure_plc(folder: Path) -> Iterator[Plc]:
    with run_plc(security=str(folder), user="qc", password=PASSWORD) as plc:
        yield plc


def secured(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "security": "sign_and_encrypt", "certificate": folder / "own.der", "key": folder / "own.key",
        "server_certificate": folder / "plc.der", "user": "qc", "password": {"file": folder / "password"}, **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def node_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_node("node-opcua")
    made = tmp_path_factory.mktemp("node")
    (made / "trusted/certs").mkdir(parents=True)
    shutil.copy(folder / "own.der", made / "trusted/certs")
    return made


@pytest.mark.slow
def test_node_opcua_takes_a_result_over_an_encrypted_session_with_user(node_folder: Path, folder: Path) -> None:
    with run("node", NODE_PLC, "PORT", node_folder, "qc", PASSWORD) as plc:
        more = secured(folder, server_certificate=plc.up, node="ns=1;s=Partgate.{word}")
        with plc.config(**more).open() as controller:
            before = controller.read()
            controller.send(GOOD, OWN)
            after = controller.read()

        assert (before.boot, before.acknowledged, after.acknowledged) == (3, 0, 17)
        assert plc.next()["result"] == {
            "VIS_HB": 5, "RES_SEQ": 17, "VERDICT": 1, "CLASS": 0, "LANE": 1, "RES_BOOT": 9, "REASON": 0, "CHECK": CHECK,
            "STATE": 0b101 | 5 << 10, "FAULT": 0, "RECIPE_ACTIVE": 1,
        }  # fmt: skip


@pytest.mark.slow
def test_node_opcua_refuses_a_station_that_it_does_not_trust(node_folder: Path, folder: Path) -> None:
    stranger = certificate(folder, "stranger", "urn:test:stranger")
    with run("node", NODE_PLC, "PORT", node_folder, "qc", PASSWORD) as plc:
        more = secured(folder, server_certificate=plc.up, certificate=stranger, key=folder / "stranger.key")
        controller = plc.config(**more).open()
        with pytest.raises(ControllerError, match=r"no secure session; does the PLC trust .*stranger\.der"), controller:
            pass


def test_signed_and_encrypted_session_with_user_reads_and_writes(secure_plc: Plc, folder: Path) -> None:
    with secure_plc.config(**secured(folder)).open() as controller:
        controller.read()
        controller.send(GOOD, OWN)

    assert secure_plc.next()["write"][-1] == ["RES_SEQ", 17]


def test_wrong_password_is_told_without_it_and_is_not_tried_again_soon(secure_plc: Plc, folder: Path) -> None:
    (folder / "wrong").touch(0o600)
    (folder / "wrong").write_text("sesame")
    controller = secure_plc.config(**secured(folder, password={"file": folder / "wrong"})).open()

    with pytest.raises(ControllerError, match="are user and password right") as told, controller:
        pass
    with pytest.raises(ControllerError, match="is tried again in"), controller:
        pass

    assert "sesame" not in str(told.value) + repr(told.value.__cause__) + repr(controller.__dict__)


@pytest.mark.parametrize(
    ("change", "is_refusal"),
    [({"password": "wrong"}, True), ({"server_certificate": "own.der"}, True), ({"node": "ns=2;s=No.{word}"}, False)],
    ids=["password", "certificate", "variables"],
)
def test_refusal_is_told_apart_from_a_failure_that_may_pass(
    secure_plc: Plc, folder: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], is_refusal: bool
) -> None:
    (folder / "wrong").touch(0o600)
    (folder / "wrong").write_text("sesame")
    more: dict[str, Any] = {key: value if key == "node" else folder / value for key, value in change.items()}
    if "password" in more:
        more["password"] = {"file": more["password"]}
    controller, told = secure_plc.config(**secured(folder, **more)).open(), []
    monkeypatch.setattr(controller._pause, "lengthen", lambda *, refused: told.append(refused))

    with pytest.raises(ControllerError), controller:
        pass

    assert told == [is_refusal]


def test_certificate_that_is_not_the_pinned_one_is_refused(secure_plc: Plc, folder: Path) -> None:
    other = certificate(folder, "other", "urn:test:plc")
    controller = secure_plc.config(**secured(folder, server_certificate=other)).open()

    with (
        pytest.raises(ControllerError, match=r"another certificate than .*other\.der; is it the"),
        controller,
    ):
        pass


@pytest.mark.parametrize("which", ["certificate", "server_certificate"])
def test_expired_certificate_of_either_side_is_refused_with_its_date(secure_plc: Plc, folder: Path, which: str) -> None:
    expired = certificate(folder, "expired", "urn:test:plc", days=-1)
    more = {which: expired} | ({"key": folder / "expired.key"} if which == "certificate" else {})
    controller = secure_plc.config(**secured(folder, **more)).open()

    with pytest.raises(ControllerError, match=r"expired\.der expired on 20.* UTC; make a new one"), controller:
        pass


def test_server_that_calls_itself_otherwise_than_its_certificate_is_refused(folder: Path) -> None:
    with run_plc(security=str(folder), uri="urn:another:plc", user="qc", password=PASSWORD) as plc:
        told = r"calls itself urn:another:plc, its certificate .*plc\.der names urn:test:plc"
        with pytest.raises(ControllerError, match=told), plc.config(**secured(folder)).open():
            pass


def test_plc_without_encryption_is_never_talked_to_in_the_clear(plc: Plc, folder: Path) -> None:
    told = "does not offer Basic256Sha256 with SignAndEncrypt"
    with pytest.raises(ControllerError, match=told), plc.config(**secured(folder)).open():
        pass


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"certificate": "none.der"}, r"certificate .*none\.der: cannot be read: No such file"),
        ({"key": "loose.key"}, "must be readable by its owner alone, its mode is 0644; run: chmod 600"),
        ({"certificate": "own.key"}, r"own\.key: is no X\.509 certificate"),
        ({"key": "plc.key"}, r"plc\.key: is not the key of certificate .*own\.der"),
        ({"key": "password"}, "password: is no RSA key without a password"),
        ({"certificate": "nameless.der", "key": "nameless.key"}, "names no URI"),
    ],
    ids=["missing", "others can read", "no certificate", "other key", "no key", "no uri"],
)
def test_files_that_prove_nothing_end_the_start(
    secure_plc: Plc, folder: Path, change: dict[str, str], told: str
) -> None:
    certificate(folder, "nameless", "")
    (folder / "loose.key").touch()
    (folder / "loose.key").chmod(0o644)
    config = secure_plc.config(**secured(folder, **{key: folder / name for key, name in change.items()}))

    with pytest.raises(ConfigError, match=told), config.open():
        pass


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "security"),
        ({"security": "none", "url": "http://plc"}, "must be opc.tcp://ADDRESS:PORT, got 'http://plc'"),
        ({"security": "none", "url": "opc.tcp://qc:secret@plc:4840"}, "must be opc.tcp://ADDRESS:PORT"),
        ({"security": "none", "node": "ns=2;s=Partgate"}, r"holds \{word\} once"),
        ({"security": "none", "user": "qc", "password": {"env": "X"}}, "would send a password readable by anyone"),
        ({"security": "sign_and_encrypt"}, "needs certificate, key, server_certificate"),
        ({"security": "sign", "url": "opc.tcp://plc"}, "'none' or 'sign_and_encrypt'"),
        ({"security": "none", "answer_within_s": 0.5}, r"less than or equal to 0\.1"),
        ({"security": "none", "user": "qc"}, "one of them is missing"),
    ],
    ids=["unsaid", "http", "password in url", "node", "plain password", "no files", "sign", "slow", "half a user"],
)
def test_settings_that_cannot_work_or_are_not_safe_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        OpcuaControllerConfig.model_validate({"kind": "opcua", "url": "opc.tcp://plc:4840"} | settings)
