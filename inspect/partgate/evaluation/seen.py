"""Which pictures had a say in a gate: the model learned from them, or its limits were chosen on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from partgate.data.folder import Picture
from partgate.data.split import SPLIT_FILE, Standing, read_standings
from partgate.inference.inspector import Inspector
from partgate.recipe import ChosenOn

_NUMBERED_ANEW = "look-alike "  # such names mean another group in each run


@dataclass(frozen=True, slots=True)
class Seen:
    """The pictures that had a say in one gate."""

    learned: frozenset[str]  # hashes of training and validation pictures
    chosen_on: ChosenOn | None  # of the recipe
    standings: Mapping[str, Standing]  # of the run that made the bundle; empty where its split.csv is not beside it

    def had_a_say(self, sha256: str) -> bool:
        """Tell whether this very picture was learned from or chose the limits."""
        return sha256 in self.learned or (self.chosen_on is not None and self.chosen_on.holds(sha256))


def seen_by(inspector: Inspector) -> Seen:
    """Return what a gate has seen, by its bundle, its recipe and the split beside the bundle.

    Raises:
        DataError: If there is a split that cannot be read.
    """
    split = inspector.recipe.bundle.file.parent / SPLIT_FILE
    standings = read_standings(split) if split.is_file() else {}
    learned = set(inspector.bundle.manifest.training.picture_sha256)
    learned |= {sha256 for sha256, one in standings.items() if one.side != "test"}
    return Seen(frozenset(learned), inspector.recipe.decision.chosen_on, standings)


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
        known.append(frozenset(one.file for one in pictures if gate.had_a_say(one.sha256) or keys[one.sha256] & groups))
    return known


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
