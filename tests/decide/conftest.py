"""A run with scores to decide by, and the command as a user types it."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from partgate.cli.main import app
from partgate.data.folder import read_folder

MakeRun = Callable[..., Path]
# The made model takes grey level / 255 as the defect score.
LEVELS = {"good": [10, 20, 30, 120], "defect": [50, 130, 180, 220]}


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def write_pictures(folder: Path, shift: int = 0) -> Path:
    for name, values in LEVELS.items():
        (folder / name).mkdir(parents=True)
        for value in values:
            pixels = np.full((40, 40, 3), value + shift, np.uint8)
            pixels[0, 0] = (len(name), 0, 0)  # no two files alike
            cv2.imwrite(str(folder / name / f"{value:03d}.png"), pixels)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "learned")


def write_scores(run: Path, data: Path, parts: dict[str, str] | None = None) -> None:
    with (run / "out_of_fold.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "sha256", "label", "group", "part", "defect_score", "p_defect", "p_good"])
        for one in read_folder(data).pictures:
            score = int(one.file[-7:-4]) / 255
            part = (parts or {}).get(one.file, "")
            table.writerow([one.file, one.sha256, one.label, one.group, part, score, score, 1 - score])


@pytest.fixture
def run(make_run: MakeRun, make_manifest: Callable[..., object], data: Path, tmp_path: Path) -> Path:
    hashes = tuple(sorted(one.sha256 for one in read_folder(data).pictures))
    training = make_manifest().training.model_copy(update={"picture_sha256": hashes})  # type: ignore[attr-defined]
    run = make_run(tmp_path / "run", manifest={"training": training})
    write_scores(run, data)
    return run


def decide(*words: object) -> str:
    """Run the command as a user does and return what it printed, or raise what went wrong."""
    outcome = CliRunner().invoke(app, ["decide", *map(str, words)])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


BY_COST = ("--escape", 250, "--false-reject", 4, "--recheck", 1.5, "--currency", "EUR", "--defect-share", 0.02)
BY_PERSON = ("--who", "A. Meier", "--why", "agreed with sales")


def write_split(run: Path, *rows: Sequence[object]) -> None:
    """Write where pictures stood in the run: file, label, side, group, hash."""
    with (run / "split.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["file", "label", "split", "group", "sha256"], *rows])
