"""The report as a whole: its contract of keys, its counts against an oracle, and which pictures it refuses."""

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, roc_auc_score

from partgate.errors import BundleError, ConfigError, DataError
from partgate.evaluation.rates import upper_bound
from partgate.recipe import HASH_DIGITS, ChosenOn, Limits
from partgate.report.report import evaluate
from partgate.report.summary import summarise

KEYS = {
    "classes", "confusion_matrix", "n", "n_good", "n_defect", "escapes", "false_rejects", "rechecks_good",
    "rechecks_defect", "escapes_without_recheck", "false_rejects_without_recheck", "escape_rate", "escape_rate_upper95",
    "false_reject_rate", "false_reject_rate_upper95", "balanced_accuracy", "auroc", "per_class", "thresholds",
    "bundle_sha256", "data_sha256",
}  # fmt: skip
MakeRun = Callable[..., Path]


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def make_grey_folder(folder: Path, levels: dict[str, list[int]]) -> Path:
    """Pictures of one grey level each: the made model takes brightness / 255 as the defect score."""
    for name, values in levels.items():
        (folder / name).mkdir(parents=True)
        for number, value in enumerate(values):
            pixels = np.full((40, 40, 3), value, np.uint8)
            pixels[0, 0] = (number, len(name), 0)  # no two files alike
            cv2.imwrite(str(folder / name / f"{number:02d}.png"), pixels)
    return folder


# recheck from 0.4 (102), reject from 0.6 (153)
LEVELS = {"good": [10, 20, 30, 40, 120, 200], "defect": [50, 130, 180, 190, 210, 220, 230]}


@pytest.fixture
def report(make_run: MakeRun, tmp_path: Path) -> dict:
    run = make_run(tmp_path / "run")
    evaluate(run, make_grey_folder(tmp_path / "data", LEVELS), tmp_path / "out", progress=quietly)
    return json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))


def test_report_has_the_keys_that_later_work_relies_on(report: dict):
    assert set(report) >= KEYS


def test_counts_are_those_that_can_be_counted_by_hand(report: dict):
    assert (report["n"], report["n_good"], report["n_defect"]) == (13, 6, 7)
    assert (report["escapes"], report["false_rejects"]) == (1, 1)
    assert (report["rechecks_good"], report["rechecks_defect"]) == (1, 1)
    assert (report["escapes_without_recheck"], report["false_rejects_without_recheck"]) == (2, 2)
    assert report["escape_rate"] == pytest.approx(1 / 7)
    assert report["false_reject_rate"] == pytest.approx(1 / 6)
    assert report["escape_rate_upper95"] == pytest.approx(upper_bound(1, 7))


def test_matrix_balanced_accuracy_and_auroc_agree_with_scikit_learn(report: dict, tmp_path: Path):
    with (tmp_path / "out/predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    truth, predicted = [row["label"] for row in rows], [row["predicted_class"] for row in rows]

    matrix = confusion_matrix(truth, predicted, labels=report["classes"])

    assert report["confusion_matrix"] == matrix.tolist()
    assert report["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    scores = [float(row["defect_score"]) for row in rows]
    assert report["auroc"] == pytest.approx(roc_auc_score([label == "defect" for label in truth], scores))


def test_predictions_hold_one_row_per_picture_with_verdict_and_probabilities(report: dict, tmp_path: Path):
    with (tmp_path / "out/predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == report["n"]
    assert {row["verdict"] for row in rows} == {"GOOD", "REJECT", "RECHECK"}
    assert all(float(row["p_defect"]) + float(row["p_good"]) == pytest.approx(1, abs=1e-4) for row in rows)


def test_page_is_one_file_and_names_nothing_outside(report: dict, tmp_path: Path):
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")

    assert "http://" not in page
    assert "https://" not in page
    assert "data:image/jpeg;base64," in page


def test_worst_mistakes_come_escapes_first_the_surest_first(report: dict):
    assert [entry["kind"] for entry in report["worst"]] == ["escape", "false_reject", "recheck"]
    assert report["worst"][0]["file"] == "defect/00.png"


def test_several_pictures_of_one_part_count_once_and_the_strictest_decides(make_run: MakeRun, tmp_path: Path):
    run = make_run(tmp_path / "run")
    data = make_grey_folder(tmp_path / "data", LEVELS)
    rows = ["file,label,part"]
    for name, values in LEVELS.items():
        rows += [f"{name}/{number:02d}.png,{name},{name}-{number // 2}" for number in range(len(values))]
    (data / "labels.csv").write_text("\n".join(rows), encoding="utf-8")

    report = evaluate(run, data, tmp_path / "out", progress=quietly).report

    assert report["counted"] == "part"
    assert (report["n_good"], report["n_defect"]) == (3, 4)
    assert (report["escapes"], report["false_rejects"]) == (0, 1)


def test_rechecking_everything_does_not_look_good(make_run: MakeRun, tmp_path: Path):
    run = make_run(tmp_path / "run", recheck_from=0.0, reject_from=1.0)

    report = evaluate(run, make_grey_folder(tmp_path / "data", LEVELS), tmp_path / "out", progress=quietly).report

    assert (report["escapes"], report["false_rejects"]) == (0, 0)
    assert (report["escapes_without_recheck"], report["false_rejects_without_recheck"]) == (7, 6)


def test_in_sorting_escapes_and_false_rejects_are_null(
    make_run: MakeRun, make_model: Callable[..., bytes], tmp_path: Path
):
    model = make_model(weights=((1.0, -1.0), (0.0, 0.0), (0.0, 0.0)), offsets=(0.0, 1.0))
    facts = {"classes": ("bright", "dark"), "good_class": None}
    run = make_run(tmp_path / "run", model=model, manifest=facts, recheck_from=0.4, reject_from=1.0)
    data = make_grey_folder(tmp_path / "data", {"bright": [250, 240, 130], "dark": [5, 10, 250]})

    report = evaluate(run, data, tmp_path / "out", progress=quietly).report

    for key in ("n_good", "n_defect", "escapes", "false_rejects", "escape_rate", "auroc"):
        assert report[key] is None
    assert (report["wrong_class"], report["rechecks"]) == (1, 1)
    assert report["confusion_matrix"] == [[3, 0], [1, 2]]
    assert "sorted into a wrong lane: 1 of 6 pictures; rechecked: 1" in summarise(report)


def test_run_is_judged_on_its_test_side_alone(trained: tuple[Path, Path], tmp_path: Path):
    data, run = trained

    report = evaluate(run, data, tmp_path / "out", progress=quietly).report

    assert report["data"]["split"] == "test_side"
    assert report["n"] + report["data"]["left_out"] == 60
    assert report["n"] in range(10, 15)


def release(run: Path, tmp_path: Path) -> Path:
    """Return the recipe of a run that was copied with its bundle alone."""
    (tmp_path / "released").mkdir()
    for name in ("recipe.yaml", "model.partgate"):
        shutil.copy(run / name, tmp_path / "released" / name)
    return tmp_path / "released" / "recipe.yaml"


def test_pictures_that_trained_the_bundle_are_refused_where_no_run_tells_its_test_side(
    trained: tuple[Path, Path], tmp_path: Path
):
    data, run = trained

    with pytest.raises(DataError, match=r"of 60 pictures trained bundle .* e\.g\. 'good/"):
        evaluate(release(run, tmp_path), data, tmp_path / "out", progress=quietly)


def test_renamed_copy_of_a_training_picture_is_refused_too(trained: tuple[Path, Path], tmp_path: Path):
    data, run = trained
    for name in ("good", "spot"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number, path in enumerate(sorted((data / name).iterdir())):
            shutil.copy(path, tmp_path / "data" / name / f"new{number}.png")

    with pytest.raises(DataError, match="trained bundle"):
        evaluate(release(run, tmp_path), tmp_path / "data", tmp_path / "out", progress=quietly)


def test_recipe_beside_its_bundle_finds_the_test_side_as_the_run_folder_does(
    trained: tuple[Path, Path], tmp_path: Path
):
    data, run = trained

    found = [evaluate(gate, data, tmp_path / "out", progress=quietly).report for gate in (run, run / "recipe.yaml")]

    for key in ("n", "data", "training", "recipe_sha256", "data_sha256"):
        assert found[0][key] == found[1][key]
    assert found[1]["data"]["split"] == "test_side"


def test_other_pictures_of_parts_that_were_learned_from_are_refused(make_run: MakeRun, tmp_path: Path):
    run, data = make_run(tmp_path / "run"), make_grey_folder(tmp_path / "data", {"good": [10], "defect": [200]})
    (data / "labels.csv").write_text("file,label,group\ngood/00.png,good,g003\ndefect/00.png,defect,g004\n")
    (run / "split.csv").write_text(f"file,label,split,group,sha256\nold.png,good,train,group g003,{'0' * 64}\n")

    with pytest.raises(DataError) as caught:
        evaluate(run, data, tmp_path / "out", progress=quietly)

    assert "1 of 2 pictures are new ones of a part or group that had a say in the gate" in str(caught.value)
    assert "'good/00.png' of 'group g003'; if that is another part or group" in str(caught.value)


def test_pictures_that_chose_the_limits_are_refused(make_run: MakeRun, tmp_path: Path):
    data = make_grey_folder(tmp_path / "data", {"good": [10], "defect": [200]})
    chose = hashlib.sha256((data / "good/00.png").read_bytes()).hexdigest()[:HASH_DIGITS]
    chosen_on = ChosenOn(parts=1, pictures=1, picture_sha256=(chose,))
    rule = Limits(recheck_from=0.4, reject_from=0.6, chosen_on=chosen_on)
    run = make_run(tmp_path / "run", recipe={"decision": rule})

    with pytest.raises(DataError, match="1 of 2 pictures chose the limits of recipe 'made part'"):
        evaluate(run, data, tmp_path / "out", progress=quietly)


def test_report_holds_the_hash_of_the_recipe_that_judged_though_it_changed_meanwhile(make_run: MakeRun, tmp_path: Path):
    run, data = make_run(tmp_path / "run"), make_grey_folder(tmp_path / "data", LEVELS)
    before = (run / "recipe.yaml").read_bytes()

    def change(step: str, done: int, total: int) -> None:
        (run / "recipe.yaml").write_bytes(before + b"# another\n")

    report = evaluate(run, data, tmp_path / "out", progress=change).report

    assert report["recipe_sha256"] == hashlib.sha256(before).hexdigest()


def test_defect_parts_alone_can_be_judged(make_run: MakeRun, tmp_path: Path):
    data = make_grey_folder(tmp_path / "data", {"defect": [20, 200, 220]})

    report = evaluate(make_run(tmp_path / "run"), data, tmp_path / "out", progress=quietly).report

    assert (report["n_good"], report["escapes"], report["n_defect"]) == (0, 1, 3)
    assert report["false_reject_rate"] is None
    assert report["auroc"] is None


def test_defect_class_that_the_bundle_does_not_know_counts_as_defect(make_run: MakeRun, tmp_path: Path):
    data = make_grey_folder(tmp_path / "data", {"good": [20], "stain": [30, 210]})

    report = evaluate(make_run(tmp_path / "run"), data, tmp_path / "out", progress=quietly).report

    assert report["classes"] == ["defect", "good", "stain"]
    assert (report["escapes"], report["n_defect"]) == (1, 2)


def test_folder_without_a_class_in_common_is_refused(make_run: MakeRun, tmp_path: Path):
    data = make_grey_folder(tmp_path / "data", {"cat": [20], "dog": [30]})

    with pytest.raises(
        DataError, match="no class in common with the bundle: it knows defect, good, the folder holds cat"
    ):
        evaluate(make_run(tmp_path / "run"), data, tmp_path / "out", progress=quietly)


def test_unreadable_picture_is_listed_and_not_counted(make_run: MakeRun, tmp_path: Path):
    data = make_grey_folder(tmp_path / "data", LEVELS)
    torn = data / "good" / "torn.png"
    torn.write_bytes((data / "good" / "00.png").read_bytes()[:60])

    report = evaluate(make_run(tmp_path / "run"), data, tmp_path / "out", progress=quietly).report

    assert report["n"] == 13
    assert len(report["data"]["unreadable"]) == 1
    assert "torn.png" in report["data"]["unreadable"][0]


def test_output_that_is_not_writable_is_named(make_run: MakeRun, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    data = make_grey_folder(tmp_path / "data", LEVELS)

    with pytest.raises(DataError, match=r"cannot be made: .*name a writable folder"):
        evaluate(make_run(tmp_path / "run"), data, tmp_path / "file" / "out", progress=quietly)


def test_folder_without_a_recipe_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="no recipe there; name a run folder"):
        evaluate(tmp_path, tmp_path, tmp_path / "out", progress=quietly)


def test_damaged_bundle_ends_before_any_picture_is_judged(make_run: MakeRun, tmp_path: Path):
    run = make_run(tmp_path / "run")
    path = run / "model.partgate"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))

    with pytest.raises(BundleError, match="is damaged or no bundle"):
        evaluate(run, make_grey_folder(tmp_path / "data", LEVELS), tmp_path / "out", progress=quietly)

    assert not (tmp_path / "out").exists()
