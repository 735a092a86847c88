"""The commands as a user types them: whole runs, every mistake in one line, and nothing looked up on a network."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from partgate.drivers import DRIVERS, driver_kinds
from partgate.records.store import read_records

COMMAND = (sys.executable, "-m", "partgate")
NO_NETWORK = """
import socket, sys
class Blocked(socket.socket):
    def connect(self, address):
        if self.family != socket.AF_UNIX and not str(address[0]).startswith('127.'):
            print('network:', address, file=sys.stderr); sys.stderr.flush(); import os; os._exit(99)
        return super().connect(address)
def refuse(*a, **k):
    if a[0] not in ('127.0.0.1', 'localhost', None):
        print('look-up:', a, file=sys.stderr); sys.stderr.flush(); import os; os._exit(98)
    return resolve(*a, **k)
resolve = socket.getaddrinfo
socket.socket, socket.getaddrinfo = Blocked, refuse
"""


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


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["train"],
        ["evaluate"],
        ["decide"],
        ["plan"],
        ["seal"],
        ["accept"],
        ["msa"],
        ["payback"],
        ["compare"],
        ["predict"],
        ["run"],
        ["doctor"],
        ["data"],
        ["data", "get"],
        ["records"],
        ["simulate", "plc"],
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(arguments: Sequence[str]):
    done = partgate(*arguments, "--help")

    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_version_is_told():
    assert re.fullmatch(r"partgate \d+\.\d+\.\d+\n", partgate("--version").stdout)


def test_wrong_usage_ends_with_two_and_names_the_option():
    done = partgate("train", "--oot", "x")

    assert done.returncode == 2
    assert "--oot" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "nowhere", "--out", "run"], "nowhere: no such file"),
        (["evaluate", "nowhere", "data", "--out", "x"], "nowhere: no recipe there"),
        (["run", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["records", "verify", "nowhere"], "nowhere: holds no records.sqlite"),
        (["predict", "nowhere", "x.png"], "nowhere: no recipe there"),
    ],
    ids=["train", "evaluate", "run", "records", "predict"],
)
def test_mistake_of_the_user_is_one_line_without_a_traceback(tmp_path: Path, arguments: Sequence[str], sentence: str):
    done = partgate(*arguments, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("partgate: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_station_file_says_every_problem_at_once(tmp_path: Path):
    path = tmp_path / "station.yaml"
    path.write_text(
        "name: x\nrecipe: run\ncamera: {kind: webcam}\ncontroller: {kind: modbus, hots: plc, port: 99999}\nrecods: {}\n"
    )

    done = partgate("run", path)

    assert done.returncode == 1
    assert f"camera: unknown kind 'webcam'; known kinds: {', '.join(driver_kinds('camera'))}" in done.stderr
    assert "controller.hots is not a known key; did you mean 'host'?" in done.stderr
    assert "controller.host: is missing" in done.stderr
    assert "controller.port: input should be less than or equal to 65535, got 99999" in done.stderr
    assert "recods is not a known key; did you mean 'records'?" in done.stderr


def test_predict_judges_readable_pictures_and_names_the_others(trained: tuple[Path, Path], tmp_path: Path):
    data, run = trained
    torn = tmp_path / "torn.png"
    torn.write_bytes(b"\x89PNG\r\n\x1a\n")

    done = partgate("predict", run, data / "good/good_001.png", torn, data / "spot/spot_001.png", "--json")

    rows = json.loads(done.stdout)
    assert [row["verdict"] for row in rows] == ["GOOD", "REJECT"]
    assert rows[1]["predicted_class"] == "spot"
    assert done.returncode == 1
    assert "torn.png: is cut off or damaged" in done.stderr


def test_station_runs_over_a_folder_and_its_account_adds_up(trained: tuple[Path, Path], tmp_path: Path):
    data, run = trained

    done = partgate("run", station_file(tmp_path, run, data), "--parts", 40, "--linger", 0)

    assert done.returncode == 0, done.stderr
    assert "triggers 40 = results 40 + declared misses 0" in done.stdout
    assert re.search(r"good +GOOD +1 +\d+", done.stdout)
    verified = partgate("records", "verify", tmp_path / "records")
    assert "whole: no record was changed or removed" in verified.stdout
    exported = partgate("records", "export", tmp_path / "records", "--out", tmp_path / "all.json")
    assert exported.returncode == 0
    assert len(json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))) == 40
    assert len(partgate("records", "list", tmp_path / "records", "--last", 5).stdout.splitlines()) == 5


def test_changed_record_makes_verify_fail(trained: tuple[Path, Path], tmp_path: Path):
    import sqlite3

    data, run = trained
    partgate("run", station_file(tmp_path, run, data), "--parts", 3, "--linger", 0)
    with sqlite3.connect(tmp_path / "records/records.sqlite") as connection:
        connection.execute("UPDATE records SET lane = 1 WHERE id = 2")
        connection.execute("UPDATE records SET lane = 0 WHERE id = 2")
        connection.execute("UPDATE records SET detail = 'x' WHERE id = 2")
    connection.close()

    done = partgate("records", "verify", tmp_path / "records")

    assert done.returncode == 1
    assert "partgate: record 2: was changed after it was written" in done.stderr


def test_station_without_its_camera_does_not_start(trained: tuple[Path, Path], tmp_path: Path):
    _, run = trained
    path = station_file(tmp_path, run, tmp_path, camera={"kind": "usb", "device": "/nonexistent/video7", "name": "top"})

    done = partgate("run", path, "--parts", 1)

    assert done.returncode == 1
    assert "camera 'top' (usb /nonexistent/video7): there is no such path; is it plugged in?" in done.stderr


def test_station_waits_for_a_plc_that_is_switched_on_later_and_ctrl_c_ends_it(
    trained: tuple[Path, Path], tmp_path: Path
):
    data, run = trained
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    modbus = {"kind": "modbus", "host": "127.0.0.1", "port": port}
    path = station_file(tmp_path, run, data, controller=modbus)
    log = tmp_path / "plc.json"
    with subprocess.Popen(
        [*COMMAND, "run", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as station:
        assert station.stdout is not None
        lines: list[str] = []
        no_connection = threading.Event()

        def listen() -> None:
            for line in station.stdout or ():
                lines.append(line)
                if "no connection; is the PLC on" in line:
                    no_connection.set()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        assert no_connection.wait(60), lines
        plc = partgate("simulate", "plc", "--port", port, "--parts", 5, "--interval-ms", 300, "--log", log)
        station.send_signal(signal.SIGINT)
        station.wait(30)
        listener.join(10)

    assert plc.returncode == 0, plc.stderr
    assert len(json.loads(log.read_text(encoding="utf-8"))["parts"]) == 5
    assert station.returncode == 0
    assert any("triggers 5 = results 5 + declared misses 0" in line for line in lines), lines


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of Unix")
def test_station_killed_and_started_again_sends_no_stale_good_and_accounts_for_every_trigger(
    trained: tuple[Path, Path], tmp_path: Path
):
    from partgate.simulate.conveyor import ConveyorSettings
    from partgate.simulate.plc import SimulatedPlc
    from partgate.simulate.settings import PlcSettings

    data, run = trained
    with SimulatedPlc(PlcSettings(boot=5, conveyor=ConveyorSettings(interval_ms=300))) as plc:
        path = station_file(tmp_path, run, data, controller={"kind": "modbus", "host": "127.0.0.1", "port": plc.port})

        def start() -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*COMMAND, "run", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            plc.wait_until(lambda: plc.is_station_ready, timeout_s=60)
            return process

        plc.feed_endlessly()
        first = start()
        plc.wait_until(lambda: plc.counters["good"] >= 1 and plc.entered >= 4, timeout_s=60)
        first.kill()
        first.communicate()
        plc.wait_until(lambda: plc.watchdog_fault, timeout_s=60)
        accepted_before = plc.counters["good"]
        second = start()
        plc.wait_until(lambda: plc.counters["good"] > accepted_before, timeout_s=60)
        plc.stop_feeding()
        plc.wait_until(lambda: plc.is_belt_empty, timeout_s=60)
        second.send_signal(signal.SIGINT)
        second.communicate(timeout=60)
        outcomes = plc.outcomes

    verdicts = {row["sequence"]: row for row in read_records(tmp_path / "records")}
    for part in outcomes:
        row = verdicts.get(part.sequence)
        own_good = row is not None and row["verdict"] == "GOOD" and not row["missed"]
        killed_before_written = row is None or row["missed"] or row["first_sequence"] != row["sequence"]
        assert part.lane == 0 or own_good or killed_before_written
    verified = partgate("records", "verify", tmp_path / "records")
    assert verified.returncode == 0, verified.stderr


def test_doctor_tells_the_machine_and_is_able(tmp_path: Path):
    done = partgate("doctor", "--json", cwd=tmp_path)

    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["able"]
    assert found["ms_per_part"] > 0
    assert {backbone["name"] for backbone in found["backbones"] if backbone["present"]} >= {"efficientnet_lite0"}
    assert {driver["kind"] for driver in found["drivers"]} == {entry.kind for entry in DRIVERS}


def test_doctor_that_finds_a_recipe_without_its_bundle_is_not_able(trained: tuple[Path, Path], tmp_path: Path):
    (tmp_path / "recipe.yaml").write_bytes((trained[1] / "recipe.yaml").read_bytes())

    done = partgate("doctor", tmp_path)

    assert done.returncode == 1
    assert "model.partgate: cannot be read" in done.stdout
    assert "this machine cannot do the job" in done.stdout


@pytest.mark.slow
def test_nothing_is_looked_up_on_a_network_by_import_train_evaluate_and_run(
    make_folder: Callable[..., Path], tmp_path: Path
):
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    data = make_folder(tmp_path / "parts", {"good": 9, "spot": 9})
    (tmp_path / "training.yaml").write_text("data: parts\ngroups: given\nimage_size_px: 96\n", encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path), "PARTGATE_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    albumentations = "import partgate.training, albumentations"
    control = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=1)"

    def python(code: str) -> int:
        return subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, check=False
        ).returncode

    assert python(control) in {98, 99}, "the guard must see a real attempt"
    assert python(albumentations) == 0
    for command in (
        ("train", tmp_path / "training.yaml", "--preset", "quick", "--out", tmp_path / "run"),
        ("evaluate", tmp_path / "run", data, "--out", tmp_path / "report"),
        ("run", station_file(tmp_path, tmp_path / "run", data), "--parts", 3, "--linger", 0),
        ("doctor",),
    ):
        done = partgate(*command, env=env)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_line_pc_never_imports_what_only_learning_needs():
    code = (
        "import sys; import partgate.station.run, partgate.cli.main, partgate.cameras.usb, partgate.controllers.modbus;"
        "print([m for m in ('torch', 'torchvision', 'timm', 'albumentations', 'sklearn', 'onnx') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_training_without_its_libraries_says_what_to_install(tmp_path: Path):
    (tmp_path / "good").mkdir()
    block = "import sys; sys.modules['torch'] = None\nimport importlib.util as u\nfind = u.find_spec\n"
    code = (
        block + "u.find_spec = lambda name, *a: None if name == 'torch' else find(name, *a)\n"
        f"sys.argv = ['partgate', 'train', {str(tmp_path)!r}, '--out', 'x']\nfrom partgate.cli.main import main\nmain()"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 1
    assert "training needs torch; pip install 'partgate[train]'" in done.stderr
