"""A bundle's verdicts on labelled pictures: which pictures may be used, and what came out for each part."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from partgate.data.folder import LabelledFolder, Picture
from partgate.data.split import read_split
from partgate.data.straighten import refuse_other_straightening
from partgate.errors import DataError, EngineError
from partgate.evaluation.seen import refuse_known, split_beside
from partgate.imaging import read_picture
from partgate.inference.inspector import Inspector, to_prediction
from partgate.parts import Decision, Image, Prediction, Reason, Verdict

Progress = Callable[[str, int, int], None]
_AHEAD = 2  # per thread: work that waits, so that none of them ever does; a whole folder at once would pile up
_Work = TypeVar("_Work")
_Done = TypeVar("_Done")
_STRICTNESS = {Verdict.GOOD: 0, Verdict.RECHECK: 1, Verdict.REJECT: 2}


@dataclass(frozen=True, slots=True)
class Judged:
    """One counted part: its truth and what the gate would have done with it."""

    picture: Picture  # the one that decided, where a part has several
    decision: Decision
    prediction: Prediction  # of that picture
    lane: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The pictures of a folder that may be used to judge a bundle."""

    pictures: tuple[Picture, ...]
    left_out: int  # pictures that are not on the test side of the run
    test_side: bool  # the folder the run was trained on: only its test side is used


def select_pictures(folder: LabelledFolder, inspector: Inspector) -> Selection:
    """Return the pictures that may prove something about a gate.

    Of the folder that the run beside the bundle was trained on, that is its test side; of any other, all of it.

    Args:
        folder: What the user named.
        inspector: The gate.

    Raises:
        DataError: If pictures of another folder had a say in the gate, themselves or by their part or group.
    """
    trained = set(inspector.bundle.manifest.training.picture_sha256)
    split = split_beside(inspector.recipe)
    if split.is_file() and any(picture.sha256 in trained for picture in folder.pictures):
        sides = read_split(split)
        test = tuple(picture for picture in folder.pictures if sides.get(picture.sha256) == "test")
        if test:
            return Selection(test, len(folder.pictures) - len(test), test_side=True)
    way_out = "take pictures that had no say in the gate; of the folder it was trained on, the test side is used "
    way_out += "where the bundle still lies in its run folder"
    refuse_known(folder.pictures, inspector, folder.folder, way_out)
    return Selection(folder.pictures, 0, test_side=False)


def check_classes(folder: LabelledFolder, inspector: Inspector) -> None:
    """Refuse a folder that has no class in common with the bundle, or says that its pictures are of another kind.

    Raises:
        DataError: If no class is in common, both lists are named; or the pictures were straightened otherwise.
    """
    trained_with = inspector.bundle.manifest.geometry.straightened
    refuse_other_straightening(folder.pictures, trained_with, f"recipe '{inspector.recipe.name}'")
    known = inspector.bundle.manifest.classes
    if not set(known) & set(folder.classes):
        raise DataError(
            f"{folder.folder}: no class in common with the bundle: it knows {', '.join(known)}, "
            f"the folder holds {', '.join(folder.classes)}"
        )


def judge_pictures(
    pictures: Sequence[Picture], inspector: Inspector, threads: int, progress: Progress
) -> tuple[list[Judged], list[str]]:
    """Return the verdict on every part, and which pictures could not be read.

    A part with several pictures is good only if all of them are; its strictest picture stands for it.

    Args:
        pictures: Labelled, not learned from.
        inspector: The recipe in force.
        threads: Pictures judged at once.
        progress: Is told about each.
    """

    def judge(picture: Picture) -> Judged | str:
        try:
            image = read_picture(picture.path)
        except DataError as error:
            return f"{picture.file}: {error}"
        inspection = inspector.inspect(image)
        prediction = inspection.prediction or _most_likely(inspector, image)
        return Judged(picture, inspection.decision, prediction, inspection.lane)

    judged: list[Judged] = []
    unreadable: list[str] = []
    with ThreadPoolExecutor(threads) as pool:
        for done, outcome in enumerate(map_in_order(pool, judge, pictures, _AHEAD * threads), start=1):
            if isinstance(outcome, str):
                unreadable.append(outcome)
            else:
                judged.append(outcome)
            progress("judge", done, len(pictures))
    return _by_part(judged), unreadable


def map_in_order(
    pool: ThreadPoolExecutor, work: Callable[[_Work], _Done], items: Iterable[_Work], ahead: int
) -> Iterator[_Done]:
    """Give what comes of each item, in order, with never more than so many of them begun and not taken."""
    begun: deque[Future[_Done]] = deque()
    for item in items:
        begun.append(pool.submit(work, item))
        if len(begun) >= ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def _most_likely(inspector: Inspector, image: Image) -> Prediction:
    """Return what the model says about a picture that the gate did not ask it about, or could not."""
    try:
        return inspector.predict(image)
    except (DataError, EngineError):  # the first: a region lies outside the picture
        manifest = inspector.bundle.manifest
        return to_prediction(np.full(len(manifest.classes), np.nan), manifest.classes, manifest.good_class)


def _by_part(judged: Sequence[Judged]) -> list[Judged]:
    parts: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        parts[one.picture.part or f"picture {one.picture.file}"].append(one)
    return [max(pictures, key=_strictness) for pictures in parts.values()]


def _strictness(one: Judged) -> tuple[int, float]:
    score = one.prediction.defect_score
    return _STRICTNESS[one.decision.verdict], score if score == score else float("inf")


def is_escape(one: Judged, good_class: str | None) -> bool:
    """Tell whether a defect part would have passed."""
    return good_class is not None and one.picture.label != good_class and one.decision.verdict is Verdict.GOOD


def is_false_reject(one: Judged, good_class: str | None) -> bool:
    """Tell whether a good part would have been thrown away."""
    return good_class is not None and one.picture.label == good_class and one.decision.verdict is Verdict.REJECT


def kind_of_mistake(one: Judged, good_class: str | None) -> str | None:
    """Return ``escape``, ``false_reject``, ``wrong_class`` or ``recheck``; ``None`` where all is well."""
    if is_escape(one, good_class):
        return "escape"
    if is_false_reject(one, good_class):
        return "false_reject"
    sure = one.decision.verdict is Verdict.GOOD
    if good_class is None and sure and one.prediction.predicted_class != one.picture.label:
        return "wrong_class"
    recheck = one.decision.verdict is Verdict.RECHECK
    if recheck and (one.decision.reason is not Reason.RECHECK_BAND or one.picture.label == good_class):
        return "recheck"
    return None
