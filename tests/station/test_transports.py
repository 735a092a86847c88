"""The same station on every transport that carries the block: every fault of the controller, no wrong part passes."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from partgate.records.verify import verify_records
from partgate.simulate.conveyor import ConveyorSettings, PartOutcome
from partgate.simulate.faults import FAULTS
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings, Transport

from .conftest import DEFECT, GOOD, WAIT_S, MakeLine

TRANSPORTS: tuple[Transport, ...] = ("modbus", "opcua", "s7", "tcp")
NOT_HERE = {"recipe"}  # this line has one recipe; see test_recipe_change


@pytest.fixture(params=TRANSPORTS)
def plc(request: pytest.FixtureRequest) -> Iterator[SimulatedPlc]:
    belt = ConveyorSettings(interval_ms=450, travel_ms=520)
    with SimulatedPlc(PlcSettings(transport=request.param, boot=1, conveyor=belt, window_ms=400)) as made:
        yield made
        made.thaw()


def has_passed_wrongly(part: PartOutcome) -> bool:
    """Tell whether a part was let through without a GOOD of its own, in time."""
    own = part.result
    is_own = own is not None and (own.sequence, own.boot, own.verdict) == (part.sequence, part.boot, 1)
    return part.accepted and not (is_own and own is not None and own.after_scans * 10 <= 400)


def test_each_part_takes_the_lane_of_its_own_verdict(make_line: MakeLine, plc: SimulatedPlc):
    kinds = [GOOD, DEFECT, DEFECT, GOOD, GOOD, DEFECT]
    line = make_line(kinds, plc=plc).start().feed(6)

    records = line.records()

    verdicts = [row["verdict"] for row in records]
    judged = [verdict for verdict in verdicts if verdict != "RECHECK"]  # a busy machine may see one too late
    assert set(judged) <= {"GOOD", "REJECT"}
    assert [lane == 1 for lane in line.lanes] == [verdict == "GOOD" for verdict in verdicts]
    assert len(judged) >= 3
    assert not any(has_passed_wrongly(part) for part in plc.outcomes)


@pytest.mark.slow
def test_no_fault_of_the_controller_lets_a_wrong_part_pass(make_line: MakeLine, plc: SimulatedPlc, tmp_path: Path):
    line = make_line([GOOD, DEFECT] * 200, plc=plc).start()
    for name in sorted(set(FAULTS) - NOT_HERE):
        plc.feed(2)
        deadline = time.monotonic() + WAIT_S
        before = plc.entered
        while plc.entered == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        FAULTS[name](plc)
        line.finish()
        plc.wait_until(lambda: plc.is_station_ready, timeout_s=WAIT_S)
        line.feed(1)

    rows = line.records()

    assert [part for part in plc.outcomes if has_passed_wrongly(part)] == []
    assert sum(part.accepted for part in plc.outcomes) >= 5  # it was no line that rejects everything
    assert verify_records(line.folder / "records").problems == ()
    good = {(row["boot"], row["sequence"]) for row in rows if row["verdict"] == "GOOD" and row["true_class"] != DEFECT}
    assert {(part.boot, part.sequence) for part in plc.outcomes if part.accepted} <= good
