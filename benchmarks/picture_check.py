"""The picture check on the real sets: false alarms on good pictures, hits on spoiled copies, drift, time per picture.

Measured: limits are learned on four fifths of each set, as training learns them (all classes; groups as given), and
judged once on the held-out fifth, whose groups are others: false alarms there, and hits on copies of its pictures
spoiled by code (``spoiled.py``). Drift: what is usual is learned from the good pictures of the four fifths. An
unchanged stream draws from the same pictures with replacement, each draw independent; "other groups" draws from the
held-out ones, "in runs" draws runs of 20 from one group of the learned ones. The monitor starts again after each
warning. A changed stream draws from spoiled copies of held-out good pictures.

Bounds are exact, one-sided, 95 %. Pictures of one group are not independent: they are narrower than the truth.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from figures import write_result
from numpy.typing import NDArray
from picture_check_tables import tables
from real_sets import KNOWN, DefectSet, make_folds, read_set
from spoiled import PATIENCE, SLOW, SPOILED, blur, defocus

from partgate.imaging import read_picture
from partgate.parts import Image
from partgate.picture_check import Measures, PictureLimits, find_faults, learn_limits, measure
from partgate.picture_check.drift import DriftMonitor, Usual
from partgate.picture_check.rules import RULES

DATA = Path(os.environ.get("PARTGATE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
RESULT = Path(__file__).parent / "results" / "picture_check.json"
SETS = tuple(name for name in KNOWN if name != "solar_cells")
_STREAMS = 500
_RUN = 20  # parts of one group in a row
_LEAST_GROUP = 5  # pictures: runs of one picture over and over say nothing
_CHANGED = 400  # streams that change
_SIZES = ((480, 640), (1000, 1000), (1536, 2048), (3648, 5472))
_TIMES = 41


@dataclass(frozen=True, slots=True)
class Split:
    """One set, cut once: what limits are learned from, and the held-out fifth."""

    data: DefectSet
    learned: NDArray[np.int64]
    held_out: NDArray[np.int64]

    def is_good(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows show a good part; where there is no good class, all."""
        good = self.data.folder.good_class
        return np.array([good in (None, self.data.pictures[row].label) for row in rows])

    def read(self, row: int) -> Image:
        """Return one picture."""
        return read_picture(self.data.pictures[row].path)


def learn(split: Split, measures: Sequence[Measures]) -> PictureLimits:
    """Return the limits that training would write."""
    groups = [str(split.data.groups[row]) for row in split.learned]
    if len(set(groups)) == 1:
        groups = []
    return learn_limits(measures, groups, split.is_good(split.learned).tolist())


def judge_copies(split: Split, limits: PictureLimits) -> dict[str, int]:
    """Return how many copies of all held-out pictures were found not usable, by what was done to them."""
    return {
        what: sum(bool(find_faults(measure(spoil(split.read(int(row)))), limits)) for row in split.held_out)
        for what, spoil in SPOILED.items()
    }


class Streams:
    """Many monitors at once, as arrays; the first is compared with :class:`DriftMonitor` itself."""

    def __init__(self, usual: Mapping[str, Usual], measures: Sequence[Measures]) -> None:
        self._usual = usual
        self._measures = measures
        names = list(usual)
        values = np.array([[getattr(one, name) for name in names] for one in measures], float)  # (N, M)
        scaled = np.stack([RULES[name].to_scale(values[:, i]) for i, name in enumerate(names)], 1)
        off = (scaled - [usual[name].mean for name in names]) / [usual[name].sigma for name in names]
        steps = np.concatenate((-off, off), 1) - [usual[name].slack for name in names] * 2
        self._steps = np.nan_to_num(np.minimum(steps, 2.0), nan=0.0)  # (N, 2M)
        self._limit = np.array([usual[name].warn_from for name in names] * 2)

    def count_warnings(self, draws: NDArray[np.int64]) -> int:
        """Return the warnings of all streams; a stream starts again after each.

        Args:
            draws: Pictures shown, shape (T, S).
        """
        sums = np.zeros((draws.shape[1], len(self._limit)))
        count = 0
        for drawn in draws:
            sums = np.maximum(0, sums + self._steps[drawn])
            warned = (sums >= self._limit).any(1)
            count += int(warned.sum())
            sums[warned] = 0
        return count

    def parts_to_warning(self, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return after how many parts each stream warned first, shape (S,); infinite where it did not."""
        sums = np.zeros((draws.shape[1], len(self._limit)))
        first = np.full(draws.shape[1], np.inf)
        for number, drawn in enumerate(draws, 1):
            sums = np.maximum(0, sums + self._steps[drawn])
            first[(sums >= self._limit).any(1) & np.isinf(first)] = number
        return first

    def check(self, drawn: NDArray[np.int64]) -> None:
        """Refuse to go on where the arrays and the monitor of the package do not agree on one stream."""
        monitor = DriftMonitor(self._usual)
        first = next((n for n, row in enumerate(drawn, 1) if monitor.take(self._measures[row])), np.inf)
        if first != self.parts_to_warning(drawn[:, None])[0]:
            raise SystemExit(f"monitor warned after {first} parts, the arrays after another number")


def in_runs(groups: NDArray[np.str_], parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return draws in which 20 neighbours are of one group, shape (parts, S)."""
    _, member = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(member == number) for number in range(member.max() + 1)]
    runs = -(-parts // _RUN)
    drawn = [rng.choice(members[g], _RUN) for g in member[rng.integers(0, len(member), runs * _STREAMS)]]
    return np.array(drawn).reshape(_STREAMS, runs * _RUN)[:, :parts].T


def follow_drift(split: Split, limits: PictureLimits, learned: Sequence[Measures], parts: int) -> dict[str, Any]:
    """Return warnings per part on unchanged streams, and parts until a warning on changed ones."""
    rng = np.random.default_rng(0)
    known = np.flatnonzero(split.is_good(split.learned))
    held_out = split.held_out[split.is_good(split.held_out)]
    usual = Streams(limits.usual, [learned[i] for i in known])
    other = Streams(limits.usual, [measure(split.read(int(row))) for row in held_out])
    steps = parts // _STREAMS
    groups = split.data.groups[split.learned[known]]
    sizes = np.unique(groups, return_counts=True)[1]
    has_runs = bool(np.median(sizes) >= _LEAST_GROUP)
    usual.check(rng.integers(0, len(known), 3000))
    found: dict[str, Any] = {
        "parts": steps * _STREAMS,
        "unchanged": usual.count_warnings(rng.integers(0, len(known), (steps, _STREAMS))),
        "other_groups": other.count_warnings(rng.integers(0, len(held_out), (steps, _STREAMS))),
        "in_runs": usual.count_warnings(in_runs(groups, steps, rng)) if len(sizes) > 1 and has_runs else None,
    }
    for what, spoil in SLOW.items():
        copies = [measure(spoil(split.read(int(row)))) for row in held_out]
        streams = Streams(limits.usual, copies)
        draws = rng.integers(0, len(copies), (PATIENCE, _CHANGED))
        streams.check(draws[:, 0])
        first = np.sort(streams.parts_to_warning(draws))
        found[what] = {
            "found": int(np.isfinite(first).sum()), "of": _CHANGED,
            "median": float(first[_CHANGED // 2]), "p95": float(first[int(_CHANGED * 0.95)]),
            "not_usable": sum(bool(find_faults(one, limits)) for one in copies), "copies": len(copies),
        }  # fmt: skip
    return found


def time_measuring() -> dict[str, float]:
    """Return the median processor milliseconds that a picture of each size takes, on one core."""
    rng = np.random.default_rng(0)
    found = {}
    for height, width in _SIZES:
        picture = blur(rng.integers(0, 256, (height, width, 3), np.uint8), 3)
        taken = []
        for _ in range(_TIMES):
            before = time.thread_time()
            measure(picture)
            taken.append(time.thread_time() - before)
        found[f"{width} x {height}"] = round(sorted(taken)[_TIMES // 2] * 1000, 2)
    return found


def compare_focus(split: Split) -> dict[str, dict[str, float]]:
    """Return per candidate the share of blurred copies below the least sharp of the learned pictures themselves."""
    rows = np.random.default_rng(0).permutation(split.learned)[:150]
    pictures = [split.read(int(row)) for row in rows]
    sharp = [_candidates(picture) for picture in pictures]
    spoiled = {"blurred 1 px": lambda image: blur(image, 1), "defocused 3 px": lambda image: defocus(image, 3)}
    copies = {what: [_candidates(spoil(picture)) for picture in pictures] for what, spoil in spoiled.items()}
    return {
        name: {what: float(np.mean([one[name] < min(row[name] for row in sharp) for one in rows]))
               for what, rows in copies.items()}
        for name in sharp[0]
    }  # fmt: skip


def _candidates(image: Image) -> dict[str, float]:
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    laplacian, tenengrad = float(cv2.Laplacian(grey, cv2.CV_32F).var()), float((across**2 + down**2).mean())
    variance = float(grey.var()) + 0.01
    apart = {
        lag: float(((grey[:, lag:] - grey[:, :-lag]) ** 2).mean() + ((grey[lag:] - grey[:-lag]) ** 2).mean()) + 0.01
        for lag in (1, 2, 4, 8)
    }
    return {
        "variance of Laplacian": laplacian, "Laplacian / variance": laplacian / variance,
        "Tenengrad": tenengrad, "Tenengrad / variance": tenengrad / variance,
        "1 px / 2 px": apart[1] / apart[2], "1 px / 4 px": apart[1] / apart[4],
        "2 px / 4 px": apart[2] / apart[4], "2 px / 8 px": apart[2] / apart[8],
        "4 px / variance": apart[4] / variance,
    }  # fmt: skip


def measure_set(name: str, data: Path, parts: int) -> dict[str, Any]:
    """Return all figures of one set."""
    read = read_set(name, data / name)
    folds, how = make_folds(read.labels, read.groups, 0)
    split = Split(read, *folds[0])
    learned = [measure(split.read(int(row))) for row in split.learned]
    limits = learn(split, learned)
    faults = [find_faults(measure(split.read(int(row))), limits) for row in split.held_out]
    good = split.is_good(split.held_out)
    return {
        "how": how, "learned": len(learned), "held_out": len(faults), "good": int(good.sum()),
        "alarms_good": sum(bool(one) for one, is_good in zip(faults, good, strict=True) if is_good),
        "alarms_all": sum(map(bool, faults)), "alarm_texts": sorted({text for one in faults for text in one}),
        "has_outline": limits.part_x_from is not None, "copies": judge_copies(split, limits),
        "drift": follow_drift(split, limits, learned, parts), "focus": compare_focus(split),
    }  # fmt: skip


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the sets; by default PARTGATE_DATA")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="which (default: all)")
    parser.add_argument("--parts", type=int, default=5_000_000, help="drawn per set and kind of stream")
    parser.add_argument("--out", type=Path, default=RESULT, help="result as JSON; a .md beside it holds the tables")
    settings = parser.parse_args(arguments)
    missing = [name for name in settings.sets if not (settings.data / name).is_dir()]
    if missing:
        parser.error(f"{settings.data}: holds no {', '.join(missing)}; name the folder of the sets with --data")
    if settings.parts < _STREAMS:
        parser.error(f"--parts must be {_STREAMS} or more, got {settings.parts}")
    return settings


def main() -> None:
    """Measure, and write the tables."""
    settings = parse()
    facts: dict[str, Any] = {"ms": time_measuring(), "sets": {}}
    for name in settings.sets:
        facts["sets"][name] = measure_set(name, settings.data, settings.parts)
        print(name, facts["sets"][name]["alarms_good"], facts["sets"][name]["copies"], flush=True)
    write_result(settings.out, "picture_check", facts)
    text = tables(facts)
    settings.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(f"\n{text}")


if __name__ == "__main__":
    main()
