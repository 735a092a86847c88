"""The station's loop between a controller, a camera and a store that are played word by word."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from partgate.controllers.block import Command, ControllerWords, StationWords
from partgate.errors import CameraError
from partgate.parts import Frame, Reason, Record, Result
from partgate.records.audit import AuditEvent
from partgate.station.account import StationFacts
from partgate.station.loop import Station

from .conftest import NO_ALARMS, PlayedInspector, make_recipe, make_shelf

AGE_S = 0.15  # roomy: a busy machine may stop a process for tens of milliseconds


@dataclass
class PlayedController:
    """Gives one ``ControllerWords`` per read; an exception is raised, a function is called first."""

    script: list[Any]
    stop: threading.Event = field(default_factory=threading.Event)
    sent: list[Result] = field(default_factory=list)
    states: list[StationWords] = field(default_factory=list)
    cleared: int = 0
    poll_period_s: float = 0.0
    heartbeat: int = 0
    send_error: Exception | None = None
    foreign: Callable[[], int] | None = None  # what stands in VIS_HB

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None: ...

    def read(self) -> ControllerWords:
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if not self.script[1:]:
            self.stop.set()
        while callable(step):
            step = step()
        if isinstance(step, Exception):
            raise step
        self.heartbeat += 1
        return ControllerWords(self.heartbeat, **{**DEFAULTS, **step})

    def station_heartbeat(self) -> int | None:
        return self.foreign() if self.foreign else None

    def write_state(self, words: StationWords) -> None:
        self.states.append(words)

    def clear(self, words: StationWords) -> None:
        self.cleared += 1

    def send(self, result: Result, words: StationWords) -> None:
        if self.send_error:
            raise self.send_error
        self.sent.append(result)


DEFAULTS = {
    "trigger_sequence": 0,
    "acknowledged": 0,
    "command": Command.ENABLE,
    "recipe": 0,
    "window_ms": 200,
    "boot": 1,
}


class PlayedCamera:
    is_lost = False
    differences: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.grabs = 0
        self.timeouts: list[float] = []
        self.may_expose_for_s: float | None = None
        self.before: Callable[[Callable[[], None]], None] = lambda keep_beating: None

    def grab(
        self, timeout_s: float, while_waiting: Callable[[], None], not_after: float | None = None
    ) -> dict[str, Frame | CameraError]:
        self.grabs += 1
        self.timeouts.append(timeout_s)
        self.may_expose_for_s = None if not_after is None else not_after - time.monotonic()
        try:
            self.before(while_waiting)
        except CameraError as error:
            return {"top": error}
        return {"top": Frame(np.full((8, 8, 3), 220, np.uint8), datetime.now(UTC), "top")}


class PlayedStore:
    def __init__(self, last: tuple[int, int] | None = None) -> None:
        self.problem: str | None = None
        self.locks = True
        self.records: list[Record] = []
        self.events: list[AuditEvent] = []
        self.last = last

    def add(self, record: Record) -> None:
        self.records.append(record)

    def note(self, event: AuditEvent) -> None:
        self.events.append(event)

    def last_trigger(self, station: str) -> tuple[int, int] | None:
        return self.last


class Bench:
    def __init__(self, folder: Path, *script: Any, last: tuple[int, int] | None = (1, 4)) -> None:
        self.controller = PlayedController(list(script))
        self.camera, self.store = PlayedCamera(), PlayedStore(last)
        self.inspector = PlayedInspector(make_recipe(folder))
        facts = StationFacts("line", trigger_age_s=AGE_S)
        self.station = Station(facts, self.controller, self.camera, make_shelf(self.inspector), self.store, NO_ALARMS)

    def run(self, linger_s: float = 0.0) -> "Bench":
        self.summary = self.station.run(None, self.controller.stop, linger_s)
        return self

    @property
    def outcomes(self) -> list[tuple[int, int, bool, str, Reason]]:
        return [(r.first_sequence, r.sequence, r.missed, r.verdict.name, r.reason) for r in self.store.records]


IDLE = {"trigger_sequence": 4, "acknowledged": 4}
PART = {"trigger_sequence": 5, "acknowledged": 4}
DONE = {"trigger_sequence": 5, "acknowledged": 5}


def late(step: dict[str, int], seconds: float) -> Callable[[], dict[str, int]]:
    def wait() -> dict[str, int]:
        time.sleep(seconds)  # the controller's answer takes so long
        return step

    return wait
