"""Which pictures the run page shows, and their small copies."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from partgate.data.folder import Picture
from partgate.errors import DataError
from partgate.imaging import crop_region, encode_jpeg, read_picture
from partgate.inference.bundle import Geometry
from partgate.inference.inspector import to_prediction
from partgate.parts import Prediction, Verdict
from partgate.recipe import Limits
from partgate.training.outcome import Story

MOST_SHOWN = 6  # of one kind
_MOST_SURE, _MOST_SURE_OF_CLASS = 24, 3
_THUMBNAIL_PX, _JPEG_QUALITY = 200, 78


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and what a model that had not seen it said."""

    picture: Picture
    prediction: Prediction  # with the place that decided
    verdict: Verdict
    group: str


@dataclass(frozen=True, slots=True)
class Row:
    """Pictures shown side by side."""

    kind: str  # escape, false_reject, wrong_class, near or sure
    samples: tuple[Sample, ...]
    count: int  # of which they are some


def judge_samples(story: Story) -> list[Sample]:
    """Return every picture with its out-of-fold judgement by the chosen limits, in the order of the features."""
    folder, learned = story.folder, story.learned
    rule = Limits(recheck_from=story.limits.recheck_from, reject_from=story.limits.reject_from).rule()
    samples = []
    for place, picture in enumerate(learned.found.pictures):
        prediction = to_prediction(learned.judged.probabilities[place], folder.classes, folder.good_class)
        prediction = replace(prediction, region=learned.judged.regions[place])
        verdict = rule.decide(prediction).verdict
        samples.append(Sample(picture, prediction, verdict, str(learned.judged.groups[place])))
    return samples


def pick_rows(samples: Sequence[Sample], good_class: str | None, limits: Sequence[float]) -> list[Row]:
    """Return what is worth a look: mistakes, pictures nearest to a limit, sure ones of each class; none twice.

    Args:
        samples: All of them.
        good_class: ``None`` sorts by class.
        limits: Scores at which the verdict changes.
    """
    rows, shown = [], set[str]()

    def add(kind: str, found: Sequence[Sample], most: int) -> None:
        picked = _one_of_a_group(found, most)
        shown.update(one.picture.file for one in picked)
        if picked:
            rows.append(Row(kind, tuple(picked), len(found)))

    for kind in ("escape", "false_reject") if good_class is not None else ("wrong_class",):
        wrong = [one for one in samples if kind_of_mistake(one, good_class) == kind]
        wrong.sort(key=lambda one: one.prediction.defect_score, reverse=kind == "false_reject")
        add(kind, wrong, MOST_SHOWN)
    near = [one for one in samples if kind_of_mistake(one, good_class) is None]
    add("near", sorted(near, key=lambda one: _distance(one, limits)), MOST_SHOWN)
    sure = _sure(samples, good_class)
    each = max(1, min(_MOST_SURE_OF_CLASS, _MOST_SURE // max(1, len(sure))))
    unseen = [[one for one in of_class if one.picture.file not in shown] for of_class in sure]
    picked = tuple(one for of_class in unseen for one in _one_of_a_group(of_class, each))
    return [*rows, Row("sure", picked, sum(map(len, sure)))] if picked else rows


def kind_of_mistake(sample: Sample, good_class: str | None) -> str | None:
    """Return escape, false_reject or wrong_class; None where the verdict is right or a person decides."""
    if good_class is None:
        is_wrong = sample.verdict is Verdict.GOOD and sample.prediction.predicted_class != sample.picture.label
        return "wrong_class" if is_wrong else None
    is_good = sample.picture.label == good_class
    if sample.verdict is Verdict.GOOD and not is_good:
        return "escape"
    return "false_reject" if sample.verdict is Verdict.REJECT and is_good else None


def _sure(samples: Sequence[Sample], good_class: str | None) -> list[list[Sample]]:
    """Return for each class the pictures that were judged right and taken for it, the surest first."""
    right: dict[str, list[Sample]] = {}
    for one in sorted(samples, key=lambda one: -one.prediction.probabilities[one.picture.label]):
        wanted = Verdict.GOOD if good_class in (None, one.picture.label) else Verdict.REJECT
        if one.verdict is wanted and one.prediction.predicted_class == one.picture.label:
            right.setdefault(one.picture.label, []).append(one)
    return [right[name] for name in sorted(right)]


def _distance(sample: Sample, limits: Iterable[float]) -> float:
    return min(abs(sample.prediction.defect_score - limit) for limit in limits)


def _one_of_a_group(samples: Iterable[Sample], most: int) -> list[Sample]:
    """Return the first ones, of each group one: pictures of one part tell the same story."""
    picked: dict[str, Sample] = {}
    for one in samples:
        if len(picked) < most:
            picked.setdefault(one.group, one)
    return list(picked.values())


def thumbnail(sample: Sample, geometry: Geometry) -> str | None:
    """Return a small copy of what the model looked at, as a data URI; None where the picture is gone.

    Of several regions the one that decided is shown, of tiles the whole.
    """
    try:
        image = read_picture(sample.picture.path)
        box = geometry.regions.get(sample.prediction.region or "") or geometry.measured_region
        image = crop_region(image, box)
    except DataError:
        return None
    scale = _THUMBNAIL_PX / max(image.shape[:2])
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image, _JPEG_QUALITY)).decode("ascii")
