"""Several parts between camera and gate: the verdict belongs to the part, not to the moment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

DENSE = 170  # interval in milliseconds: three parts on their way at a travel time of 520


def test_three_on_their_way_alternately_good_and_defect_each_get_their_own_verdict(make_line):
    line = make_line(interval_ms=DENSE)
    line.reject(*range(2, 61, 2))

    line.conveyor.feed(60)
    line.run_until_empty()

    assert line.lanes == {number: number % 2 for number in range(1, 61)}
    assert line.counted == {"good": 30, "reject": 30}


def test_sixty_good_parts_are_all_accepted(make_line):
    line = make_line(interval_ms=DENSE)

    line.conveyor.feed(60)
    line.run_until_empty()

    assert line.counted == {"good": 60}
    assert set(line.lanes.values()) == {1}


@pytest.mark.parametrize("lane_of_neighbours", [1, 2])
def test_lanes_of_three_on_their_way_are_not_mixed_up(make_line, lane_of_neighbours):
    line = make_line(interval_ms=DENSE)
    line.answer(1, lane=lane_of_neighbours)
    line.answer(2, lane=3)
    line.answer(3, lane=lane_of_neighbours)

    line.conveyor.feed(3)
    line.run_until_empty()

    assert line.lanes == {1: lane_of_neighbours, 2: 3, 3: lane_of_neighbours}


def test_touching_parts_are_rejected_together(make_line):
    line = make_line()

    line.conveyor.feed(touching=2)
    line.run_until_empty()

    assert line.lanes == {1: 0, 2: 0}
    assert [part.sequence for part in line.conveyor.outcomes] == [1, 0]
    assert line.counted == {"reject": 1}


def test_good_that_comes_while_the_touching_parts_still_cover_the_sensor_is_taken_back(make_line):
    line = make_line()
    line.answer(1, after_scans=2)

    line.conveyor.feed(touching=3)
    line.run_until_empty()

    assert line.lanes == {1: 0, 2: 0, 3: 0}


def test_touching_parts_among_three_are_rejected_and_their_neighbours_keep_their_verdicts(make_line):
    line = make_line(interval_ms=DENSE)

    line.conveyor.feed()
    line.conveyor.feed(touching=2)
    line.conveyor.feed()
    line.run_until_empty()

    assert line.lanes == {1: 1, 2: 0, 3: 0, 4: 1}


def test_good_part_taken_away_is_missed_and_opens_nothing_for_the_next(make_line):
    line = make_line()
    line.reject(2)
    line.conveyor.feed(2)
    line.conveyor.take_away(1)

    line.run_until_empty()

    assert line.conveyor.taken_away == [1]
    assert line.lanes == {2: 0}
    assert line.counted == {"reject": 1, "missing": 1}


@pytest.mark.parametrize("taken", [1, 2, 3])
def test_good_part_taken_away_among_defects_does_not_shift_the_verdicts(make_line, taken):
    line = make_line(interval_ms=DENSE)
    line.reject(*({1, 2, 3, 4} - {taken}))
    line.conveyor.feed(4)
    line.conveyor.take_away(taken)

    line.run_until_empty()

    assert line.lanes == dict.fromkeys({1, 2, 3, 4} - {taken}, 0)
    assert line.counted == {"reject": 3, "missing": 1}


def test_part_put_at_the_gate_without_a_trigger_is_rejected(make_line):
    line = make_line()

    line.conveyor.put_at_gate()
    line.run_until_empty()

    assert line.lanes == {1: 0}
    assert line.counted == {"stray": 1}


def test_strays_between_good_parts_are_rejected_and_take_no_verdict(make_line):
    line = make_line(interval_ms=DENSE)
    line.conveyor.feed(6)
    line.run(60)

    line.conveyor.put_at_gate()
    line.conveyor.put_at_gate()
    line.run_until_empty()

    strays = [part for part in line.conveyor.outcomes if part.sequence == 0]
    assert [part.accepted for part in strays] == [False, False]
    assert line.counted == {"good": 6, "stray": 2}


def test_list_overflow_rejects_everything_until_the_line_has_run_empty(make_line):
    line = make_line(interval_ms=40, cover_ms=20)

    line.conveyor.feed(14)
    line.run_until_empty()
    rejected = line.lanes
    line.run(70)
    line.conveyor.feed()
    line.run_until_empty()

    assert set(rejected.values()) == {0}
    assert line.lanes[15] == 1


def test_two_parts_so_close_that_either_could_be_meant_must_both_be_good_for_the_same_lane(make_line):
    """Five scans apart, the second is inside the travel limits of the first, which was taken away."""
    line = make_line(interval_ms=50, cover_ms=20)
    line.answer(1, after_scans=2, lane=1)
    line.answer(2, after_scans=2, lane=2)
    line.conveyor.feed(2)
    line.conveyor.take_away(1)

    line.run_until_empty()

    assert line.lanes == {2: 0}


def test_part_held_at_the_gate_for_longer_than_one_part_can_closes_it(make_line):
    line = make_line()
    line.conveyor.feed()
    line.run(54)
    gate = line.gate
    was_open = gate.accept

    gate.part_at_gate = True
    for _ in range(10):
        gate.scan()

    assert was_open
    assert not gate.accept


ANSWER = st.sampled_from(
    [
        {},
        {"lane": 2},
        {"verdict": 2, "lane": 0},
        {"verdict": 3, "lane": 2},
        {"lane": 0},
        {"after_scans": 22},
        {"after_scans": 40},
        {"boot": 6},
        {"flipped": 7},
        None,
    ]
)
ARRIVAL = st.tuples(
    ANSWER,
    st.sampled_from([1, 1, 1, 2, 3]),  # touching
    st.sampled_from([90, 110, 170, 250, 600]),  # gap, milliseconds
    st.sampled_from(["", "", "", "taken away", "stray", "restart", "heartbeat lost"]),
)


def run_until_camera_is_free(line):
    """A controller started while the sensor is covered takes that for an edge, with the age of the rest of the part.

    Its entry then outlives the part, which comes too early for it, and a stray right behind that part can take it.
    """
    while line.gate.part_at_camera:
        line.run(1)


@settings(max_examples=60, deadline=None)
@given(arrivals=st.lists(ARRIVAL, min_size=1, max_size=12), has_strays=st.booleans())
def test_no_part_ever_takes_a_good_lane_without_a_good_of_its_own_in_time(make_line, arrivals, has_strays):
    line = make_line(interval_ms=90)
    for answer, touching, gap_ms, event in arrivals:
        sequence = line.gate.memory[17] + 1
        line.ignore(sequence) if answer is None else line.answer(sequence, **answer)
        line.conveyor.feed(touching=touching, gap_ms=gap_ms)
        line.run(gap_ms // 10)
        if event == "restart":
            run_until_camera_is_free(line)
            line.restart()
        elif event == "heartbeat lost":
            line.has_heartbeat = not line.has_heartbeat
        elif event == "stray" and has_strays:
            line.conveyor.put_at_gate()
        elif event == "taken away" and not has_strays:  # a stray in the very place of a part taken away passes for it
            line.conveyor.feed()
            line.conveyor.take_away(line.conveyor.entered + 1)

    line.run_until_empty()

    accepted = {(part.boot, part.sequence, part.lane) for part in line.conveyor.outcomes if part.accepted}
    assert accepted <= line.goods_in_time
