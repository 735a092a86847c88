"""The command ``partgate learning-curve``: files, summary, and mistakes before anything is learned."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from partgate.cli.learning_curve import learning_curve
from partgate.errors import ConfigError, DataError

MakeFolder = Callable[..., Path]


@pytest.fixture
def app() -> typer.Typer:
    found = typer.Typer()
    found.command()(learning_curve)
    return found


def test_command_writes_page_and_facts_beside_the_folder_and_prints_the_outlook(
    app: typer.Typer, make_folder: MakeFolder, tmp_path: Path
):
    make_folder(tmp_path / "parts", {"good": 12, "scratch": 12})
    file = tmp_path / "mine.yaml"
    file.write_text("data: parts\nimage_size_px: 96\ngroups: given\npreset: standard\n")

    result = CliRunner().invoke(app, [str(file), "--draws", "2", "--lang", "de"], catch_exceptions=False)

    assert result.exit_code == 0
    out = tmp_path / "parts-learning-curve"
    assert sorted(path.name for path in out.iterdir()) == ["learning-curve.html", "learning-curve.json"]
    assert '<html lang="de">' in (out / "learning-curve.html").read_text(encoding="utf-8")
    assert "Twice the pictures of every class: AUROC" in result.output
    assert "fine-tuning" not in result.output  # the preset of the command stands above that of the file


def test_unknown_key_is_told_before_anything_is_learned(app: typer.Typer, tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("data: parts\nbackbon: resnet18\n")

    with pytest.raises(ConfigError, match="backbon is not a known key; did you mean 'backbone'"):
        CliRunner().invoke(app, [str(file)], catch_exceptions=False)


def test_folder_without_pictures_is_refused(app: typer.Typer, tmp_path: Path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(DataError, match="holds no labelled picture"):
        CliRunner().invoke(app, [str(tmp_path / "empty")], catch_exceptions=False)
