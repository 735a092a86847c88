"""Labels that contradict each other are refused, with both files and without a flood."""

from pathlib import Path

import pytest

from partgate.data.folder import read_folder
from partgate.errors import DataError

from .written import labelled, write


def test_same_picture_under_two_labels_is_refused_with_both_files(tmp_path: Path) -> None:
    write(tmp_path, {"good/a.png": "same", "scratch/b.png": "same", "good/c.png": "other"})

    with pytest.raises(DataError) as caught:
        read_folder(tmp_path)

    assert str(caught.value) == (
        f"{tmp_path}: the same picture stands under two labels: 'good/a.png' is 'good', 'scratch/b.png' is 'scratch'\n"
        "keep each under its true label and remove the other, or name it under leave_out in findings.yaml"
    )


def test_all_pictures_under_two_labels_are_told_but_no_flood_of_them(tmp_path: Path) -> None:
    for name in ("good", "scratch"):
        write(tmp_path, {f"{name}/{i}.png": f"part {i}" for i in range(12)})

    with pytest.raises(DataError) as caught:
        read_folder(tmp_path)

    lines = str(caught.value).splitlines()
    assert sum("under two labels" in line for line in lines) == 10
    assert "... and 2 more" in lines


def test_part_with_two_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"part 'p7' has two labels: 'a\.png' is 'good', 'b\.png' is 'scratch'"):
        labelled(tmp_path, "file,label,part", "a.png,good,p7", "b.png,scratch,p7")
