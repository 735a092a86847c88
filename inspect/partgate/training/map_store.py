"""What the frozen trunk gave, kept on disk while a training runs: maps of all views are larger than memory."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from partgate.inference.engine import FEATURES, OnnxEngine
from partgate.training.examples import Rows

_MAPS_FILE, _POOLED_FILE, _DONE_FILE = "maps.npy", "pooled.npy", "maps.done"


@dataclass(frozen=True, slots=True)
class MapStore:
    """Maps behind the trunk and its pooled features, a row per picture and look, in V views."""

    folder: Path
    output: str  # the graph's name of the maps
    maps: NDArray[np.float16]  # (rows, V, C, h, w), on disk
    pooled: NDArray[np.float32]  # (rows, V, P), on disk
    first_rows: Rows  # row of the first look of each picture that is worked on
    first_view: int = 0  # where the views go that are computed now

    @classmethod
    def make(cls, folder: Path, pictures: int, looks: int, views: int, graph: bytes, stages: int) -> Self:
        """Return an empty store in a folder.

        Args:
            folder: Gets the files.
            pictures: How many.
            looks: Of each.
            views: V.
            graph: ONNX, with outputs ``maps_0`` ... of each stage.
            stages: Of the trunk.

        Raises:
            OSError: If the disk is full or not writable.
        """
        engine = OnnxEngine(graph)
        blank = np.zeros((engine.height_px, engine.width_px, 3), np.uint8)
        names = [f"maps_{stage}" for stage in range(stages)]
        found = engine.run(blank, names)
        pooled = 2 * sum(maps.shape[0] for maps in found)
        rows = pictures * looks
        return cls(
            folder,
            names[-1],
            np.lib.format.open_memmap(folder / _MAPS_FILE, "w+", np.float16, (rows, views, *found[-1].shape)),
            np.lib.format.open_memmap(folder / _POOLED_FILE, "w+", np.float32, (rows, views, pooled)),
            np.arange(pictures) * looks,
        )

    def work_on(self, places: Rows, first_view: int) -> "MapStore":
        """Return the same store for some of its pictures and further views."""
        return replace(self, first_rows=self.first_rows[places], first_view=first_view)

    def put(
        self, engine: OnnxEngine, picture: NDArray[np.uint8], place: int, look: int, view: int
    ) -> NDArray[np.float32]:
        """Keep what the trunk gives to one view; return its features (D,)."""
        features, maps = engine.run(picture, (FEATURES, self.output))
        row, column = self.first_rows[place] + look, self.first_view + view
        self.maps[row, column], self.pooled[row, column] = maps, features[: self.pooled.shape[2]]
        return features

    def close(self) -> None:
        """Say that every view is there."""
        for values in (self.maps, self.pooled):
            assert isinstance(values, np.memmap)
            values.flush()
        (self.folder / _DONE_FILE).touch()


def is_complete(folder: Path) -> bool:
    """Tell whether a folder holds the maps of every view."""
    return (folder / _DONE_FILE).is_file()


def open_maps(folder: Path) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Return maps (rows, V, C, h, w) and pooled features (rows, V, P) of a complete store."""
    return np.load(folder / _MAPS_FILE, mmap_mode="r"), np.load(folder / _POOLED_FILE, mmap_mode="r")
