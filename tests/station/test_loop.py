"""The loop against a controller that is played word by word: ages, deadlines, gaps, lost answers, bugs."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from partgate.controllers.block import Command, State
from partgate.errors import CameraError, ControllerError
from partgate.parts import Reason

from .played_loop import AGE_S, DONE, IDLE, PART, Bench, late


def test_part_of_a_quick_controller_is_judged_and_acknowledged(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART, DONE).run()

    assert bench.outcomes == [(5, 5, False, "GOOD", Reason.MODEL)]
    assert bench.store.records[0].acknowledged
    assert bench.summary.adds_up


def test_trigger_in_an_answer_that_came_late_is_an_overrun_without_a_picture(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, late(PART, 2 * AGE_S), DONE).run()

    assert bench.outcomes == [(5, 5, False, "RECHECK", Reason.OVERRUN)]
    assert bench.camera.grabs == 0


def test_deadline_is_counted_from_the_question_that_did_not_know_the_trigger(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, late(PART, AGE_S / 2), DONE)

    bench.run()

    trigger = bench.controller.sent[0].trigger
    assert trigger.deadline - 0.2 <= trigger.seen_at - AGE_S / 2


def test_idle_engine_is_not_tried_while_a_part_waits(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART, DONE)
    tried: list[int] = []
    bench.inspector.check = lambda: tried.append(bench.camera.grabs)  # type: ignore[method-assign]
    bench.station._signals._engine_ok_at = -100.0
    bench.controller.script = [IDLE, PART, DONE]

    bench.run()

    assert bench.outcomes[0][3] == "GOOD"
    assert 0 not in tried[:1] or bench.camera.grabs == 1


def test_triggers_that_passed_between_two_reads_are_declared_and_the_newest_is_judged(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, {"trigger_sequence": 7}, {"trigger_sequence": 7, "acknowledged": 7}).run()

    assert bench.outcomes == [(5, 6, True, "RECHECK", Reason.OVERRUN), (7, 7, False, "GOOD", Reason.MODEL)]
    assert (bench.summary.triggers, bench.summary.results, bench.summary.misses) == (3, 1, 2)


def test_block_is_cleared_on_connect_before_anything_else_is_sent(tmp_path: Path):
    assert Bench(tmp_path, IDLE, IDLE).run().controller.cleared == 1


def test_bug_while_a_part_is_judged_stops_the_station_and_the_part_is_on_record(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART, DONE)
    bench.inspector.inspect = lambda image: 1 / 0  # type: ignore[method-assign,assignment,return-value]

    with pytest.raises(ZeroDivisionError):
        bench.run()

    assert bench.outcomes == [(5, 5, True, "RECHECK", Reason.NOT_READY)]
    assert not bench.controller.sent


def test_controller_lost_before_the_acknowledge_leaves_the_record_without_it(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART, ControllerError("cable"), DONE, DONE).run()

    assert bench.outcomes == [(5, 5, False, "GOOD", Reason.MODEL)]
    assert not bench.store.records[0].acknowledged


def test_station_that_is_stopped_before_the_acknowledge_leaves_the_record(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART, ControllerError("cable")).run()

    assert [row[1] for row in bench.outcomes] == [5]


@pytest.mark.parametrize(
    "answer",
    [{"trigger_sequence": 5, "acknowledged": 3}, {"trigger_sequence": 5, "acknowledged": 5, "boot": 2}],
    ids=["older-sequence", "other-boot"],
)
def test_acknowledge_of_another_result_does_not_count(tmp_path: Path, answer: dict[str, int]):
    bench = Bench(tmp_path, IDLE, IDLE, PART, answer).run()

    assert not bench.store.records[0].acknowledged


def test_window_that_is_not_set_is_200_ms(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART | {"window_ms": 0}, DONE).run()

    assert bench.controller.sent[0].trigger.window_ms == 200
    assert bench.outcomes[0][3] == "GOOD"


def test_sequence_zero_is_no_part(tmp_path: Path):
    bench = Bench(tmp_path, {"trigger_sequence": 0}, {"trigger_sequence": 0}, {"trigger_sequence": 0}).run()

    assert bench.store.records == []


def test_sequence_that_goes_back_is_a_restart_and_not_sixty_thousand_misses(tmp_path: Path):
    bench = Bench(
        tmp_path, {"trigger_sequence": 5000}, {"trigger_sequence": 5000}, *[{"trigger_sequence": 2}] * 2, last=None
    ).run()

    assert bench.outcomes == [(1, 2, True, "RECHECK", Reason.NOT_READY)]


def test_station_that_was_off_for_nearly_a_round_declares_all_of_it(tmp_path: Path):
    bench = Bench(tmp_path, *[{"trigger_sequence": 40_004, "acknowledged": 40_004}] * 3, last=(1, 4)).run()

    assert bench.outcomes == [(5, 40_004, True, "RECHECK", Reason.NOT_READY)]
    assert bench.summary.missed_before == 40_000


def test_controller_that_does_not_count_its_starts_gets_no_good(tmp_path: Path):
    bench = Bench(tmp_path, *({**step, "boot": 0} for step in (IDLE, IDLE, PART, DONE)), last=(0, 4)).run()

    assert bench.outcomes == [(5, 5, False, "RECHECK", Reason.NOT_READY)]


def test_camera_is_waited_for_no_longer_than_the_window_allows(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART, DONE).run()

    assert 0.1 < bench.camera.timeouts[0] <= 0.2 - 0.01 - 0.02


def test_heartbeat_goes_on_while_a_picture_is_awaited(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART | {"window_ms": 1000}, DONE)

    def wait(keep_beating: Callable[[], None]) -> None:
        until = time.monotonic() + 0.35
        while time.monotonic() < until:
            keep_beating()

    bench.camera.before = wait
    before = len(bench.controller.states)
    bench.run()

    assert len(bench.controller.states) - before >= 4


def test_no_picture_in_time_is_not_decidable(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART, DONE)

    def fail(keep_beating: Callable[[], None]) -> None:
        raise CameraError("no picture")

    bench.camera.before = fail
    bench.run()

    assert bench.outcomes == [(5, 5, False, "RECHECK", Reason.NO_WHOLE_PICTURE)]


def test_result_whose_answer_was_lost_is_on_record_as_not_confirmed(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART, DONE, DONE)
    bench.controller.send_error = ControllerError("no answer")
    bench.run()

    assert not bench.store.records[0].sent
    assert "not confirmed by the controller" in bench.store.records[0].detail


def test_triggers_that_come_while_the_station_lingers_are_declared(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE, PART, DONE, {"trigger_sequence": 6, "acknowledged": 5}).run(linger_s=0.02)

    assert bench.outcomes[-1] == (6, 6, True, "RECHECK", Reason.NOT_READY)
    assert bench.summary.adds_up


def test_heartbeat_goes_on_while_the_station_lingers_and_then_it_is_offline(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, IDLE)

    bench.run(linger_s=0.35)

    heartbeats = [words.heartbeat for words in bench.controller.states]
    assert len(set(heartbeats)) >= 3
    assert State.ONLINE not in bench.controller.states[-1].state
    assert all(State.ONLINE in words.state for words in bench.controller.states[:-1])


def test_fault_of_a_missing_acknowledge_can_be_cleared_by_the_controller(tmp_path: Path):
    clear = Command.ENABLE | Command.CLEAR_FAULT
    bench = Bench(tmp_path, IDLE, IDLE, PART, ControllerError("cable"), DONE, DONE | {"command": clear}, DONE).run()

    assert bench.station._signals.words().fault.name != "NO_ACKNOWLEDGE"
