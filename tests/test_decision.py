"""The decision: GOOD is earned, limits belong to the stricter side."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.decision import DecisionRule
from partgate.parts import Decision, Prediction, Reason, Verdict

RULE = DecisionRule(recheck_from=0.4, reject_from=0.6)
STRICTNESS = [Verdict.GOOD, Verdict.RECHECK, Verdict.REJECT]
share = st.floats(0, 1)


def decide(rule: DecisionRule, score: float) -> Decision:
    """Return the decision on a score."""
    return rule.decide(Prediction(score, {"good": 1 - score, "dent": score}, "good", "dent"))


@pytest.mark.parametrize(
    ("score", "verdict", "reason"),
    [
        (0.0, Verdict.GOOD, Reason.MODEL),
        (math.nextafter(0.4, 0), Verdict.GOOD, Reason.MODEL),
        (0.4, Verdict.RECHECK, Reason.RECHECK_BAND),
        (math.nextafter(0.6, 0), Verdict.RECHECK, Reason.RECHECK_BAND),
        (0.6, Verdict.REJECT, Reason.MODEL),
        (1.0, Verdict.REJECT, Reason.MODEL),
    ],
    ids=["surely-good", "just-below", "recheck-limit-belongs-to-recheck", "just-below-reject",
         "reject-limit-belongs-to-reject", "surely-defect"],
)  # fmt: skip
def test_limit_belongs_to_the_stricter_side(score: float, verdict: Verdict, reason: Reason) -> None:
    decision = decide(RULE, score)

    assert (decision.verdict, decision.reason) == (verdict, reason)


@pytest.mark.parametrize(
    "score",
    [math.nan, -math.nan, math.inf, -math.inf, -0.001, -math.ulp(0), math.nextafter(1, 2), 1.001, 1e300],
    ids=str,
)
@pytest.mark.parametrize(
    "rule", [RULE, DecisionRule(1, 1), DecisionRule(0, 0), DecisionRule(0, 1)], ids=["usual", "mild", "strict", "band"]
)
def test_score_that_is_no_probability_is_a_reject_of_reason_8(rule: DecisionRule, score: float) -> None:
    decision = decide(rule, score)

    assert (decision.verdict, decision.reason) == (Verdict.REJECT, Reason.ENGINE_FAILED)
    assert decision.detail == f"defect score {score} is not between 0 and 1"


@given(st.floats(), share, share)
def test_only_a_number_from_zero_to_below_the_limit_is_ever_good(score: float, one: float, other: float) -> None:
    rule = DecisionRule(min(one, other), max(one, other))

    verdict = decide(rule, score).verdict

    assert (verdict is Verdict.GOOD) == (0 <= score < rule.recheck_from)


@given(share, share, share, share)
def test_higher_score_never_gives_a_milder_verdict(one: float, other: float, low: float, high: float) -> None:
    rule = DecisionRule(min(one, other), max(one, other))
    low, high = sorted([low, high])

    assert STRICTNESS.index(decide(rule, low).verdict) <= STRICTNESS.index(decide(rule, high).verdict)


@given(share, share)
def test_equal_limits_never_recheck(limit: float, score: float) -> None:
    assert decide(DecisionRule(limit, limit), score).verdict is not Verdict.RECHECK


@given(share)
def test_limit_of_zero_lets_nothing_pass(score: float) -> None:
    assert decide(DecisionRule(0, 0), score).verdict is Verdict.REJECT


@pytest.mark.parametrize(
    ("recheck_from", "reject_from"),
    [(0.9, 0.5), (-0.1, 0.5), (0.5, 1.1), (math.nan, 0.5), (0.5, math.nan), (math.inf, math.inf)],
)
def test_limits_out_of_order_are_refused_with_both_values(recheck_from: float, reject_from: float) -> None:
    told = rf"0 <= recheck_from <= reject_from <= 1, got recheck_from={recheck_from} and reject_from={reject_from}"

    with pytest.raises(ValueError, match=told):
        DecisionRule(recheck_from, reject_from)
