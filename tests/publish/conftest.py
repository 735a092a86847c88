"""A real broker, a listener at it, certificates, and records to publish."""

import json
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from partgate.parts import Fault, Reason, Record, StationState, StationStatus, Verdict

from ..needed import need

AT = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
PASSWORD = "quiet-Password-4711"
PATIENCE_S = 20.0


def wait_for(is_there: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + within_s
    while not is_there():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def record(sequence: int, **other: Any) -> Record:
    found = {
        "station": "line-1", "boot": 9, "sequence": sequence, "at": AT, "verdict": Verdict.GOOD, "reason": Reason.MODEL,
        "detail": "", "sent": True, "missed": False, "first_sequence": sequence, "recipe": "cover", "bundle_id": "ab12",
    }  # fmt: skip
    return Record(**(found | other))


def status(**other: Any) -> StationStatus:
    found = {
        "station": "line-1", "at": AT, "state": StationState.READY, "fault": Fault.NONE, "trigger_ready": True,
        "is_shadow": False, "recipe": "cover", "recipe_number": 1,
    }  # fmt: skip
    return StationStatus(**(found | other))


@pytest.fixture(name="make_record")
def _make_record() -> Callable[..., Record]:
    return record


@pytest.fixture(name="make_status")
def _make_status() -> Callable[..., StationStatus]:
    return status


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., None]:
    """Wait on a condition, at most so many seconds."""
    return wait_for


class Certificates:
    """An authority, and certificates of servers at 127.0.0.1: a good one, an expired one, one of another host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        today = datetime.now(UTC)
        self.ca = self._write("ca", self._name, self._key, today + timedelta(days=2), None)
        good = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        other = x509.SubjectAlternativeName([x509.DNSName("other.example")])
        for stem, days, names in (("good", 2, good), ("expired", -1, good), ("other", 2, other)):
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)])
            self._write(stem, subject, ec.generate_private_key(ec.SECP256R1()), today + timedelta(days=days), names)

    def _write(
        self,
        stem: str,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        until: datetime,
        names: x509.SubjectAlternativeName | None,
    ) -> Path:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(until - timedelta(days=9))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        path = self.folder / f"{stem}.pem"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        (self.folder / f"{stem}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path

    def server_context(self, stem: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Broker:
    """Mosquitto with TLS, users, access rights and persistence; it can be stopped and started again."""

    def __init__(self, folder: Path, certificates: Certificates, server: str = "good") -> None:
        self.folder, self.certificates, self.port = folder, certificates, free_port()
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD, encoding="utf-8")
        self.password_file.chmod(0o600)
        self._process: subprocess.Popen[bytes] | None = None
        users, rights = folder / "users", folder / "rights"
        for flags, user in ((["-c"], "line"), ([], "office"), ([], "guest")):
            subprocess.run(["mosquitto_passwd", "-b", *flags, users, user, PASSWORD], check=True, capture_output=True)
        rights.write_text(
            "user line\ntopic readwrite plant/#\nuser office\ntopic readwrite plant/#\n"
            "user guest\ntopic write plant/line-1/status\n",
            encoding="utf-8",
        )
        stem = certificates.folder / server
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\n"
            f"acl_file {rights}\ncertfile {stem}.pem\nkeyfile {stem}.key\ncafile {certificates.ca}\n"
            f"persistence true\npersistence_location {folder}/\nlog_dest file {folder}/log\nlog_type all\n",
            encoding="utf-8",
        )

    @property
    def log(self) -> str:
        found = self.folder / "log"
        return found.read_text(encoding="utf-8", errors="replace") if found.exists() else ""

    def start(self) -> None:
        self._process = subprocess.Popen(["mosquitto", "-c", self._settings], stderr=subprocess.DEVNULL)
        wait_for(self._listens)

    def stop(self) -> None:
        if self._process is not None:
            self.thaw()
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def settings(self, **other: Any) -> dict[str, Any]:
        """Return what a station file says about this broker."""
        found = {
            "kind": "mqtt", "host": "127.0.0.1", "port": self.port, "topic": "plant/line-1", "user": "line",
            "password": {"file": str(self.password_file)}, "tls": {"ca": str(self.certificates.ca)},
        }  # fmt: skip
        return found | other


def need_mosquitto() -> None:
    need("mosquitto", shutil.which("mosquitto") and shutil.which("mosquitto_passwd"), "apt-get install mosquitto")


@pytest.fixture
def make_broker(tmp_path: Path, certificates: Certificates) -> Iterator[Callable[..., Broker]]:
    need_mosquitto()
    made: list[Broker] = []

    def make(server: str = "good") -> Broker:
        folder = tmp_path / f"broker{len(made)}"
        folder.mkdir()
        made.append(Broker(folder, certificates, server))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def broker(make_broker: Callable[..., Broker]) -> Broker:
    return make_broker()


class Listener:
    """Someone who looks on; with ``session_s`` the broker keeps messages for it while it is away."""

    def __init__(self, broker: Broker, name: str = "office-pc", session_s: int = 0, topic: str = "plant/#") -> None:
        self.messages: list[paho.MQTTMessage] = []
        self._broker, self._topic, self._is_subscribed = broker, topic, threading.Event()
        self._properties = Properties(PacketTypes.CONNECT)
        self._properties.SessionExpiryInterval = session_s
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv5)
        self.client.username_pw_set("office", PASSWORD)
        self.client.tls_set(str(broker.certificates.ca))
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._subscribe
        self.client.on_subscribe = lambda *_: self._is_subscribed.set()
        self.client.on_message = lambda _c, _u, message: self.messages.append(message)

    def _subscribe(self, client: paho.Client, *_: object) -> None:
        client.subscribe(self._topic, qos=1)

    def __enter__(self) -> "Listener":
        self.client.connect("127.0.0.1", self._broker.port, clean_start=False, properties=self._properties)
        self.client.loop_start()
        assert self._is_subscribed.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def contents(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(m.payload) for m in list(self.messages) if m.topic == f"plant/line-1/{kind}"]

    @property
    def sequences(self) -> list[int]:
        return [content["sequence"] for content in self.contents("result")]


@pytest.fixture
def listen() -> Callable[..., Listener]:
    return Listener


@pytest.fixture(name="free_port")
def _free_port() -> int:
    return free_port()
