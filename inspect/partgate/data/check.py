"""The check of a labelled folder before (and after) training: what to fix, what to look at, what to know.

Nothing is deleted or changed; a person answers in ``findings.yaml``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partgate.data.check_labels import check_alike, check_amounts, check_classes, check_doubts
from partgate.data.check_pictures import (
    check_copies,
    check_exposure_and_focus,
    check_light,
    check_marks,
    check_shortcuts,
    check_sizes,
    count_sizes,
)
from partgate.data.doubts import Doubts, OutOfFold, find_doubts
from partgate.data.findings import Finding, Severity, finding_id
from partgate.data.folder import LabelledFolder, Picture, count_classes
from partgate.data.look_alikes import LookAlikes
from partgate.data.marks import find_marks
from partgate.data.quality import Measured, Progress, measure_pictures

_SEVERITIES = tuple(Severity)
_FIRST = ("two_labels", "part_two_labels", "near_two_labels", "doubtful_label")  # wrong labels spoil most


@dataclass(frozen=True, slots=True)
class ClassCount:
    """One class in numbers."""

    name: str
    pictures: int
    parts: int | None  # None where nobody knows which pictures show the same part


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of a folder says."""

    folder: Path
    good_class: str | None
    pictures: tuple[Picture, ...]
    unreadable: int
    left_out: int
    classes: tuple[ClassCount, ...]
    parts_by: str  # ``given``, ``found`` or ``unknown``: how pictures of one part are known
    image_size_px: int  # input size of the training to come
    sizes: tuple[tuple[int, int, int], ...]  # height, width, pictures; the most frequent first
    findings: tuple[Finding, ...]  # open, the heaviest first; of one severity by kind
    accepted: tuple[Finding, ...]
    not_checked: tuple[str, ...]  # ids of texts
    scored: int | None  # pictures with out-of-fold scores; None where no run was given
    notes: tuple[str, ...]  # of reading the folder

    def count(self, severity: Severity) -> int:
        """Return how many open findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings)


def check_folder(
    folder: LabelledFolder,
    *,
    image_size_px: int,
    progress: Progress,
    is_sorting: bool = False,
    alike: LookAlikes | None = None,
    scores: OutOfFold | None = None,
    threads: int = 2,
) -> Checked:
    """Return what is to be said about a labelled folder.

    Args:
        folder: Read with ``for_check``: contradictions are still in it.
        image_size_px: Input size of the training to come: side of a square with as many pixels.
        progress: Is told about each picture.
        is_sorting: No class is meant to be the good one.
        alike: Pictures that seem to show one part; ``None`` where nobody could look for them.
        scores: Out-of-fold scores of a training; ``None`` before one.
        threads: Pictures read at once.
    """
    pictures = folder.pictures
    measured, unreadable = measure_pictures(pictures, threads, progress)
    groups = _parts(folder, alike)
    parts_by = "given" if folder.has_groups else "unknown" if alike is None else "found"
    doubts = find_doubts(pictures, scores) if scores else Doubts()
    found = [
        *check_classes(pictures, folder.good_class, is_sorting),
        *check_amounts(pictures, folder.good_class, groups, parts_by != "unknown"),
        *_unreadable(pictures, unreadable),
        *check_copies(measured, groups),
        *check_doubts(doubts),
        *(check_alike(pictures, alike, folder.has_groups) if alike else []),
        *_check_pixels(measured, folder.good_class, image_size_px),
    ]
    sizes = count_sizes(measured).most_common()
    return Checked(
        folder=folder.folder,
        good_class=folder.good_class,
        pictures=pictures,
        unreadable=len(unreadable),
        left_out=len(folder.left_out),
        classes=_count_classes(folder, groups, parts_by),
        parts_by=parts_by,
        image_size_px=image_size_px,
        sizes=tuple((height, width, count) for (height, width), count in sizes),
        findings=_in_order(finding for finding in found if finding.id not in folder.accepted),
        accepted=_in_order(finding for finding in found if finding.id in folder.accepted),
        not_checked=(*(["alike"] if alike is None else []), *(["doubtful_label"] if scores is None else [])),
        scored=doubts.scored if scores else None,
        notes=folder.notes,
    )


def _check_pixels(measured: Sequence[Measured], good_class: str | None, image_size_px: int) -> list[Finding]:
    """Return what the pictures themselves tell, whoever labelled them."""
    marks, unread = find_marks(measured, image_size_px)
    return [
        *check_exposure_and_focus(measured),
        *check_sizes(measured),
        *check_shortcuts(measured, good_class),
        *check_light(measured, good_class),
        *check_marks(marks, unread, measured, image_size_px),
    ]


def _parts(folder: LabelledFolder, alike: LookAlikes | None) -> dict[str, str]:
    """Return by file which part it shows: as given, else as found; what could not be read is a part of its own."""
    groups = {picture.file: picture.group for picture in folder.pictures}
    return groups if folder.has_groups or alike is None else groups | dict(alike.groups)


def _count_classes(folder: LabelledFolder, groups: Mapping[str, str], parts_by: str) -> tuple[ClassCount, ...]:
    parts: dict[str, set[str]] = defaultdict(set)
    for picture in folder.pictures:
        parts[picture.label].add(groups[picture.file])
    counts = count_classes(folder.pictures)
    return tuple(
        ClassCount(name, counts[name], None if parts_by == "unknown" else len(parts[name])) for name in folder.classes
    )


def _unreadable(pictures: Sequence[Picture], reasons: Mapping[str, str]) -> list[Finding]:
    return [
        Finding(
            finding_id("unreadable", [picture.sha256], picture.file),
            "unreadable",
            Severity.LOOK,
            (picture.file,),
            {"reason": reasons[picture.file]},
        )
        for picture in pictures
        if picture.file in reasons
    ]


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings by severity, then those about labels first; each kind in one piece, at its heaviest."""
    listed = list(findings)
    heaviest: dict[str, int] = {}
    for one in listed:
        place = _SEVERITIES.index(one.severity)
        heaviest[one.kind] = min(place, heaviest.get(one.kind, place))
    kinds = [*_FIRST, *(kind for kind in heaviest if kind not in _FIRST)]
    return tuple(sorted(listed, key=lambda one: (heaviest[one.kind], kinds.index(one.kind))))
