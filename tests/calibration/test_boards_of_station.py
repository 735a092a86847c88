"""Boards taken by a station's own camera, and the command over all of it as a new user meets it."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from partgate.calibration.board import Board
from partgate.cameras.folder import FolderCameraConfig
from partgate.errors import CameraLostError, DataError
from partgate.station.boards import take_boards

from .made_boards import render_board, write

BOARD = Board(9, 6, 10.0)


def camera(folder: Path, *, repeat: bool = False) -> FolderCameraConfig:
    return FolderCameraConfig(kind="folder", name="top", folder=folder, repeat=repeat)


def partgate(*words: object, cwd: Path) -> tuple[int, str, str]:
    command = [sys.executable, "-c", "from partgate.cli.main import main; main()", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_camera_that_never_shows_a_board_is_told_after_a_while(tmp_path: Path):
    write(tmp_path / "p" / "a.png", render_board(distance_mm=4000))

    with pytest.raises(
        DataError, match=r"camera 'top': no new pose of a board with 9 x 6 inner corners for 0 s, 0 of 3"
    ):
        take_boards(camera(tmp_path / "p", repeat=True), BOARD, tmp_path / "out", 3, print, threading.Event(), 0.0)


def test_older_boards_are_never_mixed_with_new_ones(tmp_path: Path, boards: Path):
    write(tmp_path / "out" / "board-01.png", render_board())

    with pytest.raises(DataError, match=r"out: holds pictures of a board already"):
        take_boards(camera(boards), BOARD, tmp_path / "out", 3, print, threading.Event())


def test_lost_camera_is_told(tmp_path: Path):
    with pytest.raises(CameraLostError, match="no such folder"):
        take_boards(camera(tmp_path / "none"), BOARD, tmp_path / "out", 3, print, threading.Event())


def test_only_new_poses_are_kept_and_the_end_of_the_source_is_the_end(tmp_path: Path, boards: Path):
    pictures = sorted(boards.iterdir())
    for number, path in enumerate([pictures[0], pictures[0], pictures[1], pictures[0]]):
        (tmp_path / "p").mkdir(exist_ok=True)
        (tmp_path / "p" / f"{number}.png").write_bytes(path.read_bytes())

    taken = take_boards(camera(tmp_path / "p"), BOARD, tmp_path / "out", 5, print, threading.Event())

    assert [path.name for path in taken] == ["board-01.png", "board-02.png"]


def test_enough_poses_end_it(tmp_path: Path, boards: Path):
    assert len(take_boards(camera(boards), BOARD, tmp_path / "a", 2, print, threading.Event())) == 2


def test_stop_ends_it_with_the_poses_that_were_taken(tmp_path: Path, boards: Path):
    stop = threading.Event()

    assert len(take_boards(camera(boards), BOARD, tmp_path / "a", 9, lambda _: stop.set(), stop)) == 1


@pytest.mark.parametrize("is_stopped", [True, False], ids=["stopped", "ended"])
def test_end_before_the_first_board_is_told_and_leaves_no_folder(tmp_path: Path, is_stopped: bool):
    write(tmp_path / "p" / "a.png", render_board(distance_mm=4000))
    stop = threading.Event()
    if is_stopped:
        stop.set()

    for _ in range(2):  # the second try does not stumble over the first
        with pytest.raises(DataError, match=r"camera 'top': no board was seen, nothing is calibrated; .*9 x 6 inner"):
            take_boards(camera(tmp_path / "p"), BOARD, tmp_path / "cal" / "boards", 3, print, stop)

    assert not (tmp_path / "cal").exists()


def test_folder_that_was_there_stays_where_no_board_was_seen(tmp_path: Path):
    write(tmp_path / "p" / "a.png", render_board(distance_mm=4000))
    (tmp_path / "cal").mkdir()

    with pytest.raises(DataError, match="no board was seen"):
        take_boards(camera(tmp_path / "p"), BOARD, tmp_path / "cal" / "boards", 3, print, threading.Event())

    assert list(tmp_path.joinpath("cal").iterdir()) == []


@pytest.mark.parametrize("plane", [[], ["--plane", "last"]], ids=["lens", "plane"])
def test_command_that_saw_no_board_says_so_without_a_traceback(tmp_path: Path, plane: list[str]):
    write(tmp_path / "p" / "a.png", render_board(distance_mm=4000))
    (tmp_path / "s.yaml").write_text(
        "name: line\ncamera: {kind: folder, name: top, folder: p}\ncontroller: {kind: memory}\n"
        "records: {folder: records}\n", encoding="utf-8",
    )  # fmt: skip

    words = ("camera", "calibrate", "s.yaml", "--board", "9x6", "--square-mm", "10", "--out", "cal", *plane)
    code, _, err = partgate(*words, cwd=tmp_path)

    assert (code, len(err.splitlines())) == (1, 1)
    assert "no board was seen, nothing is calibrated" in err


def test_rotation_alone_has_nothing_to_tell_and_begins_with_no_empty_line(tmp_path: Path):
    write(tmp_path / "plane.png", render_board())

    code, out, _ = partgate("camera", "calibrate", "plane.png", "--rotate", "90", "--out", "cal", cwd=tmp_path)

    assert code == 0
    assert out.startswith("look:  cal/look.jpg")


def test_command_calibrates_from_a_station_file_without_a_recipe(tmp_path: Path, boards: Path):
    (tmp_path / "station.yaml").write_text(
        f"name: line\ncamera: {{kind: folder, name: top, folder: {boards}}}\ncontroller: {{kind: memory}}\n"
        "records: {folder: records}\n", encoding="utf-8",
    )  # fmt: skip
    words = ("camera", "calibrate", "station.yaml", "--board", "9x6", "--square-mm", "10", "--plane", "last")

    code, out, err = partgate(*words, "--out", "cal", cwd=tmp_path)

    assert (code, err) == (0, "")
    assert "lens: reprojection error 0." in out
    assert "plane: " in out
    assert {path.name for path in (tmp_path / "cal").iterdir()} == {"calibration.yaml", "look.jpg", "boards"}
    code, _, err = partgate(*words, "--out", "cal", cwd=tmp_path)
    assert (code, err) == (
        1,
        "partgate: cal: holds a calibration already, which recipes may rest on; name another folder\n",
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["camera", "calibrate", "missing", "--out", "x", "--rotate", "90"], "missing: no such picture or folder"),
        (["camera", "calibrate", ".", "--out", "x", "--board", "9x6"], "--board and --square-mm belong together"),
        (["camera", "calibrate", "s.yaml", "--out", "x"], "s.yaml: a station takes pictures of a board: give --board"),
        (["camera", "straighten", "missing", "--calibration", "c", "--out", "x"], "c: no calibration there"),
        (["collect", "s.yaml", "--label", "good"], "s.yaml: no such file"),
    ],
    ids=["no-source", "half-a-board", "station-without-board", "no-calibration", "no-station"],
)
def test_mistakes_of_a_user_are_one_line_without_a_traceback(tmp_path: Path, words: list[str], told: str):
    code, _, err = partgate(*words, cwd=tmp_path)

    assert code == 1
    assert err.startswith(f"partgate: {told}")
    assert len(err.splitlines()) == 1
