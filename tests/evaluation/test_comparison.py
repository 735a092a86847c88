"""Two gates on the same parts: counted by hand, only on parts that neither has seen."""

import csv
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.data.folder import read_folder
from partgate.errors import DataError
from partgate.evaluation.comparison import compare_gates, write_comparison
from partgate.evaluation.comparison_words import describe_comparison, say_chance, say_conclusion, say_figure

MakeRun = Callable[..., Path]
# The made model takes grey level / 255 as the defect score.
LEVELS = {"good": [10, 20, 30, 40, 120, 200], "defect": [50, 130, 180, 190, 210, 220, 230]}


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def make_data(folder: Path, levels: Mapping[str, list[int]]) -> Path:
    for name, values in levels.items():
        (folder / name).mkdir(parents=True)
        for value in values:
            pixels = np.full((40, 40, 3), value, np.uint8)
            pixels[0, 0] = (len(name), 0, 0)  # no two files alike
            cv2.imwrite(str(folder / name / f"{value:03d}.png"), pixels)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data", LEVELS)


def write_split(run: Path, data: Path, sides: Mapping[str, str], groups: Mapping[str, str] | None = None) -> None:
    """Write a split in which every file stands on test unless a side is given, in a group of its own unless named."""
    with (run / "split.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "split", "group", "sha256"])
        for p in read_folder(data).pictures:
            table.writerow([p.file, p.label, sides.get(p.file, "test"), (groups or {}).get(p.file, p.file), p.sha256])


@pytest.fixture
def runs(make_run: MakeRun, data: Path, tmp_path: Path) -> tuple[Path, Path]:
    a = make_run(tmp_path / "first", recheck_from=0.4, reject_from=0.6)  # grey 102 and 153
    b = make_run(tmp_path / "second", recheck_from=0.45, reject_from=0.45)  # grey 114.75
    for run in (a, b):
        write_split(run, data, {})
    return a, b


def test_counts_of_both_and_every_changed_verdict_are_told(runs: tuple[Path, Path], data: Path):
    facts = compare_gates(*runs, data, progress=quietly)

    figures = facts["figures"]
    assert (facts["n_good"], facts["n_defect"]) == (6, 7)
    counts = {name: (one["n"], one["a"], one["b"]) for name, one in figures.items()}
    assert counts == {
        "escapes": (7, 1, 1),
        "false_rejects": (6, 1, 2),
        "rechecks": (13, 2, 0),
        "wrong": (13, 2, 3),
        "escapes_closed": (7, 2, 1),
        "false_rejects_closed": (6, 2, 2),
    }
    assert (figures["rechecks"]["only_a"], figures["rechecks"]["only_b"]) == (2, 0)
    assert facts["a"]["auroc"] == facts["b"]["auroc"] == pytest.approx(37 / 42)
    changes = {one["file"]: (one["a"]["verdict"], one["b"]["verdict"], one["change"]) for one in facts["changed"]}
    assert changes == {
        "good/120.png": ("RECHECK", "REJECT", "worse"),
        "defect/130.png": ("RECHECK", "REJECT", "better"),
    }
    assert (facts["better"], facts["worse"], facts["conclusion"]["kind"]) == (1, 1, "not_enough")


def test_every_part_stands_once_among_the_moves(runs: tuple[Path, Path], data: Path):
    moves = compare_gates(*runs, data, progress=quietly)["moves"]

    assert moves["good"] == {
        "GOOD": {"GOOD": 4, "RECHECK": 0, "REJECT": 0},
        "RECHECK": {"GOOD": 0, "RECHECK": 0, "REJECT": 1},
        "REJECT": {"GOOD": 0, "RECHECK": 0, "REJECT": 1},
    }
    assert sum(k for row in moves["defect"].values() for k in row.values()) == 7


def test_comparison_is_told_in_counts_bounds_and_a_conclusion(runs: tuple[Path, Path], data: Path):
    lines = describe_comparison(compare_gates(*runs, data, progress=quietly))

    assert lines[0] == "A against B on 13 pictures (6 good, 7 defect) that neither has seen:"
    assert lines[1] == "  Of 7 pictures of defect parts B lets as many escape as A (1 → 1)."
    assert lines[2].startswith("    At most 52.1 % → 52.1 % (one-sided 95 %). The true difference lies between")
    assert lines[3] == "    They are the very same parts."
    assert lines[4] == "  Of 6 pictures of good parts B rejects 1 more than A (1 → 2)."
    assert lines[6] == "    So small a difference could be chance: 0 only with A, 1 only with B (p = 1.00)."
    assert lines[-2].startswith("  2 changed, 1 to the better, 1 to the worse: good/120.png, defect/130.png")
    assert lines[-1] == "  What differs could be chance: not enough to prefer B, nor A."


def test_rechecking_everything_is_no_success(make_run: MakeRun, data: Path, tmp_path: Path):
    strict = make_run(tmp_path / "strict", recheck_from=0.8, reject_from=0.8)  # grey 204: 4 defects pass
    lazy = make_run(tmp_path / "lazy", recheck_from=0.0, reject_from=1.0)

    facts = compare_gates(strict, lazy, data, progress=quietly)

    assert (facts["figures"]["escapes"]["a"], facts["figures"]["escapes"]["b"]) == (4, 0)
    assert (facts["figures"]["rechecks"]["only_b"], facts["figures"]["rechecks"]["chance"]) == (13, 2 / 2**13)
    assert facts["conclusion"] == {
        "kind": "trade",
        "better": None,
        "fewer": {"b": [], "a": ["rechecks"]},
        "more_by_count": ["escapes"],
    }
    assert say_conclusion(facts, "en").startswith(
        "Neither is better outright: A means fewer rechecks beyond chance, but also more escapes by count."
    )
    assert facts["money"] is None  # rechecks have no price here


@pytest.mark.parametrize(
    ("reject_from", "kind", "rose"),
    [(0.3, "trade", ["false_rejects"]), (0.35, "better", [])],
    ids=["one-more-good-part-rejected", "the-same-mistakes"],
)
def test_fewer_rechecks_are_better_only_where_no_mistake_rose_by_count(
    make_run: MakeRun, tmp_path: Path, reject_from: float, kind: str, rose: list[str]
):
    levels = {"good": [80, *range(2, 8)], "defect": [100, *range(95, 100)]}  # grey / 255 is the score: 80 is 0.31
    data = make_data(tmp_path / "data", levels)
    careful = make_run(tmp_path / "careful", recheck_from=0.0, reject_from=0.35)  # every good part is rechecked
    quick = make_run(tmp_path / "quick", recheck_from=0.3, reject_from=reject_from)

    conclusion = compare_gates(careful, quick, data, progress=quietly)["conclusion"]

    assert (conclusion["kind"], conclusion["more_by_count"]) == (kind, rose)


def test_more_escapes_against_fewer_false_rejects_is_a_trade(make_run: MakeRun, tmp_path: Path):
    data = make_data(tmp_path / "data", {"good": list(range(100, 106)), "defect": list(range(110, 116))})
    low = make_run(tmp_path / "low", recheck_from=0.2, reject_from=0.2)
    high = make_run(tmp_path / "high", recheck_from=0.8, reject_from=0.8)

    facts = compare_gates(low, high, data, progress=quietly)

    assert facts["conclusion"]["kind"] == "trade"
    assert say_conclusion(facts, "en") == (
        "Neither is better outright: B means fewer false rejects, but more escapes, both beyond chance. "
        "What that costs decides."
    )
    assert say_chance(facts, "escapes", "en") == "That is more than chance: 0 only with A, 6 only with B (p = 0.031)."
    # 10 per escape, 1 per false reject, half of the parts defect: 1000 x 0.5 x 1 and 1000 x 0.5 x 10
    assert (facts["money"]["a"]["value"], facts["money"]["b"]["value"]) == pytest.approx((500, 5000))


def test_same_recipe_twice_is_said(runs: tuple[Path, Path], data: Path):
    facts = compare_gates(runs[0], runs[0] / "recipe.yaml", data, progress=quietly)

    assert (facts["conclusion"]["kind"], facts["changed"]) == ("same_gate", [])
    assert describe_comparison(facts)[-1] == ("  Both are the same gate: same model, same limits. Nothing can differ.")


def test_two_recipes_of_one_bundle_differ_by_their_limits_alone(make_run: MakeRun, data: Path, tmp_path: Path):
    run = make_run(tmp_path / "run")
    text = (run / "recipe.yaml").read_text(encoding="utf-8")
    (run / "milder.yaml").write_text(text.replace("reject_from: 0.6", "reject_from: 0.8"), encoding="utf-8")

    facts = compare_gates(run, run / "milder.yaml", data, progress=quietly)

    assert facts["a"]["bundle_id"] == facts["b"]["bundle_id"]
    assert facts["b"]["name"] == "run/milder.yaml"
    assert {one["file"] for one in facts["changed"]} == {"good/200.png", "defect/180.png", "defect/190.png"}


def test_part_counts_once_with_its_strictest_picture(runs: tuple[Path, Path], data: Path):
    rows = ["file,label,part"]
    rows += [
        f"{name}/{value:03d}.png,{name},{name}-{i // 2}" for name in LEVELS for i, value in enumerate(LEVELS[name])
    ]
    (data / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    for run in runs:
        (run / "split.csv").unlink()

    facts = compare_gates(*runs, data, progress=quietly)

    assert (facts["counted"], facts["n_good"], facts["n_defect"]) == ("part", 3, 4)
    assert facts["figures"]["escapes"]["a"] == 0  # defect 50 belongs to the part of 130
    assert facts["changed"][0]["part"] == "defect-0"


def test_part_that_the_old_run_learned_from_is_left_out_with_its_whole_group(runs: tuple[Path, Path], data: Path):
    old, new = runs
    write_split(old, data, {"good/010.png": "train", "defect/050.png": "validation"})
    write_split(new, data, {"defect/230.png": "train"}, {"good/010.png": "joined", "good/020.png": "joined"})

    facts = compare_gates(old, new, data, keys=("old", "new"), progress=quietly)

    assert (facts["n_good"], facts["n_defect"]) == (4, 5)  # less good 10 and 20, defect 50; 230 is learned from now
    assert (facts["left_out"], facts["left_out_only_by"]) == (4, {"old": 3, "new": 1})
    assert facts["left_out_example"] == "defect/050.png"
    assert "; 3 left out that only the old model has seen" in describe_comparison(facts)[0]
    assert facts["tested_before"] == {"old": 9, "new": 9}


def test_pictures_that_chose_the_limits_are_left_out(make_run: MakeRun, data: Path, tmp_path: Path):
    chose = hashlib.sha256((data / "good/010.png").read_bytes()).hexdigest()[:16]
    limits = {
        "recheck_from": 0.4,
        "reject_from": 0.6,
        "chosen_on": {"parts": 1, "pictures": 1, "picture_sha256": [chose]},
    }
    decided = make_run(tmp_path / "decided", recipe={"decision": limits})

    facts = compare_gates(make_run(tmp_path / "other"), decided, data, progress=quietly)

    assert (facts["n_good"], facts["left_out_by"]) == (5, {"a": 0, "b": 1})


def test_nothing_to_compare_is_said_and_is_no_error(runs: tuple[Path, Path], data: Path, tmp_path: Path):
    old, new = runs
    write_split(old, data, {picture.file: "train" for picture in read_folder(data).pictures})

    facts = compare_gates(old, new, data, keys=("old", "new"), progress=quietly)

    assert facts["n"] == 0
    assert describe_comparison(facts) == [
        "the old model against the new model: no picture that neither has seen; 13 left out that only the old model "
        "has seen or grouped with what it has seen: nothing to compare"
    ]
    assert json.loads(write_comparison(facts, tmp_path).read_text(encoding="utf-8")) == facts


def test_class_that_one_does_not_know_still_counts_as_a_defect_and_is_named(
    make_run: MakeRun, runs: tuple[Path, Path], data: Path, tmp_path: Path
):
    (data / "defect").rename(data / "crack")
    newer = make_run(tmp_path / "newer", manifest={"classes": ("crack", "good")}, reject_from=0.4)

    facts = compare_gates(runs[0], newer, data, progress=quietly)

    assert (facts["a"]["classes_unknown"], facts["b"]["classes_unknown"]) == (["crack"], [])
    assert facts["figures"]["escapes"]["a"] == 1
    assert describe_comparison(facts)[1] == "  A does not know: crack"


def test_defect_parts_alone_say_nothing_about_false_rejects(runs: tuple[Path, Path], tmp_path: Path):
    data = make_data(tmp_path / "defects", {"defect": [20, 200, 220]})

    facts = compare_gates(*runs, data, progress=quietly)

    assert (facts["n_good"], facts["figures"]["false_rejects"]["a_upper95"], facts["money"]) == (0, None, None)
    assert "  false rejects: nothing can be said without such parts" in describe_comparison(facts)


def test_score_that_is_no_number_is_a_reject_and_is_written_as_none(
    make_run: MakeRun, make_model: Callable[..., bytes], runs: tuple[Path, Path], data: Path, tmp_path: Path
):
    broken = make_run(tmp_path / "broken", model=make_model(offsets=(float("nan"), 1.0)))

    facts = compare_gates(runs[0], broken, data, progress=quietly)

    assert facts["figures"]["false_rejects"]["b"] == 6
    assert {one["b"]["defect_score"] for one in facts["changed"]} == {None}
    json.dumps(facts, allow_nan=False)


def test_sorting_counts_what_went_into_a_wrong_lane(make_run: MakeRun, data: Path, tmp_path: Path):
    sorting = {"manifest": {"good_class": None, "classes": ("defect", "good")}}
    # Score: chance that the likelier class is wrong. Grey 120 is 'good' with 0.47, grey 130 'defect' with 0.49.
    a = make_run(tmp_path / "a", recheck_from=0.48, reject_from=1.0, **sorting)
    b = make_run(tmp_path / "b", recheck_from=1.0, reject_from=1.0, **sorting)

    facts = compare_gates(a, b, data, progress=quietly)

    figures = facts["figures"]
    assert (figures["wrong_class"]["a"], figures["rechecks"]["a"]) == (2, 1)  # good 200 and defect 50; defect 130
    assert (figures["wrong_class"]["b"], figures["rechecks"]["b"]) == (2, 0)
    assert [one["change"] for one in facts["changed"]] == ["better"]
    assert facts["moves"]["all"]["recheck"] == {"right": 1, "recheck": 0, "wrong": 0}
    assert say_figure(facts, "wrong_class", "de") == "Von 13 Bildern sortiert B gleich viele falsch ein wie A (2 → 2)."


def test_sorting_against_a_gate_is_refused(make_run: MakeRun, runs: tuple[Path, Path], data: Path, tmp_path: Path):
    sorting = make_run(tmp_path / "sorting", manifest={"good_class": None})

    with pytest.raises(DataError, match=r"cannot be compared: .*first takes 'good' .*, .*sorting sorts by class; name"):
        compare_gates(runs[0], sorting, data, progress=quietly)


def test_place_that_is_not_writable_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"comparison\.json: cannot be written"):
        write_comparison({}, tmp_path / "missing")
