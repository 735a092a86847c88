"""What the soak does from outside: the station's process and its restarts, its disk, its database, its camera."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from soak_line import Log, write_station

END_WITHIN_S = 60.0
_HERE = Path(__file__).parent
_RESTART_PAUSE_S = 0.5  # a start that was refused is tried again so soon
_DISK_BYTES, _DISK_BYTES_PER_PART = 64 * 2**20, 6000
_LOCK_WAIT_S = 30.0
FAULT_S = {"disk-full": 5.0, "database-locked": 9.0, "camera-lost": 2.0, "locked-and-killed": 4.0}
FAULTS = ("kill", *FAULT_S)


class Station:
    """The station's process: started again at once when it ends, as its watcher would."""

    def __init__(self, folder: Path, log: Log, seed: int, every: int, broken: str | None) -> None:
        self._folder, self._log, self._seed, self._every, self._broken = folder, log, seed, every, broken
        self.lives = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.RLock()  # between the faults' thread and the one that looks after it

    def start(self) -> None:
        """Start it; odd lives lock while records cannot be written, even ones go on."""
        with self._turn:
            mode = "continue" if self.lives % 2 else "lock"
            write_station(self._folder, int((self._folder / "port").read_text()), mode)
            self._log.tell("life", mode)
            self.lives += 1
            command = [sys.executable, str(_HERE / "soak_station.py"), str(self._folder)]
            command += ["--seed", str(self._seed + self.lives), "--fault-every", str(self._every)]
            command += ["--break", self._broken] if self._broken else []
            with (self._folder / "station.log").open("ab") as said:
                self._process = subprocess.Popen(command, stdout=said, stderr=said)

    @property
    def pid(self) -> int:
        """Return its number."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill it as ``kill -9`` does, and start it again."""
        with self._turn:
            assert self._process is not None
            self._process.kill()
            self._process.wait()
            self._log.tell("killed")
            self.start()

    def look_after(self, is_refusal_expected: bool) -> None:
        """Start it again if it has ended; that is counted, unless its records are held just now."""
        with self._turn:
            if self._process is not None and self._process.poll() is not None:
                self._log.tell("refused" if is_refusal_expected else "ended", self._process.returncode)
                time.sleep(_RESTART_PAUSE_S)
                self.start()

    def end(self) -> None:
        """Ask it to stop, and wait until its records are written."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._log.tell("ended", "hung")
            self._process.kill()
            self._process.wait()

    @property
    def last_words(self) -> str:
        """Return the end of what it said."""
        return (self._folder / "station.log").read_text(encoding="utf-8", errors="replace")[-400:].strip()

    def memory_mb(self) -> float | None:
        """Return its resident memory."""
        with suppress(psutil.Error):
            return float(psutil.Process(self.pid).memory_info().rss / 1e6)
        return None


class Disk:
    """Where records go: a small tmpfs where we may mount one, else a folder whose files may not grow."""

    def __init__(self, folder: Path, parts: int) -> None:
        self.records = folder / "records"
        self.records.mkdir()
        size = _DISK_BYTES + _DISK_BYTES_PER_PART * parts
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.records)]
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        self.is_own = is_root and subprocess.run(mount, capture_output=True, check=False).returncode == 0

    @property
    def way(self) -> str:
        """Return how it is filled, in words."""
        return "small tmpfs, filled" if self.is_own else "limit on the size of the station's files (RLIMIT_FSIZE)"

    @contextmanager
    def full(self, pid: int) -> Iterator[None]:
        """Let nothing more be written meanwhile."""
        if not self.is_own:
            before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
            try:
                yield
            finally:
                with suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
            return
        filler = self.records / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                for size in (2**20, 2**12):  # to the last page
                    with suppress(OSError):
                        while file.write(bytes(size)) == size:
                            pass
            yield
        finally:
            filler.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep the records where they are seen without the mount."""
        if self.is_own:
            kept = self.records.with_name("kept")
            shutil.copytree(self.records, kept)
            subprocess.run(["umount", str(self.records)], check=False, capture_output=True)
            shutil.copytree(kept, self.records, dirs_exist_ok=True)
            shutil.rmtree(kept)


class Driver:
    """Makes the faults that come from outside both processes, one after the other, at parts drawn by chance."""

    def __init__(self, folder: Path, station: Station, disk: Disk, log: Log) -> None:
        self._folder, self._station, self._disk, self._log = folder, station, disk, log
        self.is_holding_records = False
        self._begun = 0.0
        self.error: Exception | None = None

    def make(self, kind: str) -> None:
        """Make one fault; returns when it is over. What goes wrong with that stands in ``error``."""
        try:
            self._make(kind)
        except Exception as error:  # raised where the soak is attended: a fault that was not made proves nothing
            self.error = error

    def _make(self, kind: str) -> None:
        self._begun = time.monotonic()
        how: dict[str, Callable[[], None]] = {
            "kill": self._station.kill, "disk-full": self._fill, "database-locked": self._lock,
            "camera-lost": self._take_camera, "locked-and-killed": self._lock_and_kill,
        }  # fmt: skip
        how[kind]()
        self._log.tell("fault", kind, time.monotonic(), at=self._begun)
        self.is_holding_records = False

    def _fill(self) -> None:
        self.is_holding_records = True
        with self._disk.full(self._station.pid):
            self._begun = time.monotonic()  # filling takes seconds where other work goes on
            time.sleep(FAULT_S["disk-full"])

    def _lock(self, while_locked: Callable[[], None] = lambda: None, for_s: float = FAULT_S["database-locked"]) -> None:
        self.is_holding_records = True
        held = sqlite3.connect(self._disk.records / "records.sqlite", timeout=_LOCK_WAIT_S, isolation_level=None)
        try:
            held.execute("BEGIN EXCLUSIVE")
            time.sleep(for_s / 2)
            while_locked()
            time.sleep(for_s / 2)
            held.execute("ROLLBACK")
        finally:
            held.close()

    def _lock_and_kill(self) -> None:
        self._lock(self._station.kill, FAULT_S["locked-and-killed"])

    def _take_camera(self) -> None:
        pictures, away = self._folder / "pictures", self._folder / "away"
        pictures.rename(away)
        try:
            time.sleep(FAULT_S["camera-lost"])
        finally:
            away.rename(pictures)
