"""The station as an appraiser: it judges several pictures of each part, or did so in earlier evaluations."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partgate.data.folder import GOOD_NAMES, Picture, read_folder
from partgate.data.labels_csv import LABELS_FILE
from partgate.errors import DataError
from partgate.imaging import PICTURE_SUFFIXES, read_picture
from partgate.inference.inspector import Inspector
from partgate.msa.sheets import hash_file
from partgate.msa.study import STATION, Call, shorten, sort_naturally
from partgate.parts import Verdict
from partgate.recipe import NO_GOOD_CLASS

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class _Shot:
    """One picture of one part in one run."""

    path: Path
    part: str
    run: str
    reference: Verdict | None


@dataclass(frozen=True, slots=True)
class StationCalls:
    """What the station said, and by which files."""

    calls: tuple[Call, ...]
    sources: Mapping[str, str]  # SHA-256 by name


def judge_station(run_or_recipe: Path, pictures: Path, progress: Progress) -> StationCalls:
    """Let the gate judge every part in every run.

    Args:
        run_or_recipe: Run folder of a training, or a recipe file.
        pictures: Either with a ``labels.csv`` (columns file, label, part and perhaps run; the label gives the part's
            reference), or with one sub-folder per run that holds ``<part>.png``.
        progress: Is told about each picture.

    Raises:
        DataError: If pictures are missing, double, byte-identical in two runs, cannot be read or trained the bundle.
        ConfigError: If the recipe is wrong.
        BundleError: If the bundle is damaged or not the pinned one.
    """
    inspector = Inspector.open(run_or_recipe)
    good_class = inspector.recipe.good_class
    if good_class is None:
        raise DataError(f"{run_or_recipe}: sorts by class; an agreement study needs a gate that tells good from defect")
    if not pictures.is_dir():
        raise DataError(f"{pictures}: no such folder")
    has_labels = (pictures / LABELS_FILE).is_file()
    shots = _shots_by_labels(pictures, good_class) if has_labels else _shots_by_folders(pictures)
    hashes = [hash_file(shot.path) for shot in shots]
    _refuse_repeats(shots, hashes, set(inspector.bundle.manifest.training.picture_sha256))
    calls = []
    for done, shot in enumerate(shots, start=1):
        verdict = inspector.inspect(read_picture(shot.path)).decision.verdict
        calls.append(Call(str(shot.path), shot.part, STATION, shot.run, verdict, shot.reference))
        progress("judge", done, len(shots))
    sources = {"bundle": inspector.bundle.id}
    return StationCalls(tuple(calls), sources)


def _shots_by_labels(folder: Path, good_class: str) -> list[_Shot]:
    """Return the pictures that ``labels.csv`` names; without a column ``run`` a part's files are its runs in order."""
    found = read_folder(folder, good_class, must_have_good=False)
    nameless = [picture.file for picture in found.pictures if not picture.part]
    if nameless:
        raise DataError(
            f"{folder / LABELS_FILE}: {len(nameless)} rows have no part, e.g. {nameless[0]!r}; add a column 'part'"
        )
    by_part: dict[str, list[Picture]] = defaultdict(list)
    for picture in found.pictures:
        by_part[picture.part or ""].append(picture)
    shots = []
    for part, pictures in by_part.items():
        by_name = {picture.file: picture for picture in pictures}
        for number, file in enumerate(sort_naturally(set(by_name)), start=1):
            run = by_name[file].columns.get("run", "").strip() or str(number)
            reference = Verdict.GOOD if by_name[file].label == good_class else Verdict.REJECT
            shots.append(_Shot(by_name[file].path, part, run, reference))
    return shots


def _shots_by_folders(folder: Path) -> list[_Shot]:
    """Return the pictures in the sub-folders: the first folder is run 1, the file's name is the part."""
    inside = sort_naturally({one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")})
    shots = [
        _Shot(path, path.stem, str(number), None)
        for number, name in enumerate(inside, start=1)
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in PICTURE_SUFFIXES
    ]
    if not shots:
        raise DataError(
            f"{folder}: holds no pictures of runs; lay them out as {folder.name}/run1/<part>.png, "
            f"{folder.name}/run2/<part>.png, or name part and run in {LABELS_FILE}"
        )
    return shots


def _refuse_repeats(shots: Sequence[_Shot], hashes: Sequence[str], trained: set[str]) -> None:
    """Refuse a file that stands for two runs: the same picture twice says nothing about repeating."""
    seen: dict[str, _Shot] = {}
    twins, learned = [], []
    for shot, sha256 in zip(shots, hashes, strict=True):
        if sha256 in seen:
            twins.append(f"{shot.path}: is the same file as {seen[sha256].path}")
        if sha256 in trained:
            learned.append(f"{shot.path}: trained the bundle")
        seen.setdefault(sha256, shot)
    if twins:
        raise DataError(f"{shorten(twins)}\na run needs new pictures: put each part in again and take another one")
    if learned:
        raise DataError(f"{shorten(learned)}\ntake parts that the bundle has never seen")


def read_predictions(paths: Sequence[Path]) -> StationCalls:
    """Return the station's decisions from ``predictions.csv`` of several evaluations, each of them one run.

    A row's part is its column ``part``, else its file's name without folder and ending; its label is the reference.

    Raises:
        DataError: If a file cannot be read, lacks a column, or its labels do not tell good from defect.
    """
    calls: list[Call] = []
    for number, path in enumerate(paths, start=1):
        calls += _calls_of(path, str(number))
    return StationCalls(tuple(calls), {path.as_posix(): hash_file(path) for path in paths})


def _calls_of(path: Path, run: str) -> list[Call]:
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no predictions.csv of 'partgate evaluate': {error}") from error
    missing = [name for name in ("file", "part", "label", "verdict") if not rows or name not in rows[0]]
    if missing:
        raise DataError(f"{path}: is no predictions.csv of 'partgate evaluate': no {', '.join(missing)} in it")
    labels = {row["label"] for row in rows}
    good = {label for label in labels if label.casefold() in GOOD_NAMES}
    if len(good) != 1 or NO_GOOD_CLASS in labels:
        raise DataError(
            f"{path}: labels must name exactly one good class ({', '.join(GOOD_NAMES)}), "
            f"got {', '.join(sorted(labels))}; "
            "write the decisions into a sheet instead (columns part, appraiser, run, verdict, reference)"
        )
    calls = []
    for line, row in enumerate(rows, start=2):
        if row["verdict"] not in Verdict.__members__:
            raise DataError(
                f"{path}: row {line}: unknown verdict '{row['verdict']}'; known: {', '.join(Verdict.__members__)}"
            )
        part = row["part"] or Path(row["file"]).stem
        reference = Verdict.GOOD if row["label"] in good else Verdict.REJECT
        calls.append(Call(f"{path}: row {line}", part, STATION, run, Verdict[row["verdict"]], reference))
    return calls
