"""The machine's check-up: can this PC do the job, and what is missing."""

import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from partgate import __version__
from partgate.cameras.usb import find_cameras
from partgate.drivers import DRIVERS
from partgate.errors import EngineError, PartgateError
from partgate.inference.engine import OnnxEngine
from partgate.inference.inspector import Inspector

_FEWEST_CORES, _LEAST_MEMORY_GB, _LEAST_DISK_GB, _SLOWEST_MS = 1, 1.0, 1.0, 150.0
_TRIALS = 30
_PROBE = "probe.onnx"


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found; ``problems`` keep this machine from doing the job, ``hints`` do not."""

    partgate: str
    python: str
    system: str
    cores: int
    memory_gb: float | None
    disk_free_gb: float
    engines: Mapping[str, str]
    ms_per_part: float | None  # 99th percentile
    measured_on: str
    drivers: tuple[Mapping[str, Any], ...]
    cameras: tuple[str, ...]
    problems: tuple[str, ...]
    hints: tuple[str, ...]


def examine(run_or_recipe: Path | None = None, folder: Path | None = None) -> Checkup:
    """Return what this machine is and lacks.

    Args:
        run_or_recipe: Measure with its bundle; without, with a built-in network as large as the default backbone.
        folder: Disk to look at; by default the current folder's.
    """
    problems: list[str] = []
    hints: list[str] = []
    cores, memory = os.cpu_count() or 1, memory_gb()
    disk = shutil.disk_usage(folder or Path.cwd()).free / 1e9
    if cores < _FEWEST_CORES:
        problems.append(f"{cores} processor cores; at least {_FEWEST_CORES} is needed")
    if memory is not None and memory < _LEAST_MEMORY_GB:
        problems.append(f"{memory:.1f} GB of memory; at least {_LEAST_MEMORY_GB} GB is needed")
    if disk < _LEAST_DISK_GB:
        problems.append(
            f"{disk:.1f} GB free on disk; at least {_LEAST_DISK_GB} GB is needed for records: clear the disk"
        )
    ms, measured_on = _measure(run_or_recipe, problems)
    if ms is not None and ms > _SLOWEST_MS:
        problems.append(
            f"{ms:.0f} ms per part is too slow for a window of 200 ms; use a smaller image_size_px or a faster PC"
        )
    drivers = tuple(
        {"family": entry.family, "kind": entry.kind, "missing": list(entry.missing), "install": entry.install}
        for entry in DRIVERS
    )
    hints += [
        f"{d['family']} '{d['kind']}' lacks {', '.join(d['missing'])}: {d['install']}" for d in drivers if d["missing"]
    ]
    cameras = tuple(find_cameras())
    if not cameras:
        hints.append("no USB camera seen; a station can also play a folder (camera kind: folder)")
    return Checkup(
        __version__, platform.python_version(), f"{platform.system()} {platform.machine()}",
        cores, memory, round(disk, 1), {"onnxruntime": onnxruntime.__version__}, ms, measured_on,
        drivers, cameras, tuple(problems), tuple(hints),
    )  # fmt: skip


def _measure(run_or_recipe: Path | None, problems: list[str]) -> tuple[float | None, str]:
    try:
        if run_or_recipe is not None:
            inspector = Inspector.open(run_or_recipe)
            check, what = inspector.rehearse, f"recipe '{inspector.recipe.name}'"
        else:
            engine = OnnxEngine(files("partgate.inference").joinpath(_PROBE).read_bytes())
            check, what = lambda: engine.warm_up(times=1), "a network as large as the default backbone"
            engine.warm_up()
        times = []
        for _ in range(_TRIALS):
            began = time.perf_counter()
            check()
            times.append(1000 * (time.perf_counter() - began))
    except EngineError as error:
        problems.append(f"ONNX Runtime does not run here: {error}; pip install --force-reinstall onnxruntime")
        return None, "nothing"
    except PartgateError as error:
        problems.append(str(error))
        return None, "nothing"
    return round(float(np.percentile(times, 99)), 1), what


def memory_gb() -> float | None:
    """Return the machine's memory in GB; ``None`` where the system does not tell."""
    if sys.platform == "win32":
        return _windows_memory_gb()
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (ValueError, OSError):
        return None


def _windows_memory_gb() -> float | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong), ("load", ctypes.c_ulong), ("total", ctypes.c_ulonglong),
            ("rest", ctypes.c_ulonglong * 6),
        ]  # fmt: skip

    status = Status(length=ctypes.sizeof(Status))
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 - exists on Windows alone
    return round(status.total / 1e9, 1) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None
