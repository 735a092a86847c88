"""A station left alone among faults: 100,000 parts through folder camera, ONNX Runtime and the simulated PLC.

Three processes: the controller (``soak_plc.py``, every fault of the simulator by chance), the station
(``soak_station.py``, with faults of engine, clock and picture files that no user can order), and this one, which kills
the station with ``kill -9`` and starts it again at once, fills its disk, locks its database and takes its camera away.

Measured: from both sides, the controller's journal and the records: parts in the good lane without a GOOD of their own
in time, or that are no good parts; records lost or doubled; triggers = results + declared misses; recovery by kind of
fault, resident memory, latency. Ends with 1 if a figure that must be 0 is not. ``--break`` breaks a rule on purpose;
``--break all`` breaks each of them, a run each, and tells which figure notices.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from figures import write_result
from soak_breaks import BREAKS, Break
from soak_count import count
from soak_line import Lens, Log, make_line, write_station
from soak_tables import format_break, format_figures, format_breaks, is_noticed, violations

_HERE = Path(__file__).parent
_STEP_S = 0.05
_START_WITHIN_S = 60.0
_STUCK_S = 120.0  # without a new part: something is wrong with the soak itself
_END_WITHIN_S = 60.0
_RESTART_PAUSE_S = 0.5  # a start that was refused is tried again so soon
_MEMORY_EVERY_S = 1.0
_KILLS_UNTIL = 0.6  # of all parts; the last life is a long one, for the memory
_DISK_BYTES, _DISK_BYTES_PER_PART = 64 * 2**20, 6000
_PARTS_OF_A_BREAK = 2000
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
            self._process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._log.tell("ended", "hung")
            self._process.kill()
            self._process.wait()

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

    def __init__(self, folder: Path, station: Station, disk: Disk, lens: Lens, log: Log) -> None:
        self._folder, self._station, self._disk, self._lens, self._log = folder, station, disk, lens, log
        self.is_holding_records = False
        self.error: Exception | None = None

    def make(self, kind: str) -> None:
        """Make one fault; returns when it is over. What goes wrong with that stands in ``error``."""
        try:
            self._make(kind)
        except Exception as error:  # raised where the soak is attended: a fault that was not made proves nothing
            self.error = error

    def _make(self, kind: str) -> None:
        begun = time.monotonic()
        how: dict[str, Callable[[], None]] = {
            "kill": self._station.kill, "disk-full": self._fill, "database-locked": self._lock,
            "camera-lost": self._take_camera, "locked-and-killed": self._lock_and_kill,
        }  # fmt: skip
        how[kind]()
        self._log.tell("fault", kind, time.monotonic(), at=begun)
        self.is_holding_records = False

    def _fill(self) -> None:
        self.is_holding_records = True
        with self._disk.full(self._station.pid):
            time.sleep(FAULT_S["disk-full"])

    def _lock(self, while_locked: Callable[[], None] = lambda: None, for_s: float = FAULT_S["database-locked"]) -> None:
        self.is_holding_records = True
        held = sqlite3.connect(self._disk.records / "records.sqlite", timeout=30, isolation_level=None)
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


def plan_faults(parts: int, chance: random.Random, only: Sequence[str] | None) -> list[tuple[int, str]]:
    """Return part and kind, in order: kills in the first 0.6 of the parts, everything else all along.

    Each kind once in 5,000 parts (kills in 3,000), and once at least.
    """
    plan = []
    for kind in FAULTS if only is None else only:
        until = _KILLS_UNTIL if "kill" in kind else 0.9
        often = max(1, parts // (3000 if kind == "kill" else 5000 if kind != "locked-and-killed" else 20_000))
        often = max(often, 4) if only else often
        plan += [(round(parts * until * (index + chance.uniform(0.1, 0.9)) / often), kind) for index in range(often)]
    return sorted(plan)


def soak(folder: Path, parts: int, seed: int, minutes: float, broken: str | None = None) -> dict[str, Any]:
    """Run one soak in an empty folder; return its figures."""
    rule = BREAKS[broken] if broken else None
    make_line(folder)
    lens = Lens(folder)
    with ExitStack() as opened:
        log = opened.enter_context(Log(folder, "driver", at_once=True))
        disk = Disk(folder, parts)
        opened.callback(disk.close)
        plc = opened.enter_context(_controller(folder, parts, seed, rule))
        station = Station(folder, log, 1000 * seed, 60 if rule else 250, broken)
        opened.callback(station.end)
        station.start()
        driver = Driver(folder, station, disk, lens, log)
        plan = plan_faults(parts, random.Random(seed), rule.driver_faults if rule else None)
        way, began = disk.way, time.monotonic()
        _attend(plc, station, driver, lens, log, plan, began + 60 * minutes)
        station.end()
        took_s = time.monotonic() - began
    figures = count(folder, folder / "records") | {"minutes": round(took_s / 60, 1), "disk_full_by": way, "seed": seed}
    figures["violations"] = violations(figures)
    return figures


@contextmanager
def _controller(folder: Path, parts: int, seed: int, rule: Break | None) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(_HERE / "soak_plc.py"), str(folder), "--parts", str(parts), "--seed", str(seed)]
    command += ["--fault-every", "50", "--only", *rule.plc_faults] if rule else []
    with (folder / "plc.log").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        _wait_until((folder / "port").exists, process, folder)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + _START_WITHIN_S
    while not is_so():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the simulated controller did not start: {(folder / 'plc.log').read_text()[-400:]}")
        time.sleep(_STEP_S)


def _attend(
    plc: subprocess.Popen[bytes], station: Station, driver: Driver, lens: Lens, log: Log,
    plan: list[tuple[int, str]], until: float,
) -> None:  # fmt: skip
    """Look after the station and make the planned faults until the belt is empty."""
    faults: threading.Thread | None = None
    moved_at, entered, measured_at = time.monotonic(), 0, 0.0
    while not lens.is_over:
        now = time.monotonic()
        if lens.entered != entered:
            moved_at, entered = now, lens.entered
        if now - moved_at > _STUCK_S or plc.poll() is not None:
            raise RuntimeError(f"no part came for {now - moved_at:.0f} s after part {entered}; see plc.log, station.log")
        if driver.error is not None:
            raise driver.error
        if now > until:
            lens.say_enough()
        is_busy = faults is not None and faults.is_alive()
        if plan and entered >= plan[0][0] and not is_busy:
            faults = threading.Thread(target=driver.make, args=(plan.pop(0)[1],), daemon=True)
            faults.start()
        if not is_busy or driver.is_holding_records:
            station.look_after(driver.is_holding_records)
        if now - measured_at > _MEMORY_EVERY_S and (size := station.memory_mb()) is not None:
            measured_at = now
            log.tell("memory", station.lives, entered, size)
        time.sleep(_STEP_S)
    if faults is not None:
        faults.join(_END_WITHIN_S)


def break_all(folder: Path, parts: int, seed: int, minutes: float) -> dict[str, Any]:
    """Break each rule in a run of its own; return what noticed it."""
    found = {}
    for name in BREAKS:
        (folder / name).mkdir(parents=True)
        found[name] = soak(folder / name, parts, seed, minutes, name)
        print(format_break(name, found[name]), flush=True)
    return found


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, help="parts to feed (default: 100,000; with --break 2,000)")
    parser.add_argument("--seed", type=int, default=0, help="of parts and faults (default: 0)")
    parser.add_argument("--minutes", type=float, default=240, help="feed no more parts after so long (default: 240)")
    parser.add_argument("--keep", type=Path, help="empty or new folder for logs and records; by default none is kept")
    parser.add_argument("--break", dest="broken", choices=[*sorted(BREAKS), "all"], help="rule to break on purpose")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    settings = parser.parse_args(arguments)
    settings.parts = settings.parts or (_PARTS_OF_A_BREAK if settings.broken else 100_000)
    if settings.parts < 1 or settings.minutes <= 0:
        parser.error("--parts and --minutes must be above 0")
    if settings.keep is not None and settings.keep.exists() and any(settings.keep.iterdir()):
        parser.error(f"--keep {settings.keep}: must be empty or new")
    return settings


def main() -> int:
    """Run, print, and say by the exit code whether every safety figure is 0."""
    settings = parse()
    with ExitStack() as opened:
        folder = settings.keep or Path(opened.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        if settings.broken == "all":
            found = break_all(folder, settings.parts, settings.seed, settings.minutes)
            print(format_breaks(found))
            write_result(settings.out, "soak-breaks", found)
            return int(not all(is_noticed(name, figures) for name, figures in found.items()))
        figures = soak(folder.resolve(), settings.parts, settings.seed, settings.minutes, settings.broken)
        print(format_figures(figures))
        write_result(settings.out, "soak", figures)
    return int(bool(figures["violations"]))


if __name__ == "__main__":
    sys.exit(main())
