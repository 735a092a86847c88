"""``partgate collect`` as a user types it: what it says before, and what after."""

from pathlib import Path

import pytest

from ..station.collecting_line import STATION, make_place
from .typed import partgate


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make_place(tmp_path)


def test_station_that_does_not_open_never_says_that_it_waits(place: Path):
    text = STATION.replace("folder: parts,", "folder: missing, open_within_s: 0.2,")
    (place / "station.yaml").write_text(text, encoding="utf-8")

    done = partgate("collect", "station.yaml", "--label", "good", cwd=place)

    assert done.returncode == 1
    assert "opening" in done.stdout
    assert "waiting" not in done.stdout


def test_nothing_collected_is_nothing_to_check(place: Path):
    done = partgate("collect", "station.yaml", "--label", "good", "--by-hand", "--out", "new", cwd=place)

    assert done.returncode == 0, done.stderr
    assert "0 parts collected" in done.stdout
    assert "next:" not in done.stdout


def test_what_was_collected_is_to_be_checked_next(place: Path):
    done = partgate("collect", "station.yaml", "--label", "good", "--parts", 1, "--out", "new", cwd=place)

    assert "ready, waiting for parts; no result is sent" in done.stdout
    assert done.stdout.splitlines()[-1] == "next: partgate data check new"
