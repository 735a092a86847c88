"""Which parts are shown: the surest mistakes first, few enough for a page, and examples of every class."""

from pathlib import Path

from partgate.data.folder import Picture
from partgate.evaluation.judge import Judged
from partgate.parts import Decision, Prediction, Reason, Verdict
from partgate.report.pictures import (
    MOST_IN_ALL_CELLS,
    MOST_IN_CELL,
    fill_cells,
    list_worst,
    pick_examples,
    shown_parts,
)

NAN = float("nan")


def part(name: str, label: str, score: float, verdict: Verdict = Verdict.REJECT, predicted: str = "good") -> Judged:
    picture = Picture(Path(name), name, label, "0" * 64, name)
    beliefs = {"dent": score, "good": 1 - score}
    return Judged(picture, Decision(verdict, Reason.MODEL, ""), Prediction(score, beliefs, predicted, "dent"), 1)


def files(shown: list[dict]) -> list[str]:
    return [one["file"] for one in shown]


def test_worst_of_the_good_class_have_the_highest_scores_worst_defects_the_lowest():
    judged = [part(f"g{place}", "good", place / 10) for place in range(7)]
    judged += [part(f"d{place}", "dent", place / 10) for place in range(7)]

    examples = pick_examples(judged, "good", ["dent", "good"])

    assert (files(examples["good"]["worst"]), files(examples["good"]["median"])) == (["g6", "g5", "g4"], ["g3"])
    assert (files(examples["dent"]["worst"]), files(examples["dent"]["median"])) == (["d0", "d1", "d2"], ["d3"])


def test_part_without_a_score_is_the_worst_good_one_and_the_best_defect():
    judged = [part("a", "good", 0.9), part("b", "good", NAN), part("c", "dent", NAN), part("d", "dent", 0.2)]

    examples = pick_examples(judged, "good", ["dent", "good"])

    assert files(examples["good"]["worst"]) == ["b", "a"]
    assert files(examples["dent"]["worst"]) == ["d", "c"]
    assert examples["dent"]["worst"][1]["defect_score"] is None


def test_middle_part_that_is_among_the_worst_is_not_shown_twice():
    judged = [part(f"g{place}", "good", place / 10) for place in range(5)]

    assert pick_examples(judged, "good", ["good", "dent"]) == {
        "good": {"worst": pick_examples(judged, "good", ["good"])["good"]["worst"], "median": []},
        "dent": {"worst": [], "median": []},
    }


def test_sorting_shows_those_first_whose_class_was_believed_least():
    judged = [part("a", "dent", 0.9), part("b", "dent", 0.1), part("c", "dent", 0.4)]

    assert files(pick_examples(judged, None, ["dent"])["dent"]["worst"]) == ["b", "c", "a"]


def test_cells_hold_their_parts_the_least_sure_of_the_truth_first():
    judged = [part("a", "dent", 0.4), part("b", "dent", 0.1), part("c", "dent", 0.9, predicted="dent")]
    judged += [part("d", "stain", 0.6), part("e", "stain", 0.2)]

    cells = fill_cells(judged, ["dent", "good", "stain"])

    assert [(cell["truth"], cell["predicted_class"], cell["n"], files(cell["pictures"])) for cell in cells] == [
        ("dent", "dent", 1, ["c"]),
        ("dent", "good", 2, ["b", "a"]),
        ("stain", "good", 2, ["e", "d"]),  # unknown to the model: what it holds for good comes first
    ]


def test_cell_shows_no_more_pictures_than_a_page_can_hold():
    one_cell = fill_cells([part(str(place), "good", 0.1) for place in range(100)], ["good"])
    names = [f"class {place}" for place in range(12)]
    many = [part(f"{a} {b} {c}", a, 0.5, predicted=b) for a in names for b in names for c in range(10)]

    cells = fill_cells(many, names)

    assert (one_cell[0]["n"], len(one_cell[0]["pictures"])) == (100, MOST_IN_CELL)
    assert len(cells) == 144
    assert sum(len(cell["pictures"]) for cell in cells) <= MOST_IN_ALL_CELLS
    assert all(cell["pictures"] for cell in cells)


def test_escapes_come_before_false_rejects_and_the_surest_first():
    judged = [part("r", "good", 0.7), part("e", "dent", 0.3, Verdict.GOOD), part("s", "dent", 0.1, Verdict.GOOD)]

    worst = list_worst(judged, "good")

    assert [(one["file"], one["kind"]) for one in worst] == [
        ("s", "escape"), ("e", "escape"), ("r", "false_reject"),
    ]  # fmt: skip


def test_every_part_with_a_place_on_the_page_is_asked_for():
    judged = [part("r", "good", 0.7), part("e", "dent", 0.3, Verdict.GOOD)]
    report = {
        "worst": list_worst(judged, "good"),
        "examples": pick_examples(judged, "good", ["dent", "good"]),
        "cells": fill_cells(judged, ["dent", "good"]),
    }

    assert sorted(one["file"] for one in shown_parts(report)) == ["e", "e", "e", "r", "r", "r"]
