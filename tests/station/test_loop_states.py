"""The loop told to halt, locked by misses, without its controller or records; and what it tells whoever looks on."""

import time
from pathlib import Path

import pytest

from partgate.controllers.block import Command, State
from partgate.errors import ControllerError, ControllerPausedError, RecordError
from partgate.parts import Fault, Reason, StationState, Verdict
from partgate.station.status import Onlookers

from .played_loop import DONE, IDLE, PART
from .two_recipes import TwoRecipes


def test_queue_of_two_takes_a_part_before_the_acknowledge_of_the_last(tmp_path: Path):
    sixth = {"trigger_sequence": 6, "acknowledged": 4}
    steps = [IDLE, IDLE, PART, sixth, {**sixth, "acknowledged": 5}, {**sixth, "acknowledged": 6}]

    two = TwoRecipes(tmp_path, *steps, queue_depth=2).run()
    one = TwoRecipes(tmp_path, *steps, queue_depth=1).run()

    assert [(r.sequence, r.verdict, r.acknowledged) for r in two.store.records] == [
        (5, Verdict.GOOD, True),
        (6, Verdict.GOOD, True),
    ]
    assert [(r.sequence, r.reason, r.acknowledged) for r in one.store.records] == [
        (5, Reason.MODEL, False),
        (6, Reason.OVERRUN, True),
    ]


def test_acknowledge_of_a_later_result_leaves_the_one_before_unacknowledged(tmp_path: Path):
    sixth = {"trigger_sequence": 6, "acknowledged": 4}
    bench = TwoRecipes(tmp_path, IDLE, IDLE, PART, sixth, {**sixth, "acknowledged": 6}, queue_depth=2).run()

    assert [(record.sequence, record.acknowledged) for record in bench.store.records] == [(5, False), (6, True)]


def test_misses_in_a_row_lock_the_station_until_the_fault_is_cleared(tmp_path: Path):
    bench = TwoRecipes(
        tmp_path, IDLE, IDLE,
        {"trigger_sequence": 7, "acknowledged": 4}, {"trigger_sequence": 7, "acknowledged": 7},
        {"trigger_sequence": 7, "acknowledged": 7, "command": Command.ENABLE | Command.CLEAR_FAULT},
        {"trigger_sequence": 8, "acknowledged": 7}, {"trigger_sequence": 8, "acknowledged": 8},
        misses_in_a_row=2, stop=True,
    ).run()  # fmt: skip

    assert [record.reason for record in bench.store.records] == [Reason.OVERRUN, Reason.LOCKED, Reason.MODEL]
    assert [(event.kind, event.content["is"]) for event in bench.store.events] == [
        ("alarm", "begun"),
        ("alarm", "over"),
    ]


def test_full_bin_halts_the_station_meanwhile(tmp_path: Path):
    full = {"command": Command.ENABLE | Command.BIN_FULL}
    bench = TwoRecipes(
        tmp_path, IDLE, IDLE, {**IDLE, **full}, {**PART, **full}, {**DONE, **full}, {**DONE, "trigger_sequence": 6},
        {"trigger_sequence": 6, "acknowledged": 6}, stop_on=("bin_full",),
    ).run()  # fmt: skip

    assert [record.reason for record in bench.store.records] == [Reason.NOT_READY, Reason.MODEL]
    assert bench.store.records[0].detail == "the controller reports: the reject bin is full"


def test_onlookers_hear_each_record_and_the_state_with_each_heartbeat(tmp_path: Path):
    bench = TwoRecipes(tmp_path, IDLE, IDLE, PART, DONE).run()

    assert [record.sequence for record in bench.results] == [5]
    assert bench.statuses[-1].state is StationState.PREOPERATIONAL
    assert (bench.statuses[-1].results, bench.statuses[-1].recipe_number) == (1, 1)
    assert bench.alive.heard[0] == "ready"
    assert "stopping" in bench.alive.heard


def test_onlooker_that_fails_does_not_stop_the_line(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    def fail(what: object) -> None:
        raise RuntimeError("a bug")

    bench = TwoRecipes(tmp_path, IDLE, IDLE, PART, DONE)
    bench.station._onlookers = bench.station._books._onlookers = Onlookers([fail], [fail])

    bench.run()

    assert [record.verdict for record in bench.store.records] == [Verdict.GOOD]
    assert caplog.text.count("an onlooker failed") == 1


def test_lost_controller_is_told_and_the_loop_still_counts_as_alive(tmp_path: Path):
    lost = ControllerError("controller 'plc': cable cut")
    bench = TwoRecipes(tmp_path, IDLE, IDLE, lost, lost, IDLE).run()

    told = [status for status in bench.statuses if status.problem == "controller 'plc': cable cut"]
    assert told
    assert told[0].state is StationState.ERROR
    assert told[0].fault is Fault.CONTROLLER_LOST
    assert sum(text.startswith("error") for text in bench.alive.heard) >= 1


def test_state_word_says_locked_and_warning(tmp_path: Path):
    bench = TwoRecipes(
        tmp_path, IDLE, IDLE, *[{"trigger_sequence": 7, "acknowledged": 7}] * 4, misses_in_a_row=2, stop=True
    )
    bench.controller.poll_period_s = 0.11
    bench.run()

    wanted = State.LOCKED | State.WARNING
    assert any(said.state & wanted == wanted for said in bench.controller.states)
    assert StationState.HALTED in {said.station_state for said in bench.controller.states}


def test_parts_that_nobody_wants_judged_are_no_misses_in_a_row(tmp_path: Path):
    off = {"command": Command(0), "acknowledged": 4}
    bench = TwoRecipes(
        tmp_path, IDLE, IDLE, *[{"trigger_sequence": 5 + part, **off} for part in range(4)],
        {"trigger_sequence": 9, "acknowledged": 4}, {"trigger_sequence": 9, "acknowledged": 9},
        misses_in_a_row=2, stop=True,
    ).run()  # fmt: skip

    assert [record.reason for record in bench.store.records][-1] is Reason.MODEL
    assert bench.store.events == []


def test_miss_behind_a_result_that_waits_is_recorded_behind_it(tmp_path: Path):
    """A restart looks at the newest record: one out of order would be lost or declared twice."""
    off = {"command": Command(0), "trigger_sequence": 6, "acknowledged": 4}
    bench = TwoRecipes(tmp_path, IDLE, IDLE, PART, off, {**off, "acknowledged": 5}, queue_depth=2).run()

    assert [(record.sequence, record.missed, record.acknowledged) for record in bench.store.records] == [
        (5, False, True), (6, True, False),
    ]  # fmt: skip


def test_part_that_a_controller_wrote_after_a_silence_is_as_old_as_the_silence(tmp_path: Path):
    late = {**PART, "not_before": time.monotonic() - 2}
    bench = TwoRecipes(tmp_path, IDLE, IDLE, late, DONE).run()

    assert bench.outcomes == [(5, 5, False, "RECHECK", Reason.OVERRUN)]


def test_why_the_controller_was_lost_stays_the_problem_while_it_is_not_tried_again(tmp_path: Path):
    lost, paused = ControllerError("controller 'plc': cable cut"), ControllerPausedError("is tried again in 0.2 s")
    bench = TwoRecipes(tmp_path, IDLE, IDLE, lost, paused, paused, IDLE).run()

    lost_for = [status.problem for status in bench.statuses if status.problem and "plc" in status.problem]
    assert len(lost_for) >= 3
    assert not any("tried again" in (status.problem or "") for status in bench.statuses)


def test_station_that_starts_while_the_database_is_locked_waits_for_it(tmp_path: Path):
    bench = TwoRecipes(tmp_path, IDLE, IDLE, PART, DONE)
    errors = [RecordError("records.sqlite: cannot be read: database is locked")] * 2

    def last_trigger(station: str) -> tuple[int, int]:
        if errors:
            raise errors.pop()
        return 1, 4

    bench.store.last_trigger = last_trigger  # type: ignore[method-assign]
    bench.run()

    assert bench.outcomes == [(5, 5, False, "GOOD", Reason.MODEL)]


def test_station_that_is_stopped_while_it_waits_for_the_database_ends(tmp_path: Path):
    bench = TwoRecipes(tmp_path, IDLE)
    bench.controller.stop.set()

    def last_trigger(station: str) -> tuple[int, int]:
        raise RecordError("records.sqlite: cannot be read: database is locked")

    bench.store.last_trigger = last_trigger  # type: ignore[method-assign]
    with pytest.raises(RecordError, match="database is locked"):
        bench.run()
