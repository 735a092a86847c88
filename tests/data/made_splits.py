"""Labelled folders of pictures that need not exist, and how a split deals them out."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from partgate.data.folder import LabelledFolder, Picture

SIDES = ("train", "validation", "test")


def picture(
    file: str, label: str, group: str = "", split: str | None = None, columns: Mapping[str, str] | None = None
) -> Picture:
    """Return a labelled picture; without a group it is one of its own."""
    sha256 = hashlib.sha256(file.encode()).hexdigest()
    return Picture(Path(file), file, label, sha256, group or sha256, split=split, columns=columns or {})


def folder_of(pictures: Sequence[Picture], good_class: str | None = "good") -> LabelledFolder:
    """Return a labelled folder of pictures that need not exist."""
    classes = tuple(sorted({p.label for p in pictures}))
    return LabelledFolder(Path("parts"), tuple(pictures), classes, good_class, has_groups=False, notes=())


def counted(**classes: int) -> LabelledFolder:
    """Return a folder with so many single pictures per class."""
    return folder_of([picture(f"{name}/{i}.png", name) for name, n in classes.items() for i in range(n)])


def table(folder: LabelledFolder, sides: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Return per class how many pictures stand on train, validation and test."""
    counts = Counter((p.label, sides[p.file]) for p in folder.pictures)
    return {name: tuple(counts[name, side] for side in SIDES) for name in folder.classes}
