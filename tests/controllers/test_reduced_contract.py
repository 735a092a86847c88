"""Every driver of the reduced profile must pass these; a new one adds its device to ``reduced_devices.py``."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from partgate.controllers.block import Command, State, StationWords
from partgate.controllers.reduced import ReducedConfig
from partgate.controllers.reduced_controller import ReducedController
from partgate.drivers import driver_config_class, driver_kinds
from partgate.errors import ControllerError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

from .reduced_devices import DEVICES, Device, TextDevice

ONLINE = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)
ROOMY = {"window_ms": 65000, "good_ms": 30000}  # longer than any test waits
WaitFor = Callable[[Callable[[], object]], None]
CASES = [pytest.param(make, id=f"{kind}-{n}") for kind, makes in DEVICES.items() for n, make in enumerate(makes)]
Running = tuple[Device, ReducedController]
Start = Callable[..., Any]


@pytest.fixture(params=CASES)
def start(request: pytest.FixtureRequest, wait_for: WaitFor) -> Iterator[Start]:
    """Give a way to a device and its opened controller, enabled, nothing at the camera."""
    running = []

    @contextmanager
    def run(**settings: int) -> Iterator[Running]:
        device = request.param(request.getfixturevalue, {**ROOMY, **settings})
        running.append(device)
        with device.config.open() as controller:
            device.set_enable(True)
            wait_for(lambda: Command.ENABLE in controller.read().command)
            controller.clear(ONLINE)
            yield device, controller

    yield run
    for device in running:
        if isinstance(device, TextDevice):
            device.go_away()


@pytest.fixture
def next_part(wait_for: WaitFor) -> Callable[[Running], int]:
    """Give a way to bring the next part to the camera and to wait until it is counted."""

    def bring(running: Running) -> int:
        device, controller = running
        before = controller.read().trigger_sequence
        device.set_trigger(False)
        for _ in range(3):  # the low level is seen, bounced or not
            controller.read()
        device.set_trigger(True)
        wait_for(lambda: controller.read().trigger_sequence != before)
        return controller.read().trigger_sequence

    return bring


@pytest.fixture
def watch(wait_for: WaitFor) -> Callable[[ReducedController], None]:
    """Give a way to let the driver's own thread read a few times, while the station does something else."""

    def read(controller: ReducedController) -> None:
        seen = {controller._polled_at}
        wait_for(lambda: len(seen | {controller._polled_at}) > 3 or seen.add(controller._polled_at))

    return read


def result(controller: ReducedController, sequence: int, verdict: Verdict = Verdict.GOOD, lane: int = 1) -> Result:
    trigger = Trigger(controller.read().boot, sequence, 200, 0.0, 0.2)
    return Result(trigger, Decision(verdict, Reason.MODEL), 0, lane if verdict is Verdict.GOOD else 0)


def test_every_registered_reduced_driver_stands_in_this_contract():
    kinds = driver_kinds("controller")
    reduced = {kind for kind in kinds if issubclass(driver_config_class("controller", kind), ReducedConfig)}

    assert set(DEVICES) == reduced


def test_opening_and_closing_put_out_no_good(start: Start):
    with start() as (device, controller):
        words = controller.read()

    assert (words.trigger_sequence, words.acknowledged, device.goods()) == (0, 0, [])
    assert words.boot > 0


def test_window_leaves_room_for_the_pulse(start: Start):
    with start(window_ms=900, good_ms=300) as (_, controller):
        assert controller.read().window_ms == 600


def test_each_edge_is_one_part_and_good_for_it_is_put_out_once(start: Start, next_part, wait_for: WaitFor):
    with start() as running:
        device, controller = running
        assert next_part(running) == 1
        assert next_part(running) == 2
        mine = result(controller, 2)
        controller.send(mine, ONLINE)
        wait_for(lambda: device.goods() == [True])
        acknowledged = controller.read().acknowledged
        controller.send(mine, ONLINE)
        controller.write_state(ONLINE)

        assert acknowledged == 2
        assert device.goods() == [True]


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.RECHECK])
def test_what_is_not_good_is_acknowledged_without_good(start: Start, next_part, verdict: Verdict):
    with start() as running:
        device, controller = running
        sequence = next_part(running)
        controller.send(result(controller, sequence, verdict), ONLINE)
        assert controller.read().acknowledged == sequence
        controller.send(result(controller, sequence), ONLINE)

    assert device.goods() == []


@pytest.mark.parametrize("case", ["part-before", "other-boot", "no-part", "lane-without-output"])
def test_good_that_is_not_for_the_last_part_is_withheld(start: Start, next_part, case: str):
    with start() as running:
        device, controller = running
        boot, sequence = controller.read().boot, 0
        if case != "no-part":
            sequence = next_part(running)
        if case == "part-before":
            next_part(running)
        if case == "other-boot":
            boot += 1
        trigger = Trigger(boot, sequence, 200, 0.0, 0.2)
        lane = 2 if case == "lane-without-output" else 1
        controller.send(Result(trigger, Decision(Verdict.GOOD, Reason.MODEL), 0, lane), ONLINE)
        acknowledged = controller.read().acknowledged

    assert device.goods() == []
    assert acknowledged == 0


def test_good_after_the_window_is_withheld_and_not_acknowledged(start: Start, next_part, wait_for: WaitFor):
    with start(window_ms=300, good_ms=10) as running:
        device, controller = running
        sequence = next_part(running)
        late_from = time.monotonic() + 0.3
        wait_for(lambda: time.monotonic() > late_from)
        controller.send(result(controller, sequence), ONLINE)
        acknowledged = controller.read().acknowledged

    assert device.goods() == []
    assert acknowledged == 0


def test_part_that_came_and_went_while_the_last_was_judged_withholds_its_good(start: Start, next_part, watch):
    with start() as running:
        device, controller = running
        mine = result(controller, next_part(running))
        for level in (False, True, False):
            device.set_trigger(level)
            watch(controller)
        controller.send(mine, ONLINE)
        words = controller.read()

    assert device.goods() == []
    assert (words.trigger_sequence, words.acknowledged) == (2, 0)


def test_good_without_enable_is_withheld(start: Start, next_part, wait_for: WaitFor):
    with start() as running:
        device, controller = running
        sequence = next_part(running)
        device.set_enable(False)
        wait_for(lambda: Command.ENABLE not in controller.read().command)
        controller.send(result(controller, sequence), ONLINE)

    assert device.goods() == []


@pytest.mark.parametrize("end", ["time", "next-part", "enable-off", "clear", "close"])
def test_good_goes_off_without_further_calls(start: Start, next_part, watch, wait_for: WaitFor, end: str):
    length = {"window_ms": 15000, "good_ms": 300} if end == "time" else {}
    with start(**length) as running:
        device, controller = running
        controller.send(result(controller, next_part(running)), ONLINE)
        wait_for(lambda: device.goods()[:1] == [True])
        if end == "next-part":
            for level in (False, True):
                device.set_trigger(level)
                watch(controller)
        if end == "enable-off":
            device.set_enable(False)
        if end == "clear":
            controller.clear(ONLINE)
        if end == "close":
            controller.__exit__()
        if not isinstance(device, TextDevice):  # that ends its output by itself
            wait_for(lambda: device.goods() == [True, False])
        wait_for(lambda: not controller._rules.holds_good)


def test_ready_busy_and_heartbeat_follow_the_station(start: Start, wait_for: WaitFor):
    with start() as (device, controller):
        controller.write_state(StationWords(3, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1))
        wait_for(lambda: (device.shows("READY"), device.shows("BUSY"), device.shows("HB")) == (True, False, True))
        controller.write_state(StationWords(4, State.ONLINE | State.BUSY, Fault.NONE, 1))
        wait_for(lambda: (device.shows("READY"), device.shows("BUSY"), device.shows("HB")) == (False, True, False))


def test_controllers_heartbeat_counts_while_the_device_answers(start: Start, wait_for: WaitFor):
    with start() as (_, controller):
        first, beat = controller.read().heartbeat, [1]

        def has_changed() -> bool:
            beat.append(beat[-1] + 1)
            controller.write_state(StationWords(beat[-1], ONLINE.state, Fault.NONE, 1))
            return controller.read().heartbeat != first

        wait_for(has_changed)


def test_device_that_falls_silent_is_an_error_and_its_part_gets_no_good(start: Start, next_part, wait_for: WaitFor):
    with start() as running:
        device, controller = running
        mine, beat = result(controller, next_part(running)), iter(range(10**6))
        device.freeze()
        wait_for(lambda: fails(lambda: controller.write_state(StationWords(next(beat), State(0), Fault.NONE, 1))))
        with pytest.raises(ControllerError, match="controller 'controller' "):
            controller.send(mine, ONLINE)

    assert device.goods() == []


def test_closed_controller_answers_with_a_controller_error(start: Start):
    with start() as (_, controller):
        controller.__exit__()
        for call in (controller.read, lambda: controller.clear(ONLINE), lambda: controller.send(None, ONLINE)):  # type: ignore[arg-type]
            with pytest.raises(ControllerError, match="is not connected"):
                call()


def test_second_opening_has_another_boot_and_the_old_result_fits_nothing(start: Start, next_part, wait_for: WaitFor):
    with start() as running:
        device, controller = running
        old = result(controller, next_part(running))
        controller.__exit__()
        wait_for(lambda: not fails(controller.__enter__))
        words = controller.read()
        controller.send(old, ONLINE)

    assert words.boot != old.trigger.boot
    assert words.trigger_sequence == 0
    assert True not in device.goods()


def fails(call: Callable[[], object]) -> bool:
    try:
        call()
    except ControllerError:
        return True
    return False


def test_device_that_is_not_there_is_told_with_its_address(start: Start):
    with start() as (device, controller):
        controller.__exit__()
        device.go_away()
        with pytest.raises(ControllerError, match=r"controller 'controller' \((serial|digital|tcp_text) .*"):
            device.config.open().__enter__()
