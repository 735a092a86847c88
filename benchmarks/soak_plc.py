"""The soak's controller: the simulated PLC with random faults, and a journal of all that it saw, with times.

Journal, one JSON list a line: ``trigger`` (boot, sequence, part, truth), ``left`` (part, boot, sequence, lane, truth,
the result that the gate acted on), ``block`` (each result block as it was executed: sequence, boot, verdict, lane,
recipe wanted), ``watchdog`` (tripped), ``fault`` (name, end), ``end`` (counters).
"""

import argparse
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import astuple
from pathlib import Path

from soak_line import (
    COVER_MS,
    INTERVAL_MS,
    SCAN_MS,
    STRAY,
    TRAVEL_MS,
    TRUTHS,
    WINDOW_MS,
    Lens,
    Log,
)

from partgate.simulate.conveyor import ConveyorSettings, PartOutcome
from partgate.simulate.faults import FAULTS
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import Command, Word

FIRST_SEQUENCE = 65_000  # so that it wraps
READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.02
RECIPE_HELD_S = 2.0


class SeeingPlc(SimulatedPlc):
    """A simulated PLC that knows what each part really is, shows it to the camera and notes what happens when."""

    def __init__(self, settings: PlcSettings, lens: Lens, log: Log, chance: random.Random) -> None:
        super().__init__(settings)
        self._lens, self._log, self._chance = lens, log, chance
        self._tripped = True
        self.on_left(self._note_left)

    def _scan(self) -> None:
        # No request is served within a scan: what the camera sees has changed before the trigger can be read.
        with self._changed:
            entered, before = self._conveyor.entered, self._number_now
            super()._scan()
            for part in self._conveyor._belt if self._conveyor.entered != entered else ():
                if part.number > entered and part.age == 1:
                    part.truth = self._chance.choices(list(TRUTHS), list(TRUTHS.values()))[0]
                    self._lens.show(part.truth, part.number)
                elif part.number > entered:
                    part.truth = STRAY
            now = self._number_now
            if now != before and now[1]:
                found = next((part for part in self._conveyor._belt if (part.boot, part.sequence) == now), None)
                self._log.tell("trigger", *now, found.number if found else 0, found.truth if found else None)
            if self._gate.watchdog_fault != self._tripped:
                self._tripped = self._gate.watchdog_fault
                self._log.tell("watchdog", self._tripped)

    @property
    def _number_now(self) -> tuple[int, int]:
        return self._gate.memory[Word.PLC_BOOT], self._gate.memory[Word.TRIG_SEQ]

    def _write_words(self, words: Mapping[int, int]) -> None:
        with self._changed:
            super()._write_words(words)
            memory = self._gate.memory
            if Word.RES_SEQ in words and memory[Word.RES_SEQ]:
                self._log.tell(
                    "block", memory[Word.RES_SEQ], memory[Word.RES_BOOT], memory[Word.VERDICT],
                    memory[Word.RES_LANE], memory[Word.RECIPE], memory[Word.PLC_BOOT],
                )  # fmt: skip

    def _note_left(self, part: PartOutcome) -> None:
        taken = astuple(part.result) if part.result else None
        self._log.tell("left", part.number, part.boot, part.sequence, part.lane, part.truth, taken)


def hold_recipe(plc: SimulatedPlc) -> None:
    """Ask for recipe 2, let parts come with it, and ask for recipe 1 again."""
    plc.ask_recipe(2)
    time.sleep(RECIPE_HELD_S)
    plc.ask_recipe(1)
    time.sleep(RECIPE_HELD_S / 2)
    plc.command(Command.CHANGE_RECIPE, False)


KINDS = FAULTS | {"recipe-held": hold_recipe}


def draw_faults(chance: random.Random, every: int, only: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield part and name without end; each kind comes before one comes twice."""
    part = 0
    while True:
        for name in chance.sample(sorted(only or KINDS), len(only or KINDS)):
            part += chance.randint(every // 2 + 1, every + every // 2)
            yield part, name


def run(folder: Path, parts: int, seed: int, every: int, only: Sequence[str]) -> None:
    """Feed parts and make faults until all have left; serve on until SIGTERM, so that the station can say goodbye."""
    is_asked_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_asked_to_end.set())
    belt = ConveyorSettings(interval_ms=INTERVAL_MS, cover_ms=COVER_MS, travel_ms=TRAVEL_MS, lockstep=True)
    settings = PlcSettings(conveyor=belt, window_ms=WINDOW_MS, scan_ms=SCAN_MS, recipe=1, boot=1)
    lens, chance = Lens(folder), random.Random(seed)
    with ExitStack() as opened:
        log = opened.enter_context(Log(folder, "plc", at_once=False))
        plc = opened.enter_context(SeeingPlc(settings, lens, log, random.Random(seed + 1)))
        plc.set_sequence(FIRST_SEQUENCE)
        (folder / "port.part").write_text(str(plc.port))
        (folder / "port.part").replace(folder / "port")
        plc.wait_until(lambda: plc.is_station_ready, READY_WITHIN_S)
        plc.feed(parts)
        faults = draw_faults(chance, every, only)
        at, name = next(faults)
        while not plc.is_belt_empty:
            if lens.is_enough:
                plc.stop_feeding()
            elif plc.entered >= at:
                begun = time.monotonic()
                KINDS[name](plc)
                log.tell("fault", name, time.monotonic(), at=begun)
                at, name = next(faults)
                at = max(at, plc.entered)  # an earlier fault held us up
            plc.raise_failure()
            log.flush()
            time.sleep(LOOK_EVERY_S)
        with suppress(TimeoutError):  # a station that is stopped while it has no connection cannot declare the rest
            plc.wait_until(lambda: plc.is_station_ready, READY_WITHIN_S)
        lens.say_over()
        while not is_asked_to_end.wait(LOOK_EVERY_S):
            plc.raise_failure()
        log.tell("end", plc.totals, plc.entered)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="made by soak.py")
    parser.add_argument("--parts", type=int, required=True, help="parts to feed")
    parser.add_argument("--seed", type=int, default=0, help="of parts and faults")
    parser.add_argument("--fault-every", type=int, default=250, help="a fault about every so many parts")
    parser.add_argument("--only", nargs="*", default=[], choices=sorted(KINDS), help="these faults alone")
    settings = parser.parse_args()
    run(settings.folder, settings.parts, settings.seed, settings.fault_every, settings.only)


if __name__ == "__main__":
    main()
