"""Rejects and misses in a row, and what the controller reports of its own devices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.controllers.block import Command
from partgate.parts import Decision, Reason, Verdict
from partgate.station.series import Alarms, AlarmsConfig

GOOD, REJECT = Decision(Verdict.GOOD, Reason.MODEL), Decision(Verdict.REJECT, Reason.MODEL)
NO_PICTURE = Decision(Verdict.RECHECK, Reason.NO_WHOLE_PICTURE)
BAND = Decision(Verdict.RECHECK, Reason.RECHECK_BAND)


class Told:
    def __init__(self, **settings: object) -> None:
        self.lines: list[tuple[str, bool]] = []
        config = AlarmsConfig(rejects_in_a_row=3, misses_in_a_row=2, **settings)  # type: ignore[arg-type]
        self.alarms = Alarms(config, lambda what, begins: self.lines.append((what, begins)))

    def judge(self, *decisions: Decision) -> "Told":
        for decision in decisions:
            self.alarms.judged(decision)
        return self


def test_three_rejects_in_a_row_are_told_once_and_end_with_the_next_good_part():
    told = Told().judge(REJECT, REJECT, REJECT, REJECT)
    assert told.alarms.series == "3 rejects in a row"
    assert not told.alarms.is_locked

    told.judge(GOOD)

    assert told.alarms.series is None
    assert told.lines == [("3 rejects in a row", True), ("3 rejects in a row", False)]


def test_alarm_says_what_was_wrong_with_the_newest_part_and_its_end_does_not():
    wrong_size = Decision(Verdict.RECHECK, Reason.NO_WHOLE_PICTURE, "camera 'top': 64 x 48 px")

    told = Told().judge(NO_PICTURE, wrong_size, GOOD)

    series = "2 parts without a verdict in a row"
    assert told.lines == [(f"{series}, last: camera 'top': 64 x 48 px", True), (series, False)]


def test_alarm_over_lost_triggers_says_why_the_last_was_lost():
    told = Told()

    told.alarms.missed(2, "the next part came too soon")

    assert told.lines == [("2 parts without a verdict in a row, last: the next part came too soon", True)]


@pytest.mark.parametrize("between", [GOOD, BAND], ids=["good", "recheck"])
def test_a_part_that_is_no_reject_begins_the_count_anew(between: Decision):
    told = Told().judge(REJECT, REJECT, between, REJECT, REJECT)

    assert told.alarms.series is None


def test_part_without_a_verdict_of_the_model_is_a_miss_and_no_end_of_rejects():
    told = Told().judge(REJECT, REJECT, NO_PICTURE, REJECT)

    assert told.alarms.series == "3 rejects in a row"


@pytest.mark.parametrize(
    "reason",
    [
        Reason.PICTURE_NOT_USABLE,
        Reason.NO_WHOLE_PICTURE,
        Reason.OVERRUN,
        Reason.TOO_LATE,
        Reason.ENGINE_FAILED,
    ],
)
def test_two_misses_in_a_row_are_told(reason: Reason):
    told = Told().judge(Decision(Verdict.RECHECK, reason))
    assert told.alarms.series is None

    told.alarms.missed(1)

    assert told.alarms.series == "2 parts without a verdict in a row"


def test_stop_locks_until_the_controller_clears_the_fault_and_no_part_does():
    told = Told(stop=True).judge(REJECT, REJECT, REJECT)
    assert told.alarms.is_locked

    told.judge(GOOD, Decision(Verdict.RECHECK, Reason.LOCKED))
    assert told.alarms.is_locked

    told.alarms.listen(Command.ENABLE | Command.CLEAR_FAULT)
    assert not told.alarms.is_locked
    told.judge(REJECT, REJECT)
    assert not told.alarms.is_locked


def test_limits_that_are_null_never_alarm():
    alarms = Alarms(AlarmsConfig(rejects_in_a_row=None, misses_in_a_row=None, stop=True))

    for _ in range(100):
        alarms.judged(REJECT)
    alarms.missed(100)

    assert not alarms.is_locked


def test_full_bin_halts_only_where_the_station_file_says_so_and_only_meanwhile():
    told, other = Told(stop_on=("bin_full",)), Told()
    for one in (told, other):
        one.alarms.listen(Command.ENABLE | Command.BIN_FULL)
        one.alarms.listen(Command.ENABLE | Command.BIN_FULL)

    assert told.alarms.halted_by == "the reject bin is full"
    assert other.alarms.halted_by is None
    assert other.alarms.warnings == ("the reject bin is full",)

    told.alarms.listen(Command.ENABLE)
    assert told.alarms.halted_by is None
    assert told.lines == [("the reject bin is full", True), ("the reject bin is full", False)]


def test_stop_that_somebody_wants_neither_counts_nor_ends_a_series():
    not_ready = Decision(Verdict.RECHECK, Reason.NOT_READY)

    told = Told().judge(REJECT, REJECT, *[not_ready] * 9, REJECT)

    assert told.alarms.series == "3 rejects in a row"


@given(st.lists(st.sampled_from([GOOD, REJECT, BAND, NO_PICTURE])))
def test_locked_station_is_never_unlocked_by_what_it_judges(decisions: list[Decision]):
    told = Told(stop=True).judge(REJECT, REJECT, REJECT).judge(*decisions)

    assert told.alarms.is_locked
