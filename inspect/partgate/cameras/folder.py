"""Pictures of a folder: played as if a camera had taken them, or taken as another vision system drops them.

``mode: play`` is for trying a station without a camera, for the demonstration and for tests. The true class is the
sub-folder's name, or the ``label`` of a CSV file with the columns ``file`` and ``label``; a run's ``split.csv`` is such
a file, and ``split`` plays one of its sides only. A picture that cannot be read is a picture that is not whole.

``mode: watch`` takes each new file of the folder once; see ``drop_folder.py``.
"""

import csv
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from partgate.cameras.base import Camera, CameraConfig, refuse_late
from partgate.cameras.drop_folder import DropFolder
from partgate.configfile import RelativePath
from partgate.errors import CameraEndedError, CameraError, CameraLostError, DataError
from partgate.imaging import PICTURE_SUFFIXES, read_picture
from partgate.parts import Frame

_LABELS_FILE = "labels.csv"


_PLAY_KEYS = ("labels", "split", "order", "seed", "repeat")
_WATCH_KEYS = ("takes", "early_s", "settle_s", "settle_unmarked_s", "whole_within_s", "done")


class FolderCameraConfig(CameraConfig):
    """Which pictures to play and in which order, or what to do with new files."""

    KIND: ClassVar[str] = "folder"

    kind: Literal["folder"]
    folder: RelativePath = Field(description="folder with pictures, or with a sub-folder per class")
    mode: Literal["play", "watch"] = Field(
        default="play", description="play what lies there, or take each file that another system drops there"
    )
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

    takes: Literal["new", "all"] = Field(
        default="new",
        description="watch: files that come after their trigger; or all in order, also those there at the start",
    )
    early_s: float = Field(
        default=0.0, ge=0, le=60, description="watch: longest time that a file may come before its trigger"
    )
    settle_s: float = Field(
        default=0.1, gt=0, le=10, description="watch: a file that did not change for so long may be whole"
    )
    settle_unmarked_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="watch: the same for BMP and TIFF, whose bytes do not tell their end, unless the system says that "
        "the writer closed the file",
    )
    whole_within_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="watch: a file that cannot be decoded so long after it came is not whole; after so long without a "
        "part and a file none is expected any more for the parts before",
    )
    done: RelativePath | None = Field(
        default=None, description="watch: folder that taken files are moved to, on the same drive; null leaves them"
    )

    @model_validator(mode="after")
    def _keys_fit_the_mode(self) -> Self:
        foreign = _WATCH_KEYS if self.mode == "play" else _PLAY_KEYS
        wrong = [key for key in foreign if key in self.model_fields_set]
        if wrong:
            raise ValueError(f"mode '{self.mode}' has no {', '.join(wrong)}; remove it or change mode")
        if self.takes == "all" and self.done is None:
            raise ValueError("takes: 'all' needs done, so that a restart does not judge the same files again")
        if self.done is not None and self.done.resolve() == self.folder.resolve():
            raise ValueError("done: must be another folder than the one that is watched")
        return self

    def open(self) -> Camera:
        """Return a camera that plays this folder, or watches it."""
        if self.mode == "play":
            return FolderCamera(self)
        return DropFolder(
            self.name, self.folder, done=self.done, takes_all=self.takes == "all", early_s=self.early_s,
            settle_s=self.settle_s, settle_unmarked_s=self.settle_unmarked_s, whole_within_s=self.whole_within_s,
        )  # fmt: skip


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

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        """Return the next picture; ``timeout_s`` is not used, as files are there or not."""
        refuse_late(not_after, self)
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
