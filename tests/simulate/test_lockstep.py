"""Parts as fast as the station can: the next one comes with the acknowledge, or once the window is over."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from partgate.errors import ConfigError
from partgate.simulate.bench import run_plc
from partgate.simulate.conveyor import Conveyor, ConveyorSettings
from partgate.simulate.gate import Gate
from partgate.simulate.gate_values import TakenResult
from partgate.simulate.settings import PlcSettings, fit_gate
from partgate.simulate.words import Word, result_check

FASTEST = ConveyorSettings(interval_ms=9, cover_ms=4, travel_ms=130, lockstep=True)
WINDOW_MS = 100


class Pace:
    """A conveyor in lockstep, scan by scan; ``answer_after`` says how many scans the station takes, None: silent."""

    def __init__(self, answer_after, settings=FASTEST):
        self.gate = Gate(7, fit_gate(settings, WINDOW_MS, scan_ms=1))
        self.conveyor = Conveyor(self.gate, settings)
        self.answer_after, self.scan, self.triggers, self.entries = answer_after, 0, [], []

    def run(self, scans):
        memory = self.gate.memory
        for _ in range(scans):
            self.scan += 1
            memory[Word.VIS_HB] = self.scan % 65536
            if self.triggers and self.answer_after is not None and self.scan == self.triggers[-1] + self.answer_after:
                memory[1:7] = [memory[Word.TRIG_SEQ], 1, 0, 1, 7, 0]
                memory[Word.RES_CHECK] = result_check(memory)
            entered, sequence = self.conveyor.entered, memory[Word.TRIG_SEQ]
            self.conveyor.scan()
            if self.conveyor.entered != entered:
                self.entries.append(self.scan)
            if memory[Word.TRIG_SEQ] != sequence:
                self.triggers.append(self.scan)

    @property
    def gaps(self):
        return {later - sooner for sooner, later in pairwise(self.triggers)}


def test_silent_station_gets_the_next_part_once_the_window_is_over():
    pace = Pace(answer_after=None)
    pace.conveyor.feed(5)

    pace.run(700)

    assert pace.gaps == {WINDOW_MS + 2}
    assert pace.gate.counters["timeout"] == 5
    assert pace.gate.counters["overrun"] == 0
    assert [part.accepted for part in pace.conveyor.outcomes] == [False] * 5


def test_next_part_comes_with_the_acknowledge_but_no_sooner_than_the_interval():
    slow, fast = Pace(answer_after=20), Pace(answer_after=1)
    slow.conveyor.feed(5)
    fast.conveyor.feed(5)

    slow.run(400)
    fast.run(400)

    assert slow.gaps == {21}
    assert fast.gaps == {9}
    assert [part.lane for part in (*slow.conveyor.outcomes, *fast.conveyor.outcomes)] == [1] * 10


def test_without_lockstep_parts_come_by_the_clock_whatever_the_station_does():
    pace = Pace(None, replace(FASTEST, lockstep=False))
    pace.conveyor.feed(5)

    pace.run(300)

    assert pace.gaps == {9}


def test_touching_and_double_parts_do_not_wait_for_an_answer():
    pace = Pace(answer_after=None)
    pace.conveyor.feed(touching=2)
    pace.conveyor.feed()
    pace.conveyor.feed(gap_ms=6)

    pace.run(500)

    assert [later - sooner for sooner, later in pairwise(pace.entries)] == [4, WINDOW_MS + 2, 6]


@pytest.mark.parametrize("cover_ms", [3, 4])
@pytest.mark.parametrize("put_at", range(150, 165))
def test_stray_is_let_onto_a_dense_belt_and_takes_no_neighbours_good(cover_ms, put_at):
    pace = Pace(answer_after=1, settings=replace(FASTEST, cover_ms=cover_ms))
    pace.conveyor.feed(40)
    pace.run(put_at)

    pace.conveyor.put_at_gate()
    pace.run(1000)

    strays = [part for part in pace.conveyor.outcomes if part.sequence == 0]
    assert [(part.accepted, part.result) for part in strays] == [(False, None)]
    assert strays[0].number < 40  # parts that wait for an answer let it go first
    assert pace.gate.counters["stray"] == 1
    assert sum(part.accepted for part in pace.conveyor.outcomes) == 40


def test_stray_keeps_so_far_from_the_next_part_that_it_cannot_be_taken_for_it():
    pace = Pace(answer_after=1, settings=replace(FASTEST, cover_ms=3, interval_ms=10, lockstep=False))
    pace.conveyor.feed(40)
    pace.run(150)

    pace.conveyor.put_at_gate()
    pace.run(1000)

    assert [part.accepted for part in pace.conveyor.outcomes if part.sequence == 0] == [False]


def test_stray_never_lies_in_the_place_of_a_good_part_that_was_taken_away():
    pace = Pace(answer_after=1)
    pace.conveyor.feed()
    pace.run(20)
    pace.conveyor.take_away(1)
    pace.run(FASTEST.travel_ms - 20)

    pace.conveyor.put_at_gate()
    pace.run(600)

    assert [part.accepted for part in pace.conveyor.outcomes] == [False]
    assert pace.gate.counters["missing"] == pace.gate.counters["stray"] == 1


def test_list_holds_every_part_that_the_belt_can_have_on_the_way():
    pace = Pace(answer_after=1)
    pace.conveyor.feed(60)

    pace.run(60 * 9 + 200)

    assert pace.gate.settings.list_size == 138 // 9 + 2
    assert [part.lane for part in pace.conveyor.outcomes] == [1] * 60


def test_million_parts_to_come_take_no_memory_of_their_own():
    pace = Pace(answer_after=1)

    pace.conveyor.feed(1_000_000)

    assert len(pace.conveyor._arrivals) == 1


# ---- what became of a part ----


def test_belt_keeps_the_last_outcomes_alone_and_tells_each_as_its_part_leaves(monkeypatch):
    monkeypatch.setattr("partgate.simulate.conveyor.OUTCOMES_KEPT", 3)
    told = []
    pace = Pace(answer_after=1)
    pace.conveyor.on_left = told.append
    pace.conveyor.feed(5)

    pace.run(300)

    assert [part.number for part in told] == [1, 2, 3, 4, 5]
    assert pace.conveyor.outcomes == told[2:]
    assert pace.conveyor.left == 5


def test_outcome_tells_the_result_that_the_gate_acted_on_and_when_it_came():
    pace = Pace(answer_after=20)
    pace.conveyor.feed(truth="good")

    pace.run(200)

    (part,) = pace.conveyor.outcomes
    assert (part.sequence, part.boot, part.lane, part.truth) == (1, 7, 1, "good")
    assert part.result == TakenResult(sequence=1, boot=7, verdict=1, lane=1, after_scans=20)


def test_outcome_of_a_part_without_a_result_in_time_tells_none():
    pace = Pace(answer_after=WINDOW_MS + 10)
    pace.conveyor.feed()

    pace.run(300)

    assert [(part.lane, part.result) for part in pace.conveyor.outcomes] == [(0, None)]


def test_outcome_would_show_a_gate_that_takes_a_neighbours_good():
    """A gate that opens for everybody: the result beside the lane is not the part's own."""

    class OpenGate(Gate):
        def _judge_head(self):
            self.judged = replace(self._list[self._newest], result=TakenResult(1, 7, 1, 1, 3))
            self.accept = True
            self.memory[Word.LANE_OUT] = 1
            self._drop_head()

    pace = Pace(answer_after=None)
    pace.gate = pace.conveyor.gate = OpenGate(7, pace.gate.settings)
    pace.conveyor.feed(2)

    pace.run(500)

    assert [(part.sequence, part.accepted, part.result.sequence) for part in pace.conveyor.outcomes] == [
        (1, True, 1),
        (2, True, 1),
    ]


# ---- over the wire ----


def test_run_in_lockstep_at_one_millisecond_streams_every_part_with_its_own_result(tmp_path, make_station):
    log, stations = tmp_path / "run.jsonl", []

    def say(line):
        if "listens" in line:
            stations.append(make_station(int(line.split("127.0.0.1:")[1].split(")")[0])))
            stations[0].start()

    settings = PlcSettings(boot=5, scan_ms=1, window_ms=WINDOW_MS, conveyor=FASTEST)
    report = run_plc(settings, parts=40, log=log, say=say)
    stations[0].__exit__()

    events = [json.loads(line) for line in log.read_text().splitlines()]
    parts = [event for event in events if event["event"] == "part"]
    assert [event["event"] for event in events] == ["start", *["part"] * 40, "end"]
    assert [part["number"] for part in parts] == list(range(1, 41))
    assert all(part["result"]["sequence"] == part["sequence"] for part in parts if part["accepted"])
    assert report.lanes.get(1, 0) == report.totals["good"] > 0


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"scan_ms": 0}, r"scan_ms must be 1 to 100, got 0"),
        ({"transport": "profinet"}, r"transport must be one of modbus, opcua, s7, tcp; got 'profinet'"),
        ({"role": "client"}, r"role client is for transport tcp; with modbus the controller is the server"),
        ({"role": "client", "transport": "tcp"}, r"role client needs the port that the station listens on, got 0"),
        ({"base_address": 5, "transport": "s7"}, r"base_address is for transport modbus; got 5 with s7"),
        ({"conveyor": replace(FASTEST, interval_ms=8)}, r"interval_ms must be at least 9"),
    ],
    ids=["no-scan", "transport", "role", "no-port", "base", "interval"],
)
def test_settings_that_do_not_fit_are_refused_with_the_number(changes, problem):
    with pytest.raises(ConfigError, match=problem):
        PlcSettings(**{"scan_ms": 1, "window_ms": WINDOW_MS, "conveyor": FASTEST, **changes})


def test_watchdog_is_300_ms_whatever_the_scan():
    assert fit_gate(FASTEST, WINDOW_MS, scan_ms=1).watchdog_scans == 300
    assert fit_gate(ConveyorSettings()).watchdog_scans == 30
