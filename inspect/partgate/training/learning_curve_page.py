"""The learning curve as one HTML file in both languages and as JSON, with nothing fetched from anywhere."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from partgate import __version__
from partgate.configfile import write_atomically
from partgate.data.folder import data_sha256
from partgate.errors import DataError
from partgate.evaluation.power_law import Outlook
from partgate.glossary import check_language, format_percent, format_time, languages
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import render, written_number
from partgate.training.learning_curve import Curve, LearningCurve, Point
from partgate.training.learning_curve_chart import learning_curve_svg
from partgate.training.learning_curve_measures import RATES
from partgate.training.learning_curve_words import (
    say_at_limit,
    say_outlook,
    say_today,
    say_tried,
    warnings_of,
    write_value,
)

PAGE_FILE, JSON_FILE = "learning-curve.html", "learning-curve.json"
_FORMAT = 1


def write_learning_curve(found: LearningCurve, out: Path, language: str = "en") -> None:
    """Write ``learning-curve.html`` and ``learning-curve.json`` into a folder; older ones are replaced.

    Raises:
        DataError: If the folder cannot be written to.
        ValueError: If the language is unknown.
    """
    now = datetime.now(UTC)
    page = render_learning_curve(found, now, language)
    try:
        out.mkdir(parents=True, exist_ok=True)
        facts = json.dumps(as_facts(found, now), indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(out / JSON_FILE, facts.encode())
        write_atomically(out / PAGE_FILE, page.encode())
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}; name a writable folder") from error


def as_facts(found: LearningCurve, created_at: datetime) -> dict[str, Any]:
    """Return the curve as plain values; measures are errors between 0 and 1, an AUROC of 0.9 is 0.1."""
    return {
        "format": _FORMAT,
        "created_at": created_at.isoformat(timespec="seconds"),
        "partgate": __version__,
        "data": found.folder.folder.resolve().name,
        "data_sha256": data_sha256(found.folder.pictures),
        "preset": found.config.preset,
        "seed": found.config.seed,
        "fine_tuned": found.tuned,
        "draws": found.draws,
        "folds": found.folds,
        "good_class": found.folder.good_class,
        "pictures": dict(found.pictures),
        "groups": dict(found.groups),
        "defect_groups": found.defect_groups,
        "curves": [_curve_facts(curve, found.measures[0]) for curve in found.curves],
        "warnings": warnings_of(found, "en"),
        "notes": list(found.notes),
    }


def _curve_facts(curve: Curve, main: str) -> dict[str, Any]:
    return {
        "grown": curve.grown,
        "points": [
            {
                "share": point.share,
                "size": round(point.size, 4),
                "learned_from": {name: round(n, 1) for name, n in point.pictures.items()},
                "errors": {
                    name: [_rounded(float(one)) for one in values[:, 0]] for name, values in point.errors.items()
                },
            }
            for point in curve.points
        ],
        "outlook": {name: _outlook_facts(outlook, name == main) for name, outlook in curve.outlook.items()},
    }


def _outlook_facts(outlook: Outlook, is_main: bool) -> dict[str, Any]:
    """Return today's error, and what lies ahead for the main measure; rates at a limit trade against each other."""
    now = {"now": _rounded(outlook.now), "now_band": [_rounded(edge) for edge in outlook.now_band]}
    if not is_main:
        return now
    law = outlook.law
    return now | {
        "trend": outlook.trend,
        "twice": _rounded(outlook.twice),
        "twice_band": None if outlook.twice_band is None else [_rounded(edge) for edge in outlook.twice_band],
        "law": None if law is None else {name: _rounded(float(value)) for name, value in asdict(law).items()},
        "tried_backwards": None if outlook.tried is None else asdict(outlook.tried) | {"kept": outlook.tried.was_kept},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value else round(value, 5)  # JSON knows no NaN


def render_learning_curve(found: LearningCurve, created_at: datetime, language: str = "en") -> str:
    """Return the page.

    Args:
        found: What was traced.
        created_at: Shown on the page.
        language: Shown first; the other is one click away.

    Raises:
        ValueError: If the language is unknown.
    """
    check_language(language)
    main, first = found.measures[0], found.curves[0]
    frozen = found.curves[1] if found.tuned else None
    grown = {curve.grown: curve for curve in found.curves if curve.grown is not None}
    return render(
        "partgate.training", "learning_curve.html.j2", language, found=found, version=__version__,
        folder_name=found.folder.folder.resolve().name, is_gate=found.folder.good_class is not None,
        created_at=Bilingual(lambda lang: format_time(created_at, lang)),
        n=sum(found.pictures.values()), groups=found.all_groups,
        headline=_said(lambda lang: say_outlook(first, main, lang)),
        today=_said(lambda lang: say_today(first.outlook[main], main, lang)),
        tried=_said(lambda lang: say_tried(first.outlook[main], main, lang)) if first.outlook[main].tried else None,
        at_limit=_said(lambda lang: say_at_limit(first, lang)),
        chart=_chart(first, main), frozen=frozen and _chart(frozen, main),
        warnings=_warnings(found),
        classes=[_class_row(found, name, grown.get(name)) for name in found.folder.classes],
        columns=[phrase(f"learning_curve.measure.{measure}") for measure in found.measures],
        points=[_point_row(point, found.measures) for point in first.points],
    )  # fmt: skip


def _warnings(found: LearningCurve) -> list[Bilingual]:
    versions = {language: warnings_of(found, language) for language in languages}
    both = zip(*(versions[language] for language in languages), strict=True)
    return [Bilingual(partial(dict.__getitem__, dict(zip(languages, words, strict=True)))) for words in both]


def _said(say: Callable[[str], str]) -> Bilingual:
    return Bilingual(say)


def _chart(curve: Curve, measure: str) -> Bilingual:
    return Bilingual(lambda language: Markup(learning_curve_svg(curve, measure, language)))  # our own, escaped there


def _class_row(found: LearningCurve, label: str, curve: Curve | None) -> dict[str, Any]:
    """Return a class's line: pictures, groups, and what twice of it alone would bring; no curve where groups lack."""
    said = None if curve is None else _said(lambda language: say_outlook(curve, found.measures[0], language))
    chart = None if curve is None else _chart(curve, found.measures[0])
    return {"label": label, "n": found.pictures[label], "groups": found.groups[label], "said": said, "chart": chart}


def _point_row(point: Point, measures: tuple[str, ...]) -> dict[str, Any]:
    return {
        "share": Bilingual(lambda language: format_percent(point.size, language, 0)),
        "pictures": [(name, written_number(n)) for name, n in point.pictures.items()],
        "values": [Bilingual(_range(point, measure)) for measure in measures],
    }


def _range(point: Point, measure: str) -> Callable[[str], str]:
    """Return how to write the mean over the draws, and the lowest and highest of them."""
    errors = point.errors[measure][:, 0]
    low, high = (errors.min(), errors.max()) if measure in RATES else (errors.max(), errors.min())

    def write(language: str) -> str:
        mean, *edges = (write_value(measure, float(error), language) for error in (errors.mean(), low, high))
        return f"{mean} ({edges[0]} – {edges[1]})"

    return write
