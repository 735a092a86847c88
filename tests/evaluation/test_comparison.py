"""Two runs on the same parts: counted by hand, only on parts that neither learned from."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.data.folder import read_folder
from partgate.errors import DataError
from partgate.evaluation.comparison import compare_runs, describe_comparison, sign_test, write_comparison

MakeRun = Callable[..., Path]
# The made model takes grey level / 255 as the defect score.
LEVELS = {"good": [10, 20, 30, 40, 120, 200], "defect": [50, 130, 180, 190, 210, 220, 230]}


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, values in LEVELS.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for value in values:
            pixels = np.full((40, 40, 3), value, np.uint8)
            pixels[0, 0] = (len(name), 0, 0)  # no two files alike
            cv2.imwrite(str(tmp_path / "data" / name / f"{value:03d}.png"), pixels)
    return tmp_path / "data"


def write_split(run: Path, data: Path, sides: Mapping[str, str], groups: Mapping[str, str] | None = None) -> None:
    """Write a split in which every file stands on test unless a side is given, in a group of its own unless named."""
    with (run / "split.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "split", "group", "sha256"])
        for p in read_folder(data).pictures:
            table.writerow([p.file, p.label, sides.get(p.file, "test"), (groups or {}).get(p.file, p.file), p.sha256])


@pytest.fixture
def runs(make_run: MakeRun, data: Path, tmp_path: Path) -> tuple[Path, Path]:
    old = make_run(tmp_path / "old", recheck_from=0.4, reject_from=0.6)  # grey 102 and 153
    new = make_run(tmp_path / "new", recheck_from=0.45, reject_from=0.45)  # grey 114.75
    for run in (old, new):
        write_split(run, data, {})
    return old, new


def test_counts_of_both_runs_and_every_changed_verdict_are_told(runs: tuple[Path, Path], data: Path):
    facts = compare_runs(*runs, data, progress=quietly)

    old, new = facts["old"], facts["new"]
    assert (facts["n_good"], facts["n_defect"]) == (6, 7)
    assert (old["escapes"], old["false_rejects"], old["rechecks_good"], old["rechecks_defect"]) == (1, 1, 1, 1)
    assert (new["escapes"], new["false_rejects"], new["rechecks_good"], new["rechecks_defect"]) == (1, 2, 0, 0)
    assert old["auroc"] == new["auroc"] == pytest.approx(37 / 42)
    changes = {one["file"]: (one["old"]["verdict"], one["new"]["verdict"], one["change"]) for one in facts["changed"]}
    assert changes == {
        "good/120.png": ("RECHECK", "REJECT", "worse"),
        "defect/130.png": ("RECHECK", "REJECT", "better"),
    }
    assert (facts["better"], facts["worse"], facts["chance"]) == (1, 1, 1.0)


def test_comparison_is_five_lines_with_counts_and_bounds(runs: tuple[Path, Path], data: Path):
    lines = describe_comparison(compare_runs(*runs, data, progress=quietly))

    assert len(lines) == 5
    assert lines[0] == "old against new on 13 pictures (6 good, 7 defect) that neither learned from:"
    assert lines[1] == "  escapes:       1 → 1 of 7 defect pictures (at most 52.1 % → 52.1 %, one-sided 95 %)"
    assert lines[3] == "  rechecks:      2 → 0; AUROC 0.881 → 0.881"
    assert lines[4].startswith(
        "  changed:       2 verdicts, 1 to the better and 1 to the worse (by chance alone p = 1.00)"
    )


def test_part_that_the_old_run_learned_from_is_left_out_with_its_whole_group(runs: tuple[Path, Path], data: Path):
    old, new = runs
    write_split(old, data, {"good/010.png": "train", "defect/050.png": "validation"})
    write_split(new, data, {"defect/230.png": "train"}, {"good/010.png": "joined", "good/020.png": "joined"})

    facts = compare_runs(old, new, data, progress=quietly)

    assert (facts["n_good"], facts["n_defect"]) == (4, 5)  # less good 10 and 20, defect 50; 230 is learned from now
    assert facts["left_out_seen_by_old"] == 3
    assert "; 3 pictures left out, as the old model learned from their group" in describe_comparison(facts)[0]


def test_nothing_to_compare_is_said_and_is_no_error(runs: tuple[Path, Path], data: Path, tmp_path: Path):
    old, new = runs
    write_split(old, data, {picture.file: "train" for picture in read_folder(data).pictures})

    facts = compare_runs(old, new, data, progress=quietly)

    assert facts["n"] == 0
    assert describe_comparison(facts) == [
        "old against new: no picture that neither learned from; 13 pictures left out, as the old model learned from "
        "their group: nothing to compare"
    ]
    assert json.loads(write_comparison(facts, tmp_path).read_text(encoding="utf-8")) == facts


def test_class_that_the_old_run_does_not_know_still_counts_as_a_defect_and_is_named(
    make_run: MakeRun, runs: tuple[Path, Path], data: Path, tmp_path: Path
):
    old, _ = runs
    (data / "defect").rename(data / "crack")
    new = make_run(tmp_path / "newer", manifest={"classes": ("crack", "good")}, reject_from=0.4)
    write_split(new, data, {})

    facts = compare_runs(old, new, data, progress=quietly)

    assert facts["classes_new_to_old"] == ["crack"]
    assert facts["old"]["escapes"] == 1
    assert describe_comparison(facts)[0].endswith("; classes new to the old model: crack:")


def test_sorting_counts_what_went_into_a_wrong_lane(make_run: MakeRun, data: Path, tmp_path: Path):
    sorting = {"manifest": {"good_class": None, "classes": ("defect", "good")}}
    # Score: chance that the likelier class is wrong. Grey 120 is 'good' with 0.47, grey 130 'defect' with 0.49.
    old = make_run(tmp_path / "old", recheck_from=0.48, reject_from=1.0, **sorting)
    new = make_run(tmp_path / "new", recheck_from=1.0, reject_from=1.0, **sorting)
    for run in (old, new):
        write_split(run, data, {})

    facts = compare_runs(old, new, data, progress=quietly)

    assert (facts["old"]["wrong_class"], facts["old"]["rechecks"]) == (2, 1)  # good 200 and defect 50; defect 130
    assert (facts["new"]["wrong_class"], facts["new"]["rechecks"]) == (2, 0)
    assert [one["change"] for one in facts["changed"]] == ["better"]
    assert len(describe_comparison(facts)) == 4


def test_place_that_is_not_writable_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"comparison\.json: cannot be written"):
        write_comparison({}, tmp_path / "missing")


@pytest.mark.parametrize(
    ("better", "worse", "expected"), [(0, 0, 1.0), (3, 0, 0.25), (5, 1, 14 / 64)], ids=["none", "all", "most"]
)
def test_sign_test_is_the_binomial_tail_on_both_sides(better: int, worse: int, expected: float):
    assert sign_test(better, worse) == sign_test(worse, better) == pytest.approx(expected)
