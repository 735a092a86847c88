"""The figures of an agreement study: the manual's example, limits, levels, and what must not be claimed."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from partgate.msa.msa import BALANCED, LIMITS, analyse, level_at_least, level_at_most
from partgate.msa.study import Call, RecheckAs, Study, build_study
from partgate.parts import Verdict

G, D, R = Verdict.GOOD, Verdict.REJECT, Verdict.RECHECK
MakeStudy = Callable[..., Study]


def study(truth: list[Verdict], recheck_as: RecheckAs = "defect", **said: list[list[Verdict]]) -> Study:
    """Return a study of parts 1, 2, 3 ...: per appraiser a row of verdicts for each part."""
    calls = [
        Call("made", str(part), name, str(run), verdict, truth[part - 1])
        for name, rows in said.items()
        for part, row in enumerate(rows, start=1)
        for run, verdict in enumerate(row, start=1)
    ]
    return build_study(calls, {}, recheck_as=recheck_as, station="station")


@pytest.fixture(scope="module")
def manual() -> dict[str, object]:
    """The attribute study of the AIAG MSA manual (3rd ed. p. 127, 4th ed. p. 134): 50 parts, 3 appraisers, 3 runs.

    1 = acceptable, 0 = not. Secondary sources with its data and results: SigmaXL "Attribute MSA (Binary)"; the numbers
    42/50, 45/50, 40/50 and 29/13, 32/13, 28/12 (all-1/all-0) also in elsmar.com thread 46508.
    """
    mixed = {6: "110110100", 7: "111111101", 12: "000000010", 14: "110111100", 21: "110101010", 22: "001010110",
             26: "010000001", 30: "000001000", 34: "001001011", 36: "110111101", 43: "101111110"}  # fmt: skip
    not_acceptable = {3, 4, 5, 9, 12, 22, 25, 26, 30, 34, 37, 39, 42, 45, 48, 50}
    rows = [mixed.get(part, ("0" if part in not_acceptable else "1") * 9) for part in range(1, 51)]
    said = {
        name: [[G if row[3 * place + run] == "1" else D for run in range(3)] for row in rows]
        for place, name in enumerate("ABC")
    }
    return analyse(study([D if part in not_acceptable else G for part in range(1, 51)], **said))


def test_manual_effectiveness_misses_and_false_alarms_are_the_published_ones(manual):
    found = [
        [one["effectiveness_parts"]["rate"], one["miss"]["rate"], one["false_alarm"]["rate"]]
        for one in manual["appraisers"]
    ]

    published = [[0.84, 0.0625, 0.049], [0.90, 0.0625, 0.020], [0.80, 0.125, 0.088]]
    assert np.array(found) == pytest.approx(np.array(published), abs=5e-4)


def test_manual_cross_tables_are_the_published_ones(manual):
    """Published as counts of 0 and 1; here good (1) stands first: [[1/1, 1/0], [0/1, 0/0]]."""
    assert [pair["table"] for pair in manual["pairs"]] == [
        [[97, 3], [6, 44]],
        [[92, 8], [7, 43]],
        [[94, 9], [5, 42]],
    ]
    assert manual["appraisers"][0]["reference_table"] == [[97, 3], [5, 45]]


def test_manual_cohens_kappas_are_the_published_ones(manual):
    pairs = [round(pair["kappa"]["value"], 2) for pair in manual["pairs"]]
    reference = [round(one["kappa_reference"]["value"], 2) for one in manual["appraisers"]]

    assert pairs == [0.86, 0.78, 0.79]
    assert reference == [0.88, 0.92, 0.77]


def test_manual_appraisers_lean_to_the_mistake_they_make_more_often(manual):
    """A: 5 false alarms, 3 misses; B: 2 and 3; C: 9 and 6."""
    assert [one["leans"] for one in manual["appraisers"]] == ["defect", "good", "defect"]
    assert manual["appraisers"][0]["bowker_reference"]["statistic"] == (5 - 3) ** 2 / (5 + 3)


def test_manual_fleiss_kappas_are_those_of_statistics_programs(manual):
    """Within 0.760, 0.845, 0.703; between 0.794, standard error under no agreement sqrt(2 / (50 x 9 x 8)) = 0.0236."""
    within = [one["kappa_within"]["value"] for one in manual["appraisers"]]
    between = manual["between"]["kappa"]

    assert within == pytest.approx([0.760, 0.845, 0.703], abs=5e-4)
    assert between["value"] == pytest.approx(0.794, abs=5e-4)
    assert between["textbook_error"] == pytest.approx(np.sqrt(2 / (50 * 9 * 8)), abs=1e-9)


def test_manual_intervals_are_the_published_ones(manual):
    """Score and 95 % interval: A 84 % (71 to 93), B 90 % (78 to 97), C 80 % (66 to 90); system 78 % (64 to 88)."""
    intervals = [one["repeatability"]["interval95"] for one in manual["appraisers"]]
    system = manual["between"]["right"]

    assert np.round(intervals, 2).tolist() == [[0.71, 0.93], [0.78, 0.97], [0.66, 0.90]]
    assert (system["k"], system["n"]) == (39, 50)
    assert np.round(system["interval95"], 3).tolist() == [0.640, 0.885]


def test_manual_appraisers_are_not_acceptable_for_their_misses(manual):
    """6.3 % and 12.5 % misses lie above 5 %; B's effectiveness of exactly 90 % belongs to the better side."""
    levels = [one["assessment"]["levels"] for one in manual["appraisers"]]

    assert [one["assessment"]["overall"] for one in manual["appraisers"]] == ["unacceptable"] * 3
    assert [one["effectiveness"] for one in levels] == ["marginal", "acceptable", "marginal"]
    assert [one["false_alarm"] for one in levels] == ["acceptable", "acceptable", "marginal"]


def test_effectiveness_per_part_and_per_decision_differ():
    figures = analyse(study([G, D], anna=[[G, G, D], [D, D, D]]))["appraisers"][0]

    parts, decisions = figures["effectiveness_parts"], figures["effectiveness_decisions"]
    assert (parts["k"], parts["n"]) == (1, 2)
    assert (decisions["k"], decisions["n"]) == (5, 6)


def test_no_miss_on_twenty_defect_parts_is_acceptable_but_not_shown():
    truth = [D] * 20 + [G] * 20

    figures = analyse(study(truth, station=[[word] * 3 for word in truth]))["appraisers"][0]

    assert (figures["miss"]["k"], figures["miss"]["n"]) == (0, 60)
    assert figures["miss"]["upper95"] == pytest.approx(0.139, abs=5e-4)  # 20 parts, not 60 decisions
    assert figures["assessment"]["levels"]["miss"] == "acceptable"
    assert not figures["assessment"]["shown"]["miss"]


def test_hundred_and_forty_nine_defect_parts_without_a_miss_show_it():
    truth = [D] * 149 + [G] * 149

    assessment = analyse(study(truth, station=[[word] * 2 for word in truth]))["appraisers"][0]["assessment"]

    assert assessment["overall"] == "acceptable"
    assert all(assessment["shown"].values())


def test_an_unacceptable_rate_is_shown_only_where_its_lower_bound_lies_there():
    truth = [D] * 20 + [G] * 20

    def shown(missed: int) -> bool:
        said = [[G] * 2] * missed + [[D] * 2] * (20 - missed) + [[G] * 2] * 20
        return bool(analyse(study(truth, anna=said))["appraisers"][0]["assessment"]["shown"]["miss"])

    assert (shown(2), shown(5)) == (False, True)  # lower bounds 1.8 % and 10.4 % against 5 %


@pytest.mark.parametrize(("defects", "has_verdict"), [(2, False), (3, True), (7, True), (8, False), (0, False)])
def test_outside_30_to_70_percent_defect_parts_there_is_no_verdict(defects: int, has_verdict: bool):
    truth = [D] * defects + [G] * (10 - defects)

    figures = analyse(study(truth, anna=[[word, word] for word in truth]))

    assert (figures["appraisers"][0]["assessment"] is not None, figures["is_balanced"]) == (has_verdict, has_verdict)


def test_study_of_good_parts_alone_says_nothing_about_misses():
    figures = analyse(study([G, G], anna=[[G, G], [G, D]]))["appraisers"][0]

    assert figures["miss"]["rate"] is None
    assert figures["miss"]["upper95"] is None
    assert json.dumps(figures, allow_nan=False)


def test_one_appraiser_has_nobody_to_agree_with():
    figures = analyse(study([G, D], anna=[[G, G], [D, D]]))

    assert (figures["between"], figures["pairs"]) == (None, [])


def test_single_run_says_nothing_about_repeating():
    figures = analyse(study([G, D], anna=[[G], [D]], ben=[[G], [G]]))

    assert [one["repeatability"] for one in figures["appraisers"]] == [None, None]
    assert [one["kappa_within"] for one in figures["appraisers"]] == [None, None]
    assert figures["between"]["agreed"]["k"] == 1


@pytest.mark.parametrize(
    ("recheck_as", "right", "misses", "false_alarms"),
    [("defect", 1, 0, 1), ("good", 1, 1, 0), ("own", 0, 0, 0)],
)
def test_recheck_counts_as_the_user_says_and_stays_visible(
    recheck_as: RecheckAs, right: int, misses: int, false_alarms: int
):
    figures = analyse(study([G, D], recheck_as, station=[[R], [R]]))["appraisers"][0]

    assert (figures["effectiveness_parts"]["k"], figures["miss"]["k"], figures["false_alarm"]["k"]) == (
        right, misses, false_alarms,
    )  # fmt: skip
    assert (figures["rechecks_good"], figures["rechecks_defect"]) == (1, 1)


def test_recheck_as_a_word_of_its_own_has_its_own_row_between_appraisers():
    figures = analyse(study([G, D], "own", station=[[R], [D]], anna=[[G], [D]]))

    assert figures["words"] == ["GOOD", "REJECT", "RECHECK"]
    assert figures["pairs"][0]["table"] == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert figures["appraisers"][0]["bowker_reference"]["degrees"] == 0  # the reference never says recheck


def test_parts_with_the_most_wrong_decisions_stand_first_among_the_borderline_ones():
    figures = analyse(study([G, G, D], anna=[[G, G], [G, D], [G, G]], ben=[[G, G], [G, G], [D, G]]))

    assert [(row["part"], row["wrong"]) for row in figures["borderline"]] == [("3", 3), ("2", 1)]


def test_part_that_all_get_wrong_in_every_run_is_no_borderline_part_but_counts_as_wrong():
    figures = analyse(study([D, G], anna=[[G, G], [G, G]], ben=[[G, G], [G, G]]))

    assert figures["borderline"] == []
    assert (figures["between"]["agreed"]["k"], figures["between"]["right"]["k"]) == (2, 1)


def test_gate_of_the_text_has_the_kappas_that_the_page_tells():
    """98 % of the defects found, 97 % of the good let through: kappa 0.95, 0.86, 0.56 at 50, 10, 2 % defect parts."""

    def kappa(share: float) -> float:
        called = 0.98 * share + 0.03 * (1 - share)
        seen, chance = 0.98 * share + 0.97 * (1 - share), called * share + (1 - called) * (1 - share)
        return (seen - chance) / (1 - chance)

    assert [kappa(share) for share in (0.5, 0.1, 0.02)] == pytest.approx([0.95, 0.855, 0.56], abs=0.005)


def test_limits_are_the_usual_ones_and_exactly_at_the_limit_is_the_better_side():
    assert {name: tuple(levels.values()) for name, levels in LIMITS.items()} == {
        "effectiveness": (0.90, 0.80), "miss": (0.02, 0.05), "false_alarm": (0.05, 0.10),
    }  # fmt: skip
    assert BALANCED == (0.30, 0.70)
    assert [level_at_least(k / 50, LIMITS["effectiveness"]) for k in (45, 44, 40, 39)] == [
        "acceptable", "marginal", "marginal", "unacceptable",
    ]  # fmt: skip
    assert [level_at_most(k / 100, LIMITS["miss"]) for k in (2, 3, 5, 6)] == [
        "acceptable", "marginal", "marginal", "unacceptable",
    ]  # fmt: skip


def _bounds(misses: NDArray[np.bool_]) -> tuple[float, float]:
    truth = [D] * len(misses) + [G] * len(misses)
    said = [[G if miss else D for miss in row] for row in misses] + [[G] * misses.shape[1]] * len(misses)
    miss = analyse(study(truth, anna=said))["appraisers"][0]["miss"]
    return miss["lower95"], miss["upper95"]


def test_bounds_of_a_rate_hold_however_much_the_runs_of_a_part_repeat_themselves():
    """Made parts: a tenth are always missed, a tenth every other time; the true miss rate is 15 %."""
    rng = np.random.default_rng(3)
    chances = rng.choice([0, 0.5, 1], p=[0.8, 0.1, 0.1], size=(120, 25))

    bounds = [_bounds(rng.random((25, 3)) < row[:, None]) for row in chances]

    assert np.mean([low <= 0.15 for low, _ in bounds]) >= 0.95
    assert np.mean([high >= 0.15 for _, high in bounds]) >= 0.95
