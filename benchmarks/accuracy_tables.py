"""The tables of ``accuracy.py``: means over seeds, counts with exact bounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from figures import count_of, format_table, mean_and_spread

from partgate.evaluation.rates import upper_bound

Figures = Mapping[str, Any]
_PAPER = "the dataset's paper: CNN 88.42 %, SVM 82.44 %"


def write_markdown(path: Path, figures: Mapping[str, Figures]) -> None:
    """Write every table that the figures fill, and print it."""
    parts = [
        ("Seven sets, cross-validated by group", sets_table(figures)),
        ("Balanced accuracy of the most likely class, and AUROC", balanced_table(figures)),
        (f"Solar cells, 75 % to learn from ({_PAPER})", solar_table(figures)),
        ("Solar cells, few sure pictures of each class, AUROC", curve_table(figures)),
        ("`partgate train` on 1,000 pictures of 300 x 300 px, cache empty", speed_table(figures)),
    ]
    text = "# Accuracy\n\nWritten by `python benchmarks/accuracy.py`; means over the seeds that were measured.\n"
    for title, table in parts:
        if table:
            text += f"\n## {title}\n\n{table}\n"
    path.write_text(text, encoding="utf-8")
    print(f"\n{text}")


def by_method(figures: Mapping[str, Figures], prefix: str) -> dict[tuple[str, str], list[Figures]]:
    """Return figures under ``prefix/NAME/METHOD/SEED`` by name and method.

    Example:
        >>> by_method({"sets/tile/floor/0": {"n": 1}, "speed/quick": {}}, "sets")
        {('tile', 'floor'): [{'n': 1}]}
    """
    found: dict[tuple[str, str], list[Figures]] = {}
    for key, one in figures.items():
        steps = key.split("/")
        if steps[0] == prefix and len(steps) == 4:
            found.setdefault((steps[1], steps[2]), []).append(one)
    return found


def _mean(found: Sequence[Figures], name: str) -> float:
    return float(np.mean([one[name] for one in found]))


def sets_table(figures: Mapping[str, Figures]) -> str:
    """Return escapes, false rejects and rechecks per set and method, with the band as it is and closed."""
    head = ["set", "method", "seeds", "escapes", "at most", "false rejects", "rechecks", "band closed", "CPU s"]
    rows = []
    for (name, method), found in by_method(figures, "sets").items():
        first = found[0]
        cost = f"{_mean(found, 'cpu_s'):.0f}" if "cpu_s" in first else "-"
        if "escapes" not in first:
            wrong = f"{count_of(round(_mean(found, 'wrong_class'), 1), first['n'])} in a wrong lane"
            closed = f"{round(_mean(found, 'wrong_class_closed'), 1)} in a wrong lane"
            rechecks = count_of(round(_mean(found, "rechecks"), 1), first["n"])
            rows.append([name, method, str(len(found)), wrong, "-", "-", rechecks, closed, cost])
            continue
        bound = upper_bound(max(one["escapes"] for one in found), first["n_defect"])
        rows.append([
            name, method, str(len(found)),
            count_of(round(_mean(found, "escapes"), 1), first["n_defect"]), f"{100 * bound:.1f} %",
            count_of(round(_mean(found, "false_rejects"), 1), first["n_good"]),
            count_of(round(_mean(found, "rechecks"), 1), first["n"]),
            f"{_mean(found, 'escapes_closed'):.1f} / {_mean(found, 'false_rejects_closed'):.1f}", cost,
        ])  # fmt: skip
    return format_table(head, rows) if rows else ""


def balanced_table(figures: Mapping[str, Figures]) -> str:
    """Return balanced accuracy and AUROC per set, a column per method, with the mean over sets that all have."""
    found = by_method(figures, "sets")
    names, methods = sorted({name for name, _ in found}), sorted({method for _, method in found})
    if not names:
        return ""
    rows, shared = [], [name for name in names if all((name, method) in found for method in methods)]
    for name in names:
        cells = []
        for method in methods:
            values = found.get((name, method))
            cells.append("-" if values is None else _cell(values))
        first = next(found[name, method][0] for method in methods if (name, method) in found)
        rows.append([name, *cells, first["folds"]])
    means = [np.mean([_mean(found[name, method], "balanced_accuracy") for name in shared]) for method in methods]
    rows.append([f"mean of {len(shared)}", *(f"{value:.3f}" for value in means), ""])
    return format_table(["set", *methods, "folds"], rows)


def _cell(found: Sequence[Figures]) -> str:
    text = f"{_mean(found, 'balanced_accuracy'):.3f}"
    return text if "auroc" not in found[0] else f"{text} ({_mean(found, 'auroc'):.3f})"


def solar_table(figures: Mapping[str, Figures]) -> str:
    """Return a row per preset on solar cells: mean and standard deviation over seeds, counts of the limits."""
    presets: dict[str, list[Figures]] = {}
    for key, one in figures.items():
        steps = key.split("/")
        if steps[0] == "solar":
            presets.setdefault(steps[1], []).append(one)
    rows = []
    for preset, found in presets.items():
        shown = [mean_and_spread([one[name] for one in found])
                 for name in ("weighted_accuracy", "accuracy", "balanced_accuracy", "auroc")]  # fmt: skip
        first = found[0]
        rows.append([
            preset, str(len(found)), *(f"{100 * mean:.1f} ± {100 * spread:.1f}" for mean, spread in shown),
            count_of(round(_mean(found, "escapes"), 1), first["n_defect"]),
            count_of(round(_mean(found, "false_rejects"), 1), first["n_good"]),
            f"{_mean(found, 'cpu_s'):.0f}", ", ".join(sorted({one["chosen"] for one in found})),
        ])  # fmt: skip
    head = ["preset", "seeds", "weighted %", "accuracy %", "balanced %", "AUROC %", "escapes", "false rejects", "CPU s",
            "chosen"]  # fmt: skip
    return format_table(head, rows) if rows else ""


def curve_table(figures: Mapping[str, Figures]) -> str:
    """Return AUROC by pictures of each class, a column per preset."""
    found = by_method(figures, "curve")
    counts, presets = sorted({int(count) for count, _ in found}), sorted({preset for _, preset in found})
    rows = []
    for count in counts:
        cells = []
        for preset in presets:
            values = [one["auroc"] for one in found.get((str(count), preset), [])]
            mean, spread = mean_and_spread(values) if values else (float("nan"), 0.0)
            cells.append(f"{mean:.3f} ± {spread:.3f} ({len(values)} draws)")
        rows.append([str(count), *cells])
    return format_table(["of each class", *presets], rows) if rows else ""


def speed_table(figures: Mapping[str, Figures]) -> str:
    """Return wall and processor seconds of each preset."""
    rows = [[key.split("/")[1], str(one["pictures"]), f"{one['wall_s']:.0f}", f"{one['cpu_s']:.0f}"]
            for key, one in figures.items() if key.startswith("speed/")]  # fmt: skip
    return format_table(["preset", "pictures", "wall s", "CPU s"], rows) if rows else ""
