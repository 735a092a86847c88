"""What the loop is given and what it gives back: its partners' promises, its facts, its account of a run."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from partgate.inference.inspector import Inspection
from partgate.parts import Frame, Image, Record
from partgate.recipe import Recipe

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


class GivesPictures(Protocol):
    """What the loop needs of a watched camera."""

    @property
    def is_lost(self) -> bool:
        """Tell whether there is no camera now."""
        ...

    def grab(self, timeout_s: float, while_waiting: Callable[[], None]) -> Frame:
        """Return a picture exposed after this call, or raise a ``CameraError``."""
        ...


class KeepsRecords(Protocol):
    """What the loop needs of a record store."""

    @property
    def problem(self) -> str | None:
        """Return why records are not safe now."""
        ...

    def add(self, record: Record) -> None:
        """Take a record; returns at once."""
        ...

    def last_trigger(self, station: str) -> tuple[int, int] | None:
        """Return boot and sequence of the newest record."""
        ...


@dataclass(frozen=True, slots=True)
class StationFacts:
    """What the loop must know beside its devices."""

    name: str
    bundle_id: str
    engine_p99_s: float  # the camera's time-out leaves room for it
    trigger_age_s: float = 0.05  # a trigger that may be older when first seen is an overrun
    shadow: bool = False  # judge and record, but send no result


@dataclass(slots=True)
class Summary:
    """What a run did; triggers = results + declared misses, or something is wrong."""

    triggers: int = 0  # counted from the controller's sequence; results and misses from what was put on record
    results: int = 0
    misses: int = 0
    missed_before: int = 0  # while the station was off; not among the triggers of this run
    lanes: Counter[tuple[str, str, int]] = field(default_factory=Counter)  # true class or "?", verdict, lane -> parts
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))  # seen -> written

    @property
    def adds_up(self) -> bool:
        """Tell whether every trigger is accounted for."""
        return self.triggers == self.results + self.misses
