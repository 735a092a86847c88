"""A GigE camera that loses packets, and a station that must account for every part all the same.

A simulated camera of another make streams pictures over the loopback and loses a share of its packets; nothing is sent
again. The real driver and the real station loop judge them by brightness, a controller in memory counts the parts.
Measured: triggers as the controller counts them; results by the model; results "no whole picture" (reason 4); declared
misses; pictures that are not to the bit what the camera sent under that number, verdicts that do not fit that picture,
and pictures of another part than their trigger's.

--trigger controller: a clock counts a part, the station triggers the camera by software.
--trigger camera_line: the camera exposes by itself and prints a line; the controller counts that line as the edge.

Needs: "partgate[gige,dev]", gcc, libaravis-dev, Linux.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from figures import format_table, write_result
from numpy.typing import NDArray

from cameras import load_counterpart
from partgate.controllers.block import LAST_SEQUENCE, Command, ControllerWords, State, StationWords
from partgate.errors import CameraError
from partgate.inference.inspector import Inspection
from partgate.parts import Decision, Frame, Image, Prediction, Reason, Result, Verdict
from partgate.recipe import BundlePin, Limits, Recipe
from partgate.records.config import PicturesConfig, RecordsConfig
from partgate.records.store import RecordStore, read_records
from partgate.station.account import StationFacts, Summary
from partgate.station.eyes import Cameras
from partgate.station.frames import StreamedCamera
from partgate.station.line_trigger import CountingController, FrameQueue, LineCameras
from partgate.station.loop import Station
from partgate.station.pairing import PairingLimits
from partgate.station.recipes import RecipeShelf
from partgate.station.series import AlarmsConfig
from partgate.station.views import View, Views
from partgate.station.watch import WatchedCamera

_SIDE_PX, _PICTURES, _WINDOW_MS, _LINGER_S = 48, 61, 200, 1.0
_WRAP = 65535  # block ids of GigE Vision 1.x
_LOOKS_HZ = 200  # so often the simulated camera looks for a trigger


def make_pictures() -> NDArray[np.uint8]:
    """Return noise, bright and dark in an order that no count can guess, shape (N, side, side)."""
    random = np.random.default_rng(4)
    noise = random.integers(0, 100, (_PICTURES, _SIDE_PX, _SIDE_PX), dtype=np.uint8)
    return noise + random.choice(np.array([0, 150], np.uint8), (_PICTURES, 1, 1))


class Unwrapped:
    """Counts numbers on that begin again at 1."""

    def __init__(self, last: int) -> None:
        self._last, self._round, self._before = last, 0, 0

    def next(self, number: int) -> int:
        """Return the next number as if it had never begun again."""
        self._round += number < self._before - self._last // 2
        self._before = number
        return number + self._last * self._round


@dataclass(frozen=True, slots=True)
class Edge:
    """A picture as the camera printed it: which one since its start, which of ours, when."""

    index: int
    place: int
    at: float


class Edges:
    """What the camera printed."""

    def __init__(self) -> None:
        self.by_number: dict[int, Edge] = {}
        self._unwrapped = Unwrapped(_WRAP)
        self.count = 0

    def add(self, number: int, place: int) -> None:
        """Take a line in the order printed."""
        self.count += 1
        self.by_number[self._unwrapped.next(number)] = Edge(self.count, place, time.monotonic())


class CountingLine:
    """Plays the controller: counts parts by a clock or by the camera's own edges, whatever the station does."""

    poll_period_s = 0.001

    def __init__(self, parts: int, interval_s: float | None, edges: Edges) -> None:
        self._parts, self._interval_s, self._edges = parts, interval_s, edges
        self.count = self.offset = self._acknowledged = 0
        self.triggered_at: dict[int, float] = {}
        self._boot = int(time.time() * 10) % LAST_SEQUENCE + 1
        self._began: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None: ...

    def read(self) -> ControllerWords:
        """Count what came since, also while the station did not look."""
        now = time.monotonic()
        if self._began is not None:
            interval_s, began = self._interval_s, self._began
            came = self._edges.count - self.offset if interval_s is None else int((now - began) / interval_s)
            for part in range(self.count + 1, min(came, self._parts) + 1):
                self.count, self.triggered_at[part] = part, now if interval_s is None else began + part * interval_s
        sequence = (self.count - 1) % LAST_SEQUENCE + 1 if self.count else 0
        return ControllerWords(
            int(now / 0.1) % 65536, sequence, self._acknowledged, Command.ENABLE, 0, _WINDOW_MS, self._boot
        )

    def station_heartbeat(self) -> int | None:
        """Return nothing: this process is the only station."""
        return None

    def write_state(self, words: StationWords) -> None:
        """Begin when the station is ready for the first time."""
        if State.TRIGGER_READY in words.state and self._began is None:
            self.offset, self._began = self._edges.count, time.monotonic()

    def clear(self, words: StationWords) -> None:
        """Take the state."""
        self.write_state(words)

    def send(self, result: Result, words: StationWords) -> None:
        """Take a result."""
        self._acknowledged = result.trigger.sequence


class Brightness:
    """Judges by brightness, and keeps a sum of what it saw."""

    def __init__(self, folder: Path) -> None:
        self.recipe = Recipe(
            name="made", bundle=BundlePin(file=folder / "made.partgate", id="0" * 64), good_class="good",
            classes=("defect", "good"), decision=Limits(recheck_from=0.5, reject_from=0.5), lanes={"GOOD": 1},
            class_numbers={"defect": 7},
        )  # fmt: skip

    def inspect(self, image: Image) -> Inspection:
        """Return GOOD for a bright picture."""
        score = 0.1 if image.mean() > 127 else 0.9
        prediction = Prediction(score, {"defect": score, "good": 1 - score}, "good", "defect")
        verdict = Verdict.GOOD if score < 0.5 else Verdict.REJECT
        lane, number = self.recipe.lane_for(verdict, prediction), self.recipe.class_number_for(verdict, prediction)
        return Inspection(Decision(verdict, Reason.MODEL), prediction, lane, number)

    def check(self) -> None:
        """Do nothing: it cannot fail."""


class Noted:
    """Cameras whose pictures are noted by a sum of their bytes before they are judged."""

    def __init__(self, cameras: Cameras | LineCameras) -> None:
        self._cameras, self.sums = cameras, list[tuple[int, int]]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cameras, name)

    def grab(
        self, timeout_s: float, while_waiting: Callable[[], None], not_after: float | None = None
    ) -> Mapping[str, Frame | CameraError]:
        """Hand on, and note."""
        found = self._cameras.grab(timeout_s, while_waiting, not_after)
        frame = found["top"]
        if isinstance(frame, Frame):
            self.sums.append((frame.block_id or 0, zlib.crc32(frame.image[..., 0].tobytes())))
        return found


def printing_camera(folder: Path, pictures: NDArray[np.uint8], lost_ratio: float, edges: Edges) -> Any:
    """Return the tests' simulated camera, whose lines are told."""

    class Printing(load_counterpart().GigeCameraProcess):  # type: ignore[misc]
        def _read(self, process: Any, up: Any) -> None:
            with process.stdout as lines, suppress(ValueError):
                up.put(lines.readline())
                for text in lines:
                    number, name = text.split(maxsplit=1)
                    edges.add(int(number), int(Path(name.strip()).stem))

    return Printing(folder, pictures, lost_ratio=lost_ratio)


def run(folder: Path, trigger: str, parts: int, pace: float, lost_ratio: float) -> dict[str, Any]:
    """Return the account of one run."""
    pictures, edges = make_pictures(), Edges()
    os.environ["TRIGGER_HZ"] = str(_LOOKS_HZ)
    with printing_camera(folder, pictures, lost_ratio, edges) as camera:
        is_line = trigger == "camera_line"
        line = CountingLine(parts, None if is_line else 1 / pace, edges)
        controller: Any = line
        if is_line:
            config = camera.config(trigger={"mode": "free"}, frame_rate=pace, skip_frames=0, frozen_after=0)
            # a pause shorter than the spacing: this camera is quick, and the counts are paired anew after every loss
            frames, limits = FrameQueue(), PairingLimits(0.1 / pace, 0.45 / pace, 0.5 / pace)
            cameras: Any = LineCameras({"top": (StreamedCamera(config, frames), frames)}, limits)
            controller = CountingController(line, cameras)
        else:
            cameras = Cameras({"top": WatchedCamera(camera.config(frozen_after=0))})
        noted = Noted(cameras)
        cameras.open(30.0)
        began = time.monotonic()
        try:
            summary = run_station(folder, controller, noted, parts, threading.Event())
        finally:
            cameras.close()
        seconds = time.monotonic() - began - _LINGER_S
        time.sleep(0.5)  # the last lines that the camera printed
    return account(summary, line, edges, noted.sums, read_records(folder / "records"), pictures, is_line=is_line) | {
        "trigger": trigger, "asked_pace": pace, "pace": parts / seconds, "lost_ratio": lost_ratio,
    }  # fmt: skip


def run_station(folder: Path, controller: Any, cameras: Any, parts: int | None, stop: threading.Event) -> Summary:
    """Run a whole station whose model is brightness."""
    store = RecordStore.from_config(RecordsConfig(folder=folder / "records", pictures=PicturesConfig(keep="none")))
    shelf = RecipeShelf(Views(0, (View("top", Brightness(folder), "0" * 64),), engine_p99_s=0.001))
    alarms = AlarmsConfig(rejects_in_a_row=None, misses_in_a_row=None)
    with store:
        return Station(StationFacts("line"), controller, cameras, shelf, store, alarms).run(parts, stop, _LINGER_S)


def account(
    summary: Summary, line: CountingLine, edges: Edges, sums: list[tuple[int, int]], records: list[dict[str, Any]],
    pictures: NDArray[np.uint8], *, is_line: bool,
) -> dict[str, Any]:  # fmt: skip
    """Compare what the controller counted, what the camera printed and what is on record."""
    crc = [zlib.crc32(picture.tobytes()) for picture in pictures]
    is_bright = [bool(picture.mean() > 127) for picture in pictures]
    found, wrong, seen = Counter[str](), Counter[str](), iter(sums)
    part_of, number_of = Unwrapped(LAST_SEQUENCE), Unwrapped(_WRAP)
    for record in records:
        part = part_of.next(record["sequence"])
        if record["missed"]:
            found[f"missed: {record['detail']}"] += (record["sequence"] - record["first_sequence"]) % LAST_SEQUENCE + 1
            continue
        found[f"reason {int(record['reason'])}"] += 1
        if record["block_id"] is None:
            continue
        edge = edges.by_number.get(number_of.next(record["block_id"]))
        if edge is None:
            wrong["never sent"] += 1
            continue
        wrong["not what was sent"] += next(seen) != (record["block_id"], crc[edge.place])
        if record["reason"] == Reason.MODEL:
            wrong["verdict"] += (record["verdict"] == "GOOD") != is_bright[edge.place]
        is_own = edge.index - line.offset == part if is_line else edge.at >= line.triggered_at[part]
        wrong["of another part"] += not is_own
    return {
        "triggers": line.count, "counted": summary.triggers, "judged": found[f"reason {int(Reason.MODEL)}"],
        "no_whole_picture": found[f"reason {int(Reason.NO_WHOLE_PICTURE)}"],
        "declared": sum(count for what, count in found.items() if what.startswith("missed")),
        "on_record": sum(found.values()), "found": dict(found), "wrong": dict(wrong), "pictures_sent": edges.count,
    }  # fmt: skip


def main() -> int:
    """Run, print, write; 1 where the account does not come out or a picture was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100_000, help="parts (100000)")
    parser.add_argument("--trigger", choices=["controller", "camera_line"], default="controller", help="who exposes")
    parser.add_argument("--pace", type=float, default=80, help="parts a second (80)")
    parser.add_argument("--lost", type=float, default=0.005, help="share of packets lost (0.005)")
    parser.add_argument("--out", type=Path, help="write the account as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder), arguments.trigger, arguments.frames, arguments.pace, arguments.lost)
    rows = [[what, str(result[what])] for what in ("triggers", "on_record", "judged", "no_whole_picture", "declared")]
    rows += [[what, str(count)] for what, count in sorted(result["found"].items())]
    rows += [[f"wrong: {what}", str(count)] for what, count in result["wrong"].items()]
    rows += [["pictures sent", str(result["pictures_sent"])], ["parts a second", f"{result['pace']:.1f}"]]
    print(format_table([f"trigger {result['trigger']}", "count"], rows))
    write_result(arguments.out, "cameras_loss", result)
    is_whole = result["triggers"] == result["counted"] == result["on_record"] == arguments.frames
    print("every trigger is on record once" if is_whole else "THE ACCOUNT DOES NOT COME OUT")
    return 0 if is_whole and not any(result["wrong"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
