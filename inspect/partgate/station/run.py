"""Open everything that a station file names, run the loop, and tell what came out."""

import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partgate.inference.inspector import Inspector
from partgate.records.audit import start_event, stop_event
from partgate.records.store import RecordStore
from partgate.station.account import StationFacts, Summary
from partgate.station.config import StationConfig
from partgate.station.loop import Station
from partgate.station.watch import WatchedCamera

logger = logging.getLogger(__name__)

_CAMERA_GRACE_S = 1.0
_ENGINE_TRIALS = 30
_FEWEST_TRIALS = 5  # where one part needs many runs


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run of a station left behind."""

    summary: Summary
    records: Path


def run_station(
    config: StationConfig, parts: int | None, stop: threading.Event | None = None, linger_s: float = 0.0
) -> RunResult:
    """Inspect parts with a station until so many triggers came, or until Ctrl-C or a stop signal.

    Args:
        config: The station file.
        parts: Triggers to take; ``None`` goes on until stopped.
        stop: Ends the run from outside; signals are then left to the caller.
        linger_s: How long the heartbeat goes on after the last part.

    Raises:
        PartgateError: If recipe, bundle, camera or records cannot be opened. A controller that is not there is waited
            for: it may be switched on after the station.
    """
    inspector = Inspector.open(config.recipe, config.threads)
    engine_p99_s = measure_engine(inspector)
    camera = WatchedCamera(config.camera)
    try:
        camera.open(config.camera.open_within_s + _CAMERA_GRACE_S)
        for difference in camera.differences:
            logger.warning("%s", difference)
        with RecordStore(config.records.folder, config.records.keep_pictures) as store, stopping(stop) as stop_event:
            _warn_if_slow(engine_p99_s, config)
            facts = StationFacts(
                config.name, inspector.bundle.id, engine_p99_s, config.trigger_age_ms / 1000, config.shadow
            )
            station = Station(facts, config.controller.open(), camera, inspector, store)
            with _on_the_audit_log(config, inspector, store, station.summary, stop_event):
                summary = station.run(parts, stop_event, linger_s)
    finally:
        camera.close()
    return RunResult(summary, config.records.folder)


@contextmanager
def _on_the_audit_log(
    config: StationConfig, inspector: Inspector, store: RecordStore, summary: Summary, stop: threading.Event
) -> Iterator[None]:
    """Note what the station starts with, and how it ended; one that is killed leaves a start without a stop."""
    store.note(
        start_event(
            config.name, inspector.recipe, inspector.recipe_sha256, inspector.bundle.id, config, config.records.folder
        )
    )
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
    if 1000 * engine_p99_s > config.trigger_age_ms:
        logger.warning(
            "the engine needs %.0f ms for a picture, trigger_age_ms is %.0f: parts that come while it is busy are "
            "overruns; use a smaller image_size_px, fewer tiles or regions, a faster PC, or a larger trigger_age_ms if "
            "the belt is slow",
            1000 * engine_p99_s, config.trigger_age_ms,
        )  # fmt: skip


def measure_engine(inspector: Inspector, trials: int = _ENGINE_TRIALS) -> float:
    """Return the time that the engine needs for a picture at most, as the 99th percentile of trials, in seconds.

    All regions or tiles of the picture count; with many of them fewer pictures are tried.
    """
    times = []
    for _ in range(max(_FEWEST_TRIALS, trials // inspector.runs_per_part)):
        began = time.perf_counter()
        inspector.rehearse()
        times.append(time.perf_counter() - began)
    return float(np.percentile(times, 99))


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
