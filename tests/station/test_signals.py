"""What the station says of itself: the state word, the fault in force, the heartbeat and the controller's."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from partgate.controllers.block import Command, ControllerWords, State, StationWords
from partgate.errors import EngineError
from partgate.parts import Fault, StationState
from partgate.station import signals
from partgate.station.drifts import Drifts
from partgate.station.recipes import RecipeShelf
from partgate.station.series import Alarms, AlarmsConfig
from partgate.station.signals import BEAT_S, ENGINE_CHECK_S, LOST_AFTER_S, Signals
from partgate.station.views import View, Views


@dataclass
class Played:
    """Engine, camera, store and controller in one."""

    is_lost: bool = False
    problem: str | None = None
    differences: tuple[str, ...] = ()
    locks: bool = True
    error: Exception | None = None
    checks: int = 0
    written: list[StationWords] = field(default_factory=list)

    def check(self) -> None:
        self.checks += 1
        if self.error:
            raise self.error

    def write_state(self, words: StationWords) -> None:
        self.written.append(words)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def played() -> Played:
    return Played()


def make_signals(played: Played, alarms: Alarms | None = None, *, shadow: bool = False) -> Signals:
    view: Any = View("top", as_inspector(played), "0" * 64)
    shelf = RecipeShelf(Views(3, (view,), 0.01), (3, 5))
    cameras: Any = played
    drifts = Drifts(shelf, lambda kind, content: None)
    return Signals(shelf, cameras, cameras, alarms or Alarms(AlarmsConfig()), drifts, shadow=shadow)


@pytest.fixture
def station(played: Played, clock: list[float]) -> Signals:
    made = make_signals(played)
    made.start_listening(words(1))
    made.listen(words(2), as_controller(played))
    return made


def words(heartbeat: int, recipe: int = 0) -> ControllerWords:
    return ControllerWords(heartbeat, 0, 0, Command.ENABLE, recipe, 200, 1)


def as_controller(played: Played) -> Any:
    return played


def as_inspector(played: Played) -> Any:
    return played


def test_healthy_station_is_online_ready_and_without_fault(station: Signals):
    said = station.words()

    assert said.state == State.ONLINE | State.TRIGGER_READY | State.RECIPE_READY
    assert (said.fault, said.recipe) == (Fault.NONE, 3)


def test_controller_counts_as_lost_until_its_heartbeat_has_changed(played: Played, clock: list[float]):
    station = make_signals(played, shadow=False)
    station.start_listening(words(7))
    station.listen(words(7), as_controller(played))

    assert station.fault() is Fault.CONTROLLER_LOST
    assert station.why_not_ready() == "the controller's heartbeat does not change"

    station.listen(words(8), as_controller(played))
    assert station.why_not_ready() is None


def test_controller_is_lost_after_300_ms_without_a_change_and_back_with_the_next(
    station: Signals, played: Played, clock: list[float]
):
    clock[0] += LOST_AFTER_S + 0.01
    station.listen(words(2), as_controller(played))
    assert not station.is_heard
    assert State.TRIGGER_READY not in station.words().state

    station.listen(words(3), as_controller(played))

    assert station.is_heard


def test_heartbeat_is_written_every_100_ms_and_not_more_often(station: Signals, played: Played, clock: list[float]):
    for _ in range(5):
        station.beat(as_controller(played))
    clock[0] += BEAT_S
    station.beat(as_controller(played))

    assert [said.heartbeat for said in played.written] == [1, 2]


def test_heartbeat_goes_from_65535_to_0(station: Signals, played: Played, clock: list[float]):
    station._heartbeat = 65535

    station.beat(as_controller(played))

    assert played.written[-1].heartbeat == 0


def test_idle_engine_is_tried_before_the_heartbeat_and_a_busy_one_is_left_alone(
    station: Signals, played: Played, clock: list[float]
):
    station.beat(as_controller(played))
    assert played.checks == 1

    station.engine_answered(failed=False)
    clock[0] += ENGINE_CHECK_S / 2
    station.beat(as_controller(played))
    assert played.checks == 1

    clock[0] += ENGINE_CHECK_S
    station.beat(as_controller(played), check_engine=False)
    assert played.checks == 1


def test_engine_that_failed_is_a_fault_until_it_answers_again(station: Signals, played: Played, clock: list[float]):
    played.error = EngineError("out of memory")
    station.beat(as_controller(played))
    assert played.written[-1].fault is Fault.ENGINE

    played.error = None
    clock[0] += ENGINE_CHECK_S + BEAT_S
    station.beat(as_controller(played))

    assert played.written[-1].fault is Fault.NONE


@pytest.mark.parametrize(
    ("change", "fault", "bit"),
    [
        ({"is_lost": True}, Fault.CAMERA, State.CAMERA_LOST),
        ({"problem": "disk full"}, Fault.RECORDS, State.FAULT),
    ],
    ids=["camera", "records"],
)
def test_lost_camera_and_full_disk_are_told_and_take_the_ready_bit(
    station: Signals, played: Played, change: dict[str, Any], fault: Fault, bit: State
):
    for name, value in change.items():
        setattr(played, name, value)

    said = station.words()

    assert said.fault is fault
    assert bit in said.state
    assert State.TRIGGER_READY not in said.state


def test_another_recipe_wanted_takes_the_recipe_bit(station: Signals, played: Played):
    station.listen(words(3, recipe=9), as_controller(played))

    said = station.words()

    assert said.fault is Fault.RECIPE
    assert State.RECIPE_READY not in said.state
    assert station.why_not_ready() == "recipe 9 does not stand in the station file; it names 3, 5"


def test_missing_acknowledge_is_told_and_the_next_part_is_taken(station: Signals):
    station.acknowledged(False)

    said = station.words()

    assert said.fault is Fault.NO_ACKNOWLEDGE
    assert State.TRIGGER_READY in said.state


def test_busy_station_is_not_ready(station: Signals):
    station.is_busy = True

    assert State.BUSY in station.words().state
    assert State.TRIGGER_READY not in station.words().state


def test_shadow_mode_stands_in_the_state_word(played: Played, clock: list[float]):
    assert State.SHADOW in make_signals(played, shadow=True).words().state


def test_records_that_cannot_be_written_are_told_while_sorting_goes_on(station: Signals, played: Played):
    played.problem, played.locks = "disk full", False

    said = station.words()

    assert said.fault is Fault.RECORDS
    assert said.state & (State.TRIGGER_READY | State.WARNING) == State.TRIGGER_READY | State.WARNING
    assert station.warnings == ("records cannot be written: disk full",)
    assert said.station_state is StationState.READY


def test_recipe_that_is_wanted_without_asking_for_the_change_is_told(station: Signals, played: Played):
    station.listen(words(3, recipe=5), as_controller(played))

    assert station.why_not_ready() == "the controller wants another recipe than 3 and does not ask for it (CMD bit 2)"


def halted(station: Signals, alarms: Alarms) -> None:
    alarms.listen(Command.ENABLE | Command.BIN_FULL)


def not_enabled(station: Signals, alarms: Alarms) -> None:
    station.listen(ControllerWords(3, 0, 0, Command(0), 0, 200, 1), as_controller(None))  # type: ignore[arg-type]


def busy(station: Signals, alarms: Alarms) -> None:
    station.is_busy = True


def failed(station: Signals, alarms: Alarms) -> None:
    station.engine_answered(failed=True)


def locked(station: Signals, alarms: Alarms) -> None:
    alarms.missed(5)


@pytest.mark.parametrize(
    ("happens", "state"),
    [
        (lambda station, alarms: None, StationState.READY),
        (not_enabled, StationState.INITIALIZED),
        (busy, StationState.SINGLE_EXECUTION),
        (failed, StationState.ERROR),
        (halted, StationState.HALTED),
        (locked, StationState.HALTED),
    ],
    ids=["ready", "initialized", "single_execution", "error", "halted", "locked"],
)
def test_state_has_the_name_of_opc_40100(played: Played, clock: list[float], happens: Any, state: StationState):
    alarms = Alarms(AlarmsConfig(stop=True, stop_on=("bin_full",)))
    station = make_signals(played, alarms)
    station.start_listening(words(1))
    station.listen(words(2), as_controller(played))

    happens(station, alarms)

    assert station.words().station_state is state
    assert (State.TRIGGER_READY in station.words().state) == (state in (StationState.READY, StationState.INITIALIZED))
    assert station.words(online=False).station_state is StationState.PREOPERATIONAL


def test_drift_of_the_pictures_is_a_warning_that_stops_nothing(station: Signals, monkeypatch: pytest.MonkeyPatch):
    before = station.words()
    monkeypatch.setattr(Drifts, "warnings", ("camera 'top': brightness falls",))

    assert State.WARNING not in before.state
    assert State.WARNING in station.words().state
    assert (station.words().fault, station.fault()) == (before.fault, before.fault)
    assert station.warnings == ("camera 'top': brightness falls",)
