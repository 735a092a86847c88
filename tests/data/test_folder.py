"""The labelled folder: classes, the good one, groups."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.data.folder import Picture, _groups, count_classes, data_sha256, find_good_class, read_folder
from partgate.data.labels_csv import LabelRow
from partgate.errors import DataError

from .written import labelled, write

# --- format


def test_each_sub_folder_is_a_class(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    folder = read_folder(make_folder(tmp_path / "parts", {"good": 2, "dent": 1, "scratch": 3}))

    assert folder.classes == ("dent", "good", "scratch")
    assert folder.good_class == "good"
    assert count_classes(folder.pictures) == {"good": 2, "dent": 1, "scratch": 3}
    assert folder.notes == ()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".PNG", ".Jpg", ".TIFF"])
def test_every_kind_of_picture_is_found_whatever_the_case(tmp_path: Path, suffix: str) -> None:
    folder = read_folder(write(tmp_path, [f"good/a{suffix}", f"bad/b{suffix}"]))

    assert [picture.file for picture in folder.pictures] == [f"bad/b{suffix}", f"good/a{suffix}"]


@pytest.mark.parametrize("name", ["Gehäuse grün", "two words", "line\nbreak", 'quote\'s "name"', "鋼"])
def test_names_with_umlauts_spaces_and_newlines_are_kept(tmp_path: Path, name: str) -> None:
    folder = read_folder(write(tmp_path, [f"good/{name}.png", f"{name}/b.png"]))

    assert {picture.file for picture in folder.pictures} == {f"good/{name}.png", f"{name}/b.png"}
    assert name in folder.classes


def test_pictures_in_deeper_folders_belong_to_the_class_on_top(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path, ["good/monday/a.png", "good/tuesday/a.png", "bad/b.png"]))

    assert count_classes(folder.pictures) == {"good": 2, "bad": 1}


def test_hidden_files_and_folders_are_not_looked_at(tmp_path: Path) -> None:
    folder = read_folder(
        write(tmp_path, ["good/a.png", "bad/b.png", "good/._a.png", ".git/c.png", "good/.ipynb_checkpoints/a.png"])
    )

    assert [picture.file for picture in folder.pictures] == ["bad/b.png", "good/a.png"]
    assert folder.notes == ()


def test_what_is_not_taken_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    folder = read_folder(write(tmp_path, ["good/a.png", "bad/b.png", "good/readme.txt", "loose.png"]))

    assert folder.classes == ("bad", "good")
    assert folder.notes == (
        "empty: holds no picture and is not taken as a class",
        "good: 1 files are no pictures (.txt)",
        "1 pictures lie beside the class folders and have no label, e.g. 'loose.png'",
    )


def test_folder_of_other_folder_is_the_same_data(tmp_path: Path) -> None:
    write(tmp_path / "one", ["good/a.png", "bad/b.png"])
    shutil.copytree(tmp_path / "one", tmp_path / "two")

    one, two = read_folder(tmp_path / "one"), read_folder(tmp_path / "two")

    assert data_sha256(one.pictures) == data_sha256(two.pictures)
    assert data_sha256(one.pictures[::-1]) == data_sha256(one.pictures)
    assert data_sha256(one.pictures[1:]) != data_sha256(one.pictures)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        read_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("files", [[], ["a.png"], ["good/readme.txt"]], ids=["empty", "no-class-folder", "no-picture"])
def test_folder_without_a_labelled_picture_says_what_belongs_into_it(tmp_path: Path, files: list[str]) -> None:
    write(tmp_path, files)

    with pytest.raises(
        DataError, match=r"holds no labelled picture; put pictures \(\.bmp, .*\.tiff\) into a sub-folder"
    ):
        read_folder(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that exists and cannot be read: /proc/self/mem")
def test_picture_that_the_disk_cannot_give_is_named(tmp_path: Path) -> None:
    write(tmp_path, ["good/a.png", "bad/b.png"])
    (tmp_path / "bad" / "c.png").symlink_to("/proc/self/mem")

    with pytest.raises(DataError, match=r"bad/c\.png: cannot be read: Input/output error"):
        read_folder(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no text")
def test_file_name_that_is_no_text_is_named_because_no_record_could_hold_it(tmp_path: Path) -> None:
    write(tmp_path, ["good/a.png", "bad/b.png"])
    (tmp_path / "bad" / "gr\udcfcn.png").write_bytes(b"name from an old Windows archive")

    with pytest.raises(DataError, match=r"gr\\udcfcn\.png': file name is not UTF-8; rename it"):
        read_folder(tmp_path)


# --- the good class


@pytest.mark.parametrize("name", ["good", "ok", "io", "gut", "GOOD", "Ok"])
def test_good_class_is_found_by_its_usual_names(name: str) -> None:
    assert find_good_class(Path("parts"), sorted([name, "defect"]), None) == name


def test_good_class_can_be_named() -> None:
    assert find_good_class(Path("parts"), ["fine", "good", "rough"], "fine") == "fine"


def test_none_sorts_by_class_even_where_a_class_is_called_good() -> None:
    assert find_good_class(Path("parts"), ["bad", "good"], "none") is None


@pytest.mark.parametrize(
    ("classes", "named", "told"),
    [
        (["bolt", "nut"], None, r"no good class among bolt, nut \(looked for good, ok, io, gut\); name it with "
                                r"--good-class NAME, or --good-class none to sort by class"),
        (["good", "ok", "scratch"], None, "good and ok could both be the good class; name it with --good-class"),
        (["bolt", "good"], "gut", "good class 'gut' is not among the classes: bolt, good"),
    ],
    ids=["missing", "ambiguous", "unknown"],
)  # fmt: skip
def test_good_class_that_cannot_be_told_says_how_to_name_it(classes: list[str], named: str | None, told: str) -> None:
    with pytest.raises(DataError, match=f"^parts: {told}"):
        find_good_class(Path("parts"), classes, named)


def test_folder_to_judge_may_hold_defect_parts_alone(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path, ["scratch/a.png"]), "good", must_have_good=False)

    assert (folder.classes, folder.good_class) == (("scratch",), "good")


def test_folder_to_judge_by_class_has_no_good_class_whatever_its_classes_are_called(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path, ["good/a.png", "nut/b.png"]), "none", must_have_good=False)

    assert folder.good_class is None


# --- groups


def test_group_may_mix_labels(tmp_path: Path) -> None:
    folder = labelled(tmp_path, "file,label,group", "a.png,good,reel 1", "b.png,scratch,reel 1", "c.png,good,reel 2")

    groups = {picture.file: picture.group for picture in folder.pictures}
    assert groups["a.png"] == groups["b.png"] != groups["c.png"]


def test_without_columns_every_picture_is_a_group_of_its_own(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path, ["good/a.png", "good/b.png", "bad/c.png"]))

    assert len({picture.group for picture in folder.pictures}) == 3


def test_byte_identical_copies_share_a_group_and_are_told(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path, {"good/a.png": "same", "good/copy of a.png": "same", "bad/c.png": "other"}))

    groups = {picture.file: picture.group for picture in folder.pictures}
    assert groups["good/a.png"] == groups["good/copy of a.png"]
    assert folder.notes == ("1 pictures are byte-identical copies of others; copies stay on one side of a split",)


def test_part_group_and_copies_together_make_one_group(tmp_path: Path) -> None:
    write(tmp_path, {"c.png": "same", "d.png": "same"})

    folder = labelled(
        tmp_path, "file,label,group,part",
        "a.png,good,g1,p1", "b.png,good,g2,p1", "c.png,good,g2,", "d.png,good,,p9", "e.png,good,,", "f.png,bad,g3,p3",
    )  # fmt: skip

    by_file = {picture.file: picture.group for picture in folder.pictures}
    # a-b by part p1, b-c by group g2, c-d as copies
    assert len({by_file[file] for file in ("a.png", "b.png", "c.png", "d.png")}) == 1
    assert len(set(by_file.values())) == 3


def test_group_and_part_of_the_same_name_are_two_things(tmp_path: Path) -> None:
    folder = labelled(tmp_path, "file,label,group,part", "a.png,good,1,", "b.png,good,,1", "c.png,bad,,")

    assert len({picture.group for picture in folder.pictures}) == 3


def test_groups_are_ignored_where_pictures_are_said_to_be_independent_but_copies_stay_together(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": "same", "b.png": "same"})

    folder = labelled(
        tmp_path, "file,label,group", "a.png,good,g", "b.png,good,g", "c.png,good,g", "d.png,bad,g", independent=True
    )

    groups = {picture.file: picture.group for picture in folder.pictures}
    assert groups["a.png"] == groups["b.png"]
    assert len(set(groups.values())) == 3


@pytest.mark.parametrize(
    ("header", "value", "independent", "expected"),
    [
        ("group", "g", False, True), ("part", "p", False, True), ("group", "", False, False),
        ("shift", "s", False, False), ("group", "g", True, False),
    ],
    ids=["group", "part", "empty-column", "further-column", "ignored"],
)  # fmt: skip
def test_folder_tells_whether_the_user_said_what_belongs_together(
    tmp_path: Path, header: str, value: str, independent: bool, expected: bool
) -> None:
    folder = labelled(tmp_path, f"file,label,{header}", f"a.png,good,{value}", "b.png,bad,", independent=independent)

    assert folder.has_groups is expected


def test_part_is_none_where_it_is_not_known(tmp_path: Path) -> None:
    folder = labelled(tmp_path, "file,label,part", "a.png,good,", "b.png,bad,p2")

    assert [picture.part for picture in folder.pictures] == [None, "p2"]


def test_one_group_of_very_many_parts_is_read_in_no_time(tmp_path: Path) -> None:
    rows = [LabelRow(f"{i}.png", "good", group="reel", part=f"part {i}") for i in range(20_000)]
    started = time.process_time()

    groups = _groups(rows, [str(i) for i in range(20_000)])

    assert len(set(groups)) == 1
    assert time.process_time() - started < 5  # linear: 0.1 s; quadratic: a minute


@given(
    st.lists(st.tuples(st.sampled_from(["", "g1", "g2", "g3"]), st.sampled_from(["", "p1", "p2", "p3"])), max_size=12)
)
def test_rows_that_share_a_group_or_a_part_never_have_two_groups(keys: list[tuple[str, str]]) -> None:
    rows = [LabelRow(f"{i}.png", "good", group, part) for i, (group, part) in enumerate(keys)]

    found = _groups(rows, [str(i) for i in range(len(rows))])

    for one, other in [(i, j) for i in range(len(rows)) for j in range(i)]:
        if set(keys[one]) & set(keys[other]) - {""}:
            assert found[one] == found[other]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "good_class"),
    [("ball_screw", None), ("casting_impeller", None), ("fabric_stain", None), ("magnetic_tile", None),
     ("screw_presence", None), ("steel_strip", "none"), ("toy_figure", None)],
)  # fmt: skip
def test_real_sets_are_read_without_a_row_left_over(real_data: Path, name: str, good_class: str | None) -> None:
    folder = read_folder(real_data / name, good_class)
    rows = (real_data / name / "labels.csv").read_text(encoding="utf-8").splitlines()[1:]

    assert len(folder.pictures) == len(rows)
    assert folder.good_class == (None if good_class else "good")
    assert all(isinstance(picture, Picture) and picture.path.is_file() for picture in folder.pictures)
    assert not [note for note in folder.notes if "left out" in note or "differs" in note]


@pytest.mark.parametrize("name", ["GOOD", "REJECT", "RECHECK"])
def test_class_in_sorting_cannot_have_the_name_of_a_verdict(tmp_path: Path, name: str):
    for label in (name, "nut"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.png").write_bytes(label.encode())

    with pytest.raises(DataError, match=f"class '{name}' has the name of a verdict"):
        read_folder(tmp_path, "none")
