"""What stands in the loop's places while pictures are collected: nobody judges, and nothing is ever sent."""

from dataclasses import replace
from pathlib import Path

from partgate.controllers.base import Controller
from partgate.controllers.block import Command, ControllerWords, StationWords
from partgate.inference.inspector import Inspection
from partgate.inference.several import undecidable
from partgate.parts import Image, Reason, Result
from partgate.recipe import BundlePin, Limits, Recipe


class NobodyJudges:
    """Stands where a recipe's inspector stands in the loop: whatever comes, nothing is decided."""

    def __init__(self) -> None:
        nothing = BundlePin(file=Path("none"), id="0" * 64)
        self.recipe = Recipe(
            name="collect", number=0, bundle=nothing, good_class="good", classes=("good", "not judged"),
            decision=Limits(recheck_from=0, reject_from=0), lanes={"GOOD": 1}, class_numbers={"not judged": 1},
        )  # fmt: skip

    def inspect(self, image: Image) -> Inspection:
        """Return that nobody judged."""
        return undecidable(Reason.NOT_READY, "collected")

    def check(self) -> None:
        """Find nothing to try."""


class NeverSends:
    """A controller whose triggers are read and to whom no result is ever sent.

    Args:
        controller: As its driver opens it.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def __str__(self) -> str:
        return str(self._controller)

    def __enter__(self) -> "NeverSends":
        self._controller.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._controller.__exit__(*exc_info)

    @property
    def poll_period_s(self) -> float:
        """Return the controller's own."""
        return self._controller.poll_period_s

    def read(self) -> ControllerWords:
        """Return what the controller says, without the recipe that it wants: there is none."""
        words = self._controller.read()
        return replace(words, recipe=0, command=words.command & ~Command.CHANGE_RECIPE)

    def station_heartbeat(self) -> int | None:
        """Return the heartbeat that stands there."""
        return self._controller.station_heartbeat()

    def write_state(self, words: StationWords) -> None:
        """Write heartbeat and state."""
        self._controller.write_state(words)

    def clear(self, words: StationWords) -> None:
        """Write the block without a result."""
        self._controller.clear(words)

    def send(self, result: Result, words: StationWords) -> None:
        """Refuse: nothing may open a gate while pictures are collected."""
        raise ValueError("a result was to be sent while pictures are collected")
