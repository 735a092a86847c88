"""Which pictures had a say in a gate: the model learned from them, or its limits were chosen on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partgate.data.folder import Picture
from partgate.data.split import SPLIT_FILE, Standing, read_standings
from partgate.errors import DataError
from partgate.inference.inspector import Inspector
from partgate.recipe import HASH_DIGITS, Limits, Recipe

_NUMBERED_ANEW = "look-alike "  # such names mean another group in each run
_NO_NAME = "picture "  # followed by a hash: the group of a picture that has no other


@dataclass(frozen=True, slots=True)
class Seen:
    """The pictures that had a say in one gate."""

    learned: frozenset[str]  # hashes of training and validation pictures
    decision: Limits  # of the recipe
    standings: Mapping[str, Standing]  # of the run that made the bundle; empty where its split.csv is not beside it

    def had_a_say(self, sha256: str) -> bool:
        """Tell whether this very picture was learned from or chose the limits."""
        return sha256 in self.learned or self.decision.rests_on(sha256)


def split_beside(recipe: Recipe) -> Path:
    """Return where the split of the run lies that made a recipe's bundle; a moved bundle has none beside it."""
    return recipe.bundle.file.parent / SPLIT_FILE


def seen_by(inspector: Inspector) -> Seen:
    """Return what a gate has seen, by its bundle, its recipe and the split beside the bundle.

    Raises:
        DataError: If there is a split that cannot be read.
    """
    split = split_beside(inspector.recipe)
    standings = read_standings(split) if split.is_file() else {}
    learned = set(inspector.bundle.manifest.training.picture_sha256)
    learned |= {sha256 for sha256, one in standings.items() if one.side != "test"}
    return Seen(frozenset(learned), inspector.recipe.decision, standings)


def known_pictures(pictures: Sequence[Picture], gates: Sequence[Seen]) -> list[frozenset[str]]:
    """Return for each gate the files that had a say in it, themselves or by their group.

    A group is what the folder says today, and what any of the runs said: a part that one run found to be the same as
    another is the same for all of them.

    Args:
        pictures: Of a labelled folder.
        gates: What each gate has seen.
    """
    keys = {picture.sha256: _groups(picture, gates) for picture in pictures}
    known = []
    for gate in gates:
        groups = {key for sha256, its in keys.items() if gate.had_a_say(sha256) for key in its}
        groups |= {
            _name_of(one.group) for sha256, one in gate.standings.items() if gate.had_a_say(sha256) and _is_name(one)
        }
        groups |= {_name_of(group) for group in gate.decision.groups_rested_on}
        known.append(frozenset(one.file for one in pictures if gate.had_a_say(one.sha256) or keys[one.sha256] & groups))
    return known


def refuse_known(pictures: Sequence[Picture], inspector: Inspector, folder: Path, way_out: str) -> None:
    """Refuse pictures that had a say in a gate, themselves or by their part or group.

    Args:
        pictures: That are to prove something about the gate.
        inspector: The gate.
        folder: As the user named it.
        way_out: What to do, after the reasons.

    Raises:
        DataError: If there are any: how many for each reason, and an example.
    """
    gate = seen_by(inspector)
    (known,) = known_pictures(pictures, [gate])
    learned = [one for one in pictures if one.sha256 in gate.learned]
    chose = [one for one in pictures if gate.decision.rests_on(one.sha256)]
    grouped = [one for one in pictures if one.file in known and not gate.had_a_say(one.sha256)]
    reasons = [
        f"{folder}: {len(found)} of {len(pictures)} pictures {role}, e.g. {found[0].file!r} "
        f"(SHA-256 {found[0].sha256[:HASH_DIGITS]}…)"
        for role, found in (
            (f"trained bundle {inspector.bundle.id[:12]}", learned),
            (f"chose the limits of recipe '{inspector.recipe.name}'", chose),
        )
        if found
    ]
    if grouped:
        reasons.append(
            f"{folder}: {len(grouped)} of {len(pictures)} pictures are new ones of a part or group that had a say in "
            f"the gate, e.g. {grouped[0].file!r}{_called(grouped[0], gate)}"
        )
    if reasons:
        raise DataError("\n".join([*reasons, way_out]))


def _called(picture: Picture, gate: Seen) -> str:
    """Return the name that gives a picture away, and what to do where it is another thing of the same name."""
    standing = gate.standings.get(picture.sha256)
    names = [picture.group] + ([standing.group] if standing is not None and _is_name(standing) else [])
    name = next((name for name in names if not name.startswith(_NO_NAME)), None)
    if name is None:
        return ""
    return f" of {name!r}; if that is another part or group which only has the same name, rename it"


def _groups(picture: Picture, gates: Sequence[Seen]) -> set[tuple[int | str, str]]:
    """Return the groups of a picture: by today's name, and by number of the gate whose run grouped it."""
    found: set[tuple[int | str, str]] = {_name_of(picture.group)}
    for number, gate in enumerate(gates):
        standing = gate.standings.get(picture.sha256)
        if standing is not None:
            found |= {(number, standing.group)} | ({_name_of(standing.group)} if _is_name(standing) else set())
    return found


def _name_of(group: str) -> tuple[int | str, str]:
    return "name", group


def _is_name(standing: Standing) -> bool:
    return not standing.group.startswith(_NUMBERED_ANEW)
