"""A station as a plant runs it: ``partgate run`` against ``partgate simulate plc`` over Modbus TCP on the loopback.

Measured: from trigger seen to verdict written (the records' ``latency_ms``), whether each part took the lane of its
verdict, the peak of resident memory of ``partgate run``, the time from its start until the controller sees it ready,
what importing the station loads, and the processor time of ``partgate --help``. Against the aims: under 200 MB, under
2 s, no torch, under 0.5 s. The model is trained on made pictures, unless ``--recipe`` and ``--pictures`` name your own.

Not measured: sensor to acknowledge. The simulator's log tells lanes and no times; how many results were acknowledged
within the window stands in the records and is reported.
"""

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from figures import count_of, format_table, partgate_command, run_timed, write_result
from numpy.typing import NDArray

AIMS = {"memory_mb": 200.0, "ready_s": 2.0, "help_cpu_s": 0.5}
_PICTURES_PER_CLASS = 30
_HELP_RUNS = 5
_LOOK_EVERY_S = 0.02
_READY = "station is ready"
_TORCH = re.compile(r"\| +(torch|torchvision|timm|sklearn)$", re.MULTILINE)
_STATION = """name: benchmark
recipe: {recipe}
camera: {{kind: folder, folder: {pictures}, order: shuffled, repeat: true}}
controller: {{kind: modbus, host: 127.0.0.1, port: {port}, first_register: 0}}
records: {{folder: {records}}}
"""


def make_picture(rng: np.random.Generator, has_hole: bool) -> NDArray[np.uint8]:
    """Return a picture of a grey plate, (480, 640, 3) uint8, with or without a dark hole somewhere."""
    picture = rng.normal(150, 6, (480, 640)).clip(0, 255).astype(np.uint8)
    if has_hole:
        centre = int(rng.integers(80, 560)), int(rng.integers(80, 400))
        cv2.circle(picture, centre, int(rng.integers(15, 30)), 40, thickness=-1)
    return np.repeat(picture[:, :, None], 3, axis=2)


def make_model(work: Path) -> tuple[Path, Path]:
    """Train on made pictures; return the run folder and the pictures."""
    pictures, run = work / "plates", work / "run"
    rng = np.random.default_rng(0)
    for name in ("good", "hole"):
        (pictures / name).mkdir(parents=True)
        for number in range(_PICTURES_PER_CLASS):
            cv2.imwrite(str(pictures / name / f"{number:03}.png"), make_picture(rng, name == "hole"))
    run_timed(partgate_command("train", str(pictures), "--out", str(run)))
    return run, pictures


def free_port() -> int:
    """Return a TCP port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Watched:
    """A process whose lines and memory are watched until it ends."""

    def __init__(self, *arguments: str) -> None:
        self.started = time.perf_counter()
        self.peak_mb = 0.0
        self.lines: list[tuple[float, str]] = []  # seconds since the clock's zero, line
        self.process = subprocess.Popen(
            partgate_command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._changed = threading.Condition()
        self._readers = [threading.Thread(target=self._read, daemon=True), threading.Thread(target=self._look)]
        for reader in self._readers:
            reader.start()

    def wait_for(self, text: str, timeout_s: float) -> float:
        """Return when a line with this text came.

        Raises:
            RuntimeError: If it did not come in time; what was said instead is told.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: any(text in line for _, line in self.lines), timeout_s):
                raise RuntimeError(f"no line with '{text}' within {timeout_s:g} s; got {self.lines[-5:]}")
            return next(at for at, line in self.lines if text in line)

    def end(self, timeout_s: float) -> None:
        """Wait for the end of the process.

        Raises:
            RuntimeError: If it ends with another exit code than 0.
        """
        self.process.wait(timeout_s)
        for reader in self._readers:
            reader.join()
        if self.process.returncode:
            raise RuntimeError(f"exit code {self.process.returncode}: {self.lines[-5:]}")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append((time.perf_counter(), line.rstrip()))
                self._changed.notify_all()

    def _look(self) -> None:
        try:
            seen = psutil.Process(self.process.pid)
            while self.process.poll() is None:
                self.peak_mb = max(self.peak_mb, seen.memory_info().rss / 1e6)
                time.sleep(_LOOK_EVERY_S)
        except psutil.NoSuchProcess:
            return


@contextmanager
def watched(*arguments: str) -> Iterator[Watched]:
    """Give a process that does not outlive the block."""
    process = Watched(*arguments)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.terminate()
            process.process.wait(10)


def run_line(run: Path, pictures: Path, work: Path, parts: int, interval_ms: int) -> dict[str, Any]:
    """Let parts pass a station; return its times, its memory, its records and the lanes."""
    port, log, exported = free_port(), work / "plc.json", work / "records.json"
    station, records = work / "station.yaml", work / "records"
    paths = {"recipe": run, "pictures": pictures, "records": records}
    quoted = {name: json.dumps(str(path.resolve())) for name, path in paths.items()}
    station.write_text(_STATION.format(port=port, **quoted), encoding="utf-8")
    belt = ("--parts", str(parts), "--interval-ms", str(interval_ms), "--log", str(log))
    longest_s = 60 + parts * interval_ms / 1000
    with watched("simulate", "plc", "--port", str(port), *belt) as plc:
        plc.wait_for("listens", 30)
        with watched("run", str(station), "--parts", str(parts)) as line:
            ready_s = plc.wait_for(_READY, 60) - line.started
            line.end(longest_s)
        plc.end(longest_s)
    run_timed(partgate_command("records", "export", str(records), "--out", str(exported)))
    return {
        "first_line_s": line.lines[0][0] - line.started,
        "ready_s": ready_s,
        "memory_mb": line.peak_mb,
        **compare(
            json.loads(exported.read_text(encoding="utf-8")), json.loads(log.read_text(encoding="utf-8"))["parts"]
        ),
    }


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def compare(records: Sequence[Mapping[str, Any]], outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return latencies, and whether each part took the lane that its record names.

    Args:
        records: As ``partgate records export`` writes them.
        outcomes: The parts of the simulator's log.
    """
    lanes = {(part["boot"], part["sequence"]): part["lane"] for part in outcomes}
    results = [row for row in records if not row["missed"]]
    latencies = [row["latency_ms"] for row in results if row["latency_ms"] is not None]
    p50, p99 = np.percentile(latencies, [50, 99]) if latencies else (None, None)
    return {
        "parts": len(outcomes),
        "results": len(results),
        "acknowledged": sum(bool(row["acknowledged"]) for row in results),
        "lanes_agree": sum(lanes.get((row["boot"], row["sequence"])) == row["lane"] for row in results),
        "verdicts": dict(Counter(row["verdict"] for row in results)),
        "latency_p50_ms": p50 if p50 is None else round(float(p50), 1),
        "latency_p99_ms": p99 if p99 is None else round(float(p99), 1),
    }


def imported_for_learning() -> list[str]:
    """Return which libraries of learning the station loads on import; there should be none."""
    command = [sys.executable, "-X", "importtime", "-c", "import partgate.station.run"]
    return sorted(set(_TORCH.findall(run_timed(command).output)))


def results_table(found: Mapping[str, Any]) -> str:
    """Return a row per figure with its aim."""
    parts = found["parts"]
    rows = [
        ["trigger seen to verdict written, p50", f"{found['latency_p50_ms']} ms", "-"],
        ["trigger seen to verdict written, p99", f"{found['latency_p99_ms']} ms", "-"],
        ["parts with a result", count_of(found["results"], parts), f"{parts}"],
        ["results acknowledged in time", count_of(found["acknowledged"], parts), f"{parts}"],
        ["lane is the verdict's", count_of(found["lanes_agree"], parts), f"{parts}"],
        ["resident memory, peak", f"{found['memory_mb']:.0f} MB", f"< {AIMS['memory_mb']:.0f} MB"],
        ["start to first line", f"{found['first_line_s']:.2f} s", "-"],
        ["start to trigger ready", f"{found['ready_s']:.2f} s", f"< {AIMS['ready_s']:.0f} s"],
        ["libraries of learning imported", ", ".join(found["learning_imports"]) or "none", "none"],
        ["partgate --help, processor time", f"{found['help_cpu_s']:.2f} s", f"< {AIMS['help_cpu_s']} s"],
    ]
    return format_table(["figure", "measured", "aim"], rows)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, help="run folder or recipe to measure; without, one is trained")
    parser.add_argument("--pictures", type=Path, help="pictures to play; needed with --recipe")
    parser.add_argument("--parts", type=int, default=200, help="parts to let pass (default: 200)")
    parser.add_argument("--interval-ms", type=int, default=300, help="from part to part (default: 300)")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    settings = parser.parse_args(arguments)
    if (settings.recipe is None) != (settings.pictures is None):
        parser.error("--recipe and --pictures go together")
    return settings


def main() -> None:
    """Measure and print."""
    settings = parse()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run, pictures = (settings.recipe, settings.pictures) if settings.recipe else make_model(work)
        found = run_line(run, pictures, work, settings.parts, settings.interval_ms)
    found["learning_imports"] = imported_for_learning()
    helped = [run_timed(partgate_command("--help")).cpu_s for _ in range(_HELP_RUNS)]
    found["help_cpu_s"] = float(np.median(helped))
    print(f"\n{results_table(found)}\n\nverdicts: {found['verdicts']}")
    write_result(settings.out, "station", found)


if __name__ == "__main__":
    main()
