"""An agreement study as files: a page in both languages, its figures as JSON, and all decisions as a table."""

import csv
import io
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from partgate.configfile import write_atomically
from partgate.errors import DataError
from partgate.evaluation.rates import parts_needed, upper_bound
from partgate.msa.msa import BALANCED, LIMITS
from partgate.msa.study import Study
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import render, written_name, written_number, written_percent
from partgate.parts import Verdict

PAGE_FILE = "msa.html"
JSON_FILE = "msa.json"
TABLE_FILE = "decisions.csv"

_BORDERLINE_SHOWN = 60
_KAPPA_DIGITS = 2
_CHANCE_DIGITS = 3
_SHEET_WORDS = {Verdict.GOOD: "good", Verdict.REJECT: "defect", Verdict.RECHECK: "recheck"}


def write_msa(figures: Mapping[str, Any], study: Study, out: Path, title: str, language: str = "en") -> None:
    """Write ``msa.html``, ``msa.json`` and ``decisions.csv`` into a folder; older ones are replaced.

    Args:
        figures: What ``msa.analyse`` found.
        study: Its decisions.
        out: Made where it does not exist.
        title: Name of the study, on the page.
        language: Shown first; the other is one click away.

    Raises:
        DataError: If the folder cannot be written to.
    """
    page = render_msa(figures, title, language)
    try:
        out.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"title": title, **figures}, indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(out / JSON_FILE, content.encode())
        write_atomically(out / TABLE_FILE, decisions_csv(study))
        write_atomically(out / PAGE_FILE, page.encode())
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}; name a folder with free space") from error


def decisions_csv(study: Study) -> bytes:
    """Return all decisions as they were said and as they were counted; the table can be read as a sheet again."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["part", "appraiser", "run", "verdict", "reference", "counted_as"])
    for a, appraiser in enumerate(study.appraisers):
        for p, part in enumerate(study.parts):
            truth = "defect" if study.is_defect[p] else "good"
            for r, run in enumerate(study.runs):
                counted = _SHEET_WORDS[Verdict(int(study.verdicts[a, p, r]))]
                said = "recheck" if study.rechecked[a, p, r] else counted
                table.writerow([part, appraiser, run, said, truth, counted])
    return text.getvalue().encode()


def render_msa(figures: Mapping[str, Any], title: str, language: str = "en") -> str:
    """Return the page.

    Args:
        figures: What ``msa.analyse`` found.
        title: Name of the study.
        language: Shown first; the other is one click away.

    Raises:
        ValueError: If the language is unknown.
    """
    return render(
        "partgate.msa",
        "msa.html.j2",
        language,
        figures=figures,
        title=title,
        called=partial(_called, figures),
        no_verdict=None if figures["is_balanced"] else _no_verdict(figures),
        by_estimate=_by_estimate,
        said=_said,
        share=_share,
        rate=_rate,
        kappa=_kappa,
        chance=_chance,
        cannot=_cannot(figures),
        borderline_shown=_BORDERLINE_SHOWN,
    )


def _called(figures: Mapping[str, Any], appraiser: str) -> Bilingual:
    """Return an appraiser's name; that of the station is a word of the language."""
    stations = [one["name"] for one in figures["appraisers"] if one["is_station"]]
    return phrase("msa.station") if appraiser in stations else written_name(appraiser)


def _no_verdict(figures: Mapping[str, Any]) -> Bilingual:
    return phrase(
        "msa.no_verdict.why",
        defect=figures["defect_parts"],
        n=figures["parts"],
        share=written_percent(figures["defect_share"]),
        low=written_percent(BALANCED[0], 0),
        high=written_percent(BALANCED[1], 0),
    )


def _by_estimate(assessment: Mapping[str, Any]) -> Bilingual:
    """Say that the verdict rests on counted shares, and which of them the bounds do not show."""
    unshown = [phrase(f"msa.figure.{name}") for name, is_shown in assessment["shown"].items() if not is_shown]
    if not unshown:
        return phrase("msa.by_estimate.shown")
    names = Bilingual(lambda language: ", ".join(name.in_language(language) for name in unshown))
    return phrase("msa.by_estimate.open", names=names)


def _said(appraiser: Mapping[str, Any], name: str) -> Bilingual:
    """Say one of the three figures that the limits are about, counts first."""
    found = appraiser["effectiveness_parts" if name == "effectiveness" else name]
    if found["rate"] is None:
        return phrase("msa.said.no_defect" if name == "miss" else "msa.said.no_good")
    return phrase(
        f"msa.said.{name}",
        k=found["k"],
        n=found["n"],
        rate=written_percent(found["rate"]),
        low=written_percent(found["lower95"]),
        high=written_percent(found["upper95"]),
    )


def _share(found: Mapping[str, Any] | None) -> tuple[Bilingual, Bilingual | None]:
    """Return a share of parts as counts, and as percent with its two-sided interval."""
    if found is None:
        return phrase("nothing"), None
    low, high = (written_percent(bound) for bound in found["interval95"])
    counts = phrase("msa.of.parts", k=found["k"], n=found["n"])
    return counts, phrase("msa.range", rate=written_percent(found["rate"]), low=low, high=high)


def _rate(found: Mapping[str, Any]) -> tuple[Bilingual, Bilingual | None]:
    """Return a rate of decisions as counts, and as percent between its bounds from parts."""
    if found["rate"] is None:
        return phrase("nothing"), None
    low, high = written_percent(found["lower95"]), written_percent(found["upper95"])
    counts = phrase("msa.of.decisions", k=found["k"], n=found["n"])
    return counts, phrase("msa.range", rate=written_percent(found["rate"]), low=low, high=high)


def _kappa(found: Mapping[str, Any] | None) -> tuple[Bilingual, Bilingual | None]:
    """Return a kappa, and its interval or why there is none."""
    if found is None:
        return phrase("nothing"), None
    if found["value"] is None:
        return phrase("nothing"), phrase("msa.kappa.undefined")
    value = written_number(found["value"], _KAPPA_DIGITS)
    if found["interval95"] is None:
        return value, phrase("msa.kappa.no_range")
    low, high = (written_number(bound, _KAPPA_DIGITS) for bound in found["interval95"])
    return value, phrase("msa.kappa.range", low=low, high=high)


def _chance(found: Mapping[str, Any]) -> Bilingual:
    if found["chance"] is None:
        return phrase("msa.bowker.none")
    return phrase("msa.bowker.chance", chance=written_number(found["chance"], _CHANCE_DIGITS))


def _cannot(figures: Mapping[str, Any]) -> list[Bilingual]:
    """Return the sentences that hold for this study."""
    defect, good = figures["defect_parts"], figures["good_parts"]
    limit = LIMITS["miss"]["acceptable"]
    found = []
    if defect:
        found.append(
            phrase(
                "msa.cannot.parts",
                defect=defect,
                good=good,
                bound=written_percent(upper_bound(0, defect)),
                limit=written_percent(limit, 0),
                needed=parts_needed(limit),
            )
        )
    else:
        found.append(phrase("msa.cannot.no_defect"))
    found += [] if good else [phrase("msa.cannot.no_good")]
    found += [phrase("msa.cannot.one_run")] if len(figures["runs"]) == 1 else []
    found += [phrase("msa.cannot.rate"), phrase("msa.cannot.reference")]
    appraisers = figures["appraisers"]
    found += [phrase("msa.cannot.station_runs")] if any(one["is_station"] for one in appraisers) else []
    return found + ([] if all(one["is_station"] for one in appraisers) else [phrase("msa.cannot.blind")])
