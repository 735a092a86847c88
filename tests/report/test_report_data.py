"""The statement on data and split: counted by hand, and silent where nothing is known."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.data.folder import read_folder
from partgate.data.split import write_split
from partgate.evaluation.judge import select_pictures
from partgate.inference.inspector import Inspector
from partgate.recipe import ChosenOn, Limits
from partgate.report.data import describe_data, describe_training, read_day

MakeRun = Callable[..., Path]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six pictures of three parts; the second and third part are of one day each, the first of none."""
    rows = ["file,label,part,Datum"]
    for number in range(6):
        label = "good" if number < 4 else "defect"
        path = tmp_path / "data" / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((40, 40, 3), 30 * number, np.uint8))
        day = ("", "24.12.2025", "2026-01-07 08:15")[number // 2]
        rows.append(f"{label}/{number}.png,{label},p{number // 2},{day}")
    (tmp_path / "data/labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path / "data"


def statement(run: Path, data: Path) -> dict:
    folder, inspector = read_folder(data), Inspector.open(run)
    return describe_data(folder, select_pictures(folder, inspector), [], [], run)


def split(run: Path, data: Path, sides: list[str], by: str | None) -> Path:
    """Write the files that a training leaves about its split."""
    folder = read_folder(data)
    names = [picture.file for picture in sorted(folder.pictures, key=lambda one: one.path.name)]
    write_split(run / "split.csv", folder, dict(zip(names, sides, strict=True)))
    if by is not None:
        (run / "training.json").write_text(json.dumps({"groups": {"by": by}}))
    return run


def test_parts_and_groups_are_counted_and_the_days_span_what_the_column_tells(
    make_run: MakeRun, data: Path, tmp_path: Path
):
    found = statement(make_run(tmp_path / "run"), data)

    assert (found["parts"], found["groups"], found["groups_known_by"]) == (3, 3, "given")
    assert found["dates"] == {"column": "Datum", "first": "2025-12-24", "last": "2026-01-07", "known": 4}
    assert found["pictures_by_class"] == {"defect": 2, "good": 4}


def trained_on(data: Path, *names: str) -> dict:
    """Return facts of a training on some pictures of the folder."""
    hashes = tuple(one.sha256 for one in read_folder(data).pictures if one.path.name in names)
    return {"folder": "data", "pictures": len(hashes), "groups": 1, "groups_ignored": False, "seed": 0,
            "preset": "quick", "picture_sha256": hashes}  # fmt: skip


def test_groups_of_a_runs_test_side_are_those_the_run_split_by(make_run: MakeRun, data: Path, tmp_path: Path):
    run = make_run(tmp_path / "run", manifest={"training": trained_on(data, "0.png", "1.png")})
    split(run, data, ["train", "train", "test", "test", "test", "test"], "look_alikes")

    found = statement(run, data)

    assert (found["split"], found["left_out"]) == ("test_side", 2)
    assert (found["groups"], found["groups_known_by"]) == (2, "look_alikes")


@pytest.mark.parametrize("text", [None, "{", '{"groups": 5}', '{"groups": {"by": "magic"}}'])
def test_facts_of_a_run_that_cannot_be_read_leave_it_at_what_the_labels_say(
    text: str | None, make_run: MakeRun, data: Path, tmp_path: Path
):
    run = make_run(tmp_path / "run", manifest={"training": trained_on(data, "0.png", "1.png")})
    split(run, data, ["train", "train", "test", "test", "test", "test"], None)
    if text is not None:
        (run / "training.json").write_text(text)

    assert statement(run, data)["groups_known_by"] == "given"


def test_sides_are_counted_and_a_part_on_two_of_them_is_found(make_run: MakeRun, data: Path, tmp_path: Path):
    run = split(make_run(tmp_path / "run"), data, ["train", "test", "test", "test", "validation", "train"], None)

    sides = describe_training(Inspector.open(run), [], run)["sides"]

    assert sides["train"] == {"pictures": 2, "groups": 2}
    assert sides["groups_on_two_sides"] == 2


def test_split_by_picture_claims_nothing_about_groups(make_run: MakeRun, data: Path, tmp_path: Path):
    facts = trained_on(data, "0.png") | {"groups_ignored": True}
    run = split(make_run(tmp_path / "run", manifest={"training": facts}), data, ["train", *["test"] * 5], None)

    sides = describe_training(Inspector.open(run), [], run)["sides"]

    assert sides["groups_on_two_sides"] is None
    assert sides["test"] == {"pictures": 5, "groups": None}


def test_test_pictures_that_chose_the_limits_are_found(make_run: MakeRun, data: Path, tmp_path: Path):
    pictures = read_folder(data).pictures
    chosen_on = ChosenOn(parts=2, pictures=3, picture_sha256=tuple(one.sha256[:16] for one in pictures[:3]))
    rule = Limits(recheck_from=0.4, reject_from=0.6, chosen_on=chosen_on)
    run = make_run(tmp_path / "run", recipe={"decision": rule})

    found = describe_training(Inspector.open(run), pictures, run)

    assert found["limits_chosen_on"] == {"parts": 2, "pictures": 3}
    assert found["test_pictures_that_chose_the_limits"] == 3
    assert found["sides"] is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-23", date(2026, 11, 23)),
        (" 2026-11-23T14:03:00+01:00 ", date(2026, 11, 23)),
        ("3.1.2026", date(2026, 1, 3)),
        ("31.02.2026", None),
        ("2026", None),
        ("", None),
    ],
    ids=["iso", "iso-with-time", "german", "no-such-day", "year", "empty"],
)
def test_days_are_read_in_iso_and_german_form(text: str, day: date | None):
    assert read_day(text) == day
