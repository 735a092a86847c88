"""What several pictures of one part come to: all must be good, and the worst verdict holds for the part."""

from collections.abc import Mapping

from partgate.errors import ConfigError
from partgate.inference.inspector import Inspection
from partgate.parts import Decision, Reason, Verdict
from partgate.recipe import Recipe

_SEVERITY = {Verdict.GOOD: 0, Verdict.RECHECK: 1, Verdict.REJECT: 2}


def undecidable(reason: Reason, detail: str) -> Inspection:
    """Return a verdict that no model gave: not decidable, lane 0."""
    return Inspection(Decision(Verdict.RECHECK, reason, detail), None, 0, 0)


def worst_of(inspections: Mapping[str, Inspection]) -> str:
    """Return the camera whose verdict holds for the part: all must be good, one reject is enough.

    Of equal verdicts the higher defect score counts, then a picture that is missing, then the order of the cameras.

    Args:
        inspections: By camera, at least one.

    Example:
        >>> good = Inspection(Decision(Verdict.GOOD, Reason.MODEL), None, 1, 0)
        >>> worst_of({"top": good, "side": undecidable(Reason.NO_WHOLE_PICTURE, "torn"), "back": good})
        'side'
    """
    return max(inspections, key=lambda camera: _badness(inspections[camera]))


def _badness(inspection: Inspection) -> tuple[int, float, bool]:
    decision = inspection.decision
    score = inspection.prediction.defect_score if inspection.prediction else 0.0
    is_missing = decision.reason is Reason.NO_WHOLE_PICTURE
    return _SEVERITY[decision.verdict], score if score == score else float("inf"), is_missing


def refuse_what_does_not_fit(station: str, recipes: Mapping[str, Recipe]) -> None:
    """Refuse recipes of several cameras that cannot speak for one part.

    Args:
        station: Its name, for the message.
        recipes: By camera.

    Raises:
        ConfigError: If one of several sorts by class, or a good part would go to different lanes.
    """
    if len(recipes) == 1:
        return
    sorting = [camera for camera, recipe in recipes.items() if recipe.good_class is None]
    if sorting:
        raise ConfigError(
            [f"station '{station}': camera '{sorting[0]}' sorts by class; several cameras need a good class"]
        )
    lanes = {camera: recipe.lane_for(Verdict.GOOD, None) for camera, recipe in recipes.items()}
    if len(set(lanes.values())) > 1:
        told = ", ".join(f"'{camera}' {lane}" for camera, lane in lanes.items())
        raise ConfigError([f"station '{station}': a good part must go to one lane for all cameras, got {told}"])
