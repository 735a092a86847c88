"""The picture archive of a station: which pictures are kept, how, and where."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

from partgate.configfile import write_atomically
from partgate.imaging import encode_jpeg, encode_png
from partgate.parts import Image, Record, Verdict
from partgate.records.config import PicturesConfig
from partgate.records.schema import canonical_json

PICTURES_FOLDER = "pictures"
_DRAW_BYTES = 8
_STATION_DIGITS = 6  # two stations in one folder may have triggers of the same number and microsecond


class PictureArchive:
    """Writes the wanted pictures of a record below a folder, one folder a day (UTC).

    Args:
        folder: Records folder.
        config: Which pictures, and how.
    """

    def __init__(self, folder: Path, config: PicturesConfig) -> None:
        self._folder, self._config = folder, config

    def is_wanted(self, record: Record) -> bool:
        """Tell whether the rule keeps the pictures of this record."""
        match self._config.keep:
            case "not_good":
                return record.verdict != Verdict.GOOD or draw(record) < self._config.good_share
            case keep:
                return keep == "all"

    def save(self, record: Record) -> dict[str, Any]:
        """Write the pictures of a record and return its columns about them; the same record gives the same files.

        Raises:
            OSError: If the disk is full or the folder is not writable.
        """
        at = record.at.astimezone(UTC)
        station = hashlib.sha256(record.station.encode("utf-8", "backslashreplace")).hexdigest()[:_STATION_DIGITS]
        stem = f"{PICTURES_FOLDER}/{at:%Y-%m-%d}/{at:%H%M%S.%f}-{station}-{record.boot}-{record.sequence}"
        first = self._write(stem, record.image) if record.image is not None else None
        size, more = first[2] if first else 0, []
        for number, frame in enumerate(record.more_frames, start=2):
            file, sha256, length = self._write(f"{stem}-{number}", frame.image)
            captured_at = frame.captured_at.astimezone(UTC).isoformat(timespec="milliseconds")
            facts = {"camera": frame.camera, "file": file, "sha256": sha256, "captured_at": captured_at}
            more.append(facts | ({"block_id": frame.block_id} if frame.block_id is not None else {}))
            size += length
        return {
            "picture": first[0] if first else None,
            "picture_sha256": first[1] if first else None,
            "more_pictures": canonical_json(more) if more else None,
            "picture_bytes": size or None,
        }

    def _write(self, stem: str, image: Image) -> tuple[str, str, int]:
        is_png = self._config.format == "png"
        content = encode_png(image) if is_png else encode_jpeg(image, self._config.quality)
        file = f"{stem}.png" if is_png else f"{stem}.jpg"
        path = self._folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        return file, hashlib.sha256(content).hexdigest(), len(content)


def files_of(row: Mapping[str, Any]) -> list[str]:
    """Return the files of all pictures of a row, relative to the records' folder."""
    more = json.loads(row["more_pictures"]) if row["more_pictures"] else []
    return [file for file in (row["picture"], *(picture["file"] for picture in more)) if file is not None]


def draw(record: Record) -> float:
    """Return a number from 0 to 1 that belongs to a trigger: nobody at the line can choose which GOOD is kept."""
    name = f"{record.station}/{record.boot}/{record.sequence}".encode("utf-8", "backslashreplace")
    drawn = int.from_bytes(hashlib.sha256(name).digest()[:_DRAW_BYTES])
    return drawn / float(1 << 8 * _DRAW_BYTES)


def without_pictures(record: Record) -> Record:
    """Return a record that costs little memory."""
    return replace(record, image=None, more_frames=())


def bytes_in_memory(record: Record) -> int:
    """Return what the pictures of a record that waits take."""
    images = [record.image, *(frame.image for frame in record.more_frames)]
    return sum(image.nbytes for image in images if image is not None)
