"""``partgate data preview`` as a user types it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from partgate.cli import needed
from partgate.cli import preview as command
from partgate.errors import ConfigError, TrainingError
from partgate.imaging import read_picture


def preview(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(command.preview)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def data(make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    return make_folder(tmp_path / "parts", {"good": 4, "scratch": 3})


def test_sheet_is_written_and_the_user_is_told_what_to_look_for(data: Path, tmp_path: Path):
    file = tmp_path / "cover.yaml"
    file.write_text("data: parts\nimage_size_px: 96\n", encoding="utf-8")

    done = preview(file, "--out", tmp_path / "sheet.png", "--pictures", 3, "--views", 2)

    assert done.exit_code == 0, done.output
    assert "sheet.png: 3 pictures, 2 views of each, at " in done.output
    assert re.search(r"augment:  Affine, .*; \d+\.\d ms a view on one core", done.output)
    assert "every view must still be a picture that the line could produce, and a defect must still show" in done.output
    assert read_picture(tmp_path / "sheet.png").shape[1] == 8 + 3 * (128 + 8)


def test_without_out_the_sheet_lies_where_the_user_stands(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    assert preview(data, "--views", 1).exit_code == 0

    assert (tmp_path / "preview.png").is_file()


def test_file_that_is_not_there_is_told_before_torch_is_loaded(tmp_path: Path):
    done = preview(tmp_path / "nowhere.yaml")

    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).endswith("nowhere.yaml: no such file")


@pytest.mark.parametrize("option", [("--views", 0), ("--pictures", 0), ("--seed", -1)], ids=str)
def test_number_out_of_range_is_wrong_usage(data: Path, option: tuple[str, int]):
    assert preview(data, *option).exit_code == 2


def test_machine_without_the_training_libraries_is_told_what_to_install(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(needed, "find_spec", lambda name: None if name == "albumentations" else object())

    done = preview(data)

    assert isinstance(done.exception, TrainingError)
    assert str(done.exception) == "the preview needs albumentations; pip install 'partgate[train]'"
