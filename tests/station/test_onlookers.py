"""A running station tells results and state over the network; whoever looks on can neither stop nor steer it."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from partgate.configfile import load_config
from partgate.records.store import read_records
from partgate.station.config import StationConfig
from partgate.station.run import run_station


@pytest.fixture
def heard() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address that takes posts, and what was posted there."""
    messages: list[dict[str, Any]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/results", messages
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def make_station(tmp_path: Path, make_folder: Callable[..., Path], make_run: Callable[..., Path]) -> Any:
    def make(**keys: Any) -> StationConfig:
        content = {
            "name": "line",
            "recipe": make_run(tmp_path / "run").name,
            "camera": {"kind": "folder", "name": "top", "folder": "pictures", "repeat": True},
            "controller": {"kind": "memory", "interval_ms": 50, "window_ms": 2000},
            "records": {"folder": "records"},
            "trigger_age_ms": 1000,
            **keys,
        }
        make_folder(tmp_path / "pictures", {"good": 3})
        (tmp_path / "station.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return load_config(tmp_path / "station.yaml", StationConfig)

    return make


def test_results_and_states_of_a_run_arrive_as_they_stand_in_the_records(
    make_station: Callable[..., StationConfig], heard: tuple[str, list[dict[str, Any]]], tmp_path: Path
):
    url, messages = heard

    run_station(make_station(publish=[{"kind": "webhook", "url": url}]), 3, threading.Event())

    rows = read_records(tmp_path / "records")
    results = [message for message in messages if message["message"] == "result"]
    assert [(told["sequence"], told["verdict_number"]) for told in results][: len(rows)] == [
        (row["sequence"], {"GOOD": 1, "REJECT": 2, "RECHECK": 3}[row["verdict"]]) for row in rows
    ]
    states = [message["state"] for message in messages if message["message"] == "status"]
    assert states[-1] == "preoperational"
    assert {"ready", "single_execution"} & set(states)


def test_receiver_that_is_not_there_stops_no_part(make_station: Callable[..., StationConfig], tmp_path: Path):
    config = make_station(publish=[{"kind": "webhook", "url": "http://127.0.0.1:9/nobody", "timeout_s": 1}])

    summary = run_station(config, 3, threading.Event()).summary

    assert summary.adds_up
    assert summary.results >= 3
    assert len(read_records(tmp_path / "records")) >= 3


def test_stack_light_that_is_not_there_stops_no_part(make_station: Callable[..., StationConfig], tmp_path: Path):
    port = {"kind": "serial", "protocol": "relay_frames", "port": str(tmp_path / "no-port")}

    summary = run_station(make_station(stack_light={"lines": port, "green": 1}), 2, threading.Event()).summary

    assert summary.adds_up
    assert summary.results >= 2
