"""The page of an acceptance: both languages, verdicts in words and signs, what it cannot show; the command's exit."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from partgate.acceptance.page import render_acceptance, say_results
from partgate.cli.main import app

MakeRun = Callable[..., Path]
LIMITS = "name: Gehäuse <3>\nagreed_on: 2026-11-20\nrechecks: caught\nrechecks_good: accepted\n"
NO_VERDICTS = {"good": 0, "recheck": 0, "reject": 0}
MATERIAL = {"pictures": 50, "counted": "part", "without_part": 0, "shared_groups": 0, "without_severity": 0,
            "not_learned": [], "on_test_side": 0}  # fmt: skip


def result(verdict: str = "not_shown", **changes: object) -> dict[str, Any]:
    """0 of 50 against 2 %."""
    values = {"kind": "escape_rate", "scope": "all", "name": None, "limit": 0.02, "events": 0, "parts": 50,
              "lower": 0.0, "upper": 0.0582, "verdict": verdict, "parts_missing": 99}  # fmt: skip
    return values | changes


def make_record(**changes: object) -> dict[str, Any]:
    record = {
        "created_at": "2026-11-23T10:00:00+00:00", "partgate": "0.1", "verdict": "not_shown", "results": [result()],
        "agreed": {"name": "cover", "agreed_by": ["A", "B"], "agreed_on": "2026-11-20", "confidence": 0.95,
                   "rechecks": "escape", "rechecks_good": "false_reject", "recheck_rate": None},
        "recipe": {"name": "cover-4", "recheck_from": 0.4, "reject_from": 0.6, "chosen": "", "chosen_de": "",
                   "limits_set": {"by": None, "at": None, "why": None},
                   "chosen_on": {"parts": 31, "pictures": 60, "how": ""}},
        "training": {"pictures": 200, "groups": 100, "folder": "parts"}, "signed_by": [], "folder": "new parts",
        "counts": {"good": NO_VERDICTS, "defect": NO_VERDICTS | {"reject": 50}, "classes": {}, "severities": {}},
        "material": MATERIAL, "seal": {"sealed_at": "2026-11-22T09:00:00+00:00", "before": True},
        "sha256": {name: "ab" * 32 for name in ("data", "seal", "bundle_id", "bundle_file", "recipe", "limits")},
        "mistakes": [],
    }  # fmt: skip
    return record | changes


def read(page: str, language: str) -> str:
    """Return what a reader of one language sees, as one line."""
    other = {"de": "en", "en": "de"}[language]
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    page = re.sub(rf'<span lang="{other}">[^<]*</span>', "", page)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)).replace("\u00a0", " "))


@pytest.mark.parametrize(
    ("verdict", "english", "german"),
    [
        ("passed", "✓ passed", "✓ bestanden"),
        ("failed", "✗ failed", "✗ nicht bestanden"),
        ("not_shown", "? not shown", "? nicht nachgewiesen"),
    ],
)
def test_verdict_is_a_word_and_a_sign_in_both_languages(verdict: str, english: str, german: str):
    page = render_acceptance(make_record(verdict=verdict, results=[result(verdict)]), {})

    assert read(page, "en").count(english) == 2
    assert read(page, "de").count(german) == 2


def test_who_set_the_limits_when_why_and_by_which_wish_is_said():
    limits_set = {"by": "Q. Meyer", "at": "2026-11-21T08:00:00+00:00", "why": "fewer rechecks"}
    recipe = make_record()["recipe"] | {"limits_set": limits_set, "chosen": "least cost on 31 parts", "chosen_de": ""}
    text = read(render_acceptance(make_record(recipe=recipe), {}), "de")

    assert "Festgelegt von Q. Meyer Festgelegt am 21.11.2026, 08:00 UTC Grund fewer rechecks" in text
    assert "Wie gewählt least cost on 31 parts" in text
    assert "dem Training; keine Person hat entschieden" in read(render_acceptance(make_record(), {}), "de")


def test_row_of_a_limit_says_what_was_seen_the_bounds_and_what_is_missing():
    text = read(render_acceptance(make_record(), {}), "de")

    assert "Schlupfrate höchstens 2 % Gezählt 0 von 50 Schlechtteilen (0,0 %)" in text
    assert "0,0 % bis 5,8 %" in text
    assert "99 weitere ohne Fehlurteil" in text


@pytest.mark.parametrize(("upper", "shown"), [(0.01991, "1.99 %"), (0.02, "2.0 %"), (0.020004, "2.0004 %")])
def test_bound_next_to_the_limit_is_written_so_that_both_can_be_told_apart(upper: float, shown: str):
    lines = say_results(make_record(results=[result(upper=upper)]), "en")

    assert f"at most {shown}, limit 2 %" in lines[0]


def test_limits_of_a_class_and_a_severity_name_them():
    results = [result(scope="class", name="Kratzer"), result(scope="severity", name="kritisch")]

    text = read(render_acceptance(make_record(results=results), {}), "de")

    assert "Schlupfrate, Klasse Kratzer" in text
    assert "Schlupfrate, Schwere kritisch" in text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seal": {"sealed_at": "2026-11-22T09:00:00+00:00", "before": False}}, "sealed by the same command"),
        ({"material": MATERIAL | {"counted": "picture"}}, "Pictures were counted, not parts"),
        ({"material": MATERIAL | {"shared_groups": 3}}, "counted picture by picture, because"),
        ({"material": MATERIAL | {"without_part": 2}}, "name no part, each counted as a part of its own: 2."),
        ({"material": MATERIAL | {"without_severity": 2}}, "Pictures of defect parts that name no severity: 2."),
        ({"material": MATERIAL | {"on_test_side": 9}}, "Pictures of the run's own test: 9."),
        ({"material": MATERIAL | {"not_learned": ["rust"]}}, "had no example to learn from: rust."),
        ({"results": [result(), result()]}, "Each of the 2 limits is judged by itself at 95 %"),
        ({"recipe": make_record()["recipe"] | {"chosen_on": None}}, "The recipe does not say"),
        ({"agreed": make_record()["agreed"] | {"rechecks": "caught"}}, "as if people always decided right"),
    ],
    ids=["sealed-late", "pictures", "groups", "no-part", "no-severity", "test-side", "not-learned",
         "many-limits", "chosen-unknown", "caught"],
)  # fmt: skip
def test_page_says_what_it_cannot_show_where_and_only_where_it_holds(changes: dict[str, object], sentence: str):
    assert sentence in read(render_acceptance(make_record(**changes), {}), "en")
    assert sentence not in read(render_acceptance(make_record(), {}), "en")


def test_names_from_outside_are_escaped():
    record = make_record(folder="<script>alert(1)</script>", signed_by=["<b>Eve</b>"])

    page = render_acceptance(record, {})

    assert "<script" not in page
    assert "<b>Eve" not in page


def test_both_sides_have_signature_fields_and_names_fill_them_in_order():
    text = read(render_acceptance(make_record(signed_by=["Anna Müller", "Bo Öz", "Cem"]), {}), "en")

    order = ["For the supplier", "Anna Müller", "For the customer", "Bo Öz", "Further", "Cem"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert text.count("Place, date") == 3


def test_norms_are_a_model_and_no_claim():
    page = render_acceptance(make_record(), {})

    assert "in Anlehnung an VDI/VDE/VDMA 2632 Blatt 3; keine Konformitätsaussage" in read(page, "de")
    assert "modelled on VDI/VDE/VDMA 2632 Blatt 3; no statement of conformity" in read(page, "en")


def test_page_is_one_file_without_script_and_shows_the_asked_language_first():
    page = render_acceptance(make_record(), {}, "de")

    assert '<html lang="de">' in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_more_mistakes_than_pictures_are_counted():
    mistake = {"kind": "escape", "counts_as": "escape", "part": "P1", "label": "dent", "severity": None,
               "verdict": "GOOD", "reason": 0, "predicted_class": "good", "defect_score": 0.1}  # fmt: skip
    mistakes = [mistake | {"file": f"dent/{number}.png"} for number in range(3)]

    page = render_acceptance(make_record(mistakes=mistakes), {"dent/0.png": b"jpeg"})

    assert "2 more stand in acceptance.json" in read(page, "en")
    assert page.count("<figure>") == 1


# --- the command


@pytest.fixture
def prepared(make_run: MakeRun, tmp_path: Path) -> Callable[..., Any]:
    """A function: run ``partgate accept`` on 29 defect parts, so many of them escaped."""

    def call(escapes: int, *options: str) -> Any:
        (tmp_path / "data/defect").mkdir(parents=True)
        for number in range(29):
            pixels = np.full((40, 40, 3), 10 if number < escapes else 200, np.uint8)
            pixels[0, 0] = number
            cv2.imwrite(str(tmp_path / f"data/defect/{number}.png"), pixels)
        (tmp_path / "limits.yaml").write_text(LIMITS + "escape_rate: 0.1", encoding="utf-8")
        paths = [str(make_run(tmp_path / "run")), str(tmp_path / "data"), "--limits", str(tmp_path / "limits.yaml")]
        return CliRunner().invoke(app, ["accept", *paths, "--out", str(tmp_path / "out"), *options])

    return call


@pytest.mark.parametrize(("escapes", "code", "word"), [(0, 0, "passed"), (7, 3, "failed"), (1, 4, "not shown")])
def test_exit_code_tells_the_verdict(prepared: Callable[..., Any], escapes: int, code: int, word: str):
    done = prepared(escapes)

    assert done.exit_code == code
    assert f"acceptance: {word}" in done.output


def test_html_json_and_screen_say_the_same_numbers(prepared: Callable[..., Any], tmp_path: Path):
    done = prepared(1)

    record = json.loads((tmp_path / "out/acceptance.json").read_text(encoding="utf-8"))
    text = read((tmp_path / "out/acceptance.html").read_text(encoding="utf-8"), "en")
    (only,) = record["results"]
    assert (only["events"], only["parts"], only["parts_missing"]) == (1, 29, 46 - 29)
    for words in ("1 of 29", "10 %", "17 more without a mistake"):
        assert words in text
        assert words in done.output


def test_pdf_is_written_where_it_is_asked_for(prepared: Callable[..., Any], tmp_path: Path):
    pytest.importorskip("weasyprint", reason="PDF needs partgate[pdf]")

    done = prepared(0, "--pdf", "--lang", "de", "--signed-by", "Anna Müller")

    assert done.exit_code == 0
    assert (tmp_path / "out/acceptance.pdf").read_bytes().startswith(b"%PDF")
