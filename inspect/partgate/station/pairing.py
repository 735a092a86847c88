"""A picture that the part sensor itself exposed, and the trigger that the controller counted at the same edge.

Camera and controller count the same edges, each from a number of its own, and time alone cannot tie the numbers
together: at an even spacing a slow picture looks like an early one of the next edge. So they are tied at a part that
came after a pause: nothing else is on its way then, and the one picture that comes is its own. From then on a picture
belongs to a trigger only where both its number and its time say so; where they contradict each other, an edge was
counted by one side alone, the tie is given up, and no part is good until the next pause. So a picture that was lost
costs its part, and never gives one the picture of another part.
"""

import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from partgate.controllers.block import LAST_SEQUENCE
from partgate.parts import Frame

logger = logging.getLogger(__name__)

_KEPT = 8  # triggers that a picture may still belong to
_LAST_16_BIT = 65535  # GigE Vision 1.x counts 1..65535 and skips 0, as TRIG_SEQ does
_UNNUMBERED = "the camera does not number its pictures (block id), so it cannot be paired"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A picture and when it came, in monotonic seconds."""

    frame: Frame
    at: float


@dataclass(frozen=True, slots=True)
class Edge:
    """A trigger as the controller counted it.

    Attributes:
        sequence: Its number.
        at: When the station saw it, in monotonic seconds; NaN where it was counted between two reads.
        since: When the station read last without seeing it; ``None`` where that was just before.
    """

    sequence: int
    at: float
    since: float | None = None

    @property
    def from_at(self) -> float:
        """Return the earliest moment at which it can have been counted, in monotonic seconds."""
        return self.at if self.since is None else self.since


@dataclass(frozen=True, slots=True)
class PairingLimits:
    """How far a picture and its trigger may be apart, in seconds.

    Attributes:
        early_s: So long before its trigger is seen a picture may come.
        late_s: So long after it.
        quiet_s: After so long without a part and a picture nothing is on its way; longer than any picture takes.
    """

    early_s: float
    late_s: float
    quiet_s: float

    @property
    def span_s(self) -> float:
        """Return how far parts must be apart at least."""
        return self.early_s + self.late_s


class Pairing:
    """Says which picture belongs to a trigger: no camera, no clock.

    Args:
        limits: How far apart the two may be.

    Example:
        >>> from datetime import UTC, datetime
        >>> import numpy as np
        >>> grey, now = np.zeros((1, 1, 3), np.uint8), datetime.now(UTC)
        >>> picture = lambda number, at: Arrived(Frame(grey, now, "top", block_id=number), at)
        >>> pairing = Pairing(PairingLimits(early_s=0.03, late_s=0.08, quiet_s=0.5))
        >>> pairing.begin(Edge(7, 1.0))
        >>> pairing.add(picture(31, 1.02))
        >>> pairing.begin(Edge(8, 2.0))
        >>> pairing.add(picture(32, 2.03))
        >>> pairing.find().block_id
        32
    """

    def __init__(self, limits: PairingLimits) -> None:
        self._limits = limits
        self._tie: tuple[int, int] | None = None  # sequence and block id of one edge
        self._was_tied = self._is_doubtful = False
        self._alone: Edge | None = None  # the newest edge, where it came after a pause and there is no tie
        self._active_at = -math.inf  # monotonic seconds of the last thing that came, or may have come unseen
        self._edges: deque[Edge] = deque(maxlen=_KEPT)  # newest last
        self._pictures: list[Arrived] = []  # not yet gone through
        self._too_close: str | None = None  # the newest edge to the one before it
        self.must_count_anew = False
        """Whether pictures may come one trigger late, so that only a camera that is opened again can be paired."""
        self.why = ""
        self._tell("no trigger and picture were paired yet")

    @property
    def is_tied(self) -> bool:
        """Tell whether the numbers of both sides are tied together."""
        return self._tie is not None

    def add(self, arrived: Arrived) -> None:
        """Take a picture, in the order in which they come."""
        self._pictures.append(arrived)

    def loosen(self, why: str) -> None:
        """Give up the tie; nothing is paired until a part comes after a pause.

        Args:
            why: In words; told once.
        """
        self._tell(why)
        if self._tie is not None:
            logger.warning("line trigger: %s; parts are not decidable until then", self.why)
        self._tie = self._alone = None

    def forget(self, why: str, at: float) -> None:
        """Give up the tie and everything seen so far.

        Args:
            why: In words; told once.
            at: Monotonic seconds; until then edges may have come unseen.
        """
        self.loosen(why)
        self._edges.clear()
        self._pictures.clear()
        self._too_close = None
        self._active_at = max(self._active_at, at)

    def restart(self, why: str) -> None:
        """Give up the tie: the camera was opened again, so no picture of an edge before is on its way."""
        self.forget(why, self._active_at)
        self._is_doubtful = self.must_count_anew = False

    def begin(self, edge: Edge) -> None:
        """Take the next trigger: go through what came before it, then wait for its picture."""
        opens_at = edge.from_at - self._limits.early_s
        earlier = [one for one in self._pictures if one.at < opens_at]
        self._pictures = [one for one in self._pictures if one.at >= opens_at]
        last = self._edges[-1] if self._edges else None
        passed = 0 if last is None else (edge.sequence - last.sequence) % LAST_SEQUENCE - 1
        if passed and last is not None:
            self._pass_over(last, passed)
        if self._tie is None:
            self._try_to_tie(earlier, edge)
        else:
            self._go_through(earlier, None if passed else last)
        self.must_count_anew = self._is_doubtful and bool(earlier)
        active_at = max([self._active_at, *(one.at for one in earlier)])
        is_quiet = not passed and not self._is_doubtful and edge.from_at - active_at >= self._limits.quiet_s
        self._alone = edge if self._tie is None and is_quiet else None
        self._active_at = edge.at
        self._too_close = self._why_too_close(last, edge, passed)
        self._edges.append(edge)

    def find(self) -> Frame | str | None:
        """Return the newest trigger's picture, why there will be none, or ``None`` while it may still come."""
        if self._tie is None or not self._edges:
            return self.why
        if self._too_close is not None:
            return self._too_close
        edge = self._edges[-1]
        for one in self._pictures:
            number = one.frame.block_id
            if number is None:
                self.loosen(_UNNUMBERED)
                return self.why
            ahead = self._ahead(number, edge.sequence)
            if ahead == 0 and self._fits(one, edge):
                self._tie = (edge.sequence, number)
                return one.frame
            if ahead == 0:
                return f"its picture came {self._told_apart(one, edge)}"
            if ahead is not None and 0 < ahead <= _KEPT:
                return f"the picture before number {number} was lost between camera and station"
            if not any(self._ahead(number, other.sequence) == 0 and math.isnan(other.at) for other in self._edges):
                self.loosen(f"picture {number} came at a trigger that is not its own; one side lost count")
                return self.why
        return None

    def _pass_over(self, last: Edge, passed: int) -> None:
        """Remember triggers that were counted between two reads, so that their pictures are known."""
        if passed > _KEPT:
            self.loosen(f"the controller's count jumped by {passed + 1}")
            return
        for step in range(passed):
            self._edges.append(Edge((last.sequence + step) % LAST_SEQUENCE + 1, math.nan))

    def _try_to_tie(self, earlier: Sequence[Arrived], after: Edge) -> None:
        """Tie the newest edge to its picture, where it came after a pause and both were alone until the next one."""
        edge, self._alone = self._alone, None
        if edge is None or self._edges[-1] is not edge or after.from_at - edge.at <= self._limits.span_s:
            return
        if not earlier:
            self._tell(f"no picture came at trigger {edge.sequence} until the next one")
            self._is_doubtful = not self._was_tied
            return
        one = earlier[0]
        if len(earlier) > 1:
            self._tell(f"{len(earlier)} pictures came for one trigger: is the camera's own trigger on?")
        elif one.frame.block_id is None:
            self._tell(_UNNUMBERED)
        elif not self._fits(one, edge):
            self._tell(f"a picture came {self._told_apart(one, edge)}")
            self._is_doubtful = not self._was_tied and one.at - edge.at > self._limits.quiet_s
        else:
            self._tie, self._was_tied = (edge.sequence, one.frame.block_id), True

    def _go_through(self, earlier: Sequence[Arrived], last: Edge | None) -> None:
        """Give up the tie where a picture came that is neither its trigger's nor merely late for it."""
        for one in earlier:
            number = one.frame.block_id
            own = [] if number is None else [e for e in self._edges if self._ahead(number, e.sequence) == 0]
            if not own or not (own[-1] is last or math.isnan(own[-1].at) or self._fits(one, own[-1])):
                self.loosen(f"picture {number} came without a trigger of its own")
                return

    def _why_too_close(self, last: Edge | None, edge: Edge, passed: int) -> str | None:
        """Return why this part's picture cannot be told from that of the one before."""
        if passed:
            return f"{passed + 1} parts were counted between two reads of the controller"
        if last is None or edge.from_at - last.at > self._limits.span_s:
            return None
        gap, least = 1000 * (edge.from_at - last.at), 1000 * self._limits.span_s
        return f"two parts came {gap:.0f} ms apart; early_ms and late_ms ask for more than {least:.0f}"

    def _tell(self, why: str) -> None:
        quiet_s = self._limits.quiet_s
        self.why = f"{why}; picture and trigger are paired at a part that comes {quiet_s:g} s after all others"

    def _fits(self, one: Arrived, edge: Edge) -> bool:
        return edge.from_at - self._limits.early_s <= one.at <= edge.at + self._limits.late_s

    def _told_apart(self, one: Arrived, edge: Edge) -> str:
        late_ms = 1000 * self._limits.late_s
        return f"{1000 * (one.at - edge.at):.0f} ms after its trigger; late_ms {late_ms:.0f} allows less"

    def _ahead(self, block_id: int, sequence: int) -> int | None:
        """Return by how many edges a picture is ahead of a trigger; ``None`` where the numbers cannot tell."""
        assert self._tie is not None
        edges = (sequence - self._tie[0] + LAST_SEQUENCE // 2) % LAST_SEQUENCE - LAST_SEQUENCE // 2
        pictures = block_id - self._tie[1]
        if pictures < -(LAST_SEQUENCE // 2) and self._tie[1] <= _LAST_16_BIT:
            pictures += _LAST_16_BIT
        return pictures - edges if abs(pictures) <= LAST_SEQUENCE // 2 else None
