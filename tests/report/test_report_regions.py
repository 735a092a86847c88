"""Parts with several regions or tiles: each place where a person reads a verdict names the one that decided."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from partgate.cli.main import app
from partgate.evaluation.regions import mark_region
from partgate.inference.bundle import Geometry
from partgate.parts import Reason, Record, Verdict
from partgate.picture_check import PictureLimits
from partgate.records.store import RecordStore
from partgate.report.page import render_page
from partgate.report.report import evaluate
from partgate.report.summary import summarise

MakeRun = Callable[..., Path]
REGIONS = {"top left": (0, 0, 20, 20), "top right": (20, 0, 40, 20), "bottom": (0, 20, 20, 40)}
PLACES = Geometry(region=None, height_px=32, width_px=32, regions=REGIONS)
TILES = Geometry(region=None, height_px=32, width_px=32, tiles=(2, 2), tile_overlap=0)
DARK, MIDDLE, BRIGHT = 20, 130, 220  # good, recheck from 102, reject from 153


def part(place: tuple[int, int, int, int], level: int, seed: int) -> np.ndarray:
    """A dark part with one place of another brightness; no two are alike."""
    pixels = np.full((40, 40, 3), DARK, np.uint8)
    x_min, y_min, x_max, y_max = place
    pixels[y_min:y_max, x_min:x_max] = level
    pixels[39, 39] = seed
    return pixels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two good parts, one bright at the top right; four defects: two top left, one unsure at the bottom, one dark."""
    made = {
        "good/0": part(REGIONS["top left"], DARK, 0),
        "good/1": part(REGIONS["top right"], BRIGHT, 1),
        "defect/0": part(REGIONS["top left"], BRIGHT, 2),
        "defect/1": part(REGIONS["top left"], BRIGHT, 3),
        "defect/2": part(REGIONS["bottom"], MIDDLE, 4),
        "defect/3": part(REGIONS["bottom"], 30, 5),
    }
    for name, pixels in made.items():
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels)
    return tmp_path / "data"


def judge(tmp_path: Path, make_run: MakeRun, data: Path, geometry: Geometry, **recipe: object) -> dict[str, Any]:
    run = make_run(tmp_path / "run", manifest={"geometry": geometry}, recipe=recipe)
    evaluate(run, data, tmp_path / "out", progress=lambda step, done, total: None)
    return json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))


def counts_of(report: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    return {name: (at["reject"], at["false_reject"], at["recheck"]) for name, at in report["regions"].items()}


def test_each_part_is_counted_where_it_was_worst(tmp_path: Path, make_run: MakeRun, data: Path):
    report = judge(tmp_path, make_run, data, PLACES)

    assert counts_of(report) == {"top left": (2, 0, 0), "top right": (1, 1, 0), "bottom": (0, 0, 1)}
    assert (report["escapes"], report["false_rejects"], report["rechecks_defect"]) == (1, 1, 1)
    assert [(entry["kind"], entry["region"]) for entry in report["worst"]] == [
        ("escape", "bottom"), ("false_reject", "top right"),
    ]  # fmt: skip


def test_tiles_are_counted_by_row_and_column(tmp_path: Path, make_run: MakeRun, data: Path):
    report = judge(tmp_path, make_run, data, TILES)

    assert counts_of(report)["row 1, column 2"] == (1, 1, 0)
    assert counts_of(report)["row 2, column 1"] == (0, 0, 1)
    assert [(at["row"], at["column"]) for at in report["regions"].values()] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_part_with_one_look_has_no_table_of_regions(tmp_path: Path, make_run: MakeRun, data: Path):
    report = judge(tmp_path, make_run, data, Geometry(region=None, height_px=32, width_px=32))

    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert report["regions"] is None
    assert {entry["region"] for entry in report["worst"]} == {None}
    assert "Which region decided" not in page
    assert "Worst region" not in page


def test_picture_that_cannot_be_judged_counts_for_no_region(tmp_path: Path, make_run: MakeRun, data: Path):
    limits = PictureLimits(
        brightness_from=0, brightness_to=10, contrast_from=0, aspect_from=0.5, aspect_to=2, height_px_from=8,
        width_px_from=8,
    )  # fmt: skip

    report = judge(tmp_path, make_run, data, PLACES, picture=limits.model_dump())

    assert report["rechecks"] == 6
    assert set(counts_of(report).values()) == {(0, 0, 0)}
    assert {entry["region"] for entry in report["worst"]} == {None}


def test_predictions_name_the_region_of_each_part(tmp_path: Path, make_run: MakeRun, data: Path):
    judge(tmp_path, make_run, data, PLACES)

    with (tmp_path / "out/predictions.csv").open(encoding="utf-8") as file:
        found = {row["file"]: row["region"] for row in csv.DictReader(file)}

    assert found["good/1.png"] == "top right"
    assert found["defect/1.png"] == "top left"
    assert found["good/0.png"] == "top left"  # all alike: the first


def test_summary_names_the_places_with_the_most_rejects_first(tmp_path: Path, make_run: MakeRun, data: Path):
    report = judge(tmp_path, make_run, data, PLACES)
    many = {f"place {n}": {"reject": n, "false_reject": 0, "recheck": 0} for n in range(7)}

    assert "rejected for: top left 2, top right 1" in summarise(report)
    assert "rejected for: place 6 6, place 5 5, place 4 4, place 3 3, 2 further places" in summarise(
        report | {"regions": many}
    )


# --- the page


def test_page_names_tiles_in_both_languages(tmp_path: Path, make_run: MakeRun, data: Path):
    judge(tmp_path, make_run, data, TILES)

    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert '<span lang="en">Which region decided</span><span lang="de">Welcher Prüfbereich entschied</span>' in page
    assert '<span lang="en">row 1, column 2</span><span lang="de">Zeile 1, Spalte 2</span>' in page


def test_page_shows_every_region_but_of_many_tiles_only_those_that_decided(
    tmp_path: Path, make_run: MakeRun, data: Path
):
    report = judge(tmp_path, make_run, data, PLACES)
    many = {
        f"row 1, column {n}": {"row": 1, "column": n, "reject": n == 7, "false_reject": 0, "recheck": 0}
        for n in range(1, 31)
    }

    few_shown = render_page(report, {})
    many_shown = render_page(report | {"regions": many, "worst": []}, {})

    assert [name in few_shown for name in REGIONS] == [True, True, True]
    assert "row 1, column 7" in many_shown
    assert "row 1, column 8" not in many_shown


def test_name_of_a_region_is_shown_as_text_and_not_obeyed(tmp_path: Path, make_run: MakeRun, data: Path):
    name = "<script>alert(1)</script>"

    judge(tmp_path, make_run, data, Geometry(region=None, height_px=32, width_px=32, regions={name: (20, 0, 40, 20)}))

    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert name not in page
    assert "&lt;script&gt;" in page


def test_frame_lies_just_inside_the_deciding_region_and_nowhere_else():
    thumbnail = np.full((20, 20, 3), 90, np.uint8)  # half the size of the picture

    marked = mark_region(thumbnail, 40, 40, PLACES, "top right")

    changed = np.argwhere((marked != 90).any(axis=2))
    assert (changed.min(axis=0).tolist(), changed.max(axis=0).tolist()) == ([0, 10], [9, 19])
    assert (marked[4:6, 14:16] == 90).all()  # the middle of the region stays visible
    assert {90, 255} <= set(marked[5].ravel().tolist())  # light and dark lines
    assert (thumbnail == 90).all()


@pytest.mark.parametrize(
    ("height", "name"), [(40, None), (40, "nowhere"), (39, "bottom")], ids=["none", "unknown", "outside"]
)
def test_picture_without_a_deciding_region_is_shown_as_it_is(height: int, name: str | None):
    thumbnail = np.full((20, 20, 3), 90, np.uint8)

    assert (mark_region(thumbnail, height, 40, PLACES, name) == 90).all()


# --- the screen


def test_predict_names_the_region_in_both_forms(tmp_path: Path, make_run: MakeRun, data: Path):
    run = make_run(tmp_path / "run", manifest={"geometry": PLACES})

    plain = CliRunner().invoke(app, ["predict", str(run), str(data / "good/1.png")])
    rows = json.loads(CliRunner().invoke(app, ["predict", str(run), str(data / "good/1.png"), "--json"]).stdout)

    assert plain.stdout.startswith("REJECT")
    assert plain.stdout.rstrip().endswith("defect at 'top right', score 0.86")
    assert (rows[0]["region"], rows[0]["verdict"]) == ("top right", "REJECT")


def test_list_of_records_says_where_a_part_was_bad(tmp_path: Path):
    said = {"verdict": Verdict.REJECT, "reason": Reason.MODEL, "detail": "defect at 'top right', score 0.86"}
    quiet = {"verdict": Verdict.REJECT, "reason": Reason.TOO_LATE, "detail": "judged 3 ms after the window"}
    with RecordStore(tmp_path) as store:
        for sequence, facts in enumerate((said, quiet), start=1):
            store.add(
                Record(
                    station="line", boot=1, sequence=sequence, first_sequence=sequence, at=datetime.now(UTC), sent=True,
                    missed=False, recipe="cover", bundle_id="0" * 64, **facts,
                )
            )  # fmt: skip

    lines = CliRunner().invoke(app, ["records", "list", str(tmp_path)]).stdout.splitlines()

    assert lines[0].endswith("defect at 'top right', score 0.86")
    assert lines[1].endswith("result came too late")
