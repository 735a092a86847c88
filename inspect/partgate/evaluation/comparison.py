"""Two gates on the same parts: what the second does better or worse than the first, on parts that neither has seen."""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from partgate.configfile import write_atomically
from partgate.data.folder import LabelledFolder, data_sha256, read_folder
from partgate.errors import DataError
from partgate.evaluation.changes import Pair, pair_up
from partgate.evaluation.comparison_figures import compare_pairs
from partgate.evaluation.judge import Judged, Progress, check_classes, judge_pictures
from partgate.evaluation.operating_points import OperatingPoint, price
from partgate.evaluation.rates import auroc
from partgate.evaluation.seen import known_pictures, seen_by
from partgate.inference.inspector import Inspector
from partgate.recipe import NO_GOOD_CLASS

COMPARISON_FILE = "comparison.json"
COMPARISON_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Gate:
    """One of the two that are compared."""

    key: str  # in the facts
    path: Path  # as the user named it
    inspector: Inspector

    @property
    def name(self) -> str:
        """Return what people call it: the run folder, or the recipe file in its folder."""
        path = self.path.resolve()
        return path.name if path.is_dir() else f"{path.parent.name}/{path.name}"


def compare_gates(
    first: Path, second: Path, data: Path, *, keys: tuple[str, str] = ("a", "b"), threads: int = 2, progress: Progress
) -> dict[str, Any]:
    """Return what two gates make of the same parts; ``docs/compare.md`` names the keys.

    Left out are pictures that either has seen: learned from or used to choose its limits, themselves or their group.

    Args:
        first: Run folder or recipe file.
        second: Run folder or recipe file.
        data: Labelled folder.
        keys: What the two are called in the facts.
        threads: Pictures judged at once.
        progress: Is told about each picture.

    Raises:
        ConfigError: If a recipe is wrong.
        BundleError: If a bundle is damaged or not the pinned one.
        DataError: If the two are for different purposes, or a split or the folder cannot be read.
    """
    gates = [Gate(key, path, Inspector.open(path)) for key, path in zip(keys, (first, second), strict=True)]
    _refuse_different_purposes(*gates)
    good = gates[1].inspector.recipe.good_class
    folder = read_folder(data, good or NO_GOOD_CLASS, must_have_good=False)
    for gate in gates:
        check_classes(folder, gate.inspector)
    seen = [seen_by(gate.inspector) for gate in gates]
    known = known_pictures(folder.pictures, seen)
    pictures = [picture for picture in folder.pictures if not any(picture.file in files for files in known)]
    (ones, unreadable), (others, _) = (judge_pictures(pictures, gate.inspector, threads, progress) for gate in gates)
    pairs = pair_up(ones, others)
    compared = compare_pairs(pairs, good, keys, is_same_gate=_is_same_gate(*gates))
    return {
        "format": COMPARISON_FORMAT,
        "keys": list(keys),
        "good_class": good,
        "counted": "part" if any(picture.part for picture in pictures) else "picture",
        **_sizes(pairs, good),
        "pictures": len(pictures),
        **_describe_left_out(keys, known),
        "unreadable": unreadable,
        "tested_before": {
            key: sum(picture.sha256 in one.standings for picture in pictures)
            for key, one in zip(keys, seen, strict=True)
        },
        "folder": folder.folder.resolve().name,
        "groups_known": folder.has_groups,
        "data_sha256": data_sha256(pictures),
        "notes": list(folder.notes),
        keys[0]: _describe_gate(gates[0], folder, [one for one, _ in pairs], good),
        keys[1]: _describe_gate(gates[1], folder, [other for _, other in pairs], good),
        **compared,
        "money": _price(compared["moves"], gates),
    }


def _refuse_different_purposes(first: Gate, second: Gate) -> None:
    says = [
        f"{gate.path} " + (f"takes '{good}' as the good class" if good else "sorts by class")
        for gate in (first, second)
        for good in [gate.inspector.recipe.good_class]
    ]
    if first.inspector.recipe.good_class != second.inspector.recipe.good_class:
        raise DataError(f"cannot be compared: {', '.join(says)}; name two of the same purpose and good class")


def _is_same_gate(first: Gate, second: Gate) -> bool:
    one, other = first.inspector.recipe, second.inspector.recipe
    return (one.bundle.id, one.decision.rule(), one.picture) == (other.bundle.id, other.decision.rule(), other.picture)


def _describe_left_out(keys: tuple[str, str], known: Sequence[Set[str]]) -> dict[str, Any]:
    """Return how many pictures are left out because one of the two, which of them, or both have seen them."""
    first, second = known
    return {
        "left_out": len(first | second),
        "left_out_by": {keys[0]: len(first), keys[1]: len(second)},
        "left_out_only_by": {keys[0]: len(first - second), keys[1]: len(second - first)},
        "left_out_example": min(first | second, default=None),
    }


def _sizes(pairs: Sequence[Pair], good: str | None) -> dict[str, int | None]:
    truths = [one.picture.label for one, _ in pairs]
    n_good = None if good is None else truths.count(good)
    return {"n": len(truths), "n_good": n_good, "n_defect": None if n_good is None else len(truths) - n_good}


def _describe_gate(gate: Gate, folder: LabelledFolder, judged: Sequence[Judged], good: str | None) -> dict[str, Any]:
    """Return what a gate consists of, and how well its scores order these parts."""
    recipe, bundle = gate.inspector.recipe, gate.inspector.bundle
    manifest = bundle.manifest
    return {
        "name": gate.name,
        "recipe": recipe.name,
        "recipe_sha256": gate.inspector.recipe_sha256,
        "bundle_id": bundle.id,
        "bundle_sha256": bundle.sha256,
        "created_at": manifest.created_at.isoformat(timespec="seconds"),
        "classes": list(manifest.classes),
        "classes_unknown": sorted(set(folder.classes) - set(manifest.classes)),
        "recheck_from": recipe.decision.recheck_from,
        "reject_from": recipe.decision.reject_from,
        "backbone": manifest.backbone.name,
        "size_px": [manifest.geometry.height_px, manifest.geometry.width_px],
        "looks": max(1, len(manifest.geometry.look_names)),
        "trained_on": manifest.training.pictures,
        "auroc": None if good is None else _auroc(judged, good),
    }


def _auroc(judged: Sequence[Judged], good: str) -> float | None:
    scores = np.array([one.prediction.defect_score for one in judged], float)
    finite = np.isfinite(scores)
    return auroc(scores[finite], np.array([one.picture.label != good for one in judged], bool)[finite])


def _price(moves: Mapping[str, Mapping[str, Mapping[str, int]]], gates: Sequence[Gate]) -> dict[str, Any] | None:
    """Return what each gate costs per 1,000 parts.

    ``None`` in sorting, where the recipes disagree on the cost, where good or defect parts are missing, and where parts
    were rechecked but a recheck has no price: work that costs nothing would make the gate with most of it the cheapest.
    """
    (wishes, other) = (gate.inspector.recipe.decision for gate in gates)
    if "good" not in moves or (wishes.cost, wishes.defect_share) != (other.cost, other.defect_share):
        return None
    totals = {truth: sum(sum(row.values()) for row in rows.values()) for truth, rows in moves.items()}
    counts = [{truth: _margin(rows, place) for truth, rows in moves.items()} for place in range(len(gates))]
    rechecks = sum(found["RECHECK"] for truths in counts for found in truths.values())
    if not all(totals.values()) or (wishes.cost.recheck is None and rechecks):
        return None
    share = wishes.defect_share or totals["defect"] / sum(totals.values())
    found: dict[str, Any] = {
        "cost": wishes.cost.model_dump(),
        "defect_share": share,
        "share_is_stated": wishes.defect_share is not None,
    }
    for gate, its in zip(gates, counts, strict=True):
        limits = gate.inspector.recipe.decision
        point = OperatingPoint(
            limits.recheck_from,
            limits.reject_from,
            n_good=totals["good"],
            n_defect=totals["defect"],
            escapes=its["defect"]["GOOD"],
            false_rejects=its["good"]["REJECT"],
            rechecks_good=its["good"]["RECHECK"],
            rechecks_defect=its["defect"]["RECHECK"],
        )
        money = price(point, wishes.cost, share)
        found[gate.key] = None if money is None else asdict(money)
    return found


def _margin(rows: Mapping[str, Mapping[str, int]], place: int) -> dict[str, int]:
    """Return how often each outcome came up under the first (0) or the second (1) gate."""
    if place == 0:
        return {outcome: sum(row.values()) for outcome, row in rows.items()}
    return {outcome: sum(row[outcome] for row in rows.values()) for outcome in rows}


def write_comparison(facts: Mapping[str, Any], folder: Path) -> Path:
    """Write a comparison as ``comparison.json`` into a folder and return its path.

    Raises:
        DataError: If the place is not writable or full.
    """
    path = folder / COMPARISON_FILE
    try:
        write_atomically(path, json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False).encode())
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
    return path
