"""The solar cells of a package as a labelled folder; nothing is downloaded."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from partgate.data.folder import read_folder
from partgate.data.solar_cells import SOLAR_CELLS_LICENCE, lay_out_solar_cells
from partgate.data.split import DEFAULT_SHARES, split_pictures
from partgate.errors import DataError
from partgate.imaging import read_picture

pytest.importorskip("elpv_dataset", reason="needs partgate[demo]")


@pytest.fixture(scope="module")
def sure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cells that the rater was sure of."""
    folder = tmp_path_factory.mktemp("sure") / "cells"
    lay_out_solar_cells(folder)
    return folder


def test_2223_cells_lie_in_two_classes(sure: Path) -> None:
    folder = read_folder(sure)

    # The grades of the publication: 1508 without a defect, 715 surely defective (295 and 106 in between).
    assert Counter(picture.label for picture in folder.pictures) == {"good": 1508, "defect": 715}
    assert folder.good_class == "good"
    assert not [note for note in folder.notes if "left out" in note or "differs" in note]


def test_cells_are_grey_pictures_of_300_pixels(sure: Path) -> None:
    picture = read_picture(next(iter(sorted((sure / "good").iterdir()))))

    assert picture.shape == (300, 300, 3)
    assert (picture[..., 0] == picture[..., 2]).all()


def test_grade_and_cell_type_can_be_stratified_by(sure: Path) -> None:
    folder = read_folder(sure)

    sides, notes = split_pictures(folder, DEFAULT_SHARES, 0, ["grade", "cell_type"])

    assert set(folder.pictures[0].columns) == {"grade", "cell_type"}
    assert {picture.columns["cell_type"] for picture in folder.pictures} == {"mono", "poly"}
    assert Counter(sides.values())["test"] == pytest.approx(0.2 * 2223, abs=4)
    assert notes == []


def test_licence_lies_beside_the_pictures_and_says_what_it_means(sure: Path) -> None:
    text = (sure / "LICENCE.txt").read_text(encoding="utf-8")

    assert text.strip() == SOLAR_CELLS_LICENCE
    assert "CC BY-NC-SA 4.0" in text
    assert "neither the pictures nor a model trained on them belongs into a product" in text


def test_unsure_cells_come_by_option_with_the_weight_of_their_grade(tmp_path: Path) -> None:
    count = lay_out_solar_cells(tmp_path / "cells", with_unsure=True)

    with (tmp_path / "cells" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert count == len(rows) == 2624
    assert Counter((row["label"], row["weight"], row["grade"]) for row in rows) == {
        ("good", "1", "0.00"): 1508,
        ("good", "0.3333", "0.33"): 295,
        ("defect", "0.6667", "0.67"): 106,
        ("defect", "1", "1.00"): 715,
    }
    weights = {picture.weight for picture in read_folder(tmp_path / "cells").pictures}
    assert weights == {1.0, 0.3333, 0.6667}


def test_empty_folder_may_be_the_destination_and_so_may_one_with_missing_parents(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert lay_out_solar_cells(tmp_path / "empty") == 2223
    assert lay_out_solar_cells(tmp_path / "some" / "where" / "cells") == 2223


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_destination_in_use_is_refused_and_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    destination = tmp_path / "cells"
    mine = destination / "mine.txt" if kind == "folder" else destination
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine", encoding="utf-8")

    with pytest.raises(DataError, match="cells: is in use; name a folder that does not exist yet"):
        lay_out_solar_cells(destination)

    assert mine.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["cells"]


def test_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")

    with pytest.raises(DataError, match=r"cells: cannot be made: .*; name a writable folder"):
        lay_out_solar_cells(tmp_path / "file" / "cells")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]
