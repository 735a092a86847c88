"""``partgate compare`` from folders to files: page, JSON and table agree; what cannot be compared is named."""

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from html import unescape
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from partgate.cli.main import app
from partgate.compare.compare import compare
from partgate.errors import ConfigError, DataError
from partgate.evaluation.comparison_words import say_conclusion
from partgate.glossary import languages

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
    return make_data(tmp_path / "parts", LEVELS)


@pytest.fixture
def gates(make_run: MakeRun, tmp_path: Path) -> tuple[Path, Path]:
    return (
        make_run(tmp_path / "line3", recheck_from=0.4, reject_from=0.6),  # grey 102 and 153
        make_run(tmp_path / "candidate", recheck_from=0.45, reject_from=0.45),  # grey 114.75
    )


def shown(page: str, language: str) -> str:
    """Return the words of a page in one language, without tags."""
    for other in languages:
        if other != language:
            page = re.sub(rf'<span lang="{other}">.*?</span>', "", page, flags=re.DOTALL)
    body = page[page.index("<body>") :]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ").split())


def test_figures_of_each_gate_are_of_its_own_scores(
    gates: tuple[Path, Path], make_run: MakeRun, make_model: Callable[..., bytes], data: Path, tmp_path: Path
):
    """A model turned round orders 5 of 42 pairs of a good and a defect part rightly where the other orders 37."""
    turned = make_run(tmp_path / "turned", model=make_model([[-1 / 3, 1 / 3]] * 3, [1.0, 0.0]))

    facts = compare(gates[0], turned, data, tmp_path / "out", progress=quietly).facts

    assert (facts["a"]["auroc"], facts["b"]["auroc"]) == (pytest.approx(37 / 42), pytest.approx(5 / 42))


def test_facts_hold_the_hash_of_the_recipes_that_judged_though_they_changed_meanwhile(
    gates: tuple[Path, Path], data: Path, tmp_path: Path
):
    before = [(gate / "recipe.yaml").read_bytes() for gate in gates]

    def change(step: str, done: int, total: int) -> None:
        for gate, content in zip(gates, before, strict=True):
            (gate / "recipe.yaml").write_bytes(content + b"# another\n")

    facts = compare(*gates, data, tmp_path / "out", progress=change).facts

    hashes = [hashlib.sha256(content).hexdigest() for content in before]
    assert [facts[key]["recipe_sha256"] for key in ("a", "b")] == hashes


def test_page_json_and_table_tell_the_same(gates: tuple[Path, Path], data: Path, tmp_path: Path):
    compare(*gates, data, tmp_path / "out", progress=quietly)

    facts = json.loads((tmp_path / "out/compare.json").read_text(encoding="utf-8"))
    with (tmp_path / "out/changed.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    page = (tmp_path / "out/compare.html").read_text(encoding="utf-8")
    assert [(row["file"], row["a_verdict"], row["b_verdict"], row["change"]) for row in rows] == [
        (one["file"], one["a"]["verdict"], one["b"]["verdict"], one["change"]) for one in facts["changed"]
    ]
    assert float(rows[0]["a_defect_score"]) == pytest.approx(facts["changed"][0]["a"]["defect_score"], abs=1e-6)
    assert all(one["file"] in page for one in facts["changed"])
    for language in languages:
        assert say_conclusion(facts, language) in shown(page, language)


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        (
            "en",
            [
                "line3 against candidate",
                "Of 6 pictures of good parts B rejects 1 more than A (1 → 2).",
                "not enough to prefer B, nor A",
                "at most 52.1 %",
                "Only 2 parts are treated differently. With fewer than 6 of them",
                "Truth good A Recheck, score 0.47",
            ],
        ),
        (
            "de",
            [
                "line3 gegen candidate",
                "Von 6 Bildern von Gutteilen schleust B 1 mehr aus als A (1 → 2).",
                "Das reicht nicht, um B vorzuziehen, auch nicht A.",
                "höchstens 52,1 %",
                "Wahrheit good A Nachprüfung, Bewertung 0,47",
            ],
        ),
    ],
)
def test_page_says_in_both_languages_what_changed_and_how_sure_that_is(
    gates: tuple[Path, Path], data: Path, tmp_path: Path, language: str, sentences: list[str]
):
    page = compare(*gates, data, tmp_path / "out", language=language, progress=quietly).page

    words = shown(page.read_text(encoding="utf-8"), language)
    assert [sentence for sentence in sentences if sentence not in words] == []


def test_page_is_one_file_with_a_picture_of_each_changed_part(gates: tuple[Path, Path], data: Path, tmp_path: Path):
    page = compare(*gates, data, tmp_path / "out", progress=quietly).page.read_text(encoding="utf-8")

    assert page.count("data:image/jpeg;base64,") == 2
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_closed_band_is_shown_only_where_something_is_rechecked(
    make_run: MakeRun, gates: tuple[Path, Path], data: Path, tmp_path: Path
):
    bandless = make_run(tmp_path / "bandless", recheck_from=0.6, reject_from=0.6)

    with_band = compare(*gates, data, tmp_path / "with", progress=quietly).page.read_text(encoding="utf-8")
    without = compare(gates[1], bandless, data, tmp_path / "without", progress=quietly).page.read_text(encoding="utf-8")

    assert "Escapes with the recheck band closed" in with_band
    assert "Escapes with the recheck band closed" not in without


def test_sorting_recipes_are_compared_by_lane(make_run: MakeRun, data: Path, tmp_path: Path):
    sorting = {"manifest": {"good_class": None, "classes": ("defect", "good")}}
    a = make_run(tmp_path / "a", recheck_from=0.48, reject_from=1.0, **sorting)
    b = make_run(tmp_path / "b", recheck_from=1.0, reject_from=1.0, **sorting)

    words = shown(compare(a, b, data, tmp_path / "out", progress=quietly).page.read_text(encoding="utf-8"), "de")

    assert "Von 13 Bildern sortiert B gleich viele falsch ein wie A (2 → 2)." in words
    assert re.search("A Nachprüfung, Bewertung 0,49. B Einsortiert: defect", words)
    assert "Schlupf" not in words.split("Für die Qualitätsprüfung")[0]


def test_trained_runs_are_compared_on_parts_of_the_test_side_alone(trained: tuple[Path, Path], tmp_path: Path):
    data, run = trained
    released = tmp_path / "released"
    shutil.copytree(run, released)

    facts = compare(run, released / "recipe.yaml", data, tmp_path / "out", progress=quietly).facts

    assert facts["pictures"] + facts["left_out"] == 60
    assert facts["tested_before"] == {"a": facts["pictures"], "b": facts["pictures"]}
    assert facts["conclusion"]["kind"] == "same_gate"


def test_data_that_one_has_wholly_learned_from_is_refused_with_names(
    make_run: MakeRun, gates: tuple[Path, Path], data: Path, tmp_path: Path
):
    from partgate.data.folder import read_folder

    facts = {"folder": "made", "pictures": 13, "groups": 13, "groups_ignored": False, "seed": 0, "preset": "quick",
             "picture_sha256": [picture.sha256 for picture in read_folder(data).pictures]}  # fmt: skip
    greedy = make_run(tmp_path / "greedy", manifest={"training": facts})

    with pytest.raises(
        DataError, match=r"parts: nothing is left .* all 13 .* \(0 in line3, 13 in greedy\).*'defect/050"
    ):
        compare(gates[0], greedy, data, tmp_path / "out", progress=quietly)


def test_data_without_labels_is_refused(gates: tuple[Path, Path], tmp_path: Path):
    (tmp_path / "loose").mkdir()
    cv2.imwrite(str(tmp_path / "loose/a.png"), np.zeros((40, 40, 3), np.uint8))

    with pytest.raises(DataError, match="holds no labelled picture"):
        compare(*gates, tmp_path / "loose", tmp_path / "out", progress=quietly)


def test_missing_run_is_named(gates: tuple[Path, Path], data: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"nowhere: no recipe there; name a run folder"):
        compare(gates[0], tmp_path / "nowhere", data, tmp_path / "out", progress=quietly)


def test_output_that_is_a_file_is_named(gates: tuple[Path, Path], data: Path, tmp_path: Path):
    (tmp_path / "out").write_text("in the way")

    with pytest.raises(DataError, match=r"out: cannot be made: .*; name a writable folder"):
        compare(*gates, data, tmp_path / "out", progress=quietly)


def test_command_tells_the_conclusion_and_where_the_page_is(gates: tuple[Path, Path], data: Path, tmp_path: Path):
    out = tmp_path / "out"

    result = CliRunner().invoke(app, ["compare", *map(str, gates), str(data), "--out", str(out), "--lang", "de"])

    assert result.exit_code == 0
    assert "What differs could be chance: not enough to prefer B, nor A." in result.output
    assert f"page: {out / 'compare.html'}" in result.output
    assert '<html lang="de">' in (out / "compare.html").read_text(encoding="utf-8")
