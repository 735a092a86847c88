"""Every fault of the handshake that Modbus, folder camera and station can show, with the lane that the part took.

In none of them may a part reach the good lane (1) without a GOOD of its own, in time.
"""

import time
from itertools import pairwise

import pytest

from partgate.errors import EngineError
from partgate.parts import Reason
from partgate.simulate.words import Word

from .conftest import DEFECT, GOOD, TORN, WAIT_S, WINDOW_MS, MakeLine

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


def test_good_written_while_the_controller_is_frozen_is_not_repeated_and_no_other_part_gets_it(make_line: MakeLine):
    line = make_line([GOOD, DEFECT, DEFECT, DEFECT]).start()
    line.inspector.may_go_on.clear()
    line.plc.feed(1)
    assert line.inspector.entered.wait(WAIT_S)
    line.plc.freeze()
    line.inspector.may_go_on.set()
    time.sleep(0.8)  # the freeze itself: longer than every time-out and watchdog

    line.plc.thaw()

    line.finish()
    line.plc.wait_until(lambda: line.plc.is_station_ready, timeout_s=WAIT_S)
    line.feed(1)
    records = line.records()
    assert line.lanes[1] == REJECT_LANE
    assert sum(write.sequence == records[0]["sequence"] and write.verdict == 1 for write in line.plc.writes) <= 1


def test_controller_that_was_restarted_gets_no_result_of_its_former_life(make_line: MakeLine):
    line = make_line([GOOD, GOOD]).start()
    line.inspector.may_go_on.clear()
    line.plc.feed(1)
    assert line.inspector.entered.wait(WAIT_S)
    seen = line.plc.scans
    line.plc.wait_until(lambda: line.plc.scans >= seen + 10, timeout_s=WAIT_S)  # past the camera sensor
    line.plc.restart()

    line.inspector.may_go_on.set()

    line.finish()
    line.plc.wait_until(lambda: line.plc.is_station_ready, timeout_s=WAIT_S)
    line.feed(1)
    assert line.lanes == [REJECT_LANE, GOOD_LANE]
    assert [(row["boot"], row["sequence"]) for row in line.records()] == [(1, 1), (2, 1)]


def test_cable_cut_and_mended_loses_no_trigger_from_the_records(make_line: MakeLine):
    line = make_line([GOOD, GOOD, GOOD]).start()
    line.feed(1)
    line.plc.cut()
    line.feed(1)

    line.plc.mend()

    line.plc.wait_until(lambda: line.plc.is_station_ready, timeout_s=WAIT_S)
    line.feed(1)
    records = line.records()
    assert line.lanes == [GOOD_LANE, REJECT_LANE, GOOD_LANE]
    assert [(row["sequence"], row["missed"]) for row in records] == [(1, False), (2, True), (3, False)]


def test_cable_cut_while_a_part_is_judged_leaves_its_record(make_line: MakeLine):
    line = make_line([GOOD, GOOD]).start()
    line.inspector.may_go_on.clear()
    line.plc.feed(1)
    assert line.inspector.entered.wait(WAIT_S)
    line.plc.cut()

    line.inspector.may_go_on.set()

    line.finish()
    line.plc.mend()
    line.plc.wait_until(lambda: line.plc.is_station_ready, timeout_s=WAIT_S)
    line.feed(1)
    records = line.records()
    assert line.lanes == [REJECT_LANE, GOOD_LANE]
    assert [(row["sequence"], row["sent"]) for row in records] == [(1, False), (2, True)]


def test_picture_that_is_cut_off_is_not_decidable_and_the_next_part_is_judged(make_line: MakeLine):
    line = make_line([TORN, GOOD]).start()

    line.feed(2)

    first, second = line.records()
    assert line.lanes == [REJECT_LANE, GOOD_LANE]
    assert (first["verdict"], first["reason"]) == ("RECHECK", Reason.NO_WHOLE_PICTURE)
    assert second["verdict"] == "GOOD"


def test_lost_camera_answers_every_trigger_as_not_decidable_and_the_heartbeat_goes_on(make_line: MakeLine):
    line = make_line([GOOD, GOOD]).start()
    hidden = line.pictures.with_name("hidden")
    line.pictures.rename(hidden)
    line.feed(2)
    line.plc.wait_until(lambda: line.plc.word(Word.VIS_FAULT) == 1, timeout_s=WAIT_S)
    assert not line.plc.watchdog_fault

    hidden.rename(line.pictures)

    line.plc.wait_until(lambda: line.plc.is_station_ready, timeout_s=WAIT_S)
    line.feed(1)
    records = line.records()
    assert line.lanes == [REJECT_LANE, REJECT_LANE, GOOD_LANE]
    assert [row["reason"] for row in records] == [Reason.NO_WHOLE_PICTURE, Reason.NO_WHOLE_PICTURE, Reason.MODEL]


def test_shadow_mode_records_verdicts_and_writes_no_result(make_line: MakeLine):
    line = make_line([GOOD, DEFECT], shadow=True).start()

    line.feed(2)

    records = line.records()
    assert line.lanes == [REJECT_LANE, REJECT_LANE]
    assert [(row["verdict"], row["sent"]) for row in records] == [("GOOD", False), ("REJECT", False)]
    assert not any(write.sequence for write in line.plc.writes)


def test_station_that_is_not_enabled_declares_the_trigger_missed(make_line: MakeLine):
    line = make_line([GOOD, GOOD]).start()
    line.plc.enable(False)
    line.plc.wait_until(lambda: line.plc.word(Word.CMD) == 0, timeout_s=WAIT_S)

    line.feed(1)

    (row,) = line.records()
    assert line.lanes == [REJECT_LANE]
    assert row["missed"]


def test_controller_that_wants_another_recipe_gets_no_good(make_line: MakeLine):
    line = make_line([GOOD]).start()
    line.plc.set_recipe(9)
    line.plc.wait_until(lambda: line.plc.word(Word.VIS_FAULT) == 3, timeout_s=WAIT_S)

    line.feed(1)

    (row,) = line.records()
    assert line.lanes == [REJECT_LANE]
    assert (row["verdict"], row["reason"]) == ("RECHECK", Reason.NOT_READY)


def test_records_that_cannot_be_written_end_in_fault_six_and_no_part_is_good(
    make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
):
    line = make_line([GOOD, GOOD, GOOD]).start()
    write = line.store._write
    full = True

    def write_or_fail(record: object) -> None:
        if full:
            raise OSError(28, "No space left on device")
        write(record)  # type: ignore[arg-type]

    monkeypatch.setattr(line.store, "_write", write_or_fail)
    line.feed(1)
    line.plc.wait_until(lambda: line.plc.word(Word.VIS_FAULT) == 6, timeout_s=WAIT_S)

    line.feed(1)
    full = False
    line.plc.wait_until(lambda: line.plc.is_station_ready, timeout_s=WAIT_S)
    line.feed(1)

    records = line.records()
    assert line.lanes == [GOOD_LANE, REJECT_LANE, GOOD_LANE]
    assert [row["sequence"] for row in records] == [1, 2, 3]


def test_station_restarted_on_the_same_records_declares_what_it_missed(make_line: MakeLine):
    first = make_line([GOOD]).start()
    first.feed(1)
    first.close()
    first.feed(2)
    second = make_line([GOOD], plc=first.plc)
    second.store = type(second.store)(first.folder / "records")
    second.folder = first.folder
    second.station._store = second.store
    second.station._signals._store = second.store

    second.start()
    second.feed(1)

    records = second.records()
    assert [(row["first_sequence"], row["sequence"], row["missed"]) for row in records] == [
        (1, 1, False), (2, 3, True), (4, 4, False),
    ]  # fmt: skip
    assert second.summary is not None
    assert second.summary.missed_before == 2
    assert first.lanes == [GOOD_LANE, REJECT_LANE, REJECT_LANE, GOOD_LANE]


def test_heartbeat_counts_up_one_by_one_while_idle(make_line: MakeLine):
    line = make_line([GOOD]).start()
    seen: list[int] = []

    def watch() -> bool:
        value = line.plc.word(Word.VIS_HB)
        if not seen or seen[-1] != value:
            seen.append(value)
        return len(seen) >= 6

    line.plc.wait_until(watch, timeout_s=WAIT_S)

    assert all(after == before + 1 for before, after in pairwise(seen))
