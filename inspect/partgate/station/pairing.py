"""A picture that the part sensor itself exposed, and the trigger that the controller counted at the same edge.

Camera and controller count the same edges, each from a number of its own. The first pair ties the numbers together:
one trigger, one picture, nothing else near. From then on a picture belongs to a trigger only where both its number and
its time say so; where they contradict each other, an edge was counted by one side alone, the tie is given up, and no
part is good until there is a new one. So a picture that was lost costs its part, and never gives one the picture of
another part.
"""

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from partgate.controllers.block import LAST_SEQUENCE
from partgate.parts import Frame

logger = logging.getLogger(__name__)

_KEPT = 8  # triggers that a picture may still belong to
_LAST_16_BIT = 65535  # GigE Vision 1.x counts 1..65535 and skips 0, as TRIG_SEQ does


@dataclass(frozen=True, slots=True)
class Arrived:
    """A picture and when it came, in monotonic seconds."""

    frame: Frame
    at: float


@dataclass(frozen=True, slots=True)
class Edge:
    """A trigger as the controller counted it, and when the station saw it, in monotonic seconds."""

    sequence: int
    at: float


class Pairing:
    """Says which picture belongs to a trigger: no camera, no clock.

    Args:
        apart_s: A picture and its trigger reach the station at most so long after one another.

    Example:
        >>> from datetime import UTC, datetime
        >>> import numpy as np
        >>> grey, now = np.zeros((1, 1, 3), np.uint8), datetime.now(UTC)
        >>> picture = lambda number, at: Arrived(Frame(grey, now, "top", block_id=number), at)
        >>> pairing = Pairing(apart_s=0.1)
        >>> pairing.begin(Edge(7, 1.0))
        >>> pairing.add(picture(31, 1.02))
        >>> pairing.begin(Edge(8, 2.0))
        >>> pairing.add(picture(32, 2.03))
        >>> pairing.find().block_id
        32
    """

    def __init__(self, apart_s: float) -> None:
        self._apart_s = apart_s
        self._tie: tuple[int, int] | None = None  # sequence and block id of one edge
        self._edges: deque[Edge] = deque(maxlen=_KEPT)  # newest last
        self._pictures: list[Arrived] = []  # not yet gone through
        self._is_too_close = False  # the newest edge to the one before it
        self.why = "no trigger and picture were paired yet"

    @property
    def is_tied(self) -> bool:
        """Tell whether the numbers of both sides are tied together."""
        return self._tie is not None

    def add(self, arrived: Arrived) -> None:
        """Take a picture, in the order in which they come."""
        self._pictures.append(arrived)

    def loosen(self, why: str) -> None:
        """Give up the tie; nothing is paired until there is a new one.

        Args:
            why: In words; told once.
        """
        if self._tie is not None:
            logger.warning("line trigger: %s; parts are not decidable until picture and trigger are paired again", why)
        self._tie, self.why = None, why

    def forget(self, why: str) -> None:
        """Give up the tie and everything seen so far."""
        self.loosen(why)
        self._edges.clear()
        self._pictures.clear()
        self._is_too_close = False

    def begin(self, edge: Edge) -> None:
        """Take the next trigger: go through what came before it, then wait for its picture."""
        earlier = [one for one in self._pictures if one.at < edge.at - self._apart_s]
        self._pictures = [one for one in self._pictures if one.at >= edge.at - self._apart_s]
        if self._tie is None:
            self._try_to_tie(earlier)
        else:
            self._go_through(earlier)
        last = self._edges[-1] if self._edges else None
        self._is_too_close = last is not None and edge.at - last.at < 2 * self._apart_s
        self._edges.append(edge)
        if self._is_too_close and last is not None:
            gap = 1000 * (edge.at - last.at)
            self.loosen(f"two parts came {gap:.0f} ms apart; apart_ms {1000 * self._apart_s:.0f} asks for twice that")

    def find(self) -> Frame | str | None:
        """Return the newest trigger's picture, why there will be none, or ``None`` while it may still come."""
        if not self._edges:
            return self.why
        edge = self._edges[-1]
        for one in self._pictures:
            if self._tie is None:
                return self.why
            if one.frame.block_id is None:
                self.loosen("the camera does not number its pictures (block id), so it cannot be paired")
                continue
            ahead = self._ahead(one.frame.block_id, edge.sequence)
            if ahead == 0 and abs(one.at - edge.at) <= self._apart_s:
                self._tie = (edge.sequence, one.frame.block_id)
                return one.frame
            if ahead is not None and 0 < ahead <= _KEPT:
                return f"the picture before number {one.frame.block_id} was lost between camera and station"
            self.loosen(f"picture {one.frame.block_id} came at a trigger that is not its own; one side lost count")
        return None if self._tie is not None else self.why

    def _try_to_tie(self, earlier: Sequence[Arrived]) -> None:
        """Tie the newest edge to a picture where both are alone."""
        if not self._edges or len(earlier) != 1 or self._is_too_close:
            if len(earlier) > 1:
                self.why = f"{len(earlier)} pictures came for one trigger; is the camera's own trigger on?"
            return
        edge, one = self._edges[-1], earlier[0]
        if one.frame.block_id is None:
            self.why = "the camera does not number its pictures (block id), so it cannot be paired"
        elif abs(one.at - edge.at) > self._apart_s:
            self.why = f"a picture came {1000 * (one.at - edge.at):+.0f} ms off its trigger; see apart_ms"
        else:
            self._tie = (edge.sequence, one.frame.block_id)

    def _go_through(self, earlier: Sequence[Arrived]) -> None:
        """Give up the tie where a picture came without its trigger."""
        for one in earlier:
            if self._tie is None:
                return
            number = one.frame.block_id
            own = None if number is None else [e for e in self._edges if self._ahead(number, e.sequence) == 0]
            if not own or abs(own[-1].at - one.at) > self._apart_s:
                self.loosen(f"picture {number} came without a trigger of its own")

    def _ahead(self, block_id: int, sequence: int) -> int | None:
        """Return by how many edges a picture is ahead of a trigger; ``None`` where the numbers cannot tell."""
        assert self._tie is not None
        edges = (sequence - self._tie[0] + LAST_SEQUENCE // 2) % LAST_SEQUENCE - LAST_SEQUENCE // 2
        pictures = block_id - self._tie[1]
        if pictures < -(LAST_SEQUENCE // 2) and self._tie[1] <= _LAST_16_BIT:
            pictures += _LAST_16_BIT
        return pictures - edges if abs(pictures) <= LAST_SEQUENCE // 2 else None
