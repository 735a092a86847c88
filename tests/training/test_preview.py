"""The contact sheet: what a person looks at before trusting an augmentation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from partgate.errors import ConfigError, DataError, TrainingError
from partgate.imaging import read_picture
from partgate.parts import Image
from partgate.training.augment import DEFAULT_TRANSFORMS, Augmenter, Transform, flip_picture
from partgate.training.config import TrainingConfig, load_training
from partgate.training.features import read_part
from partgate.training.preview import Preview, Row, draw_sheet, write_preview

MakeFolder = Callable[..., Path]


def config_of(data: Path, **changes: object) -> TrainingConfig:
    return load_training(data, image_size_px=160).model_copy(update=changes)


def write(config: TrainingConfig, out: Path, pictures: int = 3, views: int = 2, seed: int = 0) -> Preview:
    return write_preview(config, "cover.yaml", out, pictures, views, seed)


def cell(sheet: Image, shown: Preview, row: int, column: int) -> Image:
    """Cut a picture out of a sheet: gaps of 8 px, two lines of 20 px above each row."""
    height, width = shown.geometry.height_px, shown.geometry.width_px
    top, left = 8 + row * (height + 48) + 40, 8 + column * (width + 8)
    return sheet[top : top + height, left : left + width]


@pytest.fixture
def data(make_folder: MakeFolder, tmp_path: Path) -> Path:
    return make_folder(tmp_path / "parts", {"bar": 3, "good": 5, "scratch": 2})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("sheet.gif", r"sheet.gif: must end in .png, .jpg, .jpeg, got '.gif'"),
        ("sheet", r"sheet: must end in .png, .jpg, .jpeg, got 'no suffix'"),
        ("nowhere/sheet.png", r"sheet.png: there is no folder .*nowhere; make it first"),
        ("parts/good/sheet.png", r"sheet.png: lies in the labelled folder and would be taken for a part"),
        ("folder.png", r"folder.png: cannot be written: .*; name a file in a writable folder"),
    ],
    ids=["other-suffix", "no-suffix", "no-folder", "among-the-parts", "is-a-folder"],
)
def test_sheet_that_cannot_be_written_is_refused(data: Path, tmp_path: Path, name: str, sentence: str):
    (tmp_path / "folder.png").mkdir()

    with pytest.raises(TrainingError, match=sentence):
        write(config_of(data), tmp_path / name)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.png", "parts"]


def test_wrong_augmentation_is_told_with_the_name_of_the_file_and_leaves_the_old_sheet(data: Path, tmp_path: Path):
    out = tmp_path / "sheet.png"
    out.write_bytes(b"old")

    with pytest.raises(ConfigError, match=r"^cover.yaml: augment.0.transform: 'Blurr' is not a known transform"):
        write(config_of(data, augment=(Transform(transform="Blurr"),)), out)

    assert out.read_bytes() == b"old"


def test_sheet_beyond_a_hundred_megapixels_is_refused_with_its_size(data: Path, tmp_path: Path):
    with pytest.raises(TrainingError, match=r"at most 100 megapixels are drawn; lower --pictures or --views"):
        write(config_of(data), tmp_path / "sheet.png", pictures=500, views=50)


def test_empty_folder_is_told(tmp_path: Path):
    (tmp_path / "parts/good").mkdir(parents=True)

    with pytest.raises(DataError, match="holds no labelled picture"):
        write(config_of(tmp_path / "parts"), tmp_path / "sheet.png")


def test_every_class_is_shown_though_fewer_pictures_are_wanted_and_the_good_one_first(data: Path, tmp_path: Path):
    shown = write(config_of(data), tmp_path / "sheet.png", pictures=1)

    assert [file.split("/")[0] for file in shown.files] == ["good", "bar", "scratch"]


def test_small_class_runs_out_and_others_fill_the_sheet(data: Path, tmp_path: Path):
    shown = write(config_of(data), tmp_path / "sheet.png", pictures=9)

    labels = [file.split("/")[0] for file in shown.files]
    assert labels == ["good"] * 4 + ["bar"] * 3 + ["scratch"] * 2
    assert len(set(shown.files)) == 9


def test_unreadable_picture_is_named_and_another_one_taken(data: Path, tmp_path: Path):
    (data / "scratch/scratch_000.png").write_bytes(b"torn 0")
    (data / "scratch/scratch_001.png").write_bytes(b"torn 1")

    shown = write(config_of(data), tmp_path / "sheet.png", pictures=4)

    assert [file.split("/")[0] for file in shown.files] == ["good", "good", "bar", "bar"]
    assert [("scratch_00" in note, "not a picture" in note) for note in shown.notes] == [(True, True)] * 2


@pytest.mark.parametrize("suffix", [".png", ".JPG"])
def test_sheet_shows_what_the_network_sees_and_the_views_that_training_takes(data: Path, tmp_path: Path, suffix: str):
    config = config_of(data)

    shown = write(config, tmp_path / f"sheet{suffix}", views=2, seed=5)

    sheet = read_picture(tmp_path / f"sheet{suffix}").astype(int)
    picture = next(one for one in _pictures(config) if one.file == shown.files[1])
    ((fitted,), _) = read_part(picture, shown.geometry)
    augmenter = Augmenter(DEFAULT_TRANSFORMS, 5)
    expected = [fitted, *(augmenter.view(fitted, f"{picture.sha256} 0", number) for number in (0, 1))]
    for column, image in enumerate(expected):
        difference = np.abs(cell(sheet, shown, 1, column) - image)
        assert difference.mean() <= (0 if suffix == ".png" else 4)


def test_flips_are_shown_where_the_file_says_that_parts_are_symmetric(data: Path, tmp_path: Path):
    config = config_of(data, augment=(), flips=("left_right",))

    shown = write(config, tmp_path / "sheet.png", views=2)

    sheet = read_picture(tmp_path / "sheet.png")
    assert shown.flips == ("left_right",)
    assert np.array_equal(cell(sheet, shown, 0, 1), cell(sheet, shown, 0, 0))
    assert np.array_equal(cell(sheet, shown, 0, 2), flip_picture(cell(sheet, shown, 0, 0), ("left_right",)))


def test_part_that_is_looked_at_in_two_places_has_a_row_for_each(data: Path, tmp_path: Path):
    config = config_of(data, augment=(), regions={"left": (0, 0, 32, 48), "right": (32, 0, 64, 48)})

    shown = write(config, tmp_path / "sheet.png", pictures=3)

    sheet = read_picture(tmp_path / "sheet.png")
    assert sheet.shape[0] == 8 + 3 * 2 * (shown.geometry.height_px + 48)
    picture = next(one for one in _pictures(config) if one.file == shown.files[0])
    left, right = read_part(picture, shown.geometry)[0]
    assert np.array_equal(cell(sheet, shown, 0, 0), left)
    assert np.array_equal(cell(sheet, shown, 1, 0), right)


def test_same_seed_gives_the_same_bytes_and_another_one_another_sheet(data: Path, tmp_path: Path):
    sheets = [tmp_path / f"{number}.png" for number in range(3)]

    for out, seed in zip(sheets, (1, 1, 2), strict=True):
        write(config_of(data), out, seed=seed)

    assert sheets[0].read_bytes() == sheets[1].read_bytes()
    assert sheets[0].read_bytes() != sheets[2].read_bytes()


def test_long_and_foreign_titles_stay_inside_the_sheet():
    small = np.zeros((64, 64, 3), np.uint8)

    sheet = draw_sheet([Row("Riß über 漢字 " * 30, (("as it is", small), ("view 1, left_right, up_down", small)))])

    assert sheet.shape == (8 + 64 + 48, 8 + 2 * (128 + 8), 3)
    assert (sheet[:, -8:] == 245).all()
    assert (sheet[8:28, 8:-8] < 245).any()


def _pictures(config: TrainingConfig):
    from partgate.data.folder import read_folder

    return read_folder(config.data).pictures


@pytest.mark.data
def test_each_kind_of_tile_is_on_the_sheet_of_the_magnetic_tiles(real_data: Path, tmp_path: Path):
    config = load_training(real_data / "magnetic_tile")

    shown = write(config, tmp_path / "sheet.jpg", pictures=6, views=3)

    assert [file.split("/")[0] for file in shown.files] == ["good", "blowhole", "break", "crack", "fray", "uneven"]
    assert (shown.geometry.width_px, shown.geometry.height_px) == (256, 320)
