"""The product on one fold of a real set: learned from the other folds alone, exported, judged by its own limits."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partgate.data.folder import LabelledFolder, Picture
from partgate.inference.engine import PROBABILITIES, OnnxEngine
from partgate.inference.inspector import to_prediction
from partgate.models.export import export_onnx
from partgate.recipe import Limits
from partgate.training.config import TrainingConfig
from partgate.training.distributed import Team
from partgate.training.features import read_part
from partgate.training.judged import find_limits
from partgate.training.learn import Learned, learn
from partgate.training.model import make_classifier


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model made of the pictures that it had not seen."""

    probabilities: NDArray[np.float64]  # (N, C), of the worst look
    even_shares: NDArray[np.float64]  # (N, C), as if all classes were equally frequent
    verdicts: NDArray[np.int64]  # (N,) numbers of ``Verdict``
    verdicts_without_band: NDArray[np.int64]  # the same with the recheck band closed


def learn_and_judge(
    learned: list[Picture], held_out: list[Picture], folder: LabelledFolder, config: TrainingConfig
) -> tuple[Judgement, Learned]:
    """Return the verdicts on pictures of other groups; limits come from out-of-fold scores, as in training.

    Args:
        learned: Pictures to learn from.
        held_out: Pictures to judge, once.
        folder: Classes and good class.
        config: Of the training.
    """
    with tempfile.TemporaryDirectory() as work:
        result = learn(learned, folder, config, Path(work), Team(), _quiet, lambda _: None, lambda: None)
        model = make_classifier(result.backbone, result.choice, result.judged.calibration, folder, config)
        geometry = result.backbone.geometry
        onnx = export_onnx(model, geometry.height_px, geometry.width_px, model.output_names)
    limits = find_limits(result.judged, folder, config)
    engine = OnnxEngine(onnx, config.threads)
    rows = np.array([_worst(engine, picture, result, folder) for picture in held_out])
    predictions = [to_prediction(row, folder.classes, folder.good_class) for row in rows]
    rule = Limits(recheck_from=limits.recheck_from, reject_from=limits.reject_from).rule()
    closed = Limits(recheck_from=limits.reject_from, reject_from=limits.reject_from).rule()
    shares = np.bincount(result.judged.labels, minlength=len(folder.classes)) / len(result.judged.labels)
    return Judgement(
        rows,
        rows / np.maximum(shares, 1e-9),
        np.array([int(rule.decide(one).verdict) for one in predictions]),
        np.array([int(closed.decide(one).verdict) for one in predictions]),
    ), result


def _worst(engine: OnnxEngine, picture: Picture, result: Learned, folder: LabelledFolder) -> NDArray[np.float64]:
    rows = [engine.run(seen, (PROBABILITIES,))[0] for seen in read_part(picture, result.backbone.geometry)[0]]
    scores = [to_prediction(row, folder.classes, folder.good_class).defect_score for row in rows]
    return np.asarray(rows[int(np.argmax(scores))], float)


def _quiet(_what: str, _done: int, _of: int) -> None:
    return
