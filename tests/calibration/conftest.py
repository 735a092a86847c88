"""Pictures of a board in several poses, made once."""

from pathlib import Path

import pytest

from .made_boards import POSES, render_board, write


@pytest.fixture(scope="session")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ten poses of the board."""
    folder = tmp_path_factory.mktemp("boards")
    for number, (tilt, turn, middle, distance) in enumerate(POSES):
        write(folder / f"{number:02d}.png", render_board(tilt, turn, middle, distance))
    return folder
