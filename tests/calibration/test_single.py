"""Pictures that a person names for a gate are straightened as those it learned from, or refused with what to do."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.calibration.file import Calibration, load_calibration, save_calibration
from partgate.calibration.single import choose_straightening
from partgate.calibration.straighten import Straightener
from partgate.data.folder import read_folder
from partgate.data.straighten import straighten_folder
from partgate.errors import ConfigError, DataError
from partgate.evaluation.judge import check_classes
from partgate.inference.bundle import Geometry
from partgate.inference.inspector import Inspector
from partgate.msa.input import read_study

SIZE = {"camera_width_px": 60, "camera_height_px": 40, "width_px": 60, "height_px": 40, "rotation_degrees": 180}
WAY = "60 x 40 px, turned by 180 degrees"
STRAIGHT: Mapping[str, object] = {"geometry": Geometry(region=None, height_px=32, width_px=32, straightened=WAY)}
MakeRun = Callable[..., Path]


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    (tmp_path / "cal").mkdir()
    save_calibration(tmp_path / "cal", Calibration.model_validate(SIZE))
    return tmp_path / "cal"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture whose upper half is bright; the made gate looks at the brightness."""
    pixels = np.full((40, 60, 3), 30, np.uint8)
    pixels[:20] = 60
    cv2.imwrite(str(tmp_path / "part.png"), pixels)
    return tmp_path / "part.png"


def predict(run: Path, picture: Path, *options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "partgate", "predict", run, picture, "--json", *options]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize(
    ("trained_with", "is_calibrated", "is_straight", "told"),
    [
        (WAY, False, False, r"gate: learned from pictures straightened \(.*\); add --calibration FOLDER .* --straight"),
        (None, False, True, "gate: learned from pictures as the camera took them; straightened ones it cannot judge"),
        (None, True, False, r"as the camera took them, .*cal gives them straightened .*; leave out --calibration"),
        ("80 x 60 px", True, False, r"straightened \(80 x 60 px\), .* name the calibration that it was trained with"),
        (WAY, True, True, "--calibration and --straightened: give one"),
    ],
    ids=["nobody-says", "needs-raw", "needs-none", "another-one", "twice"],
)
def test_picture_of_another_kind_or_of_none_is_refused(
    calibration: Path, trained_with: str | None, is_calibrated: bool, is_straight: bool, told: str
):
    with pytest.raises(ConfigError, match=told):
        choose_straightening("gate", trained_with, calibration if is_calibrated else None, is_straight=is_straight)


def test_picture_is_straightened_by_the_lines_own_function_or_left_as_it_is(calibration: Path):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    straight = Straightener(load_calibration(calibration)).straighten(image)

    assert choose_straightening("gate", WAY, calibration, is_straight=False)(image).tobytes() == straight.tobytes()
    assert choose_straightening("gate", WAY, None, is_straight=True)(image) is image
    assert choose_straightening("gate", None, None, is_straight=False)(image) is image


def test_predict_judges_what_the_line_would_see_and_refuses_to_guess(
    make_run: MakeRun, calibration: Path, picture: Path, tmp_path: Path
):
    # The region lies in the lower half: dark in the picture, bright once it is turned upside down.
    geometry = Geometry(region=(0, 20, 60, 40), height_px=32, width_px=32, keeps_aspect=False, straightened=WAY)
    run = make_run(tmp_path / "run", manifest={"geometry": geometry})

    guessed = predict(run, picture)
    turned = predict(run, picture, "--calibration", calibration)
    as_it_is = predict(run, picture, "--straightened")

    assert (guessed.returncode, len(guessed.stderr.splitlines())) == (1, 1)
    assert "add --calibration FOLDER" in guessed.stderr
    scores = [json.loads(done.stdout)[0]["defect_score"] for done in (turned, as_it_is)]
    assert scores == pytest.approx([60 / 255, 30 / 255], abs=0.01)


def test_predict_names_the_picture_that_does_not_fit_the_calibration(
    make_run: MakeRun, calibration: Path, picture: Path, tmp_path: Path
):
    cv2.imwrite(str(picture), np.zeros((20, 20, 3), np.uint8))

    done = predict(make_run(tmp_path / "run", manifest=STRAIGHT), picture, "--calibration", calibration)

    assert done.returncode == 1
    assert f"partgate: {picture}: picture of 20 x 20 px does not fit calibration" in done.stderr


def write_parts(folder: Path) -> Path:
    for label, level in (("good", 20), ("defect", 220)):
        (folder / label).mkdir(parents=True)
        for number in range(2):
            pixels = np.full((40, 60, 3), level, np.uint8)
            pixels[0, 0] = number
            cv2.imwrite(str(folder / label / f"{number}.png"), pixels)
    return folder


def test_labelled_folder_is_evaluated_once_it_is_straightened_and_not_before(
    make_run: MakeRun, calibration: Path, tmp_path: Path
):
    inspector = Inspector.open(make_run(tmp_path / "run", manifest=STRAIGHT))
    parts = write_parts(tmp_path / "parts")
    straighten_folder(parts, calibration, tmp_path / "straight")

    with pytest.raises(DataError, match=r"these are as the camera gives them; take pictures .*camera straighten"):
        check_classes(read_folder(parts), inspector)
    check_classes(read_folder(tmp_path / "straight"), inspector)


def test_agreement_study_refuses_pictures_of_another_kind_in_either_layout(make_run: MakeRun, tmp_path: Path):
    run = make_run(tmp_path / "run", manifest=STRAIGHT)
    parts = write_parts(tmp_path / "parts")

    with pytest.raises(DataError, match=r"recipe 'made part': learned from pictures straightened .* the camera gives"):
        read_study([], station=run, pictures=parts, progress=lambda *_: None)
    rows = [f"{label}/{number}.png,{label},{label},{number}" for label in ("good", "defect") for number in (0, 1)]
    (parts / "labels.csv").write_text("\n".join(["file,label,part,run", *rows]), encoding="utf-8")
    with pytest.raises(DataError, match=r"recipe 'made part': learned from pictures straightened .* the camera gives"):
        read_study([], station=run, pictures=parts, progress=lambda *_: None)
    said = [f'{row},"{WAY}"' for row in rows]
    (parts / "labels.csv").write_text("\n".join(["file,label,part,run,straightened", *said]), encoding="utf-8")
    assert read_study([], station=run, pictures=parts, progress=lambda *_: None).runs == ("0", "1")
