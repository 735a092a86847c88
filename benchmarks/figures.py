"""What the benchmarks share: plain tables, the machine's facts, a result written as JSON, a command timed."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

_LIBRARIES = ("partgate", "numpy", "onnxruntime", "opencv-python-headless", "scikit-learn", "torch", "timm")


@dataclass(frozen=True, slots=True)
class Timed:
    """A command that ran to its end."""

    wall_s: float
    cpu_s: float  # user and system, all its threads; NaN where the system does not tell
    output: str  # what it printed


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns: the first to the left, the others to the right.

    Raises:
        ValueError: If a row has more or fewer cells than the head.

    Example:
        >>> print(format_table(["set", "escapes"], [["covers", "3 of 412"]]))
        | set    |  escapes |
        | ------ | -------: |
        | covers | 3 of 412 |
    """
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"row must have {len(head)} cells, got {len(row)}: {list(row)}")
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return "| " + " | ".join(aligned) + " |"

    return "\n".join([line(head), line(rule), *map(line, rows)])


def count_of(events: float, trials: int) -> str:
    """Return counts as people read them; a mean over seeds with one digit.

    Example:
        >>> count_of(3, 412), count_of(10 / 3, 412)
        ('3 of 412', '3.3 of 412')
    """
    shown = f"{events:.0f}" if float(events).is_integer() else f"{events:.1f}"
    return f"{shown} of {trials}"


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation over the values as they are (divided by N).

    Example:
        >>> mean_and_spread([1.0, 3.0])
        (2.0, 1.0)
    """
    return float(np.mean(values)), float(np.std(values))


def run_timed(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Timed:
    """Run a command to its end.

    Raises:
        RuntimeError: If it ends with another exit code than 0; its last lines are told.
    """
    before, began = _children_cpu_s(), time.perf_counter()
    done = subprocess.run(
        list(command), env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    wall_s, cpu_s = time.perf_counter() - began, _children_cpu_s() - before
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}:\n{last}")
    return Timed(wall_s, cpu_s, done.stdout + done.stderr)


def partgate_command(*arguments: str) -> list[str]:
    """Return the command line of partgate in this Python."""
    return [sys.executable, "-m", "partgate", *arguments]


def _children_cpu_s() -> float:
    if sys.platform == "win32":
        return float("nan")
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machine_facts() -> dict[str, Any]:
    """Return date, processor and versions; no name and no path of this machine."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": [round(value, 1) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": versions,
    }


def write_result(path: Path | None, benchmark: str, result: Mapping[str, Any]) -> None:
    """Write a result with the machine's facts as JSON; nothing where no file is named."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"benchmark": benchmark, "machine": machine_facts(), "result": result}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"result: {path}")
