"""What several pictures of one part come to: the strictest verdict, whatever order the cameras have."""

from itertools import permutations

import pytest

from partgate.inference.inspector import Inspection
from partgate.inference.several import undecidable, worst_of
from partgate.parts import Decision, Prediction, Reason, Verdict


def judged(verdict: Verdict, score: float) -> Inspection:
    prediction = Prediction(score, {"good": 1 - score, "defect": score}, "good", "defect")
    return Inspection(Decision(verdict, Reason.MODEL), prediction, 0, 0)


GOOD, RECHECK, REJECT = judged(Verdict.GOOD, 0.9), judged(Verdict.RECHECK, 0.5), judged(Verdict.REJECT, 0.1)
TORN = undecidable(Reason.NO_WHOLE_PICTURE, "torn")


@pytest.mark.parametrize(
    ("inspections", "worst"),
    [
        ({"good": GOOD, "recheck": RECHECK, "reject": REJECT}, "reject"),
        ({"good": GOOD, "recheck": RECHECK}, "recheck"),
        ({"good": GOOD, "torn": TORN}, "torn"),
        ({"torn": TORN, "recheck": RECHECK}, "recheck"),
        ({"dark": undecidable(Reason.PICTURE_NOT_USABLE, "too dark"), "torn": TORN}, "torn"),
        ({"low": judged(Verdict.GOOD, 0.1), "high": judged(Verdict.GOOD, 0.2)}, "high"),
        ({"number": judged(Verdict.REJECT, 0.95), "none": judged(Verdict.REJECT, float("nan"))}, "none"),
    ],
    ids=[
        "reject-counts",
        "recheck-before-good",
        "missing-is-not-good",
        "score-of-equals",
        "missing-of-equals",
        "higher-score",
        "no-number",
    ],
)
def test_worst_counts_in_every_order_of_the_cameras(inspections: dict[str, Inspection], worst: str):
    assert {worst_of(dict(order)) for order in permutations(inspections.items())} == {worst}


def test_of_equals_the_first_camera_counts():
    assert worst_of({"top": RECHECK, "side": RECHECK}) == "top"
    assert worst_of({"side": RECHECK, "top": RECHECK}) == "side"


def test_no_picture_is_never_good():
    assert (TORN.decision.verdict, TORN.lane, TORN.class_number) == (Verdict.RECHECK, 0, 0)
