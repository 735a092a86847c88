"""Pictures of the same part on both sides of the split: found by looks alone, the columns that tell it hidden.

Measured: each set is read as if nothing said which pictures show the same part. Groups are found from the backbone's
features and the pictures, by one fixed rule for all sets; the pictures are split 60/20/20 by the found groups. Counted
are the pictures with a partner of the same true group on another side (the leak), beside the leak of a split by
picture. Pairwise: of the pairs in one found group the share that is in one true group (precision), and the other way
(recall). The time is processor time of the search alone, without the features.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from figures import format_table, write_result

from partgate.data.folder import LabelledFolder, read_folder
from partgate.data.groups import GroupSource, regroup
from partgate.data.look_alikes import find_look_alikes
from partgate.data.split import DEFAULT_SHARES, split_pictures
from partgate.errors import DataError
from partgate.training.config import load_training
from partgate.training.look import look, open_backbone

SETS = (
    "casting_impeller", "magnetic_tile", "ball_screw", "fabric_stain", "screw_presence", "steel_strip", "toy_figure",
)  # fmt: skip
DATA = Path(os.environ.get("PARTGATE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
_SORTED_BY_CLASS = frozenset({"steel_strip"})  # no class is the good one


def leak(folder: LabelledFolder, truth: Mapping[str, str], seed: int) -> float | None:
    """Return the share of pictures with a partner of the same true group on another side; ``None`` without a split."""
    try:
        sides, _ = split_pictures(folder, DEFAULT_SHARES, seed)
    except DataError:  # too few groups
        return None
    reached: dict[str, set[str]] = {}
    for file, side in sides.items():
        reached.setdefault(truth[file], set()).add(side)
    return sum(len(reached[truth[file]]) > 1 for file in sides) / len(sides)


def pairwise(found: Sequence[str], truth: Sequence[str]) -> tuple[float | None, float | None]:
    """Return precision and recall over pairs of pictures; ``None`` where there is no such pair.

    Example:
        >>> pairwise(["a", "a", "a"], ["1", "1", "2"])
        (0.3333333333333333, 1.0)
    """
    both, ours, true = (_pairs(names) for names in (list(zip(found, truth, strict=True)), found, truth))
    return both / ours if ours else None, both / true if true else None


def _pairs(names: Sequence[Any]) -> int:
    return sum(n * (n - 1) // 2 for n in Counter(names).values())


def measure(name: str, data_folder: Path, seeds: Sequence[int], threads: int) -> dict[str, Any]:
    """Return what was found on one set, and what it leaks."""
    config = load_training(data_folder / name, "quick", good_class="none" if name in _SORTED_BY_CLASS else None)
    truth = {picture.file: picture.group for picture in read_folder(config.data, config.good_class).pictures}
    hidden = read_folder(config.data, config.good_class, independent=True)
    seen = look(hidden.pictures, open_backbone(hidden.pictures, config), threads, _quiet)
    features = seen.features[:, 0].reshape(len(seen.pictures), -1)  # the clean view of each place that is looked at
    began = time.process_time()
    alike = find_look_alikes(seen.pictures, features, threads=threads)
    cpu_s = time.process_time() - began
    grouped = regroup(replace(hidden, notes=()), alike.groups, GroupSource.LOOK_ALIKES)
    found = [picture.group for picture in grouped.pictures]
    true = [truth[picture.file] for picture in grouped.pictures]
    precision, recall = pairwise(found, true)
    return {
        "n": len(found),
        "leak": {seed: leak(grouped, truth, seed) for seed in seeds},
        "random_leak": {seed: leak(hidden, truth, seed) for seed in seeds},
        "groups": [len(set(found)), len(set(true))],
        "largest": [max(Counter(found).values()), max(Counter(true).values())],
        "precision": precision,
        "recall": recall,
        "alike_from": alike.alike_from,
        "sure_from": alike.sure_from,
        "confirmed": len(alike.confirmed),
        "unsure": len(alike.unsure),
        "notes": list(grouped.notes),
        "cpu_s": round(cpu_s, 1),
    }


def groups_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table, a row for each set and seed; groups and the largest of them as found/true."""
    head = [
        "set",
        "seed",
        "leak %",
        "random %",
        "groups found/true",
        "largest",
        "precision",
        "recall",
        "alike from",
        "CPU s",
    ]
    rows = []
    for name, one in results.items():
        fixed = [
            f"{one['groups'][0]}/{one['groups'][1]}", f"{one['largest'][0]}/{one['largest'][1]}",
            _share(one["precision"]), _share(one["recall"]), f"{one['alike_from']:.3f}", f"{one['cpu_s']:.0f}",
        ]  # fmt: skip
        for seed, share in one["leak"].items():
            rows.append([name, str(seed), _percent(share), _percent(one["random_leak"][seed]), *fixed])
    return format_table(head, rows)


def _percent(share: float | None) -> str:
    return "no split" if share is None else f"{100 * share:.1f}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"


def _quiet(_what: str, _done: int, _of: int) -> None:
    return


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sets", nargs="*", default=SETS, metavar="SET", help="which sets; by default all that are there"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the sets; by default PARTGATE_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the split (default: 0 1 2)")
    parser.add_argument("--threads", type=int, default=2, help="pictures worked on at once (default: 2)")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure the sets and print the table."""
    settings = parse()
    there = [name for name in settings.sets if (settings.data / name / "labels.csv").is_file()]
    if not there:
        raise SystemExit(f"{settings.data}: holds none of {', '.join(settings.sets)}; name the folder with --data")
    results = {}
    for name in there:
        results[name] = measure(name, settings.data, settings.seeds, settings.threads)
        print(f"{name}: {results[name]['cpu_s']} s of processor, {'; '.join(results[name]['notes'])}", flush=True)
    print(f"\n{groups_table(results)}")
    write_result(settings.out, "groups", results)


if __name__ == "__main__":
    main()
