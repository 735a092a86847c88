"""An agreement study in memory: every part judged by every appraiser in every run, beside what each part truly is."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from partgate.errors import DataError
from partgate.glossary import count_of
from partgate.parts import Verdict

RecheckAs = Literal["defect", "good", "own"]

STATION = "station"
"""Name of the gate among the appraisers."""

MOST_SHOWN = 10
"""Problems of one kind that are named one by one."""

_WORDS = {Verdict.GOOD: "good", Verdict.REJECT: "defect", Verdict.RECHECK: "recheck"}


@dataclass(frozen=True, slots=True)
class Call:
    """One decision of one appraiser about one part, as it was read."""

    where: str  # file and row, for messages
    part: str
    appraiser: str
    run: str
    verdict: Verdict
    reference: Verdict | None = None  # GOOD or REJECT, where the same row tells it


@dataclass(frozen=True, slots=True)
class Study:
    """A whole study: nothing missing, nothing twice."""

    parts: tuple[str, ...]
    appraisers: tuple[str, ...]  # the station first
    runs: tuple[str, ...]
    is_defect: NDArray[np.bool_]  # truth, (parts,)
    verdicts: NDArray[np.int64]  # numbers of ``Verdict`` after ``recheck_as``, (appraisers, parts, runs)
    rechecked: NDArray[np.bool_]  # where an appraiser left the decision to somebody else, the same shape
    recheck_as: RecheckAs
    station: str | None = None  # which of the appraisers is the gate
    notes: tuple[str, ...] = ()  # for the user to read
    sources: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of every file or bundle read, by its name


def build_study(
    calls: Sequence[Call],
    references: Mapping[str, Verdict],
    *,
    recheck_as: RecheckAs = "defect",
    station: str | None = None,
    notes: Sequence[str] = (),
    sources: Mapping[str, str] | None = None,
) -> Study:
    """Return a study from its single decisions.

    Args:
        calls: All decisions, in any order.
        references: What each part truly is, from elsewhere than the decisions.
        recheck_as: What counts where an appraiser leaves the decision to somebody else: ``defect`` (the part does not
            pass), ``good`` (it would pass in the end) or ``own`` (a third word, never right).
        station: Name of the gate, where it takes part.
        notes: For the user to read.
        sources: SHA-256 of the files read, by name.

    Raises:
        DataError: If a decision is missing or stands twice, a part has no or two references, or there are fewer than
            two parts; up to ten problems of a kind are named.
    """
    if not calls:
        raise DataError("the study holds no decision; fill in the sheets of 'partgate msa --template FOLDER'")
    truth = _references(calls, references)
    parts = sort_naturally({call.part for call in calls})
    if len(parts) < 2:
        raise DataError(
            f"the study holds 1 part ('{parts[0]}'); it needs at least 2, better 50, some of them borderline"
        )
    names = sort_naturally({call.appraiser for call in calls})
    appraisers = [name for name in names if name == station] + [name for name in names if name != station]
    runs = sort_naturally({call.run for call in calls})
    found = _decisions(calls, parts, appraisers, runs)
    rechecked = found == Verdict.RECHECK
    if recheck_as != "own":
        found[rechecked] = Verdict.GOOD if recheck_as == "good" else Verdict.REJECT
    unjudged = sort_naturally(set(references) - set(parts))
    more = [f"{len(unjudged)} parts have a reference but no decision, e.g. '{unjudged[0]}'"] if unjudged else []
    is_defect = np.array([truth[part] is Verdict.REJECT for part in parts])
    return Study(
        tuple(parts), tuple(appraisers), tuple(runs), is_defect, found, rechecked, recheck_as,
        station, (*notes, *more), dict(sources or {}),
    )  # fmt: skip


def sort_naturally(names: set[str]) -> list[str]:
    """Return names with their numbers in order of size.

    Example:
        >>> sort_naturally({"P10", "P9", "P1"})
        ['P1', 'P9', 'P10']
    """

    def key(name: str) -> tuple[list[tuple[int, int, str]], str]:
        pieces = re.findall(r"[0-9]+|[^0-9]+", name)
        return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece.casefold()) for piece in pieces], name

    return sorted(names, key=key)


def shorten(problems: Sequence[str]) -> str:
    """Return problems one per line, the first ten by name."""
    rest = len(problems) - MOST_SHOWN
    return "\n".join(problems[:MOST_SHOWN]) + (f"\n... and {rest} more" if rest > 0 else "")


def _references(calls: Sequence[Call], references: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Return what each judged part truly is."""
    said: dict[str, dict[Verdict, str]] = defaultdict(dict)
    for part, verdict in references.items():
        said[part][verdict] = "the list of references"
    for call in calls:
        if call.reference is not None:
            said[call.part].setdefault(call.reference, call.where)
    problems = [
        f"part '{part}' has two references: " + ", ".join(f"{_WORDS[word]} ({where})" for word, where in words.items())
        for part, words in said.items()
        if len(words) > 1
    ]
    if problems:
        raise DataError(shorten(problems) + "\na part is either good or defect: correct the reference, or leave it out")
    unknown = sort_naturally({call.part for call in calls} - set(said))
    if unknown:
        named = ", ".join(f"'{part}'" for part in unknown[:MOST_SHOWN]) + (" ..." if len(unknown) > MOST_SHOWN else "")
        raise DataError(
            f"{len(unknown)} parts have no reference: {named}; add a column 'reference', or "
            "a file with the columns part and reference by --reference"
        )
    return {part: next(iter(words)) for part, words in said.items()}


def _decisions(
    calls: Sequence[Call], parts: Sequence[str], appraisers: Sequence[str], runs: Sequence[str]
) -> NDArray[np.int64]:
    """Return numbers of verdicts, (appraisers, parts, runs)."""
    places: dict[tuple[str, str, str], Call] = {}
    twice: list[str] = []
    for call in calls:
        place = (call.appraiser, call.part, call.run)
        if place in places:
            twice.append(f"{call.where}: {_place(*place)} stands already in {places[place].where}")
        places.setdefault(place, call)
    if twice:
        raise DataError(shorten(twice) + "\nkeep one decision for each part, appraiser and run")
    wanted = [(appraiser, part, run) for appraiser in appraisers for part in parts for run in runs]
    missing = [f"missing: {_place(*place)}" for place in wanted if place not in places]
    if missing:
        raise DataError(
            f"{len(places)} of {len(wanted)} decisions are there ({len(parts)} parts x {count_of(len(runs), 'run')} x "
            f"{count_of(len(appraisers), 'appraiser')}: {', '.join(appraisers)}; "
            f"runs {', '.join(runs)})\n{shorten(missing)}\n"
            "every appraiser judges every part in every run: add the missing decisions, or leave out part or run"
        )
    found = [int(places[place].verdict) for place in wanted]
    return np.array(found, np.int64).reshape(len(appraisers), len(parts), len(runs))


def _place(appraiser: str, part: str, run: str) -> str:
    return f"part '{part}', appraiser '{appraiser}', run {run}"
