"""The decision: a score and two limits become a verdict that a quality manager can read aloud."""

from dataclasses import dataclass

from partgate.parts import Decision, Prediction, Reason, Verdict


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """Good below ``recheck_from``, recheck from there, reject from ``reject_from`` upwards.

    Both limits are defect scores between 0 (surely good) and 1 (surely defect); equal limits mean that there is no
    recheck band. A score that is not a number is a reject: GOOD must be earned.
    """

    recheck_from: float
    reject_from: float

    def __post_init__(self) -> None:
        if not 0 <= self.recheck_from <= self.reject_from <= 1:
            raise ValueError(
                "limits must satisfy 0 <= recheck_from <= reject_from <= 1, "
                f"got recheck_from={self.recheck_from} and reject_from={self.reject_from}"
            )

    def decide(self, prediction: Prediction) -> Decision:
        """Return the verdict for one part.

        The order of the branches is the safety argument: every comparison with NaN is false, so a broken score falls
        through to the last line.
        """
        score = prediction.defect_score
        if 0 <= score < self.recheck_from:
            return Decision(Verdict.GOOD, Reason.MODEL)
        if self.recheck_from <= score < self.reject_from:
            return Decision(Verdict.RECHECK, Reason.RECHECK_BAND)
        if self.reject_from <= score <= 1:
            return Decision(Verdict.REJECT, Reason.MODEL)
        return Decision(Verdict.REJECT, Reason.ENGINE_FAILED, f"defect score {score} is not between 0 and 1")
