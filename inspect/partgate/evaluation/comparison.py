"""Two runs on the same parts: what the newer one does better or worse, counted on parts that neither learned from."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from partgate.configfile import write_atomically
from partgate.data.folder import LabelledFolder, Picture, read_folder
from partgate.data.split import SPLIT_FILE, read_standings
from partgate.errors import DataError
from partgate.evaluation.judge import (
    Judged,
    Progress,
    is_escape,
    is_false_reject,
    judge_pictures,
    kind_of_mistake,
)
from partgate.evaluation.rates import auroc, upper_bound
from partgate.inference.inspector import Inspector
from partgate.parts import Verdict
from partgate.recipe import NO_GOOD_CLASS

COMPARISON_FILE = "comparison.json"
_FORMAT = 1
_MOST_NAMED = 3  # parts on the screen; the file holds all
_RIGHT, _UNDECIDED, _WRONG = 0, 1, 2


def compare_runs(old: Path, new: Path, data: Path, *, threads: int = 2, progress: Progress) -> dict[str, Any]:
    """Return what two runs make of the same parts; ``docs/report.md`` names the keys.

    Counted are the parts on the test side of the newer run whose groups the older one has not learned from.

    Args:
        old: Run folder that the newer one was continued from.
        new: Run folder.
        data: Labelled folder of the newer run.
        threads: Pictures judged at once.
        progress: Is told about each picture.

    Raises:
        ConfigError: If a recipe is wrong.
        BundleError: If a bundle is damaged or not the pinned one.
        DataError: If a split or the folder cannot be read.
    """
    inspectors = {"old": Inspector.open(old), "new": Inspector.open(new)}
    good = inspectors["new"].recipe.good_class
    folder = read_folder(data, good or NO_GOOD_CLASS, must_have_good=False)
    pictures, left_out = _unseen(folder, old, new, inspectors["old"])
    judged = {name: judge_pictures(pictures, one, threads, progress)[0] for name, one in inspectors.items()}
    first_test = {sha256 for sha256, one in read_standings(old / SPLIT_FILE).items() if one.side == "test"}
    known = inspectors["old"].bundle.manifest.classes
    truths = [one.picture.label for one in judged["new"]]
    changed = _changed(judged["old"], judged["new"], good)
    better, worse = (sum(one["change"] == word for one in changed) for word in ("better", "worse"))
    return {
        "format": _FORMAT,
        "good_class": good,
        "counted": "part" if any(one.picture.part for one in judged["new"]) else "picture",
        "n": len(truths),
        "n_good": None if good is None else truths.count(good),
        "n_defect": None if good is None else len(truths) - truths.count(good),
        "pictures": len(pictures),
        "pictures_tested_before": sum(picture.sha256 in first_test for picture in pictures),
        "left_out_seen_by_old": left_out,
        "classes_new_to_old": sorted(set(truths) - set(known)),
        **{name: _figures(judged[name], one, good) for name, one in inspectors.items()},
        "better": better,
        "worse": worse,
        "chance": sign_test(better, worse),
        "changed": changed,
    }


def _unseen(folder: LabelledFolder, old: Path, new: Path, inspector: Inspector) -> tuple[list[Picture], int]:
    """Return the test pictures whose groups the older run has not learned from, and how many it has."""
    before, now = read_standings(old / SPLIT_FILE), read_standings(new / SPLIT_FILE)
    learned = set(inspector.bundle.manifest.training.picture_sha256)
    learned |= {sha256 for sha256, one in before.items() if one.side != "test"}
    seen = {one.group for sha256, one in now.items() if sha256 in learned}
    test = [picture for picture in folder.pictures if picture.sha256 in now and now[picture.sha256].side == "test"]
    unseen = [picture for picture in test if now[picture.sha256].group not in seen]
    return unseen, len(test) - len(unseen)


def _figures(judged: Sequence[Judged], inspector: Inspector, good: str | None) -> dict[str, Any]:
    bundle = inspector.bundle
    rechecks = [one.picture.label for one in judged if one.decision.verdict is Verdict.RECHECK]
    figures: dict[str, Any] = {"bundle_id": bundle.id, "classes": list(bundle.manifest.classes)}
    if good is None:
        wrong = sum(kind_of_mistake(one, good) == "wrong_class" for one in judged)
        return figures | {"wrong_class": wrong, "rechecks": len(rechecks)} | _bound("wrong_class", wrong, len(judged))
    truths = [one.picture.label for one in judged]
    n_good = truths.count(good)
    counts = {
        "escapes": (sum(is_escape(one, good) for one in judged), len(judged) - n_good),
        "false_rejects": (sum(is_false_reject(one, good) for one in judged), n_good),
    }
    for name, (k, n) in counts.items():
        figures |= {name: k} | _bound(name, k, n)
    scores = np.array([one.prediction.defect_score for one in judged], float)
    finite = np.isfinite(scores)
    is_defect = np.array([label != good for label in truths], bool)
    return figures | {
        "rechecks_good": rechecks.count(good),
        "rechecks_defect": len(rechecks) - rechecks.count(good),
        "auroc": auroc(scores[finite], is_defect[finite]),
    }


def _bound(name: str, k: int, n: int) -> dict[str, float | None]:
    return {f"{name}_upper95": upper_bound(k, n) if n else None}


def _changed(old: Sequence[Judged], new: Sequence[Judged], good: str | None) -> list[dict[str, Any]]:
    before = {_part(one): one for one in old}
    pairs = [(before[_part(one)], one) for one in new if _part(one) in before]
    return [
        {
            "file": now.picture.file,
            "part": now.picture.part,
            "truth": now.picture.label,
            "old": _said(then),
            "new": _said(now),
            "change": ("better", "neither", "worse")[1 + int(np.sign(_badness(now, good) - _badness(then, good)))],
        }
        for then, now in pairs
        if _said(then)["verdict"] != _said(now)["verdict"] or _badness(now, good) != _badness(then, good)
    ]


def _part(one: Judged) -> str:
    return one.picture.part or f"picture {one.picture.file}"


def _said(one: Judged) -> dict[str, Any]:
    score = one.prediction.defect_score
    return {
        "verdict": one.decision.verdict.name,
        "defect_score": score if math.isfinite(score) else None,
        "predicted_class": one.prediction.predicted_class,
    }


def _badness(one: Judged, good: str | None) -> int:
    if one.decision.verdict is Verdict.RECHECK:
        return _UNDECIDED
    if good is None:
        is_right = one.decision.verdict is Verdict.GOOD and one.prediction.predicted_class == one.picture.label
    else:
        is_right = (one.decision.verdict is Verdict.GOOD) == (one.picture.label == good)
    return _RIGHT if is_right else _WRONG


def sign_test(better: int, worse: int) -> float:
    """Return how often chance alone would split so many changes at least so unevenly.

    Source:
        Dixon, Mood (1946), "The statistical sign test", Journal of the American Statistical Association 41; two-sided.

    Example:
        >>> sign_test(4, 0), sign_test(1, 1)
        (0.125, 1.0)
    """
    n = better + worse
    as_uneven = sum(math.comb(n, k) for k in range(min(better, worse) + 1))
    return min(1.0, float(2 * as_uneven / 2**n))


def write_comparison(facts: Mapping[str, Any], run: Path) -> Path:
    """Write a comparison into a run folder and return its path.

    Raises:
        DataError: If the place is not writable or full.
    """
    path = run / COMPARISON_FILE
    try:
        write_atomically(path, json.dumps(facts, indent=1, ensure_ascii=False).encode())
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def describe_comparison(facts: Mapping[str, Any]) -> list[str]:
    """Return a comparison in five lines, counts before rates."""
    unit, old, new = facts["counted"] + "s", facts["old"], facts["new"]
    left = facts["left_out_seen_by_old"]
    left_out = f"; {left} pictures left out, as the old model learned from their group" if left else ""
    if not facts["n"]:
        return [f"old against new: no {facts['counted']} that neither learned from{left_out}: nothing to compare"]
    unknown = facts["classes_new_to_old"]
    of_new = f"; classes new to the old model: {', '.join(unknown)}" if unknown else ""
    if facts["good_class"] is None:
        counted = f"{facts['n']} {unit}"
        rows = [_row("sorted wrong", "wrong_class", facts["n"], unit, facts),
                f"  rechecks:      {old['rechecks']} → {new['rechecks']}"]  # fmt: skip
    else:
        counted = f"{facts['n']} {unit} ({facts['n_good']} good, {facts['n_defect']} defect)"
        rechecks = [one["rechecks_good"] + one["rechecks_defect"] for one in (old, new)]
        aurocs = ["–" if one["auroc"] is None else f"{one['auroc']:.3f}" for one in (old, new)]
        rows = [
            _row("escapes", "escapes", facts["n_defect"], f"defect {unit}", facts),
            _row("false rejects", "false_rejects", facts["n_good"], f"good {unit}", facts),
            f"  rechecks:      {rechecks[0]} → {rechecks[1]}; AUROC {aurocs[0]} → {aurocs[1]}",
        ]
    return [f"old against new on {counted} that neither learned from{left_out}{of_new}:", *rows, _changes(facts)]


def _row(title: str, name: str, n: int, noun: str, facts: Mapping[str, Any]) -> str:
    counts = f"  {title + ':':<14} {facts['old'][name]} → {facts['new'][name]} of {n} {noun}"
    bounds = [facts[one][f"{name}_upper95"] for one in ("old", "new")]
    if None in bounds:
        return f"{counts}: nothing can be said without such parts"
    return f"{counts} (at most {100 * bounds[0]:.1f} % → {100 * bounds[1]:.1f} %, one-sided 95 %)"


def _changes(facts: Mapping[str, Any]) -> str:
    better, worse, changed = facts["better"], facts["worse"], facts["changed"]
    if not changed:
        return "  changed:       no verdict"
    files = ", ".join(one["file"] for one in changed[:_MOST_NAMED])
    more = ", ..." if len(changed) > _MOST_NAMED else ""
    return (
        f"  changed:       {len(changed)} verdicts, {better} to the better and {worse} to the worse "
        f"(by chance alone p = {facts['chance']:.2f}): {files}{more}"
    )
