"""The station as an appraiser: its pictures in two layouts, earlier evaluations, and what is refused."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.errors import DataError
from partgate.msa.input import read_study
from partgate.msa.study import Study
from partgate.parts import Verdict
from partgate.recipe import HASH_DIGITS, ChosenOn, Limits
from partgate.report.report import evaluate

MakeRun = Callable[..., Path]
GREY = {"GOOD": 20, "RECHECK": 130, "REJECT": 220}  # the made model: recheck from 102, reject from 153


def shoot(path: Path, verdict: str, number: int = 0) -> None:
    """Write a picture that the made gate judges so; another number, another file."""
    pixels = np.full((40, 40, 3), GREY[verdict], np.uint8)
    pixels[0, 0] = (number, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def judge(run: Path, pictures: Path, **options: object) -> Study:
    return read_study(options.pop("sheets", []), station=run, pictures=pictures, progress=quietly, **options)  # type: ignore[arg-type]


def shoot_labelled(folder: Path) -> Path:
    """Parts p1 (good) and p2 (defect), two pictures each; p1 is rechecked in its second run."""
    rows = ["file,label,part"]
    said = {("p1", 1): "GOOD", ("p1", 2): "RECHECK", ("p2", 1): "REJECT", ("p2", 2): "REJECT"}
    for number, ((part, run), verdict) in enumerate(said.items()):
        shoot(folder / f"{part}_{run}.png", verdict, number)
        rows.append(f"{part}_{run}.png,{'good' if part == 'p1' else 'defect'},{part}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_station_alone_takes_references_and_parts_from_labels_csv(make_run: MakeRun, tmp_path: Path):
    study = judge(make_run(tmp_path / "run"), shoot_labelled(tmp_path / "shots"), recheck_as="own")

    assert (study.parts, study.appraisers, study.runs) == (("p1", "p2"), ("station",), ("1", "2"))
    assert study.is_defect.tolist() == [False, True]
    assert study.verdicts[0].tolist() == [[Verdict.GOOD, Verdict.RECHECK], [Verdict.REJECT, Verdict.REJECT]]


def test_column_run_says_which_run_a_picture_belongs_to(make_run: MakeRun, tmp_path: Path):
    folder = shoot_labelled(tmp_path / "shots")
    lines = (folder / "labels.csv").read_text().splitlines()
    runs = ["run", "2", "1", "2", "1"]  # the files' order is not that of the runs
    (folder / "labels.csv").write_text("\n".join(f"{line},{run}" for line, run in zip(lines, runs, strict=True)))

    study = judge(make_run(tmp_path / "run"), folder)

    assert study.rechecked[0].tolist() == [[True, False], [False, False]]


def test_station_beside_people_from_one_sub_folder_per_run(make_run: MakeRun, tmp_path: Path):
    for run in (1, 2):
        shoot(tmp_path / "shots" / f"run{run}" / "1.png", "GOOD", run)
        shoot(tmp_path / "shots" / f"run{run}" / "2.png", "REJECT", run)
    sheet = tmp_path / "people.csv"
    rows = [f"{part},Anna,{run},{word},{word}" for part, word in ((1, "good"), (2, "defect")) for run in (1, 2)]
    sheet.write_text("part,appraiser,run,verdict,reference\n" + "\n".join(rows))

    study = judge(make_run(tmp_path / "run"), tmp_path / "shots", sheets=[sheet])

    assert study.appraisers == ("station", "Anna")
    assert (study.verdicts[0] == study.verdicts[1]).all()
    assert set(study.sources) == {sheet.as_posix(), "recipe", "bundle"}
    recipe = (tmp_path / "run/recipe.yaml").read_bytes()
    assert study.sources["recipe"] == hashlib.sha256(recipe).hexdigest()


def test_same_picture_in_two_runs_is_refused(make_run: MakeRun, tmp_path: Path):
    for run in (1, 2):
        shoot(tmp_path / "shots" / f"run{run}" / "1.png", "GOOD")

    with pytest.raises(DataError, match=r"run2/1\.png: is the same file as .*run1/1\.png\na run needs new pictures"):
        judge(make_run(tmp_path / "run"), tmp_path / "shots")


def test_picture_that_trained_the_bundle_is_refused(make_run: MakeRun, make_manifest, tmp_path: Path):
    folder = shoot_labelled(tmp_path / "shots")
    training = make_manifest().training
    learned = hashlib.sha256((folder / "p2_1.png").read_bytes()).hexdigest()
    run = make_run(tmp_path / "run", manifest={"training": training.model_copy(update={"picture_sha256": (learned,)})})

    with pytest.raises(DataError) as caught:
        judge(run, folder)

    assert "1 of 4 pictures trained bundle" in str(caught.value)
    assert "e.g. 'p2_1.png'" in str(caught.value)
    assert "1 of 4 pictures are new ones of a part or group that had a say in the gate, e.g. 'p2_2.png'" in str(
        caught.value
    )
    assert "a study needs parts that had no say in the gate" in str(caught.value)


def test_picture_that_chose_the_limits_is_refused(make_run: MakeRun, tmp_path: Path):
    folder = shoot_labelled(tmp_path / "shots")
    chose = hashlib.sha256((folder / "p1_1.png").read_bytes()).hexdigest()[:HASH_DIGITS]
    chosen_on = ChosenOn(parts=1, pictures=1, picture_sha256=(chose,))
    rule = Limits(recheck_from=0.4, reject_from=0.6, chosen_on=chosen_on)

    with pytest.raises(DataError, match=r"1 of 4 pictures chose the limits of recipe 'made part', e\.g\. 'p1_1\.png'"):
        judge(make_run(tmp_path / "run", recipe={"decision": rule}), folder)


@pytest.mark.parametrize("layout", ["labels", "folders"])
def test_other_picture_of_a_part_that_was_learned_from_is_refused(make_run: MakeRun, tmp_path: Path, layout: str):
    folder = tmp_path / "shots"
    if layout == "labels":
        shoot_labelled(folder)
    else:
        for part, verdict in (("p1", "GOOD"), ("p2", "REJECT")):
            shoot(folder / "run1" / f"{part}.png", verdict)
    run = make_run(tmp_path / "run")
    (run / "split.csv").write_text(f"file,label,split,group,sha256\nold.png,defect,train,part p2,{'0' * 64}\n")

    with pytest.raises(DataError, match=r"of 'part p2'; if that is another part .* same name, rename it"):
        judge(run, folder)


def test_part_with_a_picture_less_than_the_others_is_named(make_run: MakeRun, tmp_path: Path):
    folder = shoot_labelled(tmp_path / "shots")
    (folder / "p2_2.png").unlink()
    lines = (folder / "labels.csv").read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join(lines[:-1]) + "\n")

    with pytest.raises(DataError, match=r"missing: part 'p2', appraiser 'station', run 2"):
        judge(make_run(tmp_path / "run"), folder)


def test_labels_without_parts_are_refused(make_run: MakeRun, tmp_path: Path):
    folder = shoot_labelled(tmp_path / "shots")
    lines = (folder / "labels.csv").read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join(line.rsplit(",", 1)[0] for line in lines) + "\n")

    with pytest.raises(DataError, match=r"labels\.csv: 4 rows have no part, e\.g\. 'p1_1\.png'; add a column 'part'"):
        judge(make_run(tmp_path / "run"), folder)


def test_folder_without_runs_shows_how_to_lay_them_out(make_run: MakeRun, tmp_path: Path):
    shoot(tmp_path / "shots" / "1.png", "GOOD")

    with pytest.raises(DataError, match=r"holds no pictures of runs; lay them out as shots/run1/<part>\.png"):
        judge(make_run(tmp_path / "run"), tmp_path / "shots")


def test_damaged_picture_is_refused_by_name(make_run: MakeRun, tmp_path: Path):
    folder = shoot_labelled(tmp_path / "shots")
    (folder / "p1_1.png").write_bytes(b"no picture")

    with pytest.raises(DataError, match=r"p1_1\.png"):
        judge(make_run(tmp_path / "run"), folder)


def test_evaluations_are_runs_of_the_station(make_run: MakeRun, tmp_path: Path):
    run = make_run(tmp_path / "run")
    for number, verdict in ((1, "REJECT"), (2, "GOOD")):
        shoot(tmp_path / f"day{number}" / "good" / "a.png", "GOOD", number)
        shoot(tmp_path / f"day{number}" / "defect" / "b.png", verdict, 10 + number)
        evaluate(run, tmp_path / f"day{number}", tmp_path / f"report{number}", progress=quietly)
    files = [tmp_path / f"report{number}" / "predictions.csv" for number in (1, 2)]

    study = read_study([], predictions=files, progress=quietly)

    assert (study.parts, study.station) == (("a", "b"), "station")
    assert study.verdicts[0].tolist() == [[Verdict.GOOD, Verdict.GOOD], [Verdict.REJECT, Verdict.GOOD]]


def test_one_evaluation_named_twice_is_no_second_run(make_run: MakeRun, tmp_path: Path):
    run = make_run(tmp_path / "run")
    shoot(tmp_path / "day" / "good" / "a.png", "GOOD")
    shoot(tmp_path / "day" / "defect" / "b.png", "REJECT", 1)
    evaluate(run, tmp_path / "day", tmp_path / "one", progress=quietly)
    one = tmp_path / "one" / "predictions.csv"
    moved = tmp_path / "moved.csv"  # the rule was moved in between, the pictures are the same
    moved.write_text(one.read_text().replace(",GOOD,", ",RECHECK,"))

    for files in ([one, one], [one, moved]):
        with pytest.raises(DataError, match=r"hold the same pictures with the same scores\na run needs new pictures"):
            read_study([], predictions=files, progress=quietly)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "no file, part, label, verdict in it"),
        ("file,part,label,verdict\na.png,,fine,GOOD\n", "labels must name exactly one good class .* got fine"),
        ("file,part,label,verdict\na.png,,good,SURE\n", "row 2: unknown verdict 'SURE'; known: GOOD, REJECT, RECHECK"),
    ],
    ids=["empty", "no-good-class", "unknown-verdict"],
)
def test_table_that_is_no_evaluation_is_refused(tmp_path: Path, content: str, problem: str):
    (tmp_path / "predictions.csv").write_text(content)

    with pytest.raises(DataError, match=problem):
        read_study([], predictions=[tmp_path / "predictions.csv"], progress=quietly)


def test_person_called_station_beside_the_station_is_refused(make_run: MakeRun, tmp_path: Path):
    sheet = tmp_path / "people.csv"
    sheet.write_text("part,appraiser,run,verdict,reference\np1,station,1,good,good\n")

    with pytest.raises(DataError, match=r"row 2: an appraiser is called 'station' already"):
        judge(make_run(tmp_path / "run"), shoot_labelled(tmp_path / "shots"), sheets=[sheet])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "name the sheets of a study, their folder, or the station"),
        ({"station": Path("run")}, "--station and --pictures belong together"),
        ({"station": Path("run"), "pictures": Path("p"), "predictions": [Path("x")]}, "name either --station with"),
    ],
    ids=["nothing", "station-without-pictures", "station-twice"],
)
def test_what_names_no_study_is_refused(options: dict[str, object], problem: str):
    with pytest.raises(DataError, match=problem):
        read_study([], progress=quietly, **options)  # type: ignore[arg-type]
