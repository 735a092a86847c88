"""What the loop is given and what it gives back: its partners' promises, its facts, its account of a run."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from partgate.errors import CameraError
from partgate.inference.inspector import Inspection
from partgate.parts import Frame, Image, Reason, Record
from partgate.recipe import Recipe
from partgate.records.audit import AuditEvent

_LATENCIES_KEPT = 10_000  # a station runs for a year


class JudgesPictures(Protocol):
    """What the loop needs of an inspector."""

    recipe: Recipe

    def inspect(self, image: Image) -> Inspection:
        """Return the verdict on a picture; never raises."""
        ...

    def check(self) -> None:
        """Try the engine; raises where it fails."""
        ...


@runtime_checkable
class AnnouncesItself(Protocol):
    """A controller in whose place the station itself announces parts: nothing is on its way to a gate."""

    def stop_announcing(self) -> None:
        """Announce no further part."""
        ...


class MayBeLost(Protocol):
    """Cameras that may be gone."""

    @property
    def is_lost(self) -> bool:
        """Tell whether any camera is gone."""
        ...

    @property
    def differences(self) -> Sequence[str]:
        """Return settings that are not as asked for, or not as when the station started, one sentence each."""
        ...


class GivesPictures(MayBeLost, Protocol):
    """What the loop needs of its cameras."""

    def grab(
        self, timeout_s: float, while_waiting: Callable[[], None], not_after: float | None = None
    ) -> Mapping[str, Frame | CameraError]:
        """Return per camera a picture exposed after this call, or why there is none.

        Args:
            timeout_s: Longest wait for all of them together.
            while_waiting: Called every few hundredths of a second.
            not_after: Monotonic seconds: where a picture is asked for, it is not exposed later.
        """
        ...


class KeepsRecords(Protocol):
    """What the loop needs of a record store."""

    @property
    def problem(self) -> str | None:
        """Return why records are not safe now."""
        ...

    @property
    def locks(self) -> bool:
        """Tell whether no part may be good while there is a problem."""
        ...

    def add(self, record: Record) -> None:
        """Take a record; returns at once."""
        ...

    def note(self, event: AuditEvent) -> None:
        """Take a line for the audit log; returns at once."""
        ...

    def last_trigger(self, station: str) -> tuple[int, int] | None:
        """Return boot and sequence of the newest record."""
        ...


class IsAlive(Protocol):
    """Whoever restarts a station that hangs."""

    def ready(self) -> None:
        """Hear that the station has begun."""
        ...

    def beat(self, text: str) -> None:
        """Hear that the loop is alive, with a line on what it does."""
        ...

    def stopping(self) -> None:
        """Hear that the station ends by itself."""
        ...


@dataclass(frozen=True, slots=True)
class StationFacts:
    """What the loop must know beside its devices."""

    name: str
    trigger_age_s: float = 0.05  # a trigger that may be older when first seen is an overrun
    queue_depth: int = 1  # results that may wait for their acknowledge at once
    shadow: bool = False  # judge and record, but send no result


@dataclass(slots=True)
class Summary:
    """What a run did; triggers = results + declared misses, or something is wrong."""

    triggers: int = 0  # counted from the controller's sequence; results and misses from what was put on record
    results: int = 0
    misses: int = 0
    missed_before: int = 0  # while the station was off; not among the triggers of this run
    lanes: Counter[tuple[str, str, int]] = field(default_factory=Counter)  # true class or "?", verdict, lane -> parts
    rechecks: Counter[Reason] = field(default_factory=Counter)  # why parts were not decidable -> how many
    last_recheck: dict[Reason, str] = field(default_factory=dict)  # what was said of the newest of them
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))  # seen -> written

    @property
    def adds_up(self) -> bool:
        """Tell whether every trigger is accounted for."""
        return self.triggers == self.results + self.misses
