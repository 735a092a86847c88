"""Which recipe judges a record again: the one that judged it on the line, or another one that a person names."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partgate.inference.inspector import Inspection, Inspector
from partgate.inference.several import refuse_what_does_not_fit, undecidable, worst_of
from partgate.parts import Image, Reason
from partgate.recipe import Recipe, load_hashed_recipe

ANY_CAMERA = "*"
"""Stands for every camera where only a records folder is known: it does not tell which cameras a station has."""


@dataclass(frozen=True, slots=True)
class View:
    """The recipe of one camera; its model is opened when the first picture comes."""

    path: Path
    recipe: Recipe
    recipe_sha256: str

    def is_of(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a record was judged by this very recipe and model."""
        return (self.recipe_sha256, self.recipe.bundle.id) == (row["recipe_sha256"], row["bundle_id"])


class Gate:
    """A recipe per camera, as it is in force on a line.

    Args:
        station: For messages.
        files: Recipe file or run folder by camera; ``ANY_CAMERA`` alone stands for all.
        threads: Processor threads for one picture, those of the line: other ones may add in another order.

    Raises:
        ConfigError: If a recipe is wrong, or those of several cameras do not fit together.
    """

    def __init__(self, station: str, files: Mapping[str, Path], threads: int) -> None:
        read = {path: View(path, *load_hashed_recipe(path)) for path in dict.fromkeys(files.values())}
        self.views = {camera: read[path] for camera, path in files.items()}
        refuse_what_does_not_fit(station, {camera: view.recipe for camera, view in self.views.items()})
        self._threads = threads
        self._opened: dict[Path, Inspector] = {}

    @property
    def recipe(self) -> Recipe:
        """Return the recipe of the first camera, which gives the gate its name."""
        return next(iter(self.views.values())).recipe

    def view_of(self, camera: str | None) -> View | None:
        """Return who judges the pictures of a camera; ``None`` where the gate has no such camera.

        Args:
            camera: ``None`` where an older record does not tell it: the only camera of the gate.
        """
        if camera is None:
            return next(iter(self.views.values())) if len(self.views) == 1 else None
        return self.views.get(camera, self.views.get(ANY_CAMERA))

    def knows(self, cameras: Sequence[str | None], *, is_good: bool) -> bool:
        """Tell whether the cameras of a record are those of the gate; a part is good only where all gave a picture."""
        if any(self.view_of(camera) is None for camera in cameras):
            return False
        return not is_good or ANY_CAMERA in self.views or len(cameras) == len(self.views)

    def learned_from_such(self, row: Mapping[str, Any]) -> bool:
        """Tell whether the recipe was trained on straightened pictures where a record's is one, and only there.

        Its own recipe needs no look: a station does not start with a camera that gives others.
        """
        view = self.view_of(row["camera"])
        if view is None or view.is_of(row):
            return True
        is_straight = "calibration" in json.loads(row["camera_settings"] or "{}")
        return is_straight == (self._inspector(view).bundle.manifest.geometry.straightened is not None)

    def open(self) -> None:
        """Open all models.

        Raises:
            BundleError: If one is damaged or not the pinned one.
            EngineError: If one does not load.
        """
        for view in self.views.values():
            self._inspector(view)

    def judge(self, images: Mapping[str | None, Image]) -> tuple[str, Inspection]:
        """Return the verdict on a part and the camera it rests on, as the line would; a missing picture is not good.

        Args:
            images: By camera, that of the record first; pictures of shape (H, W, 3), uint8, RGB.
        """
        by_camera = {camera or next(iter(self.views)): image for camera, image in images.items()}
        cameras = list(by_camera) if ANY_CAMERA in self.views else list(self.views)
        inspections = {camera: self._inspect(camera, by_camera.get(camera)) for camera in cameras}
        worst = worst_of(inspections)
        return worst, inspections[worst]

    def _inspect(self, camera: str, image: Image | None) -> Inspection:
        view = self.view_of(camera)
        if image is None or view is None:
            return undecidable(Reason.NO_WHOLE_PICTURE, f"camera '{camera}': gave no picture")
        return self._inspector(view).inspect(image)

    def _inspector(self, view: View) -> Inspector:
        if view.path not in self._opened:
            self._opened[view.path] = Inspector.open(view.path, self._threads)
        return self._opened[view.path]

    def describe(self) -> list[dict[str, Any]]:
        """Return what the gate consists of, one entry per recipe, as plain values."""
        cameras: dict[Path, list[str]] = {}
        for camera, view in self.views.items():
            cameras.setdefault(view.path, []).append(camera)
        return [_describe(self.views[names[0]], names) for names in cameras.values()]


def _describe(view: View, cameras: Sequence[str]) -> dict[str, Any]:
    recipe = view.recipe
    return {
        "file": view.path.name,
        "name": recipe.name,
        "cameras": [camera for camera in cameras if camera != ANY_CAMERA],
        "recipe_sha256": view.recipe_sha256,
        "bundle_id": recipe.bundle.id,
        "good_class": recipe.good_class,
        "classes": list(recipe.classes),
        "recheck_from": recipe.decision.recheck_from,
        "reject_from": recipe.decision.reject_from,
    }


class Shelf:
    """All gates that may judge a record again.

    Args:
        gates: Those of the station file, or the only one that a person names.
        is_named: A person named it: it judges every record, whoever judged it first.
    """

    def __init__(self, gates: Sequence[Gate], *, is_named: bool) -> None:
        self.gates, self.is_named = tuple(gates), is_named
        self.used: list[Gate] = []

    def find(self, row: Mapping[str, Any]) -> "Gate | str":
        """Return who judges a record again, or why nobody does: a word of ``account.CAUSES``."""
        found = self.gates if self.is_named else tuple(gate for gate in self.gates if is_same(gate, row))
        if not found:
            return "recipe_gone" if row["recipe_sha256"] else "recipe_untold"
        several = {tuple(view.recipe_sha256 for view in gate.views.values()) for gate in found}
        if len(several) > 1 and row["more_pictures"] is not None:
            return "recipe_unclear"  # the record names the recipe of one camera alone
        if found[0] not in self.used:
            found[0].open()
            self.used.append(found[0])
        return found[0]


def is_same(gate: Gate, row: Mapping[str, Any]) -> bool:
    """Tell whether a record was judged by the recipe and model that the gate has for its camera."""
    view = gate.view_of(row["camera"])
    return view is not None and view.is_of(row)
