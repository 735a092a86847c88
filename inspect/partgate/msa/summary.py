"""An agreement study in a few sentences, for the screen."""

from collections.abc import Mapping
from typing import Any

from partgate.glossary import count_of
from partgate.msa.msa import BALANCED

_MOST_NAMED = 6  # borderline parts on the screen; the files hold all


def summarise(figures: Mapping[str, Any]) -> list[str]:
    """Return the verdicts and their figures as sentences: counts and bounds first.

    Args:
        figures: What ``msa.analyse`` found.
    """
    lines = [
        f"{figures['parts']} parts ({figures['defect_parts']} defect, {figures['good_parts']} good) x "
        f"{count_of(len(figures['runs']), 'run')} x {count_of(len(figures['appraisers']), 'appraiser')}; "
        f"recheck counts as {_RECHECK_AS[figures['recheck_as']]}; bounds: one-sided 95 %, from parts"
    ]
    if not figures["is_balanced"]:
        low, high = (f"{100 * limit:.0f}" for limit in BALANCED)
        lines.append(
            f"NO VERDICT: {100 * figures['defect_share']:.0f} % of the parts are defect; outside {low} to {high} % the "
            "usual limits and kappa mislead"
        )
    for appraiser in figures["appraisers"]:
        lines += _appraiser(appraiser)
    between = figures["between"]
    if between:
        agreed, right = between["agreed"], between["right"]
        lines.append(
            f"all appraisers: the same in all runs on {agreed['k']} of {agreed['n']} parts, right on {right['k']}; "
            f"Fleiss' kappa {_kappa(between['kappa'])}"
        )
    lines += [
        f"{pair['first']} and {pair['second']}: Cohen's kappa {_kappa(pair['kappa'])}, "
        f"{pair['agreed']} of {pair['decisions']} decisions the same"
        for pair in figures["pairs"]
    ]
    return [*lines, _borderline(figures["borderline"])]


_RECHECK_AS = {"defect": "defect", "good": "good", "own": "a word of its own"}


def _appraiser(appraiser: Mapping[str, Any]) -> list[str]:
    assessment = appraiser["assessment"]
    verdict = f"{assessment['overall'].upper()} by the counted shares" if assessment else "no verdict"
    rows = [
        ("effectiveness", "parts right in all runs", appraiser["effectiveness_parts"]),
        ("miss", "decisions about defect parts said good", appraiser["miss"]),
        ("false_alarm", "decisions about good parts said defect", appraiser["false_alarm"]),
    ]
    lines = [f"{appraiser['name']}: {verdict}"]
    for name, what, found in rows:
        level = ""
        if assessment:
            level = f": {assessment['levels'][name]}{'' if assessment['shown'][name] else ', not shown by the bounds'}"
        lines.append(f"  {_counted(found, what)}{level}")
    alone = appraiser["repeatability"]
    repeats = f"the same in all runs on {alone['k']} of {alone['n']} parts; " if alone else ""
    lines.append(f"  {repeats}Cohen's kappa with the reference {_kappa(appraiser['kappa_reference'])}")
    if appraiser["rechecks_good"] + appraiser["rechecks_defect"]:
        lines.append(
            f"  left to a recheck: {appraiser['rechecks_good']} decisions about good and "
            f"{appraiser['rechecks_defect']} about defect parts"
        )
    return lines


def _counted(found: Mapping[str, Any], what: str) -> str:
    if not found["n"]:
        return f"0 of 0 {what}: nothing can be said without such parts"
    low, high = 100 * found["lower95"], 100 * found["upper95"]
    return (
        f"{found['k']} of {found['n']} {what} ({100 * found['rate']:.1f} %, at least {low:.1f} %, at most {high:.1f} %)"
    )


def _kappa(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return "undefined (only one word was used)"
    interval = found["interval95"]
    around = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
    return f"{found['value']:.2f}{around}"


def _borderline(rows: list[Mapping[str, Any]]) -> str:
    if not rows:
        return "no part on which runs or appraisers differ: were borderline parts among them?"
    named = ", ".join(row["part"] for row in rows[:_MOST_NAMED])
    more = ", ..." if len(rows) > _MOST_NAMED else ""
    return f"runs or appraisers differ on {len(rows)} parts: {named}{more}"
