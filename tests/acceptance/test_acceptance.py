"""An acceptance: its verdict, and how parts, rechecks, unreadable pictures, classes and severities are counted."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from partgate.acceptance.acceptance import Acceptance
from partgate.errors import ConfigError, DataError

MakeFolder = Callable[..., Path]
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


def test_unreadable_picture_is_not_decidable_and_listed(make_grey_folder: MakeFolder, judge: Judge):
    data = make_grey_folder({"defect": [REJECT, REJECT], "good": [10, 10]})
    for name in ("defect/001.png", "good/001.png"):
        (data / name).write_bytes(b"no picture " + name.encode())

    record = judge(data, "escape_rate: 0.9\nrecheck_rate: 0.9").record

    assert record["counts"]["defect"] == {"good": 0, "recheck": 1, "reject": 1}
    assert record["counts"]["good"] == {"good": 1, "recheck": 1, "reject": 0}
    assert [line.split(":")[0] for line in record["unreadable"]] == ["defect/001.png", "good/001.png"]
    assert [one["reason"] for one in record["mistakes"]] == [4, 4]


@pytest.mark.parametrize(("other", "verdict"), [(10, "recheck"), (REJECT, "reject")], ids=["good", "rejected"])
def test_part_with_an_unreadable_picture_is_never_good(
    make_grey_folder: MakeFolder, judge: Judge, other: int, verdict: str
):
    data = make_grey_folder({"defect": [other, 10]})
    (data / "defect/001.png").write_bytes(b"no picture")
    (data / "labels.csv").write_text("file,label,part\ndefect/000.png,defect,P\ndefect/001.png,defect,P\n")

    record = judge(data, "escape_rate: 0.9").record

    assert record["counts"]["defect"] == {"good": 0, "recheck": 0, "reject": 0} | {verdict: 1}


def test_folder_without_one_readable_picture_is_refused(make_grey_folder: MakeFolder, judge: Judge):
    data = make_grey_folder({"defect": [10]})
    (data / "defect/000.png").write_bytes(b"no picture")

    with pytest.raises(DataError, match="none of 1 pictures can be read"):
        judge(data, "escape_rate: 0.9")


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
