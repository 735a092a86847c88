"""The part sensor exposes the camera and the controller counts it: a part never gets the picture of another one."""

import importlib.util
import queue
import threading
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
from partgate.station.pairing import Arrived, Edge, Pairing

_spec = importlib.util.spec_from_file_location("station_line", Path(__file__).with_name("conftest.py"))
assert _spec is not None
assert _spec.loader is not None
station_line = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(station_line)

WAIT_S = 20


def picture(block_id: int | None, at: float) -> Arrived:
    return Arrived(Frame(np.zeros((1, 1, 3), np.uint8), datetime.now(UTC), "top", block_id=block_id), at)


def tied(sequence: int = 10, block_id: int = 100) -> Pairing:
    """Trigger and picture of second 0 are tied together; trigger 11 is the newest, at second 1."""
    pairing = Pairing(apart_s=0.1)
    pairing.begin(Edge(sequence, 0.0))
    pairing.add(picture(block_id, 0.02))
    pairing.begin(Edge(sequence % 65535 + 1, 1.0))
    return pairing


def test_first_part_has_no_picture_and_the_second_has_its_own():
    pairing = Pairing(apart_s=0.1)
    pairing.begin(Edge(10, 0.0))
    pairing.add(picture(100, 0.02))
    assert pairing.find() == "no trigger and picture were paired yet"

    pairing.begin(Edge(11, 1.0))
    pairing.add(picture(101, 1.02))

    found = pairing.find()
    assert isinstance(found, Frame)
    assert found.block_id == 101


def test_picture_that_came_before_its_trigger_was_seen_is_found():
    pairing = tied()
    pairing.add(picture(101, 0.95))

    assert isinstance(pairing.find(), Frame)


def test_picture_lost_on_the_way_costs_its_part_alone():
    pairing = tied()
    assert pairing.find() is None

    pairing.begin(Edge(12, 2.0))
    pairing.add(picture(102, 2.02))

    assert isinstance(pairing.find(), Frame)


def test_picture_of_a_later_edge_is_not_taken_for_this_part():
    pairing = tied()
    pairing.add(picture(102, 1.02))

    assert pairing.find() == "the picture before number 102 was lost between camera and station"


def test_edge_that_the_camera_missed_is_noticed_at_the_next_part():
    pairing = tied()
    pairing.begin(Edge(12, 2.0))
    pairing.add(picture(101, 2.02))

    assert pairing.find() == "picture 101 came at a trigger that is not its own; one side lost count"
    assert not pairing.is_tied


def test_picture_with_the_right_number_at_the_wrong_time_is_refused():
    pairing = tied()
    pairing.add(picture(101, 0.5))
    pairing.begin(Edge(12, 1.5))

    assert not pairing.is_tied
    assert pairing.find() == "picture 101 came without a trigger of its own"


def test_picture_that_comes_too_late_is_refused():
    pairing = tied()
    pairing.add(picture(101, 1.2))

    assert not isinstance(pairing.find(), Frame)


def test_extra_picture_loosens_the_tie_until_one_part_came_alone():
    pairing = tied()
    pairing.add(picture(101, 1.02))
    pairing.add(picture(102, 1.5))
    pairing.begin(Edge(12, 2.0))
    pairing.add(picture(103, 2.02))
    assert isinstance(pairing.find(), str)

    pairing.begin(Edge(13, 3.0))
    pairing.add(picture(104, 3.02))

    assert isinstance(pairing.find(), Frame)


def test_two_pictures_for_one_trigger_are_never_tied():
    pairing = Pairing(apart_s=0.1)
    pairing.begin(Edge(10, 0.0))
    pairing.add(picture(100, 0.01))
    pairing.add(picture(101, 0.05))
    pairing.begin(Edge(11, 1.0))

    assert not pairing.is_tied
    assert "is the camera's own trigger on?" in pairing.why


def test_parts_too_close_to_be_told_apart_are_not_decidable():
    pairing = tied()
    pairing.begin(Edge(12, 1.15))
    pairing.add(picture(102, 1.16))

    assert pairing.find() == "two parts came 150 ms apart; apart_ms 100 asks for twice that"


def test_camera_without_numbers_is_told():
    pairing = Pairing(apart_s=0.1)
    pairing.begin(Edge(10, 0.0))
    pairing.add(picture(None, 0.02))
    pairing.begin(Edge(11, 1.0))

    assert "does not number its pictures" in pairing.why


@pytest.mark.parametrize(("sequence", "block_id"), [(65534, 100), (10, 65534), (65534, 65534)])
def test_numbers_of_both_sides_may_begin_again(sequence: int, block_id: int):
    pairing = tied(sequence, block_id)
    for step in range(1, 4):
        if step > 1:
            pairing.begin(Edge((sequence + step - 1) % 65535 + 1, float(step)))
        pairing.add(picture((block_id + step - 1) % 65535 + 1, step + 0.02))
        assert isinstance(pairing.find(), Frame)


def test_everything_is_forgotten_when_the_camera_was_opened_again():
    queue_ = FrameQueue()
    queue_.take(picture(7, 0).frame)
    queue_.end()

    assert queue_.collect() == ([], "the camera was opened again")


def test_queue_keeps_the_newest_and_tells_what_it_dropped():
    queue_ = FrameQueue()
    for number in range(10):
        queue_.take(picture(number, 0).frame)

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
        cameras = LineCameras({"top": (StreamedCamera(EdgeConfig(), frames), frames)}, apart_s=0.15)
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
