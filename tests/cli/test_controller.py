"""``partgate controller check`` as a user types it, against the simulator, with and without a person there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from partgate.simulate.conveyor import ConveyorSettings
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings

SLOW_BELT = PlcSettings(window_ms=1000, conveyor=ConveyorSettings(interval_ms=2000, travel_ms=1500))


def station_file(folder: Path, port: int) -> Path:
    content = {
        "name": "trial",
        "recipe": "none-yet",
        "camera": {"kind": "folder", "folder": "pictures"},
        "controller": {"kind": "modbus", "host": "127.0.0.1", "port": port},
        "records": {"folder": "records"},
    }
    path = folder / "station.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def check(*arguments: object, typed: str = "") -> subprocess.CompletedProcess[str]:
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-m", "partgate", "controller", "check", *map(str, arguments)],
            capture_output=True, text=True, input=typed, timeout=200, check=False,
        )  # fmt: skip
        if "got no answer" not in done.stderr:  # within 0.1 s, from a busy machine
            break
    return done


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["nowhere.yaml"], "nowhere.yaml"), (["STATION", "--out", "p.txt"], "must end in .json or .md, got '.txt'")],
    ids=["no station file", "protocol of another kind"],
)
def test_mistake_of_the_user_is_one_line_and_exit_code_1(arguments: list[str], says: str, tmp_path: Path):
    station = station_file(tmp_path, 1)

    done = check(*(station if argument == "STATION" else argument for argument in arguments))

    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_good_is_not_sent_unless_a_person_agrees_to_the_warning(tmp_path: Path):
    with SimulatedPlc(SLOW_BELT) as plc:
        done = check(station_file(tmp_path, plc.port), "--good", typed="n\n")
        writes = plc.writes

    assert done.returncode == 1
    assert "warning: --good" in done.stdout
    assert "not begun" in done.stderr
    assert writes == []


def test_good_is_not_sent_where_nobody_is_at_the_keyboard(tmp_path: Path):
    with SimulatedPlc(SLOW_BELT) as plc:
        done = check(station_file(tmp_path, plc.port), "--good", typed="")
        writes = plc.writes

    assert done.returncode == 1
    assert writes == []


@pytest.mark.slow
def test_simulator_passes_unattended_and_its_parts_are_all_rejected(tmp_path: Path):
    with SimulatedPlc(SLOW_BELT) as plc:
        plc.feed_endlessly()
        done = check(station_file(tmp_path, plc.port), "--yes", "--out", tmp_path / "p.json")
        counters, verdicts = plc.counters, {write.verdict for write in plc.writes}

    report = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    outcomes = {step["step"]: step["outcome"] for step in report["steps"]}
    assert done.returncode == 0, done.stderr
    assert report["not_tried"] == []
    assert {
        outcomes[step] for step in ("connect", "alone", "heartbeat", "boot", "command", "trigger", "acknowledge")
    } == {"passed"}
    assert "7 steps passed; not shown: recipe, alive, silence" in done.stdout
    assert verdicts == {0, 2}
    assert counters["good"] == 0


def test_first_step_that_fails_ends_the_check_with_what_was_got_and_what_to_do(tmp_path: Path):
    with SimulatedPlc(SLOW_BELT) as plc:
        plc.enable(False)
        done = check(station_file(tmp_path, plc.port), "--yes", "--out", tmp_path / "p.md", "--lang", "de")

    assert done.returncode == 1
    assert "step 'command' failed: CMD 0: bit 0 is off" in done.stderr
    assert "operating mode to automatic" in done.stdout
    assert "CMD 0: Bit 0 ist aus" in (tmp_path / "p.md").read_text(encoding="utf-8")


def test_answer_that_is_neither_yes_nor_no_is_asked_for_again(tmp_path: Path):
    with SimulatedPlc(SLOW_BELT) as plc:
        done = check(station_file(tmp_path, plc.port), "--wait", "1", typed="hm\ny\n")

    assert done.stdout.count("Is WdFault off at the controller?") == 2
    assert "step 'trigger' failed: no part within 1 s" in done.stderr
