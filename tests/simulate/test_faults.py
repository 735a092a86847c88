"""Faults by name and by chance."""

from itertools import pairwise

import pytest

from partgate.errors import ConfigError
from partgate.simulate.conveyor import ConveyorSettings
from partgate.simulate.faults import FAULTS, FaultPlan
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.simulate.words import Command, Word

SOON_S = 20


@pytest.fixture
def quick(monkeypatch):
    """Faults that last as short as they can."""
    monkeypatch.setattr("partgate.simulate.faults.FAULT_LASTS_S", 0.05)
    monkeypatch.setattr("partgate.simulate.faults.RECIPE_WITHIN_S", 0.2)


class Watch:
    """What the words of a controller were in each scan."""

    def __init__(self, plc):
        self.seen = []
        self._plc, self._scan = plc, plc._conveyor.scan
        plc._conveyor.scan = self._watched

    def _watched(self):
        self._scan()
        self.seen.append(list(self._plc._gate.memory))

    def of(self, word):
        """Return the values of a word in their order, each once."""
        values = [memory[word] for memory in self.seen]
        return [value for number, value in enumerate(values) if number == 0 or value != values[number - 1]]


@pytest.fixture
def watched():
    plc = SimulatedPlc(PlcSettings(boot=7, recipe=3, conveyor=ConveyorSettings(interval_ms=300, travel_ms=300)))
    watch = Watch(plc)
    with plc:
        plc.wait_until(lambda: plc.scans > 3, SOON_S)
        yield plc, watch


def after(plc, scans=3):
    begun = plc.scans
    plc.wait_until(lambda: plc.scans >= begun + scans, SOON_S)


@pytest.mark.parametrize(
    ("name", "bit"),
    [("clear-fault", 2), ("unconfirmed", 8), ("bin-full", 16), ("air-low", 32)],
)
def test_report_sets_its_bit_of_the_command_word_and_clears_it_again(quick, watched, name, bit):
    plc, watch = watched

    FAULTS[name](plc)
    after(plc)

    assert watch.of(Word.CMD) == [1, 1 + bit, 1]


def test_enable_goes_off_and_on_again(quick, watched):
    plc, watch = watched

    FAULTS["enable-off"](plc)
    after(plc)

    assert watch.of(Word.CMD) == [1, 0, 1]


def test_recipe_asks_for_the_next_one_by_number_and_bit_then_for_the_one_before(quick, watched):
    plc, watch = watched
    plc._write_words({Word.RECIPE_ACTIVE: 3})

    FAULTS["recipe"](plc)  # nobody takes it: the first wish ends in vain
    after(plc)

    assert watch.of(Word.RECIPE) == [3, 4, 3]
    assert watch.of(Word.CMD) == [1, 5, 1]
    assert all(memory[Word.RECIPE] == 3 for memory in watch.seen if not memory[Word.CMD] & Command.CHANGE_RECIPE)


def test_recipe_leaves_the_wish_as_it_was(quick, watched):
    plc, watch = watched
    plc._write_words({Word.RECIPE_ACTIVE: 3})
    plc.set_recipe(0)

    FAULTS["recipe"](plc)
    after(plc)

    assert watch.of(Word.RECIPE)[-2:] == [4, 0]  # 3 is in force all the time: nothing to wait for


def test_recipe_that_a_station_takes_is_asked_back_at_once(watched):
    plc, watch = watched
    plc._write_words({Word.RECIPE_ACTIVE: 3})
    scan = plc._conveyor.scan

    def obey():
        scan()
        if plc._gate.memory[Word.CMD] & Command.CHANGE_RECIPE:
            plc._gate.memory[Word.RECIPE_ACTIVE] = plc._gate.memory[Word.RECIPE]

    plc._conveyor.scan = obey
    FAULTS["recipe"](plc)
    after(plc)

    assert watch.of(Word.RECIPE_ACTIVE)[-2:] == [4, 3]


def test_sequence_jumps_at_the_next_part_and_leaves_out_numbers_but_no_zero(watched):
    plc, watch = watched
    plc.set_sequence(65532)

    FAULTS["jump"](plc)
    after(plc)
    stood = plc.word(Word.TRIG_SEQ)
    plc.feed(2)
    plc.wait_until(lambda: plc.entered == 2, SOON_S)
    after(plc)

    assert stood == 65532
    assert watch.of(Word.TRIG_SEQ)[-2:] == [3, 4]  # 65533, 65534, 65535, 1, 2 are left out


@pytest.mark.parametrize("numbers", [0, 65535])
def test_jump_by_nothing_or_by_a_whole_round_is_refused(numbers):
    with pytest.raises(ValueError, match=rf"1\.\.65534, got {numbers}"):
        SimulatedPlc().jump(numbers)


def test_heartbeat_stands_still_while_the_controller_scans_and_counts_again(watched):
    plc, _ = watched
    plc.stop_heartbeat()
    after(plc)
    stood = plc.word(Word.PLC_HB)
    after(plc, 25)
    still = plc.word(Word.PLC_HB)

    plc.stop_heartbeat(False)

    assert still == stood
    plc.wait_until(lambda: plc.word(Word.PLC_HB) != stood, SOON_S)


def test_buttons_and_reports_outlast_a_restart_of_the_controller(watched):
    plc, _ = watched
    plc.command(Command.BIN_FULL)
    plc.enable(False)

    plc.restart()
    after(plc)

    assert plc.word(Word.CMD) == Command.BIN_FULL


def test_faults_of_the_belt_come_before_the_parts_that_wait(watched):
    plc, _ = watched
    plc.feed(50)
    FAULTS["touching"](plc)
    FAULTS["double"](plc)

    plc.wait_until(lambda: plc.entered >= 6, SOON_S)
    plc.stop_feeding()
    plc.wait_until(lambda: plc.is_belt_empty, SOON_S)

    by_number = [part.sequence for part in sorted(plc.outcomes, key=lambda part: part.number)]
    assert by_number[:6].count(0) == 1  # the second of two that touch has no edge of its own
    assert plc.counters["timeout"] + plc.counters["overrun"] == 0  # nobody is heard: nothing was ever pending


# ---- the plan ----


def test_named_faults_are_due_once_in_the_order_of_their_parts():
    plan = FaultPlan(["cut@9", "damage@2", "stray@9"])

    assert plan.due(1) == []
    assert plan.due(3) == [(2, "damage")]
    assert plan.due(20) == [(9, "cut"), (9, "stray")]
    assert plan.due(99) == []


def test_drawn_faults_are_every_kind_in_turn_about_every_so_many_parts_and_the_same_for_the_same_seed():
    drawn = FaultPlan(every=10, seed=4).due(10_000)
    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(drawn)]

    assert {name for _, name in drawn[: len(FAULTS)]} == set(FAULTS)
    assert (min(gaps), max(gaps)) == (5, 15)
    assert 900 <= len(drawn) <= 1100
    assert drawn == FaultPlan(every=10, seed=4).due(10_000)
    assert drawn != FaultPlan(every=10, seed=5).due(10_000)


def test_fault_every_part_is_no_more_than_one_for_each():
    assert [part for part, _ in FaultPlan(every=1).due(100)] == list(range(1, 101))


def test_negative_distance_between_faults_is_refused():
    with pytest.raises(ConfigError, match="fault-every must be 0 or more, got -1"):
        FaultPlan(every=-1)


@pytest.mark.parametrize("fault", ["flood@1", "cut", "cut@0", "cut@x"])
def test_unknown_fault_is_refused_with_those_that_are_known(fault):
    with pytest.raises(ConfigError, match=f"NAME one of air-low, bin-full, .*; got '{fault}'"):
        FaultPlan([fault])
