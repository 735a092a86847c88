"""One station as a process of its own: started, listened to, ended when it hangs, started again after a pause."""

import logging
import os
import secrets
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from partgate.configfile import load_config
from partgate.errors import PartgateError
from partgate.station.config import StationConfig
from partgate.station.lock import only_one
from partgate.station.notify import OF_SYSTEMD, WATCH_VARIABLE

logger = logging.getLogger(__name__)

WRONG_USAGE = 2  # exit code of a command that was typed wrongly: trying again changes nothing
Command = Callable[[Path], Sequence[str]]
Step = tuple[int, float]  # signal, seconds until the next one

_KILL_S = 5.0
_ABORT_S = 2.0


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """When a station counts as hung, and how often it is started again."""

    hang_after_s: float = 15.0  # without a sign of life; the longest call of a driver must fit in
    start_within_s: float = 180.0  # from the process's start until it is ready
    restarts: int = 10  # so many within ``within_s``, then it stays down
    within_s: float = 600.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    good_run_s: float = 600.0  # after so long the pauses begin anew
    stop_within_s: float = 30.0  # for the part in hand, the parts on their way to the gate, and the records
    hung_stop_s: float = 5.0


class Restarts:
    """Counts the failures of one station: how long to wait before it starts again, or that it stays down."""

    def __init__(self, settings: WatchSettings) -> None:
        self._settings = settings
        self._at: deque[float] = deque()
        self._pause_s = settings.first_pause_s

    def after_failure(self, now: float, ran_s: float) -> float | None:
        """Return the pause before the next start, in seconds; ``None`` where the station has to stay down.

        Args:
            now: Monotonic seconds.
            ran_s: How long the station was ready before it failed.
        """
        while self._at and now - self._at[0] > self._settings.within_s:
            self._at.popleft()
        if len(self._at) >= self._settings.restarts:
            return None
        self._at.append(now)
        if ran_s >= self._settings.good_run_s:
            self._pause_s = self._settings.first_pause_s
        pause, self._pause_s = self._pause_s, min(2 * self._pause_s, self._settings.longest_pause_s)
        return pause


class TakesNotes(Protocol):
    """Where restarts are put on record."""

    def note(self, config: StationConfig, kind: str, why: str) -> None:
        """Take an event for the station's audit log; returns at once."""
        ...


def run_command(station: Path) -> tuple[str, ...]:
    """Return the command that runs a station."""
    return (sys.executable, "-m", "partgate", "run", str(station))


class StationProcess:
    """Runs one station and judges how it is doing; every call returns at once.

    Args:
        path: Station file.
        settings: Times and limits.
        port: Of the loopback, where the station's signs of life arrive.
        notes: Takes restarts for the audit log.
        command: What to start.
    """

    def __init__(
        self, path: Path, settings: WatchSettings, port: int, notes: TakesNotes, command: Command = run_command
    ) -> None:
        self.path, self.name = path, str(path)
        self.password = ""  # of the process that runs now; one before it is not heard
        self.is_over = self.is_down = False  # it is not started again; because it failed
        self.process: subprocess.Popen[bytes] | None = None
        self._settings, self._port, self._notes, self._command = settings, port, notes, command
        self._restarts = Restarts(settings)
        self._held = ExitStack()
        self._config: StationConfig | None = None
        self._started_at = self._heard_at = self._start_at = 0.0
        self._ready_at: float | None = None
        self._steps: Iterator[Step] | None = None  # of ending it
        self._next_step_at = 0.0
        self._why: str | None = None  # it is being ended; "" as it was asked to
        self._is_stopping = self._is_leaving = self._has_failed = False

    def turn(self, now: float) -> None:
        """Look after the station once."""
        if self.is_over:
            return
        if self.process is None:
            if now >= self._start_at:
                self._start(now)
        elif (code := self.process.poll()) is not None:
            self.process = None
            self._take_end(now, code)
        elif self._steps is not None:
            self._end_further(now)
        elif hung := self._hung(now):
            logger.error("station '%s': %s; it is ended", self.name, hung)
            self._begin_to_end(now, hung, _steps_for_a_hung_process(self._settings))

    def hear(self, lines: Sequence[str], now: float) -> None:
        """Take a sign of life."""
        self._heard_at = now
        self._is_leaving = self._is_leaving or "STOPPING=1" in lines
        if "READY=1" in lines and self._ready_at is None:
            self._ready_at = now
            again = " again" if self._has_failed else ""
            logger.info("station '%s': ready%s, process %d", self.name, again, self.process.pid if self.process else 0)

    def forgive(self, seconds: float) -> None:
        """Leave out a time in which the watcher itself stood still: nothing could be heard then."""
        self._heard_at += seconds
        self._started_at += seconds

    def stop(self, now: float) -> None:
        """End the station as Ctrl-C would: the part in hand is finished."""
        self._is_stopping = True
        if self.process is None:
            self._finish()
        elif self._steps is None:
            steps = ((signal.SIGTERM, self._settings.stop_within_s), (_KILL, _KILL_S))
            self._begin_to_end(now, "", steps)

    def kill(self) -> None:
        """End the process now, where it still runs; for a watcher that must end itself."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_KILL_S)
        self._finish()

    def _start(self, now: float) -> None:
        try:
            config = load_config(self.path, StationConfig)
            if self._config is None:
                self._held.enter_context(only_one(config.records.folder, config.name, "watch"))
            self.name, self._config = config.name, config
        except PartgateError as error:  # told by the file itself: the next try would find the same
            self._stay_down(str(error))
            return
        self.password = secrets.token_hex(16)
        kept = {name: value for name, value in os.environ.items() if name not in OF_SYSTEMD}
        environment = {
            **kept,
            WATCH_VARIABLE: f"{self._port}:{self.password}",
            "PYTHONFAULTHANDLER": "1",  # a hung process that is aborted tells where it hung
        }
        try:
            self.process = subprocess.Popen(self._command(self.path), env=environment, **_a_group_of_its_own())
        except OSError as error:
            self._stay_down(f"cannot be started: {error.strerror}; is partgate installed for this user?")
            return
        self._started_at = self._heard_at = now
        self._is_leaving = False
        self._ready_at = self._steps = self._why = None

    def _hung(self, now: float) -> str | None:
        if self._ready_at is None:
            limit, since, what = self._settings.start_within_s, self._started_at, "not ready"
        elif self._is_leaving:
            limit, since, what = self._settings.stop_within_s, self._heard_at, "not ended"
        else:
            limit, since, what = self._settings.hang_after_s, self._heard_at, "no sign of life"
        return f"{what} for {limit:g} s" if now - since > limit else None

    def _begin_to_end(self, now: float, why: str, steps: Sequence[Step]) -> None:
        self._why, self._steps = why, iter(steps)
        self._next_step_at = now
        self._end_further(now)

    def _end_further(self, now: float) -> None:
        assert self.process is not None
        assert self._steps is not None
        if now < self._next_step_at:
            return
        number, wait_s = next(self._steps, (0, float("inf")))
        self._next_step_at = now + wait_s
        if number:
            self.process.send_signal(number)
        else:  # it hangs within the system; a second one beside it would be worse than none
            logger.error("station '%s': process %d does not end even when it is killed; restart the PC",
                         self.name, self.process.pid)  # fmt: skip

    def _take_end(self, now: float, code: int) -> None:
        if self._is_stopping or (code == 0 and not self._why):
            logger.info("station '%s': ended, %s", self.name, _how(code))
            self._finish()
            return
        why = f"{self._why}, then {_how(code)}" if self._why else _how(code)
        pause_s = self._restarts.after_failure(now, now - self._ready_at if self._ready_at is not None else 0.0)
        if code == WRONG_USAGE and self._ready_at is None:
            self._stay_down(f"{why}: the command was not understood")
        elif pause_s is None:
            limit = f"{self._settings.restarts} restarts within {self._settings.within_s / 60:g} min"
            self._stay_down(f"{why}, after {limit}")
        else:
            self._has_failed = True
            self._start_at = now + pause_s
            self._tell("restart", f"{why}; it starts again in {pause_s:g} s")

    def _stay_down(self, why: str) -> None:
        self.is_down = True
        self._tell("gave_up", f"{why}; it stays down until partgate watch is started again")
        self._finish()

    def _tell(self, kind: str, what: str) -> None:
        for line in what.splitlines():
            logger.error("station '%s': %s", self.name, line)
        if self._config is not None:
            self._notes.note(self._config, kind, what)

    def _finish(self) -> None:
        self.is_over = True
        self._held.close()


_KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL  # Windows knows one way, and it is the hard one


def _steps_for_a_hung_process(settings: WatchSettings) -> tuple[Step, ...]:
    if sys.platform == "win32":
        return ((signal.SIGTERM, _KILL_S),)
    return ((signal.SIGTERM, settings.hung_stop_s), (signal.SIGABRT, _ABORT_S), (signal.SIGKILL, _KILL_S))


def _a_group_of_its_own() -> dict[str, Any]:
    """Return how a process is started that Ctrl-C in this terminal does not reach: it is ended by its watcher, once."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
