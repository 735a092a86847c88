"""Training by its effect: it separates made parts, keeps its promises about files, and refuses what it cannot learn."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from partgate.data.folder import read_folder
from partgate.data.split import read_split
from partgate.errors import ConfigError, DataError, TrainingError
from partgate.imaging import read_picture
from partgate.inference.bundle import open_pinned, read_bundle
from partgate.inference.inspector import Inspector
from partgate.parts import Verdict
from partgate.recipe import load_recipe
from partgate.training.config import load_training
from partgate.training.look import choose_geometry
from partgate.training.loop import train

MakeFolder = Callable[..., Path]
SMALL = {"preset": "quick", "image_size_px": 96, "groups": "given"}


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def learn(data: Path, run: Path, **keys: object) -> None:
    train(load_training(data, **(SMALL | keys)), run, quietly)


def test_run_folder_holds_bundle_recipe_split_and_facts_and_nothing_else(trained: tuple[Path, Path]):
    _, run = trained

    assert sorted(path.name for path in run.iterdir()) == [
        "model.partgate",
        "out_of_fold.csv",
        "recipe.yaml",
        "split.csv",
        "training.html",
        "training.json",
    ]
    assert not run.with_name("run.unfinished").exists()


def test_made_defects_of_the_test_side_are_told_from_good_parts(trained: tuple[Path, Path]):
    data, run = trained
    inspector, sides = Inspector.open(run), read_split(run / "split.csv")
    unseen = [picture for picture in read_folder(data).pictures if sides[picture.sha256] == "test"]

    verdicts = [inspector.inspect(read_picture(picture.path)).decision.verdict for picture in unseen]

    assert len(unseen) >= 10
    assert [verdict is Verdict.GOOD for verdict in verdicts] == [picture.label == "good" for picture in unseen]


def test_recipe_pins_the_bundle_and_numbers_its_classes(trained: tuple[Path, Path]):
    _, run = trained
    recipe = load_recipe(run)

    bundle = open_pinned(recipe)

    assert recipe.bundle.id == bundle.id
    assert recipe.good_class == "good"
    assert dict(recipe.class_numbers) == {"scratch": 1, "spot": 2}
    assert recipe.decision.recheck_from == recipe.decision.reject_from


def test_bundle_says_what_it_was_made_from_and_that_it_was_proven(trained: tuple[Path, Path]):
    _, run = trained
    manifest = read_bundle(run / "model.partgate").manifest

    assert manifest.backbone.licence == "Apache-2.0"
    assert manifest.proof.changed_verdicts == 0
    assert manifest.proof.largest_difference < 1e-4
    assert manifest.proof.pictures == sum(side == "validation" for side in read_split(run / "split.csv").values())
    assert {"torch", "onnxruntime", "numpy"} <= set(manifest.versions)


def test_bundle_knows_the_pictures_it_learned_from_and_none_of_the_test_side(trained: tuple[Path, Path]):
    _, run = trained
    known = set(read_bundle(run / "model.partgate").manifest.training.picture_sha256)

    sides = read_split(run / "split.csv")

    assert known == {sha256 for sha256, side in sides.items() if side != "test"}


def test_no_file_of_a_run_holds_a_path_of_this_machine(trained: tuple[Path, Path]):
    data, run = trained

    for path in run.iterdir():
        for trace in (str(data.parent), str(Path.home()), "site-packages"):
            assert trace.encode() not in path.read_bytes(), f"{trace} in {path.name}"


@pytest.mark.slow
def test_same_seed_gives_the_same_model_and_another_seed_another_split(make_folder: MakeFolder, tmp_path: Path):
    data = make_folder(tmp_path / "parts", {"good": 12, "spot": 12})

    learn(data, tmp_path / "a", seed=1)
    learn(data, tmp_path / "b", seed=1)
    learn(data, tmp_path / "c", seed=2)

    a, b, c = (read_bundle(tmp_path / name / "model.partgate") for name in "abc")
    assert a.id == b.id
    assert (tmp_path / "a/split.csv").read_bytes() == (tmp_path / "b/split.csv").read_bytes()
    assert (tmp_path / "a/split.csv").read_bytes() != (tmp_path / "c/split.csv").read_bytes()
    assert a.id != c.id


@pytest.mark.slow
def test_sorting_by_class_has_a_lane_per_class_and_rejects_no_part(make_folder: MakeFolder, tmp_path: Path):
    data = make_folder(tmp_path / "parts", {"scratch": 12, "spot": 12, "bar": 12})

    learn(data, tmp_path / "run", good_class="none")

    recipe = load_recipe(tmp_path / "run")
    assert recipe.good_class is None
    assert dict(recipe.lanes) == {"bar": 1, "scratch": 2, "spot": 3, "RECHECK": 0}
    assert recipe.decision.reject_from == 1.0


@pytest.mark.slow
def test_unreadable_picture_is_left_out_and_named(make_folder: MakeFolder, tmp_path: Path):
    data = make_folder(tmp_path / "parts", {"good": 12, "spot": 12})
    (data / "good" / "torn.png").write_bytes((data / "good" / "good_000.png").read_bytes()[:100])

    learn(data, tmp_path / "run", split={"train": 0.7, "validation": 0.2, "test": 0.1})

    notes = json.loads((tmp_path / "run/training.json").read_text(encoding="utf-8"))["notes"]
    sides = read_split(tmp_path / "run/split.csv")
    torn = next(picture for picture in read_folder(data).pictures if picture.file == "good/torn.png")
    assert sides[torn.sha256] == "test" or any("torn.png: is cut off" in note for note in notes)


def test_run_folder_that_exists_is_left_as_it_is(make_folder: MakeFolder, tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "mine").write_text("keep")

    with pytest.raises(TrainingError, match="run: exists already; name another folder or remove it"):
        learn(make_folder(tmp_path / "parts", {"good": 6, "spot": 6}), run)

    assert (run / "mine").read_text() == "keep"


def test_disk_that_is_full_leaves_nothing_behind(make_folder: MakeFolder, tmp_path: Path):
    data = make_folder(tmp_path / "parts", {"good": 8, "spot": 8})

    def fail(step: str, done: int, total: int) -> None:
        if step == "head":
            raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match="run: cannot be written: No space left on device"):
        train(load_training(data, **SMALL), tmp_path / "run", fail)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts"]


def test_ctrl_c_leaves_an_unfinished_run_alone(make_folder: MakeFolder, tmp_path: Path):
    data = make_folder(tmp_path / "parts", {"good": 8, "spot": 8})

    def interrupt(step: str, done: int, total: int) -> None:
        if step == "head":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(load_training(data, **SMALL), tmp_path / "run", interrupt)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "run.unfinished"]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"augment": [{"transform": "Blurr"}]}, "augment.0.transform: 'Blurr' is not a known transform; did you mean"),
        ({"backbone": "resnet81"}, "unknown backbone 'resnet81'; known: .*did you mean 'resnet18'"),
    ],
    ids=["transform", "backbone"],
)
def test_what_does_not_exist_is_told_before_any_picture_is_read(tmp_path: Path, keys: dict[str, object], sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        learn(tmp_path, tmp_path / "run", **keys)

    assert list(tmp_path.iterdir()) == []


def test_place_that_is_not_writable_is_named(make_folder: MakeFolder, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(TrainingError, match="cannot be written"):
        learn(make_folder(tmp_path / "parts", {"good": 6, "spot": 6}), tmp_path / "file" / "run")


def test_class_without_a_readable_training_picture_is_named(make_folder: MakeFolder, tmp_path: Path):
    data = make_folder(tmp_path / "parts", {"good": 8, "spot": 8})
    for path in (data / "spot").iterdir():
        path.write_bytes(path.read_bytes()[:60] + path.name.encode())

    with pytest.raises(DataError, match="no readable training picture of class spot"):
        learn(data, tmp_path / "run")


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(300, 300, (288, 288)), (100, 400, (128, 576)), (230, 565, (192, 448)), (40, 4000, (128, 576))],
    ids=["square", "long", "ball-screw", "longer-than-four-to-one"],
)
def test_network_input_has_the_aspect_of_the_parts(
    make_folder: MakeFolder, tmp_path: Path, height: int, width: int, expected: tuple[int, int]
):
    import cv2

    data = tmp_path / "parts"
    for name in ("good", "dent"):
        (data / name).mkdir(parents=True)
        for number in range(3):
            picture = np.full((height, width, 3), 50 + number + (name == "dent") * 90, np.uint8)
            cv2.imwrite(str(data / name / f"{number}.png"), picture)

    geometry = choose_geometry(read_folder(data).pictures, load_training(data))

    assert (geometry.height_px, geometry.width_px) == expected


@pytest.mark.slow
def test_class_that_is_added_gets_a_new_number_and_the_others_keep_theirs(
    trained: tuple[Path, Path], make_folder: MakeFolder, tmp_path: Path
):
    data = make_folder(tmp_path / "parts", {"good": 9, "spot": 9, "bar": 9})

    learn(data, tmp_path / "run", keep=str(trained[1]))

    recipe = load_recipe(tmp_path / "run")
    assert dict(recipe.class_numbers) == {"scratch": 1, "spot": 2, "bar": 3}
    assert recipe.name == "parts"


def test_features_are_computed_once(trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from partgate.training import features

    data, _ = trained
    read: list[Path] = []
    original = features.read_part
    monkeypatch.setattr(
        features, "read_part", lambda picture, geometry: read.append(picture) or original(picture, geometry)
    )

    learn(data, tmp_path / "again")

    assert read == []


def test_cache_that_cannot_be_written_does_not_stop_the_training(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("PARTGATE_CACHE", str(blocked))

    learn(make_folder(tmp_path / "parts", {"good": 8, "spot": 8}), tmp_path / "run")

    assert (tmp_path / "run" / "model.partgate").is_file()
    shutil.rmtree(tmp_path / "run")
