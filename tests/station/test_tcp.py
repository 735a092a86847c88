"""A whole station over TCP, with the robot's program as it stands in the guide, in a process of its own."""

import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.controllers.block import check_word
from partgate.controllers.tcp import TcpControllerConfig
from partgate.records.store import read_records
from partgate.station.config import StationConfig
from partgate.station.run import RunResult, run_station

GUIDE = Path(__file__).parents[2] / "docs/guides/tcp.md"
WAIT_S = 60
MakeRun = Callable[..., Path]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def make_station(folder: Path, run: Path, **changes: object) -> StationConfig:
    """A dark part is good, a bright one a defect, by turns, the good one first."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(4):
        cv2.imwrite(str(pictures / f"{number}.png"), np.full((32, 32, 3), 40 + 170 * (number % 2), np.uint8))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    content = {
        "name": "cell",
        "recipe": str(run),
        "camera": {"kind": "folder", "folder": str(pictures), "repeat": True},
        "controller": {"kind": "tcp", "role": "server", "port": port},
        "records": {"folder": str(folder / "records")},
        "trigger_age_ms": 500,
    }
    return StationConfig.model_validate(content | changes)


def program_of_the_guide() -> str:
    return GUIDE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


@contextmanager
def robot_of_the_guide(config: StationConfig, **changes: str) -> Iterator["subprocess.Popen[str]"]:
    """Run it as it stands there, but for the port and a window that a busy machine keeps; it connects when it can."""
    assert isinstance(config.controller, TcpControllerConfig)
    program = program_of_the_guide()
    for before, after in {
        "5025": str(config.controller.port),
        '"WINDOW_MS": 200': '"WINDOW_MS": 2000',
        **changes,
    }.items():
        assert before in program
        program = program.replace(before, after)
    wait = (
        "import socket, time\nconnect = socket.create_connection\n"
        "def patient(address):\n    while True:\n        try: return connect(address)\n"
        "        except ConnectionRefusedError: time.sleep(0.02)\nsocket.create_connection = patient\n"
    )
    with subprocess.Popen([sys.executable, "-c", wait + program], stdout=subprocess.PIPE, text=True) as robot:
        yield robot
        robot.kill()


def lanes_of(robot: "subprocess.Popen[str]", parts: int) -> list[int]:
    assert robot.stdout is not None
    said = [robot.stdout.readline() for _ in range(parts)]
    return [int(re.fullmatch(r"part \d+ lane (\d+)\n", text)[1]) for text in said]  # type: ignore[index]


@contextmanager
def running(config: StationConfig, parts: int) -> Iterator[list[RunResult]]:
    """Run the station beside; its result stands in the list behind the block."""
    stop, results = threading.Event(), []
    thread = threading.Thread(
        target=lambda: results.append(run_station(config, parts, stop, linger_s=0.5)), daemon=True
    )
    thread.start()
    try:
        yield results
        thread.join(WAIT_S)
    finally:
        stop.set()
        thread.join(WAIT_S)


@pytest.mark.parametrize(
    ("changes", "times", "is_taken"),
    [
        ({}, {}, True),
        ({"RES_BOOT": 4}, {}, False),
        ({"RES_SEQ": 6}, {}, False),
        ({"VERDICT": 2}, {}, False),
        ({"VERDICT": 3}, {}, False),
        ({"LANE": 0}, {}, False),
        ({}, {"now": 10.31}, False),
        ({}, {"beat_at": 9.7}, False),
        ({}, {"check": 1}, False),
    ],
    ids=["own", "other boot", "other part", "reject", "recheck", "no lane", "late", "no heartbeat", "damaged"],
)
def test_robot_of_the_guide_takes_only_a_whole_good_of_this_part_in_time(
    changes: dict[str, int], times: dict[str, float], is_taken: bool
):
    found: dict[str, Callable[..., bool]] = {}
    exec(program_of_the_guide().split("\nme = ")[0], found)
    core = {"RES_SEQ": 7, "VERDICT": 1, "CLASS": 0, "LANE": 1, "RES_BOOT": 3, "REASON": 0} | changes
    said = core | {"CHECK": check_word(*core.values()) + times.get("check", 0)}
    me = {"TRIG_SEQ": 7, "PLC_BOOT": 3, "WINDOW_MS": 200}

    assert found["is_good"](said, me, times.get("now", 10.2), 10.1, times.get("beat_at", 10.15)) is is_taken


def test_robot_of_the_guide_takes_each_part_to_the_lane_of_its_own_verdict(make_run: MakeRun, tmp_path: Path):
    config = make_station(tmp_path, make_run(tmp_path / "run"))

    with running(config, parts=4) as results, robot_of_the_guide(config) as robot:
        lanes = lanes_of(robot, 4)
        wait_for(lambda: bool(results))

    assert lanes == [1, 0, 1, 0]
    assert (results[0].summary.results, results[0].summary.misses) == (4, 0)
    assert [record["acknowledged"] for record in read_records(tmp_path / "records")] == [True] * 4


def test_robot_that_is_stopped_and_started_again_is_told_once_each_way_and_gets_new_parts_alone(
    make_run: MakeRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    config = make_station(tmp_path, make_run(tmp_path / "run"))
    caplog.set_level(logging.WARNING, "partgate.station.loop")

    with running(config, parts=6) as results:
        with robot_of_the_guide(config) as first:
            before = lanes_of(first, 2)
        wait_for(lambda: "has hung up" in caplog.text)
        time.sleep(1.5)  # longer than one wait for a connection
        with robot_of_the_guide(config, **{"int(time.time()) % 65535 + 1": "7"}) as second:
            behind = lanes_of(second, 3)
            wait_for(lambda: bool(results))

    said = [record.getMessage() for record in caplog.records if "controller 'controller'" in record.getMessage()]
    told = ["back" if text.endswith("is back") else "lost" for text in said if "was restarted" not in text]
    assert before == [1, 0]
    assert behind in ([1, 0, 1], [0, 1, 0])  # the folder may have shown one more picture to the robot that left
    assert {"lost", "back"} == set(told)
    assert all(one != next_one for one, next_one in pairwise(told)), said
    assert {record["boot"] for record in read_records(tmp_path / "records")} >= {7}


def test_part_is_not_good_when_the_robot_announces_it_without_a_heartbeat(make_run: MakeRun, tmp_path: Path):
    config = make_station(tmp_path, make_run(tmp_path / "run"))
    still = {"int(10 * now) % 65536": "1", 'said.get("STATE", 0) & 2 and': "part_at < 1 or"}

    with running(config, parts=2) as results, robot_of_the_guide(config, **still) as robot:
        lanes = lanes_of(robot, 2)
        wait_for(lambda: bool(results))

    records = read_records(tmp_path / "records")
    assert lanes == [0, 0]
    assert {record["verdict"] for record in records} == {"RECHECK"}
    assert [record["detail"] for record in records[:2]] == ["the controller's heartbeat does not change"] * 2
