"""Faults of controller, cable, camera and disk, with the lane that the part took: none passes without its own GOOD."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from partgate.parts import Reason
from partgate.records.config import RecordsConfig
from partgate.simulate.words import Word

from .conftest import DEFECT, GOOD, TORN, WAIT_S, MakeLine

REJECT_LANE, GOOD_LANE = 0, 1


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


@pytest.mark.parametrize(
    ("when_unwritable", "lane_meanwhile"), [("continue", GOOD_LANE), ("lock", REJECT_LANE)], ids=["continue", "lock"]
)
def test_records_that_cannot_be_written_end_in_fault_six_and_lock_where_that_is_wanted(
    make_line: MakeLine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    when_unwritable: Literal["continue", "lock"],
    lane_meanwhile: int,
):
    records = RecordsConfig(folder=tmp_path / "records", when_unwritable=when_unwritable)
    line = make_line([GOOD, GOOD, GOOD], records=records).start()
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
    line.plc.wait_until(lambda: line.plc.word(Word.VIS_FAULT) == 0, timeout_s=WAIT_S)
    line.plc.wait_until(lambda: line.plc.is_station_ready, timeout_s=WAIT_S)
    line.feed(1)

    rows = line.records()
    assert line.lanes == [GOOD_LANE, lane_meanwhile, GOOD_LANE]
    assert [row["sequence"] for row in rows] == [1, 2, 3]


def test_station_restarted_on_the_same_records_declares_what_it_missed(make_line: MakeLine):
    first = make_line([GOOD]).start()
    first.feed(1)
    first.close()
    first.feed(2)
    second = make_line([GOOD], plc=first.plc, records=RecordsConfig(folder=first.folder / "records"))

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
