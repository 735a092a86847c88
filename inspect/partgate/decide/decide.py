"""Another rule for a bundle that is there: scores of parts it has not learned from, wishes, and the recipe rewritten.

Nothing is learned again. Limits are chosen on validation data only: the out-of-fold scores of the training, or fresh
pictures that are neither on the run's test side nor used to prove anything later.
"""

import csv
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from partgate.configfile import read_yaml
from partgate.data.doubts import OUT_OF_FOLD_FILE
from partgate.data.folder import LabelledFolder, read_folder
from partgate.errors import ConfigError, DataError
from partgate.evaluation.judge import Judged, Progress, check_classes, judge_pictures
from partgate.evaluation.operating_points import PartScores, worst_of_parts
from partgate.evaluation.seen import known_pictures, seen_by
from partgate.evaluation.threshold import choose_limits
from partgate.evaluation.threshold_words import ChosenLimits, say_chosen
from partgate.inference.bundle import Bundle, open_pinned
from partgate.inference.inspector import Inspector
from partgate.pages.bilingual import Bilingual, phrase
from partgate.parts import Reason
from partgate.recipe import HASH_DIGITS, ChosenOn, EarlierLimits, Limits, Recipe, load_recipe, recipe_path, save_recipe
from partgate.wishes import Wishes

_NO_LIMITS = Limits(recheck_from=0, reject_from=0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Scored parts that a rule may be chosen on."""

    scores: PartScores
    chosen_on: ChosenOn
    folder: str | None  # name of the folder with fresh pictures
    notes: tuple[Bilingual, ...]


def gather_evidence(
    run_or_recipe: Path, recipe: Recipe, data: Path | None, *, threads: int = 2, progress: Progress
) -> Evidence:
    """Return scored parts that the bundle has not learned from.

    Args:
        run_or_recipe: Run folder or recipe file; beside either the scores of the training may lie.
        recipe: As it stands there.
        data: Labelled folder with fresh pictures; ``None`` takes the out-of-fold scores of the training.
        threads: Pictures judged at once.
        progress: Is told about each.

    Raises:
        ConfigError: If the recipe sorts by class: its limit is that of being sure enough, set by hand.
        DataError: If there are no scores, or the pictures may not be used.
        BundleError: If the bundle is damaged or not the pinned one.
    """
    if recipe.good_class is None:
        raise ConfigError(
            [f"{run_or_recipe}: sorts by class, so nothing escapes and nothing is rejected for its score; the share "
             "that is rechecked hangs on decision.recheck_from in the recipe"]
        )  # fmt: skip
    if data is not None:
        return _judge_fresh(run_or_recipe, recipe, data, threads, progress)
    return _read_training_scores(recipe.bundle.file.parent, recipe, open_pinned(recipe))


def _read_training_scores(run: Path, recipe: Recipe, bundle: Bundle) -> Evidence:
    path = run / OUT_OF_FOLD_FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        values = np.array([float(row["defect_score"]) for row in rows])
        labels = [row["label"] for row in rows]
        hashes = {row["sha256"] for row in rows}
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror}; name the run folder that the bundle comes from, or give --data "
            "with labelled pictures that it has never seen"
        ) from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: is not what training writes ({error}); train again or give --data") from error
    trained = bundle.manifest.training
    if hashes != set(trained.picture_sha256):
        raise DataError(
            f"{path}: belongs to another training than bundle {bundle.id[:12]} (it learned from "
            f"{len(trained.picture_sha256)} pictures, the file scores {len(hashes)}); give --data with fresh pictures"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise DataError(f"{path}: holds a score that is not between 0 and 1; train again or give --data")
    parts = [row.get("part") or f"picture {row['file']}" for row in rows]
    is_defect = np.array([label != recipe.good_class for label in labels], bool)
    scores = worst_of_parts(values, is_defect, parts)
    _check_both_sides(scores, str(path))
    counted: Literal["part", "picture"] = "part" if any(row.get("part") for row in rows) else "picture"
    chosen_on = ChosenOn(
        parts=len(scores.values), counted=counted, pictures=len(rows), how="out-of-fold scores of the training"
    )
    return Evidence(scores, chosen_on, None, (phrase("decide.note.nearly"),))


def _judge_fresh(run_or_recipe: Path, recipe: Recipe, data: Path, threads: int, progress: Progress) -> Evidence:
    inspector = Inspector.open(recipe_path(run_or_recipe))
    folder = read_folder(data, recipe.good_class, must_have_good=False)
    check_classes(folder, inspector)
    _refuse_spoken_for(folder, inspector, data)
    judged, unreadable = judge_pictures(folder.pictures, inspector, threads, progress)
    usable = [one for one in judged if _has_score(one)]
    if not usable:
        raise DataError(f"{data}: none of {len(folder.pictures)} pictures can be judged")
    values = np.array([one.prediction.defect_score for one in usable])
    is_defect = np.array([one.picture.label != recipe.good_class for one in usable], bool)
    scores = PartScores(values, is_defect)
    _check_both_sides(scores, str(data))
    hashes = tuple(sorted(picture.sha256[:HASH_DIGITS] for picture in folder.pictures))
    counted: Literal["part", "picture"] = "part" if any(one.part for one in folder.pictures) else "picture"
    chosen_on = ChosenOn(
        parts=len(usable),
        counted=counted,
        pictures=len(folder.pictures),
        picture_sha256=hashes,
        groups=tuple(sorted({one.group for one in folder.pictures})) if folder.has_groups else (),
        how=f"scores of fresh pictures in {folder.folder.resolve().name}",
    )
    left = len(judged) - len(usable)
    notes = [Bilingual(lambda _, note=note: note) for note in folder.notes]  # type: ignore[misc]
    notes += [phrase("decide.note.without_score", n=left)] if left else []
    notes += [Bilingual(lambda _, file=file: file) for file in unreadable]  # type: ignore[misc]
    return Evidence(scores, chosen_on, folder.folder.resolve().name, tuple(notes))


def _has_score(one: Judged) -> bool:
    return one.decision.reason is not Reason.PICTURE_NOT_USABLE and np.isfinite(one.prediction.defect_score)


def _refuse_spoken_for(folder: LabelledFolder, inspector: Inspector, data: Path) -> None:
    """Refuse pictures whose parts trained the bundle, or are kept to prove it: by hash and by named part or group."""
    seen = replace(seen_by(inspector), decision=_NO_LIMITS)  # the same pictures may choose another rule
    tested = frozenset(sha256 for sha256, one in seen.standings.items() if one.side == "test")
    learned, proof = known_pictures(folder.pictures, [seen, replace(seen, learned=tested)])
    for files, what, why in (
        (learned, "trained the bundle", "leave --data away: the training's own scores of them are the honest ones"),
        (proof, "are on the test side of the run", "limits chosen on them would leave nothing to prove them with"),
    ):
        if files:
            first = next(one for one in folder.pictures if one.file in files)
            raise DataError(
                f"{data}: {len(files)} pictures {what}, themselves or another picture of their part, e.g. "
                f"{first.file!r} (SHA-256 {first.sha256[:HASH_DIGITS]}); {why}"
            )


def _check_both_sides(scores: PartScores, source: str) -> None:
    n_defect = int(scores.is_defect.sum())
    n_good = len(scores.is_defect) - n_defect
    if not n_defect or not n_good:
        raise DataError(f"{source}: holds {n_good} good and {n_defect} defect parts; limits need both")


@dataclass(frozen=True, slots=True)
class Order:
    """Who sets a rule, and why."""

    who: str
    why: str


def find_rule(evidence: Evidence, wishes: Wishes) -> ChosenLimits:
    """Return the limits that wishes lead to; by the expected cost, as training does."""
    scores = evidence.scores
    return choose_limits(scores.values, scores.is_defect, wishes, chances=scores.values)


def set_rule(
    path: Path, recipe: Recipe, evidence: Evidence, wishes: Wishes, chosen: ChosenLimits, how: Bilingual, order: Order
) -> Recipe:
    """Write a recipe with other limits; those in force until now stay in it as earlier ones.

    Args:
        path: Recipe file.
        recipe: As it stands there.
        evidence: What the limits rest on.
        wishes: By what they were found.
        chosen: The limits.
        how: They were chosen, in words.
        order: By whom and why.

    Raises:
        ConfigError: If the place is not writable or full, or the recipe is no longer the one that was read.
    """
    now, before = datetime.now(UTC).replace(microsecond=0), recipe.decision
    on = evidence.chosen_on
    earlier = EarlierLimits.model_validate(before.model_dump(include=set(EarlierLimits.model_fields)))
    values = wishes.model_dump() | {
        "recheck_from": chosen.recheck_from,
        "reject_from": chosen.reject_from,
        **say_chosen(how, on, now.date(), evidence.folder),
        "chosen_on": on,
        "set_by": order.who,
        "set_at": now,
        "why": order.why,
        "earlier": (*before.earlier, earlier),
    }
    changed = recipe.model_copy(update={"decision": Limits.model_validate(values)})
    if load_recipe(path) != recipe:
        raise ConfigError([f"{path}: was changed by someone else meanwhile; look at it and decide again"])
    try:
        save_recipe(changed, path, read_yaml(path)["bundle"]["file"])  # as it stands there
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}; the rule is unchanged"]) from error
    return changed
