"""``partgate watch``: each station in a process of its own, started again when it fails or hangs, so often and no more.

What is started again replays nothing: that is the rule of the loop, which declares what it missed. Stations do not
depend on their watcher: one that loses it goes on sorting, and ends when it is asked to.
"""

import logging
import queue
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from partgate.errors import PartgateError
from partgate.records.audit import restart_event
from partgate.records.store import RecordStore
from partgate.station.config import StationConfig
from partgate.station.notify import MOST_BYTES, Alive
from partgate.station.process import Command, StationProcess, WatchSettings, run_command

logger = logging.getLogger(__name__)

_TURN_S = 0.1
_STOOD_STILL_S = 1.0  # a turn that took longer: the PC slept, or was too busy to hear anything
_NOTES_WITHIN_S = 15.0
_MOST_MESSAGES = 1000  # in one turn


def watch_stations(
    stations: Sequence[Path],
    stop: threading.Event,
    settings: WatchSettings | None = None,
    command: Command = run_command,
) -> tuple[str, ...]:
    """Run stations until each has ended, stays down, or ``stop`` is set; return the names of those that stayed down.

    Args:
        stations: Station files; one that cannot be used stays down, the others go on.
        stop: Ends every station after its part in hand.
        settings: Times and limits.
        command: What to start for a station file.
    """
    notes, alive = _Notes(), Alive()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.setblocking(False)
        port = ear.getsockname()[1]
        watched = [StationProcess(path, settings or WatchSettings(), port, notes, command) for path in stations]
        try:
            _look_after(watched, ear, stop, alive)
        finally:
            for station in watched:
                station.kill()
            notes.close()
    return tuple(station.name for station in watched if station.is_down)


def _look_after(watched: Sequence[StationProcess], ear: socket.socket, stop: threading.Event, alive: Alive) -> None:
    last = time.monotonic()
    while not all(station.is_over for station in watched):
        now = time.monotonic()
        if now - last > _STOOD_STILL_S:
            for station in watched:
                station.forgive(now - last)
        last = now
        _listen(ear, watched, now)
        for station in watched:
            if stop.is_set():
                station.stop(now)
            station.turn(now)
        alive.ready()
        alive.beat(f"{sum(not station.is_over for station in watched)} of {len(watched)} stations are looked after")
        time.sleep(_TURN_S)
    alive.stopping()


def _listen(ear: socket.socket, watched: Sequence[StationProcess], now: float) -> None:
    """Take what has arrived; whoever does not know the password of a process that runs now is not heard."""
    known = {station.password: station for station in watched if station.password}
    for _ in range(_MOST_MESSAGES):
        try:
            password, *lines = ear.recv(2 * MOST_BYTES).decode("utf-8", "replace").split("\n")
        except BlockingIOError:
            return
        except OSError:  # Windows tells here that a process which was answered is gone
            continue
        if password in known:
            known[password].hear(lines, now)


class _Notes:
    """Writes restarts to the audit logs in a thread of its own: a disk that hangs must not hang the watcher."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[StationConfig, str, str] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._write_all, name="notes", daemon=True)
        self._thread.start()

    def note(self, config: StationConfig, kind: str, why: str) -> None:
        self._queue.put((config, kind, why))

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(_NOTES_WITHIN_S)

    def _write_all(self) -> None:
        while (entry := self._queue.get()) is not None:
            config, kind, why = entry
            try:
                with RecordStore.from_config(config.records) as store:
                    store.note(restart_event(config.name, kind, why))
            except PartgateError as error:
                logger.error("station '%s': not on the audit log: %s", config.name, error)
            except Exception:  # a bug in the records must not silence what comes later
                logger.exception("station '%s': not on the audit log", config.name)
