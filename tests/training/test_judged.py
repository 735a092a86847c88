"""What pictures not learned from say: the worst look decides, figures with intervals, a row per picture in the file."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from partgate.data.folder import LabelledFolder, Picture
from partgate.inference.bundle import Geometry
from partgate.training.calibration import Calibration
from partgate.training.config import TrainingConfig
from partgate.training.examples import Examples
from partgate.training.features import FeatureSet
from partgate.training.judged import (
    OutOfFold,
    calibrate,
    cross_validated,
    describe_limits,
    find_limits,
    too_few,
    write_out_of_fold,
)

CONFIG = TrainingConfig(data=Path(), backbone="efficientnet_lite0", image_size_px=96)
TILES = Geometry(region=None, height_px=32, width_px=32, tiles=(1, 2)).look_names


def folder(labels: list[str], good_class: str | None = "good", groups: list[str] | None = None) -> LabelledFolder:
    pictures = tuple(
        Picture(Path(f"{label}/{i}.png"), f"{label}/{i}.png", label, f"{i:064d}", (groups or [f"g{i}"] * 99)[i])
        for i, label in enumerate(labels)
    )
    return LabelledFolder(Path("parts"), pictures, tuple(sorted(set(labels))), good_class, False, ())


def found(labels: list[str], looks: tuple[str | None, ...] = (None,)) -> FeatureSet:
    pictures = folder(labels).pictures
    rows = len(labels) * len(looks)
    return FeatureSet(pictures, looks, np.zeros((rows, 1, 1), np.float32), (), (), np.arange(len(labels)))


def judged(
    probabilities: list[list[float]], labels: list[int], groups: list[str] | None = None,
    parts: list[str] | None = None,
) -> OutOfFold:  # fmt: skip
    return OutOfFold(
        np.array(probabilities), (None,) * len(labels), np.array(labels),
        np.array(groups or [str(i) for i in range(len(labels))]), tuple(parts or map(str, range(len(labels)))),
        Calibration(1.0, np.zeros(2)), "by hand",
    )  # fmt: skip


def test_worst_look_of_a_part_decides_and_is_named():
    labels = ["good", "dent"] * 6
    facts = found(labels, TILES)
    of_picture = np.array([1, 0] * 6)  # dent, good
    logits = np.zeros((24, 2))
    logits[:, 1] = 4.0  # every look is good
    logits[3::4] = [4.0, 0.0]  # but the second look of each dent
    examples = Examples(
        np.zeros((24, 1), np.float32), of_picture.repeat(2), np.arange(12).repeat(2).astype(str), np.ones(24),
        np.arange(12).repeat(2), 2,
    )  # fmt: skip

    out = calibrate(logits, examples, of_picture, facts, folder(labels), CONFIG)

    assert out.probabilities.shape == (12, 2)
    assert (out.probabilities.argmax(1) == of_picture).all()
    assert set(out.regions[1::2]) == {"row 1, column 2"}
    assert set(out.regions[0::2]) == {"row 1, column 1"}  # the first of equals
    assert out.groups.tolist() == [str(i) for i in range(12)]


def test_calibration_is_fitted_to_the_looks_that_decide():
    """As if each part had been looked at in its worst place alone."""
    labels, of_picture = ["good", "dent"] * 10, np.array([1, 0] * 10)
    worst = np.random.default_rng(0).normal(0, 2, (20, 2)) + np.eye(2)[of_picture]
    both = np.stack([np.tile([0.0, 9.0], (20, 1)), worst], 1).reshape(40, 2)  # the first look is surely good

    out = [
        calibrate(
            logits, Examples(np.zeros((len(logits), 1), np.float32), of_picture.repeat(looks),
            np.arange(20).repeat(looks).astype(str), np.ones(len(logits)), np.arange(20).repeat(looks), 2),
            of_picture, found(labels, names), folder(labels), CONFIG,
        )
        for logits, looks, names in ((worst, 1, (None,)), (both, 2, TILES))
    ]  # fmt: skip

    assert out[1].probabilities == pytest.approx(out[0].probabilities)


def test_sorting_by_class_takes_the_only_look():
    labels = ["dent", "pore"] * 6
    of_picture = np.array([0, 1] * 6)
    logits = np.eye(2)[of_picture] * 5
    examples = Examples(
        np.zeros((12, 1), np.float32), of_picture, np.arange(12).astype(str), np.ones(12), np.arange(12), 2
    )

    out = calibrate(logits, examples, of_picture, found(labels), folder(labels, None), CONFIG)

    assert (out.probabilities.argmax(1) == of_picture).all()
    assert set(out.regions) == {None}


def test_sorting_rechecks_what_is_unsure_and_rejects_nothing():
    labels = ["dent", "pore"] * 3
    sure, unsure = [0.99, 0.01], [0.45, 0.55]
    out = judged([sure, sure[::-1], sure, sure[::-1], unsure, sure[::-1]], [0, 1, 0, 1, 0, 1])

    limits = find_limits(out, folder(labels, None), CONFIG)

    assert limits.reject_from == 1.0
    assert limits.false_rejects == 0
    assert (limits.n_defect, limits.n_good) == (1, 5)  # one would be sorted wrong


def test_limit_lies_between_good_and_defect_scores_and_away_from_the_exported_ones():
    labels = ["dent"] * 4 + ["good"] * 4
    out = judged([[0.98, 0.02]] * 4 + [[0.02, 0.98]] * 4, [0] * 4 + [1] * 4)
    plain = find_limits(out, folder(labels), CONFIG)

    near = plain.recheck_from
    shifted = find_limits(out, folder(labels), CONFIG, np.array([[near, 1 - near]], np.float32))

    assert 0.02 < near <= 0.98
    assert (plain.escapes, plain.false_rejects) == (0, 0)
    assert abs(shifted.recheck_from - near) > 1e-5


def test_part_with_several_pictures_counts_once_by_its_worst():
    # Four goods of two parts: one picture of part a looks like a defect, so one of two parts is lost, not one of four.
    labels = ["dent"] * 2 + ["good"] * 4
    out = judged(
        [[0.9, 0.1], [0.8, 0.2], [0.95, 0.05], [0.02, 0.98], [0.02, 0.98], [0.02, 0.98]], [0, 0, 1, 1, 1, 1],
        parts=["x", "y", "a", "a", "b", "b"],
    )  # fmt: skip

    limits = find_limits(out, folder(labels), CONFIG)

    assert (limits.n_good, limits.n_defect) == (2, 2)
    assert (limits.escapes, limits.false_rejects) == (0, 1)


def test_perfect_scores_give_perfect_figures_and_intervals():
    labels = ["dent"] * 5 + ["good"] * 5
    out = judged([[0.9, 0.1]] * 5 + [[0.1, 0.9]] * 5, [0] * 5 + [1] * 5)

    figures = cross_validated(out, folder(labels), 0)

    perfect = {"value": 1.0, "from": 1.0, "to": 1.0}
    assert figures == {
        "pictures": 10, "groups": 10, "auroc": perfect, "balanced_accuracy": perfect,
        "interval": "90 % by drawing groups",
    }  # fmt: skip


def test_figures_are_counted_by_hand():
    """Three dents, one scored below one of three goods: 8 of 9 pairs in order; recall 2/3 and 3/3."""
    scores = [0.9, 0.8, 0.3, 0.4, 0.2, 0.1]
    out = judged([[score, 1 - score] for score in scores], [0, 0, 0, 1, 1, 1])

    figures = cross_validated(out, folder(["dent"] * 3 + ["good"] * 3), 0)

    assert figures["auroc"]["value"] == pytest.approx(8 / 9, abs=1e-4)
    assert figures["balanced_accuracy"]["value"] == pytest.approx(5 / 6, abs=1e-4)
    assert figures["auroc"]["from"] < 8 / 9 < figures["auroc"]["to"]


def test_interval_is_wider_where_the_pictures_show_few_groups():
    rng = np.random.default_rng(0)
    labels = np.array([0, 1] * 30)
    scores = np.clip(0.5 + np.where(labels == 0, 0.15, -0.15) + rng.normal(0, 0.2, 60), 0, 1)
    rows = [[score, 1 - score] for score in scores]
    both = ["dent", "good"] * 30

    wide = cross_validated(judged(rows, list(labels), [str(i // 10) for i in range(60)]), folder(both), 0)
    narrow = cross_validated(judged(rows, list(labels)), folder(both), 0)

    assert (wide["groups"], narrow["groups"]) == (6, 60)
    assert width(wide) > 0
    assert wide["auroc"]["value"] == narrow["auroc"]["value"]


def width(figures: dict) -> float:
    return figures["auroc"]["to"] - figures["auroc"]["from"]


def test_rare_class_counts_as_much_as_the_frequent_one_in_balanced_accuracy():
    """Likeliest by the shares of the data: a defect at 0.3 is likelier than usual where one in ten is one."""
    labels = [0] + [1] * 9
    out = judged([[0.3, 0.7]] + [[0.05, 0.95]] * 9, labels)

    figures = cross_validated(out, folder(["dent"] + ["good"] * 9), 0)

    assert figures["balanced_accuracy"]["value"] == 1.0


def test_sorting_has_no_auroc():
    labels = ["dent", "pore"] * 3
    figures = cross_validated(judged([[0.9, 0.1], [0.1, 0.9]] * 3, [0, 1] * 3), folder(labels, None), 0)

    assert "auroc" not in figures
    assert figures["balanced_accuracy"]["value"] == 1.0


def test_file_holds_a_row_per_picture_with_score_and_probabilities(tmp_path: Path):
    labels = ["dent", "good"]
    out = judged([[0.75, 0.25], [0.125, 0.875]], [0, 1])

    write_out_of_fold(tmp_path / "out_of_fold.csv", out, found(labels), folder(labels))

    with (tmp_path / "out_of_fold.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "file": "dent/0.png", "sha256": "0" * 64, "label": "dent", "group": "g0", "part": "",
        "defect_score": "0.750000", "p_dent": "0.750000", "p_good": "0.250000",
    }  # fmt: skip
    assert rows[1]["defect_score"] == "0.125000"


def test_file_of_sorting_has_the_classes_and_how_unsure_it_is(tmp_path: Path):
    labels = ["dent", "pore"]

    write_out_of_fold(tmp_path / "a.csv", judged([[0.75, 0.25]] * 2, [0, 1]), found(labels), folder(labels, None))

    header, first, _ = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert header == "file,sha256,label,group,part,defect_score,p_dent,p_pore"
    assert first.endswith(",0.250000,0.750000,0.250000")


def test_limits_are_told_with_counts_and_few_pictures_with_a_warning():
    out = judged([[0.98, 0.02]] * 4 + [[0.02, 0.98]] * 4, [0] * 4 + [1] * 4)
    limits = find_limits(out, folder(["dent"] * 4 + ["good"] * 4), CONFIG)

    assert describe_limits(limits, is_gate=True) == (
        "0 of 4 defect pictures escape, 0 of 4 good ones are rejected, 0 rechecked"
    )
    assert describe_limits(replace(limits, escapes=1), is_gate=False) == "1 of 8 sorted wrong, 0 rechecked"
    assert too_few(limits, is_gate=True, enough=5)[0].startswith("learned from 4 good and 4 defect pictures")
    assert not too_few(limits, is_gate=True, enough=4)
    assert not too_few(limits, is_gate=False, enough=5)
