"""Pictures that seem to show the same part, found where nobody said which do: close in looks, confirmed by geometry.

Candidates are each picture's nearest neighbours by the backbone's features, by a perceptual hash, and turned around
the middle. The two of a candidate pair are laid onto each other and compared pixel by pixel. How alike they must then
be is told by the set itself: castings of one pattern are alike in any case, so a pair counts only where it is
*unusually* alike beside pairs picked at random.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.data.folder import Picture
from partgate.data.geometry_match import Match, Sketch, correlate_rings, make_sketch, match
from partgate.data.joining import JoinedSets, Pair, join_alike
from partgate.errors import DataError
from partgate.imaging import read_picture

_NEIGHBOURS = 7  # of each picture, by each of the three ways to look for them
_RANDOM_PAIRS = 3000  # to learn what is usual in this set
_FEWEST_PAIRS = 45  # ten pictures; below, nothing can be said about what is usual
_UNUSUAL = 3.5  # robust standard deviations above the usual: alike
_SURE = 5.0  # ... and beyond doubt
_QUARTILE = 0.6745  # of the normal distribution
_LEAST_ALIKE, _LEAST_SURE = 0.4, 0.6  # correlation; less is texture that happens to agree
_SAME_PICTURE = 0.995  # correlation; more is the same picture, however usual that is in this set
_LARGEST_STRETCH = 0.1  # a part under one camera keeps its size within a tenth
_SAVED_AGAIN = 0.9  # correlation; so alike and corner on corner, it is one picture saved at two sizes
_BLOCK = 16  # rows compared at once; bounds the memory

_T = TypeVar("_T")

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""

ReadGrey = Callable[[Picture], NDArray[np.uint8]]
"""Reads a picture as grey values, shape (H, W)."""


@dataclass(frozen=True, slots=True)
class AlikePair:
    """Two pictures that seem to show the same part."""

    first: str  # file
    second: str
    correlation: float  # once laid onto each other, 0 to 1


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """Which pictures stay together because they seem to show the same part."""

    groups: Mapping[str, str]  # name of the group by file; a picture without look-alikes is a group of its own
    confirmed: tuple[AlikePair, ...]  # beyond doubt, the most alike first
    unsure: tuple[AlikePair, ...]  # for a person: the pairs that hold groups together which else would be apart
    alike_from: float  # correlation from which two pictures count as alike in this set
    sure_from: float  # ... and from which beyond doubt

    @property
    def largest(self) -> int:
        """Return how many pictures the largest group has."""
        return max(Counter(self.groups.values()).values(), default=0)


def read_grey(picture: Picture) -> NDArray[np.uint8]:
    """Return a picture as grey values, shape (H, W).

    Raises:
        DataError: If it cannot be read.
    """
    return np.asarray(cv2.cvtColor(read_picture(picture.path), cv2.COLOR_RGB2GRAY), np.uint8)


def find_look_alikes(
    pictures: Sequence[Picture],
    features: NDArray[np.float32],
    read: ReadGrey = read_grey,
    joined: Iterable[Sequence[str]] = (),
    separated: Iterable[Sequence[str]] = (),
    threads: int = 1,
    progress: Progress = lambda _what, _done, _of: None,
) -> LookAlikes:
    """Return groups of pictures that seem to show the same part.

    A pair is alike where its correlation, once laid onto each other at the same size, lies 3.5 robust standard
    deviations above that of random pairs (at least 0.4); beyond doubt from 5 on (at least 0.6). Pairs beyond doubt are
    joined, unsure ones too, unless hardly any other pair between the two groups agrees: one chance resemblance must
    not chain two parts. Byte-identical copies always stay together.

    Cost: three neighbour searches by matrix products, and about 15 comparisons of 1 to 2 ms for each picture.

    Args:
        pictures: Readable ones.
        features: The backbone's features of the same pictures, shape (N, D).
        read: Reads a picture; called once for each.
        joined: Lists of files that a person says show the same part; files that are not there are passed over.
        separated: Lists of files of which a person says that each shows another part.
        threads: Pictures and pairs worked on at once.
        progress: Is told how far it is.

    Raises:
        DataError: If a picture cannot be read, or ``joined`` and ``separated`` contradict each other.
        ValueError: If there is not one row of features for each picture.

    Source:
        Limit of 3.5: Iglewicz, Hoaglin (1993), "How to Detect and Handle Outliers", ASQC, modified z-scores; here from
        the lower quartile alone, since pairs of the same part stand on the upper side. Other limits: own measurement
        on two sets (``benchmarks/groups.py``).
    """
    if features.ndim != 2 or len(features) != len(pictures):
        raise ValueError(f"features must be one row for each of {len(pictures)} pictures, got shape {features.shape}")
    groups = _forced(pictures, joined, separated)
    with ThreadPoolExecutor(threads) as pool:
        sketches = _told(pool.map(lambda one: make_sketch(read(one)), pictures), "pictures", len(pictures), progress)
        candidates, random = _candidates(sketches, features), _random_pairs(len(pictures))
        asked = sorted(candidates | random)
        found = pool.map(lambda pair: match(sketches[pair[0]], sketches[pair[1]]), asked)
        matches = dict(zip(asked, _told(found, "look-alikes", len(asked), progress), strict=True))
    alike_from, sure_from = _limits([matches[pair].correlation for pair in random])
    alike = {pair: _likeness(matches[pair]) for pair in candidates}
    unsure = join_alike(groups, alike, alike_from, sure_from)
    confirmed = [pair for pair in alike if alike[pair] >= sure_from and groups.are_joined(*pair)]

    def tell(pairs: Iterable[Pair]) -> tuple[AlikePair, ...]:
        ordered = sorted(pairs, key=lambda pair: (-alike[pair], pair))
        return tuple(AlikePair(pictures[i].file, pictures[j].file, alike[i, j]) for i, j in ordered)

    return LookAlikes(_named(pictures, groups), tell(confirmed), tell(unsure), alike_from, sure_from)


def _forced(
    pictures: Sequence[Picture], joined: Iterable[Sequence[str]], separated: Iterable[Sequence[str]]
) -> JoinedSets:
    """Return what stays together and apart whatever the pictures look like."""
    groups, places = JoinedSets(len(pictures)), {picture.file: i for i, picture in enumerate(pictures)}
    first: dict[str, int] = {}
    for i, picture in enumerate(pictures):
        groups.join(first.setdefault(picture.sha256, i), i)
    for files in joined:
        known = [places[file] for file in files if file in places]
        for i in known[1:]:
            groups.join(known[0], i)
    for files in separated:
        for i, j in combinations(sorted({places[file] for file in files if file in places}), 2):
            if not groups.keep_apart(i, j):
                raise DataError(
                    f"pictures {pictures[i].file!r} and {pictures[j].file!r} are said to show different parts, but are "
                    "byte-identical or said to show the same one; take one of the two statements back"
                )
    return groups


def _random_pairs(n: int) -> set[Pair]:
    """Return pairs picked at random, the same ones each time; all pairs of a small set."""
    if n * (n - 1) // 2 <= _RANDOM_PAIRS:
        return set(combinations(range(n), 2))
    drawn = np.random.default_rng(0).integers(0, n, (_RANDOM_PAIRS, 2))
    return {(int(min(i, j)), int(max(i, j))) for i, j in drawn if i != j}


def _candidates(sketches: Sequence[Sketch], features: NDArray[np.float32]) -> set[Pair]:
    if len(sketches) < 2:
        return set()
    even = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-6)
    unit = even / np.maximum(np.linalg.norm(even, axis=1, keepdims=True), 1e-6)
    small, rings = np.stack([one.small for one in sketches]), np.stack([one.rings for one in sketches])
    found = _nearest(unit, lambda rows: rows @ unit.T)
    found |= _nearest(small, lambda rows: rows @ small.T)
    return found | _nearest(rings, lambda rows: correlate_rings(rows, rings))


def _nearest(rows: NDArray[Any], compare: Callable[[NDArray[Any]], NDArray[np.float32]]) -> set[Pair]:
    """Return each row's nearest neighbours as pairs; memory grows with the number of rows, not with its square."""
    count = min(_NEIGHBOURS, len(rows) - 1)
    found: set[Pair] = set()
    for start in range(0, len(rows), _BLOCK):
        near = compare(rows[start : start + _BLOCK])
        own = np.arange(start, start + len(near))
        near[np.arange(len(near)), own] = -np.inf
        best = np.argpartition(-near, count - 1, axis=1)[:, :count]
        found |= {(int(min(i, j)), int(max(i, j))) for i, others in zip(own, best, strict=True) for j in others}
    return found


def _limits(usual: Sequence[float]) -> tuple[float, float]:
    """Return the correlations from which two pictures are alike, and beyond doubt.

    Args:
        usual: Correlations of pairs picked at random. Few of them show the same part, or many: only the median and the
            quartile below it are used.
    """
    if len(usual) < _FEWEST_PAIRS:
        return _SAME_PICTURE, _SAME_PICTURE
    quartile, median = np.quantile(np.arctanh(np.clip(usual, -_SAME_PICTURE, _SAME_PICTURE)), [0.25, 0.5])
    deviation = (median - quartile) / _QUARTILE
    alike, sure = np.tanh([median + _UNUSUAL * deviation, median + _SURE * deviation])
    return float(np.clip(alike, _LEAST_ALIKE, _SAME_PICTURE)), float(np.clip(sure, _LEAST_SURE, _SAME_PICTURE))


def _likeness(found: Match) -> float:
    is_other_size = found.is_same_frame and found.correlation >= _SAVED_AGAIN
    return found.correlation if found.stretch <= _LARGEST_STRETCH or is_other_size else -1.0


def _named(pictures: Sequence[Picture], groups: JoinedSets) -> dict[str, str]:
    numbers: dict[int, int] = {}
    return {
        picture.file: f"look-alike {numbers.setdefault(groups.leader(i), len(numbers) + 1):04d}"
        for i, picture in enumerate(pictures)
    }


def _told(values: Iterable[_T], what: str, count: int, progress: Progress) -> list[_T]:
    done = []
    for value in values:
        done.append(value)
        progress(what, len(done), count)
    return done
