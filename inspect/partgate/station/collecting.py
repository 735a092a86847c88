"""A run of ``collect``: opens what the station file names, collects until it is enough, tells what came of it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from partgate.controllers.base import Controller
from partgate.errors import CameraError, DataError
from partgate.parts import Frame
from partgate.station.account import StationFacts
from partgate.station.album import Album, check_label
from partgate.station.collect import (
    CollectingStation,
    Collector,
    Tally,
    open_albums,
    open_checks,
)
from partgate.station.eyes import Cameras
from partgate.station.lock import only_one
from partgate.station.loop import Station
from partgate.station.recipes import RecipeShelf
from partgate.station.run import stopping
from partgate.station.series import AlarmsConfig
from partgate.station.sources import AnyCameras, open_sources
from partgate.station.stand_ins import NeverSends, NobodyJudges
from partgate.station.views import View, Views
from partgate.station.watch import WatchedCamera

HELP = "undo takes the last part back, 'label NAME' changes the label, 'part NAME' names the part, quit ends"
_CAMERA_GRACE_S, _BY_HAND_TIMEOUT_S = 1.0, 3.0
_FEWEST_GROUPS = 3  # of good and of defect: what training asks for


@dataclass(frozen=True, slots=True)
class CollectWishes:
    """What is to be collected.

    Attributes:
        label: Of the parts that come first.
        out: Labelled folder.
        parts: So many, then it ends; ``None`` goes on until stopped.
        by_hand: Enter takes a picture; the controller is not even opened.
        lot: Where the controller names none.
    """

    label: str
    out: Path
    parts: int | None = None
    by_hand: bool = False
    lot: str | None = None


def collect_pictures(
    config: CollectingStation, wishes: CollectWishes, say: Callable[[str], None],
    lines: Iterator[str] | None = None, stop: threading.Event | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> Tally:  # fmt: skip
    """Collect labelled pictures until there are enough, or until Ctrl-C or a stop signal.

    Args:
        config: The station file.
        wishes: What is to be collected.
        say: Is told a sentence at a time.
        lines: What a person types; ``None`` where nobody sits there. By hand its end is the end.
        stop: Ends the collecting from outside; signals are then left to the caller.
        on_ready: Called once, when every camera is open.

    Raises:
        PartgateError: If the label cannot name a folder, a camera cannot be opened, the station runs already, or
            pictures cannot be written.
    """
    check_label(wishes.label)
    with ExitStack() as opened:
        opened.enter_context(only_one(config.records.folder, config.name, "run"))
        albums = open_albums(config, wishes.out)
        for album in albums.values():
            if album.adopted:
                say(f"{album.folder}: {album.adopted} pictures in its class folders are rows of labels.csv from now on")
        by_hand, counted, cameras = _open_sources(config, by_hand=wishes.by_hand)
        opened.callback(cameras.close)
        cameras.open(_CAMERA_GRACE_S)
        for difference in cameras.differences:
            say(f"note: {difference}")
        collector = Collector(albums, wishes.label, say, open_checks(config, say), wishes.parts, wishes.lot)
        event = opened.enter_context(stopping(stop))
        on_ready()
        try:
            with _ends_with(collector, event), _listening(collector, by_hand, lines, event):
                if by_hand is not None:
                    event.wait()
                else:
                    _run_loop(config, counted, cameras, collector, event)
        finally:
            collector.finish()  # what waits is written, whatever ended the run
    for hint in hints(albums):
        say(hint)
    return collector.tally


def _open_sources(config: CollectingStation, *, by_hand: bool) -> tuple[Cameras | None, Controller, AnyCameras]:
    """Return the cameras to be asked by hand, who announces parts, and all cameras, not opened yet."""
    controller = NeverSends(config.controller.open())
    if by_hand:
        cameras = Cameras({camera.name: WatchedCamera(camera) for camera in config.all_cameras})
        return cameras, controller, cameras
    return (None, *open_sources(config, controller))


def _run_loop(
    config: CollectingStation, controller: Controller, cameras: AnyCameras, collector: Collector, stop: threading.Event
) -> None:
    judge = NobodyJudges()
    views = Views(0, tuple(View(name, judge, "0" * 64) for name in config.camera_names), engine_p99_s=0.0)
    facts = StationFacts(config.name, config.trigger_age_ms / 1000, 1, shadow=True)
    no_alarms = AlarmsConfig(rejects_in_a_row=None, misses_in_a_row=None)
    Station(facts, controller, cameras, RecipeShelf(views), collector, no_alarms).run(None, stop)


@contextmanager
def _ends_with(collector: Collector, stop: threading.Event) -> Iterator[None]:
    """Set the stop when the collector has enough or cannot go on."""

    def watch() -> None:
        while not is_over.is_set():
            if collector.done.wait(0.1):
                stop.set()
                return

    is_over = threading.Event()
    thread = threading.Thread(target=watch, name="collect done", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def _listening(
    collector: Collector, by_hand: Cameras | None, lines: Iterator[str] | None, stop: threading.Event
) -> Iterator[None]:
    """Obey what a person types while the block runs; a thread that waits for a line is left behind."""

    def listen() -> None:
        for line in lines or ():
            if stop.is_set():
                return
            _obey(line, collector, by_hand, stop)
        if by_hand is not None:
            stop.set()

    if lines is not None:
        threading.Thread(target=listen, name="collect keys", daemon=True).start()
    yield


def _obey(line: str, collector: Collector, by_hand: Cameras | None, stop: threading.Event) -> None:
    word, _, rest = line.strip().partition(" ")
    try:
        match word.lower():
            case "" if by_hand is not None:
                _take_by_hand(collector, by_hand)
            case "":
                collector.tell(collector.told_counts())
            case "undo" | "u":
                collector.undo()
            case "label" | "l" if rest.strip():
                collector.set_label(rest)
            case "part" | "p":
                collector.set_part(rest.strip() or None)
            case "quit" | "q":
                stop.set()
            case _:
                collector.tell(f"'{line.strip()}' is not known: {HELP}")
    except DataError as error:
        collector.tell(str(error))


def _take_by_hand(collector: Collector, cameras: Cameras) -> None:
    found = cameras.grab(_BY_HAND_TIMEOUT_S, lambda: None)
    lost = [answer for answer in found.values() if isinstance(answer, CameraError)]
    for error in lost:
        collector.tell(f"no picture: {error}")
    frames = [answer for answer in found.values() if isinstance(answer, Frame)]
    if frames and not lost:  # a part is all its pictures or none
        collector.take(frames)


def hints(albums: Mapping[str, Album]) -> list[str]:
    """Return what training will miss in these folders, one sentence each."""
    few = [(label, len(groups)) for album in albums.values() for label, groups in album.groups.items()
           if len(groups) < _FEWEST_GROUPS]  # fmt: skip
    told = [
        f"note: '{label}' comes from {count} {'group' if count == 1 else 'groups'} (lots, else "
        "parts): training needs at "
        f"least {_FEWEST_GROUPS} of good and of defect"
        for label, count in few
    ]
    labels = {label for album in albums.values() for label in album.groups}
    if len(labels) == 1:
        told.append(f"note: '{next(iter(labels))}' is the only label so far; training needs good and defect parts")
    return list(dict.fromkeys(told))
