"""Which parts may prove something about a gate, and what the gate says about each of them."""

from collections import Counter
from dataclasses import dataclass

from partgate.acceptance.seal import refuse_unreadable
from partgate.data.folder import GOOD_NAMES, LabelledFolder
from partgate.data.split import read_split
from partgate.errors import DataError
from partgate.evaluation.agreed_limits import AgreedLimits, refuse_unknown_names, severity_of
from partgate.evaluation.judge import Judged, Progress, judge_pictures
from partgate.evaluation.seen import refuse_known, split_beside
from partgate.inference.inspector import Inspector


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to know about the parts of an acceptance before they are judged."""

    pictures: int
    counted: str  # "part" or "picture"
    without_part: int  # pictures without a part, where others have one: each counts as a part
    shared_groups: int  # groups of several pictures that count as several parts
    without_severity: int  # pictures of defects without a severity, where others have one
    not_learned: tuple[str, ...]  # defect classes that the bundle does not know
    on_test_side: int  # pictures of the run's test side, which an earlier evaluation may have shown


def refuse_known_pictures(folder: LabelledFolder, inspector: Inspector) -> None:
    """Refuse pictures that had a say in the gate, themselves or by their part or group: they prove nothing about it.

    Raises:
        DataError: If there are any; how many, an example and why.
    """
    refuse_known(
        folder.pictures, inspector, folder.folder, "an acceptance needs parts that had no say in the gate: take others"
    )


def refuse_foreign_good_class(folder: LabelledFolder, inspector: Inspector) -> None:
    """Refuse a class that is unknown to the bundle and has a good class's name: its parts would count as defects.

    Raises:
        DataError: If so; both names are given.
    """
    for name in folder.classes:
        if name.casefold() in GOOD_NAMES and name not in inspector.bundle.manifest.classes:
            raise DataError(
                f"{folder.folder}: class '{name}' is unknown to the bundle, and its parts would count as defect parts; "
                f"if they are good, call them '{inspector.recipe.good_class}' as the recipe does"
            )


def refuse_unusable_limits(limits: AgreedLimits, folder: LabelledFolder, inspector: Inspector, good_class: str) -> None:
    """Refuse limits that this gate and these parts cannot be judged by, before the long part begins.

    Raises:
        ConfigError: If a limit names a class or severity that neither the bundle nor the data has.
    """
    defects = [picture for picture in folder.pictures if picture.label != good_class]
    classes = {*inspector.bundle.manifest.classes, *folder.classes} - {good_class}
    refuse_unknown_names(limits, classes, {severity_of(picture) for picture in defects} - {""})


def describe_material(folder: LabelledFolder, good_class: str, inspector: Inspector) -> Material:
    """Return how the parts are counted and what must be said beside the result.

    Raises:
        DataError: If the run's split file is damaged.
    """
    pictures = folder.pictures
    unnamed = [picture for picture in pictures if picture.part is None]
    sizes = Counter(picture.group for picture in unnamed)
    severities = [severity_of(picture) for picture in pictures if picture.label != good_class]
    split = split_beside(inspector.recipe)
    sides = read_split(split) if split.is_file() else {}
    return Material(
        pictures=len(pictures),
        counted="picture" if len(unnamed) == len(pictures) else "part",
        without_part=len(unnamed) if len(unnamed) < len(pictures) else 0,
        shared_groups=sum(size > 1 for size in sizes.values()),
        without_severity=severities.count("") if any(severities) else 0,
        not_learned=tuple(sorted(set(folder.classes) - set(inspector.bundle.manifest.classes))),
        on_test_side=sum(sides.get(picture.sha256) == "test" for picture in pictures),
    )


def judge_parts(folder: LabelledFolder, inspector: Inspector, threads: int, progress: Progress) -> list[Judged]:
    """Return the verdict on every part.

    Raises:
        DataError: If a picture cannot be read any more.
    """
    judged, unreadable = judge_pictures(folder.pictures, inspector, threads, progress)
    refuse_unreadable(folder.folder, unreadable)
    return judged
