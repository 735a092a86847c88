"""The report's files: the same numbers in all of them, agreed limits, a further section, a PDF, a bounded size."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from partgate.cli.main import app
from partgate.errors import ConfigError, DataError
from partgate.glossary import format_number, format_percent
from partgate.recipe import Limits
from partgate.report.report import evaluate

MakeRun = Callable[..., Path]
Read = Callable[[str, str], str]
LIMITS = "name: cover\nrechecks: caught\nrechecks_good: accepted\n"
# recheck from 0.4 (102), reject from 0.6 (153); stain is unknown to the model; the good ones have no severity
LEVELS = {"good": [10, 20, 30, 40, 120, 200], "defect": [50, 130, 180, 190, 210, 220, 230], "stain": [60, 240]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Pictures of one grey level each, with severities; the made model takes brightness / 255 as the defect score."""
    rows = ["file,label,severity,date"]
    for name, levels in LEVELS.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for number, level in enumerate(levels):
            pixels = np.full((40, 40, 3), level, np.uint8)
            pixels[0, 0] = (number, len(name), 0)  # no two files alike
            cv2.imwrite(str(tmp_path / "data" / name / f"{number}.png"), pixels)
            severity = "" if name == "good" else "critical" if number < 2 else "minor"
            rows.append(f"{name}/{number}.png,{name},{severity},2026-03-0{number + 1}")
    (tmp_path / "data/labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path / "data"


def judge(run: Path, data: Path, out: Path, **options: Any) -> dict[str, Any]:
    evaluate(run, data, out, progress=lambda step, done, total: None, **options)
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", ["en", "de"])
def test_page_table_and_json_of_one_evaluation_agree(
    language: str, make_run: MakeRun, data: Path, tmp_path: Path, read: Read
):
    report = judge(make_run(tmp_path / "run"), data, tmp_path / "out")

    with (tmp_path / "out/predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shown = read((tmp_path / "out/report.html").read_text(encoding="utf-8"), language)
    words = {"en": "{k} of {n} {noun} {done}", "de": "{k} von {n} {noun} {done}"}[language]
    said = {
        "en": ("pictures of defect parts", "escaped"),
        "de": ("Bildern von Schlechtteilen", "als gut durchgelassen"),
    }
    for name in ("defect", "stain"):
        of_class = [row for row in rows if row["label"] == name]
        escapes = sum(row["verdict"] == "GOOD" for row in of_class)
        noun, done = said[language]
        sentence = words.format(k=escapes, n=len(of_class), noun=noun, done=done)
        upper = format_percent(report["per_class"][name]["mistake_rate_upper95"], language)
        assert report["per_class"][name]["mistakes"] == escapes
        assert re.search(f"{name}.{{0,60}}{sentence} .{{0,40}}{upper}", shown)
    for severity, row in report["per_severity"].items():
        of_it = [one for one in rows if one["severity"] == severity]
        assert (row["n"], row["mistakes"]) == (len(of_it), sum(one["verdict"] == "GOOD" for one in of_it))
        assert re.search(f"{severity} .{{0,30}}{row['mistakes']} (of|von) {row['n']} ", shown)
    assert {row["file"] for row in rows} >= {one["file"] for one in report["worst"]}
    for cell in report["cells"]:
        place = report["classes"].index(cell["truth"]), report["classes"].index(cell["predicted_class"])
        assert cell["n"] == report["confusion_matrix"][place[0]][place[1]]
        assert cell["n"] == sum((row["label"], row["predicted_class"]) == (cell["truth"], cell["predicted_class"])
                                for row in rows)  # fmt: skip
    assert format_number(report["escapes"], language) in shown


def test_class_unknown_to_the_model_is_a_row_in_every_file(make_run: MakeRun, data: Path, tmp_path: Path):
    report = judge(make_run(tmp_path / "run"), data, tmp_path / "out")

    assert report["confusion_matrix"][2] == [1, 1, 0]  # one taken for defect, one for good, none for itself
    assert (report["per_class"]["stain"]["is_known"], report["per_class"]["stain"]["mistakes"]) == (False, 1)
    assert report["escapes"] == 2


def test_data_statement_counts_what_was_given(make_run: MakeRun, data: Path, tmp_path: Path):
    (data / "good/lost.png").write_bytes((data / "good/0.png").read_bytes())

    found = judge(make_run(tmp_path / "run"), data, tmp_path / "out")["data"]

    assert found["pictures_by_class"] == found["counted_by_class"] == {"defect": 7, "good": 6, "stain": 2}
    assert found["dates"] == {"column": "date", "first": "2026-03-01", "last": "2026-03-07", "known": 15}
    assert (found["left_out_without_label"], found["parts"], found["groups"]) == (1, None, None)


def test_agreed_limits_are_judged_and_their_file_is_named_by_its_hash(make_run: MakeRun, data: Path, tmp_path: Path):
    limits = tmp_path / "limits.yaml"
    limits.write_text(f"{LIMITS}escape_rate: 0.01\nseverities: {{critical: {{escape_rate: 0.9}}}}\n")

    report = judge(make_run(tmp_path / "run"), data, tmp_path / "out", limits=limits)

    results = report["agreed"]["results"]
    assert [(one["events"], one["parts"], one["verdict"]) for one in results] == [(2, 9, "failed"), (2, 4, "not_shown")]
    assert report["agreed"]["verdict"] == "failed"
    assert report["limits_sha256"] == report["agreed"]["sha256"]


@pytest.mark.parametrize("limit", ["severities: {grave: ", "classes: {stain: "])
def test_limit_whose_only_pictures_are_broken_is_not_shown(make_run: MakeRun, data: Path, tmp_path: Path, limit: str):
    rows = (data / "labels.csv").read_text().replace("defect/6.png,defect,minor", "defect/6.png,defect,grave")
    (data / "labels.csv").write_text(rows)
    for path in (data / "defect/6.png", data / "stain/0.png", data / "stain/1.png"):
        path.write_bytes(b"no picture " + path.name.encode())
    limits = tmp_path / "limits.yaml"
    limits.write_text(f"{LIMITS}{limit}{{escape_rate: 0.5}}}}\n")

    (result,) = judge(make_run(tmp_path / "run"), data, tmp_path / "out", limits=limits)["agreed"]["results"]

    assert (result["events"], result["parts"], result["verdict"]) == (0, 0, "not_shown")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("escape_rate: 5\n", r"is 5 % meant\? That is 0\.05"),
        ("escape_rat: 0.05\n", "escape_rate"),
        ("severities: {critcal: {escape_rate: 0.01}}\n", "did you mean 'critical'"),
        ("classes: {good: {escape_rate: 0.01}}\n", "classes.good: no defect part is of it"),
    ],
    ids=["percent", "unknown-key", "unknown-severity", "good-class"],
)
def test_wrong_limits_are_refused_before_any_picture_is_judged(
    text: str, problem: str, make_run: MakeRun, data: Path, tmp_path: Path
):
    limits = tmp_path / "limits.yaml"
    limits.write_text(LIMITS + text)

    with pytest.raises(ConfigError, match=problem):
        judge(make_run(tmp_path / "run"), data, tmp_path / "out", limits=limits)

    assert not (tmp_path / "out").exists()


def test_recipe_that_sorts_by_class_has_no_agreed_limits(
    make_run: MakeRun, make_model: Callable[..., bytes], data: Path, tmp_path: Path
):
    facts = {"classes": ("defect", "good"), "good_class": None}
    run = make_run(tmp_path / "run", manifest=facts, recheck_from=0.4, reject_from=1.0)
    limits = tmp_path / "limits.yaml"
    limits.write_text(f"{LIMITS}escape_rate: 0.01\n")

    with pytest.raises(ConfigError, match="recipe 'made part' sorts by class"):
        judge(run, data, tmp_path / "out", limits=limits)

    report = judge(run, data, tmp_path / "out")
    assert (report["agreed"], report["curves"], report["cost"], report["per_severity"]) == (None, None, None, None)
    assert report["examples"]["defect"]["worst"]


def test_without_a_file_the_wishes_of_the_recipe_stand_in(make_run: MakeRun, data: Path, tmp_path: Path):
    rule = Limits(recheck_from=0.4, reject_from=0.6, max_escape_rate=0.1, max_false_reject_rate=0)
    run = make_run(tmp_path / "run", recipe={"decision": rule})

    agreed = judge(run, data, tmp_path / "out")["agreed"]

    assert (agreed["source"], agreed["sha256"]) == ("recipe", None)
    assert [(one["kind"], one["limit"]) for one in agreed["results"]] == [("escape_rate", 0.1)]  # none cannot be shown


def test_command_writes_limits_payback_and_pdf(make_run: MakeRun, data: Path, tmp_path: Path):
    run, out = make_run(tmp_path / "run"), tmp_path / "out"
    (tmp_path / "limits.yaml").write_text(f"{LIMITS}escape_rate: 0.5\n")
    assert CliRunner().invoke(app, ["payback", "--example", str(tmp_path / "case.yaml")]).exit_code == 0

    done = CliRunner().invoke(
        app, ["evaluate", str(run), str(data), "--out", str(out), "--limits", str(tmp_path / "limits.yaml"),
              "--payback", str(tmp_path / "case.yaml"), "--pdf", "--lang", "de"],
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    assert f"report: {out / 'report.pdf'}" in done.output
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Amortisation" in page
    assert not re.search(r"(?:src|href|url\()[=\"']*https?:", page)


def test_wrong_payback_case_is_refused_before_any_picture_is_judged(make_run: MakeRun, data: Path, tmp_path: Path):
    run = make_run(tmp_path / "run")
    (tmp_path / "case.yaml").write_text("nonsense: 1\n")

    done = CliRunner().invoke(
        app, ["evaluate", str(run), str(data), "--out", str(tmp_path / "out"), "--payback", str(tmp_path / "case.yaml")]
    )

    assert done.exit_code != 0
    assert not (tmp_path / "out").exists()


def test_payback_that_cannot_be_counted_leaves_the_report_without_it(make_run: MakeRun, data: Path, tmp_path: Path):
    run, case = make_run(tmp_path / "run"), tmp_path / "case.yaml"
    CliRunner().invoke(app, ["payback", "--example", str(case)])
    rows = [row for row in (data / "labels.csv").read_text().splitlines() if not row.startswith(("defect", "stain"))]
    (data / "labels.csv").write_text("\n".join(rows))

    done = CliRunner().invoke(app, ["evaluate", str(run), str(data), "--out", str(tmp_path / "out"),
                                    "--payback", str(case)])  # fmt: skip

    assert isinstance(done.exception, DataError)
    assert "holds 0 defect parts" in str(done.exception)
    assert f"report: {tmp_path / 'out/report.html'}" in done.output
    assert json.loads((tmp_path / "out/report.json").read_text())["n_good"] == 6
    assert (tmp_path / "out/report.html").is_file()


def test_older_pdf_never_stands_beside_newer_numbers(make_run: MakeRun, data: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.pdf").write_bytes(b"old")

    judge(make_run(tmp_path / "run"), data, out)

    assert not (out / "report.pdf").exists()


def test_picture_that_vanishes_after_it_was_judged_leaves_an_empty_box(
    make_run: MakeRun, data: Path, tmp_path: Path, read: Read
):
    def vanish(step: str, done: int, total: int) -> None:
        if step == "judge" and done == total:
            (data / "defect/0.png").unlink()

    evaluate(make_run(tmp_path / "run"), data, tmp_path / "out", progress=vanish)

    assert "no picture kept" in read((tmp_path / "out/report.html").read_text(encoding="utf-8"), "en")


def test_none_of_the_pictures_readable_is_said(make_run: MakeRun, data: Path, tmp_path: Path):
    for path in data.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:60] + path.name.encode() + path.parent.name.encode())

    with pytest.raises(DataError, match="none of 15 pictures can be read"):
        judge(make_run(tmp_path / "run"), data, tmp_path / "out")
