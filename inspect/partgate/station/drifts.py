"""What drifts at a station's cameras: each part is followed as it is judged; a warning is told once, and its end once.

Warnings never change a verdict. They begin anew with another recipe and with each start: the sums are kept nowhere.
"""

import logging
from collections.abc import Callable, Mapping

from partgate.picture_check import Measures
from partgate.picture_check.drift import DriftMonitor, say_warning
from partgate.station.recipes import RecipeShelf
from partgate.station.views import Views

logger = logging.getLogger(__name__)


class Drifts:
    """Follows the pictures of each camera against what is usual for the recipe in force.

    Args:
        shelf: The recipe in force; a recipe without usual values is not followed.
        note: Takes each beginning and end of a warning as a line for the audit log: its kind and its content.
    """

    def __init__(self, shelf: RecipeShelf, note: Callable[[str, dict[str, object]], None]) -> None:
        self._shelf, self._note = shelf, note
        self._views: Views | None = None  # whose pictures were followed last
        self._monitors: dict[str, DriftMonitor] = {}
        self._in_force: dict[str, tuple[str, ...]] = {}
        say_warning("brightness falls", "en")  # the texts are read now: that takes as long as three heartbeats

    def _begin(self, views: Views) -> None:
        self._views = views
        limits = {view.camera: view.inspector.recipe.picture for view in views.views}
        self._monitors = {camera: DriftMonitor(found.usual) for camera, found in limits.items() if found is not None}
        self._in_force = dict.fromkeys(self._monitors, ())

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what drifts now, one English sentence each, as the station's status tells it."""
        if self._views is not self._shelf.in_force:
            return ()
        return tuple(_tell(camera, one) for camera, found in self._in_force.items() for one in found)

    def take(self, measures: Mapping[str, Measures]) -> None:
        """Take note of a part that was judged by the recipe in force.

        Args:
            measures: By camera, of pictures that keep the limits; another picture is told by itself.
        """
        if self._views is not self._shelf.in_force:
            self._begin(self._shelf.in_force)
        for camera, monitor in self._monitors.items():
            if camera in measures:
                before, self._in_force[camera] = self._in_force[camera], monitor.take(measures[camera])
                self._tell_changes(camera, before, self._in_force[camera])

    def _tell_changes(self, camera: str, before: tuple[str, ...], now: tuple[str, ...]) -> None:
        for warning in now:
            if warning not in before:
                logger.warning("drift, %s", _tell(camera, warning))
                self._write(camera, warning, "begun")
        for warning in before:
            if warning not in now:
                logger.warning("drift is over, back to usual: %s", _tell(camera, warning))
                self._write(camera, warning, "over")

    def _write(self, camera: str, warning: str, change: str) -> None:
        said = {language: say_warning(warning, language) for language in ("en", "de")}
        recipe = self._shelf.in_force.name
        self._note("drift", {"camera": camera, "recipe": recipe, "what": warning, "is": change, "said": said})


def _tell(camera: str, warning: str) -> str:
    return f"camera '{camera}': {say_warning(warning, 'en')}"
