"""Every controller driver that carries the block must pass these; a new driver adds one entry to ``COUNTERPARTS``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import State, StationWords
from partgate.controllers.reduced import ReducedConfig
from partgate.drivers import driver_config_class, driver_kinds
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

from .counterparts import COUNTERPARTS

ONLINE = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)
CASES = [(kind, counterpart) for kind, counterparts in COUNTERPARTS.items() for counterpart in counterparts]


@pytest.fixture(params=CASES, ids=[f"{kind}-{counterpart.__name__}" for kind, counterpart in CASES])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ControllerConfig]:
    with request.param[1](tmp_path) as found:
        yield found


def good(sequence: int = 1, boot: int = 1) -> Result:
    return Result(Trigger(boot, sequence, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)


def test_every_registered_controller_stands_in_this_contract():
    kinds = driver_kinds("controller")
    reduced = {kind for kind in kinds if issubclass(driver_config_class("controller", kind), ReducedConfig)}

    assert set(COUNTERPARTS) == set(kinds) - reduced  # those stand in test_reduced_contract.py


def test_connected_controller_says_boot_trigger_and_acknowledge(config: ControllerConfig):
    with config.open() as controller:
        words = controller.read()

    assert (words.trigger_sequence, words.acknowledged) == (0, 0)
    assert words.boot >= 0


def test_connecting_writes_nothing(config: ControllerConfig):
    with config.open() as controller:
        first = controller.read()
    with config.open() as controller:
        second = controller.read()

    assert (first.acknowledged, second.acknowledged) == (0, 0)


def test_state_clear_and_result_are_taken_without_complaint(config: ControllerConfig):
    with config.open() as controller:
        controller.clear(ONLINE)
        controller.write_state(ONLINE)
        controller.send(good(), ONLINE)
        words = controller.read()

    assert words.boot >= 0


def test_poll_period_is_short_enough_for_a_window_of_200_ms(config: ControllerConfig):
    with config.open() as controller:
        assert 0 < controller.poll_period_s <= 0.02


def test_closed_controller_answers_with_a_controller_error(config: ControllerConfig):
    controller = config.open()
    with controller:
        pass

    with pytest.raises(ControllerError, match="controller 'controller'"):
        controller.send(good(), ONLINE)


def test_controller_prints_as_its_name_and_address(config: ControllerConfig):
    assert str(config.open()).startswith("controller 'controller' (")
