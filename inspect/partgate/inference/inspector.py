"""The one place where a picture becomes a verdict: line, evaluation and ``partgate predict`` all go through here."""

import logging
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from partgate.errors import DataError
from partgate.glossary import format_score
from partgate.inference.bundle import Bundle, Geometry, open_pinned
from partgate.inference.engine import PROBABILITIES, OnnxEngine, give_memory_back
from partgate.inference.outputs import keep_outputs
from partgate.parts import Decision, Image, Prediction, Reason, Verdict
from partgate.picture_check import Measures, check_picture
from partgate.recipe import Recipe, load_hashed_recipe

if TYPE_CHECKING:
    from partgate.inference.heat import HeatMap

logger = logging.getLogger(__name__)

_SUM_WITHIN = 0.01  # probabilities sum to 1; rounding of float32 and int8 stays far within


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that is known about one picture after it was judged."""

    decision: Decision
    prediction: Prediction | None  # None where the model was not asked or failed
    lane: int
    class_number: int
    measures: Measures | None = None  # of a picture that keeps all limits; what drifts is seen in these


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
        recipe_sha256: Of the file that the recipe was read from; empty where it comes from none.
    """

    def __init__(self, recipe: Recipe, bundle: Bundle, engine: OnnxEngine, recipe_sha256: str = "") -> None:
        self.recipe = recipe
        self.recipe_sha256 = recipe_sha256
        self.bundle = bundle
        self._engine = engine
        self._rule = recipe.decision.rule()
        self._geometry: Geometry = bundle.manifest.geometry
        self._whole_engine: OnnxEngine | None = None  # with all outputs, once something was explained
        self._opening = threading.Lock()

    @classmethod
    def open(cls, run_or_recipe: Path, threads: int = 1) -> Self:
        """Return an inspector for a run folder or recipe file, warmed up.

        Raises:
            ConfigError: If the recipe is wrong.
            BundleError: If the bundle is damaged or not the pinned one.
            EngineError: If the model does not load.
        """
        recipe, recipe_sha256 = load_hashed_recipe(run_or_recipe)
        bundle = open_pinned(recipe)
        graph = keep_outputs(bundle.model, (PROBABILITIES,))
        bundle = replace(bundle, model=b"")  # the engine has its own copy
        engine = OnnxEngine(graph, threads)
        del graph
        engine.warm_up()
        inspector = cls(recipe, bundle, engine, recipe_sha256)
        give_memory_back()
        return inspector

    def inspect(self, image: Image) -> Inspection:
        """Return the verdict on one picture. Never raises: what goes wrong is not good.

        A picture that is not usable is not decidable; an engine that fails, or a score that is no number, is a reject.

        Args:
            image: As the camera gave it, shape (H, W, 3), uint8, RGB.
        """
        prediction: Prediction | None = None
        measures: Measures | None = None
        try:
            self._geometry.looks(*image.shape[:2])  # before anything is measured: names a region that lies outside
            checked = check_picture(image, self._geometry.measured_region, self.recipe.picture)
            if checked.faults:
                decision = Decision(Verdict.RECHECK, Reason.PICTURE_NOT_USABLE, "; ".join(checked.faults))
            else:
                measures = checked.measures
                prediction = self.predict(image)
                decision = _say_where(self._rule.decide(prediction), prediction)
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
            measures,
        )

    def predict(self, image: Image) -> Prediction:
        """Return what the model says, without a verdict; of several looks the worst, with its name.

        The worst has the highest defect score; a score that is no number is worse than all. Of equals the first counts.

        Raises:
            DataError: If a region does not lie inside the picture.
            EngineError: If the model fails on any look: the others cannot speak for it.
        """
        manifest = self.bundle.manifest
        found = []
        for look, picture in self._geometry.fit(image):
            (probabilities,) = self._engine.run(picture, (PROBABILITIES,))
            prediction = to_prediction(probabilities, manifest.classes, manifest.good_class)
            found.append(replace(prediction, region=look.name))
        return max(found, key=_badness)

    def explain(self, image: Image) -> "HeatMap":
        """Return where on the picture the model's answer comes from; never part of a verdict.

        The first call reads the bundle again, since the line keeps nothing of the graph but the probabilities.

        Args:
            image: As the camera gave it, shape (H, W, 3), uint8, RGB.

        Raises:
            DataError: If a region does not lie inside the picture.
            BundleError: If the bundle's file is gone or another one by now.
            EngineError: If the model fails, or what it gives is no number.
        """
        from partgate.inference.heat import explain_part  # a station never loads it

        with self._opening:
            if self._whole_engine is None:
                self._whole_engine = OnnxEngine(self.bundle.model or open_pinned(self.recipe).model)
        manifest = self.bundle.manifest
        return explain_part(self._whole_engine, self._geometry, image, manifest.classes, manifest.good_class)

    @property
    def runs_per_part(self) -> int:
        """Return how often the engine runs for one picture."""
        return max(1, len(self._geometry.look_names))

    def rehearse(self) -> None:
        """Run the engine as often as one picture needs it, on empty ones: what a part costs.

        Raises:
            EngineError: If the model fails.
        """
        self._engine.warm_up(times=self.runs_per_part)

    def check(self) -> None:
        """Run the engine once on an empty picture; the loop does this before it counts its heartbeat up.

        Raises:
            EngineError: If the model fails.
        """
        self._engine.warm_up(times=1)


def _badness(prediction: Prediction) -> float:
    score = prediction.defect_score
    return score if score == score else float("inf")  # NaN compares as neither more nor less: it must not get lost


def _say_where(decision: Decision, prediction: Prediction) -> Decision:
    """Return a decision that names the region it rests on, where there are several and the part is not good."""
    if prediction.region is None or decision.verdict is Verdict.GOOD:
        return decision
    if decision.detail:
        return replace(decision, detail=f"at '{prediction.region}': {decision.detail}")
    score = format_score(prediction.defect_score, "en", 2)
    return replace(decision, detail=f"{prediction.defect_class} at '{prediction.region}', score {score}")
