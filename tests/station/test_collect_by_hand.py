"""Collecting by hand: Enter takes a picture, words change the label, name the part, take it back."""

from pathlib import Path

import pytest

from partgate.controllers.memory import MemoryController

from .collecting_line import collect, make_place, rows


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make_place(tmp_path)


def test_by_hand_no_controller_is_opened_and_enter_takes_a_picture(place: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        pytest.fail("the controller was opened")

    monkeypatch.setattr(MemoryController, "__enter__", refuse)

    collect(place, None, iter(["", "", "quit"]), by_hand=True)

    assert [row["label"] for row in rows(place / "new")] == ["good", "good"]


def test_end_of_what_is_typed_is_the_end(place: Path):
    _, tally = collect(place, None, iter([""]), by_hand=True)

    assert tally.kept == 1


def test_label_and_part_can_be_changed_and_the_last_part_taken_back(place: Path):
    typed = ["", "part 17", "", "", "label scratch", "", "undo", "l deep dent", "", "q"]

    told, tally = collect(place, None, iter(typed), by_hand=True)

    assert [(row["label"], row["part"]) for row in rows(place / "new")] == [
        ("good", ""), ("good", "17"), ("good", "17"), ("deep dent", ""),
    ]  # fmt: skip
    assert (tally.kept, tally.undone) == (4, 1)
    assert any(line.startswith("taken back: scratch/") and line.endswith("; 3 good") for line in told)
    assert list((place / "new" / "scratch").iterdir()) == []


def test_words_that_are_not_known_are_told_with_those_that_are(place: Path):
    told, _ = collect(place, None, iter(["delete all", "label a/b", "label", "undo", "q"]), by_hand=True)

    assert sum("is not known: undo takes the last part back" in line for line in told) == 2
    assert any("label 'a/b': must be letters" in line for line in told)
    assert "nothing to undo: no picture of this run is left" in told


def test_picture_that_does_not_come_is_told_and_the_next_one_is_taken(place: Path):
    (place / "parts" / "0.png").write_bytes(b"x")

    told, tally = collect(place, None, iter(["", "", "q"]), by_hand=True)

    assert tally.kept == 1
    assert any(line.startswith("no picture: camera 'top'") for line in told)
