"""GPIO lines: what is asked of the library, against a stand-in that takes the library's own settings and values."""

import inspect
import sys

import pytest

from partgate.controllers.block import State, StationWords
from partgate.controllers.digital import DigitalControllerConfig, GpioChip
from partgate.controllers.wired import Wiring
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

WIRING = Wiring(trigger="IN0", good=17, heartbeat=18)


def digital(**settings: object) -> DigitalControllerConfig:
    return DigitalControllerConfig.model_validate(
        {"kind": "digital", "chip": "/dev/gpiochip0", "wiring": WIRING, **settings}
    )


def test_library_takes_lines_the_way_the_stand_in_does():
    gpiod = pytest.importorskip("gpiod")

    names = list(inspect.signature(gpiod.request_lines).parameters)

    assert names[:3] == ["path", "config", "consumer"]
    assert {"get_values", "set_values", "release"} <= set(dir(gpiod.LineRequest))


def test_outputs_are_off_at_the_moment_of_the_request(board):
    from gpiod.line import Bias, Direction, Value

    with digital(outputs_active_low=True, inputs_active_low=True, bias="pull_up").open():
        trigger, good = board.settings["IN0"], board.settings[17]

    assert (good.direction, good.output_value, good.active_low) == (Direction.OUTPUT, Value.INACTIVE, True)
    assert (trigger.direction, trigger.bias, trigger.active_low) == (Direction.INPUT, Bias.PULL_UP, True)
    assert board.history[0] == (17, False)
    assert board.changes(17) == []


def test_part_that_stood_at_the_camera_before_is_none(board):
    board.levels["IN0"] = True

    with digital(debounce=False).open() as controller:
        for _ in range(3):
            words = controller.read()

    assert words.trigger_sequence == 0


def test_lines_are_let_go_on_closing_and_off_before(board):
    with digital().open() as controller:
        pass

    assert not board.held
    assert not board.levels[17]
    with pytest.raises(ControllerError, match="is not connected"):
        controller.read()


def test_part_that_came_a_moment_before_the_result_withholds_its_good(board):
    with digital(debounce=False, window_ms=60000).open() as controller:
        controller.read()
        board.levels["IN0"] = True
        boot = controller.read().boot
        controller._stop.set()  # the watching thread does not happen to look now
        controller._watcher.join()
        board.levels["IN0"] = False
        controller.read()
        board.levels["IN0"] = True
        good = Result(Trigger(boot, 1, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)
        controller.send(good, StationWords(1, State.ONLINE, Fault.NONE, 1))

        assert board.changes(17) == []
        assert controller.read().trigger_sequence == 2


def test_line_that_another_program_holds_is_told(board):
    board.held = True

    with pytest.raises(ControllerError, match=r"lines IN0, 17, 18 cannot be requested .*busy.*gpioinfo lists them"):
        digital().open().__enter__()


def test_chip_that_is_not_there_is_told(board):
    board.is_there = False

    with pytest.raises(ControllerError, match=r"\(digital /dev/gpiochip0\): lines .* No such file"):
        digital().open().__enter__()


def test_chip_that_goes_away_tells_that_good_may_still_be_on(board):
    with digital().open() as controller:
        controller._rules.hold(1e12)
        board.fails = True
        with pytest.raises(ControllerError, match="could not be switched off, GOOD may still be on"):
            controller.read()

    assert not board.held


def test_missing_library_gives_the_line_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "gpiod", None)

    with pytest.raises(ControllerError, match=r'pip install "partgate\[digital\]"'):
        digital().open().__enter__()


def test_line_before_it_is_opened_is_an_error():
    with pytest.raises(OSError, match="is not connected"):
        GpioChip(chip="/dev/gpiochip0").lines().read(["IN0"])
