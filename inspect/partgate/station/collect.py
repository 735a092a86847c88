"""Takes training pictures with the very camera, light and trigger of the line; sends nothing that opens a gate.

The station's own loop runs as a shadow: heartbeat and state are written with the shadow bit, a result never is, so the
controller lets every part go where it goes without a station. What the loop would put on record is a labelled picture.
"""

import json
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from partgate.cameras.straightened import describe_pictures
from partgate.errors import DataError, PartgateError
from partgate.inference.inspector import Inspector
from partgate.parts import Frame, Image, Reason, Record
from partgate.records.audit import AuditEvent
from partgate.station.album import Album, PartFacts, check_label
from partgate.station.config import EVERY_CAMERA, StationConfig
from partgate.station.opening import refuse_other_straightening
from partgate.station.variety import VarietyWatch, why_useless

logger = logging.getLogger(__name__)

_WAITING = 8  # parts whose pictures are not on the disk yet; 20 MP each


class CollectingStation(StationConfig):
    """A station file that may lack a recipe: there is none before the first training."""

    def _refuse_wrong_recipes(self) -> None:
        if self.recipe is not None and self.recipes:
            raise ValueError("recipe: give one under recipe, or several by number under recipes")


@dataclass(slots=True)
class Tally:
    """What a run collected."""

    kept: int = 0  # parts whose pictures were all written
    undone: int = 0
    useless: int = 0  # pictures that show nothing, or the one before
    without: dict[str, int] = field(default_factory=dict)  # why parts gave no picture -> how many


class Collector:
    """Writes the pictures of each part into labelled folders, in a thread of its own; the loop never waits for a disk.

    Args:
        albums: By camera.
        label: Of the parts that come now.
        say: Is told a sentence at a time.
        checks: Judge of each camera's recipe, where there is one; only what it says of the picture counts.
        parts: Ends the collecting after so many; ``None`` goes on.
        lot: Where the controller names none.
    """

    problem: str | None = None
    locks = False

    def __init__(
        self, albums: Mapping[str, Album], label: str, say: Callable[[str], None],
        checks: Mapping[str, Inspector] | None = None, parts: int | None = None, lot: str | None = None,
    ) -> None:  # fmt: skip
        self.tally, self.done = Tally(), threading.Event()
        self._albums, self._say, self._checks, self._parts, self._lot = albums, say, checks or {}, parts, lot
        self._label = check_label(label)
        self._part_id: str | None = None
        self._watches: dict[tuple[str, str], VarietyWatch] = {}
        self._lock = threading.RLock()
        self._own: list[list[str]] = []  # cameras of each kept part, newest last
        self._waiting: queue.Queue[tuple[PartFacts, list[Frame]] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._write, name="collect", daemon=True)
        self._thread.start()

    # --- what the loop asks of a record store

    def add(self, record: Record) -> None:
        """Take what the loop knows of a part; returns at once."""
        frames = list(record.more_frames)
        if record.image is not None and record.captured_at is not None and record.camera is not None:
            settings = json.loads(record.camera_settings or "{}")
            frames.insert(0, Frame(record.image, record.captured_at, record.camera, settings=settings))
        if {frame.camera for frame in frames} != set(self._albums):  # a part is all its pictures or none
            self._count_without(record.detail or record.reason.name)
            return
        self.take(frames, record.part_id, record.lot)

    def note(self, event: AuditEvent) -> None:
        """Take no line for an audit log: nothing is judged."""

    def last_trigger(self, station: str) -> tuple[int, int] | None:
        """Return nothing: parts that came before are nobody's."""
        return None

    # --- what a person asks for

    def set_label(self, label: str) -> None:
        """Give the next parts another label; they are other parts, so a part's name ends.

        Raises:
            DataError: If it cannot name a folder.
        """
        text = check_label(label)
        with self._lock:
            self._label, self._part_id = text, None
        self._say(f"label '{text}' from now on")

    def set_part(self, part_id: str | None) -> None:
        """Give the next pictures the name of a part, where the controller gives none."""
        with self._lock:
            self._part_id = part_id
        self._say(f"part '{part_id}' from now on" if part_id else "every picture is a part of its own from now on")

    def undo(self) -> None:
        """Take the newest part back, with the pictures of all cameras."""
        self._waiting.join()
        with self._lock:
            if not self._own:
                self._say("nothing to undo: no picture of this run is left")
                return
            try:
                files = [self._albums[camera].undo() for camera in self._own.pop()]
            except OSError as error:
                self._say(f"cannot be undone: {error.strerror}")
                return
            self.tally.kept -= 1
            self.tally.undone += 1
        self._say(f"taken back: {', '.join(file for file in files if file)}; {self.told_counts()}")

    def tell(self, text: str) -> None:
        """Say a sentence to the person."""
        self._say(text)

    def told_counts(self) -> str:
        """Return how many pictures each label has, as people read it."""
        with self._lock:
            counts = next(iter(self._albums.values())).counts
        return ", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "no picture yet"

    def take(self, frames: list[Frame], part_id: str | None = None, lot: str | None = None) -> None:
        """Take the pictures of a part; returns at once, and refuses them where the disk does not follow."""
        with self._lock:
            facts = PartFacts(self._label, part_id or self._part_id, lot or self._lot)
        try:
            self._waiting.put_nowait((facts, frames))
        except queue.Full:
            self._count_without(f"the disk does not follow: {_WAITING} parts wait already")

    def finish(self) -> None:
        """Write what waits and end the thread.

        Raises:
            DataError: If pictures could not be written.
        """
        self._waiting.put(None)
        self._thread.join()
        if self.problem is not None:
            raise DataError(self.problem)

    # --- the thread

    def _write(self) -> None:
        while (item := self._waiting.get()) is not None:
            try:
                if not self.done.is_set():
                    self._keep(*item)
            except OSError as error:
                folder = next(iter(self._albums.values())).folder
                self.problem = f"{folder}: cannot be written: {error.strerror}; free some space, then go on collecting"
                self.done.set()
            except Exception as error:  # a bug must end the collecting, not leave it running without a picture
                logger.exception("collecting failed")
                self.problem = f"collecting failed: {type(error).__name__}: {error}"
                self.done.set()
            finally:
                self._waiting.task_done()
        self._waiting.task_done()

    def _keep(self, facts: PartFacts, frames: list[Frame]) -> None:
        told: list[str] = []
        usable = [frame for frame in frames if self._is_worth_it(frame, facts.label, told)]
        files = []
        with self._lock:
            if len(usable) == len(frames):  # all or none: what is judged together is learned together
                files = self._add_all(usable, facts)
                self._own.append([frame.camera for frame in usable])
                self.tally.kept += 1
            is_last = self._parts is not None and self.tally.kept >= self._parts
        if not files and len(frames) > 1:
            told.append("  none of this part's pictures is kept: a part is all its pictures or none")
        if files:
            told.insert(0, f"{self.told_counts()}  {files[0]}")
        for line in told:
            self._say(line)
        if is_last:
            self.done.set()

    def _add_all(self, frames: list[Frame], facts: PartFacts) -> list[str]:
        """Write the pictures of a part; take those back that were written where one cannot be."""
        files: list[str] = []
        try:
            for frame in frames:
                files.append(self._albums[frame.camera].add(frame, facts))
        except OSError:
            for frame in frames[: len(files)]:
                with suppress(OSError):  # the first error says it all
                    self._albums[frame.camera].undo()
            raise
        return files

    def _is_worth_it(self, frame: Frame, label: str, told: list[str]) -> bool:
        watch = self._watches.setdefault((frame.camera, label), VarietyWatch())
        why = why_useless(frame.image)
        if why is None and watch.is_frozen(frame.image):
            why = "equal to the one before to the last bit: is the camera frozen?"
        if why is not None:
            self.tally.useless += 1
            told.append(f"NOT kept, camera '{frame.camera}': {why}")
            return False
        doubts = [*self._ask_recipe(frame.camera, frame.image), *watch.look(frame.image)]
        told += [f"  look: {doubt}" for doubt in doubts]
        return True

    def _ask_recipe(self, camera: str, image: Image) -> list[str]:
        if camera not in self._checks:
            return []
        decision = self._checks[camera].inspect(image).decision
        if decision.reason is not Reason.PICTURE_NOT_USABLE:
            return []
        return [f"the recipe in force would not judge it: {decision.detail}"]

    def _count_without(self, why: str) -> None:
        with self._lock:
            is_first = why not in self.tally.without
            self.tally.without[why] = self.tally.without.get(why, 0) + 1
        if is_first:
            self._say(f"a part without a picture: {why}")


def open_albums(config: StationConfig, out: Path) -> dict[str, Album]:
    """Return where each camera's pictures go: ``out`` itself, with several cameras a folder of it for each.

    Raises:
        DataError: If one cannot be written to, or holds pictures that were straightened otherwise.
        ConfigError: If a calibration is missing or wrong.
    """
    several = len(config.all_cameras) > 1
    return {
        camera.name: Album(out / camera.name if several else out, config.name, describe_pictures(camera))
        for camera in config.all_cameras
    }


def open_checks(config: StationConfig, say: Callable[[str], None]) -> dict[str, Inspector]:
    """Return the judges of the station's recipe, for what they say of a picture; none where none fits or exists."""
    number = next(iter(config.recipe_numbers), None)
    if config.recipe is None and number is None:
        return {}
    found = {}
    for camera in config.all_cameras:
        path = config.recipe_files(number).get(camera.name, Path(EVERY_CAMERA))
        try:
            inspector = Inspector.open(path, config.threads)
            refuse_other_straightening(camera, inspector)
        except PartgateError as error:
            say(f"pictures are not checked by the recipe: {str(error).splitlines()[0]}")
            continue
        found[camera.name] = inspector
    return found
