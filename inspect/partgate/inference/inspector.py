"""The one place where a picture becomes a verdict: line, evaluation and ``partgate predict`` all go through here."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from partgate.errors import DataError
from partgate.imaging import fit_picture
from partgate.inference.bundle import Bundle, Geometry, open_pinned
from partgate.inference.engine import PROBABILITIES, OnnxEngine, give_memory_back
from partgate.parts import Decision, Image, Prediction, Reason, Verdict
from partgate.picture_check import find_picture_faults
from partgate.recipe import Recipe, load_recipe

logger = logging.getLogger(__name__)

_SUM_WITHIN = 0.01  # probabilities sum to 1; rounding of float32 and int8 stays far within


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that is known about one picture after it was judged."""

    decision: Decision
    prediction: Prediction | None  # None where the model was not asked or failed
    lane: int
    class_number: int


def to_prediction(probabilities: NDArray[np.floating], classes: tuple[str, ...], good_class: str | None) -> Prediction:
    """Return what probabilities mean for a product.

    With a good class the defect score is the probability that the part is not good. In sorting by class it is the
    probability that the most likely class is wrong.

    Args:
        probabilities: One per class, shape (C,). Where they are none (NaN, negative, not summing to 1) the score is
            NaN: zeros everywhere must not look like "surely no defect".
        classes: Their names.
        good_class: The good one; ``None`` sorts by class.

    Example:
        >>> round(to_prediction(np.array([0.1, 0.9]), ("dent", "good"), "good").defect_score, 3)
        0.1
    """
    probabilities = np.asarray(probabilities, np.float64)
    order = np.argsort(-probabilities, kind="stable")
    best = classes[int(order[0])]
    values = {name: float(value) for name, value in zip(classes, probabilities, strict=True)}
    is_sound = np.isfinite(probabilities).all() and probabilities.min() >= 0
    if not is_sound or abs(probabilities.sum() - 1) > _SUM_WITHIN:
        return Prediction(float("nan"), values, best, None)
    if good_class is None:
        return Prediction(float(1 - probabilities.max()), values, best, best)
    defect = next((classes[int(i)] for i in order if classes[int(i)] != good_class), None)
    score = sum(value for name, value in values.items() if name != good_class)  # not 1 - p: small scores keep digits
    return Prediction(min(1.0, score), values, best, defect)


class Inspector:
    """Judges pictures by one recipe.

    Args:
        recipe: Rule, lanes, picture limits.
        bundle: The pinned bundle.
        engine: Runs the bundle's graph.
    """

    def __init__(self, recipe: Recipe, bundle: Bundle, engine: OnnxEngine) -> None:
        self.recipe = recipe
        self.bundle = bundle
        self._engine = engine
        self._rule = recipe.decision.rule()
        self._geometry: Geometry = bundle.manifest.geometry

    @classmethod
    def open(cls, run_or_recipe: Path, threads: int = 1) -> Self:
        """Return an inspector for a run folder or recipe file, warmed up.

        Raises:
            ConfigError: If the recipe is wrong.
            BundleError: If the bundle is damaged or not the pinned one.
            EngineError: If the model does not load.
        """
        recipe = load_recipe(run_or_recipe)
        bundle = open_pinned(recipe)
        engine = OnnxEngine(bundle.model, threads)
        engine.warm_up()
        inspector = cls(recipe, replace(bundle, model=b""), engine)  # the engine has its own copy
        del bundle
        give_memory_back()
        return inspector

    def inspect(self, image: Image) -> Inspection:
        """Return the verdict on one picture. Never raises: what goes wrong is not good.

        A picture that is not usable is not decidable; an engine that fails, or a score that is no number, is a reject.

        Args:
            image: As the camera gave it, shape (H, W, 3), uint8, RGB.
        """
        prediction: Prediction | None = None
        try:
            faults = find_picture_faults(image, self._geometry.region, self.recipe.picture)
            if faults:
                decision = Decision(Verdict.RECHECK, Reason.PICTURE_NOT_USABLE, "; ".join(faults))
            else:
                prediction = self.predict(image)
                decision = self._rule.decide(prediction)
        except DataError as error:
            decision = Decision(Verdict.RECHECK, Reason.PICTURE_NOT_USABLE, str(error))
        except Exception as error:  # whatever an engine can throw must end in a reject, not in a stopped line
            logger.exception("engine failed")
            decision = Decision(Verdict.REJECT, Reason.ENGINE_FAILED, f"{type(error).__name__}: {error}")
        verdict = decision.verdict
        return Inspection(
            decision,
            prediction,
            self.recipe.lane_for(verdict, prediction),
            self.recipe.class_number_for(verdict, prediction),
        )

    def predict(self, image: Image) -> Prediction:
        """Return what the model says, without a verdict.

        Raises:
            DataError: If the region does not lie inside the picture.
            EngineError: If the model fails.
        """
        geometry = self._geometry
        picture = fit_picture(image, geometry.region, geometry.height_px, geometry.width_px)
        (probabilities,) = self._engine.run(picture, (PROBABILITIES,))
        manifest = self.bundle.manifest
        return to_prediction(probabilities, manifest.classes, manifest.good_class)

    def check(self) -> None:
        """Run the engine once on an empty picture; the loop does this before it counts its heartbeat up.

        Raises:
            EngineError: If the model fails.
        """
        self._engine.warm_up(times=1)
