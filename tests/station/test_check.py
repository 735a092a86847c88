"""The check names the rule that a controller breaks; the controllers here are real servers that break one at a time."""

import json
import time
from pathlib import Path

import pytest

from partgate.controllers.memory import MemoryControllerConfig
from partgate.controllers.modbus import ModbusControllerConfig
from partgate.errors import RecordError
from partgate.station import check as checking
from partgate.station import check_steps
from partgate.station.check import STEP_NAMES, CheckReport, check_controller, check_protocol_path, write_protocol
from partgate.station.check_line import Answer, Line
from partgate.station.check_steps import NEEDS_THE_BLOCK, STEPS
from partgate.station.config import StationConfig

from .crooked_plc import Bystander, CrookedPlc

WAIT_S = 20.0


@pytest.fixture(autouse=True)
def _less_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter spans to look at, and a controller that may be stopped by a busy machine for longer."""
    monkeypatch.setattr(check_steps, "_HEARTBEAT_WATCHED_S", 0.3)
    monkeypatch.setattr(check_steps, "_SILENT_S", 0.5)
    monkeypatch.setattr(check_steps, "LOST_AFTER_S", 5.0)


def make_station(port: int, folder: Path, **changes: object) -> StationConfig:
    content = {
        "name": "line",
        "recipes": {3: str(folder / "recipe.yaml")},
        "camera": {"kind": "folder", "folder": str(folder)},
        "controller": {"kind": "modbus", "host": "127.0.0.1", "port": port},
        "records": {"folder": str(folder)},
    }
    config = StationConfig.model_validate({key: one for key, one in (content | changes).items() if one is not None})
    patient = config.controller.model_copy(update={"answer_within_s": 10.0})  # a busy machine stops a server for long
    return config.model_copy(update={"controller": patient})


def check(plc: CrookedPlc, folder: Path, person: object = None, *, good: bool = True, **changes: object) -> CheckReport:
    wait_s = 0.5 if plc.breaks == "sensor unplugged" else WAIT_S
    config = make_station(plc.port, folder, **changes)
    return check_controller(
        config, person or Bystander(plc), good=good, wait_s=wait_s, say=lambda _: None, connect_within_s=0.5
    )


BROKEN = {
    "another station": "alone",
    "frozen": "heartbeat",
    "no boot": "boot",
    "not enabled": "command",
    "other recipe": "recipe",
    "refuses writes": "alive",
    "watchdog always on": "alive",
    "sensor unplugged": "trigger",
    "sensor bounces": "trigger",
    "no acknowledge": "acknowledge",
    "acknowledges parts": "acknowledge",
    "accept unless rejected": "silence",
    "no window": "late",
    "acknowledges the newest part": "stale",
    "takes a stale result": "stale",
    "takes another boot": "other_boot",
    "ignores good": "good",
    "watchdog never trips": "watchdog",
    "accept on when the heartbeat is back": "back",
}


@pytest.mark.parametrize(("rule", "step"), BROKEN.items(), ids=BROKEN)
def test_check_names_the_step_at_which_a_controller_breaks_a_rule(rule: str, step: str, tmp_path: Path):
    with CrookedPlc(rule) as plc:
        report = check(plc, tmp_path)

    assert report.failed is not None
    assert report.failed.name == step
    assert [tried.name for tried in report.steps] == list(STEP_NAMES[: STEP_NAMES.index(step) + 1])


def test_controller_that_keeps_every_rule_passes_every_step(tmp_path: Path):
    with CrookedPlc() as plc:
        person = Bystander(plc)
        report = check(plc, tmp_path, person)

    assert report.failed is None
    assert report.not_shown == []
    assert [step.name for step in report.steps] == list(STEP_NAMES)
    assert person.asked == ["alive", "silence", "stale", "late", "other_boot", "good", "watchdog", "back"]


def test_every_step_but_connect_is_broken_by_some_controller():
    assert set(BROKEN.values()) == set(STEPS)


def test_heartbeat_that_stands_still_for_longer_than_the_watchdog_is_named_with_its_milliseconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(check_steps, "_HEARTBEAT_WATCHED_S", 1.2)
    monkeypatch.setattr(check_steps, "LOST_AFTER_S", 0.3)
    with CrookedPlc("limping") as plc:
        report = check(plc, tmp_path)

    assert report.failed is not None
    assert report.failed.finding.got == "heartbeat.slow"
    assert int(report.failed.finding.values["gap"]) > 300


def test_controller_that_is_not_there_fails_at_connect_with_the_cause_and_not_with_the_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checking, "_TRY_AGAIN_S", 0.005)  # nearly every attempt comes within a pause
    with CrookedPlc() as plc:
        pass
    report = check(plc, tmp_path)

    assert report.failed is not None
    assert report.failed.name == "connect"
    assert report.controller.endswith(f"(modbus 127.0.0.1:{plc.port})")
    assert report.failed.says("got", "en").startswith("no connection; is the PLC on")  # and names it no second time


def test_controller_that_goes_away_in_the_middle_fails_the_step_in_hand(tmp_path: Path):
    class Saboteur(Bystander):
        def tell(self, sentence: str) -> None:
            self.plc.breaks = "refuses writes"

    with CrookedPlc() as plc:
        report = check(plc, tmp_path, Saboteur(plc))

    assert report.failed is not None
    assert report.failed.name == "trigger"
    assert "refused" in report.failed.says("got", "en")
    assert "address, port" in report.failed.says("next", "en")


def test_no_good_is_sent_unless_it_was_asked_for(tmp_path: Path):
    with CrookedPlc() as plc:
        report = check(plc, tmp_path, good=False)

    assert report.failed is None
    assert report.not_shown == ["good"]
    assert {verdict for _, verdict, *_ in plc.results} == {0, 2}
    assert plc.accepted == set()


@pytest.mark.parametrize("good", [False, True], ids=["rejects", "with good"])
def test_each_result_is_sent_once_and_none_is_left_in_the_block(tmp_path: Path, good: bool):
    with CrookedPlc() as plc:
        check(plc, tmp_path, good=good)

    sent = [result for result in plc.results if result[0]]
    assert len(sent) == len(set(sent)) == 4 + good
    assert plc.words[1:7] == [0] * 6
    assert plc.words[8] == 0


def test_sequences_go_from_65535_to_1(tmp_path: Path):
    with CrookedPlc() as plc:  # it begins at 65534
        check(plc, tmp_path)

    assert [result[0] for result in plc.results if result[0]] == [65535, 1, 3, 4, 5]


def test_result_of_the_part_before_is_65535_for_part_1(tmp_path: Path):
    with CrookedPlc() as plc:
        plc.words[17] = 65533
        check(plc, tmp_path)

    assert [result[0] for result in plc.results if result[0]] == [65534, 65535, 2, 3, 4]


@pytest.mark.parametrize("rule", ["no acknowledge", "ignores good", "watchdog never trips"])
def test_failed_step_leaves_no_result_in_the_block(rule: str, tmp_path: Path):
    with CrookedPlc(rule) as plc:
        check(plc, tmp_path)

    assert plc.words[1:7] == [0] * 6
    assert plc.words[8] == 0


def test_heartbeat_goes_on_while_the_person_thinks(tmp_path: Path):
    class Slow(Bystander):
        def ask(self, question: str) -> Answer:
            before, deadline = len(self.plc.heartbeats), time.monotonic() + WAIT_S
            while len(self.plc.heartbeats) < before + 4:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            return Answer.NO

    with CrookedPlc() as plc:
        report = check(plc, tmp_path, Slow(plc))

    assert report.failed is not None
    assert report.failed.name == "alive"
    assert report.failed.finding.got == "asked.no"


def test_heartbeat_stands_still_while_the_watchdog_is_looked_at(tmp_path: Path):
    stood: list[int] = []

    class Slow(Bystander):
        def ask(self, question: str) -> Answer:
            answer = super().ask(question)
            if self.asked[-1] == "watchdog":
                before = len(self.plc.heartbeats)
                time.sleep(0.3)  # three beats long
                stood.append(len(self.plc.heartbeats) - before)
            return answer

    with CrookedPlc() as plc:
        report = check(plc, tmp_path, Slow(plc))

    assert report.failed is None
    assert stood == [0]


def test_what_nobody_looked_at_is_not_shown_and_never_passed(tmp_path: Path):
    class Blind(Bystander):
        def ask(self, question: str) -> Answer:
            return Answer.NOBODY

    with CrookedPlc() as plc:
        report = check(plc, tmp_path, Blind(plc))

    assert report.failed is None
    assert report.not_shown == ["alive", "silence", "stale", "late", "other_boot", "good", "watchdog", "back"]


def test_recipe_that_is_not_there_yet_is_not_shown(tmp_path: Path):
    with CrookedPlc("other recipe") as plc:
        report = check(plc, tmp_path, good=False, recipes=None, recipe=str(tmp_path / "none"))

    assert report.failed is None
    assert report.not_shown == ["recipe", "good"]


def test_controller_of_the_reduced_profile_leaves_out_what_it_cannot_carry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checking, "ReducedConfig", ModbusControllerConfig)
    with CrookedPlc() as plc:
        report = check(plc, tmp_path, good=False)

    assert set(report.not_shown) == {*NEEDS_THE_BLOCK, "good"}
    assert {verdict for _, verdict, *_ in plc.results} == {0}


def test_deadline_of_a_part_counts_from_the_read_before_it_was_seen():
    config = MemoryControllerConfig(kind="memory", interval_ms=1, window_ms=500)
    with CrookedPlc() as idle, config.open() as controller:
        line = Line(controller, Bystander(idle), 0, WAIT_S)
        line.begin()
        part, before = line.next_part()

    assert part is not None
    assert (before, part.sequence, part.window_ms) == (0, 1, 500)
    assert part.deadline <= part.seen_at + 0.5


@pytest.mark.parametrize(("language", "words"), [("en", ["not tried", "failed", "retain PLC_BOOT"]),
                                                ("de", ["nicht versucht", "nicht bestanden", "remanent"])])  # fmt: skip
def test_protocol_says_what_was_expected_and_found_and_has_lines_to_sign(
    language: str, words: list[str], tmp_path: Path
):
    with CrookedPlc("no boot") as plc:
        report = check(plc, tmp_path)
    write_protocol(report, tmp_path / "p.md", language)

    page = (tmp_path / "p.md").read_text(encoding="utf-8")
    assert all(word in page for word in [*words, "PLC_BOOT 0", "____"])
    assert page.count("\n| ") == 1 + len(STEP_NAMES)


def test_protocol_as_json_holds_outcome_and_values_of_each_step(tmp_path: Path):
    with CrookedPlc("no boot") as plc:
        report = check(plc, tmp_path)
    write_protocol(report, tmp_path / "p.json", "en")

    found = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    assert found["steps"][-1]["step"] == "boot"
    assert (found["steps"][-1]["outcome"], found["steps"][-1]["values"]) == ("failed", {"boot": 0})
    assert found["not_tried"] == list(STEP_NAMES[4:])


@pytest.mark.parametrize("name", ["p.txt", "p", "nowhere/p.md"])
def test_protocol_that_could_not_be_written_is_refused_before_the_person_begins(name: str, tmp_path: Path):
    with pytest.raises(RecordError, match="--out"):
        check_protocol_path(tmp_path / name)
