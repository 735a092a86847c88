"""Open everything that a station file names, run the loop, and tell what came out."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partgate.controllers.base import Controller
from partgate.parts import StationStatus
from partgate.publish.publishers import open_publishers
from partgate.records.audit import start_event, stop_event
from partgate.records.store import RecordStore
from partgate.station.account import StationFacts, Summary
from partgate.station.config import StationConfig
from partgate.station.lock import only_one
from partgate.station.loop import Station
from partgate.station.notify import Alive
from partgate.station.opening import open_views
from partgate.station.recipes import RecipeShelf
from partgate.station.sources import open_sources
from partgate.station.status import OnceReady, Onlookers
from partgate.station.views import Views

logger = logging.getLogger(__name__)

_CAMERA_GRACE_S = 1.0
_LONGEST_LOOK_S = 0.19  # and a heartbeat of 100 ms before it


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run of a station left behind."""

    summary: Summary
    records: Path


def run_station(
    config: StationConfig, parts: int | None, stop: threading.Event | None = None, linger_s: float = 0.0,
    on_ready: Callable[[], None] = lambda: None,
) -> RunResult:  # fmt: skip
    """Inspect parts with a station until so many triggers came, or until Ctrl-C or a stop signal.

    Args:
        config: The station file.
        parts: Triggers to take; ``None`` goes on until stopped.
        stop: Ends the run from outside; signals are then left to the caller.
        linger_s: How long the heartbeat goes on after the last part.
        on_ready: Called once, when the station would take a part for the first time: everything is open, and the
            controller is there.

    Raises:
        PartgateError: If recipe, bundle, camera or records cannot be opened. A controller that is not there is waited
            for: it may be switched on after the station.
    """
    first = open_views(config, next(iter(config.recipe_numbers), None))
    shelf = RecipeShelf(first, config.recipe_numbers, lambda number: open_views(config, number))
    controller = config.controller.open()
    with ExitStack() as opened:
        opened.enter_context(only_one(config.records.folder, config.name, "run"))
        counted, cameras = open_sources(config, controller)
        opened.callback(cameras.close)
        cameras.open(_CAMERA_GRACE_S)
        for difference in cameras.differences:
            logger.warning("%s", difference)
        store = opened.enter_context(RecordStore.from_config(config.records))
        onlookers = opened.enter_context(_onlookers(config, controller, on_ready))
        stop_event = opened.enter_context(stopping(stop))
        _warn_if_slow(first.engine_p99_s, config)
        facts = StationFacts(config.name, config.trigger_age_ms / 1000, config.queue_depth, config.shadow)
        station = Station(facts, counted, cameras, shelf, store, config.alarms, onlookers, Alive())
        with _on_the_audit_log(config, first, store, station.summary, stop_event):
            summary = station.run(parts, stop_event, linger_s)
    return RunResult(summary, config.records.folder)


@contextmanager
def _onlookers(config: StationConfig, controller: Controller, on_ready: Callable[[], None]) -> Iterator[Onlookers]:
    """Give whoever is told results and state: publishers, lamps, the terminal."""
    with ExitStack() as opened:
        publishers = opened.enter_context(open_publishers(config.publish, config.name))
        on_status: list[Callable[[StationStatus], None]] = [publishers.status, OnceReady(on_ready)]
        if config.stack_light is not None:
            on_status.append(opened.enter_context(config.stack_light.open(controller)).show)
        yield Onlookers(on_status, [publishers.result])


@contextmanager
def _on_the_audit_log(
    config: StationConfig, views: Views, store: RecordStore, summary: Summary, stop: threading.Event
) -> Iterator[None]:
    """Note what the station starts with, and how it ended; one that is killed leaves a start without a stop."""
    first, *further = views.views
    further_cameras = {view.camera: view.in_force for view in further}
    store.note(start_event(config.name, first.in_force, config, config.records.folder, further_cameras))
    try:
        yield
        why = "asked to stop" if stop.is_set() else "all parts taken"
    except BaseException as error:
        why = f"{type(error).__name__}: {error}"
        raise
    finally:
        counts = {"triggers": summary.triggers, "results": summary.results, "misses": summary.misses}
        store.note(stop_event(config.name, why, counts))


def _warn_if_slow(engine_p99_s: float, config: StationConfig) -> None:
    if engine_p99_s / len(config.camera_names) > _LONGEST_LOOK_S:
        logger.warning(
            "the engine needs %.0f ms for a picture, during which the heartbeat stands still; the controller counts a "
            "station as lost after 300 ms: use a smaller image_size_px, fewer tiles or regions, or a faster PC",
            1000 * engine_p99_s / len(config.camera_names),
        )  # fmt: skip
    if 1000 * engine_p99_s > config.trigger_age_ms:
        logger.warning(
            "the engine needs %.0f ms for a part, trigger_age_ms is %.0f: parts that come while it is busy are "
            "overruns; use a smaller image_size_px, fewer tiles or regions, a faster PC, or a larger trigger_age_ms if "
            "the belt is slow",
            1000 * engine_p99_s, config.trigger_age_ms,
        )  # fmt: skip


def percentiles(latencies_ms: Sequence[float]) -> tuple[float, float]:
    """Return median and 99th percentile; zeros where there is nothing."""
    if not latencies_ms:
        return 0.0, 0.0
    return float(np.percentile(latencies_ms, 50)), float(np.percentile(latencies_ms, 99))


@contextmanager
def stopping(stop: threading.Event | None) -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and a stop signal set, so that the part in hand is finished and recorded first."""
    if stop is not None:
        yield stop
        return
    event = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def finish_the_part(*_: object) -> None:
        event.set()
        restore()  # a second Ctrl-C ends a loop that hangs

    for number in numbers:
        signal.signal(number, finish_the_part)
    try:
        yield event
    finally:
        restore()
