"""What the check of a labelled folder found, and ``findings.yaml``: what a person decided about it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from partgate.configfile import Settings, load_config
from partgate.errors import ConfigError

FINDINGS_FILE = "findings.yaml"
_ID_DIGITS = 10


class Severity(StrEnum):
    """How much a finding stands in the way, the heaviest first."""

    FIX = "fix"  # training refuses, or its figures would be wrong
    LOOK = "look"  # a person should look at the pictures
    KNOW = "know"  # nothing to do now, but good to know before believing a figure


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the check noticed, with the pictures that show it."""

    id: str  # the same as long as kind, pictures and subject are the same
    kind: str  # names the texts: ``check.KIND``, ``check.KIND.title``, ``check.KIND.next`` of the glossary
    severity: Severity
    files: tuple[str, ...] = ()  # concerned, the one to keep first
    facts: Mapping[str, Any] = field(default_factory=dict)  # values of the texts: words, whole numbers, floats
    pairs: tuple[tuple[str, str], ...] = ()  # of the files, those that a person should compare


def finding_id(kind: str, hashes: Iterable[str], subject: str = "") -> str:
    """Return an id that stays the same over runs, in whatever order the pictures come.

    Args:
        kind: What was found.
        hashes: SHA-256 of the pictures concerned; empty for what concerns the whole folder.
        subject: What else tells it from others: a class, the two labels.

    Example:
        >>> finding_id("copies", ["b", "a"]) == finding_id("copies", ["a", "b"])
        True
    """
    return hashlib.sha256("\n".join([kind, subject, *sorted(hashes)]).encode()).hexdigest()[:_ID_DIGITS]


_Files = tuple[str, ...]
_Together = Annotated[tuple[str, ...], Field(min_length=2)]


class Decisions(Settings):
    """What a person decided about the findings of ``partgate data check``: ``findings.yaml`` in the folder."""

    leave_out: _Files = Field(default=(), description="pictures that are not used, from the folder, with slashes")
    accepted: tuple[str, ...] = Field(default=(), description="ids of findings that are fine as they are")
    same_part: tuple[_Together, ...] = Field(
        default=(), description="lists of pictures that show the same part and stay on one side of a split"
    )
    different_parts: tuple[_Together, ...] = Field(
        default=(), description="lists of pictures that look alike but each show another part"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _nothing_is_an_empty_list(cls, value: Any) -> Any:
        """In the file made by the check all lines under a key may still be comments."""
        return () if value is None else value


def read_decisions(folder: Path, files: Sequence[str]) -> Decisions:
    """Return what ``findings.yaml`` says; without the file nothing is decided.

    Args:
        folder: The labelled folder.
        files: All its labelled pictures, as they are known before anything is left out.

    Raises:
        ConfigError: If the file is no such YAML, names pictures that do not exist, or says of two pictures that they
            show the same part and different ones; every problem at once.
    """
    path = folder / FINDINGS_FILE
    if not path.is_file():
        return Decisions()
    decisions = load_config(path, Decisions)
    known = set(files)
    problems = []
    for key in ("leave_out", "same_part", "different_parts"):
        for name in dict.fromkeys(_flat(getattr(decisions, key))):
            if name not in known:
                near = get_close_matches(name, files, n=1, cutoff=0.6)
                hint = f"did you mean '{near[0]}'?" if near else "remove the line"
                problems.append(f"{path}: {key}: '{name}' is no labelled picture of {folder}; {hint}")
    problems += [
        f"{path}: different_parts: '{one}' and '{other}' show the same part by same_part; keep one of the two"
        for one, other in _in_both(decisions)
    ]
    if problems:
        raise ConfigError(problems)
    return decisions


def _flat(value: Sequence[str] | Sequence[Sequence[str]]) -> list[str]:
    return [name for entry in value for name in ([entry] if isinstance(entry, str) else entry)]


def _in_both(decisions: Decisions) -> list[tuple[str, str]]:
    """Return pairs that are one part by way of ``same_part`` and still stand under ``different_parts``."""
    part: dict[str, frozenset[str]] = {}
    for together in decisions.same_part:
        joined = frozenset(together).union(*(part.get(name, frozenset()) for name in together))
        part |= dict.fromkeys(joined, joined)
    return [
        (one, other)
        for apart in decisions.different_parts
        for place, one in enumerate(apart)
        for other in apart[place + 1 :]
        if other == one or other in part.get(one, frozenset())
    ]


def without(groups: Iterable[Sequence[str]], left_out: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return lists of pictures less those left out; a list with fewer than two says nothing.

    Example:
        >>> without([("a", "b", "c"), ("a", "d")], ["a"])
        (('b', 'c'),)
    """
    gone = set(left_out)
    rest = (tuple(name for name in group if name not in gone) for group in groups)
    return tuple(group for group in rest if len(group) > 1)
