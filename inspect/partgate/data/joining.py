"""What belongs together, also by way of others, and what must not."""

from collections import defaultdict
from collections.abc import Mapping

_SUPPORT = 0.15  # share of the compared pairs between two groups that must be alike to join them by an unsure one

Pair = tuple[int, int]
"""Two places, the smaller first."""


class JoinedSets:
    """Numbers 0 to n - 1, each first in a set of its own; sets are joined unless two of their members are kept apart.

    Example:
        >>> sets = JoinedSets(3)
        >>> sets.keep_apart(0, 2), sets.join(0, 1), sets.join(1, 2)
        (True, True, False)
    """

    def __init__(self, n: int) -> None:
        self._leader = list(range(n))
        self._members = {i: [i] for i in range(n)}
        self._apart: dict[int, set[int]] = defaultdict(set)  # by leader: leaders of the sets it must not be joined with

    def leader(self, i: int) -> int:
        """Return the number that stands for the set of ``i``; it changes when sets are joined."""
        return self._leader[i]

    def members(self, i: int) -> list[int]:
        """Return the set of ``i``."""
        return self._members[self._leader[i]]

    def are_joined(self, i: int, j: int) -> bool:
        """Tell whether two numbers are in one set."""
        return self._leader[i] == self._leader[j]

    def keep_apart(self, i: int, j: int) -> bool:
        """Never join the sets of two numbers; return False where they are joined already."""
        one, other = self._leader[i], self._leader[j]
        if one == other:
            return False
        self._apart[one].add(other)
        self._apart[other].add(one)
        return True

    def join(self, i: int, j: int) -> bool:
        """Join the sets of two numbers; return False where they must stay apart."""
        large, small = sorted((self._leader[i], self._leader[j]), key=lambda one: -len(self._members[one]))
        if large == small:
            return True
        if small in self._apart[large]:
            return False
        for member in self._members[small]:
            self._leader[member] = large
        self._members[large] += self._members.pop(small)
        for other in self._apart.pop(small, set()):
            self._apart[other].discard(small)
            self._apart[other].add(large)
            self._apart[large].add(other)
        return True


def join_alike(groups: JoinedSets, alike: Mapping[Pair, float], alike_from: float, sure_from: float) -> list[Pair]:
    """Join the alike pairs, the most alike first.

    An unsure pair joins two groups only where enough of the compared pairs between them are alike as well: single
    linkage would chain parts that resemble each other by chance.

    Args:
        groups: What is joined; what it keeps apart stays apart.
        alike: How alike the compared pairs are.
        alike_from: From here on a pair is alike.
        sure_from: From here on it is so beyond doubt.

    Returns:
        The unsure pairs that joined two groups.
    """
    partners: dict[int, dict[int, float]] = defaultdict(dict)
    for (i, j), value in alike.items():
        partners[i][j] = partners[j][i] = value
    bridges = []
    for pair in sorted((pair for pair in alike if alike[pair] >= alike_from), key=lambda pair: (-alike[pair], pair)):
        if groups.are_joined(*pair):
            continue
        is_sure = alike[pair] >= sure_from
        if not is_sure and _support(groups, partners, pair, alike_from) < _SUPPORT:
            continue
        if groups.join(*pair) and not is_sure:
            bridges.append(pair)
    return bridges


def _support(groups: JoinedSets, partners: Mapping[int, Mapping[int, float]], pair: Pair, alike_from: float) -> float:
    """Return which share of the compared pairs between the groups of two pictures is alike."""
    few, many = sorted((groups.members(i) for i in pair), key=len)
    others = set(many)
    compared = [value for i in few for j, value in partners[i].items() if j in others]
    return sum(value >= alike_from for value in compared) / len(compared)
