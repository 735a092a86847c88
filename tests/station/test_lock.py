"""One process for each station, and no lock that outlives its holder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from partgate.errors import RecordError
from partgate.station.lock import lock_path, only_one

HOLDER = """
import sys, time
from pathlib import Path
from partgate.station.lock import only_one
with only_one(Path(sys.argv[1]), sys.argv[2], "run"):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(folder: Path, station: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder), station], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)


def test_second_run_of_a_station_is_refused_and_told_which_process_holds_it(tmp_path: Path):
    process = hold(tmp_path, "line")
    try:
        with (
            pytest.raises(RecordError, match=f"station 'line': is already running .* process {process.pid};"),
            only_one(tmp_path, "line", "run"),
        ):
            pass
    finally:
        end(process)


def test_lock_of_a_killed_process_blocks_nobody(tmp_path: Path):
    end(hold(tmp_path, "line"))

    with only_one(tmp_path, "line", "run"):
        assert lock_path(tmp_path, "line", "run").read_text() == f"{os.getpid()}\n"


def test_other_stations_of_the_same_folder_and_the_watcher_are_not_in_the_way(tmp_path: Path):
    names = ["line", "Line", "line/..", "ü" * 80, "ü" * 79 + "u"]

    with only_one(tmp_path, "line", "watch"), only_one(tmp_path, "line", "run"):
        for name in names[1:]:
            with only_one(tmp_path, name, "run"):
                pass

    assert len({lock_path(tmp_path, name, "run").name.casefold() for name in names}) == len(names)
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*.lock"))


def test_lock_is_free_again_after_the_run_also_after_a_failure(tmp_path: Path):
    with pytest.raises(ValueError, match="broken"), only_one(tmp_path, "line", "run"):
        raise ValueError("broken")

    with only_one(tmp_path, "line", "run"):
        pass


def test_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").touch()
    told = r"cannot be made: .*; name a writable folder"

    with pytest.raises(RecordError, match=told), only_one(tmp_path / "file" / "records", "line", "run"):
        pass
