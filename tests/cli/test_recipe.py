"""``partgate recipe`` as a user types it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from partgate.cli.main import app
from partgate.errors import BundleError


def partgate(*words: object) -> str:
    result = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_recipe_goes_from_run_to_station_by_three_commands(tmp_path: Path, make_run: Callable[..., Path]):
    run, file, place = make_run(tmp_path / "run"), tmp_path / "a.partgate-recipe", tmp_path / "line 3: north"

    packed = partgate("recipe", "pack", run, file, "--who", "A. Meier", "--note", "line 3")
    shown = partgate("recipe", "show", file)
    installed = partgate("recipe", "install", file, place)

    assert "recipe.yaml, model.partgate" in packed
    assert "UTC by A. Meier" in shown
    assert "recheck from 0.4, reject from 0.6" in shown
    assert "set by        training" in shown
    line = next(line for line in installed.splitlines() if line.startswith("in the station file: "))
    assert yaml.safe_load(line.removeprefix("in the station file: ")) == {"recipe": str(place)}


def test_show_says_the_same_hashes_of_file_run_and_installed_folder(tmp_path: Path, make_run: Callable[..., Path]):
    run, file, place = make_run(tmp_path / "run"), tmp_path / "a.partgate-recipe", tmp_path / "line3"
    partgate("recipe", "pack", run, file)
    partgate("recipe", "install", file, place)

    last = [partgate("recipe", "show", source).splitlines()[-3:] for source in (file, run, place)]

    assert last[0] == last[1] == last[2]


def test_show_does_not_let_a_recipe_steer_the_terminal(tmp_path: Path, make_run: Callable[..., Path]):
    run = make_run(tmp_path / "run", recipe={"name": "part\x1b[2J"})

    assert "\x1b" not in partgate("recipe", "show", run)


def test_show_of_a_damaged_file_is_refused(tmp_path: Path):
    (tmp_path / "a.partgate-recipe").write_bytes(b"PK and no more")

    with pytest.raises(BundleError, match="is damaged or no packed recipe"):
        partgate("recipe", "show", tmp_path / "a.partgate-recipe")
