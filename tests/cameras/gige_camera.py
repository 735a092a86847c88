"""A GigE Vision camera of another make, as a process on the loopback that streams our pictures."""

import atexit
import contextlib
import fcntl
import itertools
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from partgate.cameras.gige import GigeCameraConfig

from ..needed import need

SOURCE = Path(__file__).parents[1] / "counterparts" / "folder_camera.c"
UP_WITHIN_S = 30.0
SIDE_PX = 48
_serials = itertools.count(1)


@cache
def build() -> Path:
    """Compile the camera, once a process."""
    there = shutil.which("gcc") and shutil.which("pkg-config") and not subprocess.call(["pkg-config", "aravis-0.8"])
    need("gcc and libaravis-dev", there, "apt-get install gcc pkg-config libaravis-dev")
    folder = tempfile.TemporaryDirectory(prefix="gige_camera_")
    atexit.register(folder.cleanup)
    program = Path(folder.name) / "folder_camera"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "aravis-0.8"], capture_output=True, text=True, check=True
    )
    subprocess.run(["gcc", str(SOURCE), "-o", str(program), *shlex.split(flags.stdout)], check=True)
    return program


def own_address() -> tuple[str, IO[str]]:
    """Return an address of the loopback that no other test's camera has, and the lock that says so.

    A camera's port is fixed, so each needs an address of its own. Further addresses need the right to add them; without
    it tests take turns at 127.0.0.1.
    """
    for address in (f"127.0.0.{number}" for number in range(2, 40)):
        lock = _lock_of(address)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        shown = subprocess.run(["ip", "-4", "addr", "show", "lo"], capture_output=True, text=True, check=False).stdout
        if re.search(rf"\b{re.escape(address)}/", shown):
            return address, lock
        added = subprocess.run(["ip", "addr", "add", f"{address}/8", "dev", "lo"], capture_output=True, check=False)
        if added.returncode == 0:
            return address, lock
        lock.close()
        break
    lock = _lock_of("127.0.0.1")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return "127.0.0.1", lock


def _lock_of(address: str) -> IO[str]:
    return (Path(tempfile.gettempdir()) / f"partgate-gige-{address}.lock").open("w", encoding="utf-8")


class GigeCameraProcess:
    """The simulated camera: pictures from memory, packets lost at will, killed, frozen, started again.

    Args:
        folder: For the pictures.
        pictures: Sent in turn, shape (N, H, W) or (N, H, W, 3), uint8.
        lost_ratio: Share of stream packets that are not sent.
        frames: So many pictures, then the camera is gone; 0 is for ever.
    """

    def __init__(self, folder: Path, pictures: NDArray[np.uint8], *, lost_ratio: float = 0.0, frames: int = 0) -> None:
        self._program = build()
        self.address, self._lock = own_address()
        self.serial = f"P{os.getpid() % 100000}N{next(_serials)}"
        self.sent: dict[int, list[int]] = {}  # block id → places in ``pictures``; numbers begin anew at a restart
        self.count = 0  # pictures sent since the last start
        self._lost_ratio, self._frames, self.size = lost_ratio, frames, pictures.shape[1:3]
        self._files = [folder / f"{place:04d}.raw" for place in range(len(pictures))]
        for file, picture in zip(self._files, pictures, strict=True):
            file.write_bytes(picture.tobytes())
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        if self._process is None:
            self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        self._lock.close()

    def config(self, **changes: object) -> GigeCameraConfig:
        """Return the settings that open this camera with a small region."""
        height_px, width_px = self.size
        region = {"width_px": width_px, "height_px": height_px}
        keys = {"kind": "gige", "name": "top", "serial": self.serial, "region": region, "pixel_format": "Mono8"}
        return GigeCameraConfig.model_validate(keys | changes)

    def start(self) -> None:
        """Begin; returns when the camera can be found."""
        command = [str(self._program), self.address, self.serial, str(self._lost_ratio), *map(str, self._files)]
        environment = os.environ | {"FRAMES": str(self._frames)}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        up: queue.Queue[str] = queue.Queue()
        self.sent.clear()
        self.count = 0
        threading.Thread(target=self._read, args=(self._process, up), daemon=True).start()
        assert up.get(timeout=UP_WITHIN_S) == "up\n", f"the simulated camera does not run at {self.address}"

    def kill(self) -> None:
        """Pull the plug."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it hang; returns when it does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self._process.pid}/task")
        end = time.monotonic() + UP_WITHIN_S
        while any((task / "stat").read_text().rpartition(")")[2].split()[0] != "T" for task in tasks.iterdir()):
            assert time.monotonic() < end, "the simulated camera does not stop"
            time.sleep(0.01)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _read(self, process: "subprocess.Popen[str]", up: "queue.Queue[str]") -> None:
        assert process.stdout is not None
        with process.stdout as lines, contextlib.suppress(ValueError):
            up.put(lines.readline())
            for line in lines:
                number, name = line.split(maxsplit=1)
                self.count += 1
                self.sent.setdefault(int(number), []).append(int(Path(name.strip()).stem))


def noise(count: int, side_px: int = SIDE_PX) -> NDArray[np.uint8]:
    """Return pictures of which no two pixels' neighbourhoods are alike, shape (count, side, side)."""
    return np.random.default_rng(1).integers(0, 256, (count, side_px, side_px), dtype=np.uint8)
