"""The simulated controller as a program in the foreground."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from partgate.errors import ConfigError, RecordError
from partgate.simulate.bench import format_report, run_plc
from partgate.simulate.conveyor import ConveyorSettings
from partgate.simulate.faults import FAULTS, FaultPlan
from partgate.simulate.journal import RunReport
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
    for part in content["parts"]:
        assert part.pop("result").pop("after_scans") <= 20  # the window
    assert content == {
        "boot": 5,
        "counters": {**dict.fromkeys(bench.report.counters, 0), "good": 2},
        "totals": {**dict.fromkeys(bench.report.counters, 0), "good": 2},
        "lanes": {"1": 2},
        "parts": [
            {"number": 1, "boot": 5, "sequence": 1, "lane": 1, "accepted": True, "truth": None},
            {"number": 2, "boot": 5, "sequence": 2, "lane": 1, "accepted": True, "truth": None},
        ],
    }
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_every_fault_of_the_command_line_is_made_and_opens_no_lane_for_a_part_without_its_good(make_station):
    quick = sorted(FAULTS.keys() - {"recipe"})  # asked for in test_faults.py: this station knows no recipes
    bench = Bench(parts=len(quick), faults=FaultPlan([f"{name}@{part}" for part, name in enumerate(quick, start=1)]))

    with make_station(bench.port):
        bench.join(2 * SOON_S)

    assert [line for line in bench.said if line == "part 1: air-low"] == ["part 1: air-low"]
    assert [line.split(": ")[1] for line in bench.said if line.startswith("part ")] == quick
    for part in bench.report.parts:
        assert not part.accepted or (part.result.boot, part.result.sequence) == (part.boot, part.sequence) != (0, 0)
    assert len(bench.report.parts) == len(quick) + 1 + 2 + 2 - 1  # a stray, two close, two touching, less one taken


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
    table = format_report(RunReport(5, {"good": 2, "reject": 1}, parts=(), totals={}, lanes={0: 1, 1: 2}))

    assert table.splitlines() == [
        "controller counted",
        "  good                       2",
        "  reject                     1",
        "parts seen to leave          3",
        "  reject lane                1",
        "  lane 1                     2",
    ]


def test_negative_number_of_parts_is_refused():
    with pytest.raises(ConfigError, match="parts must be 0 or more, got -1"):
        run_plc(PlcSettings(), parts=-1)


def test_log_in_a_missing_folder_is_refused_before_anything_runs(tmp_path):
    said = []

    with pytest.raises(RecordError, match=r"no folder .*nowhere: make it"):
        run_plc(PlcSettings(), log=tmp_path / "nowhere" / "run.json", say=said.append)

    assert said == []
