"""Real defect sets, cross-validated by group: the quick preset beside a fixed floor, same folds, same run.

Measured: in each outer fold the preset learns from the other folds alone (input size, features through the exported
graph, head, limits from its own out-of-fold scores) and judges the fold held out by its decision rule. Counted are
escapes, false rejects and rechecks, and beside them AUROC and balanced accuracy of the most likely class. The floor
(``floor.py``) learns and judges the same folds; it has no limits, its most likely class decides.

Folds: ``StratifiedGroupKFold``, as many as the rarest class has groups, at most five; each seed judges every picture
once. A set whose rarest class has one group is folded by picture: such figures say nothing about new parts.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from crossval import Figures, Product, feature_graph, judge_by_floor, make_folds, rate, read_set
from figures import count_of, format_table, write_result
from floor import SIZE_PX, floor_features

SETS = (
    "ball_screw", "casting_impeller", "fabric_stain", "magnetic_tile", "screw_presence", "steel_strip", "toy_figure",
)  # fmt: skip
DATA = Path(os.environ.get("PARTGATE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
_METHODS = ("product", "floor")


def mean_of(figures: Sequence[Figures]) -> dict[str, float]:
    """Return the mean over seeds of each figure that every seed has.

    Example:
        >>> mean_of([{"escapes": 1, "auroc": None}, {"escapes": 2, "auroc": None}])
        {'escapes': 1.5}
    """
    named = {name: [one[name] for one in figures] for name in figures[0]}
    return {name: float(np.mean(values)) for name, values in named.items() if None not in values}  # type: ignore[arg-type]


def measure(name: str, data_folder: Path, seeds: Sequence[int], threads: int) -> dict[str, Any]:
    """Return the figures of product and floor on one set."""
    began = time.perf_counter(), time.process_time()
    data = read_set(name, data_folder)
    product = Product(data, threads)
    graph, _ = feature_graph(data.config, SIZE_PX, SIZE_PX)
    features = floor_features(data.pictures, graph, threads)
    found: dict[str, list[Figures]] = {"product": [], "floor": []}
    how = ""
    for seed in seeds:
        folds, how = make_folds(data.labels, data.groups, seed)
        found["product"].append(rate(data, product.judge(folds, seed)))
        found["floor"].append(rate(data, judge_by_floor(data, features, folds)))
    good = data.folder.good_class
    n_good = int((data.labels == data.folder.classes.index(good)).sum()) if good else 0
    return {
        "folds": how,
        "n_good": n_good,
        "n_defect": len(data.labels) - n_good if good else 0,
        "n": len(data.labels),
        "product": mean_of(found["product"]),
        "floor": mean_of(found["floor"]),
        "per_seed": found,
        "wall_s": round(time.perf_counter() - began[0], 1),
        "cpu_s": round(time.process_time() - began[1], 1),
    }


def counts_table(results: Mapping[str, Mapping[str, Any]], methods: Sequence[str] = _METHODS) -> str:
    """Return the table of what the gate would have done, as means over the seeds."""
    rows = []
    for name, result in results.items():
        for method in methods:
            found = result[method]
            if "escapes" in found:
                cells = [
                    count_of(round(found["escapes"], 1), result["n_defect"]),
                    count_of(round(found["false_rejects"], 1), result["n_good"]),
                    count_of(round(found["rechecks"], 1), result["n"]),
                    f"{found['cost']:.0f}",
                ]
            else:
                wrong = f"{count_of(round(found['wrong_class'], 1), result['n'])} in a wrong lane"
                cells = [wrong, "-", count_of(round(found["rechecks"], 1), result["n"]), "-"]
            rows.append([name, method, *cells])
    return format_table(["set", "method", "escapes", "false rejects", "rechecks", "cost"], rows)


def rates_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return balanced accuracy and AUROC of product and floor side by side, and their means over the sets."""
    names = ("balanced_accuracy", "balanced_accuracy_even_shares", "auroc")
    columns = [("product", name) for name in names] + [("floor", "balanced_accuracy"), ("floor", "auroc")]
    head = ["set", "balanced", "even shares", "AUROC", "floor balanced", "floor AUROC", "folds"]
    rows = [
        [name, *(_decimal(result[method].get(figure)) for method, figure in columns), result["folds"]]
        for name, result in results.items()
    ]
    means = [_mean([result[method].get(figure) for result in results.values()]) for method, figure in columns]
    return format_table(head, [*rows, ["mean", *map(_decimal, means), ""]])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sets", nargs="*", default=SETS, metavar="SET", help="which sets; by default all that are there"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the sets; by default PARTGATE_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the folds (default: 0 1 2)")
    parser.add_argument("--threads", type=int, default=2, help="pictures worked on at once (default: 2)")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure the sets and print both tables."""
    settings = parse()
    there = [name for name in settings.sets if (settings.data / name / "labels.csv").is_file()]
    if not there:
        raise SystemExit(f"{settings.data}: holds none of {', '.join(settings.sets)}; name the folder with --data")
    results = {}
    for name in there:
        results[name] = measure(name, settings.data, settings.seeds, settings.threads)
        print(f"{name}: {results[name]['wall_s']} s, {results[name]['cpu_s']} s of processor", flush=True)
    print(f"\nMeans over seeds {settings.seeds}; cost = 10 x escapes + false rejects, what the limits keep low\n")
    print(f"{counts_table(results)}\n\n{rates_table(results)}")
    write_result(settings.out, "sets", results)


if __name__ == "__main__":
    main()
