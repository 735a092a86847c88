"""Devices of the reduced profile, each in a process of its own or as a stand-in for the vendor's library."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ..needed import need, need_libmodbus
from ..ports import free_port

HERE = Path(__file__).parent


def wait_for(condition: Callable[[], object], within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.002)


class Process:
    """A device's program: what it prints is kept, what it is told it confirms."""

    def __init__(self, *command: object) -> None:
        self.said: list[str] = []
        self._program = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self._program.stdout is not None
        for line in self._program.stdout:
            self.said.append(line.rstrip("\n"))

    def tell(self, line: str) -> None:
        before = self.said.count("ok")
        assert self._program.stdin is not None
        self._program.stdin.write(line + "\n")
        self._program.stdin.flush()
        wait_for(lambda: self.said.count("ok") > before)

    def freeze(self) -> None:
        self._program.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        self._program.kill()
        self._program.wait()
        self._reader.join()
        for pipe in (self._program.stdin, self._program.stdout):
            assert pipe is not None
            pipe.close()


class SerialCable:
    """Two pseudo terminals with socat between them: ``near`` for the station, ``far`` for the device."""

    def __init__(self, folder: Path) -> None:
        need("socat", shutil.which("socat"), "apt-get install socat")
        self.near, self.far = folder / "near", folder / "far"
        self._ends = [f"pty,raw,echo=0,link={end}" for end in (self.near, self.far)]
        self.plug()

    def plug(self) -> None:
        self._socat = subprocess.Popen(["socat", *self._ends])
        wait_for(lambda: self.near.exists() and self.far.exists())

    def unplug(self) -> None:
        self._socat.kill()
        self._socat.wait()
        for end in (self.near, self.far):
            end.unlink(missing_ok=True)


class RemoteIo:
    """A Modbus RTU module with inputs and relays, compiled here on libmodbus."""

    def __init__(self, folder: Path) -> None:
        need_libmodbus()
        self.cable, self._program = SerialCable(folder), folder / "remote_io"
        source = HERE / "remote_io.c"
        subprocess.run(["gcc", "-I/usr/include/modbus", source, "-o", self._program, "-lmodbus"], check=True)
        self.start()

    @property
    def port(self) -> str:
        return str(self.cable.near)

    def start(self) -> None:
        self.process = Process(self._program, self.cable.far)
        wait_for(lambda: "up" in self.process.said)

    def set_input(self, number: int, on: bool) -> None:
        self.process.tell(f"in {number} {on:d}")

    def changes(self, relay: int) -> list[bool]:
        """Every change of a relay since the module was switched on."""
        found = [line.split() for line in self.process.said if line.startswith(f"out {relay} ")]
        return [words[2] == "1" for words in found]

    def unplug(self) -> None:
        self.cable.unplug()
        self.process.end()

    def end(self) -> None:
        self.unplug()


@pytest.fixture
def remote_io(tmp_path: Path) -> Iterator[RemoteIo]:
    device = RemoteIo(tmp_path)
    yield device
    device.end()


@pytest.fixture
def serial_cable(tmp_path: Path) -> Iterator[SerialCable]:
    cable = SerialCable(tmp_path)
    yield cable
    cable.unplug()


class Board:
    """Stands in for the kernel under gpiod: the settings, values and names are the library's own."""

    def __init__(self) -> None:
        self.levels: dict[int | str, bool] = {}  # electrical
        self.history: list[tuple[int | str, bool]] = []  # outputs, as lines: on or off
        self.settings: Mapping[int | str, Any] = {}
        self.held = False
        self.is_there, self.fails = True, False

    def request_lines(self, path: str, config: Mapping[int | str, Any], consumer: str | None = None) -> "Board":
        import gpiod
        from gpiod.line import Direction

        if not self.is_there:
            raise FileNotFoundError(2, "No such file or directory", path)
        if self.held:
            raise OSError(16, "Device or resource busy")
        assert all(isinstance(settings, gpiod.LineSettings) for settings in config.values())
        self.held, self.settings = True, config
        self.set_values({line: s.output_value for line, s in config.items() if s.direction is Direction.OUTPUT})
        return self

    def get_values(self, lines: list[int | str]) -> list[Any]:
        from gpiod.line import Value

        self._answer()
        return [Value(int(self.levels.get(line, False) != self.settings[line].active_low)) for line in lines]

    def set_values(self, values: Mapping[int | str, Any]) -> None:
        from gpiod.line import Direction

        self._answer()
        for line, value in values.items():
            assert self.settings[line].direction is Direction.OUTPUT
            self.levels[line] = bool(value.value) != self.settings[line].active_low
            self.history.append((line, bool(value.value)))

    def release(self) -> None:
        self.held = False

    def _answer(self) -> None:
        assert self.held
        if self.fails:
            raise OSError(19, "No such device")

    def changes(self, line: int | str) -> list[bool]:
        """Every change of an output since it was requested, off."""
        values = [on for name, on in self.history if name == line]
        return [on for before, on in zip([False, *values], values, strict=False) if on != before]


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    need("gpiod", find_spec("gpiod"), 'pip install "partgate[digital]"')
    found = Board()
    monkeypatch.setattr("gpiod.request_lines", found.request_lines)
    return found


@contextmanager
def text_device(role: str) -> Iterator[tuple[Process, int]]:
    port = free_port()
    process = Process(sys.executable, HERE / "text_device.py", role, port)
    try:
        wait_for(lambda: "listening" in process.said)
        yield process, port
    finally:
        process.end()


@pytest.fixture
def run_text_device() -> Any:
    return text_device


@pytest.fixture(name="wait_for")
def wait_for_condition() -> Callable[..., None]:
    return wait_for
