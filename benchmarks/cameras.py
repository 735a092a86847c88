"""GigE cameras against a simulated one of another make, which streams our pictures over the loopback.

Measured: pictures per second and processor share beside the camera's own rate; from trigger to picture in hand, beside
what the camera itself takes (its simulated sensor looks for a trigger once in 40 ms); from the camera killed or frozen
to "lost", as the station's watch sees it, and from its return to the first picture; so many cycles of kill and return,
each picture compared to the bit with what was sent under its number, with memory and threads; a stream with packets
lost. All on one machine that both share: ratios inside one run, not field figures.

Needs: "partgate[gige,dev]", gcc, libaravis-dev, Linux. One minute and 2 s for each cycle.
"""

import argparse
import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
from figures import format_table, write_result
from numpy.typing import NDArray

from partgate.errors import CameraError, CameraLostError
from partgate.parts import Frame
from partgate.station.watch import WatchedCamera

TESTS = Path(__file__).parents[1] / "tests"
AIMS = {"lost_s": 0.5, "back_s": 2.0}
_STREAM_S, _TRIGGERS, _SIDE_PX, _SMALL_PX = 8.0, 100, 512, 96
_LONGEST_S = 30.0


def load_counterpart() -> Any:
    """Return the module of the tests' simulated camera, which imports its neighbours."""
    for name, folder in (("partgate_tests", TESTS), ("partgate_tests.cameras", TESTS / "cameras")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules.setdefault(name, package)
    return importlib.import_module("partgate_tests.cameras.gige_camera")


def wait_for(condition: Callable[[], bool]) -> float:
    """Return how many seconds it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > _LONGEST_S:
            raise TimeoutError("the simulated camera did not do its part")
        time.sleep(0.002)
    return time.monotonic() - began


def is_what_was_sent(frame: Frame, camera: Any, pictures: NDArray[np.uint8]) -> bool:
    """Compare with what the camera says it sent under this number."""
    wait_for(lambda: frame.block_id in camera.sent)
    return any(np.array_equal(frame.image[..., 0], pictures[place]) for place in camera.sent[frame.block_id])


def measure_stream(camera: Any, pictures: NDArray[np.uint8], rate: float) -> dict[str, float]:
    """Take every picture of a free-running camera for some seconds."""
    config = camera.config(trigger={"mode": "free"}, frame_rate=rate, skip_frames=0, packet_size_bytes=8000)
    process, taken, whole = psutil.Process(), [], 0
    with config.open() as device:
        device.grab(2.0)
        sent_before, cpu_before, began = camera.count, sum(process.cpu_times()[:2]), time.monotonic()
        while time.monotonic() - began < _STREAM_S:
            try:
                taken.append(device.grab(2.0))
                whole += 1
            except CameraLostError:
                raise
            except CameraError:
                continue
            del taken[:-20]
        seconds = time.monotonic() - began
        cpu, sent, counts = sum(process.cpu_times()[:2]) - cpu_before, camera.count - sent_before, device.counts
    wrong = sum(not is_what_was_sent(frame, camera, pictures) for frame in taken)
    return {
        "asked": rate, "camera": sent / seconds, "driver": whole / seconds, "cpu": cpu / seconds,
        "dropped": counts.dropped, "lost": counts.lost, "damaged": counts.damaged, "wrong": wrong,
    }  # fmt: skip


def measure_triggers(camera: Any) -> list[float]:
    """Return milliseconds from grab to picture in hand, software trigger."""
    times = []
    with camera.config().open() as device:
        for _ in range(_TRIGGERS):
            began = time.monotonic()
            device.grab(2.0)
            times.append(1000 * (time.monotonic() - began))
    return times


def measure_cycles(camera: Any, pictures: NDArray[np.uint8], cycles: int) -> dict[str, Any]:
    """Kill and return, as the station's watch lives through it; every second time frozen instead of killed."""
    watched = WatchedCamera(camera.config(open_within_s=_LONGEST_S))
    watched.open(_LONGEST_S)
    process, wrong, taken = psutil.Process(), 0, 0
    figures: dict[str, list[float]] = {"killed": [], "frozen": [], "back": [], "memory_mb": [], "tasks": []}
    for cycle in range(cycles):
        for _ in range(3):
            frame = watched.grab(2.0, lambda: None)
            wrong += not is_what_was_sent(frame, camera, pictures)
            taken += 1
        how = "frozen" if cycle % 2 else "killed"
        camera.freeze() if how == "frozen" else camera.kill()
        figures[how].append(wait_for(lambda: watched.is_lost))
        camera.kill()
        camera.start()
        figures["back"].append(wait_for(lambda: _gives_picture(watched)))
        figures["memory_mb"].append(process.memory_info().rss / 1e6)
        figures["tasks"].append(len(os.listdir("/proc/self/task")))
    watched.close()
    return {**figures, "wrong": wrong, "taken": taken}


def _gives_picture(watched: WatchedCamera) -> bool:
    try:
        watched.grab(0.5, lambda: None)
    except CameraError:
        return False
    return True


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=50, help="kill and return so often (50)")
    parser.add_argument("--out", type=Path, default=None, help="write the figures as JSON")
    arguments = parser.parse_args()
    counterpart = load_counterpart()
    streams = []
    with tempfile.TemporaryDirectory() as folder:
        pictures = counterpart.noise(16, _SIDE_PX)
        with counterpart.GigeCameraProcess(Path(folder), pictures) as camera:
            streams = [measure_stream(camera, pictures, rate) for rate in (25, 100, 400)]
            triggers = sorted(measure_triggers(camera))
        pictures = counterpart.noise(16, _SMALL_PX)
        with counterpart.GigeCameraProcess(Path(folder), pictures, lost_ratio=0.005) as camera:
            streams.append(measure_stream(camera, pictures, 100))
        with counterpart.GigeCameraProcess(Path(folder), pictures) as camera:
            cycles = measure_cycles(camera, pictures, arguments.cycles)
    report(streams, triggers, cycles, arguments.out)


def report(streams: list[dict[str, float]], triggers: list[float], cycles: dict[str, Any], out: Path | None) -> None:
    """Print the tables and write the result file."""
    rows = [
        [f"{row['asked']:g}", f"{row['camera']:.1f}", f"{row['driver']:.1f}", f"{row['cpu']:.1%}"]
        + [f"{row[key]:g}" for key in ("damaged", "dropped", "lost", "wrong")]
        for row in streams
    ]
    rows[-1][0] += f" ({_SMALL_PX} px, 0.5 % of packets lost)"
    print(format_table(["asked fps", "camera", "driver", "CPU", "damaged", "dropped", "lost", "wrong"], rows))
    memory, tasks = cycles["memory_mb"], cycles["tasks"]
    figures = [
        ["trigger to picture p50 / p99", f"{statistics.median(triggers):.0f} / {triggers[-2]:.0f} ms"],
        *(
            [f"{how}, median / longest", f"{statistics.median(values):.2f} / {max(values):.2f} s (aim {aim} s)"]
            for how, values, aim in (
                ("killed to lost", cycles["killed"], AIMS["lost_s"]),
                ("frozen to lost", cycles["frozen"], AIMS["lost_s"]),
                ("back to first picture", cycles["back"], AIMS["back_s"]),
            )
            if values
        ),
        ["wrong pictures", f"{cycles['wrong']} of {cycles['taken']}"],
        ["memory after cycle 5 / last", f"{memory[min(4, len(memory) - 1)]:.0f} / {memory[-1]:.0f} MB"],
        ["threads after cycle 5 / last", f"{tasks[min(4, len(tasks) - 1)]:g} / {tasks[-1]:g}"],
    ]
    print(format_table(["figure", "measured"], figures))
    write_result(out, "cameras", {"streams": streams, "triggers_ms": triggers, "cycles": cycles})


if __name__ == "__main__":
    main()
