"""Collecting with several cameras: a part is all its pictures or none, by the line and by hand."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate import labelling
from partgate.errors import DataError

from .collecting_line import STATION, collect, make_place, rows

ONE = "camera: {kind: folder, name: top, folder: parts, repeat: true}"
TWO = """cameras:
- {kind: folder, name: a, folder: parts, repeat: true}
- {kind: folder, name: b, folder: other, repeat: true}"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two cameras; the second one's pictures lie in ``other``."""
    make_place(tmp_path)
    shutil.copytree(tmp_path / "parts", tmp_path / "other")
    (tmp_path / "station.yaml").write_text(STATION.replace(ONE, TWO), encoding="utf-8")
    return tmp_path


def kept(place: Path) -> list[bytes]:
    """Return the pictures of one camera, which must be those of the other one, too."""
    first, second = (
        [cv2.imread(str(place / "new" / name / row["file"])).tobytes() for row in rows(place / "new" / name)]
        for name in "ab"
    )
    assert first == second
    assert all(len(list((place / "new" / name).rglob("*.png"))) == len(first) for name in "ab")
    return first


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def darken(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((40, 60, 3), np.uint8))


@pytest.mark.parametrize("spoil", [tear, darken])
@pytest.mark.parametrize("folder", ["parts", "other"])
def test_part_without_a_usable_picture_of_every_camera_is_not_kept(place: Path, folder: str, spoil):
    spoil(place / folder / "1.png")

    told, tally = collect(place, parts=4)

    assert len(kept(place)) == tally.kept == 4
    assert any("cut off" in line or "too dark" in line for line in told), told


@pytest.mark.parametrize("spoil", [tear, darken])
def test_by_hand_it_is_the_same(place: Path, spoil):
    spoil(place / "other" / "1.png")

    _, tally = collect(place, None, iter(["", "", "", "q"]), by_hand=True)

    assert len(kept(place)) == tally.kept == 2


def test_person_is_told_why_the_good_picture_is_not_kept_either(place: Path):
    darken(place / "other" / "0.png")

    told, _ = collect(place, None, iter(["", "q"]), by_hand=True)

    assert "  none of this part's pictures is kept: a part is all its pictures or none" in told


def test_disk_that_is_full_at_the_second_camera_leaves_no_picture_of_the_first(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    write, of_b = labelling.write_atomically, 0

    def full_at_the_third(path: Path, content: bytes) -> None:
        nonlocal of_b
        of_b += path.parent.name == "b"
        if of_b >= 3 and path.parent.name == "b":
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(labelling, "write_atomically", full_at_the_third)

    with pytest.raises(DataError, match="No space left on device"):
        collect(place, parts=9)

    assert len(kept(place)) >= 1
