"""A split from folder to file: copies, ignored groups, read back, the real sets."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from partgate.data.folder import read_folder
from partgate.data.split import DEFAULT_SHARES, read_split, split_pictures, write_split
from partgate.errors import DataError

from .made_splits import folder_of, picture, table


def test_copies_never_stand_on_two_sides(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    made = make_folder(tmp_path / "parts", {"good": 12, "scratch": 12})
    for path in sorted((made / "good").iterdir()):
        (made / "good" / f"copy_{path.name}").write_bytes(path.read_bytes())

    folder = read_folder(made, independent=True)
    sides, _ = split_pictures(folder, DEFAULT_SHARES, 0)

    assert len(folder.pictures) == 36
    by_hash = defaultdict(set)
    for p in folder.pictures:
        by_hash[p.sha256].add(sides[p.file])
    assert all(len(found) == 1 for found in by_hash.values())


def test_groups_count_only_where_they_are_not_ignored(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    made = make_folder(tmp_path / "parts", {"good": 9, "scratch": 9})
    rows = [f"{name}/{name}_{i:03d}.png,{name},one reel" for name in ("good", "scratch") for i in range(9)]
    (made / "labels.csv").write_text("\n".join(["file,label,group", *rows]), encoding="utf-8")

    folder = read_folder(made, independent=True)

    assert min(min(row) for row in table(folder, split_pictures(folder, DEFAULT_SHARES, 0)[0]).values()) >= 1
    with pytest.raises(DataError, match="good: 9 pictures from 1 groups"):
        split_pictures(read_folder(made), DEFAULT_SHARES, 0)


@pytest.mark.parametrize("name", ["a.png", "Gehäuse.png", "two words, one comma.png", "line\nbreak.png", 'a "b".png'])
def test_written_split_is_read_back_by_the_hash_of_each_picture(tmp_path: Path, name: str) -> None:
    folder = folder_of([picture(name, "good"), picture("other.png", "dent")])
    path = tmp_path / "split.csv"

    write_split(path, folder, {name: "test", "other.png": "train"})

    assert path.read_text(encoding="utf-8").startswith("file,label,split,group,sha256\n")
    assert read_split(path) == {folder.pictures[0].sha256: "test", folder.pictures[1].sha256: "train"}


@pytest.mark.parametrize(
    "content",
    [None, b"file,label\na.png,good\n", "file,sha256,split\n\xfc".encode("cp1252"), b'a,"' + b"x" * 200_000],
    ids=["missing", "other-columns", "not-utf-8", "open-quotation-mark"],
)
def test_file_that_is_no_split_of_a_run_says_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "split.csv").write_bytes(content)

    with pytest.raises(DataError, match=r"split\.csv: cannot be read as the split of a run .*; train again"):
        read_split(tmp_path / "split.csv")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "good_class", "independent"),
    [("ball_screw", None, False), ("casting_impeller", None, False), ("fabric_stain", None, False),
     ("magnetic_tile", None, False), ("screw_presence", None, True), ("steel_strip", "none", False),
     ("toy_figure", None, False)],
)  # fmt: skip
def test_real_sets_are_split_without_a_leak_and_every_side_shows_every_class(
    real_data: Path, name: str, good_class: str | None, independent: bool
) -> None:
    folder = read_folder(real_data / name, good_class, independent=independent)

    sides, _ = split_pictures(folder, DEFAULT_SHARES, seed=0)

    by_group = defaultdict(set)
    for p in folder.pictures:
        by_group[p.group].add(sides[p.file])
    assert all(len(found) == 1 for found in by_group.values())
    assert min(min(row) for row in table(folder, sides).values()) >= 1


@pytest.mark.data
def test_real_set_of_a_single_group_is_refused_until_groups_are_ignored(real_data: Path) -> None:
    folder = read_folder(real_data / "screw_presence")

    with pytest.raises(DataError, match=r"screw_presence: .* 1 groups; .* split.by: picture in the training file"):
        split_pictures(folder, DEFAULT_SHARES, 0)
