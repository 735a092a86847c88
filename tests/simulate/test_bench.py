"""The simulated controller as a program in the foreground."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from partgate.errors import ConfigError, RecordError
from partgate.simulate.bench import RunReport, format_report, run_plc, write_whole
from partgate.simulate.conveyor import ConveyorSettings, PartOutcome
from partgate.simulate.settings import PlcSettings

SHORT_BELT = ConveyorSettings(interval_ms=300, travel_ms=300)
SOON_S = 20

PROGRAM = """
import sys
from pathlib import Path
from partgate.simulate.bench import run_plc
from partgate.simulate.settings import PlcSettings
run_plc(PlcSettings(boot=5), log=Path(sys.argv[1]), say=lambda line: print(line, flush=True))
"""


class Bench(threading.Thread):
    """``run_plc`` in a thread, with what it says and returns."""

    def __init__(self, **arguments):
        super().__init__(daemon=True)
        self.arguments, self.said, self.report = arguments, [], None
        self.changed = threading.Condition()
        self.start()

    def run(self):
        self.report = run_plc(PlcSettings(boot=5, conveyor=SHORT_BELT), say=self.say, **self.arguments)

    def say(self, line):
        with self.changed:
            self.said.append(line)
            self.changed.notify_all()

    def wait_for(self, text):
        with self.changed:
            assert self.changed.wait_for(lambda: any(text in line for line in self.said), SOON_S), self.said
            return next(line for line in self.said if text in line)

    @property
    def port(self):
        return int(self.wait_for("listens").split("127.0.0.1:")[1].split(")")[0])


def test_parts_come_only_when_the_station_is_ready_and_the_log_says_which_lane_each_took(tmp_path, make_station):
    bench = Bench(parts=2, log=tmp_path / "run.json")
    bench.wait_for("waiting for the station: its heartbeat")

    with make_station(bench.port):
        bench.join(SOON_S)

    content = json.loads((tmp_path / "run.json").read_text())
    assert content == {
        "boot": 5,
        "counters": {**dict.fromkeys(bench.report.counters, 0), "good": 2},
        "parts": [
            {"number": 1, "boot": 5, "sequence": 1, "lane": 1, "accepted": True},
            {"number": 2, "boot": 5, "sequence": 2, "lane": 1, "accepted": True},
        ],
    }
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_every_fault_of_the_command_line_is_made_and_opens_no_lane_for_a_part_without_its_good(make_station):
    faults = ["damage@1", "stray@2", "take-away@3", "freeze@4", "restart@5", "unanswered@6", "cut@7", "slow@8"]
    bench = Bench(parts=9, faults=[*faults, "power@9", "double@1", "touching@1"])

    with make_station(bench.port):
        bench.join(SOON_S)

    assert [line for line in bench.said if line == "part 8: slow"] == ["part 8: slow"]
    assert all(part.sequence != 0 for part in bench.report.parts if part.accepted)
    assert len(bench.report.parts) == 9 + 1 + 2 + 2 - 1  # and a stray, two close ones, two touching, less one taken


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_stopped_program_ends_cleanly_and_still_writes_its_log(tmp_path, stop):
    log = tmp_path / "run.json"
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(log)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    first_lines = [program.stdout.readline(), program.stdout.readline()]

    program.send_signal(stop)
    rest, errors = program.communicate(timeout=SOON_S)

    assert "waiting for the station" in first_lines[1]
    assert rest.startswith("stopped\ncontroller counted\n")
    assert (program.returncode, errors) == (0, "")
    assert json.loads(log.read_text())["parts"] == []


def test_report_is_a_table_of_counters_and_lanes():
    parts = (PartOutcome(1, 5, 1, 1, True), PartOutcome(2, 5, 2, 0, False), PartOutcome(3, 5, 3, 1, True))

    table = format_report(RunReport(5, {"good": 2, "reject": 1}, parts))

    assert table.splitlines() == [
        "controller counted",
        "  good                       2",
        "  reject                     1",
        "parts seen to leave          3",
        "  reject lane                1",
        "  lane 1                     2",
    ]


@pytest.mark.parametrize("fault", ["flood@1", "cut", "cut@0", "cut@x"])
def test_unknown_fault_is_refused_with_those_that_are_known(fault):
    with pytest.raises(ConfigError, match=f"NAME one of cut, damage, .*; got '{fault}'"):
        run_plc(PlcSettings(), faults=[fault])


def test_negative_number_of_parts_is_refused():
    with pytest.raises(ConfigError, match="parts must be 0 or more, got -1"):
        run_plc(PlcSettings(), parts=-1)


def test_log_in_a_missing_folder_is_refused_before_anything_runs(tmp_path):
    said = []

    with pytest.raises(RecordError, match=r"no folder .*nowhere: make it"):
        run_plc(PlcSettings(), log=tmp_path / "nowhere" / "run.json", say=said.append)

    assert said == []


def test_log_that_cannot_be_written_is_told_with_what_to_do_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "run.json").mkdir()

    with pytest.raises(RecordError, match=r"run\.json: cannot be written: .*give another path"):
        write_whole(tmp_path / "run.json", "{}")

    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
