"""No controller: results are taken, nothing is announced, nothing sorts."""

import pytest

from partgate.controllers.block import Command, State, StationWords
from partgate.controllers.none import NoneControllerConfig
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

ONLINE = StationWords(1, State.ONLINE, Fault.NONE, 1)


def result(sequence: int, lane: int = 1) -> Result:
    return Result(Trigger(1, sequence, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, lane)


def test_controller_that_is_not_open_takes_no_result():
    with pytest.raises(ControllerError, match=r"controller 'controller' \(none\): is not open"):
        NoneControllerConfig(kind="none").open().send(result(1), ONLINE)


def test_good_without_a_lane_is_refused_as_on_a_wire():
    with NoneControllerConfig(kind="none").open() as controller, pytest.raises(ValueError, match="lane 0"):
        controller.send(result(1, lane=0), ONLINE)


def test_no_part_is_announced_and_every_result_is_acknowledged():
    with NoneControllerConfig(kind="none").open() as controller:
        before = controller.read()
        controller.send(result(7), ONLINE)
        after = controller.read()

    assert (before.trigger_sequence, before.acknowledged, before.command) == (0, 0, Command.ENABLE)
    assert (after.trigger_sequence, after.acknowledged) == (0, 7)
    assert before.boot == after.boot > 0
