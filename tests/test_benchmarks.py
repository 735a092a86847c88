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
SCRIPTS = (
    "accuracy", "cameras", "cameras_loss", "cameras_rates", "groups", "heat", "picture_check", "presence", "soak",
    "station",
)  # fmt: skip


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
    for name in {"accuracy_tables", "figures", "floor", "folds", "real_sets"} & (set(sys.modules) - before):
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
    real_sets = load("real_sets")
    labels = np.repeat([0, 1], 6)
    groups = np.array(list("aabbccddeeff"))

    folds, how = real_sets.make_folds(labels, groups, seed=0)

    assert how == "3 folds by group"
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(12))
    assert all(not set(groups[learned]) & set(groups[held]) for learned, held in folds)


def test_folds_are_at_most_five(load):
    real_sets = load("real_sets")
    labels, groups = np.repeat([0, 1], 8), np.array([f"part {i}" for i in range(16)])

    folds, how = real_sets.make_folds(labels, groups, seed=0)

    assert len(folds) == 5
    assert how == "5 folds by group"


def test_class_with_a_single_group_is_folded_by_picture_and_marked(load):
    real_sets = load("real_sets")
    labels, groups = np.repeat([0, 1], 5), np.array(["block"] * 10)

    _, how = real_sets.make_folds(labels, groups, seed=0)

    assert how == "5 folds by picture, not independent"


def test_figures_of_one_set_and_method_are_found_by_their_names(load):
    tables = load("accuracy_tables")
    figures = {"sets/tile/floor/0": {"n": 1}, "sets/tile/floor/1": {"n": 2}, "speed/quick": {}}

    assert tables.by_method(figures, "sets") == {("tile", "floor"): [{"n": 1}, {"n": 2}]}


def test_table_of_sets_shows_means_over_seeds_and_the_bound_of_the_worst_seed(load):
    tables = load("accuracy_tables")
    counts = {"n": 30, "n_defect": 10, "n_good": 20, "false_rejects": 4, "rechecks": 0, "escapes_closed": 0,
              "false_rejects_closed": 4, "cpu_s": 7.0}  # fmt: skip
    figures = {"sets/tile/quick/0": counts | {"escapes": 0}, "sets/tile/quick/1": counts | {"escapes": 1}}

    table = tables.sets_table(figures)

    assert "0.5 of 10" in table
    assert "39.4 %" in table  # one of ten, one-sided 95 %
    assert "4 of 20" in table


def test_screws_are_labelled_place_by_place(load):
    real_sets = load("real_sets")
    picture = real_sets.Picture(Path("a.png"), "a.png", "missing_screw", "0", "block", columns={"slots": "1011"})

    found = real_sets._with_places(picture)

    assert [found.columns[f"region.{name}"] for name in real_sets._PLACES] == ["good", "missing_screw", "good", "good"]


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
    real_sets = load("real_sets")
    kinds = [(grade, cell_type) for grade in ("0.00", "1.00") for cell_type in ("mono", "poly")]
    cells = [
        real_sets.Picture(Path("a"), f"{n}", "good", "0", "g", columns={"grade": grade, "cell_type": cell_type})
        for n, (grade, cell_type) in enumerate(kinds * 40)
    ]

    learned, test = real_sets.deal_out(cells, seed=0)

    counts = [sum(cells[i].columns == {"grade": grade, "cell_type": kind} for i in test) for grade, kind in kinds]
    assert counts == [10, 10, 10, 10]
    assert sorted([*learned, *test]) == list(range(160))
    assert (learned, test) == real_sets.deal_out(cells, seed=0)


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


def test_benchmarks_of_cameras_find_the_simulated_camera_of_the_tests(load):
    assert load("cameras").load_counterpart().GigeCameraProcess.__name__ == "GigeCameraProcess"
