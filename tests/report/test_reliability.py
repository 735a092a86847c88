"""Whether scores mean what they say: counted in bins, with bounds, and not at all where too few were seen."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from partgate.data.folder import Picture
from partgate.evaluation.judge import Judged
from partgate.evaluation.reliability import describe_reliability, measure_reliability
from partgate.parts import Decision, Prediction, Reason, Verdict
from partgate.report.page import render_page
from partgate.report.reliability_chart import reliability_svg, reliability_words

Report = Callable[..., dict[str, Any]]
Read = Callable[[str, str], str]

# 100 parts: 40 at 0.1 (4 defect), 20 at 0.5 (15 defect), 40 at 0.9 (36 defect)
SCORES = np.repeat([0.1, 0.5, 0.9], [40, 20, 40])
CAME_TRUE = np.concatenate([np.arange(40) < 4, np.arange(20) < 15, np.arange(40) < 36])


def measured(scores: Any = SCORES, came_true: Any = CAME_TRUE, needs_both: bool = True) -> dict[str, Any]:
    return measure_reliability(np.asarray(scores, float), np.asarray(came_true, bool), needs_both=needs_both)


def report_with(reliability: dict[str, Any], claim: str = "defect", counted: str = "part") -> dict[str, Any]:
    return {"counted": counted, "reliability": {"claim": claim, **reliability}}


def judged(score: float, label: str, predicted: str = "good") -> Judged:
    picture = Picture(Path("a.png"), "a.png", label, "0" * 64, "a")
    return Judged(picture, Decision(Verdict.GOOD, Reason.MODEL, ""), Prediction(score, {}, predicted, None), 1)


@pytest.mark.parametrize(
    ("defects", "goods"), [(19, 500), (500, 19), (0, 0)], ids=["few-defect", "few-good", "nothing"]
)
def test_too_few_parts_of_one_side_give_counts_and_no_figure(defects: int, goods: int):
    found = measured(np.full(defects + goods, 0.5), np.arange(defects + goods) < defects)

    assert (found["n"], found["events"], found["needed"]) == (defects + goods, defects, 20)
    assert not found["is_enough"]
    assert found["bins"] == []
    assert [found[name] for name in ("brier", "brier_by_share", "ece", "ece_chance95", "example")] == [None] * 5


def test_twenty_of_each_are_enough():
    assert measured(np.full(40, 0.5), np.arange(40) < 20)["is_enough"]


@pytest.mark.parametrize(("n", "is_enough"), [(39, False), (40, True)])
def test_sorting_needs_forty_parts_right_or_wrong(n: int, is_enough: bool):
    found = measured(np.full(n, 0.9), np.full(n, True), needs_both=False)

    assert found["is_enough"] is is_enough
    assert found["needed"] == 40


def test_scores_that_are_no_number_are_left_out():
    found = measured([*SCORES, np.nan, np.nan], [*CAME_TRUE, True, False])

    assert found == measured()


def test_bins_hold_what_can_be_counted_by_hand():
    bins = measured()["bins"]

    assert [(one["n"], one["events"]) for one in bins] == [(40, 4), (20, 15), (40, 36)]
    assert [one["mean_score"] for one in bins] == pytest.approx([0.1, 0.5, 0.9])
    assert [one["share"] for one in bins] == pytest.approx([0.1, 0.75, 0.9])


def test_bounds_are_the_exact_ones_of_both_sides_together():
    from scipy.stats import beta

    middle = measured()["bins"][1]

    assert middle["lower"] == pytest.approx(beta.ppf(0.025, 15, 6))
    assert middle["upper"] == pytest.approx(beta.ppf(0.975, 16, 5))


def test_calibration_error_is_the_mean_distance_weighted_by_parts():
    assert measured()["ece"] == pytest.approx(20 / 100 * 0.25)  # the outer bins are exactly right


def test_distances_to_either_side_never_cancel_between_bins():
    came_true = np.concatenate([np.arange(40) < 8, np.arange(20) < 10, np.arange(40) < 32])  # 0.2, 0.5, 0.8

    assert measured(came_true=came_true)["ece"] == pytest.approx(0.4 * 0.1 + 0.4 * 0.1)


def test_brier_score_is_the_mean_squared_distance():
    expected = (4 * 0.81 + 36 * 0.01 + 20 * 0.25 + 36 * 0.01 + 4 * 0.81) / 100

    assert measured()["brier"] == pytest.approx(expected)
    assert measured()["brier_by_share"] == pytest.approx(0.55 * 0.45)


def test_order_of_the_parts_changes_nothing():
    mixed = np.random.default_rng(0).permutation(100)

    assert measured(SCORES[mixed], CAME_TRUE[mixed]) == measured()


def test_equal_scores_are_never_in_two_bins():
    found = measured([0.2] * 150 + [0.7] * 50, np.arange(200) % 2 == 0)

    assert [one["n"] for one in found["bins"]] == [150, 50]


def test_bins_whose_scores_lie_near_are_one():
    found = measured(np.concatenate([np.linspace(0, 0.04, 300), np.linspace(0.9, 1, 100)]), np.arange(400) >= 300)

    means = [one["mean_score"] for one in found["bins"]]
    assert min(np.diff(means)) >= 0.05
    assert found["bins"][0]["n"] >= 280


def test_many_parts_make_at_most_fifteen_bins_of_like_size():
    found = measured(np.linspace(0, 1, 3000), np.arange(3000) % 2 == 0)

    assert [one["n"] for one in found["bins"]] == [200] * 15


def test_scores_that_are_right_stay_below_what_chance_shows_and_wrong_ones_do_not():
    rng = np.random.default_rng(0)
    scores = rng.random(800)
    came_true = rng.random(800) < scores

    right, too_sure = measured(scores, came_true), measured(np.where(scores > 0.5, 0.99, 0.01), came_true)

    assert 0 < right["ece"] < right["ece_chance95"] < 0.1
    assert too_sure["ece"] > 2 * too_sure["ece_chance95"]


def test_example_is_the_bin_nearest_to_eight_of_ten():
    assert measured()["example"] == 2


def test_with_a_good_class_the_score_is_held_against_defect_or_not():
    parts = [judged(0.9, "dent")] * 20 + [judged(0.1, "good")] * 20 + [judged(float("nan"), "good")]

    found = describe_reliability(parts, "good")

    assert (found["claim"], found["n"], found["events"]) == ("defect", 40, 20)
    assert [(one["mean_score"], one["share"]) for one in found["bins"]] == [
        (pytest.approx(0.1), 0),
        (pytest.approx(0.9), 1),
    ]


def test_in_sorting_the_most_likely_class_is_held_against_the_true_one():
    parts = [judged(0.1, "bright", "bright")] * 36 + [judged(0.1, "dark", "bright")] * 4  # wrong with 0.1

    found = describe_reliability(parts, None)

    assert (found["claim"], found["n"], found["events"]) == ("right", 40, 36)
    assert found["bins"][0]["mean_score"] == pytest.approx(0.9)
    assert found["ece"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("claim", "counted", "language", "sentence"),
    [
        ("defect", "part", "en", "Of 40 parts with a score near 0.900, 36 were defect: 9.0 of ten"),
        ("defect", "picture", "en", "Of 40 pictures with a score near 0.900, 36 showed a defect part: 9.0 of ten"),
        ("defect", "part", "de", "Von 40 Teilen mit einer Bewertung um 0,900 waren 36 schlecht: 9,0 von zehn"),
        ("right", "picture", "de", "Von 40 Bildern, deren Klasse eine Wahrscheinlichkeit um 0,900 hatte, gehörten 36"),
    ],
)
def test_sentence_says_how_many_of_ten(claim: str, counted: str, language: str, sentence: str):
    assert sentence in reliability_words(report_with(measured(), claim, counted), language)


@pytest.mark.parametrize(
    ("claim", "language", "sentence"),
    [
        ("defect", "en", "With 12 defect and 300 good parts that have a score this cannot be said; from 20 of each"),
        ("defect", "de", "Mit 12 Schlechtteilen und 300 Gutteilen, die eine Bewertung haben, lässt sich das nicht"),
        ("right", "en", "With 39 parts that have a class this cannot be said; from 40 on it can."),
    ],
)
def test_sentence_admits_too_few_parts_with_their_number(claim: str, language: str, sentence: str):
    n = 312 if claim == "defect" else 39
    report = report_with(measured(np.full(n, 0.5), np.arange(n) < 12, claim == "defect"), claim)

    assert sentence in reliability_words(report, language)
    assert reliability_svg(report, language) == ""


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("claim", ["defect", "right"])
def test_diagram_shows_each_bin_at_its_place_with_its_count_and_lies_within_its_frame(claim: str, language: str):
    svg = reliability_svg(report_with(measured(), claim), language)

    tree = ElementTree.fromstring(svg)
    circles = [(float(node.get("cx", "")), float(node.get("cy", ""))) for node in tree.iter("circle")]
    assert circles == [(90.6, 300.0), (293.0, 105.0), (495.4, 60.0)]  # x: 40 + 506 s; y: 330 - 300 share
    assert [node.text for node in tree.iter("text")][-3:] == ["40", "20", "40"]
    width, height = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
    assert all(0 <= float(node.get("x", "0")) <= width for node in tree.iter("text"))
    assert all(0 <= float(node.get("y", "0")) <= height for node in tree.iter("text"))


def test_counts_of_near_bins_do_not_stand_in_each_other():
    found = measured(np.repeat([0.1, 0.16, 0.22, 0.9], 40), np.arange(160) % 2 == 0)

    tree = ElementTree.fromstring(reliability_svg(report_with(found), "en"))

    heights = [float(node.get("y", "")) for node in tree.iter("text")][-4:]
    assert heights[0] == heights[2] == heights[3] < heights[1]


def test_line_of_promise_runs_from_corner_to_corner():
    tree = ElementTree.fromstring(reliability_svg(report_with(measured()), "en"))

    dashed = [node for node in tree.iter("line") if node.get("stroke-dasharray")]

    assert [[node.get(key) for key in ("x1", "y1", "x2", "y2")] for node in dashed] == [
        ["40.0", "330.0", "546.0", "30.0"]
    ]


def test_page_shows_sentence_diagram_and_error(report_of: Report, read: Read):
    report = report_of(**report_with(measured()))

    shown = read(render_page(report, {}), "en")

    assert "Does 0.8 mean eight of ten? Of 40 parts with a score near 0.900, 36 were defect" in shown
    assert "lie 0.050 apart (expected calibration error over 3 groups" in shown
    assert "Brier score 0.122 (0 is perfect; whoever always named the mean share would get 0.247)" in shown
    assert "where defects are rarer, fewer of ten are defect" in shown


@pytest.mark.parametrize(("error", "sentence"), [(0.03, "no more than chance"), (0.05, "more than chance: take the")])
def test_page_tells_chance_from_error(error: float, sentence: str, report_of: Report, read: Read):
    reliability = measured() | {"ece": error, "ece_chance95": 0.04}

    shown = read(render_page(report_of(**report_with(reliability)), {}), "en")

    assert sentence in shown


def test_page_with_too_few_parts_shows_their_number_and_no_diagram(report_of: Report, read: Read):
    report = report_of(**report_with(measured(np.full(312, 0.5), np.arange(312) < 12)), curves=None)

    page = render_page(report, {})

    assert "With 12 defect and 300 good parts" in read(page, "en")
    assert "<circle" not in page.split("<h1>")[1].replace('<circle cx="3" cy="3"', "")  # the histogram's dots


def test_report_of_a_folder_holds_the_section_and_can_be_read_back(make_run: Callable[..., Path], tmp_path: Path):
    import cv2

    from partgate.report.report import evaluate

    for name, level in (("good", 40), ("defect", 200)):  # the made model takes brightness / 255 as the score
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.full((40, 40, 3), level, np.uint8)
            pixels[0, 0] = (number, len(name), 0)
            cv2.imwrite(str(tmp_path / "data" / name / f"{number:02d}.png"), pixels)

    evaluate(make_run(tmp_path / "run"), tmp_path / "data", tmp_path / "out", progress=lambda step, done, total: None)

    found = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))["reliability"]
    assert (found["n"], found["events"], found["is_enough"]) == (40, 20, True)
    assert found["ece"] == pytest.approx((40 / 255 + 55 / 255) / 2, abs=0.01)
