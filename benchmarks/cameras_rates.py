"""Every camera driver against its counterpart's own rate, and a station whose camera is killed and comes back.

Measured: pictures per second beside the rate of the counterpart (its own count, or its block ids; a video file's rate),
pictures that were not whole, processor share of the driver with its helper processes; from grab to picture in hand as
set for a wired trigger; with a station on a GigE camera: from the camera killed to state "camera lost", and from its
return to the first part judged by the model, 0 wrong verdicts.

Needs: "partgate[gige,genicam,basler,dev]", gcc, libaravis-dev, Linux. Some two minutes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from cameras_loss import CountingLine, Edges, Noted, make_pictures, run_station
from figures import format_table, write_result

from cameras import load_counterpart, wait_for
from partgate.cameras.base import CameraConfig
from partgate.controllers.block import State, StationWords
from partgate.drivers import driver_config_class
from partgate.errors import CameraError, CameraLostError
from partgate.parts import Reason, Result, Verdict
from partgate.station.eyes import Cameras
from partgate.station.frames import every_picture
from partgate.station.watch import WatchedCamera

_RATE, _SECONDS, _TRIALS, _SIZE = 25, 8.0, 30, (480, 640)
_SERVER = Path(__file__).parents[1] / "tests" / "cameras" / "network_camera.py"


def make_noise(count: int = 40) -> list[np.ndarray[Any, Any]]:
    """Return noise, as a video codec likes it least."""
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (*_SIZE, 3), dtype=np.uint8) for _ in range(count)]


def config_of(kind: str, **values: Any) -> CameraConfig:
    """Return settings of a driver."""
    return driver_config_class("camera", kind).model_validate({"kind": kind, "name": "top", **values})


@contextmanager
def usb(folder: Path) -> Iterator[tuple[CameraConfig, Any]]:
    """A video file through the code of a USB camera."""
    path = folder / "parts.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), float(_RATE), (_SIZE[1], _SIZE[0]))
    for picture in make_noise() * 15:
        writer.write(picture)
    writer.release()
    yield config_of("usb", device=str(path)), None


@contextmanager
def stream(folder: Path) -> Iterator[tuple[CameraConfig, Any]]:
    """A process that sends MJPEG over HTTP and tells how many pictures."""
    for number, picture in enumerate(make_noise()):
        cv2.imwrite(str(folder / f"{number:02d}.jpg"), picture)
    tell = folder / "tell"
    tell.write_bytes(b"%08d" % 0)
    command = [sys.executable, str(_SERVER), "http", "0", str(folder), "--rate", str(_RATE), "--tell", str(tell)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/video"
        yield config_of("stream", url=url, latency_ms=100), lambda: int(tell.read_bytes())
    finally:
        server.kill()
        server.wait()


@contextmanager
def gige(folder: Path) -> Iterator[tuple[CameraConfig, Any]]:
    """The simulated camera of Aravis."""
    counterpart = load_counterpart()
    with counterpart.GigeCameraProcess(folder, counterpart.noise(16, 512)) as camera:
        trigger = {"mode": "free"}
        yield camera.config(trigger=trigger, frame_rate=_RATE, packet_size_bytes=8000), lambda: camera.count


@contextmanager
def genicam(folder: Path) -> Iterator[tuple[CameraConfig, Any]]:
    """The producer in the genicam package; 20 pictures a second are its own limit."""
    library = find_spec("genicam")
    assert library is not None
    assert library.origin is not None
    producer = Path(library.origin).with_name("viky.cti")
    yield config_of("genicam", producer=producer, serial="0", trigger={"mode": "free"}), None


@contextmanager
def basler(folder: Path) -> Iterator[tuple[CameraConfig, Any]]:
    """The emulation in pypylon."""
    for number, picture in enumerate(make_noise(10)):
        cv2.imwrite(str(folder / f"{number:02d}.png"), picture)
    nodes = {"ImageFilename": str(folder), "ImageFileMode": "On", "TestImageSelector": "Off"}
    os.environ["PYLON_CAMEMU"] = "1"
    yield config_of(
        "basler", serial="0815-0000", open_within_s=60, frozen_after=0,
        region={"width_px": _SIZE[1], "height_px": _SIZE[0]}, pixel_format="RGB8Packed",
        trigger={"mode": "free"}, frame_rate=_RATE, nodes=nodes,
    ), None  # fmt: skip


COUNTERPARTS = {"usb": usb, "stream": stream, "gige": gige, "genicam": genicam, "basler": basler}


def measure(kind: str, folder: Path) -> dict[str, Any]:
    """Return the figures of one driver."""
    with COUNTERPARTS[kind](folder) as (config, count):
        row = measure_rate(every_picture(config), count)
    with COUNTERPARTS[kind](folder) as (config, _):
        return {"kind": kind, **row, "picture_ms": measure_grabs(config)}


def measure_rate(config: CameraConfig, count: Any) -> dict[str, Any]:
    """Take every picture for some seconds."""
    numbers, whole, damaged = [], 0, 0
    with config.open() as camera:
        camera.grab(5.0)
        sent, cpu, began = count() if count else 0, cpu_s(), time.monotonic()
        while time.monotonic() - began < _SECONDS:
            try:
                numbers.append(camera.grab(2.0).block_id)
                whole += 1
            except CameraLostError:
                raise
            except CameraError:
                damaged += 1
        seconds, used_s = time.monotonic() - began, cpu_s() - cpu
        own = (count() - sent) / seconds if count else None
        if own is None and numbers[0] is not None:
            own = (numbers[-1] - numbers[0]) / seconds
    return {
        "own": own or float(_RATE), "driver": whole / seconds, "damaged": damaged, "cpu": used_s / seconds,
        "told_by": "its count" if count else "block ids" if numbers[0] is not None else "the file",
    }  # fmt: skip


def measure_grabs(config: CameraConfig) -> list[float]:
    """Return milliseconds from grab to picture in hand, as set for a wired trigger."""
    times = []
    with config.open() as camera:
        for _ in range(_TRIALS):
            began = time.monotonic()
            camera.grab(2.0)
            times.append(1000 * (time.monotonic() - began))
    return sorted(times)


def cpu_s() -> float:
    """Return processor seconds of this process and of the driver's helpers, without the counterparts."""
    own = psutil.Process()
    helpers = [child for child in own.children(recursive=True) if "partgate.cameras" in " ".join(child.cmdline())]
    return sum(sum(process.cpu_times()[:2]) for process in [own, *helpers])


class LoggingLine(CountingLine):
    """Notes whether the station says that its camera is lost, and the verdicts by the model."""

    def __init__(self, interval_s: float) -> None:
        super().__init__(1 << 30, interval_s, Edges())
        self.is_camera_lost, self.verdicts = False, list[Verdict]()

    def write_state(self, words: StationWords) -> None:
        """Note the state."""
        super().write_state(words)
        self.is_camera_lost = State.CAMERA_LOST in words.state

    def send(self, result: Result, words: StationWords) -> None:
        """Note the verdict."""
        super().send(result, words)
        if result.decision.reason is Reason.MODEL:
            self.verdicts.append(result.decision.verdict)


class KilledCamera:
    """A station on a GigE camera that is killed and comes back."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._pictures = folder, make_pictures()

    def measure(self, cycles: int) -> dict[str, Any]:
        """Return seconds to "lost" as the controller hears it and to the first part judged after the return."""
        lost_s, judged_s, line, stop = list[float](), list[float](), LoggingLine(0.05), threading.Event()
        with load_counterpart().GigeCameraProcess(self._folder, self._pictures) as camera:
            cameras = Cameras({"top": WatchedCamera(camera.config(frozen_after=0))})
            noted = Noted(cameras)
            cameras.open(30.0)
            station = threading.Thread(target=run_station, args=(self._folder, line, noted, None, stop))
            station.start()
            try:
                for _ in range(cycles):
                    wait_for_verdicts(line, 5)
                    camera.kill()
                    lost_s.append(wait_for(lambda: line.is_camera_lost))
                    camera.start()
                    judged_s.append(wait_for_verdicts(line, 1))
            finally:
                stop.set()
                station.join(30)
                cameras.close()
        is_bright = {zlib.crc32(picture.tobytes()): bool(picture.mean() > 127) for picture in self._pictures}
        shown = [is_bright.get(crc) for _, crc in noted.sums]
        told = [verdict is Verdict.GOOD for verdict in line.verdicts]
        wrong = sum(one != other for one, other in zip(shown, told, strict=False)) + abs(len(shown) - len(told))
        return {"lost_s": lost_s, "judged_s": judged_s, "wrong": wrong, "judged": len(told)}


def wait_for_verdicts(line: LoggingLine, count: int) -> float:
    """Return how many seconds it took until so many more parts were judged by the model."""
    before = len(line.verdicts)
    return wait_for(lambda: len(line.verdicts) >= before + count)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=20, help="kill and return so often (20)")
    parser.add_argument("--only", nargs="+", choices=sorted(COUNTERPARTS), default=list(COUNTERPARTS), help="drivers")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    arguments = parser.parse_args()
    rows = []
    for kind in arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(kind, Path(folder)))
            print(f"{kind} done", file=sys.stderr)
    heads = ["driver", "counterpart / s", "told by", "driver / s", "not whole", "CPU", "grab to picture p50 / longest"]
    cells = [
        [
            row["kind"], f"{row['own']:.1f}", row["told_by"], f"{row['driver']:.1f}", str(row["damaged"]),
            f"{row['cpu']:.1%}", f"{statistics.median(row['picture_ms']):.0f} / {row['picture_ms'][-1]:.0f} ms",
        ]
        for row in rows
    ]  # fmt: skip
    print(format_table(heads, cells))
    with tempfile.TemporaryDirectory() as folder:
        cycles = KilledCamera(Path(folder)).measure(arguments.cycles)
    print(format_table(["station on a gige camera", "measured"], [
        [what, f"{statistics.median(cycles[key]):.2f} / {max(cycles[key]):.2f} s"]
        for what, key in (("killed to lost, median / longest", "lost_s"), ("back to first judged part", "judged_s"))
    ] + [["wrong verdicts", str(cycles["wrong"])]]))  # fmt: skip
    write_result(arguments.out, "cameras_rates", {"drivers": rows, "cycles": cycles})


if __name__ == "__main__":
    main()
