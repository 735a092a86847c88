"""The seal: which parts an acceptance will judge, written down with their hashes and labels before anyone judges them.

The seal's own hash covers the time and the whole list. Who hands the first digits of it to the other side when sealing
can show later that nothing was exchanged; the file alone cannot show when it was written.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from partgate import __version__
from partgate.configfile import write_atomically
from partgate.data.folder import LabelledFolder, Picture, read_folder
from partgate.errors import DataError
from partgate.evaluation.agreed_limits import severity_of
from partgate.imaging import read_picture

SEAL_FORMAT = 1
_MOST_NAMED = 5
_MOST_UNREADABLE = 20
_NO_CLASS_IS_ASKED_FOR = ""  # which class is good is the recipe's matter; a seal takes any names


@dataclass(frozen=True, slots=True)
class SealedPicture:
    """One picture as it was sealed."""

    file: str
    sha256: str
    label: str
    part: str | None
    severity: str | None


@dataclass(frozen=True, slots=True)
class Seal:
    """A list of pictures that nobody may change any more."""

    sealed_at: datetime  # UTC
    pictures: tuple[SealedPicture, ...]  # in the order of their names

    @property
    def sha256(self) -> str:
        """Return the hash over time and list; it changes with every letter of them."""
        lines = [self.sealed_at.isoformat(), *(json.dumps(list(asdict(one).values())) for one in self.pictures)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def seal_now(pictures: Sequence[Picture]) -> Seal:
    """Return the seal of labelled pictures, of this second."""
    return Seal(
        datetime.now(UTC).replace(microsecond=0), tuple(sorted(map(_sealed, pictures), key=lambda one: one.file))
    )


def _sealed(picture: Picture) -> SealedPicture:
    return SealedPicture(picture.file, picture.sha256, picture.label, picture.part, severity_of(picture) or None)


def read_test_folder(data: Path, good_class: str = _NO_CLASS_IS_ASKED_FOR) -> LabelledFolder:
    """Return the pictures of an acceptance, after checking that each can count once.

    Args:
        data: Labelled folder.
        good_class: The recipe's, where it is known.

    Raises:
        DataError: If the folder or a picture cannot be read, a part has two labels or severities, or one picture stands
            there as two parts.
    """
    folder = read_folder(data, good_class, must_have_good=False)
    problems = _copies(folder.pictures)
    if problems:
        raise DataError("\n".join(f"{data}: {problem}" for problem in problems))
    refuse_unreadable(data, [problem for picture in folder.pictures if (problem := _unreadable(picture))])
    return folder


def _unreadable(picture: Picture) -> str | None:
    try:
        read_picture(picture.path)
    except DataError as error:
        return str(error)
    return None


def refuse_unreadable(data: Path, problems: Sequence[str]) -> None:
    """Refuse files that are no whole pictures: on the line they would go to recheck, and could count as caught.

    Args:
        data: The folder they lie in.
        problems: A line for each file.

    Raises:
        DataError: If there are any; up to 20 are named.
    """
    if not problems:
        return
    more = len(problems) - _MOST_UNREADABLE
    lines = [f"{data}: {len(problems)} pictures cannot be read; a broken file proves nothing:", *problems]
    lines = lines[: 1 + _MOST_UNREADABLE] + ([f"... and {more} more"] if more > 0 else [])
    raise DataError("\n".join([*lines, "bring back the whole pictures, or take these parts out of the test"]))


def _copies(pictures: Sequence[Picture]) -> list[str]:
    """Say which pictures are the same file under two names: they would count as two parts."""
    first: dict[str, Picture] = {}
    pairs = []
    for picture in pictures:
        other = first.setdefault(picture.sha256, picture)
        if other is not picture and (picture.part is None or picture.part != other.part):
            pairs.append((other.file, picture.file))
    if not pairs:
        return []
    one, other_file = pairs[0]
    return [
        f"{len(pairs)} pictures are copies of others and would count twice, e.g. {other_file!r} of {one!r}; "
        "a proof needs different parts: remove the copies"
    ]


def write_seal(seal: Seal, folder: str, out: Path) -> None:
    """Write a seal into a file that must not exist yet.

    Args:
        seal: To be written.
        folder: Name of the sealed folder, for people.
        out: JSON file.

    Raises:
        DataError: If the file is there or cannot be written.
    """
    if out.exists():
        raise DataError(f"{out}: a seal is never overwritten; name another file")
    content = {
        "format": SEAL_FORMAT,
        "partgate": __version__,
        "folder": folder,
        "sealed_at": seal.sealed_at.isoformat(),
        "sha256": seal.sha256,
        "pictures": [asdict(picture) for picture in seal.pictures],
    }
    try:
        write_atomically(out, json.dumps(content, indent=1, ensure_ascii=False).encode())
    except OSError as error:
        raise DataError(f"{out}: the seal cannot be written: {error.strerror}; name a writable place") from error


def read_seal(path: Path) -> Seal:
    """Return a seal after checking that it is whole.

    Raises:
        DataError: If there is none, it is of a newer format, or it was changed after it was written.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"seal {path}: cannot be read: {error.strerror}; write one with 'partgate seal'") from error
    except ValueError as error:
        raise DataError(f"seal {path}: is not JSON: {error}; name the file that 'partgate seal' wrote") from error
    if not isinstance(raw, dict) or "sealed_at" not in raw:
        raise DataError(f"seal {path}: is no seal; name the file that 'partgate seal' wrote")
    if raw.get("format") != SEAL_FORMAT:
        found = raw.get("format")
        raise DataError(f"seal {path}: format must be {SEAL_FORMAT}, got {found!r}: update partgate on this PC")
    try:
        seal = _to_seal(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"seal {path}: does not hold together: {error}; it was changed after sealing") from error
    if seal.sha256 != raw.get("sha256"):
        raise DataError(
            f"seal {path}: was changed after sealing: its hash is {seal.sha256[:12]}, it says "
            f"{str(raw.get('sha256'))[:12]}; take the file as it was written on {raw['sealed_at']}"
        )
    return seal


def _to_seal(raw: Mapping[str, Any]) -> Seal:
    return Seal(datetime.fromisoformat(raw["sealed_at"]), tuple(SealedPicture(**one) for one in raw["pictures"]))


def check_against_seal(folder: LabelledFolder, seal: Seal) -> None:
    """Refuse data that is not what was sealed.

    Raises:
        DataError: If pictures are missing, changed, added, or have another label, part or severity; examples are named.
    """
    sealed = {one.file: one for one in seal.pictures}
    found = {one.file: one for one in map(_sealed, folder.pictures)}
    both = [(sealed[file], found[file]) for file in sorted(sealed.keys() & found.keys())]
    differing = [(old, new) for old, new in both if old.sha256 == new.sha256 and old != new]
    problems = [
        _named("are missing", sorted(sealed.keys() - found.keys())),
        _named("were added", sorted(found.keys() - sealed.keys())),
        _named("are other pictures now", [old.file for old, new in both if old.sha256 != new.sha256]),
        _named("have another label, part or severity", [_difference(old, new) for old, new in differing]),
    ]
    lines = [f"{folder.folder}: not as sealed: {problem}" for problem in problems if problem]
    if lines:
        way_out = f"bring back the data of {seal.sealed_at.isoformat()}, or seal anew and say so"
        raise DataError("\n".join([*lines, way_out]))


def _named(what: str, files: Sequence[str]) -> str | None:
    if not files:
        return None
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    return f"{len(files)} pictures {what}: {', '.join(files[:_MOST_NAMED])}{more}"


def _difference(old: SealedPicture, new: SealedPicture) -> str:
    changes = [
        f"{name} '{getattr(old, name) or ''}' is now '{getattr(new, name) or ''}'"
        for name in ("label", "part", "severity")
        if getattr(old, name) != getattr(new, name)
    ]
    return f"{old.file} ({', '.join(changes)})"
