"""The run page: what a training learned from, chose and reached, for people who never trained a network.

One HTML file in both languages, with small pictures inside and nothing fetched from anywhere.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from os import sep
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from partgate import __version__
from partgate.configfile import write_atomically
from partgate.data.groups import GroupSource
from partgate.data.labels_csv import SPLITS
from partgate.glossary import (
    check_language,
    format_percent,
    printable,
)
from partgate.inference.bundle import Geometry
from partgate.models.export import LARGEST_DIFFERENCE
from partgate.pages.bilingual import Bilingual, drawing, phrase
from partgate.pages.frame import render, written_number, written_percent, written_score
from partgate.report.charts import histogram_svg, rate_svg
from partgate.training.curves import TENSORBOARD_FOLDER
from partgate.training.judged import cross_validated
from partgate.training.outcome import Story
from partgate.training.page_charts import curves_svg, losses_svg, name_kind
from partgate.training.page_samples import Sample, judge_samples, pick_rows, thumbnail
from partgate.training.page_settings import list_settings
from partgate.wishes import Wishes

PAGE_FILE = "training.html"

_BINS = 20


def write_page(path: Path, story: Story, run: str, language: str = "en") -> None:
    """Write the page whole or not at all.

    Args:
        path: File to write.
        story: What happened; pictures that have vanished since are left out.
        run: Name of the run folder, for the next command.
        language: Shown first; the other is one click away.

    Raises:
        OSError: If the place is not writable or full.
        ValueError: If the language is unknown.
    """
    write_atomically(path, render_page(story, run, language).encode())


def render_page(story: Story, run: str, language: str = "en") -> str:
    """Return the page.

    Raises:
        ValueError: If the language is unknown.
    """
    check_language(language)
    folder, samples = story.folder, judge_samples(story)
    limits = sorted({story.limits.recheck_from, story.limits.reject_from})
    data, is_sorting = folder.folder.resolve().name, folder.good_class is None
    rows = pick_rows(samples, folder.good_class, limits[:1] if is_sorting else limits)
    geometry = story.learned.backbone.geometry
    small = {one.picture.file: thumbnail(one, geometry) for row in rows for one in row.samples}
    has_groups = folder.has_groups or story.source in (GroupSource.PATTERN, GroupSource.LOOK_ALIKES)
    return render(
        "partgate.training", "training.html.j2", language,
        story=story, limits=story.limits, learned=story.learned, tuned=story.learned.tuned,
        geometry=geometry,
        version=__version__, is_sorting=is_sorting,
        product=story.config.name or data, run=run, has_groups=has_groups,
        notes=[note.replace(f"{folder.folder}{sep}", "") for note in story.notes],
        minutes=(datetime.now(UTC) - story.started).total_seconds() / 60,
        figures=_figures(story), measures=_measures(story), classes=_classes(story), sides=SPLITS,
        kind=Bilingual(partial(name_kind, story.learned.choice.kind)), model=_model(story), curves=_curves(story),
        histogram=_histogram(story, samples), how=_how(story.config.decision, story.limits.warnings),
        rows=rows, thumbnails={file: uri for file, uri in small.items() if uri}, place=partial(_place, geometry),
        largest=LARGEST_DIFFERENCE, settings=list(list_settings(story.config)),
        has_test="test" in story.sides.values(), tensorboard=f"{run}/{TENSORBOARD_FOLDER}",
        command=f"partgate evaluate {quote(run)} {quote(data)} --out {quote(run + '-report')}",
    )  # fmt: skip


# --- things to read -------------------------------------------------------------------------------------------------


def _place(geometry: Geometry, look: str) -> Bilingual:
    """Return the name of a region, or where a tile lies."""
    if geometry.tiles is None:
        return Bilingual(lambda _: printable(look))
    row, column = divmod(geometry.look_names.index(look), geometry.tiles[1])
    return phrase("regions.tile", row=row + 1, column=column + 1)


# --- what was reached -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figure:
    """So many of so many pictures, as a sentence and a bar."""

    what: str
    words: Bilingual
    rate: Bilingual
    bar: Bilingual


def _figures(story: Story) -> list[Figure]:
    """Return escapes and false rejects, or what is sorted wrong, and what goes to a person."""
    limits = story.limits
    rechecks, n = limits.rechecks_good + limits.rechecks_defect, limits.n_good + limits.n_defect
    if story.folder.good_class is None:
        counts = [("wrong_class", "all", limits.escapes, n), ("rechecks", "all", rechecks, n)]
    else:
        counts = [
            ("escapes", "defect", limits.escapes, limits.n_defect),
            ("false_rejects", "good", limits.false_rejects, limits.n_good),
        ]
        if rechecks or limits.recheck_from < limits.reject_from:
            counts.append(("rechecks", "all", rechecks, n))
    return [_figure(what, who, k, n) for what, who, k, n in counts if n]


def _figure(what: str, who: str, k: int, n: int) -> Figure:
    noun = phrase(f"counted.picture.{who}")
    words = phrase(f"figure.{what}", k=written_number(k), n=written_number(n), noun=noun)
    bar = drawing(lambda language: rate_svg(k, n, None, words.in_language(language), language))
    return Figure(what, words, phrase("figure.rate", rate=written_percent(k / n)), bar)


def _measures(story: Story) -> dict[str, Mapping[str, float]]:
    """Return the cross-validated figures that exist, each with its interval."""
    found = cross_validated(story.learned.judged, story.folder, story.config.seed)
    measures = {name: found.get(name) for name in ("balanced_accuracy", "auroc")}
    return {name: figure for name, figure in measures.items() if isinstance(figure, dict)}


def _classes(story: Story) -> list[dict[str, Any]]:
    """Return for each class, then for all, pictures on each side and groups."""
    rows = []
    for name in (*story.folder.classes, None):
        pictures = [one for one in story.folder.pictures if name in (None, one.label)]
        sides = [story.sides[one.file] for one in pictures]
        groups = len({one.group for one in pictures})
        rows.append({"name": name, "groups": groups} | {side: sides.count(side) for side in SPLITS})
    return rows


# --- the model ------------------------------------------------------------------------------------------------------


def _model(story: Story) -> dict[str, Any]:
    """Return what the model is, why it was chosen, and the losses of what could be chosen."""
    config, choice, tuned = story.config, story.learned.choice, story.learned.tuned
    what = "frozen" if choice.kind == "frozen" else config.fine_tune.part
    words = [phrase(f"training_page.is.{what}", backbone=config.backbone, copies=len(tuned.branches) if tuned else 0)]
    if choice.kind == "mean of both":
        words.append(phrase("training_page.is.averaged"))
    if len(choice.losses) > 1:
        best, second, *_ = sorted(choice.losses.values())
        why = phrase("training_page.why.best", loss=written_score(best), next=written_score(second))
    else:
        why = phrase(f"training_page.why.{'only' if config.fine_tune.part == 'none' else 'nothing_came'}")
    calibration = story.learned.judged.calibration
    calibrated = phrase(
        f"training_page.calibration.{'mapped' if calibration.knots else 'plain'}", n=len(calibration.knots or ()),
        temperature=written_number(calibration.temperature, 2),
    )  # fmt: skip
    bars = drawing(partial(losses_svg, choice.losses, choice.kind, _guess(story)))
    return {"words": words, "why": why, "losses": bars, "calibrated": calibrated}


def _guess(story: Story) -> float | None:
    """Return the log loss of who knows how frequent the classes are and never looks; None where looks have labels."""
    learned = story.learned
    if story.config.head.class_balance:
        return math.log(len(set(learned.judged.labels.tolist())))
    if len(learned.found.looks) > 1:
        return None
    counts = np.bincount(learned.judged.labels, [one.weight for one in learned.found.pictures])
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _curves(story: Story) -> Bilingual | None:
    tuned = story.learned.tuned
    if tuned is None:
        return None
    return drawing(partial(curves_svg, tuned.history, tuned.best_epoch, story.learned.head.loss))


# --- scores ---------------------------------------------------------------------------------------------------------


def _histogram(story: Story, samples: list[Sample]) -> Bilingual:
    """Return how out-of-fold scores are spread; where no class is the good one, all in one panel."""
    good_class, limits = story.folder.good_class, story.limits
    edges = np.linspace(0, 1, _BINS + 1)
    good, defect = (
        np.histogram([one.prediction.defect_score for one in samples if (one.picture.label == good_class) is is_good],
                     edges)[0].tolist()
        for is_good in (True, False)
    )  # fmt: skip
    # Sorting by class rejects nothing for its score.
    reject_from = None if good_class is None else limits.reject_from
    good = good if good_class is not None else []
    return drawing(
        lambda language: histogram_svg(
            edges.tolist(), good, defect, limits.recheck_from, reject_from, language, "picture"
        )
    )


def _how(wishes: Wishes, warnings: tuple[str, ...]) -> Bilingual:
    """Say in both languages by what the limits were chosen."""
    promise = wishes.promise
    rates = {
        "max_escape_rate": wishes.max_escape_rate,
        "max_false_reject_rate": wishes.max_false_reject_rate,
        "promise.escape": None if promise is None else promise.escape,
        "promise.false_reject": None if promise is None else promise.false_reject,
    }
    wished = {name: rate for name, rate in rates.items() if rate is not None}
    if wished:
        said = Bilingual(
            lambda language: ", ".join(f"{name} {format_percent(rate, language)}" for name, rate in wished.items())
        )
        return phrase(f"training_page.how.{'wished_but' if warnings else 'wished'}", wishes=said)
    times = wishes.cost.escape / wishes.cost.false_reject
    ratio = written_number(times, 0 if times == int(times) else 1)
    if wishes.defect_share is None:
        return phrase("training_page.how.cheapest", ratio=ratio)
    return phrase("training_page.how.cheapest_at", ratio=ratio, share=written_percent(wishes.defect_share))
