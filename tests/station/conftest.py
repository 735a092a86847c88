"""A whole line on the loopback: simulated PLC over Modbus TCP, real driver, folder camera, record store, station loop.

Only the model is played: a bright picture is a good part, a dark one a defect, so that each verdict can be told by eye.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from partgate.cameras.folder import FolderCameraConfig
from partgate.controllers.base import ControllerConfig
from partgate.controllers.modbus import ModbusControllerConfig
from partgate.controllers.opcua import OpcuaControllerConfig
from partgate.controllers.s7 import S7ControllerConfig
from partgate.controllers.tcp import TcpControllerConfig
from partgate.inference.inspector import Inspection
from partgate.parts import Decision, Image, Prediction, Reason, Verdict
from partgate.recipe import BundlePin, Limits, Recipe
from partgate.records.config import RecordsConfig
from partgate.records.store import RecordStore, read_records
from partgate.simulate.conveyor import ConveyorSettings
from partgate.simulate.plc import SimulatedPlc
from partgate.simulate.settings import PlcSettings
from partgate.station.account import StationFacts, Summary
from partgate.station.eyes import Cameras
from partgate.station.loop import Station
from partgate.station.recipes import RecipeShelf
from partgate.station.series import AlarmsConfig
from partgate.station.views import View, Views
from partgate.station.watch import WatchedCamera

WAIT_S = 20
WINDOW_MS = 400  # roomy: a busy machine may stop a process for a while
GOOD, DEFECT, TORN = "good", "defect", "torn"


def make_recipe(folder: Path) -> Recipe:
    return Recipe(
        name="made",
        bundle=BundlePin(file=folder / "made.partgate", id="0" * 64),
        good_class="good",
        classes=("defect", "good"),
        decision=Limits(recheck_from=0.5, reject_from=0.5),
        lanes={"GOOD": 1},
        class_numbers={"defect": 7},
    )


class PlayedInspector:
    """Judges by brightness; can be held up, or made to fail, from a test."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.entered = threading.Event()
        self.check_error: Exception | None = None

    def inspect(self, image: Image) -> Inspection:
        self.entered.set()
        assert self.may_go_on.wait(WAIT_S)
        bright = float(image.mean()) > 127
        score = 0.1 if bright else 0.9
        prediction = Prediction(score, {"defect": score, "good": 1 - score}, "good" if bright else "defect", "defect")
        verdict = Verdict.GOOD if bright else Verdict.REJECT
        lane, number = self.recipe.lane_for(verdict, prediction), self.recipe.class_number_for(verdict, prediction)
        return Inspection(Decision(verdict, Reason.MODEL), prediction, lane, number)

    def check(self) -> None:
        if self.check_error is not None:
            raise self.check_error


def controller_of(plc: SimulatedPlc) -> ControllerConfig:
    """Give the driver that speaks what a simulated PLC speaks."""
    port, host = plc.port, "127.0.0.1"
    drivers: dict[str, Callable[[], ControllerConfig]] = {
        "modbus": lambda: ModbusControllerConfig(kind="modbus", host=host, port=port),
        "opcua": lambda: OpcuaControllerConfig(kind="opcua", url=f"opc.tcp://{host}:{port}", security="none"),
        "s7": lambda: S7ControllerConfig(kind="s7", host=host, port=port, db_number=1),
        "tcp": lambda: TcpControllerConfig(kind="tcp", role="client", host=host, port=port),
    }
    return drivers[plc.settings.transport]()


NO_ALARMS = AlarmsConfig(rejects_in_a_row=None, misses_in_a_row=None)


def make_shelf(inspector: PlayedInspector, camera: str = "top") -> RecipeShelf:
    """Give a shelf with one recipe."""
    return RecipeShelf(Views(inspector.recipe.number, (View(camera, inspector, "0" * 64),), engine_p99_s=0.01))


class Line:
    """One running station and its PLC."""

    def __init__(
        self, folder: Path, plc: SimulatedPlc, parts: Sequence[str], *, shadow: bool = False,
        records: RecordsConfig | None = None,
    ) -> None:  # fmt: skip
        self.plc, self.folder = plc, folder
        self.inspector = PlayedInspector(make_recipe(folder))
        self.pictures = _make_pictures(folder / "pictures", parts)
        self.camera = WatchedCamera(FolderCameraConfig(kind="folder", name="top", folder=self.pictures))
        self._records = records or RecordsConfig(folder=folder / "records")
        self.store = RecordStore.from_config(self._records)
        self.stop = threading.Event()
        self.summary: Summary | None = None
        self.error: BaseException | None = None
        facts = StationFacts("line", trigger_age_s=0.1, shadow=shadow)
        config = controller_of(plc)
        cameras = Cameras({"top": self.camera})
        self.station = Station(facts, config.open(), cameras, make_shelf(self.inspector), self.store, NO_ALARMS)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "Line":
        """Start the station and wait until the PLC sees it ready."""
        self.camera.open(WAIT_S)
        self._thread.start()
        self.plc.wait_until(lambda: self.plc.is_station_ready, timeout_s=WAIT_S)
        return self

    def feed(self, parts: int, **how: Any) -> "Line":
        """Let parts come and wait until they have left the belt."""
        self.plc.feed(parts, **how)
        return self.finish()

    def finish(self) -> "Line":
        self.plc.wait_until(lambda: self.plc.is_belt_empty, timeout_s=WAIT_S)
        return self

    def close(self) -> None:
        """Stop the station, so that everything is on record."""
        self.inspector.may_go_on.set()
        self.stop.set()
        if self._thread.is_alive():
            self._thread.join(WAIT_S)
        self.camera.close()

    def records(self) -> list[dict[str, Any]]:
        """Stop the station and return what it remembers."""
        self.close()
        return read_records(self._records.folder)

    @property
    def lanes(self) -> list[int]:
        """Return the lane of each part that passed the camera, in the order of the belt."""
        return [part.lane for part in sorted(self.plc.outcomes, key=lambda part: part.number)]

    def _run(self) -> None:
        try:
            with self.store:
                self.summary = self.station.run(None, self.stop)
        except BaseException as error:  # shown by the test that expects it
            self.error = error


def _make_pictures(folder: Path, parts: Sequence[str]) -> Path:
    folder.mkdir(parents=True)
    for number, kind in enumerate(parts):
        pixels = np.full((32, 32, 3), 220 if kind == GOOD else 30, np.uint8)
        data = cv2.imencode(".jpg", pixels)[1].tobytes()
        (folder / f"{number:03d}.jpg").write_bytes(data[: len(data) // 2] if kind == TORN else data)
    return folder


MakeLine = Callable[..., Line]


@pytest.fixture
def make_line(tmp_path: Path) -> Iterator[MakeLine]:
    """Give a function that starts a line: which parts come, how the belt runs."""
    lines: list[Line] = []
    plcs: list[SimulatedPlc] = []

    def make(
        parts: Sequence[str], *, interval_ms: int = 600, shadow: bool = False, plc: SimulatedPlc | None = None,
        boot: int = 1, records: RecordsConfig | None = None,
    ) -> Line:  # fmt: skip
        if plc is None:
            belt = ConveyorSettings(interval_ms=interval_ms)
            plc = SimulatedPlc(PlcSettings(boot=boot, conveyor=belt, window_ms=WINDOW_MS))
            plc.start()
            plcs.append(plc)
        lines.append(Line(tmp_path / f"line{len(lines)}", plc, parts, shadow=shadow, records=records))
        return lines[-1]

    yield make
    for line in lines:
        line.close()
    for plc in plcs:
        plc.thaw()
        plc.stop()
