"""The page, the JSON and the prepared answers: all of both languages, all names as they are, nothing from outside."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
import yaml

from partgate.data.check import Checked, check_folder
from partgate.data.check_page import render_check, write_check
from partgate.data.check_words import as_json, prepare_answers, say, summarise, write_facts
from partgate.data.findings import Finding, Severity
from partgate.data.folder import LabelledFolder, read_folder
from partgate.errors import DataError
from partgate.glossary import languages, load_texts

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, make_folder: Callable[..., Path]) -> LabelledFolder:
    """A folder with a contradiction, copies, a torn picture and names that are hard on a page and in YAML."""
    data = make_folder(tmp_path / "<parts> & more", {"good": 14, "dent": 3})
    shutil.copy(data / "good/good_000.png", data / "dent/again.png")
    shutil.copy(data / "good/good_001.png", data / 'good/"quoted" #1: <b>.png')
    (data / "good/torn.png").write_bytes(b"")
    return read_folder(data, for_check=True)


def check(folder: LabelledFolder) -> Checked:
    return check_folder(folder, image_size_px=64, progress=lambda step, done, total: None, threads=1)


def read(html: str, language: str) -> str:
    """Return the page as a person reads it in one language."""
    for other in languages:
        if other != language:
            html = re.sub(rf'<span lang="{other}">[^<]*</span>', "", html)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", re.sub(r"<style>.*?</style>", "", html, flags=re.S))))


# --- words


def test_every_kind_has_a_title_a_reason_and_a_next_step() -> None:
    ids = set(load_texts())
    kinds = {text_id.split(".")[1] for text_id in ids if re.fullmatch(r"check\.\w+\.why", text_id)}

    assert len(kinds) >= 30
    for kind in kinds:
        assert {f"check.{kind}", f"check.{kind}.title", f"check.{kind}.next"} <= ids


def test_every_kind_that_the_package_finds_has_words() -> None:
    package = Path(__file__).parents[2] / "inspect/partgate/data"
    source = "".join((package / f"check_{part}.py").read_text(encoding="utf-8") for part in ("labels", "pictures"))
    named = set(re.findall(r'finding_id\(\s*"(\w+)"|kind = "(\w+)"|_single\("(\w+)"', source))

    kinds = {name for names in named for name in names if name}

    assert len(kinds) >= 15
    assert [kind for kind in kinds if f"check.{kind}.why" not in load_texts()] == []


def test_numbers_are_written_as_the_language_does() -> None:
    facts = {"n": 12345, "value": 0.125, "large": 1234.5, "part_share": 0.456, "small_share": 0.012, "label": "a\nb"}

    assert write_facts(facts, "de") == {
        "n": 12345, "value": "0,12", "large": "1234", "part_share": "46 %", "small_share": "1,2 %", "label": "a␊b",
    }  # fmt: skip


def test_shortcut_names_measure_and_other_classes_in_the_language() -> None:
    facts = {
        "label": "dent",
        "measure": "brightness",
        "right_share": 0.95,
        "other": "",
        "value": 1.0,
        "other_value": 2.0,
    }

    sentence = say(Finding("x", "shortcut", Severity.LOOK, facts=facts), "de")

    assert (
        sentence
        == "Allein Helligkeit unterscheidet dent von allen anderen in 95 % aller Paare (Mitte: 1,00 gegen 2,00)."
    )


# --- the page


def test_page_says_what_to_do_first_in_both_languages(folder: LabelledFolder) -> None:
    html = render_check(check(folder), NOW)

    english, german = read(html, "en"), read(html, "de")

    assert "Findings to fix before training: 1" in english
    assert english.index("The same picture under two labels") < english.index("Pictures that cannot be read")
    assert "Vor dem Training zu behebende Befunde: 1" in german
    assert "is empty (0 bytes); copy the picture again" in english
    assert "02.01.2026, 03:04 UTC" in german


def test_page_fetches_nothing_runs_nothing_and_holds_its_pictures(folder: LabelledFolder) -> None:
    html = render_check(check(folder), NOW)

    assert "script" not in html.lower()
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', html) == []
    assert "default-src 'none'" in html
    assert html.count("data:image/jpeg;base64,") >= 4


def test_names_from_outside_are_shown_as_they_are_and_never_as_markup(folder: LabelledFolder) -> None:
    html = render_check(check(folder), NOW)

    assert "<b>.png" not in html
    assert 'good/"quoted" #1: <b>.png' in read(html, "en")
    assert "<parts> & more" in read(html, "en")


def test_every_link_of_the_page_leads_to_a_place_on_it(folder: LabelledFolder) -> None:
    html = render_check(check(folder), NOW)

    places = set(re.findall(r'id="([^"]+)"', html))

    assert set(re.findall(r'href="#([^"]+)"', html)) <= places


def test_flood_of_findings_and_pictures_is_cut_and_the_rest_counted(folder: LabelledFolder) -> None:
    files = tuple(picture.file for picture in folder.pictures[:10])
    group = Finding("g", "near_copies", Severity.LOOK, files, {"n": 10, "labels": "good"})
    flood = [Finding(f"f{i}", "unreadable", Severity.LOOK, (files[0],), {"reason": "torn"}) for i in range(30)]

    english = read(render_check(replace(check(folder), findings=(group, *flood)), NOW), "en")

    assert "and 2 more pictures" in english
    assert "6 more of this kind stand in check.json" in english


def test_page_without_findings_says_so(folder: LabelledFolder) -> None:
    english = read(render_check(replace(check(folder), findings=(), not_checked=()), NOW), "en")

    assert "Nothing to fix and nothing to look at" in english
    assert "These pictures can be trained on." in english


def test_language_that_is_not_there_is_refused(folder: LabelledFolder) -> None:
    with pytest.raises(ValueError, match="language must be one of en, de, got 'fr'"):
        render_check(check(folder), NOW, "fr")


# --- JSON and the screen


def test_json_holds_every_finding_with_its_texts(folder: LabelledFolder) -> None:
    result = check(folder)

    document = json.loads(as_json(replace(result, findings=result.findings[1:], accepted=result.findings[:1]), "now"))

    assert (document["format"], document["created_at"], document["pictures"]) == (1, "now", 20)
    assert len(document["findings"]) == len(result.findings)
    assert [entry["open"] for entry in document["findings"]][-2:] == [True, False]
    contradiction = document["findings"][-1]
    assert contradiction["files"] == ["dent/again.png", "good/good_000.png"]
    assert contradiction["text"]["de"] == "2 Kopien eines Bildes stehen unter dent / good."
    assert document["open"]["fix"] == 0


def test_screen_names_each_kind_once_with_its_number_and_the_next_step(folder: LabelledFolder) -> None:
    lines = summarise(check(folder))

    assert lines[0] == "20 pictures: dent 4, good 16"
    assert sum(line.startswith("fix ") for line in lines) == 1
    assert any(line.startswith("look  Pictures that cannot be read: Copy or save them again") for line in lines)


# --- the prepared answers


def test_prepared_answers_change_nothing_until_a_person_says_so(folder: LabelledFolder) -> None:
    answers = prepare_answers(check(folder), folder)

    (folder.folder / "findings.yaml").write_bytes(answers)

    assert read_folder(folder.folder, for_check=True) == folder


def test_prepared_answers_are_valid_with_every_comment_taken_away(folder: LabelledFolder) -> None:
    answers = prepare_answers(check(folder), folder).decode()

    said = yaml.safe_load(answers.replace("  # - ", "  - "))

    assert {"dent/again.png", "good/good_000.png", "good/torn.png"} <= set(said["leave_out"])
    assert len(said["leave_out"]) == len(set(said["leave_out"]))
    assert len(said["accepted"]) == len(check(folder).findings)


def test_what_was_decided_before_stays_decided_in_the_prepared_answers(folder: LabelledFolder) -> None:
    own = "leave_out: [dent/again.png]\naccepted: ['1e5']\nsame_part: [[good/torn.png, good/good_001.png]]\n"
    (folder.folder / "findings.yaml").write_text(own, encoding="utf-8")
    decided = read_folder(folder.folder, for_check=True)

    (folder.folder / "findings.yaml").write_bytes(prepare_answers(check(decided), decided))

    assert read_folder(folder.folder, for_check=True) == decided


# --- writing


def test_folder_of_the_pictures_is_never_written_into(folder: LabelledFolder) -> None:
    with pytest.raises(DataError, match="is the folder with the pictures; give --out another folder"):
        write_check(check(folder), folder, folder.folder)

    assert not (folder.folder / "check.html").exists()


def test_place_that_cannot_be_written_to_is_named(folder: LabelledFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    with pytest.raises(DataError, match="file: cannot be written: File exists"):
        write_check(check(folder), folder, tmp_path / "file")


def test_files_are_replaced_and_nothing_else_is_left(folder: LabelledFolder, tmp_path: Path) -> None:
    for _ in range(2):
        write_check(check(folder), folder, tmp_path / "out", "de")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["check.html", "check.json", "findings.yaml"]
