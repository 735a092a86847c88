"""What stands in a training file: presets fill it in, and every mistake is a line with file and key."""

from pathlib import Path

import pytest
import yaml

from partgate.errors import ConfigError
from partgate.training.config import PRESET_FOLDER, TrainingConfig, load_training, preset_names


def test_presets_are_named_where_an_unknown_one_is_asked_for(tmp_path: Path):
    known = ", ".join(preset_names())
    with pytest.raises(ConfigError, match=f"preset 'best' does not exist; this version has: {known}"):
        load_training(tmp_path, "best")


@pytest.mark.parametrize("name", preset_names())
def test_preset_is_loaded_under_its_own_name(name: str, tmp_path: Path):
    assert load_training(tmp_path, name).preset == name


def test_default_is_standard_which_fine_tunes_the_last_stages(tmp_path: Path):
    config = load_training(tmp_path)

    assert (config.preset, config.fine_tune.part) == ("standard", "last_stages")


@pytest.mark.parametrize(("name", "part"), [("quick", "none"), ("standard", "last_stages")], ids=["quick", "standard"])
def test_preset_file_says_what_the_code_does_without_it(name: str, part: str):
    preset = yaml.safe_load((PRESET_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))

    spelled_out = TrainingConfig.model_validate({"data": ".", **preset})

    bare = TrainingConfig.model_validate({
        "data": ".", "preset": name, "backbone": spelled_out.backbone, "image_size_px": spelled_out.image_size_px,
        "fine_tune": {"part": part},
    })  # fmt: skip
    assert spelled_out == bare


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"region": [0, 0, 9, 9]}, "region"),
        ({"tiles": [2, 2]}, "tiles"),
        ({"region": [0, 0, 9, 9], "tiles": [2, 2]}, "region and tiles"),
    ],
    ids=["region", "tiles", "both"],
)
def test_regions_stand_alone_and_the_file_is_named(tmp_path: Path, other: dict[str, object], words: str):
    file = tmp_path / "cover.yaml"
    file.write_text(yaml.safe_dump({"data": "parts", "regions": {"left": [0, 0, 9, 9]}} | other), encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_training(file)

    assert caught.value.problems == (
        f"{file}: regions (left) cannot stand beside {words}: name all places under regions, or cut one region "
        "into tiles",
    )


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"tiles": [0, 2]}, "tiles.0"),
        ({"tiles": [2, 33]}, "tiles.1"),
        ({"tile_overlap": 0.5}, "tile_overlap"),
        ({"region": [0, 0, 9]}, "region"),
        ({"regions": {"": [0, 0, 9, 9]}}, "regions"),
        ({"flips": ["left"]}, "flips.0"),
        ({"image_size_px": 5}, "image_size_px"),
        ({"fine_tune": {"epochs": 0}}, "fine_tune.epochs"),
        ({"fine_tune": {"part": "all"}}, "fine_tune.part"),
        ({"budget_minutes": 0}, "budget_minutes"),
        ({"groups": "ignore"}, "groups"),
        ({"split": {"by": "part"}}, "split.by"),
    ],
    ids=str,
)
def test_wrong_value_is_one_line_with_file_and_key(tmp_path: Path, keys: dict[str, object], key: str):
    file = tmp_path / "cover.yaml"
    file.write_text(yaml.safe_dump({"data": "parts", **keys}), encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_training(file)

    (problem,) = caught.value.problems
    assert problem.startswith(f"{file}: {key}")


def test_training_file_says_every_problem_at_once_with_the_nearest_key(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("data: parts\nbackbon: resnet18\nimage_size_px: 5\nhead: {fold: 3}\nsplit: {train: 0.9}\n")

    with pytest.raises(ConfigError) as caught:
        load_training(file)

    text = str(caught.value)
    assert "backbon is not a known key; did you mean 'backbone'?" in text
    assert "image_size_px: input should be greater than or equal to 64, got 5" in text
    assert "head.fold is not a known key; did you mean 'folds'?" in text
    assert "split: train, validation and test must sum to 1, got 1.3" in text
