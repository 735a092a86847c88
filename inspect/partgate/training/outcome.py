"""What a training leaves behind: the bundle's manifest, the recipe, the facts in ``training.json``."""

import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from partgate import __version__
from partgate.configfile import write_atomically
from partgate.data.folder import LabelledFolder, Picture, count_classes, data_sha256
from partgate.data.groups import GroupSource
from partgate.data.labels_csv import SPLITS
from partgate.errors import DataError
from partgate.evaluation.threshold_words import ChosenLimits, describe_wishes, say_chosen
from partgate.imaging import read_picture
from partgate.inference.bundle import (
    BUNDLE_FORMAT,
    BackboneFacts,
    Bundle,
    Geometry,
    Manifest,
    ProofFacts,
    TrainingFacts,
)
from partgate.models.export import Proof
from partgate.picture_check import learn_limits
from partgate.recipe import BundlePin, ChosenOn, Limits, Recipe, default_lanes, load_recipe, number_classes
from partgate.training.config import TrainingConfig
from partgate.training.features import FeatureSet
from partgate.training.fine_tune import Tuned
from partgate.training.judged import cross_validated
from partgate.training.learn import Learned

_SAMPLED = 50  # pictures whose size is looked at


def describe_bundle(
    config: TrainingConfig, folder: LabelledFolder, found: FeatureSet, geometry: Geometry, backbone: BackboneFacts,
    proof: Proof, started: datetime,
) -> Manifest:  # fmt: skip
    """Return the manifest of a bundle that is about to be written."""
    return Manifest(
        format=BUNDLE_FORMAT,
        created_at=started,
        partgate=__version__,
        versions=_versions(),
        classes=folder.classes,
        good_class=folder.good_class,
        geometry=geometry,
        backbone=backbone,
        training=TrainingFacts(
            folder=folder.folder.resolve().name,
            pictures=len(found.pictures),
            groups=len({picture.group for picture in found.pictures}),
            groups_ignored=config.split.by == "picture",
            seed=config.seed,
            preset=config.preset,
            picture_sha256=tuple(sorted({picture.sha256 for picture in found.pictures})),
        ),
        proof=ProofFacts(**asdict(proof)),
        parts={},
    )


def _versions() -> dict[str, str]:
    names = ("torch", "torchvision", "timm", "scikit-learn", "onnx", "onnxruntime", "opencv-python-headless", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def first_recipe(
    config: TrainingConfig, folder: LabelledFolder, found: FeatureSet, bundle: Bundle, limits: ChosenLimits
) -> Recipe:
    """Return the recipe that a new bundle starts with: its limits, default lanes, numbered classes, picture limits."""
    parts, pictures = limits.n_good + limits.n_defect, len(found.pictures)
    on = ChosenOn(parts=parts, counted=limits.counted, pictures=pictures, how="out-of-fold scores of the training")
    rule = {
        **config.decision.model_dump(),
        "recheck_from": limits.recheck_from,
        "reject_from": limits.reject_from,
        **say_chosen(describe_wishes(config.decision, limits), on, bundle.manifest.created_at.date()),
        "chosen_on": on,
    }
    older = load_recipe(config.keep) if config.keep else None
    return Recipe(
        name=config.name or (older.name if older else folder.folder.resolve().name),
        number=older.number if older else 1,
        bundle=BundlePin(file=bundle.path, id=bundle.id),
        good_class=folder.good_class,
        classes=folder.classes,
        decision=Limits.model_validate(rule),
        lanes=default_lanes(folder.classes, folder.good_class, older.lanes if older else None),
        class_numbers=number_classes(folder.classes, folder.good_class, older.class_numbers if older else None),
        region=bundle.manifest.geometry.region,
        picture=learn_limits(
            found.measures,
            [picture.group for picture in found.pictures],
            [folder.good_class in (None, picture.label) for picture in found.pictures],
        ).model_copy(update=learn_whole_size(found.pictures, bundle.manifest.geometry)),
    )


def learn_whole_size(pictures: Sequence[Picture], geometry: Geometry) -> dict[str, int]:
    """Return the size of the camera's picture as picture limits tell it.

    Args:
        pictures: Learned from; some of them are looked at, and one that is gone by now is left out.
        geometry: Where they were looked at.

    Returns:
        Nothing where no region is given, which hangs on that size, or where the pictures have several.
    """
    sizes = set()
    for picture in pictures[:: max(1, len(pictures) // _SAMPLED)] if geometry.measured_region else ():
        with suppress(DataError):
            sizes.add(read_picture(picture.path).shape[:2])
    if len(sizes) != 1:
        return {}
    ((height, width),) = sizes
    return {"whole_height_px": height, "whole_width_px": width}


@dataclass(frozen=True, slots=True)
class Story:
    """Everything about a training that a person may ask later."""

    config: TrainingConfig
    folder: LabelledFolder
    sides: Mapping[str, str]  # per file
    learned: Learned
    limits: ChosenLimits
    proof: Proof
    notes: Sequence[str]
    started: datetime
    source: GroupSource = GroupSource.GIVEN  # how it is known which pictures show the same part


def write_facts(path: Path, story: Story) -> None:
    """Write what happened and why as JSON; no path of this machine.

    Raises:
        OSError: If the place is not writable or full.
    """
    folder, sides, learned = story.folder, story.sides, story.learned
    facts: dict[str, Any] = {
        "partgate": __version__,
        "started_at": story.started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - story.started).total_seconds(), 1),
        "config": _without_paths(story.config),
        "data_sha256": data_sha256(folder.pictures),
        "groups": {"by": story.source.value, "count": len({picture.group for picture in folder.pictures})},
        "split": {
            side: dict(sorted(count_classes([p for p in folder.pictures if sides[p.file] == side]).items()))
            for side in SPLITS
        },
        "head": {"regularisation": learned.head.regularisation, "folds": learned.head.folds},
        "fine_tuning": _fine_tuning(learned.tuned),
        "chosen": {"model": learned.choice.kind, "out_of_fold_log_loss": learned.choice.losses},
        "calibration": {"how": learned.judged.how, "temperature": learned.judged.calibration.temperature},
        "cross_validation": cross_validated(learned.judged, folder, story.config.seed),
        "limits": asdict(story.limits),
        "proof": asdict(story.proof),
        "notes": list(story.notes),
        "versions": _versions(),
    }
    write_atomically(path, json.dumps(facts, indent=1, ensure_ascii=False).encode())


def _without_paths(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings with names in place of paths, which mean nothing on another machine."""
    paths = {name: value.resolve().name for name, value in config if isinstance(value, Path)}
    return config.model_dump(mode="json") | paths


def _fine_tuning(tuned: Tuned | None) -> dict[str, Any] | None:
    if tuned is None:
        return None
    return {
        "best_round": tuned.best_epoch,
        "rounds_planned": tuned.epochs,
        "folds": len(tuned.branches),
        "history": [asdict(epoch) for epoch in tuned.history],
    }
