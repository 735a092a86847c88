"""The labelled folder that ``collect`` fills: a picture is written, then its row; nothing is overwritten."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from partgate.configfile import make_folder, write_atomically
from partgate.errors import DataError
from partgate.imaging import encode_png
from partgate.labelling import CALIBRATION_COLUMN, LABELS_FILE, STRAIGHTENED_COLUMN, LabelsTable
from partgate.parts import Frame

_UNFIT = re.compile(r"[^\w.-]+")
_LONGEST_PIECE = 40


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What is known of the part on a picture."""

    label: str
    part_id: str | None = None
    lot: str | None = None


class Album:
    """One camera's pictures of one station.

    Args:
        folder: Labelled folder; made where it does not exist.
        station: For the column of that name.
        straightened: How the camera's pictures are straightened; ``None`` = not at all.

    Raises:
        DataError: If the folder cannot be written to, its ``labels.csv`` is wrong, or its pictures were straightened
            otherwise: nothing could be learned from both.
    """

    def __init__(self, folder: Path, station: str, straightened: str | None = None) -> None:
        make_folder(folder)
        self.folder, self._station, self._straightened = folder, station, straightened
        self._table = LabelsTable(folder)
        self._own: list[str] = []  # files written here, newest last
        other = {row.get(STRAIGHTENED_COLUMN, "") for row in self._table.rows} - {straightened or ""}
        if other:
            raise DataError(
                f"{folder}: holds pictures {_told(next(iter(other)))}, the camera gives them "
                f"{_told(straightened or '')}: "
                "name another folder with --out"
            )

    @property
    def adopted(self) -> int:
        """Return how many pictures lay in class folders without a ``labels.csv``; they are rows from now on."""
        return self._table.adopted

    @property
    def counts(self) -> Counter[str]:
        """Return how many pictures each label has, those from before included."""
        return self._table.counts

    @property
    def groups(self) -> Mapping[str, set[str]]:
        """Return the groups or, without, the parts or pictures of each label: what training may split by."""
        found: dict[str, set[str]] = {}
        for row in self._table.rows:
            name = row.get("group") or row.get("part") or row["file"]
            found.setdefault(row["label"], set()).add(name)
        return found

    def add(self, frame: Frame, facts: PartFacts) -> str:
        """Write a picture without loss, then its row, and return its file from the folder.

        Raises:
            OSError: If the disk is full or the folder is gone; neither picture nor row is left.
        """
        at = frame.captured_at.astimezone(UTC)
        pieces = [facts.lot, facts.part_id, f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}"]
        stem = "_".join(_UNFIT.sub("-", piece)[:_LONGEST_PIECE] for piece in pieces if piece)
        file = self._free_name(facts.label, stem)
        (self.folder / facts.label).mkdir(exist_ok=True)
        row = {
            "file": file, "label": facts.label, "group": facts.lot or "", "part": facts.part_id or "",
            "taken_at": at.isoformat(timespec="milliseconds"), "station": self._station, "camera": frame.camera,
        }  # fmt: skip
        if self._straightened is not None:
            calibration = str(frame.settings.get("calibration", ""))
            row |= {STRAIGHTENED_COLUMN: self._straightened, CALIBRATION_COLUMN: calibration}
        write_atomically(self.folder / file, encode_png(frame.image))
        try:
            self._table.add(row)
        except OSError:
            (self.folder / file).unlink(missing_ok=True)
            raise
        self._own.append(file)
        return file

    def undo(self) -> str | None:
        """Take the newest picture of this run back, row and file; return its name, ``None`` where there is none.

        Raises:
            OSError: If the disk is full; the picture then stays.
        """
        if not self._own:
            return None
        self._table.remove(self._own[-1])
        file = self._own.pop()
        (self.folder / file).unlink(missing_ok=True)
        return file

    def _free_name(self, label: str, stem: str) -> str:
        number, name = 1, f"{label}/{stem}.png"
        while (self.folder / name).exists():
            number += 1
            name = f"{label}/{stem}-{number}.png"
        return name


def check_label(label: str) -> str:
    """Return a label that can be a folder's name.

    Raises:
        DataError: If it cannot, on any system.

    Example:
        >>> check_label("scratch/deep")
        Traceback (most recent call last):
        partgate.errors.DataError: label 'scratch/deep': must be letters, digits, spaces and ().+- (at most 60), ...
    """
    text = label.strip()
    if not re.fullmatch(r"\w[\w ().+-]{0,59}", text) or text.endswith((".", " ")):
        raise DataError(
            f"label '{label}': must be letters, digits, spaces and ().+- (at most 60), since it "
            "names a folder; e.g. good, "
            "scratch"
        )
    return text


def _told(way: str) -> str:
    return (
        f"straightened ({way})" if way else f"as the camera gave them (column '{STRAIGHTENED_COLUMN}' of {LABELS_FILE})"
    )
