"""Attribute agreement analysis: how appraisers, the gate among them, agree with themselves, each other and the truth.

Modelled on the attribute study of the AIAG MSA manual and VDA volume 5, both through secondary sources: no statement of
conformity.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partgate import __version__
from partgate.evaluation.rates import lower_bound, upper_bound
from partgate.msa.agreement import Kappa, bowker_test, cohens_kappa, cross_table, fleiss_kappa
from partgate.msa.study import Study
from partgate.parts import Verdict

MSA_FORMAT = 1

LIMITS: Mapping[str, Mapping[str, float]] = {
    "effectiveness": {"acceptable": 0.90, "marginal": 0.80},
    "miss": {"acceptable": 0.02, "marginal": 0.05},
    "false_alarm": {"acceptable": 0.05, "marginal": 0.10},
}
"""The usual limits of the AIAG manual, as secondary sources give them: effectiveness at least, the others at most."""

BALANCED = (0.30, 0.70)
"""Share of defect parts between which a verdict is given."""

LEVELS = ("acceptable", "marginal", "unacceptable")
"""From best to worst."""

_HIGH_IS_GOOD = ("rate", "upper95", "lower95")  # as seen, at best, at worst
_LOW_IS_GOOD = ("rate", "lower95", "upper95")
_WORDS = (Verdict.GOOD, Verdict.REJECT, Verdict.RECHECK)


def analyse(study: Study) -> dict[str, Any]:
    """Return all figures of a study; ``docs/msa.md`` names the keys.

    What is counted per part is independent and has exact bounds. Decisions about one part are not: the bounds of their
    rates rest on parts as well (see ``_decisions``).

    Args:
        study: Whole and without contradictions.
    """
    share = float(study.is_defect.mean())
    is_balanced = BALANCED[0] <= share <= BALANCED[1]
    indices = range(len(study.appraisers))
    return {
        "format": MSA_FORMAT,
        "partgate": __version__,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parts": len(study.parts),
        "defect_parts": int(study.is_defect.sum()),
        "good_parts": int((~study.is_defect).sum()),
        "defect_share": share,
        "is_balanced": is_balanced,
        "runs": list(study.runs),
        "words": [word.name for word in _words(study)],
        "recheck_as": study.recheck_as,
        "limits": {name: dict(levels) for name, levels in LIMITS.items()},
        "appraisers": [_appraiser(study, index, is_balanced) for index in indices],
        "between": _between(study) if len(study.appraisers) > 1 else None,
        "pairs": [_pair(study, one, other) for one, other in combinations(indices, 2)],
        "borderline": _borderline(study),
        "sources": dict(study.sources),
        "notes": list(study.notes),
    }


def _words(study: Study) -> tuple[Verdict, ...]:
    """Return the words that can occur; recheck only where it is a word of its own."""
    return _WORDS if study.recheck_as == "own" else _WORDS[:2]


def _numbered(verdicts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each verdict in ``_WORDS``."""
    return verdicts - Verdict.GOOD


def _truth(study: Study) -> NDArray[np.int64]:
    """Return the right verdict for every decision of one appraiser, (parts, runs)."""
    right = np.where(study.is_defect, int(Verdict.REJECT), int(Verdict.GOOD))
    return np.repeat(right[:, None], len(study.runs), axis=1)


def _appraiser(study: Study, index: int, is_balanced: bool) -> dict[str, Any]:
    verdicts, truth = study.verdicts[index], _truth(study)
    words = len(_words(study))
    right = verdicts == truth
    table = cross_table(_numbered(verdicts), _numbered(truth), words)
    figures: dict[str, Any] = {
        "name": study.appraisers[index],
        "is_station": study.appraisers[index] == study.station,
        "effectiveness_parts": share_of(int(right.all(axis=1).sum()), len(right)),
        "effectiveness_decisions": _decisions(right),
        "miss": _decisions(verdicts[study.is_defect] == Verdict.GOOD),
        "false_alarm": _decisions(verdicts[~study.is_defect] == Verdict.REJECT),
        "rechecks_good": int(study.rechecked[index][~study.is_defect].sum()),
        "rechecks_defect": int(study.rechecked[index][study.is_defect].sum()),
        "repeatability": _repeatability(verdicts),
        "reference_table": table.tolist(),
        "kappa_reference": _kappa(cohens_kappa(_numbered(verdicts), _numbered(truth), words)),
        "kappa_within": _kappa(fleiss_kappa(_counts(study, verdicts))) if len(study.runs) > 1 else None,
        "bowker_reference": _symmetry(table[:2, :2]),  # the reference never says recheck
        "leans": _leans(int(table[1, 0]), int(table[0, 1])),
    }
    return figures | {"assessment": _assess(figures) if is_balanced else None}


def share_of(k: int, n: int) -> dict[str, Any]:
    """Return a share of independent parts: counts, exact one-sided bounds, the exact two-sided interval (all 95 %).

    Source:
        Clopper, Pearson (1934); the two-sided interval is what other programs print.

    Example:
        >>> share = share_of(42, 50)
        >>> [round(bound, 2) for bound in share["interval95"]]
        [0.71, 0.93]
    """
    interval = [lower_bound(k, n, 0.975), upper_bound(k, n, 0.975)]
    return {
        "k": k,
        "n": n,
        "rate": k / n,
        "lower95": lower_bound(k, n),
        "upper95": upper_bound(k, n),
        "interval95": interval,
    }


def _decisions(hits: NDArray[np.bool_]) -> dict[str, Any]:
    """Return a rate of decisions, with bounds that hold although the runs of one part are not independent.

    The rate of decisions lies between the share of parts that were hit in all runs and the share of those hit in any:
    the exact lower bound of the first and the upper bound of the second hold for it.

    Args:
        hits: Shape (parts, runs); without parts there is no rate.

    Source:
        Own; bounds of the two shares: Clopper, Pearson (1934).
    """
    parts = len(hits)
    in_any, in_all = int(hits.any(axis=1).sum()), int(hits.all(axis=1).sum())
    return {
        "k": int(hits.sum()),
        "n": hits.size,
        "rate": float(hits.mean()) if parts else None,
        "parts": parts,
        "parts_any": in_any,
        "parts_all": in_all,
        "lower95": lower_bound(in_all, parts) if parts else None,
        "upper95": upper_bound(in_any, parts) if parts else None,
    }


def _repeatability(verdicts: NDArray[np.int64]) -> dict[str, Any] | None:
    """Return on how many parts an appraiser said the same in all runs; ``None`` with a single run."""
    if verdicts.shape[1] < 2:
        return None
    return share_of(int((verdicts == verdicts[:, :1]).all(axis=1).sum()), len(verdicts))


def _counts(study: Study, verdicts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each word was said about each part, (parts, words)."""
    return np.stack([(verdicts == word).sum(axis=1) for word in _words(study)], axis=1).astype(np.int64)


def _kappa(kappa: Kappa) -> dict[str, Any]:
    interval = kappa.interval()
    return {
        "value": kappa.value,
        "standard_error": kappa.standard_error,
        "textbook_error": kappa.textbook_error,
        "interval95": None if interval is None else list(interval),
    }


def _symmetry(table: NDArray[np.int64]) -> dict[str, Any]:
    found = bowker_test(table)
    return {"statistic": found.statistic, "degrees": found.degrees, "chance": found.chance}


def _leans(false_alarms: int, misses: int) -> str | None:
    """Return which of the two mistakes an appraiser makes more often."""
    return None if false_alarms == misses else "defect" if false_alarms > misses else "good"


def _assess(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the level of each figure by its point estimate, and whether its one-sided bound shows it too.

    A level is shown where the worst that the bound allows still reaches it; the lowest where even the best stays in it.
    """
    effectiveness, miss, false_alarm = figures["effectiveness_parts"], figures["miss"], figures["false_alarm"]
    found = {
        "effectiveness": [level_at_least(effectiveness[key], LIMITS["effectiveness"]) for key in _HIGH_IS_GOOD],
        "miss": [level_at_most(miss[key], LIMITS["miss"]) for key in _LOW_IS_GOOD],
        "false_alarm": [level_at_most(false_alarm[key], LIMITS["false_alarm"]) for key in _LOW_IS_GOOD],
    }
    levels = {name: seen for name, (seen, _, _) in found.items()}
    return {
        "levels": levels,
        "overall": max(levels.values(), key=LEVELS.index),
        "shown": {
            name: (at_best if seen == LEVELS[-1] else at_worst) == seen
            for name, (seen, at_best, at_worst) in found.items()
        },
    }


def level_at_least(rate: float, limits: Mapping[str, float]) -> str:
    """Return the level of a figure that should be high; exactly at the limit belongs to the better side.

    Example:
        >>> level_at_least(45 / 50, LIMITS["effectiveness"]), level_at_least(0.79, LIMITS["effectiveness"])
        ('acceptable', 'unacceptable')
    """
    return next((level for level in LEVELS[:2] if rate >= limits[level]), LEVELS[2])


def level_at_most(rate: float, limits: Mapping[str, float]) -> str:
    """Return the level of a figure that should be low; exactly at the limit belongs to the better side.

    Example:
        >>> level_at_most(1 / 50, LIMITS["miss"]), level_at_most(0.051, LIMITS["miss"])
        ('acceptable', 'unacceptable')
    """
    return next((level for level in LEVELS[:2] if rate <= limits[level]), LEVELS[2])


def _between(study: Study) -> dict[str, Any]:
    """Return how far all appraisers agree: in all runs, and with the reference too."""
    ratings = np.concatenate(list(study.verdicts), axis=1)  # (parts, appraisers x runs)
    agreed = (ratings == ratings[:, :1]).all(axis=1)
    right = agreed & (ratings[:, 0] == _truth(study)[:, 0])
    return {
        "agreed": share_of(int(agreed.sum()), len(agreed)),
        "right": share_of(int(right.sum()), len(right)),
        "kappa": _kappa(fleiss_kappa(_counts(study, ratings))),
    }


def _pair(study: Study, one: int, other: int) -> dict[str, Any]:
    """Return how two appraisers agree, run 1 beside run 1 and so on."""
    first, second, words = _numbered(study.verdicts[one]), _numbered(study.verdicts[other]), len(_words(study))
    table = cross_table(first, second, words)
    return {
        "first": study.appraisers[one],
        "second": study.appraisers[other],
        "agreed": int(np.trace(table)),
        "decisions": int(table.sum()),
        "table": table.tolist(),
        "kappa": _kappa(cohens_kappa(first, second, words)),
        "bowker": _symmetry(table),
    }


def _borderline(study: Study) -> list[dict[str, Any]]:
    """Return the parts on which runs or appraisers differ, those with the most wrong decisions first."""
    found = []
    for index, part in enumerate(study.parts):
        verdicts = study.verdicts[:, index, :]
        if (verdicts == verdicts[0, 0]).all():
            continue
        truth = Verdict.REJECT if study.is_defect[index] else Verdict.GOOD
        said = {
            name: [Verdict(int(one)).name for one in row] for name, row in zip(study.appraisers, verdicts, strict=True)
        }
        found.append({"part": part, "truth": truth.name, "wrong": int((verdicts != truth).sum()), "verdicts": said})
    return sorted(found, key=lambda row: -int(row["wrong"]))
