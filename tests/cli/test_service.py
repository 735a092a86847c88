"""The commands ``partgate service`` and ``partgate watch`` as a user types them."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ORDINARY = next(user.pw_name for user in pwd.getpwall() if user.pw_uid not in (0, os.getuid()))
COMMAND = (sys.executable, "-m", "partgate")


def partgate(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture
def station(make_run: Callable[..., Path], make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    make_folder(tmp_path / "pictures", {"good": 2})
    content = {
        "name": "line 3",
        "recipe": make_run(tmp_path / "run").name,
        "camera": {"kind": "folder", "folder": "pictures", "repeat": True},
        "controller": {"kind": "memory", "interval_ms": 50, "window_ms": 2000},
        "records": {"folder": "records"},
        "trigger_age_ms": 1000,
    }
    (tmp_path / "station.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (tmp_path / "records").mkdir()
    return tmp_path / "station.yaml"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["install", "gone.yaml", "--user", ORDINARY], "partgate: gone.yaml: no such file"),
        (["install", "STATION", "--user", "nobody-of-that-name"], "no such user; make one"),
        (["install", "STATION", "--user", "root"], "must not be the administrator"),
        (["uninstall", "line 3"], "no such unit; units of partgate there: none"),
        (["uninstall", "gone.yaml"], "partgate: gone.yaml: no such file"),
    ],
    ids=["no station file", "no such user", "administrator", "not installed", "no file to uninstall"],
)
def test_mistake_is_told_in_one_line(station: Path, tmp_path: Path, arguments: list[str], told: str):
    words = [str(station) if word == "STATION" else word for word in arguments]

    done = partgate("service", *words, "--folder", tmp_path)

    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_print_writes_nothing_and_needs_no_rights(station: Path, tmp_path: Path):
    done = partgate("service", "install", station, "--user", ORDINARY, "--print", "--folder", tmp_path / "none")

    assert done.returncode == 0
    assert done.stdout.startswith("# Written by 'partgate service install'")
    assert f'"-m" "partgate" "run" "{station}"\n' in done.stdout


def test_install_says_what_to_type_next_and_uninstall_too(station: Path, tmp_path: Path):
    installed = partgate("service", "install", station, "--user", ORDINARY, "--folder", tmp_path)
    shown = partgate("service", "show", station, "--folder", tmp_path)
    removed = partgate("service", "uninstall", "line 3", "--folder", tmp_path)
    gone = partgate("service", "show", station, "--folder", tmp_path)

    unit = "partgate-line\\x203.service"
    assert installed.returncode == 0, installed.stderr
    for line in (
        f"  sudo chown -R {ORDINARY} {tmp_path}/records",  # made by the one who runs the test
        "  sudo systemctl daemon-reload",
        f"  sudo systemctl enable --now '{unit}'",
        f"its log:    journalctl -u '{unit}' -f",
    ):
        assert line in installed.stdout.splitlines()
    assert f'run" "{station}"' in shown.stdout
    assert f"{tmp_path / unit}: removed" in removed.stdout
    assert f"  sudo systemctl disable '{unit}'" in removed.stdout.splitlines()
    assert (gone.returncode, gone.stdout.split(";")[0]) == (1, f"{tmp_path / unit}: not installed")


def test_watch_of_a_wrong_station_file_ends_with_one_and_no_traceback(tmp_path: Path):
    done = partgate("watch", tmp_path / "gone.yaml")

    assert done.returncode == 1
    assert "gone.yaml: no such file" in done.stderr
    assert "stayed down" in done.stdout
    assert "Traceback" not in done.stderr


def test_watch_runs_a_station_until_it_is_asked_to_stop(station: Path):
    process = subprocess.Popen(
        [*COMMAND, "watch", str(station)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "station 'line 3': ready, process" in line:
                break
        process.send_signal(signal.SIGTERM)
        said, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait(20)

    assert process.returncode == 0
    assert "station 'line 3': ended, exit code 0" in told
    assert "records: " in said
