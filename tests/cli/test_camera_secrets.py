"""No word of ``partgate camera`` repeats what may be a user, a password or a query of a stream."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from ..cameras.network import Network

USER, PASSWORD, TOKEN = "line-7", "geh/e:im@", "abc123"
LEAKS = (USER, PASSWORD, "geh", TOKEN)
ADDRESS = f"rtsp://{USER}:{PASSWORD}@127.0.0.1:9/v?t={TOKEN}"


def camera(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "partgate", "camera", *arguments], capture_output=True, text=True, cwd=folder,
        timeout=100, check=False, env={**os.environ, "CAMERA_PASSWORD": PASSWORD},
    )  # fmt: skip


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    for number in range(48):
        cv2.imwrite(str(tmp_path / f"{number:02d}.jpg"), np.full((48, 64, 3), 5 * number, np.uint8))
    network = Network(tmp_path)
    yield network
    for process in network.processes:
        with process:
            process.kill()


@pytest.mark.parametrize(
    "arguments",
    [
        ("snap", ADDRESS),
        ("snap", ADDRESS + ".yaml"),
        ("snap", "stream", "--set", ADDRESS),
        ("snap", "stream", "--set", f"url={ADDRESS}"),
        ("snap", "stream", "--set", f"url=[{ADDRESS}"),
        ("snap", "stream", "--set", "url=3", "--set", f"url.x={ADDRESS}"),
        ("settings", "stream", "--set", f"url=http://127.0.0.1:9/v?t={TOKEN}"),
        ("watch", "stream", "--set", f"url=http://127.0.0.1:9/v?t={TOKEN}", "--pictures", "1"),
    ],
    ids=lambda arguments: " ".join(arguments).replace(ADDRESS, "ADDRESS"),
)
def test_mistake_with_an_address_repeats_nothing_secret(arguments: tuple[str, ...], tmp_path: Path):
    done = camera(tmp_path, *arguments)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [leak for leak in LEAKS if leak in done.stdout + done.stderr] == []


@pytest.mark.parametrize("command", ["settings", "snap", "watch"])
def test_open_stream_shows_no_user_no_password_and_no_query(command: str, network: Network, tmp_path: Path):
    port = network.start("http", "--password", PASSWORD)
    source = {"kind": "stream", "url": f"http://127.0.0.1:{port}/video?t={TOKEN}", "user": "line"}
    content = {"camera": source | {"password": {"env": "CAMERA_PASSWORD"}}}
    (tmp_path / "station.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    done = camera(tmp_path, command, "station.yaml", *(("--pictures", "2") if command == "watch" else ()))

    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert [leak for leak in (PASSWORD, "geh", TOKEN, "CAMERA_PASSWORD") if leak in told] == []
    if command == "settings":
        rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
        assert rows["url"].split() == [f"http://127.0.0.1:{port}/video?…", "-"]
        assert rows["user"].split() == rows["password"].split() == ["…", "-"]
