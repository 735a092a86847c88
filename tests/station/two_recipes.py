"""A played loop with a second recipe, whose onlookers are asked afterwards."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from partgate.controllers.block import Command
from partgate.parts import Record, StationStatus
from partgate.station.account import StationFacts
from partgate.station.loop import Station
from partgate.station.recipes import RecipeShelf
from partgate.station.series import AlarmsConfig
from partgate.station.status import Onlookers
from partgate.station.views import View, Views

from .conftest import PlayedInspector, make_recipe
from .played_loop import AGE_S, Bench, PlayedCamera, PlayedController, PlayedStore

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
