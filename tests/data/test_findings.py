"""``findings.yaml``: what a person decided is obeyed, what is wrong in it is named, and ids stay the same."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from partgate.data.findings import Decisions, finding_id, read_decisions, without
from partgate.data.folder import count_classes, read_folder
from partgate.errors import ConfigError, DataError

FILES = ("bad/c.png", "good/a.png", "good/b.png")


def decided(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "findings.yaml").write_text(text, encoding="utf-8")
    return folder


# --- the file


def test_every_problem_of_the_file_is_told_at_once(tmp_path: Path) -> None:
    decided(tmp_path, "leave_out: [good/a.pmg, bad/c.png]\nsame_part: [[good/a.png, elsewhere/z.jpg]]\n")

    with pytest.raises(ConfigError) as told:
        read_decisions(tmp_path, FILES)

    assert told.value.problems == (
        f"{tmp_path}/findings.yaml: leave_out: 'good/a.pmg' is no labelled picture of {tmp_path}; "
        "did you mean 'good/a.png'?",
        f"{tmp_path}/findings.yaml: same_part: 'elsewhere/z.jpg' is no labelled picture of {tmp_path}; remove the line",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("leav_out: []", "leav_out is not a known key; did you mean 'leave_out'?"),
        ("leave_out: good/a.png", "leave_out: must be a list (lines that begin with -), got 'good/a.png'"),
        ("same_part: [[good/a.png]]", "same_part.0: tuple should have at least 2 items"),
        ("- good/a.png", "must hold keys and values, got a list"),
        ("accepted: [12]", "accepted.0: must be text, got 12"),
    ],
    ids=["unknown-key", "no-list", "one-picture-alone", "no-keys", "id-is-a-number"],
)
def test_file_of_another_form_is_refused_with_what_it_must_be(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_decisions(decided(tmp_path, text), FILES)

    assert told in str(error.value)


@pytest.mark.parametrize(
    "same_part",
    ["[[good/a.png, bad/c.png]]", "[[good/a.png, good/b.png], [good/b.png, bad/c.png]]"],
    ids=["directly", "by-way-of-a-third"],
)
def test_same_part_and_different_parts_cannot_both_be_true(tmp_path: Path, same_part: str) -> None:
    decided(tmp_path, f"same_part: {same_part}\ndifferent_parts: [[good/a.png, bad/c.png]]\n")

    with pytest.raises(ConfigError, match=r"'good/a\.png' and 'bad/c\.png' show the same part by same_part"):
        read_decisions(tmp_path, FILES)


def test_without_the_file_nothing_is_decided(tmp_path: Path) -> None:
    assert read_decisions(tmp_path, FILES) == Decisions()


def test_keys_with_nothing_but_comments_under_them_are_empty_lists(tmp_path: Path) -> None:
    decided(tmp_path, "leave_out:\n  # - good/a.png\naccepted:\nsame_part:\ndifferent_parts:\n")

    assert read_decisions(tmp_path, FILES) == Decisions()


def test_lists_lose_what_is_left_out_and_end_with_fewer_than_two() -> None:
    assert without([("a", "b"), ("c", "d", "b")], ["b"]) == (("c", "d"),)


# --- ids


def test_id_is_the_same_whatever_the_order_of_the_pictures() -> None:
    assert finding_id("copies", ["1", "2"]) == finding_id("copies", ["2", "1"])


def test_id_changes_with_kind_pictures_and_subject() -> None:
    ids = {
        finding_id("copies", ["1"]),
        finding_id("alike", ["1"]),
        finding_id("copies", ["2"]),
        finding_id("copies", ["1"], "good"),
        finding_id("copies", ["1", "good"]),
    }

    assert len(ids) == 5


# --- the folder obeys


def test_pictures_left_out_are_not_read_and_told(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    data = make_folder(tmp_path / "parts", {"good": 3, "dent": 2})
    decided(data, "leave_out: [good/good_001.png]")

    folder = read_folder(data)

    assert count_classes(folder.pictures) == {"good": 2, "dent": 2}
    assert folder.left_out == ("good/good_001.png",)
    assert folder.notes == ("1 pictures are left out by findings.yaml, e.g. 'good/good_001.png'",)


def test_contradiction_ends_where_one_of_both_is_left_out(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    data = make_folder(tmp_path / "parts", {"good": 3, "dent": 2})
    shutil.copy(data / "good/good_000.png", data / "dent/copy.png")
    with pytest.raises(DataError, match="stands under two labels"):
        read_folder(data)

    decided(data, "leave_out: [dent/copy.png]")

    assert count_classes(read_folder(data).pictures) == {"good": 3, "dent": 2}


def test_class_whose_pictures_are_all_left_out_is_none(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    data = decided(make_folder(tmp_path / "parts", {"good": 1, "dent": 1, "spot": 1}), "leave_out: [spot/spot_000.png]")

    assert read_folder(data).classes == ("dent", "good")


def test_folder_cannot_leave_out_everything(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    data = decided(make_folder(tmp_path / "parts", {"good": 1}), "leave_out: [good/good_000.png]")

    with pytest.raises(DataError, match=r"findings\.yaml leaves out all 1 pictures; remove lines from leave_out"):
        read_folder(data)


def test_same_part_joins_groups_and_is_given_on(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    data = make_folder(tmp_path / "parts", {"good": 4, "dent": 1})
    decided(
        data,
        "same_part: [[good/good_000.png, good/good_001.png], [good/good_001.png, dent/dent_000.png]]\n"
        "different_parts: [[good/good_002.png, good/good_003.png]]\naccepted: [abc]\n",
    )

    folder = read_folder(data)

    groups = {picture.file: picture.group for picture in folder.pictures}
    assert groups["good/good_000.png"] == groups["good/good_001.png"] == groups["dent/dent_000.png"]
    assert len(set(groups.values())) == 3
    assert folder.same_part[0] == ("good/good_000.png", "good/good_001.png")
    assert folder.different_parts == (("good/good_002.png", "good/good_003.png"),)
    assert folder.accepted == ("abc",)


def test_pictures_said_to_be_independent_stay_so_whatever_the_file_says(
    tmp_path: Path, make_folder: Callable[..., Path]
) -> None:
    data = make_folder(tmp_path / "parts", {"good": 2, "dent": 1})
    decided(data, "same_part: [[good/good_000.png, good/good_001.png]]")

    assert len({picture.group for picture in read_folder(data, independent=True).pictures}) == 3


# --- read for the check


def test_check_reads_what_training_refuses(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    data = make_folder(tmp_path / "parts", {"REJECT": 2, "fine": 2})
    shutil.copy(data / "fine/fine_000.png", data / "REJECT/copy.png")

    folder = read_folder(data, for_check=True)

    assert folder.good_class is None
    assert len(folder.pictures) == 5


def test_check_still_refuses_a_good_class_that_does_not_exist(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="good class 'fine' is not among the classes: dent, good"):
        read_folder(make_folder(tmp_path / "parts", {"good": 1, "dent": 1}), "fine", for_check=True)
