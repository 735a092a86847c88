"""The command line as a user types it."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

COMMAND = (sys.executable, "-m", "partgate")


def partgate(
    *arguments: object, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env={**os.environ, **(env or {})},
        timeout=240, check=False,
    )  # fmt: skip


def station_file(folder: Path, run: Path, pictures: Path, **changes: object) -> Path:
    content = {
        "name": "trial",
        "recipe": str(run),
        "camera": {"kind": "folder", "folder": str(pictures), "repeat": True},
        "controller": {"kind": "memory", "interval_ms": 60},
        "records": {"folder": str(folder / "records")},
    }
    path = folder / "station.yaml"
    path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    return path
