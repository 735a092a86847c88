"""Pictures of a labelled folder and their calibration: straightened as the line straightens its own, and remembered."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partgate.calibration.file import load_calibration
from partgate.calibration.straighten import Straightener
from partgate.configfile import make_folder, write_atomically
from partgate.data.folder import Picture, read_folder
from partgate.data.marks import MARK_COLUMNS
from partgate.errors import DataError
from partgate.imaging import encode_png, read_picture
from partgate.labelling import CALIBRATION_COLUMN, LABELS_FILE, STRAIGHTENED_COLUMN

_OWN = ("file", "label", "group", "part", "weight", "split")


@dataclass(frozen=True, slots=True)
class Straightened:
    """What became of a folder."""

    pictures: int
    description: str  # how they are straightened now
    unreadable: tuple[str, ...]  # one sentence for each picture that was left out


def how_straightened(pictures: Sequence[Picture]) -> str | None:
    """Return how all pictures were straightened, in the calibration's words; ``None`` where none of them was.

    Raises:
        DataError: If they differ: a model that learned from both would know neither.
    """
    ways = Counter(picture.columns.get(STRAIGHTENED_COLUMN, "").strip() for picture in pictures)
    if len(ways) > 1:
        told = "; ".join(f"{count} {way or 'as the camera gave them'}" for way, count in ways.most_common())
        raise DataError(
            f"{LABELS_FILE}: column '{STRAIGHTENED_COLUMN}' differs ({told}): learn from "
            "pictures that were straightened "
            "alike; 'partgate camera straighten' makes them"
        )
    return next(iter(ways), "") or None


def refuse_other_straightening(pictures: Sequence[Picture], trained_with: str | None, who: str) -> None:
    """Refuse pictures that say of themselves that they were straightened otherwise than those of the training.

    A folder without the column holds pictures as the camera gave them: ``collect`` and ``straighten`` write it.

    Args:
        pictures: To be judged.
        trained_with: Of the bundle's geometry.
        who: What they are judged by, for the message.

    Raises:
        DataError: If they were, or in different ways.
    """
    found = how_straightened(pictures)
    if found != trained_with:
        raise DataError(
            f"{who}: learned from pictures {_told(trained_with)}, these are {_told(found)}; take pictures that were "
            f"straightened alike ('partgate camera straighten'; column '{STRAIGHTENED_COLUMN}' of {LABELS_FILE} tells)"
        )


def _told(way: str | None) -> str:
    return "as the camera gives them" if way is None else f"straightened ({way})"


def straighten_folder(
    folder: Path, calibration: Path, out: Path, progress: Callable[[str, int, int], None] = lambda *_: None
) -> Straightened:
    """Write a labelled folder again with all its pictures straightened, as the line straightens its own.

    Pictures become PNG files of the same name, without loss. ``labels.csv`` says how and by which calibration. What
    ``findings.yaml`` says is obeyed: pictures left out stay out, pictures of one part stay in one group.

    Args:
        folder: Labelled, pictures as the camera gave them.
        calibration: Of that camera.
        out: Does not exist or is empty.
        progress: Is told about each picture.

    Raises:
        DataError: If the folder cannot be read, its pictures were straightened already, have marked boxes, do not fit
            the calibration, or ``out`` is not empty or not writable.
        ConfigError: If there is no such calibration.
    """
    straightener = Straightener(load_calibration(calibration))
    found = read_folder(folder, for_check=True)
    _refuse_unfit(folder, found.pictures)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is not empty; name a new folder")
    make_folder(out)
    keeps_groups = found.has_groups or bool(found.same_part)
    try:
        return _write_straightened(found.pictures, straightener, out, progress, keeps_groups=keeps_groups)
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written: {error.strerror}; free some space or name another folder"
        ) from error


def _write_straightened(
    pictures: Sequence[Picture], straightener: Straightener, out: Path, progress: Callable[[str, int, int], None], *,
    keeps_groups: bool,
) -> Straightened:  # fmt: skip
    kept: dict[str, Picture] = {}
    unreadable: list[str] = []
    for done, picture in enumerate(pictures, start=1):
        file = Path(picture.file).with_suffix(".png").as_posix()
        if file in kept:
            raise DataError(f"{picture.file}: another picture has its name but for the ending; rename one of them")
        try:
            straight = straightener.straighten(read_picture(picture.path))
        except DataError as error:
            unreadable.append(f"{picture.file}: {str(error).removeprefix(f'{picture.path}: ')}")
        else:
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(out / file, encode_png(straight))
            kept[file] = picture
        progress("straighten", done, len(pictures))
    if not kept:
        raise DataError(f"none of {len(unreadable)} pictures can be straightened: {unreadable[0]}")
    write_atomically(out / LABELS_FILE, _table(kept, straightener, keeps_groups=keeps_groups))
    return Straightened(len(kept), straightener.description, tuple(unreadable))


def _refuse_unfit(folder: Path, pictures: Sequence[Picture]) -> None:
    done = [picture.file for picture in pictures if picture.columns.get(STRAIGHTENED_COLUMN, "").strip()]
    if done:
        raise DataError(
            f"{folder}: {len(done)} pictures are straightened already, e.g. {done[0]!r}; name the folder with the "
            "camera's own pictures"
        )
    marked = [picture.file for picture in pictures if any(picture.columns.get(name, "") for name in MARK_COLUMNS)]
    if marked:
        raise DataError(
            f"{folder}: {len(marked)} pictures have marked defects in px of the camera's picture, e.g. {marked[0]!r}; "
            "straighten first, then mark; leave the column out to straighten without"
        )


def _table(kept: Mapping[str, Picture], straightener: Straightener, *, keeps_groups: bool) -> bytes:
    further = sorted({name for picture in kept.values() for name in picture.columns})
    further = [name for name in further if name not in (STRAIGHTENED_COLUMN, CALIBRATION_COLUMN)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_OWN, *further, STRAIGHTENED_COLUMN, CALIBRATION_COLUMN])
    for file, picture in kept.items():
        group = picture.group if keeps_groups else ""
        own = [file, picture.label, group, picture.part or "", f"{picture.weight:g}", picture.split or ""]
        values = [picture.columns.get(name, "") for name in further]
        writer.writerow([*own, *values, straightener.description, straightener.id])
    return text.getvalue().encode()
