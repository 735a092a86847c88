"""A whole station over each driver of the reduced profile: each part its own verdict, one record a part."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.controllers.reduced import ReducedConfig
from partgate.controllers.tcp_text import TcpTextControllerConfig
from partgate.records.store import read_records
from partgate.station.config import StationConfig
from partgate.station.run import RunResult, run_station

from ..needed import need
from ..ports import free_port
from .reduced_devices import DEVICES, Device, TextDevice

CASES = [pytest.param(make, id=f"{kind}-{n}") for kind, makes in DEVICES.items() for n, make in enumerate(makes)]
WaitFor = Callable[..., None]


def make_station(folder: Path, run: Path, controller: ReducedConfig) -> StationConfig:
    """A dark part is good, a bright one a defect, by turns, the good one first."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(2):
        cv2.imwrite(str(pictures / f"{number}.png"), np.full((32, 32, 3), 40 + 170 * (number % 2), np.uint8))
    return StationConfig(
        name="cell",
        recipe=run,
        camera={"kind": "folder", "folder": str(pictures), "repeat": True},
        controller=controller.model_dump(),
        records={"folder": str(folder / "records")},
        trigger_age_ms=2000,
        shadow=False,
    )


def bring_part(device: Device, wait_for: WaitFor) -> bool:
    """Bring one part to the camera; return whether the gate took it."""
    wait_for(lambda: device.shows("READY"), 60)
    goods, changes = device.goods().count(True), device.changes("READY")
    device.set_trigger(True)
    wait_for(lambda: device.changes("READY") >= changes + 2, 60)  # off while it is judged, and on again
    device.set_trigger(False)
    beats = device.changes("HB")
    wait_for(lambda: device.changes("HB") > beats + 2, 60)  # it stays off while the station reads a few times
    return device.goods().count(True) > goods


@pytest.mark.parametrize("make", CASES)
def test_each_part_gets_its_own_verdict(
    make: Callable[..., Device], request: pytest.FixtureRequest, make_run, tmp_path: Path, wait_for: WaitFor
):
    device = make(request.getfixturevalue, {"window_ms": 10000, "good_ms": 100})
    config = make_station(tmp_path, make_run(tmp_path / "run"), device.config)
    stop, results = threading.Event(), list[RunResult]()
    station = threading.Thread(target=lambda: results.append(run_station(config, 4, stop)), daemon=True)
    if isinstance(device, TextDevice):
        station.start()
        wait_for(lambda: device.shows("HB"), 60)  # connected
        device.set_enable(True)
    else:
        device.set_enable(True)
        station.start()

    try:
        lanes = [bring_part(device, wait_for) for _ in range(3)]
        wait_for(lambda: device.shows("READY"), 60)
        device.set_trigger(True)  # the last one ends the run, before READY is shown again
        station.join(60)
    finally:
        stop.set()
        station.join(60)
        goods = device.goods()
        if isinstance(device, TextDevice):
            device.go_away()

    assert lanes == [True, False, True]
    assert goods.count(True) == 2
    records = read_records(tmp_path / "records")
    assert [record["verdict"] for record in records] == ["GOOD", "REJECT", "GOOD", "REJECT"]
    assert all(record["sent"] and record["acknowledged"] for record in records)


def test_netcat_of_the_guide_sees_the_lines_that_stand_there(make_run, tmp_path: Path, wait_for: WaitFor):
    need("nc and sed", shutil.which("nc") and shutil.which("sed"), "apt-get install netcat-openbsd")
    guide = Path(__file__).parents[2].joinpath("docs/guides/digital-io.md").read_text(encoding="utf-8")
    script, shown = (
        guide.split("```sh\n")[1].split("```")[0],
        guide.split("`said.txt` holds\n\n```\n")[1].split("```")[0],
    )
    port = free_port()
    controller = TcpTextControllerConfig(kind="tcp_text", role="client", host="127.0.0.1", port=port, answer_within_s=1)
    config, stop, said = (
        make_station(tmp_path, make_run(tmp_path / "run"), controller),
        threading.Event(),
        tmp_path / "said.txt",
    )
    shell = subprocess.Popen(["sh", "-c", script.replace("5026", str(port))], cwd=tmp_path, start_new_session=True)
    station = threading.Thread(target=lambda: run_station(config, None, stop), daemon=True)
    station.start()
    try:
        wait_for(lambda: said.exists() and len(said.read_text().splitlines()) >= len(shown.splitlines()), 60)
    finally:
        stop.set()
        station.join(60)
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()

    lines, expected = said.read_text().splitlines(), shown.splitlines()
    for kind in ("HB", "READY", "BUSY"):  # READY 1 comes with the first beat that finds the station ready
        wanted = [line for line in expected if line.startswith(kind)]
        assert [line for line in lines if line.startswith(kind)][: len(wanted)] == wanted
