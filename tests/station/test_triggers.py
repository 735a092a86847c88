"""Which event makes a part: which pairs are refused, and stations that announce their parts themselves."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import cv2
import numpy as np
import pytest

from partgate.cameras.base import CameraConfig
from partgate.configfile import load_config
from partgate.controllers.block import State, StationWords
from partgate.controllers.none import NoneControllerConfig
from partgate.drivers import driver_kinds
from partgate.errors import CameraEndedError, CameraError, CameraLostError, ConfigError
from partgate.parts import Fault, Frame, Image, Reason
from partgate.records.store import read_records
from partgate.station.config import StationConfig
from partgate.station.frames import StreamedCamera
from partgate.station.own_triggers import FoundParts, OwnTriggers, Timer
from partgate.station.presence_settings import Event, What
from partgate.station.presence_watch import watch_presence
from partgate.station.run import run_station
from partgate.station.triggers import CameraLineTrigger, PresenceTrigger, TimerTrigger

WAIT_S = 20
READY = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)
STATION = """
name: line
recipe: {run}
camera: {camera}
trigger: {trigger}
controller: {controller}
records: {{folder: records}}
"""
CONTROLLERS = {
    "digital": "{kind: digital, chip: c, wiring: {trigger: 1, enable: 2, ready: 3, busy: 4, good: 5, heartbeat: 6}}",
    "ethernetip": "{kind: ethernetip, host: h}",
    "memory": "{kind: memory}",
    "modbus": "{kind: modbus, host: h}",
    "modbus_server": "{kind: modbus_server}",
    "none": "{kind: none}",
    "tcp": "{kind: tcp, role: server, port: 5025}",
}
COUNTS = {"ethernetip", "modbus", "modbus_server", "tcp"}
TRIGGERS = {
    "camera_line": "{kind: camera_line}",
    "controller": "{kind: controller}",
    "presence": "{kind: presence}",
    "timer": "{kind: timer, interval_ms: 100}",
}


FOLDER = "{kind: folder, name: top, folder: pictures, repeat: true}"
LINE = "{kind: gige, name: top, trigger: {mode: line, source: Line1}}"


def write_station(
    folder: Path, trigger: str, controller: str = "{kind: none}", run: str = "run", camera: str | None = None
) -> Path:
    path = folder / "station.yaml"
    used = camera or (LINE if "camera_line" in trigger else FOLDER)
    text = STATION.format(run=run, trigger=trigger, controller=controller, camera=used)
    path.write_text(text, encoding="utf-8")
    return path


def goes(trigger: str, controller: str) -> bool:
    if trigger in ("timer", "presence"):
        return controller == "none"
    if trigger == "camera_line":
        return controller in COUNTS
    return controller != "none"


@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_pair_of_trigger_and_controller_loads_or_is_refused_with_a_next_step(tmp_path, trigger, controller):
    path = write_station(tmp_path, TRIGGERS[trigger], CONTROLLERS[controller])

    if goes(trigger, controller):
        assert load_config(path, StationConfig).trigger.kind == trigger
    else:
        with pytest.raises(ConfigError, match=r"trigger") as refused:
            load_config(path, StationConfig)
        assert trigger in str(refused.value)


def test_table_in_the_contract_names_every_controller():
    text = (Path(__file__).parents[2] / "docs/handshake.md").read_text(encoding="utf-8")
    table = text[text.index("| `trigger` in the station file") :].split("\n\n")[0]

    assert [kind for kind in driver_kinds("controller") if f"`{kind}`" not in table] == []


@pytest.mark.parametrize("trigger", ["timer", "{from: timer}", "{kind: belt}"])
def test_trigger_that_is_none_is_told_with_the_known_ones(tmp_path: Path, trigger: str):
    with pytest.raises(ConfigError, match="known kinds: camera_line, controller, presence, timer") as told:
        load_config(write_station(tmp_path, trigger), StationConfig)

    assert trigger.strip("{}").split(": ")[-1] in str(told.value)


def test_presence_watches_one_camera_only(tmp_path: Path):
    path = write_station(tmp_path, "{kind: presence}")
    one = "{kind: folder, name: %s, folder: pictures}"
    text = path.read_text().replace("camera: {kind: folder, name: top, folder: pictures, repeat: true}", "")
    path.write_text(text + f"cameras: [{one % 'a'}, {one % 'b'}]\n")

    with pytest.raises(ConfigError, match="'presence' watches one camera, got 2"):
        load_config(path, StationConfig)


def test_station_without_a_trigger_in_its_file_waits_for_the_controller(tmp_path: Path):
    path = write_station(tmp_path, "{kind: controller}", "{kind: memory}")
    path.write_text(path.read_text().replace("trigger: {kind: controller}\n", ""))

    assert load_config(path, StationConfig).trigger.kind == "controller"


# ---- announced by the station ----


def test_parts_are_announced_only_once_the_station_is_ready():
    now = [0.0]
    controller = OwnTriggers(NoneControllerConfig(kind="none").open(), Timer(0.1, clock=lambda: now[0]), 500)
    with controller:
        controller.write_state(StationWords(1, State.ONLINE, Fault.CAMERA, 1))
        now[0] = 5.0
        before = controller.read()
        controller.write_state(READY)
        now[0] = 5.1001
        after = controller.read()

    assert (before.trigger_sequence, after.trigger_sequence, after.window_ms) == (0, 1, 500)


def test_sequence_of_the_stations_own_triggers_skips_nought():
    now = [0.0]
    controller = OwnTriggers(NoneControllerConfig(kind="none").open(), Timer(1, clock=lambda: now[0]), 500)
    with controller:
        controller.write_state(READY)
        now[0] = 65535.5
        last = controller.read().trigger_sequence
        now[0] = 65536.5

        assert (last, controller.read().trigger_sequence) == (65535, 1)


def test_part_that_finds_no_room_leaves_a_gap_in_the_numbers(monkeypatch: pytest.MonkeyPatch):
    parts = FoundParts("top", PresenceTrigger(kind="presence"), room=2)
    frame = Frame(np.zeros((8, 8, 3), np.uint8), datetime.now(UTC), "top")
    monkeypatch.setattr(parts._presence, "see", lambda frame, at: [Event(What.JUDGED, at, 1, "", frame)])
    parts.begin()
    for _ in range(4):
        parts.take(frame)

    assert [parts.newest() for _ in range(3)] == [3, 4, 4]


def test_timer_judges_a_part_at_every_interval(
    make_folder: Callable[..., Path], make_run: Callable[..., Path], tmp_path
):
    make_folder(tmp_path / "pictures", {"good": 3})
    make_run(tmp_path / "run")
    config = load_config(write_station(tmp_path, "{kind: timer, interval_ms: 150}"), StationConfig)

    summary = run_station(config, parts=4, stop=threading.Event()).summary

    assert summary.adds_up
    assert summary.triggers == len(read_records(config.records.folder)) >= 4


class StreamConfig(CameraConfig):
    KIND: ClassVar[str] = "played stream"
    kind: Literal["played stream"] = "played stream"
    name: str = "top"
    stream: ClassVar[Any] = None

    def open(self) -> "StreamCamera":
        return StreamCamera()


class StreamCamera:
    """Plays pictures at 50 a second, as a camera that runs freely."""

    differences = ()

    def __enter__(self) -> Self:
        self._pace = threading.Event()
        return self

    def __exit__(self, *exc_info: object) -> None: ...

    def check(self) -> None: ...

    def grab(self, timeout_s: float) -> Frame:
        self._pace.wait(0.02)
        image = next(StreamConfig.stream, None)
        if image is None:
            raise CameraEndedError("camera 'top': all pictures were shown")
        return Frame(image, datetime.now(UTC), "top")


def belt(parts: int) -> list[Image]:
    """An empty place for 20 pictures, then squares that pass from left to right."""
    images = []
    for step in range(20 + 22 * parts):
        image = np.full((120, 160, 3), 90, np.uint8)
        if step >= 20:
            left = (step - 20) % 22 * 10 - 50
            cv2.rectangle(image, (left, 40), (left + 39, 79), (220, 220, 220), -1)
        images.append(image)
    return images


PRESENCE = "{kind: presence, learn_s: 0.25, part_share: 0.083, window_ms: 5000}"


def test_parts_found_in_a_stream_are_judged_and_recorded_once_each(
    make_folder: Callable[..., Path], make_run: Callable[..., Path], tmp_path: Path
):
    make_folder(tmp_path / "pictures", {"good": 1})
    make_run(tmp_path / "run")
    StreamConfig.stream = iter(belt(12))
    config = load_config(write_station(tmp_path, PRESENCE), StationConfig)
    config = config.model_copy(update={"camera": StreamConfig(), "trigger_age_ms": 2000.0})

    summary = run_station(config, parts=12, stop=threading.Event()).summary

    records = read_records(config.records.folder)
    assert summary.adds_up
    assert [record["sequence"] for record in records] == list(range(1, 13))
    assert all(record["captured_at"] and record["reason"] != Reason.NO_WHOLE_PICTURE for record in records)


def test_camera_that_gives_nothing_any_more_is_lost():
    class Silent(StreamCamera):
        def grab(self, timeout_s: float) -> Frame:
            self._pace.wait(0.01)
            raise CameraError("camera 'top': no picture")

    class SilentConfig(StreamConfig):
        def open(self) -> StreamCamera:
            return Silent()

    parts = FoundParts("top", PresenceTrigger(kind="presence"), room=2)
    camera = StreamedCamera(SilentConfig(), parts, silent_after_s=0.05)
    camera.open(WAIT_S)
    pause = threading.Event()

    assert any(camera.is_lost or pause.wait(0.01) for _ in range(1000))
    camera.close()


# ---- partgate trigger watch ----


def test_watching_tells_each_part_and_keeps_its_picture(tmp_path: Path):
    StreamConfig.stream = iter(belt(3))
    config = load_config(write_station(tmp_path, PRESENCE), StationConfig)
    config = config.model_copy(update={"camera": StreamConfig()})
    lines: list[str] = []

    counts = watch_presence(config, tmp_path / "seen", threading.Event(), lines.append)

    assert (counts.judged, counts.not_decidable) == (3, 0)
    assert len(list((tmp_path / "seen").glob("*.png"))) == 3
    assert sum("judged" in line for line in lines) == 3
    assert "all pictures were shown" in lines[-1]


def test_watching_writes_into_no_folder_that_holds_something(tmp_path: Path):
    config = load_config(write_station(tmp_path, PRESENCE), StationConfig)

    with pytest.raises(ConfigError, match="must be a new or an empty folder"):
        watch_presence(config, tmp_path, threading.Event(), print)


def test_watching_a_camera_that_cannot_be_opened_says_so(tmp_path: Path):
    config = load_config(write_station(tmp_path, "{kind: timer, interval_ms: 100}"), StationConfig)

    with pytest.raises(CameraLostError, match="no such folder"):
        watch_presence(config, tmp_path / "seen", threading.Event(), lambda _: None)


def test_settings_of_triggers_have_their_limits():
    with pytest.raises(ValueError, match="greater than 0"):
        CameraLineTrigger(kind="camera_line", late_ms=0)
    with pytest.raises(ValueError, match="greater than or equal to 10"):
        TimerTrigger(kind="timer", interval_ms=1)
