"""Labels that look wrong: what a model that never saw the picture says against the label it was given."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partgate.data.folder import Picture
from partgate.errors import DataError

OUT_OF_FOLD_FILE = "out_of_fold.csv"
_COLUMNS = ("file", "sha256", "label", "group", "defect_score")
_CLASS_PREFIX = "p_"
_CLEAR_MARGIN = 0.5
_SUM_WITHIN = 0.01  # probabilities are written with few digits


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Class probabilities of pictures from models that did not learn from them or their group."""

    classes: tuple[str, ...]
    probabilities: Mapping[tuple[str, str], NDArray[np.float64]]  # by the file's SHA-256 and the label learned


@dataclass(frozen=True, slots=True)
class Doubt:
    """A picture whose label the model contradicts."""

    picture: Picture
    instead: str  # the class that the model sees
    probability: float  # of that class
    given: float  # probability of the label


@dataclass(frozen=True, slots=True)
class Doubts:
    """What a model says against labels, and how much its word is worth."""

    found: tuple[Doubt, ...] = ()  # the clearest first
    scored: int = 0  # pictures that have scores
    agreed: float = 0.0  # share of them whose label is the model's most likely class


def read_out_of_fold(run: Path) -> OutOfFold:
    """Return the out-of-fold scores of a training.

    Args:
        run: Run folder of ``partgate train``.

    Raises:
        DataError: If there is no such file or it is not what training writes: a column missing, a row that is no
            number or does not sum to 1.
    """
    path = run / OUT_OF_FOLD_FILE
    if not path.is_file():
        where = "the run is of an older version or not finished: train again" if run.is_dir() else "no such run folder"
        raise DataError(f"{path}: no such file; {where}, or leave --run away")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or ())
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}; train again") from error
    classes = tuple(name.removeprefix(_CLASS_PREFIX) for name in header if name.startswith(_CLASS_PREFIX))
    missing = [name for name in _COLUMNS if name not in header]
    if missing or len(classes) < 2:
        wanted = f"{', '.join(_COLUMNS)} and {_CLASS_PREFIX}<class> for at least two classes"
        raise DataError(f"{path}: must have the columns {wanted}, got {', '.join(header) or 'nothing'}; train again")
    probabilities = {}
    for line, row in enumerate(rows, start=2):
        try:
            values = np.array([float(row[_CLASS_PREFIX + name]) for name in classes])
        except (TypeError, ValueError):
            raise DataError(f"{path}: row {line}: holds something that is no number; train again") from None
        if not (values >= 0).all() or abs(values.sum() - 1) > _SUM_WITHIN:
            raise DataError(f"{path}: row {line}: probabilities sum to {values.sum():g}, must be 1; train again")
        probabilities[row["sha256"], row["label"]] = values
    return OutOfFold(classes, probabilities)


def find_doubts(pictures: Sequence[Picture], scores: OutOfFold) -> Doubts:
    """Return the pictures whose label looks wrong.

    A label looks wrong where the model, which did not learn from the picture, gives another class at least the
    probability that it usually gives to pictures of that class, holds that class for the most likely one, and leads
    with it by 0.5. The first limit is each class's own: a class that the model is never sure of needs less.

    Args:
        pictures: As they are labelled now; those whose label has changed since the training have no scores.
        scores: Of the training.

    Source:
        Northcutt, Jiang, Chuang (2021), "Confident learning: estimating uncertainty in dataset labels", Journal of
        Artificial Intelligence Research 70: the off-diagonal entries of the confident joint (equations 1 and 2),
        ranked by the margin between the two classes. The lead of 0.5: own; with 5 % of the labels of five real sets
        changed, 58 of 85 were found, and where the model agreed with nine of ten labels, four of five listed were
        changed ones.
    """
    known = [one for one in pictures if (one.sha256, one.label) in scores.probabilities and one.label in scores.classes]
    if not known:
        return Doubts()
    values = np.stack([scores.probabilities[one.sha256, one.label] for one in known])  # (N, C)
    given = np.array([scores.classes.index(one.label) for one in known])
    limits = np.array([_limit(values, given, place) for place in range(len(scores.classes))])
    rows, seen = np.arange(len(known)), values.argmax(axis=1)
    is_sure = values[rows, seen] >= limits[seen]
    wrong = is_sure & (seen != given) & (values[rows, seen] - values[rows, given] >= _CLEAR_MARGIN)
    found = [
        Doubt(known[i], scores.classes[seen[i]], float(values[i, seen[i]]), float(values[i, given[i]]))
        for i in np.flatnonzero(wrong)
    ]
    ranked = sorted(found, key=lambda doubt: doubt.given - doubt.probability)
    return Doubts(tuple(ranked), len(known), float((seen == given).mean()))


def _limit(values: NDArray[np.float64], given: NDArray[np.int64], place: int) -> float:
    """Return the mean probability of a class on the pictures labelled so; without such pictures it is never seen."""
    own = values[given == place, place]
    return float(own.mean()) if len(own) else np.inf
