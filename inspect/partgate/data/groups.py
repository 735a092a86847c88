"""Which pictures stay on one side of a split: where groups come from, and a labelled folder with new ones.

``look_alikes.py`` finds groups where neither columns nor file names tell them.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from partgate.data.folder import LabelledFolder, Picture
from partgate.data.joining import JoinedSets
from partgate.errors import ConfigError, DataError

_GROUP = "group"
_MOST_SHOWN = 3


class GroupSource(StrEnum):
    """How it is known which pictures show the same part."""

    GIVEN = "given"  # columns group and part of labels.csv
    PATTERN = "pattern"  # a pattern on file names
    LOOK_ALIKES = "look_alikes"  # found in the pictures
    PICTURE = "picture"  # not at all: every picture counts as a part, figures are not independent


_TOLD_BY = {
    GroupSource.GIVEN: "parts or groups, by labels.csv",
    GroupSource.PATTERN: "groups, by their file names",
    GroupSource.LOOK_ALIKES: "look-alike groups",
    GroupSource.PICTURE: "different pictures",
}


def group_by_pattern(pictures: Sequence[Picture], pattern: str) -> dict[str, str]:
    r"""Return the group of each picture, as its file name tells it.

    Args:
        pictures: To be grouped.
        pattern: Regular expression with a group called ``group``, searched in the path from the folder, e.g.
            ``(?P<group>part\d+)_``.

    Returns:
        Name of the group by file.

    Raises:
        ConfigError: If the pattern is no regular expression or has no group called ``group``.
        DataError: If it does not tell the group of some pictures.
    """
    try:
        search = re.compile(pattern)
    except re.error as error:
        raise ConfigError([f"group_pattern: {pattern!r} is no regular expression: {error}"]) from error
    if _GROUP not in search.groupindex:
        raise ConfigError(
            [f"group_pattern: must name the part of the file name that tells the group, as in '(?P<group>part\\d+)_', "
             f"got {pattern!r}"]
        )  # fmt: skip
    found = {picture.file: match[_GROUP] if (match := search.search(picture.file)) else None for picture in pictures}
    silent = [file for file, group in found.items() if not group]
    if silent:
        shown = ", ".join(repr(file) for file in silent[:_MOST_SHOWN])
        more = f" and {len(silent) - _MOST_SHOWN} more" if len(silent) > _MOST_SHOWN else ""
        raise DataError(
            f"group_pattern {pattern!r} tells no group for {len(silent)} of {len(pictures)} pictures: {shown}{more}; "
            "widen the pattern or rename them"
        )
    return {file: group for file, group in found.items() if group}


def regroup(folder: LabelledFolder, groups: Mapping[str, str], source: GroupSource) -> LabelledFolder:
    """Return the folder with other groups, and a note for each class that shows far fewer groups than pictures.

    Pictures that are in one group already stay together: byte-identical copies, and what a person joined. So groups may
    grow together.

    Args:
        folder: As it was read.
        groups: Name of the group by file; a picture that is not named keeps the group it has.
        source: Where they come from.
    """
    joined = JoinedSets(len(folder.pictures))
    first: dict[tuple[str, str], int] = {}
    for i, picture in enumerate(folder.pictures):
        joined.join(i, first.setdefault(("before", picture.group), i))
        if picture.file in groups:
            joined.join(i, first.setdefault(("now", groups[picture.file]), i))
    names: dict[int, str] = {}
    for i, picture in enumerate(folder.pictures):
        if picture.file in groups:
            names.setdefault(joined.leader(i), groups[picture.file])
    pictures = tuple(
        replace(picture, group=names.get(joined.leader(i), picture.group)) for i, picture in enumerate(folder.pictures)
    )
    return replace(
        folder,
        pictures=pictures,
        has_groups=source in (GroupSource.GIVEN, GroupSource.PATTERN),
        notes=(*folder.notes, *note_few_groups(pictures, source)),
    )


def note_few_groups(pictures: Sequence[Picture], source: GroupSource) -> list[str]:
    """Return a sentence for each class whose pictures show at most half as many groups, in the order of the names."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for picture in pictures:
        counts[picture.label][picture.group] += 1
    return [
        f"{found.total()} {label} pictures show only {len(found)} {_TOLD_BY[source]} (the largest has "
        f"{max(found.values())}): each stays on one side of the split, and the figures rest on {len(found)}"
        for label, found in sorted(counts.items())
        if 2 * len(found) <= found.total()
    ]
