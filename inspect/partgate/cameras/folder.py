"""Plays pictures of a folder as if a camera had taken them, with their true class where it is known.

For trying a station without a camera, for the demonstration and for tests. The true class is the sub-folder's name, or
the ``label`` of a CSV file with the columns ``file`` and ``label``; a run's ``split.csv`` is such a file, and ``split``
plays one of its sides only. A picture that cannot be read is a picture that is not whole.
"""

import csv
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field

from partgate.cameras.base import CameraConfig
from partgate.configfile import RelativePath
from partgate.errors import CameraEndedError, CameraError, CameraLostError, DataError
from partgate.imaging import PICTURE_SUFFIXES, read_picture
from partgate.parts import Frame

_LABELS_FILE = "labels.csv"


class FolderCameraConfig(CameraConfig):
    """Which pictures to play and in which order."""

    KIND: ClassVar[str] = "folder"

    kind: Literal["folder"]
    folder: RelativePath = Field(description="folder with pictures, or with a sub-folder per class")
    labels: RelativePath | None = Field(
        default=None, description="CSV with file and label; by default labels.csv in it"
    )
    split: Literal["train", "validation", "test"] | None = Field(
        default=None, description="play only rows of the CSV whose column split says so"
    )
    order: Literal["name", "shuffled"] = Field(default="name", description="by name, or shuffled by seed")
    seed: int = Field(default=0, ge=0, description="of the shuffled order")
    repeat: bool = Field(
        default=False, description="start again after the last picture; otherwise the camera is lost then"
    )

    def open(self) -> "FolderCamera":
        """Return a camera that plays this folder."""
        return FolderCamera(self)


class FolderCamera:
    """Gives one picture of the folder per call, in order."""

    def __init__(self, config: FolderCameraConfig) -> None:
        self.config = config
        self._queue: list[tuple[str, str | None]] = []
        self._next = 0

    def __str__(self) -> str:
        return f"camera '{self.config.name}' (folder {self.config.folder})"

    def __enter__(self) -> Self:
        self._next = 0
        self._queue = self._list()
        if self.config.order == "shuffled":
            random.Random(self.config.seed).shuffle(self._queue)
        if not self._queue:
            side = f" on side '{self.config.split}'" if self.config.split else ""
            raise CameraLostError(f"{self}: holds no picture{side}; check folder, labels and split")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._queue = []

    @property
    def differences(self) -> tuple[str, ...]:
        """Return nothing: files take every setting."""
        return ()

    def check(self) -> None:
        """Look whether the folder is still there."""
        if not self.config.folder.is_dir():
            raise CameraLostError(f"{self}: the folder is gone")

    def grab(self, timeout_s: float) -> Frame:
        """Return the next picture; ``timeout_s`` is not used, as files are there or not."""
        if self._next >= len(self._queue):
            if not self.config.repeat or not self._queue:
                raise CameraEndedError(f"{self}: all {len(self._queue)} pictures were shown; set repeat: true to go on")
            self._next = 0
        file, label = self._queue[self._next]
        self._next += 1
        self.check()
        try:
            image = read_picture(self.config.folder / file)
        except DataError as error:
            raise CameraError(f"{self}: {error}") from error
        return Frame(image, datetime.now(UTC), self.config.name, source=file, true_class=label)

    def _list(self) -> list[tuple[str, str | None]]:
        folder = self.config.folder
        if not folder.is_dir():
            raise CameraLostError(f"{self}: no such folder")
        labels = self.config.labels or (folder / _LABELS_FILE if (folder / _LABELS_FILE).is_file() else None)
        if labels is not None:
            return self._list_csv(labels)
        if self.config.split:
            raise CameraLostError(f"{self}: split '{self.config.split}' needs labels: a CSV file with a column split")
        files = sorted(
            path.relative_to(folder)
            for path in folder.rglob("*")
            if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
        )
        return [(path.as_posix(), path.parts[0] if len(path.parts) > 1 else None) for path in files]

    def _list_csv(self, labels: Path) -> list[tuple[str, str | None]]:
        side = self.config.split
        try:
            with labels.open(encoding="utf-8-sig", newline="") as text:
                first = text.readline()
                text.seek(0)
                rows = list(csv.DictReader(text, delimiter=";" if first.count(";") > first.count(",") else ","))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise CameraLostError(f"{self}: {labels} cannot be read: {error}") from error
        needed = ["file", *(["split"] if side else [])]
        if rows and any(name not in rows[0] for name in needed):
            raise CameraLostError(
                f"{self}: {labels} must have the columns {', '.join(needed)}, got {', '.join(rows[0])}"
            )
        return [(row["file"], row.get("label") or None) for row in rows if side is None or row["split"] == side]
