"""How right partgate is: seven real defect sets by group, solar cells by the protocol of papers, few pictures, speed.

Measured: each preset learns from the folds' pictures alone (input size, features, fine-tuning, calibration, limits from
its own out-of-fold scores), is exported, and the exported graph judges the fold held out, once. Escapes, false rejects
and rechecks are those of its limits, also with the recheck band closed; balanced accuracy is that of the most likely
class at even class shares. Beside it, on the same folds, a fixed floor (``floor.py``).

Solar cells: 75 % to learn from, 25 % to judge, drawn by grade and type; accuracy weighted by the rater's certainty.
What was measured once stands in the result file and is not measured again; ``--again`` does.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_tables import write_markdown
from figures import machine_facts, partgate_command, run_timed
from floor import SIZE_PX, floor_features, floor_probabilities, frozen_graph
from folds import learn_and_judge
from real_sets import KNOWN, DefectSet, deal_out, draw_sure, make_folds, read_set

from partgate.evaluation.rates import auroc, balanced_accuracy, confusion_matrix
from partgate.parts import Verdict

DATA = Path(os.environ.get("PARTGATE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
RESULT = Path(__file__).parent / "results" / "accuracy.json"
SETS = tuple(name for name in KNOWN if name != "solar_cells")
PARTS = ("sets", "solar", "curve", "speed")
_CURVE = (10, 20, 50)
_SPEED_PICTURES = 1000
Figures = dict[str, Any]


class Results:
    """Figures by name, in a file that grows as they are measured."""

    def __init__(self, path: Path, again: bool) -> None:
        self._path, self._again = path, again
        known = path.is_file()
        self.figures: dict[str, Figures] = json.loads(path.read_text(encoding="utf-8"))["result"] if known else {}

    def has(self, name: str) -> bool:
        """Tell whether a figure need not be measured."""
        return name in self.figures and not self._again

    def put(self, name: str, figures: Figures) -> None:
        """Keep figures and write the file."""
        self.figures[name] = figures
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = {"benchmark": "accuracy", "machine": machine_facts(), "result": dict(sorted(self.figures.items()))}
        self._path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{name}: {json.dumps({key: figures[key] for key in list(figures)[:6]})}", flush=True)


def rate(data: DefectSet, probabilities: Any, even: Any, verdicts: Any, closed: Any, rows: Sequence[int]) -> Figures:
    """Return what verdicts on some rows come to."""
    names, good = data.folder.classes, data.folder.good_class
    labels = data.labels[list(rows)]
    truth = [names[i] for i in labels]
    balanced = balanced_accuracy(confusion_matrix(truth, [names[i] for i in even.argmax(1)], names))
    figures: Figures = {"n": len(labels), "balanced_accuracy": balanced}
    if good is None:
        passed = verdicts == Verdict.GOOD
        wrong = int((passed & (probabilities.argmax(1) != labels)).sum())
        return figures | {"wrong_class": wrong, "rechecks": int((~passed).sum()),
                          "wrong_class_closed": int((probabilities.argmax(1) != labels).sum())}  # fmt: skip
    is_defect = labels != names.index(good)
    figures |= {
        "auroc": auroc(1 - probabilities[:, names.index(good)], is_defect),
        "n_defect": int(is_defect.sum()),
        "n_good": int((~is_defect).sum()),
        "escapes": int((is_defect & (verdicts == Verdict.GOOD)).sum()),
        "false_rejects": int((~is_defect & (verdicts == Verdict.REJECT)).sum()),
        "rechecks": int((verdicts == Verdict.RECHECK).sum()),
        "escapes_closed": int((is_defect & (closed == Verdict.GOOD)).sum()),
        "false_rejects_closed": int((~is_defect & (closed == Verdict.REJECT)).sum()),
    }
    likely = even.argmax(1) == names.index(good)
    return figures | {
        "escapes_most_likely": int((is_defect & likely).sum()),
        "false_rejects_most_likely": int((~is_defect & ~likely).sum()),
    }


def measure_set(data: DefectSet, preset: str, seed: int) -> Figures:
    """Return the figures of a preset on one set with one seed of the folds."""
    folds, how = make_folds(data.labels, data.groups, seed)
    n, classes = len(data.labels), len(data.folder.classes)
    probabilities, even = np.zeros((n, classes)), np.zeros((n, classes))
    verdicts, closed, kinds = np.zeros(n, int), np.zeros(n, int), []
    began, used = time.perf_counter(), time.process_time()
    for learned, held_out in folds:
        found, model = learn_and_judge(
            [data.pictures[i] for i in learned], [data.pictures[i] for i in held_out], data.folder,
            data.config(preset, seed),
        )  # fmt: skip
        probabilities[held_out], even[held_out] = found.probabilities, found.even_shares
        verdicts[held_out], closed[held_out] = found.verdicts, found.verdicts_without_band
        kinds.append(model.choice.kind)
    figures = rate(data, probabilities, even, verdicts, closed, range(n))
    return figures | {
        "folds": how, "chosen": kinds, "wall_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - used, 1),
    }  # fmt: skip


def measure_floor(data: DefectSet, seed: int, threads: int) -> Figures:
    """Return the figures of the floor: its most likely class decides."""
    features = floor_features(data.pictures, frozen_graph(SIZE_PX), threads)
    folds, how = make_folds(data.labels, data.groups, seed)
    classes, good = data.folder.classes, data.folder.good_class
    found = np.zeros((len(data.labels), len(classes)))
    for learned, held_out in folds:
        found[held_out] = floor_probabilities(features, data.labels, learned, held_out, len(classes))
    passes = found.argmax(1) == classes.index(good) if good else np.ones(len(found), bool)
    verdicts = np.where(passes, int(Verdict.GOOD), int(Verdict.REJECT))
    return rate(data, found, found, verdicts, verdicts, range(len(found))) | {"folds": how}


def measure_solar(data: DefectSet, preset: str, seed: int, of_each: int | None = None) -> Figures:
    """Return the figures on solar cells; ``of_each`` learns from so many sure cells of each class only."""
    learned, test = deal_out(data.pictures, seed % 10)
    rows = learned if of_each is None else draw_sure(data, learned, of_each, seed)
    used, began = time.process_time(), time.perf_counter()
    found, model = learn_and_judge(
        [data.pictures[i] for i in rows], [data.pictures[i] for i in test], data.folder, data.config(preset, seed)
    )
    defect = data.folder.classes.index("defect")
    weights = np.array([data.pictures[i].weight for i in test])
    right = (found.probabilities[:, defect] > 0.5) == (data.labels[test] == defect)
    return {
        "weighted_accuracy": round(float((weights * right).sum() / weights.sum()), 4),
        "accuracy": round(float(right.mean()), 4),
        **rate(data, found.probabilities, found.even_shares, found.verdicts, found.verdicts_without_band, test),
        "chosen": model.choice.kind, "learned_from": len(rows),
        "wall_s": round(time.perf_counter() - began, 1), "cpu_s": round(time.process_time() - used, 1),
    }  # fmt: skip


def measure_speed(cells: Path, preset: str) -> Figures:
    """Return how long ``partgate train`` takes for 1,000 pictures of 300 x 300 px with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        pictures = sorted(cells.glob("*/*.png"))
        for picture in [pictures[i * len(pictures) // _SPEED_PICTURES] for i in range(_SPEED_PICTURES)]:
            (data / picture.parent.name).mkdir(parents=True, exist_ok=True)
            (data / picture.parent.name / picture.name).write_bytes(picture.read_bytes())
        count = sum(1 for _ in data.glob("*/*"))
        (Path(folder) / "train.yaml").write_text(
            f"preset: {preset}\ndata: data\ngroups: given\nsplit: {{train: 0.98, validation: 0.01, test: 0.01}}\n",
            encoding="utf-8",
        )
        command = partgate_command("train", f"{folder}/train.yaml", "--out", f"{folder}/run")
        timed = run_timed(command, {"PARTGATE_CACHE": f"{folder}/cache"})
    return {"pictures": count, "wall_s": round(timed.wall_s, 1), "cpu_s": round(timed.cpu_s, 1)}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "parts", nargs="*", default=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}; all by default"
    )
    parser.add_argument(
        "--sets", nargs="+", default=SETS, metavar="SET", help="which sets; by default all that are there"
    )
    parser.add_argument("--presets", nargs="+", default=["quick", "standard"], help="default: quick standard")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the sets; by default PARTGATE_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the folds (default: 0 1 2)")
    parser.add_argument("--draws", type=int, default=3, help="of few pictures, for each seed (default: 3)")
    parser.add_argument("--again", action="store_true", help="measure what stands in the result file already")
    parser.add_argument("--out", type=Path, default=RESULT, help="result as JSON; a .md beside it holds the tables")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure, and write the tables."""
    settings = parse()
    results = Results(settings.out, settings.again)
    if "sets" in settings.parts:
        _measure_sets(settings, results)
    with tempfile.TemporaryDirectory() as folder:
        cells = Path(folder) / "solar-cells"
        if set(settings.parts) - {"sets"}:
            run_timed(partgate_command("data", "get", "solar-cells", str(cells), "--with-unsure"))
            _measure_cells(settings, results, cells)
    write_markdown(settings.out.with_suffix(".md"), results.figures)


def _measure_sets(settings: argparse.Namespace, results: Results) -> None:
    there = [name for name in settings.sets if (settings.data / name / "labels.csv").is_file()]
    if not there:
        raise SystemExit(f"{settings.data}: holds none of {', '.join(settings.sets)}; name the folder with --data")
    for seed in settings.seeds:
        for name in there:
            data = read_set(name, settings.data / name)
            if not results.has(f"sets/{name}/floor/{seed}"):
                results.put(f"sets/{name}/floor/{seed}", measure_floor(data, seed, 2))
            for preset in settings.presets:
                if not results.has(f"sets/{name}/{preset}/{seed}"):
                    results.put(f"sets/{name}/{preset}/{seed}", measure_set(data, preset, seed))


def _measure_cells(settings: argparse.Namespace, results: Results, cells: Path) -> None:
    data = read_set("solar_cells", cells)
    for preset in settings.presets:
        wanted: Mapping[str, Any] = {}
        if "speed" in settings.parts:
            wanted = {f"speed/{preset}": lambda preset=preset: measure_speed(cells, preset)}
        if "solar" in settings.parts:
            wanted = {**wanted, **{
                f"solar/{preset}/{seed}": lambda preset=preset, seed=seed: measure_solar(data, preset, seed)
                for seed in settings.seeds
            }}  # fmt: skip
        if "curve" in settings.parts:
            wanted = {**wanted, **{
                f"curve/{of_each}/{preset}/{seed + 10 * draw}":
                    lambda p=preset, n=of_each, s=seed + 10 * draw: measure_solar(data, p, s, n)
                for of_each in _CURVE for draw in range(settings.draws) for seed in settings.seeds
            }}  # fmt: skip
        for name, measure in wanted.items():
            if not results.has(name):
                results.put(name, measure())


if __name__ == "__main__":
    main()
