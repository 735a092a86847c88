"""The labelled folder that collecting fills: names, rows, undo; nothing is overwritten."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from partgate import labelling
from partgate.data.folder import read_folder
from partgate.errors import DataError
from partgate.imaging import read_picture
from partgate.parts import Frame
from partgate.station import album as albums
from partgate.station.album import Album, PartFacts, check_label

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def frame(level: int = 100, settings: dict | None = None) -> Frame:
    image = np.random.default_rng(level).integers(0, 256, (20, 30, 3), np.uint8)
    return Frame(image, AT, "top", settings=settings or {})


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "labels.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("label", ["", " ", "a/b", "..", ".hidden", "a\\b", "x" * 61, "dot.", "tab\tbed"])
def test_label_that_cannot_be_a_folder_is_refused(label: str):
    with pytest.raises(DataError, match=r"since it names a folder; e.g. good, scratch"):
        check_label(label)


@pytest.mark.parametrize("label", ["good", "Kratzer tief", "nicht_ok", "über", "class 3 (deep)"])
def test_usual_labels_are_taken(label: str):
    assert check_label(f" {label} ") == label


def test_picture_is_named_by_lot_part_and_time_and_kept_to_the_bit(tmp_path: Path):
    taken = frame()

    file = Album(tmp_path, "line").add(taken, PartFacts("good", "08/15 x", "L 1"))

    assert file == "good/L-1_08-15-x_20260102T030405.678.png"
    np.testing.assert_array_equal(read_picture(tmp_path / file), taken.image)
    assert rows(tmp_path) == [
        {
            "file": file, "label": "good", "group": "L 1", "part": "08/15 x",
            "taken_at": "2026-01-02T03:04:05.678+00:00", "station": "line", "camera": "top",
        }
    ]  # fmt: skip


def test_second_picture_of_the_same_moment_gets_a_name_of_its_own(tmp_path: Path):
    album = Album(tmp_path, "line")

    files = [album.add(frame(level), PartFacts("good", "7")) for level in (1, 2, 3)]

    assert [file.removeprefix("good/7_20260102T030405.678") for file in files] == [".png", "-2.png", "-3.png"]
    assert len({(tmp_path / file).read_bytes() for file in files}) == 3


def test_what_was_collected_is_a_labelled_folder_for_training(tmp_path: Path):
    album = Album(tmp_path, "line")
    for number in range(3):
        album.add(frame(number), PartFacts("good", f"g{number}", "L1"))
        album.add(frame(10 + number), PartFacts("scratch", f"s{number}"))

    folder = read_folder(tmp_path)

    assert folder.classes == ("good", "scratch")
    assert {picture.part for picture in folder.pictures} == {"g0", "g1", "g2", "s0", "s1", "s2"}
    assert len({picture.group for picture in folder.pictures}) == 4  # one lot of good parts, three scratched parts
    assert album.groups == {"good": {"L1"}, "scratch": {"s0", "s1", "s2"}}


def test_undo_takes_back_row_and_file_and_only_those_of_this_run(tmp_path: Path):
    Album(tmp_path, "line").add(frame(1), PartFacts("good"))
    album = Album(tmp_path, "line")
    file = album.add(frame(2), PartFacts("good"))

    assert album.undo() == file
    assert album.undo() is None
    assert len(rows(tmp_path)) == 1
    assert len(list((tmp_path / "good").iterdir())) == 1


def test_full_disk_leaves_neither_picture_nor_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    album = Album(tmp_path, "line")
    album.add(frame(1), PartFacts("good"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for module in (albums, labelling):
        with monkeypatch.context() as patch:
            patch.setattr(module, "write_atomically", full)
            with pytest.raises(OSError, match="No space"):
                album.add(frame(2), PartFacts("good"))

    assert len(rows(tmp_path)) == len(list((tmp_path / "good").iterdir())) == 1


def test_folder_with_pictures_of_another_kind_is_refused(tmp_path: Path):
    Album(tmp_path, "line").add(frame(1), PartFacts("good"))

    with pytest.raises(
        DataError, match=r"holds pictures as the camera gave them .*, the camera gives them straightened"
    ):
        Album(tmp_path, "line", "30 x 20 px, even light")


def test_straightened_pictures_name_how_and_by_which_calibration(tmp_path: Path):
    album = Album(tmp_path, "line", "30 x 20 px, even light")

    album.add(frame(1, {"calibration": "abc"}), PartFacts("good"))

    assert (rows(tmp_path)[0]["straightened"], rows(tmp_path)[0]["calibration"]) == ("30 x 20 px, even light", "abc")
    with pytest.raises(DataError, match="the camera gives them as the camera gave them"):
        Album(tmp_path, "line")
