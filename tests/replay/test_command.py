"""``partgate replay`` as a user meets it: bad input is told in one line, and a stopped run leaves nothing half."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from typer.testing import CliRunner

from partgate.cli import main
from partgate.errors import PartgateError
from partgate.records.database import open_database
from partgate.records.schema import SCHEMA_VERSION, about

from .conftest import Line


@pytest.fixture
def call() -> Callable[..., Any]:
    def run(*words: object) -> Any:
        done = CliRunner().invoke(main.app, ["replay", *map(str, words)])
        assert done.exception is None or isinstance(done.exception, SystemExit | PartgateError), done.exception
        return done

    return run


def test_station_file_alone_proves_its_records(line: Line, call: Callable[..., Any]):
    done = call(line.file)

    assert done.exit_code == 0
    assert "All 8 parts that were judged again by their own recipe got the same verdict" in done.output


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--from", "yesterday"], r"--from: must be a time like '2026-11-23 06:00', got 'yesterday'"),
        (["--from", "2026-11-24", "--to", "2026-11-23"], "--from 2026-11-24 is not before --to 2026-11-23"),
        (["--zone", "Berlin"], "--zone: 'Berlin' is not known on this PC"),
        (["--to", "2001-01-01"], r"no record with station 'line', to 2001-.*; there are records from 20\d\d-.* to 20"),
        (["--lot", "L7"], "no record with station 'line', lot 'L7'; there are records from"),
        (["--verdict", "ok"], "--verdict: must be one of good, recheck, reject, got 'ok'"),
        (["--recipe", "nowhere"], "nowhere: no recipe there"),
        (["--recipe", "side=run"], r"has no camera 'side'; it has top"),
        (["--recipe", "a", "--recipe", "b"], "--recipe b: a recipe for all cameras was named before"),
        (["--pdf"], "--pdf: needs --out FOLDER"),
    ],
)
def test_mistake_is_told_in_one_line(line: Line, call: Callable[..., Any], options: list[str], problem: str):
    done = call(line.file, *options)

    assert done.exit_code == 1
    assert re.search(problem, str(done.exception)), done.exception


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("records", "a records folder does not tell the recipes; name the station file, or add --recipe FILE"),
        ("records/records.sqlite", "is the database itself"),
        ("nowhere", "no such station file or records folder"),
        ("parts", "a records folder does not tell the recipes"),
    ],
)
def test_place_that_is_no_station_is_told(line: Line, call: Callable[..., Any], place: str, problem: str):
    assert problem in str(call(line.folder / place).exception)


def test_folder_without_records_is_told(line: Line, call: Callable[..., Any]):
    done = call(line.folder / "parts", "--recipe", line.folder / "run")

    assert "holds no records.sqlite" in str(done.exception)


def test_records_of_a_newer_version_are_refused(line: Line, call: Callable[..., Any]):
    engine = open_database(line.records, create=True)
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.update(about).where(about.c.key == "schema").values(value=str(SCHEMA_VERSION + 1))
        )
    engine.dispose()

    assert "was written by a newer partgate" in str(call(line.file).exception)


def test_naive_times_are_those_of_the_zone(line: Line, call: Callable[..., Any]):
    first = line.rows()[0]["at"]

    assert call(line.file, "--from", first).exit_code == 0
    assert call(line.file, "--from", first[:19], "--zone", "UTC").exit_code == 0
    assert call(line.file, "--from", first[:19], "--zone", "America/New_York").exit_code == 1


def test_difference_of_the_same_recipe_ends_with_exit_code_1(
    line: Line, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    from partgate.replay import replay as module

    spell = module.as_stored
    monkeypatch.setattr(module, "as_stored", lambda *given: spell(*given) | {"lane": 4})

    done = call(line.file, "--out", line.folder / "out")

    assert done.exit_code == 1
    assert "8 of 8 parts differ" in str(done.exception)
    assert (line.folder / "out/replay.html").is_file()


def test_ctrl_c_leaves_no_report_and_no_folder(line: Line, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    from partgate.replay import replay as module

    compare, done_before = module._compare, []

    def stop_in_the_middle(*given: Any) -> None:
        if len(done_before) == 4:
            raise KeyboardInterrupt
        done_before.append(1)
        compare(*given)

    monkeypatch.setattr(module, "_compare", stop_in_the_middle)
    done = call(line.file, "--out", line.folder / "out")

    assert done.exit_code == 130
    assert not (line.folder / "out").exists()


def test_folder_that_was_there_keeps_what_is_in_it(line: Line, call: Callable[..., Any]):
    (line.folder / "out").mkdir()

    assert call(line.file, "--to", "2001-01-01", "--out", line.folder / "out").exit_code == 1
    assert (line.folder / "out").is_dir()


def test_verdict_narrows_what_is_judged(line: Line, call: Callable[..., Any], tmp_path: Path):
    assert "3 records from" in call(line.file, "--verdict", "reject").output


def test_pdf_is_written_beside_the_page(line: Line, call: Callable[..., Any]):
    done = call(line.file, "--out", line.folder / "out", "--pdf", "--lang", "de")

    assert done.exit_code == 0
    assert (line.folder / "out/replay.pdf").read_bytes().startswith(b"%PDF")
