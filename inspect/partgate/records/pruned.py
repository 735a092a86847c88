"""Which pictures were deleted by retention, as the audit log says: what must be missing, and what must not."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from partgate.records.audit import content_of


class Pruned:
    """Which records' pictures were deleted by retention, by the audit log, per station."""

    def __init__(self, log: Iterable[Mapping[str, Any]] = ()) -> None:
        self._ranges: dict[str, list[tuple[int, int]]] = {}
        for row in log:
            self.add(row["station"], content_of(row)["records"])

    def add(self, station: str, ranges: Iterable[Sequence[int]]) -> None:
        """Take in one more event."""
        kept = self._ranges.setdefault(station, [])
        for first, last in ranges:
            if kept and kept[-1][1] + 1 == first:
                kept[-1] = (kept[-1][0], last)
            else:
                kept.insert(bisect_right(kept, (first, last)), (first, last))

    def covers(self, station: str, record: int) -> bool:
        """Tell whether the pictures of a record were deleted."""
        kept = self._ranges.get(station, [])
        at = bisect_right(kept, (record, float("inf"))) - 1
        return at >= 0 and kept[at][0] <= record <= kept[at][1]

    def newest(self, station: str) -> int:
        """Return the highest number that was deleted; 0 where none was."""
        return max((last for _, last in self._ranges.get(station, [])), default=0)
