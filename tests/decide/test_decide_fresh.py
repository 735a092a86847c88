"""Fresh pictures for a rule: none that trained, proves or chose one before."""

import csv
from pathlib import Path

import pytest

from partgate.data.folder import read_folder
from partgate.errors import DataError
from partgate.recipe import load_recipe

from .conftest import BY_COST, BY_PERSON, decide, write_pictures, write_split


def test_fresh_pictures_are_judged_and_remembered_so_that_they_prove_nothing_later(run: Path, tmp_path: Path) -> None:
    fresh = write_pictures(tmp_path / "fresh", shift=3)

    decide(run, *BY_COST, *BY_PERSON, "--data", fresh)

    on = load_recipe(run).decision.chosen_on
    assert on is not None
    assert on.picture_sha256 == tuple(sorted(one.sha256[:16] for one in read_folder(fresh).pictures))
    assert on.how == "scores of fresh pictures in fresh"


def test_pictures_that_trained_the_bundle_are_refused_with_the_hash_that_gives_it_away(run: Path, data: Path) -> None:
    first = read_folder(data).pictures[0]

    with pytest.raises(
        DataError,
        match=rf"8 pictures trained the bundle, themselves .* part, e\.g\. .*{first.sha256[:16]}",
    ):
        decide(run, "--data", data)


def test_test_side_of_the_run_never_chooses_a_limit(run: Path, tmp_path: Path) -> None:
    fresh = write_pictures(tmp_path / "fresh", shift=3)
    write_split(run, *((one.file, one.label, "test", one.group, one.sha256) for one in read_folder(fresh).pictures[:2]))

    with pytest.raises(
        DataError,
        match=r"2 pictures are on the test side of the run, themselves .* part, e\.g\. .*nothing to prove them",
    ):
        decide(run, "--data", fresh)


def test_another_picture_of_a_part_that_trained_or_is_to_prove_chooses_no_limit(run: Path, tmp_path: Path) -> None:
    fresh = write_pictures(tmp_path / "fresh", shift=3)
    pictures = read_folder(fresh).pictures
    with (fresh / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "part"])
        table.writerows([one.file, one.label, f"P{place}"] for place, one in enumerate(pictures))
    write_split(run, ("a.png", "good", "train", "part P5", "1" * 64))

    with pytest.raises(DataError, match="1 pictures trained the bundle, themselves or another picture of their part"):
        decide(run, "--data", fresh)


def test_pictures_that_chose_an_earlier_rule_are_remembered_too(run: Path, tmp_path: Path) -> None:
    first, second = write_pictures(tmp_path / "first", shift=3), write_pictures(tmp_path / "second", shift=5)

    for fresh in (first, second):
        decide(run, *BY_COST, *BY_PERSON, "--data", fresh)

    decision = load_recipe(run).decision
    pictures = [*read_folder(first).pictures, *read_folder(second).pictures]
    assert all(decision.rests_on(one.sha256) for one in pictures)
    assert not decision.rests_on("0" * 64)
