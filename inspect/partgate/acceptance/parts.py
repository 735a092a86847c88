"""Which parts may prove something about a gate, and what the gate says about each of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partgate.data.folder import GOOD_NAMES, LabelledFolder, Picture
from partgate.data.split import SPLIT_FILE, read_split
from partgate.errors import DataError
from partgate.evaluation.agreed_limits import AgreedLimits, refuse_unknown_names, severity_of
from partgate.evaluation.judge import Judged, Progress, judge_pictures
from partgate.inference.inspector import Inspector, to_prediction
from partgate.parts import Decision, Reason, Verdict
from partgate.recipe import HASH_DIGITS, recipe_path


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
    """Refuse pictures that had a say in the gate: they prove nothing about it.

    Raises:
        DataError: If pictures trained the bundle or chose the limits; how many, an example and its hash are named.
    """
    chosen_on = inspector.recipe.decision.chosen_on
    bundle = inspector.bundle
    trained = set(bundle.manifest.training.picture_sha256)
    roles = {
        f"trained bundle {bundle.id[:12]}": [one for one in folder.pictures if one.sha256 in trained],
        f"chose the limits of recipe '{inspector.recipe.name}'": [
            one for one in folder.pictures if chosen_on is not None and chosen_on.holds(one.sha256)
        ],
    }
    lines = [
        f"{folder.folder}: {len(found)} of {len(folder.pictures)} pictures {role}, e.g. {found[0].file!r} "
        f"(SHA-256 {found[0].sha256[:HASH_DIGITS]}…)"
        for role, found in roles.items()
        if found
    ]
    if lines:
        raise DataError("\n".join([*lines, "an acceptance needs parts that had no say in the gate: take others"]))


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


def describe_material(
    folder: LabelledFolder, good_class: str, known_classes: Sequence[str], run_or_recipe: Path
) -> Material:
    """Return how the parts are counted and what must be said beside the result.

    Raises:
        DataError: If the run's split file is damaged.
    """
    pictures = folder.pictures
    unnamed = [picture for picture in pictures if picture.part is None]
    sizes = Counter(picture.group for picture in unnamed)
    severities = [severity_of(picture) for picture in pictures if picture.label != good_class]
    split = recipe_path(run_or_recipe).parent / SPLIT_FILE
    sides = read_split(split) if split.is_file() else {}
    return Material(
        pictures=len(pictures),
        counted="picture" if len(unnamed) == len(pictures) else "part",
        without_part=len(unnamed) if len(unnamed) < len(pictures) else 0,
        shared_groups=sum(size > 1 for size in sizes.values()),
        without_severity=severities.count("") if any(severities) else 0,
        not_learned=tuple(sorted(set(folder.classes) - set(known_classes))),
        on_test_side=sum(sides.get(picture.sha256) == "test" for picture in pictures),
    )


def judge_parts(
    folder: LabelledFolder, inspector: Inspector, threads: int, progress: Progress
) -> tuple[list[Judged], list[str]]:
    """Return the verdict on every part, and which pictures could not be read.

    A picture that cannot be read is not decidable, as it would be on the line: its part goes to recheck, unless another
    picture of it was rejected.

    Raises:
        DataError: If no picture can be read.
    """
    judged, unreadable = judge_pictures(folder.pictures, inspector, threads, progress)
    if not judged:
        raise DataError(f"{folder.folder}: none of {len(folder.pictures)} pictures can be read; first: {unreadable[0]}")
    by_part = {_part_of(one.picture): one for one in judged}
    for picture, why in _unread(folder.pictures, unreadable):
        known = by_part.get(_part_of(picture))
        if known is None or known.decision.verdict is Verdict.GOOD:
            by_part[_part_of(picture)] = _not_decidable(picture, why, inspector)
    return list(by_part.values()), unreadable


def _part_of(picture: Picture) -> tuple[str, str]:
    return ("picture", picture.file) if picture.part is None else ("part", picture.part)


def _unread(pictures: Sequence[Picture], unreadable: Sequence[str]) -> list[tuple[Picture, str]]:
    """Return the pictures that the lines ``file: why`` speak of."""
    return [(picture, line) for line in unreadable for picture in pictures if line.startswith(f"{picture.file}: ")]


def _not_decidable(picture: Picture, why: str, inspector: Inspector) -> Judged:
    manifest = inspector.bundle.manifest
    nothing = to_prediction(np.full(len(manifest.classes), np.nan), manifest.classes, manifest.good_class)
    decision = Decision(Verdict.RECHECK, Reason.NO_WHOLE_PICTURE, why)
    return Judged(picture, decision, nothing, inspector.recipe.lane_for(Verdict.RECHECK, None))
