"""The loop told by the controller to change the recipe: between two parts, or not at all."""

import threading
from pathlib import Path

from partgate.parts import Fault, Reason

from .played_loop import DONE, IDLE, PART
from .two_recipes import CHANGE, TwoRecipes, when


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
