"""Faults of the simulated controller by name: made at a part of one's choice, or drawn by chance for a soak."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from partgate.errors import ConfigError
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.words import Command, Word

FAULT_LASTS_S = 0.5  # longer than both sides' watchdog of 0.3 s
SLOW_ANSWER_MS = 150.0  # longer than a station waits for one answer
RECIPE_WITHIN_S = 5.0  # a station that does not offer the recipe by then never will
JUMP = 5  # numbers left out


def _for_a_while(begin: Callable[[SimulatedPlc], None], end: Callable[[SimulatedPlc], None]) -> "Make":
    def make(plc: SimulatedPlc) -> None:
        begin(plc)
        time.sleep(FAULT_LASTS_S)
        end(plc)

    return make


def _report(bit: Command) -> "Make":
    return _for_a_while(lambda plc: plc.command(bit), lambda plc: plc.command(bit, False))


def _take_away(plc: SimulatedPlc) -> None:
    with suppress(ValueError):  # an earlier fault held us up and the part has reached the gate
        plc.take_away()


def _change_recipe(plc: SimulatedPlc) -> None:
    """Ask for the number after the one in force, then for the one before; a station that has no such one refuses."""
    wanted, in_force = plc.word(Word.RECIPE), plc.word(Word.RECIPE_ACTIVE)
    for number in (in_force % 65535 + 1, in_force):
        plc.ask_recipe(number)
        with suppress(TimeoutError):
            plc.wait_until(lambda number=number: plc.word(Word.RECIPE_ACTIVE) == number, RECIPE_WITHIN_S)  # type: ignore[misc]
    plc.command(Command.CHANGE_RECIPE, False)
    plc.set_recipe(wanted)


Make = Callable[[SimulatedPlc], None]
FAULTS: dict[str, Make] = {
    "air-low": _report(Command.AIR_LOW),
    "bin-full": _report(Command.BIN_FULL),
    "clear-fault": _report(Command.CLEAR_FAULT),
    "cut": _for_a_while(SimulatedPlc.cut, SimulatedPlc.mend),
    "damage": SimulatedPlc.damage_next_result,
    "double": lambda plc: plc.double_trigger(at_once=True),
    "enable-off": _for_a_while(lambda plc: plc.enable(False), SimulatedPlc.enable),
    "freeze": _for_a_while(SimulatedPlc.freeze, SimulatedPlc.thaw),
    "jump": lambda plc: plc.jump(JUMP),
    "power": lambda plc: plc.restart(drop_connections=True),
    "recipe": _change_recipe,
    "restart": SimulatedPlc.restart,
    "slow": _for_a_while(lambda plc: plc.delay_answers(SLOW_ANSWER_MS), lambda plc: plc.delay_answers(0)),
    "stray": SimulatedPlc.put_at_gate,
    "take-away": _take_away,
    "touching": lambda plc: plc.feed(touching=2, at_once=True),
    "unanswered": lambda plc: plc.withhold_answers(1, kind="results"),
    "unconfirmed": _report(Command.REJECT_NOT_CONFIRMED),
    "unheard": _for_a_while(SimulatedPlc.stop_heartbeat, lambda plc: plc.stop_heartbeat(False)),
}
"""By the name on the command line; each can be shown on every transport, as all are made behind its wire code."""


class FaultPlan:
    """Which fault comes at which part.

    Args:
        named: ``NAME@PART`` each, to be made when that part enters the belt.
        every: Besides, a fault drawn by chance about every so many parts; each kind comes before one comes twice.
            0 draws none.
        seed: Of the chance: the same seed draws the same faults at the same parts.

    Raises:
        ConfigError: If a fault is not known, or ``every`` is below 0.

    Example:
        >>> plan = FaultPlan(["cut@2"])
        >>> plan.due(1), plan.due(2), plan.due(3)
        ([], [(2, 'cut')], [])
    """

    def __init__(self, named: Sequence[str] = (), every: int = 0, seed: int = 0) -> None:
        if every < 0:
            raise ConfigError([f"simulated controller: fault-every must be 0 or more, got {every}"])
        self._named = sorted(_parse_fault(text) for text in named)
        self._drawn = _draw(every, random.Random(seed)) if every else iter(())
        self._next_drawn = next(self._drawn, None)

    def due(self, entered: int) -> list[tuple[int, str]]:
        """Return part and name of the faults that are due once so many parts have entered, each once."""
        faults = []
        while self._named and self._named[0][0] <= entered:
            faults.append(self._named.pop(0))
        while self._next_drawn is not None and self._next_drawn[0] <= entered:
            faults.append(self._next_drawn)
            self._next_drawn = next(self._drawn, None)
        return faults


def _draw(every: int, chance: random.Random) -> Iterator[tuple[int, str]]:
    """Yield part and name without end: gaps between half and one and a half times ``every``, every kind in turn."""
    part = 0
    while True:
        for name in chance.sample(sorted(FAULTS), len(FAULTS)):
            part += chance.randint(max(1, every // 2), max(1, every + every // 2))
            yield part, name


def _parse_fault(text: str) -> tuple[int, str]:
    name, _, part = text.partition("@")
    if name not in FAULTS or not part.isdigit() or int(part) < 1:
        known = ", ".join(sorted(FAULTS))
        raise ConfigError([f"simulated controller: fault must be NAME@PART, NAME one of {known}; got {text!r}"])
    return int(part), name
