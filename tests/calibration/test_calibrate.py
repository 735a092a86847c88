"""From pictures to a calibration folder: what is refused, what is told, what the camera then shows."""

from pathlib import Path

import numpy as np
import pytest

from partgate.calibration.board import Board, find_corners
from partgate.calibration.calibrate import LAST, CalibrationWishes, calibrate, list_pictures
from partgate.calibration.look import draw_calibration
from partgate.calibration.straighten import Straightener
from partgate.errors import ConfigError, DataError
from partgate.imaging import read_picture

from .made_boards import HEIGHT, WIDTH, render_board, write

BOARD = Board(9, 6, 10.0)
FLAT = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)


@pytest.fixture
def plane(tmp_path: Path) -> Path:
    return write(tmp_path / "plane.png", render_board((18, -12), turn_degrees=5))


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({}, "nothing to calibrate: give --board and --square-mm, --flat or --rotate"),
        ({"rotation_degrees": 5, "px_per_mm": 2}, "need a board"),
        ({"board": BOARD, "px_per_mm": 0}, "--px-per-mm must be greater than 0, got 0"),
        ({"rotation_degrees": 5, "dark": (Path("x.png"),)}, "--dark needs --flat"),
    ],
    ids=["nothing", "no-board", "scale", "dark-alone"],
)
def test_wishes_that_cannot_be_met_are_refused_before_anything_is_read(tmp_path: Path, wishes: dict, told: str):
    with pytest.raises(ConfigError, match=told):
        calibrate(CalibrationWishes((Path("not-there.png"),), **wishes), tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_no_picture_of_a_board_calibrates_nothing(tmp_path: Path):
    for plane in (None, Path(LAST)):
        with pytest.raises(ConfigError, match="no board was seen, nothing is calibrated"):
            calibrate(CalibrationWishes((), BOARD, plane), tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_source_without_pictures_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="holds no picture"):
        list_pictures(tmp_path)
    with pytest.raises(DataError, match="no such picture or folder"):
        list_pictures(tmp_path / "missing")


def test_folder_with_a_calibration_is_never_overwritten(tmp_path: Path, plane: Path):
    wishes = CalibrationWishes((plane,), rotation_degrees=90)
    calibrate(wishes, tmp_path / "out")

    with pytest.raises(ConfigError, match="holds a calibration already, which recipes may rest on"):
        calibrate(wishes, tmp_path / "out")


def test_pictures_of_two_sizes_are_refused_by_name(tmp_path: Path, boards: Path):
    other = write(tmp_path / "z.png", FLAT[:100])

    with pytest.raises(DataError, match=r"z.png: is 640 x 100 px, the first picture is 640 x 480 px"):
        calibrate(CalibrationWishes((*list_pictures(boards), other), BOARD), tmp_path / "out")


def test_too_few_boards_name_the_pictures_without_one(tmp_path: Path, boards: Path):
    empty = write(tmp_path / "empty.png", FLAT)

    with pytest.raises(
        DataError, match=r"in 1 of 6 pictures: empty.png\nthe board was found in 5 pictures, a lens needs"
    ):
        calibrate(CalibrationWishes((*list_pictures(boards)[:5], empty), BOARD), tmp_path / "out")


def test_plane_picture_without_a_board_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"empty.png: no whole board of 9 x 6 inner corners in it; lay it flat"):
        calibrate(CalibrationWishes((write(tmp_path / "empty.png", FLAT),), BOARD), tmp_path / "out")


def test_saturated_white_picture_is_refused_with_its_share(tmp_path: Path, plane: Path):
    white = FLAT.copy()
    white[:48] = 255

    with pytest.raises(ConfigError, match=r"10.0 % of the white picture is saturated"):
        calibrate(CalibrationWishes((plane,), flat=(write(tmp_path / "w.png", white),)), tmp_path / "out")


def test_dim_white_picture_is_told(tmp_path: Path, plane: Path):
    dim = write(tmp_path / "w.png", FLAT // 4)

    done = calibrate(CalibrationWishes((plane,), flat=(dim,)), tmp_path / "out")

    assert any("the white pictures are dim (below 60)" in line for line in done.lines)


def test_lens_and_plane_straighten_the_board_to_squares(tmp_path: Path, boards: Path, plane: Path):
    done = calibrate(CalibrationWishes(list_pictures(boards), BOARD, plane), tmp_path / "out")

    straight = Straightener(done.calibration).straighten(read_picture(plane))
    corners = find_corners(straight, BOARD)

    assert corners is not None
    scale = done.calibration.settings.px_per_mm
    grid = corners.reshape(6, 9, 2)
    assert np.linalg.norm(np.diff(grid, axis=1), axis=2) == pytest.approx(10 * scale, rel=0.02)
    assert np.linalg.norm(np.diff(grid, axis=0), axis=2) == pytest.approx(10 * scale, rel=0.02)
    assert any(line.startswith("lens: reprojection error 0.") and "good" in line for line in done.lines)
    assert done.calibration.settings.note.startswith("lens 0.")


def test_single_picture_gives_the_plane_alone_and_says_what_is_missing(tmp_path: Path, plane: Path):
    done = calibrate(CalibrationWishes((plane,), BOARD), tmp_path / "out")

    assert done.calibration.settings.lens is None
    assert done.calibration.settings.plane is not None
    assert any("straight lines stay as bent as the lens makes them" in line for line in done.lines)


def test_last_picture_of_the_source_can_be_the_plane(tmp_path: Path, boards: Path, plane: Path):
    last = write(tmp_path / "all" / "zz.png", read_picture(plane))
    pictures = (*list_pictures(boards), last)

    by_word = calibrate(CalibrationWishes(pictures, BOARD, Path(LAST)), tmp_path / "a")
    by_name = calibrate(CalibrationWishes(pictures, BOARD, last), tmp_path / "b")

    assert by_word.calibration.id == by_name.calibration.id


def test_moved_camera_is_calibrated_like_before_and_gives_pictures_of_the_same_kind(tmp_path: Path, boards: Path):
    lens = list_pictures(boards)
    before = write(tmp_path / "before.png", render_board((10, 0)))
    moved = write(tmp_path / "moved.png", render_board((-5, 14), distance_mm=170))

    first = calibrate(CalibrationWishes(lens, BOARD, before, rotation_degrees=90), tmp_path / "a").calibration
    again = calibrate(CalibrationWishes(lens, BOARD, moved, like=tmp_path / "a"), tmp_path / "b").calibration

    assert again.settings.describe() == first.settings.describe()
    assert again.id != first.id


@pytest.mark.parametrize("changes", [{"px_per_mm": 2.0}, {"rotation_degrees": 5}], ids=["scale", "rotation"])
def test_like_another_calibration_leaves_no_room_for_other_wishes(tmp_path: Path, plane: Path, changes: dict):
    calibrate(CalibrationWishes((plane,), BOARD), tmp_path / "a")

    with pytest.raises(ConfigError, match="--like takes scale and rotation from another calibration"):
        calibrate(CalibrationWishes((plane,), BOARD, like=tmp_path / "a", **changes), tmp_path / "b")


def test_like_a_calibration_with_even_light_needs_white_pictures_too(tmp_path: Path, plane: Path):
    white = write(tmp_path / "w.png", FLAT)
    calibrate(CalibrationWishes((plane,), BOARD, flat=(white,)), tmp_path / "a")

    with pytest.raises(ConfigError, match="evens the light, so this one needs --flat, too"):
        calibrate(CalibrationWishes((plane,), BOARD, like=tmp_path / "a"), tmp_path / "b")


def test_white_pictures_are_averaged(tmp_path: Path, plane: Path):
    white = [write(tmp_path / f"w{level}.png", np.full_like(FLAT, level)) for level in (100, 103)]

    done = calibrate(CalibrationWishes((plane,), flat=tuple(white)), tmp_path / "out")

    assert done.calibration.flat is not None
    assert int(done.calibration.flat[0, 0, 0]) == 102  # 101.5, rounded to even


def test_picture_to_look_at_shows_both_halves_and_leaves_the_camera_picture_alone(tmp_path: Path, plane: Path):
    done = calibrate(CalibrationWishes((plane,), BOARD), tmp_path / "out")
    image = read_picture(plane)
    before = image.copy()

    page = draw_calibration(image, done.calibration, BOARD, done.boards[-1][1])

    assert page.shape == (HEIGHT, 2 * WIDTH + 12, 3)
    np.testing.assert_array_equal(image, before)
