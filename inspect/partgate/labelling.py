"""Writes ``labels.csv`` row by row: whole at any moment, and nothing that stood there is lost.

Reading it for training is another matter: ``data/labels_csv.py``.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from partgate.configfile import write_atomically
from partgate.errors import DataError
from partgate.imaging import PICTURE_SUFFIXES

LABELS_FILE = "labels.csv"
STRAIGHTENED_COLUMN = "straightened"
"""Column of ``labels.csv``: how the pictures were straightened, in the words of ``Calibration.describe``."""

CALIBRATION_COLUMN = "calibration"
"""Column of ``labels.csv``: id of the calibration that did it."""


class LabelsTable:
    """The rows of a labelled folder, written after each change: beside its place, flushed, renamed.

    A folder without ``labels.csv`` keeps its pictures: those in its class folders become rows, since from then on the
    file decides.

    Args:
        folder: Exists.

    Raises:
        DataError: If the file there is no CSV with the columns ``file`` and ``label``.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LABELS_FILE
        self.columns: list[str] = ["file", "label"]
        self.rows: list[dict[str, str]] = []
        self._delimiter = ","
        self.adopted = 0  # pictures in class folders that no file named so far
        if self._path.exists():
            self._read()
        else:
            self._adopt(folder)

    @property
    def counts(self) -> Counter[str]:
        """Return how many pictures each label has."""
        return Counter(row["label"] for row in self.rows)

    def add(self, row: Mapping[str, str]) -> None:
        """Write one more row; a column that is new is empty in the rows before.

        Raises:
            OSError: If the disk is full; the file is then as it was before.
        """
        before = self.columns
        self.columns = [*before, *(name for name in row if name not in before)]
        self.rows.append(dict(row))
        try:
            self._write()
        except OSError:
            self.columns = before
            self.rows.pop()
            raise

    def remove(self, file: str) -> None:
        """Write the file without the row of a picture.

        Raises:
            OSError: If the disk is full; the file is then as it was before.
        """
        before, self.rows = self.rows, [row for row in self.rows if row["file"] != file]
        try:
            self._write()
        except OSError:
            self.rows = before
            raise

    def _read(self) -> None:
        try:
            text = self._path.read_text(encoding="utf-8-sig")
            first = text.partition("\n")[0]
            self._delimiter = ";" if first.count(";") > first.count(",") else ","
            lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self._path}: is no CSV in UTF-8: {error}; mend it or name another folder") from error
        header = [name.strip() for name in lines[0]] if lines else []
        if not {"file", "label"} <= set(header):
            found = ", ".join(header) or "nothing"
            raise DataError(f"{self._path}: the first row must name the columns file and label, got {found}")
        odd = [number for number, line in enumerate(lines[1:], start=2) if line and len(line) != len(header)]
        if odd:
            raise DataError(f"{self._path}: row {odd[0]}: has another number of columns than the first row; mend it")
        self.columns = header
        self.rows = [dict(zip(header, line, strict=True)) for line in lines[1:] if line]

    def _adopt(self, folder: Path) -> None:
        files = sorted(
            path.relative_to(folder)
            for path in folder.rglob("*")
            if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
        )
        self.rows = [{"file": path.as_posix(), "label": path.parts[0]} for path in files if len(path.parts) > 1]
        self.adopted = len(self.rows)

    def _write(self) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, restval="", delimiter=self._delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(self._path, text.getvalue().encode())
