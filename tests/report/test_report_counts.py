"""Mistakes by class and severity: counted by hand, bounds against scipy, nothing dropped."""

from pathlib import Path

import pytest
from scipy.stats import beta

from partgate.data.folder import Picture
from partgate.evaluation.judge import Judged
from partgate.evaluation.rates import confusion_matrix
from partgate.parts import Decision, Prediction, Reason, Verdict
from partgate.report.counts import (
    count_by_class,
    count_by_severity,
    count_mistakes,
    count_scores,
    list_classes,
)

KNOWN = ("dent", "good", "scratch")
GOOD, REJECT, RECHECK = Verdict.GOOD, Verdict.REJECT, Verdict.RECHECK


def part(label: str, verdict: Verdict, score: float = 0.5, severity: str | None = None) -> Judged:
    columns = {} if severity is None else {"severity": severity}
    picture = Picture(Path("a.png"), "a.png", label, "0" * 64, "a", columns=columns)
    return Judged(picture, Decision(verdict, Reason.MODEL, ""), Prediction(score, {}, "good", None), 1)


def by_class(judged: list[Judged], good: str | None = "good") -> dict:
    classes = list_classes(judged, KNOWN)
    matrix = confusion_matrix([one.picture.label for one in judged], ["good"] * len(judged), classes)
    return count_by_class(judged, good, KNOWN, matrix)


def test_escapes_are_counted_per_defect_class_and_false_rejects_for_the_good_one():
    judged = [part("dent", GOOD), part("dent", REJECT), part("dent", RECHECK), part("scratch", REJECT)]
    judged += [part("good", GOOD), part("good", REJECT), part("good", REJECT), part("good", RECHECK)]

    table = by_class(judged)

    seen = {name: (row["mistake"], row["mistakes"], row["n"], row["recheck"]) for name, row in table.items()}
    assert seen == {"dent": ("escape", 1, 3, 1), "good": ("false_reject", 2, 4, 1), "scratch": ("escape", 0, 1, 0)}


@pytest.mark.parametrize(("escapes", "n"), [(0, 9), (2, 9), (9, 9)], ids=["none", "some", "all"])
def test_bounds_of_a_class_are_those_of_scipy(escapes: int, n: int):
    row = by_class([part("dent", GOOD)] * escapes + [part("dent", REJECT)] * (n - escapes))["dent"]

    upper = beta.ppf(0.95, escapes + 1, n - escapes) if escapes < n else 1.0
    lower = beta.ppf(0.05, escapes, n - escapes + 1) if escapes else 0.0
    assert (row["mistake_rate_lower95"], row["mistake_rate_upper95"]) == (pytest.approx(lower), pytest.approx(upper))


def test_class_without_a_part_is_a_row_without_a_rate():
    row = by_class([part("good", GOOD)])["dent"]

    assert (row["n"], row["mistakes"], row["is_known"]) == (0, 0, True)
    assert row["mistake_rate"] is row["mistake_rate_upper95"] is row["recall"] is None


def test_class_unknown_to_the_model_has_a_row_of_its_own_and_escapes_like_any_other():
    table = by_class([part("stain", GOOD), part("stain", REJECT)])

    assert list(table) == ["dent", "good", "scratch", "stain"]
    assert (table["stain"]["is_known"], table["stain"]["mistakes"], table["stain"]["n"]) == (False, 1, 2)
    assert table["stain"]["recall"] == 0


def test_sorting_counts_parts_in_a_wrong_lane():
    table = by_class([part("dent", GOOD), part("dent", RECHECK), part("good", GOOD)], good=None)

    assert {name: (row["mistake"], row["mistakes"]) for name, row in table.items()} == {
        "dent": ("wrong_class", 1), "good": ("wrong_class", 0), "scratch": ("wrong_class", 0),
    }  # fmt: skip


def test_severities_count_defect_parts_alone_and_those_without_one_come_last():
    judged = [part("dent", GOOD, severity="major"), part("scratch", REJECT, severity=" major ")]
    judged += [part("dent", GOOD), part("good", REJECT, severity="major")]

    table = count_by_severity(judged, "good", ["major", "critical", ""])

    assert table is not None
    assert {name: (row["mistakes"], row["n"]) for name, row in table.items()} == {
        "critical": (0, 0), "major": (1, 2), "": (1, 1),
    }  # fmt: skip
    assert list(table)[-1] == ""


@pytest.mark.parametrize(("good", "severities"), [("good", [""]), (None, ["major"])], ids=["none-given", "sorting"])
def test_without_severities_or_without_defects_there_is_no_such_table(good: str | None, severities: list[str]):
    assert count_by_severity([part("dent", GOOD)], good, severities) is None


def test_overall_rates_have_both_bounds_and_the_classes_add_up_to_them():
    judged = [part("dent", GOOD), part("scratch", GOOD), part("scratch", REJECT), part("good", REJECT)]

    whole, table = count_mistakes(judged, "good"), by_class(judged)

    assert whole["escapes"] == sum(row["mistakes"] for row in table.values() if row["mistake"] == "escape") == 2
    assert whole["escape_rate_lower95"] == pytest.approx(beta.ppf(0.05, 2, 2))
    assert whole["false_reject_rate_upper95"] == 1.0


def test_part_without_a_score_is_in_no_bin():
    counts = count_scores([part("good", GOOD, 0.02), part("dent", REJECT, float("nan"))], "good")

    assert (counts["good"][0], sum(counts["good"]), sum(counts["defect"])) == (1, 1, 0)
