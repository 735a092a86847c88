"""A labelled folder straightened as a whole: labels stay, and what cannot be right is refused."""

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.calibration.file import Calibration, load_calibration, save_calibration
from partgate.calibration.straighten import Straightener
from partgate.data.folder import read_folder
from partgate.data.straighten import how_straightened, refuse_other_straightening, straighten_folder
from partgate.errors import ConfigError, DataError
from partgate.imaging import read_picture

SIZE = {"camera_width_px": 96, "camera_height_px": 64, "width_px": 96, "height_px": 64}
WAY = "96 x 64 px, turned by 10 degrees"


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    (tmp_path / "cal").mkdir()
    save_calibration(tmp_path / "cal", Calibration.model_validate(SIZE | {"rotation_degrees": 10}))
    return tmp_path / "cal"


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("good/a.jpg", "good/b.png", "dent/c.png"):
        (tmp_path / "parts" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "parts" / name), rng.integers(0, 256, (64, 96, 3), np.uint8))
    return tmp_path / "parts"


def label(folder: Path, text: str) -> None:
    (folder / "labels.csv").write_text(text, encoding="utf-8")


def test_folder_that_was_straightened_already_is_refused(parts: Path, calibration: Path, tmp_path: Path):
    straighten_folder(parts, calibration, tmp_path / "once")

    with pytest.raises(DataError, match=r"3 pictures are straightened already, e.g. 'dent/c.png'"):
        straighten_folder(tmp_path / "once", calibration, tmp_path / "twice")


def test_marked_defects_are_refused_since_their_pixels_move(parts: Path, calibration: Path, tmp_path: Path):
    label(parts, "file,label,boxes\ngood/b.png,good,\ndent/c.png,dent,1 2 3 4\n")

    with pytest.raises(
        DataError, match=r"1 pictures have marked defects in px of the camera's picture, e.g. 'dent/c.png'"
    ):
        straighten_folder(parts, calibration, tmp_path / "out")


def test_folder_that_is_not_empty_is_never_written_to(parts: Path, calibration: Path):
    with pytest.raises(DataError, match=r"parts: is not empty; name a new folder"):
        straighten_folder(parts, calibration, parts)


def test_missing_calibration_is_told_before_a_picture_is_read(parts: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="no calibration there"):
        straighten_folder(parts, tmp_path / "missing", tmp_path / "out")


def test_pictures_that_cannot_be_straightened_are_left_out_by_name(parts: Path, calibration: Path, tmp_path: Path):
    (parts / "good" / "torn.png").write_bytes(b"x")
    cv2.imwrite(str(parts / "dent" / "small.png"), np.zeros((10, 10, 3), np.uint8))

    done = straighten_folder(parts, calibration, tmp_path / "out")

    assert done.pictures == 3
    assert done.unreadable[0].startswith("dent/small.png: picture of 10 x 10 px does not fit calibration")
    assert done.unreadable[1].startswith("good/torn.png: is not a picture")


def test_folder_of_which_nothing_fits_is_an_error(tmp_path: Path, calibration: Path):
    (tmp_path / "parts" / "good").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "parts" / "good" / "small.png"), np.zeros((10, 10, 3), np.uint8))

    with pytest.raises(
        DataError, match=r"none of 1 pictures can be straightened: good/small.png: picture of 10 x 10 px"
    ):
        straighten_folder(tmp_path / "parts", calibration, tmp_path / "out")


def test_two_pictures_of_one_name_are_refused(parts: Path, calibration: Path, tmp_path: Path):
    cv2.imwrite(str(parts / "good" / "a.png"), np.zeros((64, 96, 3), np.uint8))

    with pytest.raises(DataError, match=r"good/a.png: another picture has its name but for the ending"):
        straighten_folder(parts, calibration, tmp_path / "out")


def test_pixels_are_those_of_the_one_function_and_labels_stay(parts: Path, calibration: Path, tmp_path: Path):
    label(parts, "file,label,group,part,weight,split,shift\ngood/a.jpg,good,G,P,0.5,test,early\ndent/c.png,dent,,,,,\n")

    straighten_folder(parts, calibration, tmp_path / "out")

    straightener = Straightener(load_calibration(calibration))
    for name in ("good/a", "dent/c"):
        raw = read_picture(next(parts.glob(f"{name}.*")))
        np.testing.assert_array_equal(read_picture(tmp_path / "out" / f"{name}.png"), straightener.straighten(raw))
    second, first = csv.DictReader((tmp_path / "out" / "labels.csv").read_text(encoding="utf-8").splitlines())
    assert {key: first[key] for key in ("file", "label", "part", "weight", "split", "shift")} == {
        "file": "good/a.png", "label": "good", "part": "P", "weight": "0.5", "split": "test", "shift": "early",
    }  # fmt: skip
    assert first["group"] != second["group"]
    assert (first["straightened"], first["calibration"]) == (WAY, straightener.id)
    assert not (tmp_path / "out" / "good" / "b.png").exists()  # labels.csv decides


def test_folder_without_groups_stays_without(parts: Path, calibration: Path, tmp_path: Path):
    straighten_folder(parts, calibration, tmp_path / "out")

    assert not read_folder(tmp_path / "out").has_groups
    assert how_straightened(read_folder(tmp_path / "out").pictures) == WAY


def test_decisions_of_a_person_are_obeyed(parts: Path, calibration: Path, tmp_path: Path):
    (parts / "findings.yaml").write_text("leave_out: [good/a.jpg]\n", encoding="utf-8")

    assert straighten_folder(parts, calibration, tmp_path / "out").pictures == 2


def test_full_disk_is_told(parts: Path, calibration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("partgate.data.straighten.write_atomically", full)

    with pytest.raises(DataError, match=r"out: cannot be written: No space left on device; free some space"):
        straighten_folder(parts, calibration, tmp_path / "out")


# --- what a folder says of itself


def test_pictures_straightened_in_two_ways_teach_nothing(parts: Path):
    label(parts, f'file,label,straightened\ngood/a.jpg,good,\ngood/b.png,good,\ndent/c.png,dent,"{WAY}"\n')

    with pytest.raises(DataError, match=rf"differs \(2 as the camera gave them; 1 {WAY}\)"):
        how_straightened(read_folder(parts).pictures)


@pytest.mark.parametrize(
    ("trained_with", "told"),
    [(None, f"as the camera gives them, these are straightened .{WAY}."), ("other", "straightened .other., these are")],
)
def test_pictures_of_another_kind_than_learned_from_are_refused(
    parts: Path, calibration: Path, tmp_path: Path, trained_with: str | None, told: str
):
    straighten_folder(parts, calibration, tmp_path / "out")
    pictures = read_folder(tmp_path / "out").pictures

    with pytest.raises(DataError, match=f"^recipe 'x': learned from pictures {told}"):
        refuse_other_straightening(pictures, trained_with, "recipe 'x'")
    refuse_other_straightening(pictures, WAY, "recipe 'x'")


def test_folder_that_says_nothing_holds_pictures_as_the_camera_gave_them(parts: Path):
    with pytest.raises(DataError, match=rf"straightened \({WAY}\), these are as the camera gives them; .*column"):
        refuse_other_straightening(read_folder(parts).pictures, WAY, "recipe 'x'")
    refuse_other_straightening(read_folder(parts).pictures, None, "recipe 'x'")


def test_evaluation_refuses_pictures_of_another_kind(
    parts: Path, calibration: Path, tmp_path: Path, make_run: Callable[..., Path]
):
    from partgate.evaluation.judge import check_classes
    from partgate.inference.inspector import Inspector

    straighten_folder(parts, calibration, tmp_path / "out")
    inspector = Inspector.open(make_run(tmp_path / "run"))

    with pytest.raises(
        DataError, match=r"recipe 'made part': learned from pictures as the camera gives them, these are"
    ):
        check_classes(read_folder(tmp_path / "out"), inspector)
