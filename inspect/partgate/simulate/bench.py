"""Runs a simulated controller in the foreground: waits for a station, feeds parts, tells which lanes they took."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from partgate.errors import ConfigError, RecordError
from partgate.simulate.conveyor import PartOutcome
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import State, Word

FAULT_LASTS_S = 0.5  # longer than both sides' watchdog of 0.3 s
SLOW_ANSWER_MS = 150.0  # longer than a station waits for one answer
TELL_EVERY_S = 5.0
GOODBYE_SCANS = 20  # for what the station still writes behind its goodbye
GOODBYE_S = 3.0  # longer than a station's heartbeat goes on after its last part
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run with the simulated controller came to."""

    boot: int
    counters: dict[str, int]  # since the controller's last start
    parts: tuple[PartOutcome, ...]  # that have left the belt, in the order of leaving

    def to_json(self) -> str:
        """Return the report as JSON: boot, counters, parts with number, boot, sequence, lane, accepted."""
        content = {"boot": self.boot, "counters": self.counters, "parts": [asdict(part) for part in self.parts]}
        return json.dumps(content, indent=2) + "\n"


def run_plc(
    settings: PlcSettings,
    *,
    parts: int = 0,
    log: Path | None = None,
    faults: Sequence[str] = (),
    say: Say = print,
) -> RunReport:
    """Run a simulated controller until its parts have left, or until Ctrl-C.

    Args:
        settings: Address and times.
        parts: Number of parts to feed once the station is ready; 0 feeds until Ctrl-C.
        log: Where to write the report as JSON at the end, also after Ctrl-C.
        faults: ``NAME@PART``, each to be made when that part enters the belt; names as in ``FAULTS``.
        say: Takes the lines that tell what goes on.

    Returns:
        Counters and the lane of each part.

    Raises:
        ConfigError: If a fault is not known, or ``parts`` is below 0.
        ControllerError: If the address cannot be listened on.
        RecordError: If the log cannot be written; said before the first part where its folder is missing.
    """
    if parts < 0:
        raise ConfigError([f"simulated controller: parts must be 0 or more, got {parts}"])
    planned = sorted(_parse_fault(text) for text in faults)
    if log is not None and not log.parent.is_dir():
        raise RecordError(f"log {log}: no folder {log.parent}: make it, or give another path")
    plc = SimulatedPlc(settings)
    with _terminate_like_ctrl_c():
        try:
            with plc:
                say(f"{plc} listens, base register {settings.base_address}, boot {plc.boot}; Ctrl-C ends it")
                _wait_for_station(plc, say)
                _feed_all(plc, parts, planned, say)
                _wait_for_goodbye(plc)
        except KeyboardInterrupt:
            say("stopped")
    report = RunReport(plc.boot, plc.counters, tuple(plc.outcomes))
    if log is not None:
        write_whole(log, report.to_json())
    say(format_report(report))
    return report


def format_report(report: RunReport) -> str:
    """Return counters and lanes as a table for the terminal."""
    lanes = Counter(part.lane for part in report.parts)
    rows = [("controller counted", "")]
    rows += [(f"  {name}", str(count)) for name, count in report.counters.items()]
    rows += [("parts seen to leave", str(len(report.parts)))]
    rows += [(f"  lane {lane}" if lane else "  reject lane", str(lanes[lane])) for lane in sorted({0, *lanes})]
    return "\n".join(f"{name:<22}{count:>8}".rstrip() for name, count in rows)


def _wait_for_station(plc: SimulatedPlc, say: Say) -> None:
    said_at = -TELL_EVERY_S
    while not plc.is_station_ready:
        if time.monotonic() - said_at >= TELL_EVERY_S:
            missing = "its heartbeat" if plc.watchdog_fault else "online and trigger ready"
            say(f"waiting for the station: {missing}")
            said_at = time.monotonic()
        _wait(plc, lambda: plc.is_station_ready)
    say("station is ready: parts are coming")


def _feed_all(plc: SimulatedPlc, parts: int, planned: list[tuple[int, str]], say: Say) -> None:
    if parts == 0:
        plc.feed_endlessly()
    else:
        plc.feed(parts)
    while not plc.is_belt_empty:
        while planned and planned[0][0] <= plc.entered:
            part, name = planned.pop(0)
            say(f"part {part}: {name}")
            FAULTS[name](plc)
        _wait(plc, lambda: plc.is_belt_empty or bool(planned and planned[0][0] <= plc.entered))


def _wait_for_goodbye(plc: SimulatedPlc) -> None:
    """Give a station that stops after the last part the time to say so, before the connection ends."""
    with suppress(TimeoutError):
        plc.wait_until(lambda: not plc.word(Word.VIS_STATE) & State.ONLINE, timeout_s=GOODBYE_S)
        said = plc.scans
        plc.wait_until(lambda: plc.scans >= said + GOODBYE_SCANS, timeout_s=GOODBYE_S)


def _wait(plc: SimulatedPlc, condition: Callable[[], bool]) -> None:
    """Wait a little while for a condition; the caller looks again."""
    try:
        plc.wait_until(condition, timeout_s=1.0)
    except TimeoutError:
        return


def _freeze(plc: SimulatedPlc) -> None:
    plc.freeze()
    time.sleep(FAULT_LASTS_S)
    plc.thaw()


def _cut(plc: SimulatedPlc) -> None:
    plc.cut()
    time.sleep(FAULT_LASTS_S)
    plc.mend()


def _slow(plc: SimulatedPlc) -> None:
    plc.delay_answers(SLOW_ANSWER_MS)
    time.sleep(FAULT_LASTS_S)
    plc.delay_answers(0)


def _take_away(plc: SimulatedPlc) -> None:
    with suppress(ValueError):  # an earlier fault held us up and the part has reached the gate
        plc.take_away()


FAULTS: dict[str, Callable[[SimulatedPlc], None]] = {
    "cut": _cut,
    "damage": SimulatedPlc.damage_next_result,
    "double": SimulatedPlc.double_trigger,
    "freeze": _freeze,
    "power": lambda plc: plc.restart(drop_connections=True),
    "restart": SimulatedPlc.restart,
    "slow": _slow,
    "stray": SimulatedPlc.put_at_gate,
    "take-away": _take_away,
    "touching": lambda plc: plc.feed(touching=2),
    "unanswered": lambda plc: plc.withhold_answers(1, kind="results"),
}
"""Faults by the name they have on the command line; those of the belt come behind the parts already waiting."""


def _parse_fault(text: str) -> tuple[int, str]:
    name, _, part = text.partition("@")
    if name not in FAULTS or not part.isdigit() or int(part) < 1:
        known = ", ".join(sorted(FAULTS))
        raise ConfigError([f"simulated controller: fault must be NAME@PART, NAME one of {known}; got {text!r}"])
    return int(part), name


def write_whole(path: Path, text: str) -> None:
    """Write beside and rename, so that a reader never finds half a file."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RecordError(f"log {path}: cannot be written: {error}; give another path") from error


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
