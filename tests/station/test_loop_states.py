"""The loop told by the controller to change the recipe, to halt, to share; and what it tells whoever looks on."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partgate.controllers.block import Command, State
from partgate.errors import ControllerError, ControllerPausedError, RecordError
from partgate.parts import Fault, Reason, Record, StationState, StationStatus, Verdict
from partgate.station.account import StationFacts
from partgate.station.loop import Station
from partgate.station.recipes import RecipeShelf
from partgate.station.series import AlarmsConfig
from partgate.station.status import Onlookers
from partgate.station.views import View, Views

from .conftest import PlayedInspector, make_recipe
from .test_loop import AGE_S, DONE, IDLE, PART, Bench, PlayedCamera, PlayedController, PlayedStore

CHANGE = Command.ENABLE | Command.CHANGE_RECIPE


class Alive:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def ready(self) -> None:
        self.heard.append("ready")

    def beat(self, text: str) -> None:
        self.heard.append(text)

    def stopping(self) -> None:
        self.heard.append("stopping")


class TwoRecipes(Bench):
    """A bench whose second recipe rejects what the first calls good."""

    def __init__(self, folder: Path, *script: Any, queue_depth: int = 1, **alarms: Any) -> None:
        self.controller = PlayedController(list(script))
        self.camera, self.store = PlayedCamera(), PlayedStore((1, 4))
        self.inspector = PlayedInspector(make_recipe(folder))
        self.opened = threading.Event()
        self.statuses: list[StationStatus] = []
        self.results: list[Record] = []
        self.alive = Alive()
        view = View("top", self.inspector, "a" * 64, "1" * 64)
        shelf = RecipeShelf(Views(1, (view,), 0.01), (1, 2), self._open)
        self.station = Station(
            StationFacts("line", trigger_age_s=AGE_S, queue_depth=queue_depth), self.controller, self.camera, shelf,
            self.store, AlarmsConfig(**alarms), Onlookers([self.statuses.append], [self.results.append]), self.alive,
        )  # fmt: skip

    def _open(self, number: int) -> Views:
        other = PlayedInspector(self.inspector.recipe.model_copy(update={"name": "other", "lanes": {"GOOD": 2}}))
        self.opened.set()
        return Views(number, (View("top", other, "b" * 64, "2" * 64),), 0.01)


def when(condition: Callable[[], bool], then: dict[str, Any], otherwise: dict[str, Any]) -> list[Any]:
    """Give steps that read ``otherwise`` until a condition holds; the bench ends after them."""

    def step() -> dict[str, Any]:
        return then if condition() else otherwise

    return [step] * 400


def test_recipe_changes_by_number_between_two_parts_and_the_change_is_on_record(tmp_path: Path):
    wish = {**DONE, "command": CHANGE, "recipe": 2}
    bench = TwoRecipes(tmp_path)
    steps = [IDLE, IDLE, PART, DONE, wish, *when(lambda: bench.station._shelf.number == 2, wish, wish)[:20]]
    bench.controller.poll_period_s = 0.005
    bench.controller.script = [
        *steps,
        {**DONE, "trigger_sequence": 6, "recipe": 2},
        {"trigger_sequence": 6, "acknowledged": 6, "recipe": 2},
    ]
    bench.run()

    assert [(record.recipe, record.lane, record.recipe_sha256) for record in bench.store.records] == [
        ("made", 1, "1" * 64),
        ("other", 2, "2" * 64),
    ]
    assert [(event.kind, event.content["was"], event.content["is"]) for event in bench.store.events] == [
        ("change", 1, 2)
    ]
    assert bench.controller.states[-1].recipe == 2


def test_part_that_comes_while_the_recipe_is_changed_is_not_decidable(tmp_path: Path):
    bench = TwoRecipes(
        tmp_path, IDLE, IDLE, {**PART, "command": CHANGE, "recipe": 2}, {**DONE, "command": CHANGE, "recipe": 2}
    ).run()

    assert bench.outcomes == [(5, 5, False, "RECHECK", Reason.NOT_READY)]


def test_unknown_recipe_is_refused_told_and_no_part_is_judged_by_another(tmp_path: Path):
    wish = {"command": CHANGE, "recipe": 9}
    bench = TwoRecipes(tmp_path, IDLE, IDLE, {**IDLE, **wish}, {**PART, **wish}, {**DONE, **wish}).run()

    assert bench.outcomes == [(5, 5, False, "RECHECK", Reason.NOT_READY)]
    assert "recipe 9 does not stand in the station file; it names 1, 2" in bench.store.records[0].detail
    assert Fault.RECIPE in {said.fault for said in bench.controller.states}
    assert not bench.opened.is_set()


def test_number_without_the_change_bit_changes_nothing(tmp_path: Path):
    bench = TwoRecipes(tmp_path, IDLE, IDLE, *[{**IDLE, "recipe": 2}] * 5).run()

    assert not bench.opened.is_set()


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


def test_second_station_is_found_by_its_heartbeat_before_anything_is_written(tmp_path: Path):
    count = iter(range(7, 1000))
    bench = TwoRecipes(tmp_path, IDLE, IDLE, PART, DONE)
    bench.controller.foreign = lambda: bench.controller.stop.set() or next(count)  # type: ignore[func-returns-value]

    bench.run()

    assert (bench.controller.states, bench.controller.cleared, bench.controller.sent) == ([], 0, [])
    assert "another station writes there (fault 9)" in (bench.statuses[0].problem or "")
    assert bench.statuses[0].fault is Fault.SECOND_STATION


def test_heartbeat_that_an_earlier_run_left_is_counted_on_from(tmp_path: Path):
    bench = TwoRecipes(tmp_path, IDLE, IDLE, IDLE)
    bench.controller.foreign = lambda: bench.controller.states[-1].heartbeat if bench.controller.states else 41

    bench.run()

    assert bench.controller.states[0].heartbeat == 42


def test_station_that_comes_later_is_found_while_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("partgate.station.second._LOOK_EVERY_S", 0.0)
    count = iter(range(1000, 9999))
    bench = TwoRecipes(tmp_path, *[IDLE] * 10)
    looks: list[int] = []

    def foreign() -> int:
        looks.append(1)
        if len(looks) > 6:
            bench.controller.stop.set()
        own = bench.controller.states[-1].heartbeat if bench.controller.states else 0
        return own if len(looks) < 3 else next(count)

    bench.controller.foreign = foreign
    bench.run()

    assert any("another station writes there" in (status.problem or "") for status in bench.statuses)


def test_late_write_of_its_own_is_not_taken_for_another_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("partgate.station.second._LOOK_EVERY_S", 0.0)
    bench = TwoRecipes(tmp_path, IDLE, IDLE, IDLE, IDLE, PART, DONE)
    bench.controller.foreign = lambda: 65000  # stands still

    bench.run()

    assert [record.verdict for record in bench.store.records] == [Verdict.GOOD]


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


def test_no_part_is_judged_while_a_recipe_is_opened_whatever_number_stands_there_now(tmp_path: Path):
    bench = TwoRecipes(tmp_path)
    may_open = threading.Event()
    opened = bench._open
    bench.station._shelf._open_views = lambda number: may_open.wait(20) and opened(number)  # type: ignore[assignment, return-value]
    wish = {"command": CHANGE, "recipe": 2}
    bench.controller.script = [IDLE, IDLE, {**IDLE, **wish}, IDLE, PART, DONE]

    bench.run()
    may_open.set()

    assert bench.outcomes == [(5, 5, False, "RECHECK", Reason.NOT_READY)]
    assert bench.store.records[0].detail == "recipe 2 is being opened"


def test_why_the_controller_was_lost_stays_the_problem_while_it_is_not_tried_again(tmp_path: Path):
    lost, paused = ControllerError("controller 'plc': cable cut"), ControllerPausedError("is tried again in 0.2 s")
    bench = TwoRecipes(tmp_path, IDLE, IDLE, lost, paused, paused, IDLE).run()

    lost_for = [status.problem for status in bench.statuses if status.problem and "plc" in status.problem]
    assert len(lost_for) >= 3
    assert not any("tried again" in (status.problem or "") for status in bench.statuses)


def test_two_fresh_stations_on_zeroed_words_find_each_other(tmp_path: Path):
    """Both begin at 0: that the word equals one's own first heartbeat says nothing."""
    values = iter([0, 0, 1, 2, 3])
    bench = TwoRecipes(tmp_path, IDLE, IDLE)
    bench.controller.foreign = lambda: bench.controller.stop.set() or next(values, 9)  # type: ignore[func-returns-value]

    bench.run()

    assert bench.controller.states == []
    assert "another station writes there" in (bench.statuses[0].problem or "")


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
