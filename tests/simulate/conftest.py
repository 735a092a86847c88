"""Two stations: one in lock-step with gate and belt, scan by scan without a clock, and one over Modbus TCP."""

import contextlib
import threading
from dataclasses import dataclass, replace

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from partgate.simulate.conveyor import Conveyor, ConveyorSettings
from partgate.simulate.gate import Gate
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings, fit_gate
from partgate.simulate.words import Word, next_number, result_check


@dataclass(frozen=True)
class Answer:
    """What the station writes about one trigger, and when; a GOOD for lane 1 in time unless told otherwise."""

    verdict: int = 1
    lane: int = 1
    after_scans: int = 8
    boot: int | None = None  # None: the boot that it read
    flipped: Word | None = None  # word whose lowest bit flips on the wire


class Line:
    """One line with its station; ``answer``, ``reject`` and ``ignore`` say what the station does about a TRIG_SEQ."""

    def __init__(self, *, interval_ms=600, cover_ms=60, boot=7, sequence=0, has_heartbeat=True):
        belt = ConveyorSettings(interval_ms=interval_ms, cover_ms=cover_ms)
        self.gate = Gate(boot, replace(fit_gate(belt), list_size=8))  # as in the sample program
        self.gate.memory[Word.TRIG_SEQ] = sequence
        self.conveyor = Conveyor(self.gate, belt)
        self.has_heartbeat = has_heartbeat
        self.goods_in_time = set()  # (boot, sequence, lane) of each intact GOOD with a lane, written in time
        self._answers = {}
        self._seen = (boot, sequence)
        self._due = []
        self._scan = 0
        self.run(5)

    def answer(self, sequence, **changes):
        self._answers[sequence] = Answer(**changes)

    def reject(self, *sequences):
        for sequence in sequences:
            self.answer(sequence, verdict=2, lane=0)

    def ignore(self, *sequences):
        for sequence in sequences:
            self._answers[sequence] = None

    def run(self, scans):
        for _ in range(scans):
            self._scan += 1
            if self.has_heartbeat and self._scan % 10 == 1:
                self.beat()
            self._write_due()
            self.conveyor.scan()
            assert self.gate.part_at_gate or not self.gate.accept, "accept is on without a part at the gate"
            self._look_for_trigger()

    def run_until_empty(self):
        for _ in range(5000):
            if self.conveyor.is_empty:
                return self.run(15)
            self.run(1)
        raise AssertionError("the belt must run empty")

    def beat(self):
        self.gate.memory[Word.VIS_HB] = (self.gate.memory[Word.VIS_HB] + 1) % 65536

    def write(self, boot, sequence, answer=None):
        answer = answer or Answer()
        memory = self.gate.memory
        memory[1:7] = [sequence, answer.verdict, 0, answer.lane, boot if answer.boot is None else answer.boot, 0]
        memory[Word.RES_CHECK] = result_check(memory)
        if answer.flipped is not None:
            memory[answer.flipped] ^= 1

    def restart(self, *, keep_memory=True):
        memory = self.gate.memory if keep_memory else None
        self.gate = Gate(next_number(self.gate.memory[Word.PLC_BOOT]), self.gate.settings, memory)
        self.conveyor.gate = self.gate

    def _write_due(self):
        for entry in [entry for entry in self._due if entry[0] <= self._scan]:
            self._due.remove(entry)
            _, boot, sequence, answer = entry
            self.write(boot, sequence, answer)
            intact = answer.flipped is None and answer.boot in (None, boot)
            if intact and answer.verdict == 1 and answer.lane > 0 and answer.after_scans <= 21:
                self.goods_in_time.add((boot, sequence, answer.lane))

    def _look_for_trigger(self):
        boot, sequence = trigger = (self.gate.memory[Word.PLC_BOOT], self.gate.memory[Word.TRIG_SEQ])
        if trigger != self._seen and sequence != 0:
            answer = self._answers.get(sequence, Answer())
            if answer is not None:
                self._due.append((self._scan + answer.after_scans, boot, sequence, answer))
        self._seen = trigger

    @property
    def lanes(self):
        """Lane of each part by its number, 0 = reject."""
        return {part.number: part.lane for part in self.conveyor.outcomes}

    @property
    def counted(self):
        """The counters that are not 0."""
        return {name: count for name, count in self.gate.counters.items() if count}


class Station(threading.Thread):
    """A station over Modbus TCP, as small as it can be: heartbeat, and a GOOD for one lane to every trigger."""

    def __init__(self, port, lane=1, *, is_silent=False):
        super().__init__(daemon=True)
        self.port, self.lane, self.is_silent = port, lane, is_silent
        self.ending = threading.Event()

    def run(self):
        last, heartbeat = 0, 0
        with ModbusTcpClient("127.0.0.1", port=self.port, timeout=5, retries=0) as client:
            while not self.ending.wait(0.005):
                heartbeat = heartbeat % 65535 + 1
                with contextlib.suppress(ModbusException, OSError):
                    client.write_register(Word.VIS_HB, heartbeat)
                    client.write_register(Word.VIS_STATE, 3)
                    sequence, _, _, _, _, boot = client.read_holding_registers(Word.TRIG_SEQ, count=6).registers
                    if sequence != last and not self.is_silent:
                        words = [heartbeat, sequence, 1, 0, self.lane, boot, 0]
                        client.write_registers(0, [*words, result_check(words)])
                    last = sequence

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.ending.set()
        self.join(20)


@pytest.fixture(scope="session")
def make_station():
    return Station


@pytest.fixture(scope="session")
def make_line():
    """The class itself: a session's fixture, so that properties may use it too."""
    return Line


@pytest.fixture(scope="session")
def good_block():
    """A function: the words 0-8 of a GOOD for lane 1 from a station that is online and ready."""

    def build(sequence):
        words = [1, sequence, 1, 0, 1, 7, 0]
        return [*words, result_check(words), 3]

    return build


@pytest.fixture
def plc():
    with SimulatedPlc(PlcSettings(boot=7, conveyor=ConveyorSettings(interval_ms=300, travel_ms=300))) as plc:
        yield plc


@pytest.fixture
def client(plc):
    with ModbusTcpClient("127.0.0.1", port=plc.port, timeout=5, retries=0) as client:
        yield client
