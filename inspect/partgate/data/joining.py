"""What belongs together, also by way of others, and what must not."""

from collections import defaultdict


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
