"""An acceptance: its verdict, and how parts, rechecks, broken files, classes and severities are counted."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from partgate.acceptance import acceptance
from partgate.acceptance.acceptance import Acceptance
from partgate.acceptance.seal import Seal
from partgate.data.folder import Picture
from partgate.errors import ConfigError, DataError
from partgate.inference.bundle import Geometry

MakeFolder = Callable[..., Path]
MakeRun = Callable[..., Path]
Judge = Callable[..., Acceptance]
RECHECK, REJECT = 130, 200  # of the made gate: brightness / 255, recheck from 0.4, reject from 0.6


@pytest.mark.parametrize(
    ("escapes", "parts", "verdict"),
    [(0, 29, "passed"), (0, 28, "not_shown"), (6, 29, "not_shown"), (7, 29, "failed")],
)
def test_gate_is_judged_by_what_it_did_with_each_part(
    make_grey_folder: MakeFolder, judge: Judge, escapes: int, parts: int, verdict: str
):
    data = make_grey_folder({"defect": [10] * escapes + [REJECT] * (parts - escapes)})

    done = judge(data, "escape_rate: 0.1")

    assert done.verdict == verdict
    assert done.record["results"][0]["events"] == escapes


def test_record_counts_rechecks_as_agreed_and_names_each_of_them(make_grey_folder: MakeFolder, judge: Judge):
    data = make_grey_folder({"good": [10, 10, RECHECK, REJECT], "defect": [10, RECHECK, REJECT]})

    record = judge(data, "false_reject_rate: 0.5\nescape_rate: 0.9\nrecheck_rate: 0.9").record

    assert record["counts"]["good"] == {"good": 2, "recheck": 1, "reject": 1}
    assert record["counts"]["defect"] == {"good": 1, "recheck": 1, "reject": 1}
    assert [(one["kind"], one["events"], one["parts"]) for one in record["results"]] == [
        ("escape_rate", 1, 3), ("false_reject_rate", 1, 4), ("recheck_rate", 1, 4),
    ]  # fmt: skip
    assert [(one["kind"], one["file"], one["counts_as"]) for one in record["mistakes"]] == [
        ("escape", "defect/000.png", "escape"), ("false_reject", "good/003.png", "false_reject"),
        ("recheck", "defect/001.png", None), ("recheck", "good/002.png", None),
    ]  # fmt: skip


def test_pictures_of_one_part_count_once_and_the_strictest_decides(make_grey_folder: MakeFolder, judge: Judge):
    data = make_grey_folder({"defect": [10, REJECT, 10, 10]})
    rows = [("file", "label", "part")] + [(f"defect/{n:03d}.png", "defect", f"P{n // 2}") for n in range(4)]
    with (data / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)

    record = judge(data, "escape_rate: 0.1").record

    assert record["material"]["counted"] == "part"
    assert (record["results"][0]["events"], record["results"][0]["parts"]) == (1, 2)


def test_broken_files_prove_nothing_and_are_named_before_anything_is_judged(
    make_grey_folder: MakeFolder, judge: Judge, tmp_path: Path
):
    data = make_grey_folder({"defect": [REJECT] * 25, "good": [10]})
    for path in (data / "defect").iterdir():
        path.write_bytes(b"no picture " + path.name.encode())

    with pytest.raises(DataError) as caught:
        judge(data, "escape_rate: 0.9")

    text = str(caught.value)
    assert "25 pictures cannot be read; a broken file proves nothing" in text
    assert "000.png: " in text
    assert "019.png: " in text
    assert "020.png: " not in text
    assert "... and 5 more" in text
    assert not (tmp_path / "out").exists()


def test_picture_that_breaks_while_it_is_judged_leaves_no_record(
    make_grey_folder: MakeFolder, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = make_grey_folder({"defect": [REJECT, REJECT]})
    seal_into = acceptance.seal_now

    def seal_and_break(pictures: Sequence[Picture]) -> Seal:
        (data / "defect/001.png").write_bytes(b"no picture")
        return seal_into(pictures)

    monkeypatch.setattr(acceptance, "seal_now", seal_and_break)

    with pytest.raises(DataError, match="1 pictures cannot be read"):
        judge(data, "escape_rate: 0.9")

    assert not (tmp_path / "out/acceptance.json").exists()


def test_picture_too_small_for_the_region_is_rechecked_as_on_the_line(
    make_grey_folder: MakeFolder, make_run: MakeRun, judge: Judge, tmp_path: Path
):
    geometry = Geometry(region=(0, 0, 40, 41), height_px=32, width_px=32)  # the pictures are 40 px high
    run = make_run(tmp_path / "other", manifest={"geometry": geometry})

    record = judge(make_grey_folder({"defect": [REJECT]}), "escape_rate: 0.9", gate=run).record

    assert record["counts"]["defect"] == {"good": 0, "recheck": 1, "reject": 0}
    assert record["parts"][0]["defect_score"] is None


def test_class_that_the_bundle_does_not_know_is_a_defect_of_its_own_row(make_grey_folder: MakeFolder, judge: Judge):
    data = make_grey_folder({"defect": [REJECT], "rust": [10, REJECT]})

    record = judge(data, "classes: {rust: {escape_rate: 0.5}}").record

    assert record["counts"]["classes"]["rust"] == {"good": 1, "recheck": 0, "reject": 1}
    assert (record["results"][0]["name"], record["results"][0]["events"]) == ("rust", 1)
    assert record["material"]["not_learned"] == ("rust",)


def test_good_parts_under_another_name_are_not_taken_for_defects(make_grey_folder: MakeFolder, judge: Judge):
    data = make_grey_folder({"defect": [REJECT], "ok": [10]})

    with pytest.raises(DataError, match=r"class 'ok' is unknown to the bundle, .* call them 'good' as the recipe does"):
        judge(data, "escape_rate: 0.5")


def test_severity_is_read_from_labels_csv(make_grey_folder: MakeFolder, judge: Judge):
    data = make_grey_folder({"defect": [10, REJECT, 10]})
    rows = ["file,label,severity", "defect/000.png,defect,critical", "defect/001.png,defect,critical",
            "defect/002.png,defect,"]  # fmt: skip
    (data / "labels.csv").write_text("\n".join(rows), encoding="utf-8")

    record = judge(data, "severities: {critical: {escape_rate: 0.5}}").record

    assert (record["results"][0]["events"], record["results"][0]["parts"]) == (1, 2)
    assert record["material"]["without_severity"] == 1


def test_limit_for_a_class_that_nobody_has_is_refused_before_anything_is_judged(
    make_grey_folder: MakeFolder, judge: Judge, tmp_path: Path
):
    data = make_grey_folder({"defect": [REJECT]})

    with pytest.raises(ConfigError, match=r"classes\.defekt: .* did you mean 'defect'\?; known: defect"):
        judge(data, "classes: {defekt: {escape_rate: 0.5}}")

    assert not (tmp_path / "out").exists()
