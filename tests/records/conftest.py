"""A real PostgreSQL server of its own for these tests: loopback, free port, password; with TLS where openssl is."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from partgate.records.config import DatabaseConfig, RecordsConfig
from partgate.secrets import SecretSource

from ..needed import need

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD = "geheim 7'%"


class Server:
    """One server; may be stopped, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, PROGRAMS[-1]
        self.data = folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._databases = 0

    def create(self) -> None:
        """Make the cluster, with a certificate for 127.0.0.1 that only its own authority file vouches for."""
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        self.call(self.bin / "initdb", "-D", self.data, "-U", "partgate", "--pwfile", password, "-A", "scram-sha-256",
                  "-E", "UTF8", "--locale=C")  # fmt: skip
        self.call("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                  "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.data / "server.key", "-out",
                  self.data / "server.crt")  # fmt: skip
        settings = f"port={self.port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories=''\nssl=on\n"
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(settings)

    def start(self) -> None:
        self.call(self.bin / "pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-t", "60", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; ``immediate`` is a crash: connections are torn, the log is replayed at the next start."""
        if (self.data / "postmaster.pid").exists():
            self.call(self.bin / "pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def signal_all(self, number: signal.Signals) -> None:
        """Freeze or thaw the server and every process that serves a connection."""
        parent = (self.data / "postmaster.pid").read_text().split()[0]
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for process in (parent, *children):
            os.kill(int(process), number)

    def call(self, *arguments: object) -> str:
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*as_user, *map(str, arguments)], cwd="/", capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def make_database(self) -> str:
        """Return the name of a new, empty database."""
        import pg8000.native

        self._databases += 1
        name = f"plant{self._databases}"
        connection = pg8000.native.Connection("partgate", "127.0.0.1", "postgres", self.port, PASSWORD)
        connection.run(f"CREATE DATABASE {name}")
        connection.close()
        return name


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    need("a PostgreSQL server", PROGRAMS and shutil.which("openssl"), "apt-get install postgresql openssl")
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")  # the server refuses to run as root
    server = Server(folder)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


MakeConfig = Callable[..., RecordsConfig]


@pytest.fixture
def on_server(postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeConfig:
    """Give a function that returns the settings of a station's records in one new database."""
    monkeypatch.setenv("PARTGATE_TEST_PASSWORD", PASSWORD)
    postgresql.stop("fast")
    postgresql.start()
    name = postgresql.make_database()

    def make(folder: str = "records", **changes: object) -> RecordsConfig:
        database = {"host": "127.0.0.1", "port": postgresql.port, "name": name, "user": "partgate", "tls": "none",
                    "password": SecretSource(env="PARTGATE_TEST_PASSWORD")}  # fmt: skip
        return RecordsConfig(folder=tmp_path / folder, database=DatabaseConfig(**(database | changes)))

    return make
