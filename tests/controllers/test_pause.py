"""The pause between two attempts to reach a controller that has failed."""

import pytest

from partgate.controllers.pause import Pause
from partgate.errors import ControllerError


def test_attempt_before_the_end_of_the_pause_is_refused_with_what_is_left() -> None:
    now = 5.0
    pause = Pause(clock=lambda: now)
    pause.lengthen()
    pause.lengthen()
    with pytest.raises(ControllerError, match=r"^press: is tried again in 0\.2 s"):
        pause.refuse_early("press")
    now = 5.2
    pause.refuse_early("press")


def test_pause_doubles_up_to_two_seconds_and_is_short_again_after_an_answer() -> None:
    now = 0.0
    pause = Pause(clock=lambda: now)
    for length in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
        pause.lengthen()
        now += length - 0.001
        with pytest.raises(ControllerError):
            pause.refuse_early("press")
        now += 0.002
        pause.refuse_early("press")
    pause.shorten()
    pause.lengthen()
    now += 0.101
    pause.refuse_early("press")


def test_refusals_wait_ever_longer_up_to_half_a_minute_and_failures_up_to_two_seconds() -> None:
    refusals, failures = [pauses(refused=refused) for refused in (True, False)]

    assert refusals == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    assert failures == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]


def pauses(*, refused: bool) -> list[float]:
    now, found = 0.0, []
    pause = Pause(clock=lambda: now)
    for _ in range(11):
        pause.lengthen(refused=refused)
        with pytest.raises(ControllerError, match="is tried again in") as told:
            pause.refuse_early("x")
        found.append(float(str(told.value).split()[-2]))
        now += found[-1] + 0.01
        pause.refuse_early("x")
    return found


def test_failure_after_long_refusals_waits_no_longer_than_a_failure_does() -> None:
    now = 0.0
    pause = Pause(clock=lambda: now)
    for _ in range(8):
        pause.lengthen(refused=True)
    pause.lengthen()
    now = 2.001
    pause.refuse_early("x")
