"""What docs/plc/ tells the automation engineer is what the code does; both gate programs are the simulator's gate."""

import random
import re
import sys
from pathlib import Path

import pytest

from partgate.controllers.block import check_word
from partgate.parts import Fault, Reason, StationState
from partgate.simulate.gate import Gate
from partgate.simulate.words import Word

from .gate_programs import PLC, GateProgram, strip_comments

ROOT = Path(__file__).parents[1]
PROGRAMS = ("gate.st", "gate.scl")
GOLDEN = [((1, 1, 0, 1, 1, 0), 42358), ((4711, 2, 7, 0, 3, 2), 47169), ((65535, 3, 65535, 2, 65535, 10), 42510)]
RESULT = ("RES_SEQ", "VERDICT", "RES_CLASS", "RES_LANE", "RES_BOOT", "REASON")
CONTROLLER_WORDS = [word for word in Word if Word.PLC_HB <= word <= Word.LANE_OUT and word is not Word.RECIPE]


def source(name: str) -> str:
    return (PLC / name).read_text(encoding="utf-8")


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> GateProgram:
    return GateProgram(source(request.param))


def rows(title: str) -> list[list[str]]:
    section = re.split(r"^## ", source("words.md"), flags=re.MULTILINE)
    body = next(part for part in section if part.startswith(title))
    lines = [line for line in body.splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def test_table_of_words_is_up_to_date():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from make_plc_tables import page
    finally:
        sys.path.pop(0)

    assert page() == source("words.md"), "run python tools/make_plc_tables.py"


def test_words_stand_at_the_offsets_of_the_controllers_program():
    in_program = {int(at): name for name, at in re.findall(r"(\w+) AT %MW(\d+)", strip_comments(source("gate.st")))}

    in_table = {int(row[0]): row[1] for row in rows("Words") if row[1] not in ("PART_ID", "LOT")}

    assert in_table == in_program


def test_words_stand_at_the_bytes_of_the_data_block():
    plain = strip_comments(source("gate.scl"))
    station, plc = (
        re.findall(r"^    (\w+) : (\w+)", plain.split(f'TYPE "{name}"')[1].split("END_STRUCT")[0], re.MULTILINE)
        for name in ("partgate_station", "partgate_plc")
    )
    expected = {name: 2 * place for place, (name, _) in enumerate(station)}
    expected |= {name: 32 + 2 * place for place, (name, _) in enumerate(plc[:17])} | {"LOT": 96}

    in_table = {row[1]: int(re.match(r"DBW(\d+)", row[3])[1]) for row in rows("Words")}  # type: ignore[index]

    assert in_table == expected
    assert {kind for _, kind in station + plc[:16]} == {"UInt", "Word"}


@pytest.mark.parametrize(("title", "codes"), [("`REASON`", Reason), ("`FAULT`", Fault)])
def test_table_lists_every_code(title: str, codes: type[Reason] | type[Fault]):
    assert [(int(row[0]), row[1]) for row in rows(title)] == [(code.value, code.name) for code in codes]


def test_numbers_of_the_station_states_stand_in_bits_10_to_12():
    states = rows("`STATE`")[10:]  # behind the ten bits

    assert [(int(row[0]), int(row[1])) for row in states] == [(int(one), 1024 * one) for one in StationState]


@pytest.mark.parametrize(("core", "expected"), GOLDEN)
def test_programs_compute_the_golden_vectors_of_the_check_word(
    program: GateProgram, core: tuple[int, ...], expected: int
):
    program.values.update(zip(RESULT, core, strict=True))

    program.scan()

    assert program.values["check"] == expected == check_word(*core)


def test_both_programs_use_the_same_constants_and_variables():
    first, second = (GateProgram(source(name)) for name in PROGRAMS)
    own = {"boot_kept", "camera_was_covered", "gate_was_covered", "camera_rises", "gate_rises", "said"}  # of S7 alone
    other = {"camera_edge", "gate_edge"}  # in their place
    left_out = own | other | {"PLC_BOOT", "VIS_STATE", "station", "plc", "unused", "PART_ID", "LOT"}

    starts = [{name: one.values[name] for name in one.values if name not in left_out} for one in (first, second)]

    assert starts[0] == starts[1]
    assert {name: first.types[name] for name in starts[0]} == {name: second.types[name] for name in starts[1]}


def test_data_block_is_used_directly_and_the_stations_words_only_as_a_copy():
    body = strip_comments(source("gate.scl")).split("BEGIN")[-1]

    assert body.count('"partgate_db".station') == 1
    assert body.strip().startswith('#said := "partgate_db".station;')
    assert "VAR_IN_OUT" not in source("gate.scl")
    assert "S7_Optimized_Access := 'FALSE'" in source("gate.scl").split("DATA_BLOCK")[1]


class Bench:
    """One belt, one station and three controllers that get the same inputs in every scan."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.gate = Gate(boot=1)
        self.programs = [GateProgram(source(name)) for name in PROGRAMS]
        self.parts: list[tuple[int, int]] = []  # age, and age at which it comes to the gate
        self.block = dict.fromkeys(RESULT, 0) | {"VIS_HB": 0, "RES_CHECK": 0}
        self.seen, self.answer_in, self.silent = 0, -1, 0

    def scan(self) -> None:
        dice = self.dice
        self.parts = [(age + 1, gate) for age, gate in self.parts if age < 75]
        youngest = min((age for age, _ in self.parts), default=99)
        if dice.random() < (0.05 if youngest > 8 else 0.005):  # now and then parts touch
            self.parts.append((0, dice.choice((52, 52, 49, 59))))  # 59: its neighbour fits, too
        if self.parts and dice.random() < 0.003:
            self.parts.pop(dice.randrange(len(self.parts)))
        self._station()
        camera = any(age < 6 for age, _ in self.parts)
        gate = any(at <= age < at + 6 for age, at in self.parts) or dice.random() < 0.001
        self.gate.part_at_camera, self.gate.part_at_gate = camera, gate
        for name, value in self.block.items():
            self.gate.memory[Word[name]] = value
        self.gate.scan()
        for program in self.programs:
            program.values.update(self.block, PartAtCamera=camera, PartAtGate=gate)
            program.scan()

    def _station(self) -> None:
        dice = self.dice
        self.silent = self.silent - 1 if self.silent else (dice.choice((0, 0, 45)) if dice.random() < 0.003 else 0)
        if not self.silent and self.gate.scans % 10 == 5:
            self.block["VIS_HB"] = (self.block["VIS_HB"] + 1) % 65536
        trigger = self.gate.memory[Word.TRIG_SEQ]
        if trigger != self.seen:
            self.seen, self.answer_in = trigger, dice.choice((2, 3, 5, 15, 25))
        self.answer_in -= 1
        if self.answer_in == 0:
            core = [trigger, dice.choice((1, 1, 1, 2, 3)), dice.choice((0, 7, 65535)), dice.choice((1, 1, 2, 0)), 1, 0]
            if dice.random() < 0.1:
                core[0] = (trigger + dice.choice((-2, 0))) % 65535 + 1
            if dice.random() < 0.05:
                core[4] = 2
            check = check_word(*core) ^ (dice.random() < 0.05)
            self.block.update(zip(RESULT, core, strict=True), RES_CHECK=check)

    def outputs(self) -> list[tuple[object, ...]]:
        words = [tuple(program.values[word.name] for word in CONTROLLER_WORDS) for program in self.programs]
        own = tuple(self.gate.memory[word] for word in CONTROLLER_WORDS)
        outs = [(p.values["Accept"], p.values["WdFault"]) for p in self.programs]
        simulated = (*own, self.gate.accept, self.gate.watchdog_fault)
        return [simulated, *((*w, *o) for w, o in zip(words, outs, strict=True))]


@pytest.mark.parametrize("seed", range(5))
def test_programs_and_simulator_give_the_same_outputs_in_every_scan(seed: int):
    bench = Bench(seed)

    for scan in range(20_000):
        bench.scan()
        simulated, structured_text, scl = bench.outputs()
        assert structured_text == simulated, f"gate.st differs in scan {scan}"
        assert scl == simulated, f"gate.scl differs in scan {scan}"

    assert min(bench.gate.counters.values()) >= 10, f"a branch was hardly taken: {bench.gate.counters}"


def test_checklist_has_the_same_steps_in_both_languages():
    english, german = (ROOT / "docs/guides" / name for name in ("commissioning.md", "commissioning.de.md"))

    numbers = [
        re.findall(r"^\| (\d+) \|", page.read_text(encoding="utf-8"), re.MULTILINE) for page in (english, german)
    ]

    assert numbers[0] == numbers[1] == [str(number) for number in range(1, len(numbers[0]) + 1)]


def test_robot_script_uses_every_check_before_it_names_a_good_lane():
    script = source("ur.script")
    accept = script[script.index("if res_seq == sequence") : script.index("return lane")]

    for condition in ("check == sum", "res_boot == partgate_boot", "verdict == 1", "lane >= 1", "not station_lost"):
        assert condition in accept
    assert "res_seq + 3 * verdict + 7 * class + 11 * lane + 13 * res_boot + 17 * reason + 42330) % 65536" in script
