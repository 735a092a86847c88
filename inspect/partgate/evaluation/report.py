"""The report: counts, bounds and pictures of the worst mistakes, as JSON, one HTML file and a table of predictions."""

import csv
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from partgate import __version__
from partgate.configfile import write_atomically
from partgate.data.folder import LabelledFolder, data_sha256, read_folder
from partgate.errors import DataError
from partgate.evaluation.judge import (
    Judged,
    Progress,
    Selection,
    check_classes,
    is_escape,
    is_false_reject,
    judge_pictures,
    kind_of_mistake,
    select_pictures,
)
from partgate.evaluation.page import render_page
from partgate.evaluation.rates import auroc, balanced_accuracy, confusion_matrix, upper_bound
from partgate.evaluation.regions import count_regions, deciding_region, mark_region
from partgate.evaluation.reliability import describe_reliability
from partgate.imaging import encode_jpeg, read_picture
from partgate.inference.bundle import Geometry
from partgate.inference.inspector import Inspector
from partgate.parts import Verdict
from partgate.recipe import NO_GOOD_CLASS, recipe_path

REPORT_FORMAT = 1
_BINS = 20
_MOST_SHOWN = 24
_THUMBNAIL_PX = 220
_ORDER = {"escape": 0, "wrong_class": 1, "false_reject": 2, "recheck": 3}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished evaluation."""

    report: Mapping[str, Any]
    folder: Path  # where report.json, report.html and predictions.csv lie
    notes: tuple[str, ...]


def evaluate(
    run_or_recipe: Path, data: Path, out: Path, *, language: str = "en", threads: int = 2, progress: Progress
) -> Evaluation:
    """Judge a labelled folder by a recipe and write the report.

    Args:
        run_or_recipe: Run folder of a training, or a recipe file.
        data: Labelled folder. Of the folder that a run was trained on, only the test side is used.
        out: Folder for the report; made where it does not exist.
        language: ``en`` or ``de``: what the page shows first; both are in it.
        threads: Pictures judged at once.
        progress: Is told about each picture.

    Raises:
        DataError: If the data cannot be used, or trained the bundle.
        ConfigError: If the recipe is wrong.
        BundleError: If the bundle is damaged or not the pinned one.
    """
    inspector = Inspector.open(run_or_recipe)
    good_class = inspector.recipe.good_class
    folder = read_folder(data, good_class or NO_GOOD_CLASS, must_have_good=False)
    check_classes(folder, inspector)
    selection = select_pictures(folder, inspector, run_or_recipe)
    _make_folder(out)
    judged, unreadable = judge_pictures(selection.pictures, inspector, threads, progress)
    if not judged:
        raise DataError(f"{data}: none of {len(selection.pictures)} pictures can be read; first: {unreadable[0]}")
    report = build_report(judged, inspector, folder, selection, unreadable)
    report["recipe_sha256"] = hashlib.sha256(recipe_path(run_or_recipe).read_bytes()).hexdigest()
    geometry = inspector.bundle.manifest.geometry
    thumbnails = {
        entry["file"]: _thumbnail(folder.folder / entry["file"], geometry, entry["region"]) for entry in report["worst"]
    }
    try:
        write_atomically(out / "report.json", json.dumps(report, indent=1, ensure_ascii=False).encode())
        write_atomically(out / "predictions.csv", _predictions(judged, inspector.bundle.manifest.classes))
        write_atomically(out / "report.html", render_page(report, thumbnails, language).encode())
    except OSError as error:
        raise DataError(
            f"{out}: the report cannot be written: {error.strerror}; name a folder with free space"
        ) from error
    return Evaluation(report, out, folder.notes)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: cannot be made: {error.strerror}; name a writable folder") from error
    if not os.access(out, os.W_OK):
        raise DataError(f"{out}: is not writable; name another folder")


def build_report(
    judged: Sequence[Judged],
    inspector: Inspector,
    folder: LabelledFolder,
    selection: Selection,
    unreadable: Sequence[str],
) -> dict[str, Any]:
    """Return everything the report says, as plain values; ``docs/report.md`` names the keys."""
    recipe, manifest = inspector.recipe, inspector.bundle.manifest
    good = recipe.good_class
    truth = [one.picture.label for one in judged]
    classes = [*manifest.classes, *sorted(set(truth) - set(manifest.classes))]
    matrix = confusion_matrix(truth, [one.prediction.predicted_class for one in judged], classes)
    return {
        "format": REPORT_FORMAT,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "partgate": __version__,
        "recipe": recipe.name,
        "classes": classes,
        "good_class": good,
        "confusion_matrix": matrix,
        "n": len(judged),
        "counted": "part" if any(one.picture.part for one in judged) else "picture",
        **_verdict_counts(judged, good),
        "balanced_accuracy": balanced_accuracy(matrix),
        "auroc": _auroc(judged, good),
        "per_class": _per_class(judged, classes, matrix),
        "thresholds": {"recheck_from": recipe.decision.recheck_from, "reject_from": recipe.decision.reject_from},
        "limits_chosen": recipe.decision.chosen,
        "lanes": dict(recipe.lanes),
        "bundle_sha256": inspector.bundle.sha256,
        "bundle_id": inspector.bundle.id,
        "data_sha256": data_sha256([picture for picture in selection.pictures]),
        "data": {
            "folder": folder.folder.resolve().name,
            "pictures": len(selection.pictures),
            "left_out": selection.left_out,
            "split": "test_side" if selection.test_side else "all",
            "groups": len({picture.group for picture in selection.pictures}) if folder.has_groups else None,
            "unreadable": list(unreadable),
        },
        "training": {
            "pictures": manifest.training.pictures,
            "backbone": manifest.backbone.name,
            "licence": manifest.backbone.licence,
            "created_at": manifest.created_at.isoformat(timespec="seconds"),
            "parts_or_groups": manifest.training.groups,
            "groups_ignored": manifest.training.groups_ignored,
            "seed": manifest.training.seed,
        },
        "regions": count_regions(judged, manifest.geometry, good),
        "histogram": _histogram(judged, good),
        "reliability": describe_reliability(judged, good),
        "worst": _worst(judged, good),
    }


def _verdict_counts(judged: Sequence[Judged], good: str | None) -> dict[str, Any]:
    rechecks = [one for one in judged if one.decision.verdict is Verdict.RECHECK]
    if good is None:
        names = ("n_good", "n_defect", "escapes", "false_rejects", "rechecks_good", "rechecks_defect",
                 "escapes_without_recheck", "false_rejects_without_recheck", *_RATES,
                 *(f"{name}_upper95" for name in _RATES))  # fmt: skip
        wrong = sum(kind_of_mistake(one, good) == "wrong_class" for one in judged)
        return dict.fromkeys(names) | {"rechecks": len(rechecks), "wrong_class": wrong}
    n_good = sum(one.picture.label == good for one in judged)
    n_defect = len(judged) - n_good
    escapes = sum(is_escape(one, good) for one in judged)
    false_rejects = sum(is_false_reject(one, good) for one in judged)
    rechecks_good = sum(one.picture.label == good for one in rechecks)
    rechecks_defect = len(rechecks) - rechecks_good
    # The band closed against the gate: a part that nobody rechecks would have gone the wrong way.
    counts = {
        "escape_rate": (escapes, n_defect),
        "false_reject_rate": (false_rejects, n_good),
        "escape_rate_without_recheck": (escapes + rechecks_defect, n_defect),
        "false_reject_rate_without_recheck": (false_rejects + rechecks_good, n_good),
        "recheck_rate_good": (rechecks_good, n_good),
        "recheck_rate_defect": (rechecks_defect, n_defect),
    }
    rates = {name: k / n if n else None for name, (k, n) in counts.items()}
    bounds = {f"{name}_upper95": upper_bound(k, n) if n else None for name, (k, n) in counts.items()}
    return {
        "n_good": n_good,
        "n_defect": n_defect,
        "escapes": escapes,
        "false_rejects": false_rejects,
        "rechecks": len(rechecks),
        "rechecks_good": rechecks_good,
        "rechecks_defect": rechecks_defect,
        "escapes_without_recheck": escapes + rechecks_defect,
        "false_rejects_without_recheck": false_rejects + rechecks_good,
        "wrong_class": None,
        **rates,
        **bounds,
    }


_RATES = (
    "escape_rate",
    "false_reject_rate",
    "escape_rate_without_recheck",
    "false_reject_rate_without_recheck",
    "recheck_rate_good",
    "recheck_rate_defect",
)


def _auroc(judged: Sequence[Judged], good: str | None) -> float | None:
    if good is None:
        return None
    scores = np.array([one.prediction.defect_score for one in judged])
    finite = np.isfinite(scores)
    return auroc(scores[finite], np.array([one.picture.label != good for one in judged])[finite])


def _per_class(judged: Sequence[Judged], classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for i, name in enumerate(classes):
        members = [one for one in judged if one.picture.label == name]
        predicted = sum(row[i] for row in matrix)
        verdicts = Counter(one.decision.verdict for one in members)
        table[name] = {
            "n": len(members),
            "recall": matrix[i][i] / len(members) if members else None,
            "precision": matrix[i][i] / predicted if predicted else None,
            "good": verdicts[Verdict.GOOD],
            "reject": verdicts[Verdict.REJECT],
            "recheck": verdicts[Verdict.RECHECK],
        }
    return table


def _histogram(judged: Sequence[Judged], good: str | None) -> dict[str, Any]:
    edges = np.linspace(0, 1, _BINS + 1)

    def counts(defect: bool) -> list[int]:
        scores = [one.prediction.defect_score for one in judged if (one.picture.label != good) is defect]
        return [int(n) for n in np.histogram([score for score in scores if score == score], edges)[0]]

    return {"edges": [round(float(edge), 4) for edge in edges], "good": counts(False), "defect": counts(True)}


def _worst(judged: Sequence[Judged], good: str | None) -> list[dict[str, Any]]:
    mistakes = [(kind, one) for one in judged if (kind := kind_of_mistake(one, good))]

    def rank(entry: tuple[str, Judged]) -> tuple[int, float]:
        kind, one = entry
        score = one.prediction.defect_score
        return _ORDER[kind], score if kind in {"escape", "wrong_class"} else -score

    return [
        {
            "file": one.picture.file,
            "truth": one.picture.label,
            "predicted_class": one.prediction.predicted_class,
            "verdict": one.decision.verdict.name,
            "reason": int(one.decision.reason),
            "defect_score": _finite(one.prediction.defect_score),
            "region": deciding_region(one),
            "kind": kind,
        }
        for kind, one in sorted(mistakes, key=rank)[:_MOST_SHOWN]
    ]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None  # JSON knows no NaN


def _thumbnail(path: Path, geometry: Geometry, region: str | None) -> bytes:
    image = read_picture(path)
    height, width = image.shape[:2]
    scale = _THUMBNAIL_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
    return encode_jpeg(mark_region(small, height, width, geometry, region), quality=80)


def _predictions(judged: Sequence[Judged], classes: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "part", "label", "verdict", "reason", "lane", "defect_score", "predicted_class",
                    *(f"p_{name}" for name in classes), "region"])  # fmt: skip
    for one in judged:
        prediction = one.prediction
        table.writerow([
            one.picture.file, one.picture.part or "", one.picture.label, one.decision.verdict.name,
            int(one.decision.reason), one.lane, f"{prediction.defect_score:.6f}", prediction.predicted_class,
            *(f"{prediction.probabilities[name]:.6f}" for name in classes), deciding_region(one) or "",
        ])  # fmt: skip
    return text.getvalue().encode()
