"""The gate's watchdog: while the station is not heard, nothing on its way can become good any more."""

from partgate.simulate.words import Word


def test_heartbeat_never_seen_rejects_in_spite_of_a_good(make_line):
    line = make_line(has_heartbeat=False)

    line.conveyor.feed(2)
    line.run_until_empty()

    assert line.gate.watchdog_fault
    assert line.lanes == {1: 0, 2: 0}
    assert line.counted == {"reject": 2, "late": 2}


def test_heartbeat_is_lost_after_300_ms_without_a_change(make_line):
    line = make_line()
    line.run(10)
    line.has_heartbeat = False
    line.beat()

    line.run(31)
    assert not line.gate.watchdog_fault
    line.run(1)

    assert line.gate.watchdog_fault


def test_heartbeat_lost_after_the_good_rejects_the_part_on_its_way(make_line):
    line = make_line()
    line.conveyor.feed()
    line.run(15)

    line.has_heartbeat = False
    line.run_until_empty()

    assert line.lanes == {1: 0}


def test_heartbeat_lost_while_the_part_is_at_the_gate_closes_it(make_line):
    line = make_line()
    line.conveyor.feed()
    line.run(30)
    line.has_heartbeat = False
    line.run(24)
    was_open = line.gate.accept

    line.run(4)

    assert was_open
    assert line.gate.part_at_gate
    assert not line.gate.accept
    assert line.gate.memory[Word.LANE_OUT] == 0


def test_result_in_the_very_scan_in_which_the_heartbeat_is_lost_is_discarded(make_line):
    line = make_line(has_heartbeat=False)
    line.ignore(1)
    line.beat()
    line.run(23)
    line.conveyor.feed()
    line.run(8)
    was_lost = line.gate.watchdog_fault

    line.write(boot=7, sequence=1)
    line.run(1)

    assert not was_lost
    assert line.gate.watchdog_fault
    assert line.counted == {"late": 1}


def test_heartbeat_back_with_a_stale_good_accepts_only_a_new_part(make_line):
    line = make_line(has_heartbeat=False)
    line.ignore(1)
    line.conveyor.feed()
    line.run(40)

    line.write(boot=7, sequence=1)
    line.has_heartbeat = True
    line.run_until_empty()
    line.conveyor.feed()
    line.run_until_empty()

    assert line.lanes == {1: 0, 2: 1}


def test_result_written_while_the_heartbeat_is_lost_stays_discarded_when_it_returns(make_line):
    line = make_line(has_heartbeat=False)
    line.conveyor.feed()
    line.run(15)

    line.has_heartbeat = True
    line.run_until_empty()

    assert line.lanes == {1: 0}
    assert line.counted == {"reject": 1, "late": 1}
