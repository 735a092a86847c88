"""A station left alone among faults: 100,000 parts through folder camera, ONNX Runtime and the simulated PLC.

Three processes: the controller (``soak_plc.py``, every fault of the simulator by chance), the station
(``soak_station.py``, with faults of engine, clock and picture files that no user can order), and this one, which kills
the station with ``kill -9`` and starts it again at once, fills its disk, locks its database and takes its camera away.

Measured: from both sides, the controller's journal and the records: parts in the good lane without a GOOD of their own
in time, or that are no good parts; records lost or doubled; triggers = results + declared misses; recovery by kind of
fault, resident memory, latency. Ends with 1 if a figure that must be 0 is not. ``--break`` breaks a rule on purpose;
``--break all`` breaks each of them, a run each, and tells which figure notices. Linux only.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from figures import write_result
from soak_breaks import BREAKS, Break
from soak_count import count
from soak_driver import END_WITHIN_S, FAULTS, Disk, Driver, Station
from soak_line import Lens, Log, make_line
from soak_tables import format_break, format_breaks, format_figures, is_noticed, violations

_HERE = Path(__file__).parent
_STEP_S = 0.05
_START_WITHIN_S = 60.0
_STUCK_S = 120.0  # without a new part: something is wrong with the soak itself
_MEMORY_EVERY_S = 1.0
_KILLS_UNTIL = 0.6  # of all parts; the last life is a long one, for the memory
_PARTS, _EVERY = 100_000, 250
_PARTS_OF_A_BREAK, _EVERY_OF_A_BREAK = 2000, 50


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


def soak(
    folder: Path, parts: int, seed: int, minutes: float, every: int, broken: str | None = None
) -> dict[str, Any]:  # fmt: skip
    """Run one soak in an empty folder; return its figures."""
    rule = BREAKS[broken] if broken else None
    make_line(folder)
    lens = Lens(folder)
    with ExitStack() as opened:
        log = opened.enter_context(Log(folder, "driver", at_once=True))
        disk = Disk(folder, parts)
        opened.callback(disk.close)
        plc = opened.enter_context(_controller(folder, parts, seed, every, rule))
        station = Station(folder, log, 1000 * seed, every, broken)
        opened.callback(station.end)
        station.start()
        driver = Driver(folder, station, disk, log)
        plan = plan_faults(parts, random.Random(seed), rule.driver_faults if rule else None)
        way, began = disk.way, time.monotonic()
        _attend(plc, station, driver, lens, log, plan, began + 60 * minutes)
        station.end()
        took_s = time.monotonic() - began
    figures = count(folder, folder / "records") | {"minutes": round(took_s / 60, 1), "disk_full_by": way, "seed": seed}
    figures["faults_not_made"] = len(plan)
    figures["violations"] = violations(figures)
    return figures


@contextmanager
def _controller(
    folder: Path, parts: int, seed: int, every: int, rule: Break | None
) -> Iterator[subprocess.Popen[bytes]]:  # fmt: skip
    command = [sys.executable, str(_HERE / "soak_plc.py"), str(folder), "--parts", str(parts), "--seed", str(seed)]
    command += ["--fault-every", str(every), *(["--only", *rule.plc_faults] if rule else [])]
    with (folder / "plc.log").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        _wait_until((folder / "port").exists, process, folder)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_WITHIN_S)
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
            raise RuntimeError(
                f"no part came for {now - moved_at:.0f} s after part {entered}; the station's last words: "
                f"{station.last_words}"
            )
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
        faults.join(END_WITHIN_S)
    if driver.error is not None:
        raise driver.error


def break_all(folder: Path, parts: int, seed: int, minutes: float) -> dict[str, Any]:
    """Break each rule in a run of its own; return what noticed it."""
    found = {}
    for name in BREAKS:
        (folder / name).mkdir(parents=True)
        found[name] = soak(folder / name, parts, seed, minutes, _EVERY_OF_A_BREAK, name)
        print(format_break(name, found[name]), flush=True)
    return found


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, help="parts to feed (default: 100,000; with --break 2,000)")
    parser.add_argument("--seed", type=int, default=0, help="of parts and faults (default: 0)")
    parser.add_argument(
        "--fault-every", type=int,
        help="a fault of the controller and one of the station about every so many parts (default: 250; --break: 50)",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=240, help="feed no more parts after so long (default: 240)")
    parser.add_argument("--keep", type=Path, help="empty or new folder for logs and records; by default none is kept")
    parser.add_argument("--break", dest="broken", choices=[*sorted(BREAKS), "all"], help="rule to break on purpose")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    settings = parser.parse_args(arguments)
    parts, every = (_PARTS_OF_A_BREAK, _EVERY_OF_A_BREAK) if settings.broken else (_PARTS, _EVERY)
    settings.parts = parts if settings.parts is None else settings.parts
    settings.fault_every = every if settings.fault_every is None else settings.fault_every
    if min(settings.parts, settings.minutes, settings.fault_every) <= 0:
        parser.error("--parts, --minutes and --fault-every must be above 0")
    if settings.keep is not None and settings.keep.exists() and any(settings.keep.iterdir()):
        parser.error(f"--keep {settings.keep}: must be empty or new")
    return settings


def main() -> int:
    """Run, print, and say by the exit code whether every safety figure is 0."""
    settings = parse()
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever ends it early: no process and no mount is left behind
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as opened:
        folder = settings.keep or Path(opened.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        if settings.broken == "all":
            found = break_all(folder, settings.parts, settings.seed, settings.minutes)
            print(format_breaks(found))
            write_result(settings.out, "soak-breaks", found)
            return int(not all(is_noticed(name, figures) for name, figures in found.items()))
        plan = (settings.parts, settings.seed, settings.minutes, settings.fault_every)
        figures = soak(folder.resolve(), *plan, settings.broken)
        print(format_figures(figures))
        write_result(settings.out, "soak", figures)
    return int(bool(figures["violations"]))


if __name__ == "__main__":
    sys.exit(main())
