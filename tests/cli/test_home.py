"""``~`` is the home folder: in station files, and in arguments where the shell leaves it as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from partgate.cli.main import expand_home
from partgate.configfile import load_config
from partgate.errors import ConfigError
from partgate.station.config import StationConfig

STATION = """
name: line
recipe: ~/runs/cover
camera: {{kind: folder, folder: {folder}, calibration: ~/top}}
controller: {{kind: memory}}
records: {{folder: "~"}}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def write_station(folder: Path, pictures: str) -> Path:
    path = folder / "station.yaml"
    path.write_text(STATION.format(folder=pictures), encoding="utf-8")
    return path


def test_user_who_is_not_there_is_told_with_the_key(home: Path):
    with pytest.raises(ConfigError, match=r"camera.folder: ~nobody-here is no user of this PC; write the whole path"):
        load_config(write_station(home, "~nobody-here/pictures"), StationConfig)


def test_home_folder_in_a_station_file_is_no_folder_beside_it(home: Path):
    config = load_config(write_station(home, "~/pictures"), StationConfig)

    assert config.recipe_files(None) == {"camera": home / "runs/cover"}
    assert config.camera is not None
    assert (config.camera.model_dump()["folder"], config.camera.calibration) == (home / "pictures", home / "top")
    assert config.records.folder == home


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("~", "HOME"),
        ("~/run", "HOME/run"),
        ("--out=~/run", "--out=HOME/run"),
        ("top=~/run", "top=HOME/run"),
        ("region.file=~/a=b", "region.file=HOME/a=b"),
        ("--why=see ~/run", "--why=see ~/run"),
        ("~3 parts", "~3 parts"),
        ("a/~/b", "a/~/b"),
        ("", ""),
    ],
)
def test_argument_with_the_home_folder_is_read_as_it_is_meant(home: Path, typed: str, meant: str):
    assert expand_home(typed) == meant.replace("HOME", str(home))


def test_command_says_which_file_it_looked_for(home: Path):
    done = subprocess.run(
        [sys.executable, "-m", "partgate", "run", "~/line.yaml"], capture_output=True, text=True, check=False,
        timeout=100, env={**os.environ, "HOME": str(home)},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (1, f"partgate: {home}/line.yaml: no such file\n")
