"""The soak's station: ``partgate run`` in a process of its own, with faults that no user can order.

Made within the engine: an exception, a score that is no number, a stall beyond the window, a hang of 1 s. The wall
clock set back by an hour: every ``datetime`` name in partgate's modules is replaced by one whose ``now`` is shifted, as
the system's own clock must not be touched. The folder camera is the real one; which file it reads next is what lies
under the lens. ``--break`` breaks one rule of the package in this process.
"""

import argparse
import logging
import random
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
from soak_breaks import BREAKS
from soak_line import Lens, Log

from partgate.cameras.folder import FolderCamera
from partgate.configfile import load_config
from partgate.inference.engine import OnnxEngine
from partgate.parts import Trigger
from partgate.station.config import StationConfig
from partgate.station.judge import Judge
from partgate.station.run import run_station

HANG_S = 1.0
STALL_S = 0.24  # beyond the window of 0.2 s, within the heartbeat's 0.3 s
CLOCK_BACK = timedelta(hours=-1)
CLOCK_BACK_PARTS = 40
LINGER_S = 1.0
IN_THE_ENGINE = ("engine-exception", "engine-hung", "engine-slow", "nan-score")
KINDS = (*IN_THE_ENGINE, "clock-back")


class Mischief:
    """Makes a fault about every so many parts; each is on the log before it is made."""

    def __init__(self, log: Log, chance: random.Random, every: int) -> None:
        self.shift = timedelta()
        self._log, self._chance, self._every = log, chance, every
        self._waiting: str | None = None  # for the next run of the engine
        self._part: tuple[int, int] | None = None  # that is being judged
        self._kinds: list[str] = []
        self._until_next = every
        self._clock_back_for = 0

    def begin(self, trigger: Trigger) -> None:
        """Take note of a part that is about to be judged."""
        self._part = (trigger.boot, trigger.sequence)
        self._tick_clock()
        self._until_next -= 1
        if self._until_next > 0 or self._waiting:
            return
        self._until_next = self._chance.randint(self._every // 2 + 1, self._every + self._every // 2)
        self._kinds = self._kinds or self._chance.sample(KINDS, len(KINDS))
        kind = self._kinds.pop()
        if kind in IN_THE_ENGINE:
            self._waiting = kind
        elif self._tells(kind, 0.0):
            self.shift, self._clock_back_for = CLOCK_BACK, CLOCK_BACK_PARTS

    def end(self) -> None:
        """Take note that the part was judged."""
        self._part = None

    def _tick_clock(self) -> None:
        if self._clock_back_for:
            self._clock_back_for -= 1
            if not self._clock_back_for and self._tells("clock-forward", 0.0):
                self.shift = timedelta()

    def _tells(self, kind: str, lasts_s: float) -> bool:
        now = time.monotonic()
        try:
            self._log.tell("fault", kind, now + lasts_s, *(self._part or (0, 0)), at=now)
        except OSError:  # the disk is full just now: what cannot be told is not made
            return False
        return True

    def in_the_engine(self) -> str | None:
        """Return what to do to this run of the engine; nothing to one that judges no part."""
        kind = self._waiting
        if kind is None or self._part is None:
            return None
        if not self._tells(kind, {"engine-hung": HANG_S, "engine-slow": STALL_S}.get(kind, 0.0)):
            return None
        self._waiting = None
        return kind


def spoil(mischief: Mischief, lens: Lens) -> None:
    """Put the faults where they arise: engine, clock, picture file, and the part under the lens."""
    _spoil_engine(mischief)
    _spoil_clock(mischief)
    judge, grab = Judge.judge, FolderCamera.grab

    def judge_with_mischief(self: Judge, trigger: Trigger, *arguments: Any, **named: Any) -> Any:
        mischief.begin(trigger)
        try:
            return judge(self, trigger, *arguments, **named)
        finally:
            mischief.end()

    def grab_what_lies_there(self: FolderCamera, timeout_s: float, not_after: float | None = None) -> Any:
        truth, length = lens.truth, len(self._queue)
        ahead = (place % length for place in range(self._next, self._next + length))
        self._next = next(place for place in ahead if self._queue[place][1] == truth)
        return grab(self, timeout_s, not_after)

    Judge.judge = judge_with_mischief  # type: ignore[method-assign]
    FolderCamera.grab = grab_what_lies_there  # type: ignore[method-assign]


def _spoil_engine(mischief: Mischief) -> None:
    run = OnnxEngine.run

    def spoilt(self: OnnxEngine, picture: Any, *arguments: Any) -> list[Any]:
        kind = mischief.in_the_engine()
        if kind == "engine-exception":
            raise RuntimeError("made by the soak")
        if kind in ("engine-hung", "engine-slow"):
            time.sleep(HANG_S if kind == "engine-hung" else STALL_S)
        found = run(self, picture, *arguments)
        return [np.full_like(found[0], np.nan)] if kind == "nan-score" else found

    OnnxEngine.run = spoilt  # type: ignore[method-assign]


def _spoil_clock(mischief: Mischief) -> None:
    class ShiftedClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + mischief.shift

    for name, module in list(sys.modules.items()):
        if name.startswith("partgate.") and getattr(module, "datetime", None) is datetime:
            module.datetime = ShiftedClock  # type: ignore[attr-defined]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the station until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="made by soak.py")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--fault-every", type=int, default=250, help="a fault about every so many parts; 0: none")
    parser.add_argument("--break", dest="broken", choices=sorted(BREAKS), help="rule to break")
    settings = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    config = load_config(settings.folder / "station.yaml", StationConfig)
    with Log(settings.folder, "station", at_once=True) as log:
        every = settings.fault_every or sys.maxsize // 4
        spoil(Mischief(log, random.Random(settings.seed), every), Lens(settings.folder))
        if settings.broken:
            BREAKS[settings.broken].make()
        run_station(config, None, linger_s=LINGER_S)


if __name__ == "__main__":
    main()
