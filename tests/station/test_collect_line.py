"""Collecting at a line with a controller on the wire, and by the station's own timer."""

import threading
from pathlib import Path

from partgate.simulate.conveyor import ConveyorSettings
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings

from .collecting_line import STATION, collect, make_place, rows

WAIT_S = 30
MEMORY = "controller: {kind: memory, interval_ms: 30, window_ms: 2000}"


def test_no_part_reaches_the_good_lane_of_a_line_while_its_pictures_are_collected(tmp_path: Path):
    place = make_place(tmp_path)
    plc = SimulatedPlc(PlcSettings(boot=1, conveyor=ConveyorSettings(interval_ms=600), window_ms=400))
    plc.start()
    modbus = f"controller: {{kind: modbus, host: 127.0.0.1, port: {plc.port}}}"
    (place / "station.yaml").write_text(STATION.replace(MEMORY, modbus), encoding="utf-8")
    thread = threading.Thread(target=collect, args=(place, 3), daemon=True)
    try:
        thread.start()
        plc.wait_until(lambda: plc.is_station_ready, timeout_s=WAIT_S)
        plc.feed(5)
        plc.wait_until(lambda: plc.is_belt_empty, timeout_s=WAIT_S)
        thread.join(WAIT_S)
    finally:
        plc.stop()

    assert [part.lane for part in plc.outcomes] == [0] * 5
    assert len(rows(place / "new")) == 3


def test_station_that_triggers_itself_collects_the_same_way(tmp_path: Path):
    place = make_place(tmp_path)
    timer = "controller: {kind: none}\ntrigger: {kind: timer, interval_ms: 50}"
    (place / "station.yaml").write_text(STATION.replace(MEMORY, timer), encoding="utf-8")

    _, tally = collect(place, 3)

    assert tally.kept == len(rows(place / "new")) == 3
