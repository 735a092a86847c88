"""The belt on which the tests rely: what it says about a part must be what the gate really did to it."""

import pytest

from partgate.errors import ConfigError
from partgate.simulate.conveyor import Conveyor, ConveyorSettings, PartOutcome
from partgate.simulate.gate import Gate
from partgate.simulate.gate_values import GateSettings
from partgate.simulate.settings import PlcSettings, fit_gate

SHORT = ConveyorSettings(interval_ms=100, cover_ms=20, travel_ms=100)


def sensor_edges(conveyor, scans):
    """Return (scan, camera, gate) for each scan in which a sensor changed, counted from 1."""
    changes, before = [], (False, False)
    for scan in range(1, scans + 1):
        conveyor.scan()
        now = (conveyor.gate.part_at_camera, conveyor.gate.part_at_gate)
        if now != before:
            changes.append((scan, *now))
        before = now
    return changes


def test_nothing_comes_before_it_is_told_to():
    conveyor = Conveyor(Gate(1), SHORT)

    assert conveyor.is_empty
    assert sensor_edges(conveyor, 50) == []


def test_part_covers_each_sensor_for_its_time_and_travels_in_between():
    conveyor = Conveyor(Gate(1), SHORT)

    conveyor.feed()

    assert sensor_edges(conveyor, 20) == [(1, True, False), (3, False, False), (11, False, True), (13, False, False)]
    assert conveyor.is_empty


def test_parts_keep_their_interval_and_a_gap_of_their_own():
    conveyor = Conveyor(Gate(1), SHORT)

    conveyor.feed(2)
    conveyor.feed(gap_ms=40)

    rises = [scan for scan, camera, _ in sensor_edges(conveyor, 18) if camera]
    assert rises == [1, 11, 15]


def test_touching_parts_make_one_long_edge_and_two_outcomes():
    conveyor = Conveyor(Gate(1), SHORT)

    conveyor.feed(touching=2)
    edges = sensor_edges(conveyor, 20)

    assert edges == [(1, True, False), (5, False, False), (11, False, True), (15, False, False)]
    assert [(part.number, part.sequence) for part in conveyor.outcomes] == [(1, 1), (2, 0)]


def test_part_at_the_camera_when_the_controller_restarts_belongs_to_the_new_start():
    conveyor = Conveyor(Gate(1), SHORT)
    conveyor.feed()
    conveyor.scan()

    conveyor.gate = Gate(2)
    sensor_edges(conveyor, 20)

    assert conveyor.outcomes == [PartOutcome(number=1, boot=2, sequence=1, lane=0, accepted=False)]


def test_endless_feeding_goes_on_until_it_is_stopped():
    conveyor = Conveyor(Gate(1), SHORT)

    conveyor.feed_endlessly()
    sensor_edges(conveyor, 35)
    conveyor.stop_feeding()
    sensor_edges(conveyor, 30)

    assert [part.number for part in conveyor.outcomes] == [1, 2, 3, 4]
    assert conveyor.is_empty


def test_part_taken_away_leaves_no_outcome_and_only_after_the_camera():
    conveyor = Conveyor(Gate(1), SHORT)
    conveyor.feed()
    conveyor.take_away(1)

    edges = sensor_edges(conveyor, 30)

    assert edges == [(1, True, False), (3, False, False)]
    assert conveyor.taken_away == [1]
    assert conveyor.outcomes == []
    assert conveyor.is_empty


def test_last_part_before_the_gate_is_taken_where_none_is_named():
    conveyor = Conveyor(Gate(1), SHORT)
    conveyor.feed(2)
    sensor_edges(conveyor, 11)

    conveyor.take_away()
    sensor_edges(conveyor, 20)

    assert conveyor.taken_away == [2]


def test_part_that_has_reached_the_gate_cannot_be_taken_away():
    conveyor = Conveyor(Gate(1), SHORT)
    conveyor.feed()
    sensor_edges(conveyor, 11)

    with pytest.raises(ValueError, match=r"part 1 must be before the gate to be taken away; before it: \[\]"):
        conveyor.take_away(1)


def test_stray_waits_for_a_gap_so_that_it_has_an_edge_of_its_own():
    conveyor = Conveyor(Gate(1), SHORT)
    conveyor.feed()
    sensor_edges(conveyor, 9)

    conveyor.put_at_gate()

    assert sensor_edges(conveyor, 10) == [(2, False, True), (4, False, False), (6, False, True), (8, False, False)]
    assert [part.number for part in conveyor.outcomes] == [1, 2]
    assert conveyor.outcomes[1] == PartOutcome(number=2, boot=0, sequence=0, lane=0, accepted=False)


@pytest.mark.parametrize(
    ("open_from", "open_to", "accepted"),
    [(0, 10, False), (10, 11, True), (11, 12, True), (12, 20, False)],
    ids=["before", "first-scan-over-it", "last-scan-over-it", "after"],
)
def test_part_takes_the_good_lane_if_the_gate_is_open_in_any_scan_in_which_the_part_covers_it(
    open_from, open_to, accepted
):
    class GateByHand(Gate):
        def scan(self):
            super().scan()
            self.accept = open_from < self.scans <= open_to
            self.memory[31] = 2 if self.accept else 0

    conveyor = Conveyor(GateByHand(1), SHORT)
    conveyor.feed()

    sensor_edges(conveyor, 20)

    assert conveyor.outcomes == [PartOutcome(1, 1, 1, 2 if accepted else 0, accepted)]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (ConveyorSettings(cover_ms=10), "cover_ms must be at least two scans of 10 ms"),
        (ConveyorSettings(interval_ms=70), "interval_ms must be at least two scans longer than cover_ms"),
    ],
)
def test_belt_that_the_sensors_cannot_follow_is_refused(settings, reason):
    with pytest.raises(ValueError, match=reason):
        Conveyor(Gate(1), settings)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [({"parts": 0}, "at least 1, got 0 and 1"), ({"gap_ms": 30}, "gap_ms must be .*, got 30; or use touching")],
)
def test_feeding_that_makes_no_sensor_edge_is_refused(arguments, reason):
    conveyor = Conveyor(Gate(1), SHORT)

    with pytest.raises(ValueError, match=reason):
        conveyor.feed(**arguments)


def test_gate_is_fitted_to_the_belt_as_in_the_sample_program():
    gate = fit_gate(ConveyorSettings(travel_ms=520, cover_ms=60))

    assert (gate.travel_min_scans, gate.travel_max_scans) == (47, 60)
    assert gate.part_max_scans == 9


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"port": 70000}, "port must be 0 to 65535, got 70000"),
        ({"base_address": 65500}, "base_address must be 0 to 65472, got 65500"),
        ({"boot": 0}, "boot must be 1 to 65535, got 0"),
        ({"lot": "x" * 17}, "lot: text must be ASCII with at most 16 characters"),
        ({"part_id_prefix": "Ä"}, "part_id_prefix must be ASCII of at most 27 characters, got 'Ä'"),
        ({"conveyor": ConveyorSettings(cover_ms=10)}, "cover_ms must be at least 20, got 10"),
        ({"conveyor": ConveyorSettings(interval_ms=80)}, "interval_ms must be at least 90, .*got 80"),
        ({"window_ms": 450}, "window_ms must be shorter than 450, .*got 450"),
        ({"gate": GateSettings()}, r"part_max_scans must lie between .* \(6 and 12 scans\)"),
        ({"conveyor": ConveyorSettings(travel_ms=700), "gate": GateSettings(part_max_scans=9)}, "travel_ms must lie"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_range(changes, reason):
    with pytest.raises(ConfigError, match=reason):
        PlcSettings(**changes)


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        PlcSettings(port=-1, recipe=70000)

    assert [problem.split(" must")[0] for problem in caught.value.problems] == [
        "simulated controller: port",
        "simulated controller: recipe",
    ]
