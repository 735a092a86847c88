"""What is judged again: records with what a person said of them, and their pictures, one part in memory at a time."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from partgate.errors import ConfigError, DataError, RecordError
from partgate.imaging import decode_picture
from partgate.parts import Image, Reason, Verdict
from partgate.recipe import Recipe
from partgate.records.config import RecordsConfig
from partgate.records.pruned import Pruned
from partgate.records.read import Wanted, end_rows, pages, read_audit, reading
from partgate.records.review import reviews_of
from partgate.records.schema import records

_JPEG = (".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class Picture:
    """One archived picture of a record."""

    camera: str | None  # an older record does not tell
    file: str  # from the records' folder
    sha256: str

    @property
    def is_exact(self) -> bool:
        """Tell whether the archive holds every pixel as it was judged."""
        return not self.file.lower().endswith(_JPEG)


def count_records(where: RecordsConfig, wanted: Wanted) -> int:
    """Return how many records are asked for.

    Raises:
        RecordError: If there are none, with the span that there is; or they cannot be read.
    """
    with reading(where) as connection:
        count = int(connection.scalar(wanted.narrow(select(func.count()).select_from(records))) or 0)
    if count:
        return count
    ends = end_rows(where)
    if not ends:
        raise RecordError(f"{where.folder}: holds no record yet; run the station first")
    raise RecordError(
        f"{where.folder}: no record with {_say_wanted(wanted)}; there are records from {ends[0]['at']} to "
        f"{ends[-1]['at']} (--zone says whose clock --from and --to are)"
    )


def _say_wanted(wanted: Wanted) -> str:
    named = {"station": wanted.station, "verdict": wanted.verdict, "lot": wanted.lot}
    times = {"from": wanted.begins, "to": wanted.ends}
    told = [f"{name} '{value}'" for name, value in named.items() if value is not None]
    told += [f"{name} {at.isoformat(timespec='seconds')}" for name, at in times.items() if at is not None]
    return ", ".join(told)


def stream_reviewed(where: RecordsConfig, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield records, oldest first, with the newest verdict of a person as ``review_verdict``.

    No transaction stays open while a page is judged, which may take minutes.

    Raises:
        RecordError: If they cannot be read.
    """
    with reading(where) as connection:
        for page in pages(connection, records, wanted):
            reviews = reviews_of(connection, [row["id"] for row in page])
            connection.commit()
            for row in page:
                review = reviews.get(row["id"])
                yield row | {"review_verdict": review.verdict if review else None}


def read_pruned(where: RecordsConfig, station: str | None) -> Pruned:
    """Return which pictures were deleted by retention.

    Raises:
        RecordError: If the audit log cannot be read.
    """
    return Pruned(row for row in read_audit(where, station) if row["kind"] == "prune")


def pictures_of(row: Mapping[str, Any]) -> tuple[Picture, ...]:
    """Return the pictures of a record, that which its verdict rests on first; none where none were kept.

    Raises:
        ValueError: If what it says of further pictures cannot be read.
    """
    if row["picture"] is None:
        return ()
    first = Picture(row["camera"], row["picture"], row["picture_sha256"])
    try:
        more = [Picture(one["camera"], one["file"], one["sha256"]) for one in json.loads(row["more_pictures"] or "[]")]
    except (KeyError, TypeError) as error:
        raise ValueError(f"further pictures: {error}") from error
    return first, *more


def load_picture(folder: Path, picture: Picture) -> Image | str:
    """Return a picture, or why there is none: a word of ``account.CAUSES``; a changed one is never decoded."""
    try:
        content = (folder / picture.file).read_bytes()
    except (OSError, ValueError):
        return "missing"
    if hashlib.sha256(content).hexdigest() != picture.sha256:
        return "changed"
    try:
        return decode_picture(content)
    except DataError:
        return "unreadable"


def refuse_other_purpose(where: RecordsConfig, wanted: Wanted, named: Recipe) -> tuple[str, ...]:
    """Refuse a recipe that was made for other parts than these records; return their classes that it does not know.

    Args:
        where: The records.
        wanted: Which of them.
        named: The recipe that a person names.

    Raises:
        ConfigError: If one sorts by class and the other does not, what is good now was a defect then, or none of the
            defects found then is a class now.
    """
    columns = (records.c.defect_class, records.c.verdict, records.c.class_number > 0)
    judged = records.c.reason.in_((Reason.MODEL, Reason.RECHECK_BAND)) & records.c.defect_class.is_not(None)
    with reading(where) as connection:
        found = connection.execute(wanted.narrow(select(*columns).where(judged)).distinct()).all()
    classes = {row[0] for row in found}
    passed = {bool(row[2]) for row in found if row[1] == Verdict.GOOD.name}  # only sorting names a class with a GOOD
    does = f"sorts into {', '.join(named.classes)}" if named.good_class is None else f"has '{named.good_class}' as good"
    told = ", ".join(f"'{name}'" for name in sorted(classes))
    problem = None
    if passed and (named.good_class is None) not in passed:
        then = "sorted by class" if passed == {True} else "told good from defect"
        problem = f"{does}, but these parts were {then}"
    elif passed != {True} and named.good_class in classes:
        problem = f"{does}, but that was a defect when these parts were judged"
    elif classes and not classes & set(named.classes):
        problem = f"knows the classes {', '.join(named.classes)}, but these parts were judged as {told}"
    if problem:
        raise ConfigError([f"--recipe '{named.name}': {problem}; name a recipe for the same product"])
    return tuple(sorted(classes - set(named.classes)))
