"""The benchmarks: they answer --help, and the functions beneath their figures behave."""

import importlib.util
import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = ("elpv", "sets", "station")


@pytest.fixture
def load(monkeypatch):
    """Load a file of benchmarks/ as Python does when the script is run: its neighbours are found by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in {"crossval", "figures", "floor"} & (set(sys.modules) - before):
        del sys.modules[name]


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_benchmark_answers_help_and_says_what_it_measures(script):
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{script}.py"), "--help"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Measured:" in done.stdout
    assert "--out" in done.stdout


def test_every_script_stands_in_the_readme():
    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")

    assert all(f"python benchmarks/{script}.py" in text for script in SCRIPTS)


# ---- tables and counts ----


def test_table_aligns_names_left_and_figures_right(load):
    figures = load("figures")

    table = figures.format_table(["set", "escapes"], [["covers", "3 of 412"], ["lid", "0 of 9"]])

    assert table.splitlines() == [
        "| set    |  escapes |",
        "| ------ | -------: |",
        "| covers | 3 of 412 |",
        "| lid    |   0 of 9 |",
    ]


def test_table_refuses_a_row_that_lacks_a_cell(load):
    figures = load("figures")

    with pytest.raises(ValueError, match="row must have 2 cells, got 1"):
        figures.format_table(["set", "escapes"], [["covers"]])


def test_command_that_fails_tells_its_exit_code_and_its_last_words(load):
    figures = load("figures")

    with pytest.raises(RuntimeError, match=r"exit code 3:\nthe disk is full"):
        figures.run_timed([sys.executable, "-c", "print('the disk is full'); raise SystemExit(3)"])


def test_result_names_no_machine_and_no_path(load, tmp_path):
    figures = load("figures")

    figures.write_result(tmp_path / "new" / "result.json", "sets", {"escapes": 3})

    text = (tmp_path / "new" / "result.json").read_text(encoding="utf-8")
    assert '"escapes": 3' in text
    assert str(tmp_path) not in text
    assert f'"{platform.node()}"' not in text


# ---- folds ----


def test_folds_hold_every_picture_out_once_and_never_part_a_group(load):
    crossval = load("crossval")
    labels = np.repeat([0, 1], 6)
    groups = np.array(list("aabbccddeeff"))

    folds, how = crossval.make_folds(labels, groups, seed=0)

    assert how == "3 folds by group"
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(12))
    assert all(not set(groups[learned]) & set(groups[held]) for learned, held in folds)


def test_folds_are_at_most_five(load):
    crossval = load("crossval")
    labels, groups = np.repeat([0, 1], 8), np.array([f"part {i}" for i in range(16)])

    folds, how = crossval.make_folds(labels, groups, seed=0)

    assert len(folds) == 5
    assert how == "5 folds by group"


def test_class_with_a_single_group_is_folded_by_picture_and_marked(load):
    crossval = load("crossval")
    labels, groups = np.repeat([0, 1], 5), np.array(["block"] * 10)

    _, how = crossval.make_folds(labels, groups, seed=0)

    assert how == "5 folds by picture, not independent"


def test_mean_over_seeds_leaves_out_what_a_seed_does_not_have(load):
    sets = load("sets")

    found = sets.mean_of([{"escapes": 1, "auroc": None}, {"escapes": 2, "auroc": None}])

    assert found == {"escapes": 1.5}


# ---- the floor ----


def test_floor_keeps_the_aspect_and_fills_up_with_grey(load):
    floor = load("floor")

    square = floor.letterbox(np.zeros((2, 4, 3), np.uint8), 4)

    assert square[:, 0, 0].tolist() == [127, 0, 0, 127]


def test_floor_gives_a_class_that_it_never_saw_no_chance(load):
    floor = load("floor")
    features = np.array([[0.0], [0.1], [1.0], [1.1]], np.float32)
    labels = np.array([0, 0, 2, 2])

    found = floor.floor_probabilities(features, labels, np.arange(4), np.array([0, 3]), classes=3)

    assert found[:, 1].tolist() == [0.0, 0.0]
    assert found.argmax(1).tolist() == [0, 2]


# ---- solar cells ----


def test_a_quarter_of_the_cells_of_each_grade_and_type_is_for_the_test(load):
    elpv = load("elpv")
    kinds = [(grade, cell_type) for grade in ("0.00", "1.00") for cell_type in ("mono", "poly")]
    rows = [{"grade": grade, "cell_type": cell_type} for grade, cell_type in kinds for _ in range(40)]

    sides = elpv.deal_out(rows, seed=0)

    first = sides[:40]
    assert (first.count("train"), first.count("validation"), first.count("test")) == (24, 6, 10)
    assert sides == elpv.deal_out(rows, seed=0)


def test_new_seed_replaces_the_sides_of_the_last_one(load, tmp_path):
    elpv = load("elpv")
    labels = tmp_path / "labels.csv"
    lines = [f"{n}.png,good,1,0.00,mono" for n in range(40)]
    labels.write_text("\n".join(["file,label,weight,grade,cell_type", *lines]) + "\n", encoding="utf-8")

    elpv.write_sides(labels, 0)
    first = labels.read_text(encoding="utf-8")
    elpv.write_sides(labels, 1)
    second = labels.read_text(encoding="utf-8")

    assert second.splitlines()[0] == "file,label,weight,grade,cell_type,split"
    assert first.count(",test") == second.count(",test") == 10
    assert first != second


def test_accuracy_is_the_share_on_the_diagonal(load):
    elpv = load("elpv")
    names = ("balanced_accuracy", "auroc", "n_good", "n_defect", "escapes", "false_rejects", "rechecks")

    found = elpv.rates_of({"confusion_matrix": [[3, 1], [2, 4]], "n": 10, **dict.fromkeys(names, 0)})

    assert found["accuracy"] == 0.7


# ---- the station ----


def test_made_picture_shows_a_hole_only_where_one_is_wanted(load):
    station = load("station")

    whole = station.make_picture(np.random.default_rng(0), has_hole=False)
    holed = station.make_picture(np.random.default_rng(0), has_hole=True)

    assert whole.shape == holed.shape == (480, 640, 3)
    assert whole.min() > 100
    assert (holed == 40).any()


def test_part_in_another_lane_than_its_record_names_is_noticed(load):
    station = load("station")
    row = {"boot": 7, "missed": False, "acknowledged": True, "verdict": "GOOD"}
    records = [row | {"sequence": n, "lane": 1, "latency_ms": 10.0 * n} for n in (1, 2, 3)]
    outcomes = [{"boot": 7, "sequence": n, "lane": lane} for n, lane in ((1, 1), (2, 0), (3, 1))]

    found = station.compare(records, outcomes)

    assert found["lanes_agree"] == 2
    assert found["latency_p50_ms"] == 20.0


def test_run_without_a_result_has_no_latency(load):
    station = load("station")

    found = station.compare([{"missed": True}], [])

    assert found["results"] == 0
    assert found["latency_p99_ms"] is None


def test_recipe_without_pictures_is_refused(load, capsys):
    station = load("station")

    with pytest.raises(SystemExit):
        station.parse(["--recipe", "run"])

    assert "--recipe and --pictures go together" in capsys.readouterr().err
