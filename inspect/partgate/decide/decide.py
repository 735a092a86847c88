"""Another rule for a bundle that is there: scores of parts it has not learned from, wishes, and the recipe rewritten.

Nothing is learned again. Limits are chosen on validation data only: the out-of-fold scores of the training, or fresh
pictures that are neither on the run's test side nor used to prove anything later.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from partgate.configfile import read_yaml
from partgate.data.doubts import OUT_OF_FOLD_FILE
from partgate.data.folder import Picture, read_folder
from partgate.data.split import SPLIT_FILE, read_split
from partgate.errors import ConfigError, DataError
from partgate.evaluation.judge import Judged, Progress, check_classes, judge_pictures
from partgate.evaluation.operating_points import PartScores, worst_of_parts
from partgate.evaluation.threshold import choose_limits
from partgate.evaluation.threshold_words import ChosenLimits
from partgate.inference.bundle import Bundle, open_pinned
from partgate.inference.inspector import Inspector
from partgate.parts import Reason
from partgate.recipe import HASH_DIGITS, ChosenOn, EarlierLimits, Limits, Recipe, recipe_path, save_recipe
from partgate.wishes import Wishes


@dataclass(frozen=True, slots=True)
class Evidence:
    """Scored parts that a rule may be chosen on."""

    scores: PartScores
    chosen_on: ChosenOn
    notes: tuple[str, ...]


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
    return _read_training_scores(_run_of(run_or_recipe), recipe, open_pinned(recipe))


def _run_of(run_or_recipe: Path) -> Path:
    return run_or_recipe if run_or_recipe.is_dir() else run_or_recipe.resolve().parent


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
    chosen_on = ChosenOn(parts=len(scores.values), pictures=len(rows), how="out-of-fold scores of the training")
    notes = (
        "the scores are those of the models of cross-validation: a promise about future parts holds only nearly; "
        "--data with fresh pictures makes it exact",
    )
    return Evidence(scores, chosen_on, notes)


def _judge_fresh(run_or_recipe: Path, recipe: Recipe, data: Path, threads: int, progress: Progress) -> Evidence:
    inspector = Inspector.open(recipe_path(run_or_recipe))
    folder = read_folder(data, recipe.good_class, must_have_good=False)
    check_classes(folder, inspector)
    trained = set(inspector.bundle.manifest.training.picture_sha256)
    _refuse([picture for picture in folder.pictures if picture.sha256 in trained], data, "trained the bundle",
            "leave --data away: the training's own scores of them are the honest ones")  # fmt: skip
    _refuse(_of_test_side(_run_of(run_or_recipe), folder.pictures), data, "are on the test side of the run",
            "limits chosen on them would leave nothing to prove them with")  # fmt: skip
    judged, unreadable = judge_pictures(folder.pictures, inspector, threads, progress)
    usable = [one for one in judged if _has_score(one)]
    if not usable:
        raise DataError(f"{data}: none of {len(folder.pictures)} pictures can be judged")
    values = np.array([one.prediction.defect_score for one in usable])
    is_defect = np.array([one.picture.label != recipe.good_class for one in usable], bool)
    scores = PartScores(values, is_defect)
    _check_both_sides(scores, str(data))
    hashes = tuple(sorted(picture.sha256[:HASH_DIGITS] for picture in folder.pictures))
    chosen_on = ChosenOn(
        parts=len(usable), pictures=len(folder.pictures), picture_sha256=hashes,
        how=f"scores of fresh pictures in {folder.folder.resolve().name}",
    )  # fmt: skip
    left = len(judged) - len(usable)
    notes = [f"{left} parts have no usable picture or score: no limit decides about them"] if left else []
    return Evidence(scores, chosen_on, (*folder.notes, *notes, *(f"not readable: {file}" for file in unreadable)))


def _has_score(one: Judged) -> bool:
    return one.decision.reason is not Reason.PICTURE_NOT_USABLE and np.isfinite(one.prediction.defect_score)


def _of_test_side(run: Path, pictures: Sequence[Picture]) -> list[Picture]:
    if not (run / SPLIT_FILE).is_file():
        return []
    sides = read_split(run / SPLIT_FILE)
    return [picture for picture in pictures if sides.get(picture.sha256) == "test"]


def _refuse(pictures: Sequence[Picture], data: Path, what: str, why: str) -> None:
    if pictures:
        first = pictures[0]
        raise DataError(
            f"{data}: {len(pictures)} pictures {what}, e.g. {first.file!r} (SHA-256 {first.sha256[:HASH_DIGITS]}); "
            f"{why}"
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
    path: Path, recipe: Recipe, evidence: Evidence, wishes: Wishes, chosen: ChosenLimits, order: Order
) -> Recipe:
    """Write a recipe with other limits; those in force until now stay in it as earlier ones.

    Args:
        path: Recipe file.
        recipe: As it stands there.
        evidence: What the limits rest on.
        wishes: By what they were found.
        chosen: The limits.
        order: By whom and why.

    Raises:
        ConfigError: If the place is not writable or full.
    """
    now, before = datetime.now(UTC).replace(microsecond=0), recipe.decision
    on = evidence.chosen_on
    earlier = EarlierLimits(
        recheck_from=before.recheck_from, reject_from=before.reject_from, chosen=before.chosen, set_by=before.set_by,
        set_at=before.set_at, why=before.why,
    )  # fmt: skip
    values = wishes.model_dump() | {
        "recheck_from": chosen.recheck_from,
        "reject_from": chosen.reject_from,
        "chosen": f"{chosen.how}; on {on.how} ({on.parts} parts), {now:%Y-%m-%d}",
        "chosen_on": on,
        "set_by": order.who,
        "set_at": now,
        "why": order.why,
        "earlier": (*before.earlier, earlier),
    }
    changed = recipe.model_copy(update={"decision": Limits.model_validate(values)})
    try:
        save_recipe(changed, path, read_yaml(path)["bundle"]["file"])  # as it stands there
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}; the rule is unchanged"]) from error
    return changed
