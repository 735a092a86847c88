"""The station as an appraiser: it judges several pictures of each part, or did so in earlier evaluations."""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from partgate.data.folder import GOOD_NAMES, Picture, name_of_part, read_folder
from partgate.data.labels_csv import LABELS_FILE
from partgate.data.straighten import refuse_other_straightening
from partgate.errors import DataError
from partgate.evaluation.seen import refuse_known
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

    picture: Picture
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
        DataError: If pictures are missing, double, byte-identical in two runs, cannot be read, were straightened
            otherwise than those learned from, or they or their part had a say in the gate.
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
    trained_with = inspector.bundle.manifest.geometry.straightened
    refuse_other_straightening([shot.picture for shot in shots], trained_with, f"recipe '{inspector.recipe.name}'")
    _refuse_repeats(shots)
    refuse_known(
        [shot.picture for shot in shots], inspector, pictures, "a study needs parts that had no say in the gate"
    )
    calls = []
    for done, shot in enumerate(shots, start=1):
        path = shot.picture.path
        verdict = inspector.inspect(read_picture(path)).decision.verdict
        calls.append(Call(str(path), shot.part, STATION, shot.run, verdict, shot.reference))
        progress("judge", done, len(shots))
    return StationCalls(tuple(calls), {"recipe": inspector.recipe_sha256, "bundle": inspector.bundle.id})


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
            shots.append(_Shot(by_name[file], part, run, reference))
    return shots


def _shots_by_folders(folder: Path) -> list[_Shot]:
    """Return the pictures in the sub-folders: the first folder is run 1, the file's name is the part."""
    inside = sort_naturally({one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")})
    shots = [
        _Shot(_picture_of(path, folder), path.stem, str(number), None)
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


def _picture_of(path: Path, folder: Path) -> Picture:
    """Return a picture without a label; its file's name is its part, as it would be in ``labels.csv``."""
    return Picture(
        path, path.relative_to(folder).as_posix(), "", hash_file(path), name_of_part(path.stem), part=path.stem
    )


def _refuse_repeats(shots: Sequence[_Shot]) -> None:
    """Refuse a file that stands for two runs: the same picture twice says nothing about repeating."""
    seen: dict[str, Path] = {}
    twins = []
    for picture in (shot.picture for shot in shots):
        first = seen.setdefault(picture.sha256, picture.path)
        if first is not picture.path:
            twins.append(f"{picture.path}: is the same file as {first}")
    if twins:
        raise DataError(f"{shorten(twins)}\na run needs new pictures: put each part in again and take another one")


def read_predictions(paths: Sequence[Path]) -> StationCalls:
    """Return the station's decisions from ``predictions.csv`` of several evaluations, each of them one run.

    A row's part is its column ``part``, else its file's name without folder and ending; its label is the reference.

    Raises:
        DataError: If a file cannot be read, lacks a column, its labels do not tell good from defect, or it holds what
            another of them holds: the same pictures twice say nothing about repeating.
    """
    tables = [_read_table(path) for path in paths]
    _refuse_equal_tables(tables)
    calls = [call for number, table in enumerate(tables, start=1) for call in _calls_of(table, str(number))]
    return StationCalls(tuple(calls), {table.path.as_posix(): table.sha256 for table in tables})


@dataclass(frozen=True, slots=True)
class _Table:
    """A ``predictions.csv`` as it was read."""

    path: Path
    sha256: str
    rows: list[dict[str, str]]

    def is_alike(self, other: "_Table") -> bool:
        """Tell whether both hold the same pictures: the same files with the same scores to the last digit."""
        has_scores = "defect_score" in self.rows[0]
        return self.sha256 == other.sha256 or (has_scores and _scores_of(self.rows) == _scores_of(other.rows))


def _scores_of(rows: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """Return each file with its score and probabilities, in the order of the files."""
    names = ["file", *sorted(name for name in rows[0] if name == "defect_score" or name.startswith("p_"))]
    return sorted([row[name] or "" for name in names] for row in rows)


def _refuse_equal_tables(tables: Sequence[_Table]) -> None:
    twins = [f"{one.path} and {two.path}" for one, two in combinations(tables, 2) if one.is_alike(two)]
    if twins:
        raise DataError(
            f"{shorten(twins)}: hold the same pictures with the same scores\n"
            "a run needs new pictures: put each part in again, take another one and evaluate those"
        )


def _read_table(path: Path) -> _Table:
    try:
        content = path.read_bytes()
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no predictions.csv of 'partgate evaluate': {error}") from error
    missing = [name for name in ("file", "part", "label", "verdict") if not rows or name not in rows[0]]
    if missing:
        raise DataError(f"{path}: is no predictions.csv of 'partgate evaluate': no {', '.join(missing)} in it")
    return _Table(path, hashlib.sha256(content).hexdigest(), rows)


def _calls_of(table: _Table, run: str) -> list[Call]:
    path, rows = table.path, table.rows
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
