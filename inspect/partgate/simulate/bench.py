"""Runs a simulated controller in the foreground: waits for a station, feeds parts, tells which lanes they took."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from partgate.errors import ConfigError
from partgate.simulate.faults import FAULTS, FaultPlan
from partgate.simulate.journal import Journal, RunReport
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import State, Word

TELL_EVERY_S = 5.0
LOOK_EVERY_S = 0.01  # for faults that are due and parts that have left
GOODBYE_SCANS = 20  # for what the station still writes behind its goodbye
GOODBYE_S = 3.0  # longer than a station's heartbeat goes on after its last part
Say = Callable[[str], None]


def run_plc(
    settings: PlcSettings,
    *,
    parts: int = 0,
    log: Path | None = None,
    faults: FaultPlan | None = None,
    say: Say = print,
) -> RunReport:
    """Run a simulated controller until its parts have left, or until Ctrl-C.

    Args:
        settings: Address and times.
        parts: Number of parts to feed once the station is ready; 0 feeds until Ctrl-C.
        log: Where to write what became of each part: ``.jsonl`` as it goes, else one document at the end, in both
            cases also after Ctrl-C.
        faults: Which fault comes at which part.
        say: Takes the lines that tell what goes on.

    Returns:
        Counters and the lane of each part.

    Raises:
        ConfigError: If ``parts`` is below 0.
        ControllerError: If the address cannot be listened on.
        RecordError: If the log cannot be written; said before the first part where its folder is missing.
    """
    if parts < 0:
        raise ConfigError([f"simulated controller: parts must be 0 or more, got {parts}"])
    with Journal(log) as journal, _terminate_like_ctrl_c():
        plc = SimulatedPlc(settings)
        plc.on_left(journal.note)
        journal.tell("start", boot=plc.boot, transport=settings.transport)
        try:
            with plc:
                say(f"{plc} {_what_it_does(settings)}, boot {plc.boot}; Ctrl-C ends it")
                _wait_for_station(plc, say)
                _feed_all(plc, parts, faults or FaultPlan(), journal, say)
                _wait_for_goodbye(plc)
        except KeyboardInterrupt:
            say("stopped")
        report = journal.finish(plc.boot, plc.counters, plc.totals)
    say(format_report(report))
    return report


def format_report(report: RunReport) -> str:
    """Return counters and lanes as a table for the terminal."""
    rows = [("controller counted", "")]
    rows += [(f"  {name}", str(count)) for name, count in report.counters.items()]
    rows += [("parts seen to leave", str(sum(report.lanes.values())))]
    lanes = {0: 0} | report.lanes
    rows += [(f"  lane {lane}" if lane else "  reject lane", str(lanes[lane])) for lane in sorted(lanes)]
    return "\n".join(f"{name:<22}{count:>8}".rstrip() for name, count in rows)


def _what_it_does(settings: PlcSettings) -> str:
    if settings.role == "client":
        return "connects to the station"
    place = {
        "modbus": f"base register {settings.base_address}",
        "opcua": "variables ns=2;s=Partgate.NAME",
        "s7": "data block 1",
        "tcp": "JSON lines",
    }
    return f"listens, {place[settings.transport]}"


def _wait_for_station(plc: SimulatedPlc, say: Say) -> None:
    said_at = -TELL_EVERY_S
    while not plc.is_station_ready:
        if time.monotonic() - said_at >= TELL_EVERY_S:
            missing = "its heartbeat" if plc.watchdog_fault else "online and trigger ready"
            say(f"waiting for the station: {missing}")
            said_at = time.monotonic()
        with suppress(TimeoutError):
            plc.wait_until(lambda: plc.is_station_ready, timeout_s=1.0)
    say("station is ready: parts are coming")


def _feed_all(plc: SimulatedPlc, parts: int, faults: FaultPlan, journal: Journal, say: Say) -> None:
    if parts == 0:
        plc.feed_endlessly()
    else:
        plc.feed(parts)
    while not plc.is_belt_empty:
        for part, name in faults.due(plc.entered):
            say(f"part {part}: {name}")
            journal.tell("fault", name=name, part=plc.entered)
            FAULTS[name](plc)
        journal.write()
        plc.raise_failure()
        time.sleep(LOOK_EVERY_S)


def _wait_for_goodbye(plc: SimulatedPlc) -> None:
    """Give a station that stops after the last part the time to say so, before the connection ends."""
    with suppress(TimeoutError):
        plc.wait_until(lambda: not plc.word(Word.VIS_STATE) & State.ONLINE, timeout_s=GOODBYE_S)
        said = plc.scans
        plc.wait_until(lambda: plc.scans >= said + GOODBYE_SCANS, timeout_s=GOODBYE_S)


@contextmanager
def _terminate_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, with its log; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
