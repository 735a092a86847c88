"""The report: counts, bounds, curves and pictures of an evaluation, as JSON, one HTML file and a table."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from partgate import __version__
from partgate.configfile import make_folder, write_atomically
from partgate.data.folder import LabelledFolder, data_sha256, read_folder
from partgate.errors import DataError, PartgateError
from partgate.evaluation.agreed_limits import severity_of
from partgate.evaluation.cost_curve import describe_cost
from partgate.evaluation.curves import describe_curves
from partgate.evaluation.judge import (
    Judged,
    Progress,
    Selection,
    check_classes,
    judge_pictures,
    select_pictures,
)
from partgate.evaluation.operating_points import OperatingPoint, PartScores
from partgate.evaluation.rates import balanced_accuracy, confusion_matrix
from partgate.evaluation.regions import count_regions
from partgate.evaluation.reliability import describe_reliability
from partgate.evaluation.seen import split_beside
from partgate.inference.inspector import Inspector
from partgate.pages.pdf import load_weasyprint, write_pdf
from partgate.parts import Reason, Verdict
from partgate.recipe import NO_GOOD_CLASS, Recipe
from partgate.report.agreed import Agreed, describe_agreed, find_agreed
from partgate.report.counts import (
    count_by_class,
    count_by_severity,
    count_mistakes,
    count_scores,
    list_classes,
)
from partgate.report.data import describe_data, describe_setting, describe_training
from partgate.report.page import FORMAT, render_page
from partgate.report.pictures import fill_cells, list_worst, pick_examples
from partgate.report.table import write_predictions
from partgate.report.thumbnails import make_thumbnails

Appendix = Callable[[Mapping[str, Any]], tuple[Markup, dict[str, Any]]]
"""Writes a further section of the page from the finished report."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished evaluation."""

    report: Mapping[str, Any]
    files: tuple[Path, ...]  # the page, then its PDF where it was asked for; report.json and predictions.csv beside it
    notes: tuple[str, ...]
    appendix_error: PartgateError | None = None  # why the further section is missing


def evaluate(
    run_or_recipe: Path,
    data: Path,
    out: Path,
    *,
    language: str = "en",
    threads: int = 2,
    limits: Path | None = None,
    appendix: Appendix | None = None,
    pdf: bool = False,
    progress: Progress,
) -> Evaluation:
    """Judge a labelled folder by a recipe and write the report.

    Args:
        run_or_recipe: Run folder of a training, or a recipe file.
        data: Labelled folder. Of the folder that the run beside the bundle was trained on, only the test side is used.
        out: Folder for the report; made where it does not exist.
        language: ``en`` or ``de``: what the page shows first; both are in it.
        threads: Pictures judged at once.
        limits: File of agreed limits to hold the result against.
        appendix: Further section of the page; where it fails, the report is written without it and names the error.
        pdf: Also write the page as PDF, in ``language`` alone.
        progress: Is told about each picture.

    Raises:
        DataError: If the data cannot be used, or had a say in the gate.
        ConfigError: If the recipe or the file of limits is wrong.
        BundleError: If the bundle is damaged or not the pinned one.
        PartgateError: If what a PDF needs is not installed.
    """
    if pdf:
        load_weasyprint()  # its absence is told now, not after the long part
    inspector = Inspector.open(run_or_recipe)
    recipe, known = inspector.recipe, inspector.bundle.manifest.classes
    folder = read_folder(data, recipe.good_class or NO_GOOD_CLASS, must_have_good=False)
    check_classes(folder, inspector)
    selection = select_pictures(folder, inspector)
    severities = {severity_of(picture) for picture in selection.pictures if picture.label != recipe.good_class}
    agreed = find_agreed(limits, recipe, {*known, *folder.classes}, severities - {""})
    make_folder(out)
    judged, unreadable = judge_pictures(selection.pictures, inspector, threads, progress)
    if not judged:
        raise DataError(f"{data}: none of {len(selection.pictures)} pictures can be read; first: {unreadable[0]}")
    report = build_report(judged, inspector, folder, selection, unreadable, agreed)
    thumbnails = make_thumbnails(report, folder.folder, inspector, threads, progress)
    report["heat"] = thumbnails.heat

    def write(section: Markup | None) -> tuple[Path, ...]:
        page = render_page(report, thumbnails.plain, language, heated=thumbnails.heated, appendix=section)
        return _write(out, report, write_predictions(judged, known), page, language if pdf else None)

    section, report["payback"], failed = None, None, None
    try:
        section, report["payback"] = appendix(report) if appendix else (None, None)
    except PartgateError as error:  # what was judged is worth keeping
        failed = error
    return Evaluation(report, write(section), folder.notes, failed)


def _write(
    out: Path, report: Mapping[str, Any], predictions: bytes, page: str, pdf_language: str | None
) -> tuple[Path, ...]:
    """Write all files and return those to read."""
    html, pdf = out / "report.html", out / "report.pdf"
    try:
        write_atomically(out / "report.json", json.dumps(report, indent=1, ensure_ascii=False).encode())
        write_atomically(out / "predictions.csv", predictions)
        write_atomically(html, page.encode())
        pdf.unlink(missing_ok=True)  # an older one would tell other numbers
        if pdf_language is not None:
            write_pdf(page, pdf_language, pdf)
    except OSError as error:
        raise DataError(
            f"{out}: the report cannot be written: {error.strerror}; name a folder with free space"
        ) from error
    return (html,) if pdf_language is None else (html, pdf)


def build_report(
    judged: Sequence[Judged],
    inspector: Inspector,
    folder: LabelledFolder,
    selection: Selection,
    unreadable: Sequence[str],
    agreed: Agreed | None = None,
) -> dict[str, Any]:
    """Return everything the report says, as plain values; ``docs/report.md`` names the keys."""
    recipe, known = inspector.recipe, inspector.bundle.manifest.classes
    run = split_beside(recipe).parent
    good, classes = recipe.good_class, list_classes(judged, known)
    matrix = confusion_matrix(
        [one.picture.label for one in judged], [one.prediction.predicted_class for one in judged], classes
    )
    severities = [severity_of(picture) for picture in selection.pictures if picture.label != good]
    curves, cost = (None, None) if good is None else _describe_limits(judged, recipe)
    area = curves["roc_area"] if curves else None
    return {
        **_head(inspector, selection, agreed),
        "classes": classes,
        "good_class": good,
        "confusion_matrix": matrix,
        "n": len(judged),
        "counted": _counted(judged),
        **count_mistakes(judged, good),
        "balanced_accuracy": balanced_accuracy(matrix),
        "auroc": None if area is None else area["value"],
        "per_class": count_by_class(judged, good, known, matrix),
        "per_severity": count_by_severity(judged, good, severities),
        "agreed": describe_agreed(agreed, judged, recipe, {*known, *folder.classes}, {*severities} - {""}),
        "thresholds": {"recheck_from": recipe.decision.recheck_from, "reject_from": recipe.decision.reject_from},
        "limits_chosen": recipe.decision.chosen,
        "limits_chosen_de": recipe.decision.chosen_de,
        "limits_set": describe_setting(recipe.decision),
        "lanes": dict(recipe.lanes),
        "data": describe_data(folder, selection, judged, unreadable, run),
        "training": describe_training(inspector, selection.pictures, run),
        "regions": count_regions(judged, inspector.bundle.manifest.geometry, good),
        "histogram": count_scores(judged, good),
        "curves": curves,
        "cost": cost,
        "reliability": describe_reliability(judged, good),
        "worst": list_worst(judged, good),
        "cells": fill_cells(judged, classes),
        "examples": pick_examples(judged, good, classes),
    }


def _head(inspector: Inspector, selection: Selection, agreed: Agreed | None) -> dict[str, Any]:
    """Return what wrote the report, when, and the hashes of all that it rests on."""
    return {
        "format": FORMAT,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "partgate": __version__,
        "recipe": inspector.recipe.name,
        "bundle_id": inspector.bundle.id,
        "bundle_sha256": inspector.bundle.sha256,
        "recipe_sha256": inspector.recipe_sha256,
        "data_sha256": data_sha256(selection.pictures),
        "limits_sha256": agreed.sha256 if agreed else None,
    }


def _describe_limits(judged: Sequence[Judged], recipe: Recipe) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return what other limits would do to all counted parts: both curves, and the cost curve."""
    rule = recipe.decision
    scores = np.array([one.prediction.defect_score for one in judged], float)
    is_defect = np.array([one.picture.label != recipe.good_class for one in judged], bool)
    curves = describe_curves(scores, is_defect, sorted({rule.recheck_from, rule.reject_from}))
    rejected = np.where(np.isnan(scores), 1.0, scores)  # without a score a part is rejected whatever the limits
    found = _count_verdicts(judged, recipe)
    scored, counted = PartScores(rejected, is_defect), _counted(judged)
    cost = describe_cost(scored, rule, rule.recheck_from, rule.reject_from, found, counted)
    if cost is not None:
        cost["unusable"] = sum(one.decision.reason is Reason.PICTURE_NOT_USABLE for one in judged)
    return curves, cost


def _counted(judged: Sequence[Judged]) -> str:
    return "part" if any(one.picture.part for one in judged) else "picture"


def _count_verdicts(judged: Sequence[Judged], recipe: Recipe) -> OperatingPoint:
    """Return what the rule in force did, by verdicts: an unusable picture goes to recheck whatever its score."""
    counts = Counter((one.picture.label == recipe.good_class, one.decision.verdict) for one in judged)
    sizes = Counter(one.picture.label == recipe.good_class for one in judged)
    return OperatingPoint(
        recipe.decision.recheck_from,
        recipe.decision.reject_from,
        n_good=sizes[True],
        n_defect=sizes[False],
        escapes=counts[False, Verdict.GOOD],
        false_rejects=counts[True, Verdict.REJECT],
        rechecks_good=counts[True, Verdict.RECHECK],
        rechecks_defect=counts[False, Verdict.RECHECK],
    )
