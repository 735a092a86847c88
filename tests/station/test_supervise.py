"""Stations that fail, hang or end, and what their watcher does about it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from partgate.errors import PartgateError
from partgate.records.audit import content_of
from partgate.records.read import read_audit
from partgate.station.process import WatchSettings
from partgate.station.supervise import watch_stations

WAIT_S = 30
QUICK = WatchSettings(
    hang_after_s=60, restarts=3, first_pause_s=0.05, longest_pause_s=0.1, stop_within_s=20, hung_stop_s=0.3
)
PLAYED = Path(__file__).with_name("played_station.py")
STATION = """
name: {name}
recipe: run
camera: {{kind: folder, folder: pictures}}
controller: {{kind: memory}}
records: {{folder: records}}
"""


def station_file(folder: Path, name: str = "line") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "station.yaml"
    path.write_text(STATION.format(name=name), encoding="utf-8")
    return path


def wait_until(claim: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not claim():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.02)


class Watch:
    """A watcher at work in a thread."""

    def __init__(self, behaviours: dict[Path, str], settings: WatchSettings) -> None:
        self.stop = threading.Event()
        self.down: tuple[str, ...] | None = None
        self._behaviours, self._settings = behaviours, settings
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.down = watch_stations(tuple(self._behaviours), self.stop, self._settings, self._command)

    def _command(self, path: Path) -> Sequence[str]:
        return (sys.executable, str(PLAYED), self._behaviours[path], str(path.parent))

    def end(self) -> tuple[str, ...]:
        """Wait until the watcher has ended by itself."""
        self._thread.join(WAIT_S)
        assert self.down is not None, "the watcher goes on"
        return self.down

    def finish(self) -> tuple[str, ...]:
        self.stop.set()
        return self.end()


StartWatch = Callable[..., Watch]


@pytest.fixture
def watch() -> Iterator[StartWatch]:
    started: list[Watch] = []

    def start(behaviours: dict[Path, str], settings: WatchSettings = QUICK) -> Watch:
        started.append(Watch(behaviours, settings))
        return started[-1]

    yield start
    for one in started:
        one.finish()


def starts(path: Path) -> int:
    file = path.parent / "starts"
    return len(file.read_text().splitlines()) if file.exists() else 0


def audit(path: Path) -> list[tuple[str, str]]:
    try:
        return [(row["kind"], content_of(row)["why"]) for row in read_audit(path.parent / "records")]
    except PartgateError:  # not there yet
        return []


def test_wrong_station_file_is_told_in_its_own_words_and_the_others_go_on(
    watch: StartWatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    wrong, right = tmp_path / "wrong.yaml", station_file(tmp_path / "a")
    wrong.write_text("name: x\nrecipy: run\n", encoding="utf-8")

    running = watch({wrong: "run", right: "run", tmp_path / "gone.yaml": "run"})
    wait_until(lambda: starts(right) == 1)

    assert running.finish() == (str(wrong), str(tmp_path / "gone.yaml"))
    assert "recipy is not a known key; did you mean 'recipe'?" in caplog.text
    assert "gone.yaml: no such file" in caplog.text
    assert starts(wrong) == 0


@pytest.mark.parametrize("behaviour", ["crash", "exit 1"])
def test_station_that_fails_again_and_again_stays_down_and_the_others_go_on(
    watch: StartWatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, behaviour: str
):
    failing, other = station_file(tmp_path / "a", "failing"), station_file(tmp_path / "b", "other")

    running = watch({failing: behaviour, other: "run"})
    wait_until(lambda: "gave_up" in [kind for kind, _ in audit(failing)])
    wait_until(lambda: starts(other) == 1)

    assert starts(failing) == 1 + QUICK.restarts
    assert [kind for kind, _ in audit(failing)] == ["restart"] * QUICK.restarts + ["gave_up"]
    assert caplog.text.count("it stays down") == 1
    assert caplog.text.count("starts again") == QUICK.restarts
    assert running.finish() == ("failing",)
    assert (other.parent / "finished").exists()
    assert starts(other) == 1


def test_command_that_is_not_understood_is_not_tried_again(watch: StartWatch, tmp_path: Path):
    path = station_file(tmp_path)

    assert watch({path: "exit 2"}).end() == ("line",)
    assert starts(path) == 1


def test_station_that_ended_by_itself_is_not_started_again(watch: StartWatch, tmp_path: Path):
    path = station_file(tmp_path)

    assert watch({path: "end"}).end() == ()
    assert starts(path) == 1


@pytest.mark.parametrize(
    ("behaviour", "settings", "told"),
    [
        pytest.param("hang", {"hang_after_s": 1.5}, "no sign of life for 1.5 s, then exit code 0", id="hangs"),
        pytest.param("deaf", {"hang_after_s": 1.5}, "no sign of life for 1.5 s, then killed by SIGABRT", id="deaf too"),
        pytest.param("mute", {"start_within_s": 1}, "not ready for 1 s, then exit code 0", id="never ready"),
        pytest.param("stranger", {"start_within_s": 1}, "not ready for 1 s, then exit code 0", id="password guessed"),
    ],
)
def test_station_without_a_sign_of_life_is_ended_and_started_again(
    watch: StartWatch, tmp_path: Path, behaviour: str, settings: dict[str, float], told: str
):
    path = station_file(tmp_path)

    running = watch({path: f"{behaviour},end"}, WatchSettings(first_pause_s=0.05, hung_stop_s=1, **settings))

    assert running.end() == ()
    assert starts(path) == 2
    assert audit(path) == [("restart", f"{told}; it starts again in 0.05 s")]


def test_station_is_asked_once_to_stop_and_finishes_its_part(watch: StartWatch, tmp_path: Path):
    path = station_file(tmp_path)
    running = watch({path: "run"})
    wait_until(lambda: starts(path) == 1)

    assert running.finish() == ()
    assert (path.parent / "asked").read_text() == "asked\n"
    assert (path.parent / "finished").exists()
    assert audit(path) == []


def test_station_that_does_not_stop_when_asked_is_killed(watch: StartWatch, tmp_path: Path):
    path = station_file(tmp_path)
    running = watch({path: "deaf"}, WatchSettings(hang_after_s=60, stop_within_s=0.5))
    wait_until(lambda: starts(path) == 1)

    assert running.finish() == ()
    pid = int((tmp_path / "starts").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_stop_during_the_pause_starts_nothing_more(watch: StartWatch, tmp_path: Path):
    path = station_file(tmp_path)
    running = watch({path: "crash"}, WatchSettings(first_pause_s=60))
    wait_until(lambda: len(audit(path)) == 1)

    assert running.finish() == ()
    assert starts(path) == 1


def test_second_watcher_of_a_station_is_refused(watch: StartWatch, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = station_file(tmp_path)
    watch({path: "run"})
    wait_until(lambda: starts(path) == 1)

    assert watch({path: "run"}).end() == (str(path),)
    assert f"station 'line': is already watched on this PC, by process {os.getpid()}" in caplog.text
    assert starts(path) == 1


def test_ctrl_c_in_the_terminal_reaches_a_station_once_and_by_its_watcher(tmp_path: Path):
    path = station_file(tmp_path)
    code = (
        "import sys, threading\nfrom pathlib import Path\nfrom partgate.station.run import stopping\n"
        "from partgate.station.supervise import watch_stations\n"
        f"command = lambda path: (sys.executable, {str(PLAYED)!r}, 'run', str(path.parent))\n"
        "with stopping(None) as stop:\n    sys.exit(len(watch_stations([Path(sys.argv[1])], stop, command=command)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], start_new_session=True)
    try:
        wait_until(lambda: starts(path) == 1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does

        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.wait(WAIT_S)
    assert (tmp_path / "asked").read_text() == "asked\n"
    assert (tmp_path / "finished").exists()
