"""A calibration as a folder: what is refused, and that it reads as it was written."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from partgate.calibration.file import Calibration, load_calibration, save_calibration
from partgate.errors import ConfigError

SIZE = {"camera_width_px": 8, "camera_height_px": 6, "width_px": 8, "height_px": 6}
LENS = {"focal_x_px": 8, "focal_y_px": 8, "centre_x_px": 4, "centre_y_px": 3, "distortion": (0.1, 0, 0, 0, 0)}
SHIFT = (1, 0, 2, 0, 1, 0, 0, 0, 1)
LIGHT = np.full((6, 8, 3), 150, np.uint8)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"plane": (0,) * 9}, "cannot be undone"),
        ({"plane": (1, 2)}, "at least 9 items"),
        ({"px_per_mm": 2}, "only a plane has a scale"),
        ({"width_px": 9}, "must be the camera's 8 and 6 without lens and plane, got 9 and 6"),
        ({"rotation_degrees": 361}, "less than or equal to 360"),
        ({"rotation": 90}, "did you mean 'rotation_degrees'"),
        ({"lens": LENS | {"focal_x_px": 0}}, "greater than 0"),
        ({"flat_field": {"flat": {"file": "../flat.png", "sha256": "0" * 64}}}, "pattern"),
    ],
    ids=["no-way-back", "short", "scale", "size", "turn", "misspelt", "focal", "outside"],
)
def test_calibration_that_contradicts_itself_is_refused(changes: dict, told: str):
    with pytest.raises(ValidationError, match=told):
        Calibration.model_validate(SIZE | changes)


@pytest.mark.parametrize("named", ["folder", "file"])
def test_missing_calibration_names_the_command_that_makes_one(tmp_path: Path, named: str):
    place = tmp_path if named == "folder" else tmp_path / "calibration.yaml"

    with pytest.raises(ConfigError, match=r"no calibration there; make one with 'partgate camera calibrate'"):
        load_calibration(place)


def test_calibration_reads_as_it_was_written_and_its_id_changes_with_it(tmp_path: Path):
    settings = Calibration.model_validate(SIZE | {"lens": LENS, "plane": SHIFT, "px_per_mm": 2.5})
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    first = save_calibration(tmp_path / "a", settings, LIGHT, LIGHT // 10)
    other = save_calibration(tmp_path / "b", settings.model_copy(update={"px_per_mm": 2.6}), LIGHT)

    assert first.settings.model_copy(update={"flat_field": None}) == settings
    np.testing.assert_array_equal(first.flat, LIGHT)
    np.testing.assert_array_equal(first.dark, LIGHT // 10)
    assert load_calibration(tmp_path / "a" / "calibration.yaml").id == first.id != other.id


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.unlink(), "flat.png: cannot be read.*; calibrate again"),
        (lambda path: path.write_bytes(b"x"), "is not a picture"),
        (lambda path: path.write_bytes(path.with_name("other.png").read_bytes()), "is not the picture that"),
    ],
    ids=["gone", "no-picture", "another"],
)
def test_white_picture_that_is_not_the_one_of_the_calibration_is_refused(tmp_path: Path, spoil, told: str):
    import cv2

    save_calibration(tmp_path, Calibration.model_validate(SIZE), LIGHT)
    cv2.imwrite(str(tmp_path / "other.png"), LIGHT + 1)
    spoil(tmp_path / "flat.png")

    with pytest.raises(ConfigError, match=told):
        load_calibration(tmp_path)


def test_white_picture_of_another_size_is_refused(tmp_path: Path):
    save_calibration(tmp_path, Calibration.model_validate(SIZE), LIGHT)
    text = yaml.safe_load((tmp_path / "calibration.yaml").read_text())
    wider = text | {"camera_width_px": 10, "width_px": 10}
    (tmp_path / "calibration.yaml").write_text(yaml.safe_dump(wider))

    with pytest.raises(ConfigError, match=r"flat.png: is 8 x 6 px, the camera's pictures are 10 x 6 px"):
        load_calibration(tmp_path)


def test_what_pictures_have_in_common_is_said_in_words_and_leaves_out_the_mounting():
    one = Calibration.model_validate(SIZE | {"lens": LENS, "plane": SHIFT, "px_per_mm": 2.5, "rotation_degrees": -90})
    moved = one.model_copy(update={"plane": (1, 0, 5, 0, 1, 0, 0, 0, 1)})

    assert one.describe() == "6 x 8 px, from above, 2.5 px/mm, lens corrected, turned by 270 degrees"
    assert moved.describe() == one.describe()
    assert Calibration.model_validate(SIZE).describe() == "8 x 6 px"
