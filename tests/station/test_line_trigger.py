"""The part sensor exposes the camera and the controller counts it: a part never gets the picture of another one."""

import importlib.util
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import pytest

from partgate.cameras.base import CameraConfig
from partgate.controllers.modbus import ModbusControllerConfig
from partgate.errors import CameraError, CameraLostError
from partgate.parts import Frame, Reason
from partgate.records.config import RecordsConfig
from partgate.records.store import RecordStore, read_records
from partgate.simulate.conveyor import ConveyorSettings
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.station.account import StationFacts
from partgate.station.frames import StreamedCamera
from partgate.station.line_trigger import CountingController, FrameQueue, LineCameras
from partgate.station.loop import Station
from partgate.station.pairing import PairingLimits

_spec = importlib.util.spec_from_file_location("station_line", Path(__file__).with_name("conftest.py"))
assert _spec is not None
assert _spec.loader is not None
station_line = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(station_line)

WAIT_S = 20
LIMITS = PairingLimits(early_s=0.1, late_s=0.15, quiet_s=0.3)  # parts come every 0.6 s


def picture(block_id: int) -> Frame:
    return Frame(np.zeros((1, 1, 3), np.uint8), datetime.now(UTC), "top", block_id=block_id)


def test_everything_is_forgotten_when_the_camera_was_opened_again():
    queue_ = FrameQueue()
    queue_.take(picture(7))
    queue_.end()

    assert queue_.collect() == ([], "the camera was opened again")


def test_queue_keeps_the_newest_and_tells_what_it_dropped():
    queue_ = FrameQueue()
    for number in range(10):
        queue_.take(picture(number))

    pictures, why = queue_.collect()

    assert [one.frame.block_id for one in pictures] == list(range(2, 10))
    assert why == "2 pictures more than fit came between two triggers"


class EdgeCamera:
    """Exposes at every edge that reaches it; what is lost on the way is up to the test."""

    def __init__(self) -> None:
        self.frames: queue.Queue[Frame] = queue.Queue()
        self.block_id, self.gone = 0, False
        self.differences = ()

    def __enter__(self) -> Self:
        self.gone, self.block_id = False, 0
        return self

    def __exit__(self, *exc_info: object) -> None: ...

    def check(self) -> None:
        if self.gone:
            raise CameraLostError("camera 'top': cable")

    def grab(self, timeout_s: float) -> Frame:
        self.check()
        try:
            return self.frames.get(timeout=min(timeout_s, 0.05))
        except queue.Empty:
            raise CameraError("camera 'top': no picture") from None

    def expose(self, bright: bool, what: str) -> None:
        if what == "missed":
            return
        for _ in range(2 if what == "twice" else 1):
            self.block_id += 1
            pixels = np.full((8, 8, 3), 220 if bright else 30, np.uint8)
            if what != "lost":
                self.frames.put(Frame(pixels, datetime.now(UTC), "top", block_id=self.block_id))


class EdgeConfig(CameraConfig):
    KIND: ClassVar[str] = "edge"
    kind: Literal["edge"] = "edge"
    name: str = "top"
    cameras: ClassVar[list[EdgeCamera]] = []

    def open(self) -> EdgeCamera:
        return self.cameras[0]


@pytest.fixture
def run_line(tmp_path) -> Iterator[Callable[[Sequence[str]], tuple[SimulatedPlc, list[dict]]]]:
    """Run parts past a sensor that both sides hear; odd parts are defects, and what befalls each edge is given."""
    stop, threads, plcs = threading.Event(), [], []

    def run(edges: Sequence[str]) -> tuple[SimulatedPlc, list[dict]]:
        plc = SimulatedPlc(PlcSettings(boot=1, conveyor=ConveyorSettings(interval_ms=600), window_ms=400))
        plc.start()
        plcs.append(plc)
        camera, frames = EdgeCamera(), FrameQueue()
        EdgeConfig.cameras[:] = [camera]
        cameras = LineCameras({"top": (StreamedCamera(EdgeConfig(), frames), frames)}, LIMITS)
        cameras.open(WAIT_S)
        driver = ModbusControllerConfig(kind="modbus", host="127.0.0.1", port=plc.port).open()
        store = RecordStore.from_config(RecordsConfig(folder=tmp_path / "records"))
        shelf = station_line.make_shelf(station_line.PlayedInspector(station_line.make_recipe(tmp_path)))
        facts = StationFacts("line", trigger_age_s=0.1)
        station = Station(facts, CountingController(driver, cameras), cameras, shelf, store, station_line.NO_ALARMS)

        def judge() -> None:
            with store:
                station.run(None, stop)

        def hear_the_sensor() -> None:
            heard = 0
            while not stop.wait(0.002):
                if plc.entered > heard:
                    camera.expose(heard % 2 == 0, edges[heard])
                    heard += 1

        threads.extend(threading.Thread(target=target, daemon=True) for target in (judge, hear_the_sensor))
        for thread in threads:
            thread.start()
        plc.wait_until(lambda: plc.is_station_ready, timeout_s=WAIT_S)
        time.sleep(2 * LIMITS.quiet_s)  # nothing is on its way
        plc.feed(len(edges))
        plc.wait_until(lambda: plc.is_belt_empty, timeout_s=WAIT_S)
        stop.set()
        for thread in threads:
            thread.join(WAIT_S)
        cameras.close()
        return plc, read_records(tmp_path / "records")

    yield run
    stop.set()
    for thread in threads:
        thread.join(WAIT_S)
    for plc in plcs:
        plc.stop()


def test_parts_of_a_line_get_their_own_pictures_after_the_first_one(run_line):
    plc, records = run_line(["", "", "", "", ""])

    lanes = [part.lane for part in sorted(plc.outcomes, key=lambda part: part.number)]
    assert lanes == [0, 0, 1, 0, 1]
    assert [record["reason"] for record in records] == [Reason.NO_WHOLE_PICTURE, *[Reason.MODEL] * 4]
    assert [record["verdict"] for record in records][1:] == ["REJECT", "GOOD"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("what", ["lost", "missed", "twice"])
def test_no_defect_gets_the_picture_of_a_good_part_whatever_befalls_an_edge(run_line, what):
    edges = ["", "", "", what, "", "", "", ""]

    plc, records = run_line(edges)

    lanes = [part.lane for part in sorted(plc.outcomes, key=lambda part: part.number)]
    assert all(lane == 0 for lane in lanes[1::2])
    assert lanes[-2] == 1
    assert len(records) == len(edges)
