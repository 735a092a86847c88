"""Several cameras on one part are judged again as on the line; one that is missing is never good."""

from collections.abc import Callable
from pathlib import Path

import pytest

from partgate.calibration.file import Calibration, save_calibration
from partgate.errors import ConfigError, RecordError
from partgate.inference.bundle import Geometry
from partgate.records.read import ALL
from partgate.replay.gates import ANY_CAMERA, Gate, Shelf
from partgate.replay.replay import Source, replay

from .conftest import Line, quietly, write_parts

WAY = "40 x 40 px, turned by 180 degrees"
STRAIGHT = {"geometry": Geometry(region=None, height_px=32, width_px=32, straightened=WAY)}
TWO = """cameras:
  - {kind: folder, name: top, folder: parts}
  - {kind: folder, name: side, folder: side}"""


@pytest.fixture
def two(make_line: Callable[..., Line], tmp_path: Path) -> Line:
    write_parts(tmp_path / "line/side", {"good": (30, 50, 120), "defect": (10,)})
    return make_line({"good": (20, 60, 110), "defect": (240,)}, cameras=TWO)


def test_two_cameras_are_equal_to_the_bit_and_the_worst_counts(two: Line):
    facts = two.replay().facts

    assert all(row["more_pictures"] for row in two.rows())
    assert {row["camera"] for row in two.rows()} == {"top", "side"}
    assert facts["same"]["exact"] == facts["judged"] == 4
    assert facts["same"]["different"] == 0


def test_changed_picture_of_the_second_camera_keeps_the_record_from_being_judged(two: Line):
    import json

    more = json.loads(two.rows()[0]["more_pictures"])[0]["file"]
    (two.records / more).write_bytes((two.records / more).read_bytes()[:-1] + b"\0")

    facts = two.replay().facts

    assert facts["left_out"]["changed"]["records"] == [[two.rows()[0]["id"]] * 2]
    assert facts["judged"] == 3


def test_good_part_of_fewer_cameras_than_the_station_has_is_not_judged(line: Line):
    text = line.file.read_text(encoding="utf-8").replace(
        "camera: {kind: folder, name: top, folder: parts}",
        "cameras: [{kind: folder, name: top, folder: parts}, {kind: folder, name: side, folder: parts}]",
    )
    line.file.write_text(text, encoding="utf-8")

    facts = line.replay().facts

    good = sum(row["verdict"] == "GOOD" for row in line.rows())
    assert facts["left_out"]["other_cameras"]["count"] == good
    assert all(part["now"]["verdict"] != "GOOD" for part in facts["same"]["parts"])


def test_camera_without_a_picture_is_never_good(two: Line, make_run: Callable[..., Path]):
    import numpy as np

    run = make_run(two.folder / "mild", recheck_from=0.9, reject_from=0.9)
    gate = Gate("line", {"top": run, "side": run}, 1)

    camera, inspection = gate.judge({"top": np.full((40, 48, 3), 20, np.uint8)})

    assert (camera, inspection.decision.verdict.name, inspection.lane) == ("side", "RECHECK", 0)


def test_records_folder_alone_is_judged_by_a_named_recipe(two: Line):
    source = Source(two.config.records, None, ({ANY_CAMERA: two.folder / "run"},), True)

    facts = replay(source, ALL, progress=quietly).facts

    assert facts["same"]["exact"] == 4
    assert facts["same"]["different"] == 0


def test_cameras_with_different_good_lanes_are_refused_as_on_the_line(two: Line, make_run: Callable[..., Path]):
    other = make_run(two.folder / "other", recipe={"lanes": {"GOOD": 2, "RECHECK": 0, "REJECT": 0}})

    with pytest.raises(ConfigError, match="a good part must go to one lane for all cameras, got 'top' 1, 'side' 2"):
        Gate("line", {"top": two.folder / "run", "side": other}, 1)


def test_record_that_fits_two_recipes_which_differ_elsewhere_is_not_judged_by_either(
    two: Line, make_run: Callable[..., Path]
):
    other = make_run(two.folder / "other", recheck_from=0.2)
    row = next(row for row in two.rows() if row["camera"] == "top")
    first = Gate("line", {"top": two.folder / "run", "side": two.folder / "run"}, 1)
    second = Gate("line", {"top": two.folder / "run", "side": other}, 1)

    assert Shelf([first, second], is_named=False).find(row) == "recipe_unclear"
    assert Shelf([first], is_named=False).find(row) is first


def test_older_record_without_a_hash_is_not_taken_for_the_present_recipe(line: Line):
    row = line.rows()[0] | {"recipe_sha256": None, "camera": None}
    shelf = Shelf([Gate("line", {"top": line.folder / "run"}, 1)], is_named=False)

    assert shelf.find(row) == "recipe_untold"


# ---- straightened pictures ----


@pytest.fixture
def calibrated(make_line: Callable[..., Line], tmp_path: Path) -> Line:
    size = {"camera_width_px": 40, "camera_height_px": 40, "width_px": 40, "height_px": 40, "rotation_degrees": 180}
    (tmp_path / "line/cal").mkdir(parents=True)
    save_calibration(tmp_path / "line/cal", Calibration.model_validate(size))
    camera = "camera: {kind: folder, name: top, folder: parts, calibration: cal}"
    return make_line(cameras=camera, manifest=STRAIGHT)


def test_straightened_records_are_judged_again_by_their_own_recipe_to_the_bit(calibrated: Line):
    facts = calibrated.replay().facts

    assert facts["same"]["exact"] == facts["judged"] == len(calibrated.rows()) == 8


def test_straightened_records_are_not_judged_by_a_recipe_that_learned_from_plain_pictures(
    calibrated: Line, make_run: Callable[..., Path]
):
    plain = make_run(calibrated.folder / "plain", recheck_from=0.3)
    straight = make_run(calibrated.folder / "straight", recheck_from=0.3, manifest=STRAIGHT)

    with pytest.raises(RecordError, match="8 picture not straightened as the recipe's training pictures"):
        calibrated.replay(plain)
    assert calibrated.replay(straight).facts["judged"] == 8


def test_plain_records_are_not_judged_by_a_recipe_that_learned_from_straightened_pictures(
    line: Line, make_run: Callable[..., Path]
):
    straight = make_run(line.folder / "straight", recheck_from=0.3, manifest=STRAIGHT)

    with pytest.raises(RecordError, match="8 picture not straightened as the recipe's training pictures"):
        line.replay(straight)
