"""A controller with a conveyor behind a real Modbus TCP server, to run a station against without hardware."""

from collections.abc import Callable

from partgate.simulate.conveyor import SENSOR_GAP_SCANS, PartOutcome
from partgate.simulate.gate import Gate
from partgate.simulate.line import AnswerKind
from partgate.simulate.plc_loop import PlcLoop, StationWrite
from partgate.simulate.words import (
    BLOCK_WORDS,
    COUNTERS,
    LOT_WORDS,
    PART_ID_WORDS,
    Command,
    State,
    Word,
    next_number,
)  # fmt: skip


class SimulatedPlc(PlcLoop):
    """A controller to see into, to feed with parts and to break in every way a real one breaks.

    Every method and property may be used from any thread while it runs. A condition given to ``wait_until`` only
    looks: it is asked under the lock that stops the scans.

    Example:
        >>> with SimulatedPlc() as plc:
        ...     plc.wait_until(lambda: plc.scans >= 3, timeout_s=5)
        ...     plc.counters["good"]
        0
    """

    # ---- what can be seen ----

    @property
    def port(self) -> int:
        """Return the TCP port."""
        return self._link.port

    @property
    def scans(self) -> int:
        """Return the number of scans since the simulator was started, restarts of the controller included."""
        with self._changed:
            return self._scans

    @property
    def boot(self) -> int:
        """Return ``PLC_BOOT``."""
        return self.word(Word.PLC_BOOT)

    @property
    def counters(self) -> dict[str, int]:
        """Return good, reject, timeout, late, overrun, damaged, stray and missing since the controller's last start."""
        with self._changed:
            return self._gate.counters

    @property
    def totals(self) -> dict[str, int]:
        """Return what ``counters`` holds, over all starts of the controller and beyond 65535."""
        with self._changed:
            counted = self._counted_before + self._gate.counted
            return {name: counted[word.name] for name, word in COUNTERS.items()}

    @property
    def outcomes(self) -> list[PartOutcome]:
        """Return the last parts that have left, at most 10 000, with the lane that each took."""
        with self._changed:
            return list(self._conveyor.outcomes)

    @property
    def taken_away(self) -> list[int]:
        """Return the numbers of the last parts that were taken off the belt, at most 10 000."""
        with self._changed:
            return list(self._conveyor.taken_away)

    @property
    def entered(self) -> int:
        """Return the number of the last part that was put on the belt."""
        with self._changed:
            return self._conveyor.entered

    @property
    def writes(self) -> list[StationWrite]:
        """Return the write requests that touched the result words, oldest first, the last 10 000."""
        with self._changed:
            return list(self._writes)

    @property
    def withheld_answers(self) -> int:
        """Return the number of answers withheld so far."""
        return self._line.withheld

    @property
    def watchdog_fault(self) -> bool:
        """Return whether the station's heartbeat counts as lost."""
        with self._changed:
            return self._gate.watchdog_fault

    @property
    def is_station_ready(self) -> bool:
        """Return whether the station is online, ready for a trigger, and its heartbeat is heard."""
        wanted = State.ONLINE | State.TRIGGER_READY
        with self._changed:
            return not self._gate.watchdog_fault and (self._gate.memory[Word.VIS_STATE] & wanted) == wanted

    @property
    def is_belt_empty(self) -> bool:
        """Return whether no part is on the belt or still to come."""
        with self._changed:
            return self._conveyor.is_empty

    def on_left(self, tell: Callable[[PartOutcome], None]) -> None:
        """Have each part told as it leaves; within the scan, so whoever is told only notes it."""
        with self._changed:
            self._conveyor.on_left = tell

    def word(self, word: Word) -> int:
        """Return one word of the memory."""
        with self._changed:
            return self._gate.memory[word]

    # ---- the belt ----

    def feed(
        self, parts: int = 1, *, touching: int = 1, gap_ms: int | None = None, truth: str | None = None,
        at_once: bool = False,
    ) -> None:  # fmt: skip
        """Let parts come to the camera; see ``Conveyor.feed``."""
        with self._changed:
            self._conveyor.feed(parts, touching=touching, gap_ms=gap_ms, truth=truth, at_once=at_once)

    def feed_endlessly(self) -> None:
        """Let parts come until ``stop_feeding``."""
        with self._changed:
            self._conveyor.feed_endlessly()

    def stop_feeding(self) -> None:
        """Let no further part come; those on the belt travel on."""
        with self._changed:
            self._conveyor.stop_feeding()

    def double_trigger(self, *, at_once: bool = False) -> None:
        """Let two parts come so close that the sensor rises again while the first one's window is open.

        Args:
            at_once: Before the parts that are already waiting.
        """
        too_soon_ms = self.settings.conveyor.cover_ms + SENSOR_GAP_SCANS * self._gate.settings.scan_ms
        with self._changed:
            for gap_ms in (too_soon_ms, None) if at_once else (None, too_soon_ms):
                self._conveyor.feed(gap_ms=gap_ms, at_once=at_once)

    def put_at_gate(self) -> None:
        """Put a part down at the gate that never passed the camera; see ``Conveyor.put_at_gate``."""
        with self._changed:
            self._conveyor.put_at_gate()

    def take_away(self, number: int | None = None) -> None:
        """Take a part off the belt behind the camera; see ``Conveyor.take_away``."""
        with self._changed:
            self._conveyor.take_away(number)

    # ---- what the controller asks for ----

    def command(self, bits: Command, on: bool = True) -> None:
        """Set or clear bits of ``CMD`` from the next scan on; they stay so, also over a restart."""
        with self._changed:
            self._gate.commands = self._gate.commands | bits if on else self._gate.commands & ~bits

    def enable(self, enabled: bool = True) -> None:
        """Set or clear bit 0 of ``CMD``."""
        self.command(Command.ENABLE, enabled)

    def set_recipe(self, number: int) -> None:
        """Set ``RECIPE``, the number wanted, and nothing else."""
        self._set_word(Word.RECIPE, number)

    def ask_recipe(self, number: int) -> None:
        """Ask for another recipe: its number, then bit 2 of ``CMD``, until ``command(CHANGE_RECIPE, False)``."""
        self.set_recipe(number)
        self.command(Command.CHANGE_RECIPE)

    def set_sequence(self, sequence: int) -> None:
        """Set ``TRIG_SEQ`` as if so many parts had come; the next part gets the number after it."""
        self._set_word(Word.TRIG_SEQ, sequence)

    def set_part_id(self, text: str) -> None:
        """Set ``PART_ID``, ASCII, at most 32 characters."""
        with self._changed:
            self._put_text(PART_ID_WORDS, text)

    def set_lot(self, text: str) -> None:
        """Set ``LOT``, ASCII, at most 16 characters."""
        with self._changed:
            self._put_text(LOT_WORDS, text)

    def _set_word(self, word: Word, value: int) -> None:
        if not 0 <= value <= 65535:
            raise ValueError(f"{word.name} must be 0..65535, got {value}")
        with self._changed:
            self._gate.memory[word] = value

    # ---- faults ----

    def jump(self, numbers: int) -> None:
        """Let the next part's ``TRIG_SEQ`` leave out so many numbers, 1 to 65534."""
        if not 1 <= numbers <= 65534:
            raise ValueError(f"numbers must be 1..65534, got {numbers}")
        with self._changed:
            self._gate.skipped = numbers

    def stop_heartbeat(self, stands: bool = True) -> None:
        """Let ``PLC_HB`` stand still, or count again, while everything else goes on."""
        with self._changed:
            self._gate.heartbeat_stands = stands

    def freeze(self) -> None:
        """Stop scans and answers at once; requests are kept and executed after ``thaw``, as real stacks do."""
        self._in_loop(self._line.thawed.clear)

    def thaw(self) -> None:
        """Go on where the controller was frozen; the scans in between never happened."""
        self._in_loop(self._line.thawed.set)

    def withhold_answers(self, count: int | None = None, *, kind: AnswerKind = "all") -> None:
        """Execute the next requests without answering them.

        Args:
            count: How many answers; until ``withhold_answers(0)`` where left out.
            kind: Answers to ``all`` requests, to ``writes``, or to the ``results`` alone (writes that touch words 1-7).
        """
        self._in_loop(lambda: self._line.withhold(kind, count))

    def delay_answers(self, delay_ms: float) -> None:
        """Hold back each answer for a time after its request was executed, milliseconds; 0 ends it."""

        def delay() -> None:
            self._line.answer_delay_s = delay_ms / 1000

        self._in_loop(delay)

    def damage_next_result(self) -> None:
        """Flip a bit of ``RES_CHECK`` in the next result block that is written."""
        with self._changed:
            self._damage_next = True

    def restart(self, *, keep_memory: bool = False, drop_connections: bool = False) -> None:
        """Start the controller anew with the next boot number; the parts on the belt stay where they are.

        Args:
            keep_memory: Keep what stands in the words, an old result included, as a controller with retained memory
                does; else they are cleared.
            drop_connections: Drop all clients, as a controller that loses its power does.
        """
        with self._changed:
            old = self._gate
            memory = old.memory if keep_memory else [0] * BLOCK_WORDS
            self._gate = Gate(next_number(old.memory[Word.PLC_BOOT]), old.settings, memory)
            self._gate.commands = old.commands
            self._gate.heartbeat_stands = old.heartbeat_stands
            self._counted_before += old.counted
            self._write_fixed_words()
            self._conveyor.gate = self._gate
        if drop_connections:
            self.drop_connections()

    def drop_connections(self) -> None:
        """Drop all clients once; they may connect again."""
        self._in_loop(self._link.close_connections)

    def cut(self) -> None:
        """Drop all clients and refuse new ones until ``mend``."""
        self._await_in_loop(self._link.stop_listening)

    def mend(self) -> None:
        """Listen again, on the same port; harmless where nothing was cut."""
        self._await_in_loop(self._link.listen)
