"""Every fault of the handshake that Modbus, folder camera and station can show, with the lane that the part took.

In none of them may a part reach the good lane (1) without a GOOD of its own, in time.
"""

from partgate.errors import EngineError
from partgate.parts import Reason
from partgate.simulate.words import Word

from .conftest import DEFECT, GOOD, WAIT_S, WINDOW_MS, MakeLine

REJECT_LANE, GOOD_LANE = 0, 1


def test_good_and_defect_parts_take_their_own_lanes_and_every_trigger_is_on_record(make_line: MakeLine):
    line = make_line([GOOD, DEFECT, GOOD]).start()

    line.feed(3)

    records = line.records()
    assert line.lanes == [GOOD_LANE, REJECT_LANE, GOOD_LANE]
    assert [row["verdict"] for row in records] == ["GOOD", "REJECT", "GOOD"]
    assert all(row["sent"] and row["acknowledged"] for row in records)
    assert [row["sequence"] for row in records] == [1, 2, 3]
    assert line.summary is not None
    assert line.summary.adds_up


def test_class_number_and_reason_of_a_reject_reach_the_controller(make_line: MakeLine):
    line = make_line([DEFECT]).start()

    line.feed(1)

    (write,) = [write for write in line.plc.writes if write.sequence]
    sequence, verdict, class_number, lane, boot, reason = write.result[:6]
    assert (sequence, verdict, class_number, lane, boot, reason) == (1, 2, 7, 0, 1, 0)


def test_each_result_is_written_once_and_in_one_request(make_line: MakeLine):
    line = make_line([GOOD, DEFECT, GOOD]).start()

    line.feed(3)

    results = [write for write in line.plc.writes if write.sequence]
    assert [write.sequence for write in results] == [1, 2, 3]
    assert all((write.offset, write.count) == (0, 11) for write in results)


def test_silent_station_sends_every_part_to_the_reject_lane(make_line: MakeLine):
    line = make_line([GOOD])

    line.feed(1)

    assert line.lanes == [REJECT_LANE]


def test_late_good_is_sent_as_too_late_and_its_part_is_rejected(make_line: MakeLine):
    line = make_line([GOOD]).start()
    line.inspector.may_go_on.clear()
    line.plc.feed(1)
    assert line.inspector.entered.wait(WAIT_S)
    started = line.plc.scans
    line.plc.wait_until(lambda: line.plc.scans >= started + WINDOW_MS // 10 + 5, timeout_s=WAIT_S)

    line.inspector.may_go_on.set()

    line.finish()
    (row,) = line.records()
    assert line.lanes == [REJECT_LANE]
    assert (row["verdict"], row["reason"]) == ("RECHECK", Reason.TOO_LATE)


def test_hung_engine_stops_the_heartbeat_and_parts_are_rejected_until_a_new_one_is_judged(make_line: MakeLine):
    line = make_line([GOOD, GOOD, GOOD]).start()
    line.inspector.may_go_on.clear()
    line.plc.feed(1)
    assert line.inspector.entered.wait(WAIT_S)
    line.plc.wait_until(lambda: line.plc.watchdog_fault, timeout_s=WAIT_S)
    line.finish()

    line.inspector.may_go_on.set()
    line.plc.wait_until(lambda: line.plc.is_station_ready, timeout_s=WAIT_S)
    line.feed(1)

    assert line.lanes == [REJECT_LANE, GOOD_LANE]


def test_engine_that_fails_while_idle_is_a_fault_and_the_heartbeat_goes_on(make_line: MakeLine):
    line = make_line([GOOD]).start()

    line.inspector.check_error = EngineError("out of memory")

    line.plc.wait_until(lambda: line.plc.word(Word.VIS_FAULT) == 2, timeout_s=WAIT_S)
    assert not line.plc.watchdog_fault
    line.inspector.check_error = None
    line.plc.wait_until(lambda: line.plc.is_station_ready, timeout_s=WAIT_S)


def test_damaged_block_is_not_acknowledged_and_its_part_is_rejected(make_line: MakeLine):
    line = make_line([GOOD, GOOD]).start()
    line.plc.damage_next_result()

    line.feed(2)

    first, second = line.records()
    assert line.lanes == [REJECT_LANE, GOOD_LANE]
    assert line.plc.counters["damaged"] == 1
    assert (first["acknowledged"], second["acknowledged"]) == (False, True)


def test_missing_acknowledge_is_fault_five_and_the_next_part_is_taken(make_line: MakeLine):
    line = make_line([GOOD, GOOD]).start()
    line.plc.damage_next_result()
    line.plc.feed(1)

    line.plc.wait_until(lambda: line.plc.word(Word.VIS_FAULT) == 5, timeout_s=WAIT_S)

    line.finish()
    line.feed(1)
    assert line.lanes == [REJECT_LANE, GOOD_LANE]
    line.plc.wait_until(lambda: line.plc.word(Word.VIS_FAULT) == 0, timeout_s=WAIT_S)


def test_part_triggered_while_the_station_is_busy_is_an_overrun_and_rejected(make_line: MakeLine):
    line = make_line([GOOD, GOOD, GOOD]).start()
    line.inspector.may_go_on.clear()
    line.plc.double_trigger()
    line.plc.wait_until(lambda: line.plc.entered == 2, timeout_s=WAIT_S)

    line.inspector.may_go_on.set()

    line.finish()
    records = line.records()
    assert line.lanes == [REJECT_LANE, REJECT_LANE]
    assert [row["sequence"] for row in records] == [1, 2]
    assert (records[1]["verdict"], records[1]["reason"]) == ("RECHECK", Reason.OVERRUN)


def test_sequence_goes_from_65535_to_1_and_no_part_is_lost(make_line: MakeLine):
    line = make_line([GOOD, DEFECT, GOOD, DEFECT])
    line.plc.set_sequence(65533)
    line.start()

    line.feed(4)

    assert line.lanes == [GOOD_LANE, REJECT_LANE, GOOD_LANE, REJECT_LANE]
    assert [row["sequence"] for row in line.records()] == [65534, 65535, 1, 2]


def test_with_three_parts_on_their_way_each_takes_its_own_lane(make_line: MakeLine):
    parts = [GOOD, DEFECT] * 4
    line = make_line(parts, interval_ms=170).start()

    line.feed(len(parts))

    records = line.records()
    verdicts = {row["sequence"]: row["verdict"] for row in records}
    for part in line.plc.outcomes:
        assert part.lane == REJECT_LANE or verdicts[part.sequence] == "GOOD"
    assert line.lanes == [GOOD_LANE, REJECT_LANE] * 4


def test_parts_that_touch_are_both_rejected(make_line: MakeLine):
    line = make_line([GOOD, GOOD]).start()

    line.feed(1, touching=2)

    assert line.lanes == [REJECT_LANE, REJECT_LANE]


def test_part_put_down_at_the_gate_is_rejected(make_line: MakeLine):
    line = make_line([GOOD]).start()

    line.plc.put_at_gate()

    line.finish()
    assert line.lanes == [REJECT_LANE]


def test_part_taken_away_does_not_lend_its_good_to_the_next_one(make_line: MakeLine):
    line = make_line([GOOD, DEFECT, GOOD], interval_ms=200).start()
    line.plc.feed(3)
    line.plc.wait_until(lambda: line.plc.entered >= 2, timeout_s=WAIT_S)

    line.plc.take_away(1)

    line.finish()
    assert line.lanes == [REJECT_LANE, GOOD_LANE]
