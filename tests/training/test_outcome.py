"""What a recipe learns of the camera's resolution: it counts where a region is given in its pixels."""

from collections.abc import Callable
from pathlib import Path

import pytest

from partgate.data.folder import read_folder
from partgate.inference.bundle import Geometry
from partgate.training.outcome import learn_whole_size

from ..conftest import make_part, write_picture

REGION = Geometry(region=(0, 0, 20, 20), height_px=32, width_px=32)


@pytest.fixture
def parts(make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    return make_folder(tmp_path / "parts", {"good": 3, "spot": 3})


def test_one_size_of_all_pictures_is_learned_where_a_region_hangs_on_it(parts: Path):
    pictures = read_folder(parts).pictures
    several = Geometry(region=None, regions={"left": (0, 0, 20, 20)}, height_px=32, width_px=32)

    found = {"whole_height_px": 48, "whole_width_px": 64}
    assert learn_whole_size(pictures, REGION) == learn_whole_size(pictures, several) == found
    assert learn_whole_size(pictures, REGION.model_copy(update={"region": None})) == {}


def test_pictures_of_two_sizes_teach_none(parts: Path):
    write_picture(parts / "good" / "large.png", make_part("none", 9, 96, 128))

    assert learn_whole_size(read_folder(parts).pictures, REGION) == {}


def test_picture_that_is_gone_at_the_end_of_a_training_does_not_lose_it(parts: Path):
    pictures = read_folder(parts).pictures
    pictures[0].path.unlink()

    assert learn_whole_size(pictures, REGION) == {"whole_height_px": 48, "whole_width_px": 64}
