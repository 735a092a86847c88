"""The command ``partgate msa`` and its files: page, JSON and table say the same, in both languages."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from partgate.cli.msa import msa
from partgate.errors import DataError
from partgate.msa.msa import analyse
from partgate.msa.page import render_msa, write_msa
from partgate.msa.study import Call, build_study
from partgate.msa.summary import summarise
from partgate.parts import Verdict

SHEET = "\n".join([
    "part,appraiser,run,verdict,reference",
    *(f"{part},{name},{run},{word},{word}" for part, word in enumerate(["good", "defect"] * 5)
      for name in ("Anna", "Ben") for run in (1, 2) if (part, name, run) != (1, "Ben", 2)),
    "1,Ben,2,good,defect",
])  # fmt: skip


@pytest.fixture
def app() -> typer.Typer:
    found = typer.Typer()
    found.command()(msa)
    return found


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "cover.csv"
    path.write_text(SHEET)
    return path


def invoke(app: typer.Typer, *arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def words_of(page: str, language: str) -> str:
    """Return what a reader of one language sees, without tags."""
    other = "de" if language == "en" else "en"
    body = re.sub(rf'<span lang="{other}">.*?</span>', "", page[page.index("<main>") :], flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ")


def test_command_writes_page_figures_and_table_beside_the_sheet_and_prints_the_verdicts(app: typer.Typer, sheet: Path):
    output = invoke(app, sheet, "--lang", "de")

    out = sheet.parent / "cover-msa"
    assert sorted(path.name for path in out.iterdir()) == ["decisions.csv", "msa.html", "msa.json"]
    assert '<html lang="de">' in (out / "msa.html").read_text(encoding="utf-8")
    assert "Anna: ACCEPTABLE by the counted shares" in output
    assert "1 of 10 decisions about defect parts said good (10.0 %, at least 0.0 %, at most 65.7 %)" in output
    assert "runs or appraisers differ on 1 parts: 1" in output


def test_page_json_and_table_tell_the_same(app: typer.Typer, sheet: Path):
    invoke(app, sheet)

    out = sheet.parent / "cover-msa"
    figures = json.loads((out / "msa.json").read_text(encoding="utf-8"))
    rows = list(csv.DictReader(io.StringIO((out / "decisions.csv").read_text(encoding="utf-8"))))
    english = words_of((out / "msa.html").read_text(encoding="utf-8"), "en")
    missed = [row for row in rows if row["reference"] == "defect" and row["counted_as"] == "good"]
    ben = figures["appraisers"][1]
    assert ben["miss"]["k"] == len(missed) == 1
    assert "1 of 10 decisions about defect parts said good (10.0 %, at least 0.0 %, at most 65.7 %)" in english
    assert f"{ben['kappa_reference']['value']:.2f}" in english


def test_page_has_both_languages_and_a_decimal_comma_in_german(app: typer.Typer, sheet: Path):
    invoke(app, sheet)

    page = (sheet.parent / "cover-msa" / "msa.html").read_text(encoding="utf-8")

    german = words_of(page, "de")
    assert "1 von 10 Urteilen über Schlechtteile lauteten gut (10,0 %, mindestens 0,0 %, höchstens 65,7 %)" in german
    assert "Was diese Studie nicht zeigen kann" in german
    figures = re.sub(r"partgate [0-9.]+|\d\d\.\d\d\.\d{4}", "", german)  # version and date have their points
    assert not re.search(r"\d\.\d", figures)


def test_page_asks_no_host_and_runs_no_script(app: typer.Typer, sheet: Path):
    invoke(app, sheet)

    page = (sheet.parent / "cover-msa" / "msa.html").read_text(encoding="utf-8")

    assert not re.search(r"https?://|<script|@import|url\(", page)


def test_names_from_sheets_are_text_and_never_markup():
    calls = [
        Call("made", part, "<b>Ann</b>", "1", verdict, truth)
        for part, verdict, truth in (
            ("<i>1</i>", Verdict.GOOD, Verdict.GOOD),
            ("2", Verdict.GOOD, Verdict.REJECT),
        )
    ]

    page = render_msa(analyse(build_study([*calls, *_also("Ben", Verdict.REJECT)], {})), "<u>x</u>")

    assert "<b>Ann" not in page
    assert "<i>1" not in page
    assert "<u>x" not in page
    assert "&lt;b&gt;Ann" in page


def _also(name: str, verdict: Verdict) -> list[Call]:
    return [Call("made", part, name, "1", verdict) for part in ("<i>1</i>", "2")]


def test_unbalanced_study_warns_instead_of_judging():
    calls = [Call("made", str(part), "Anna", "1", Verdict.GOOD, Verdict.GOOD) for part in range(20)]
    figures = analyse(build_study([*calls, Call("made", "x", "Anna", "1", Verdict.REJECT, Verdict.REJECT)], {}))

    english, screen = words_of(render_msa(figures, "cover"), "en"), "\n".join(summarise(figures))

    assert "No verdict . 1 of 21 parts are defect (4.8 %). Outside 30 % to 70 %" in english
    assert "Acceptable, " not in english
    assert "NO VERDICT: 5 % of the parts are defect; outside 30 to 70 %" in screen
    assert "Anna: no verdict" in screen


def test_study_of_good_parts_alone_is_shown_without_claims():
    calls = [Call("made", str(part), "Anna", "1", Verdict.GOOD, Verdict.GOOD) for part in range(3)]
    figures = analyse(build_study(calls, {}))

    german, screen = words_of(render_msa(figures, "cover"), "de"), "\n".join(summarise(figures))

    assert "Ohne Schlechtteile lässt sich über den Schlupf nichts sagen." in german
    assert "0 of 0 decisions about defect parts said good: nothing can be said without such parts" in screen


def test_folder_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    study = build_study([Call("made", part, "Anna", "1", Verdict.GOOD, Verdict.GOOD) for part in ("1", "2")], {})

    with pytest.raises(DataError, match=r"file/msa: cannot be written"):
        write_msa(analyse(study), study, tmp_path / "file" / "msa", "cover")


def test_command_prepares_sheets_and_says_what_to_do_next(app: typer.Typer, tmp_path: Path):
    people = ["--appraiser", "Anna", "--appraiser", "Ben"]

    output = invoke(app, "--template", tmp_path / "new", "--parts", "6", "--runs", "2", *people)

    assert "4 sheets in" in output
    assert f"then: partgate msa {tmp_path / 'new'}" in output
    assert len(list((tmp_path / "new").glob("*.csv"))) == 5
    with pytest.raises(DataError, match=r"row 2: verdict is empty"):
        invoke(app, tmp_path / "new")


def test_command_without_a_study_says_what_to_name(app: typer.Typer):
    with pytest.raises(DataError, match="name the sheets of a study, their folder, or the station"):
        invoke(app)
