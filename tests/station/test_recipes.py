"""Recipes by number: opened behind the running line, refused without harm, kept open for the way back."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from partgate.errors import BundleError
from partgate.station.recipes import RecipeShelf
from partgate.station.views import Views


def views(number: int) -> Views:
    view: Any = object()
    return Views(number, (view,), 0.01)


class Opener:
    """Opens a recipe once it may; an error is raised instead."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.errors: dict[int, Exception] = {}
        self.may_open = threading.Event()
        self.may_open.set()

    def __call__(self, number: int) -> Views:
        assert self.may_open.wait(20)
        self.opened.append(number)
        if number in self.errors:
            raise self.errors[number]
        return views(number)


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
def shelf(opener: Opener) -> RecipeShelf:
    return RecipeShelf(views(1), (1, 2, 3), opener)


def settle(shelf: RecipeShelf) -> Views | None:
    for _ in range(2000):
        changed = shelf.settle()
        if changed is not None or not shelf.is_opening:
            return changed
        threading.Event().wait(0.01)
    raise AssertionError("the recipe was not opened")


def change(shelf: RecipeShelf, number: int) -> Views | None:
    shelf.want(number)
    return settle(shelf)


def test_recipe_in_force_stays_until_the_other_is_open(shelf: RecipeShelf, opener: Opener):
    opener.may_open.clear()
    shelf.want(2)
    assert shelf.settle() is None
    assert (shelf.number, shelf.is_opening) == (1, True)

    opener.may_open.set()
    before = settle(shelf)

    assert before is not None
    assert (before.number, shelf.number, shelf.is_opening) == (1, 2, False)


def test_way_back_opens_nothing(shelf: RecipeShelf, opener: Opener):
    change(shelf, 2)
    change(shelf, 1)
    change(shelf, 2)

    assert (shelf.number, opener.opened) == (2, [2])


def test_third_recipe_makes_room_so_that_memory_stays_bounded(shelf: RecipeShelf, opener: Opener):
    change(shelf, 2)
    change(shelf, 3)
    change(shelf, 1)

    assert opener.opened == [2, 3, 1]


def test_unknown_number_is_refused_with_those_that_are_known(shelf: RecipeShelf, opener: Opener):
    assert change(shelf, 9) is None

    assert (shelf.number, opener.opened) == (1, [])
    assert shelf.why_refused(9) == "recipe 9 does not stand in the station file; it names 1, 2, 3"


@pytest.mark.parametrize("error", [BundleError("model.partgate: is damaged"), RuntimeError("a bug")])
def test_recipe_that_cannot_be_opened_is_refused_once_and_tried_again_when_the_fault_is_cleared(
    shelf: RecipeShelf, opener: Opener, error: Exception
):
    opener.errors[2] = error
    assert change(shelf, 2) is None
    assert shelf.why_refused(2) == f"recipe 2 cannot be opened: {error}"
    change(shelf, 2)
    assert opener.opened == [2]

    del opener.errors[2]
    shelf.forget_refusal()
    change(shelf, 2)

    assert (shelf.number, opener.opened) == (2, [2, 2])


def test_wish_that_changes_while_a_recipe_is_opened_waits_for_its_turn(shelf: RecipeShelf, opener: Opener):
    opener.may_open.clear()
    shelf.want(2)
    shelf.want(3)
    opener.may_open.set()
    settle(shelf)
    assert shelf.number == 2

    change(shelf, 3)

    assert shelf.number == 3


def test_station_with_one_recipe_refuses_every_other_number():
    shelf = RecipeShelf(views(4))

    assert shelf.why_refused(4) is None
    assert shelf.why_refused(5) == "recipe 5 does not stand in the station file; it names 4"


def test_recipe_whose_opening_hangs_is_given_up_and_what_comes_late_is_dropped(
    shelf: RecipeShelf, opener: Opener, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("partgate.station.recipes._OPEN_WITHIN_S", 0.05)
    opener.may_open.clear()
    change(shelf, 2)
    assert shelf.why_refused(2) == "recipe 2 cannot be opened: not open after 0 s; is its disk there?"

    monkeypatch.setattr("partgate.station.recipes._OPEN_WITHIN_S", 20)
    opener.may_open.set()
    change(shelf, 3)

    assert shelf.number == 3
    assert shelf.settle() is None


def test_shelf_is_not_read_by_the_thread_that_opens(shelf: RecipeShelf, opener: Opener):
    """Only ``settle`` puts a recipe in force: a part in flight keeps the one of its trigger."""
    opener.may_open.clear()
    shelf.want(2)
    in_force: Callable[[], int] = lambda: shelf.in_force.number  # noqa: E731
    opener.may_open.set()
    for _ in range(2000):
        if opener.opened:
            break
        threading.Event().wait(0.01)

    assert in_force() == 1
    settle(shelf)
