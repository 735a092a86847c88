"""Collecting over the whole line: what comes of triggers, of a person's words, of faults; nothing ever opens a gate."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate import labelling
from partgate.configfile import load_config
from partgate.controllers.block import ControllerWords, StationWords
from partgate.controllers.memory import MemoryController, MemoryControllerConfig
from partgate.data.folder import read_folder
from partgate.errors import CameraLostError, ConfigError, DataError, RecordError
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict
from partgate.station.collect import CollectingStation
from partgate.station.collecting import CollectWishes, collect_pictures
from partgate.station.config import StationConfig
from partgate.station.lock import only_one
from partgate.station.stand_ins import NeverSends

from .collecting_line import STATION, collect, make_place, rows

WAIT_S = 30


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make_place(tmp_path)


# --- what a station may lack, and what it may not


def test_station_without_a_recipe_collects_and_never_runs(place: Path):
    with pytest.raises(ConfigError, match="recipe: give one under recipe"):
        load_config(place / "station.yaml", StationConfig)

    collect(place)

    assert len(rows(place / "new")) == 3


def test_recipe_twice_is_refused_for_collecting_too(place: Path):
    (place / "station.yaml").write_text(STATION + "recipe: run\nrecipes: {1: run}\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="recipe: give one under recipe, or several by number"):
        load_config(place / "station.yaml", CollectingStation)


def test_station_that_runs_already_is_not_collected_from(place: Path):
    with only_one(place / "records", "line", "run"), pytest.raises(RecordError, match="is already running on this PC"):
        collect(place)


def test_camera_that_cannot_be_opened_is_told_at_once(place: Path):
    text = STATION.replace("folder: parts,", "folder: missing, open_within_s: 0.2,")
    (place / "station.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(CameraLostError, match="missing"):
        collect(place)


def test_label_is_refused_before_the_camera_is_opened(place: Path):
    text = STATION.replace("folder: parts,", "folder: missing, open_within_s: 0.2,")
    (place / "station.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(DataError, match="label 'go/od': "):
        collect(place, label="go/od")


@pytest.mark.parametrize("label", ["a/b", ""])
def test_label_that_names_no_folder_is_refused_before_a_picture_is_taken(place: Path, label: str):
    with pytest.raises(DataError, match="since it names a folder"):
        collect(place, label=label)

    assert not (place / "new" / "labels.csv").exists()


# --- nothing opens a gate


def test_result_is_never_sent_and_the_state_says_shadow(place: Path, monkeypatch: pytest.MonkeyPatch):
    from partgate.controllers.block import State

    states: list[StationWords] = []
    write = MemoryController.write_state

    def watch(controller: MemoryController, words: StationWords) -> None:
        states.append(words)
        write(controller, words)

    def refuse(*_: object) -> None:
        pytest.fail("a result was sent")

    monkeypatch.setattr(MemoryController, "write_state", watch)
    monkeypatch.setattr(MemoryController, "send", refuse)

    collect(place, parts=4)

    assert states
    assert all(State.SHADOW in words.state for words in states)


def test_controller_of_collecting_refuses_to_send_whatever_is_asked():
    controller = NeverSends(MemoryController(MemoryControllerConfig(kind="memory")))
    trigger = Trigger(1, 1, 200, 0.0, 1.0)

    with pytest.raises(ValueError, match="a result was to be sent while pictures are collected"):
        controller.send(Result(trigger, Decision(Verdict.GOOD, Reason.MODEL), 0, 1), StationWords(0, 0, Fault.NONE, 0))


def test_recipe_that_the_controller_wants_does_not_keep_parts_from_being_collected(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    from dataclasses import replace

    read = MemoryController.read

    def wants_seven(controller: MemoryController) -> ControllerWords:
        return replace(read(controller), recipe=7)

    monkeypatch.setattr(MemoryController, "read", wants_seven)

    collect(place)

    assert len(rows(place / "new")) == 3


# --- what is collected


def test_pictures_are_those_of_the_camera_and_a_folder_for_training(place: Path):
    collect(place, parts=6, lot="L7")

    folder = read_folder(place / "new", "good")
    given = {cv2.imread(str(path)).tobytes() for path in (place / "parts").iterdir()}
    assert {cv2.imread(str(picture.path)).tobytes() for picture in folder.pictures} == given
    assert {row["group"] for row in rows(place / "new")} == {"L7"}
    assert list((place / "records").glob("*.db")) == []


def test_collecting_goes_on_in_the_same_folder_and_overwrites_nothing(place: Path):
    collect(place, parts=2)
    before = {path: path.read_bytes() for path in (place / "new").rglob("*.png")}

    collect(place, parts=2, label="scratch")

    assert [row["label"] for row in rows(place / "new")] == ["good", "good", "scratch", "scratch"]
    assert all(path.read_bytes() == content for path, content in before.items())


def test_class_folders_without_a_table_keep_their_pictures(place: Path):
    (place / "new" / "dent").mkdir(parents=True)
    cv2.imwrite(str(place / "new" / "dent" / "old.png"), np.zeros((9, 9, 3), np.uint8))

    told, _ = collect(place, parts=1)

    assert any("1 pictures in its class folders are rows of labels.csv from now on" in line for line in told)
    assert rows(place / "new")[0]["file"] == "dent/old.png"


def test_each_camera_gets_a_labelled_folder_of_its_own(place: Path):
    both = ", ".join(f"{{kind: folder, name: {name}, folder: parts, repeat: true}}" for name in "ab")
    two = f"cameras: [{both}]"
    (place / "station.yaml").write_text(
        STATION.replace("camera: {kind: folder, name: top, folder: parts, repeat: true}", two), encoding="utf-8"
    )

    collect(place)

    assert len(rows(place / "new" / "a")) == len(rows(place / "new" / "b")) == 3


def test_dark_picture_is_not_kept_and_the_reason_is_told(place: Path):
    cv2.imwrite(str(place / "parts" / "0.png"), np.zeros((40, 60, 3), np.uint8))

    told, tally = collect(place, parts=5)

    assert tally.useless == 1
    assert any(line.startswith("NOT kept, camera 'top': too dark (mean grey value 0 of 255)") for line in told)
    assert len(rows(place / "new")) == 5


def test_frozen_camera_is_told_and_fills_no_folder(place: Path):
    for path in sorted((place / "parts").iterdir())[1:]:
        path.unlink()
    told: list[str] = []
    stop, config = threading.Event(), load_config(place / "station.yaml", CollectingStation)

    def say(text: str) -> None:
        told.append(text)
        if text.startswith("NOT kept"):
            stop.set()

    collect_pictures(config, CollectWishes("good", place / "new"), say, None, stop)

    assert len(rows(place / "new")) == 1
    assert "NOT kept, camera 'top': equal to the one before to the last bit: is the camera frozen?" in told


def test_torn_picture_is_a_part_without_a_picture(place: Path):
    data = (place / "parts" / "0.png").read_bytes()
    (place / "parts" / "0.png").write_bytes(data[:-20])

    told, tally = collect(place, parts=5)

    assert len(rows(place / "new")) == 5
    assert any("a part without a picture: camera 'top'" in line and "cut off" in line for line in told)
    assert sum(tally.without.values()) >= 1


def test_recipe_in_force_says_which_pictures_it_would_not_judge(place: Path, make_run: Callable[..., Path]):
    limits = {"brightness_from": 200, "brightness_to": 255, "contrast_from": 0, "aspect_from": 0.1, "aspect_to": 10,
              "height_px_from": 1, "width_px_from": 1}  # fmt: skip
    make_run(place / "run", recipe={"picture": limits})
    (place / "station.yaml").write_text(STATION + "recipe: run\n", encoding="utf-8")

    told, _ = collect(place, parts=1)

    assert any(line.startswith("  look: the recipe in force would not judge it: too dark") for line in told)


def test_recipe_that_is_not_there_keeps_nobody_from_collecting(place: Path):
    (place / "station.yaml").write_text(STATION + "recipe: run\n", encoding="utf-8")

    told, _ = collect(place, parts=1)

    assert any(line.startswith("pictures are not checked by the recipe: ") for line in told)
    assert len(rows(place / "new")) == 1


def test_training_is_told_what_it_will_miss(place: Path):
    told, _ = collect(place, lot="L1")

    assert told[-2].startswith("note: 'good' comes from 1 group (lots, else parts): training needs at least 3")
    assert told[-1] == "note: 'good' is the only label so far; training needs good and defect parts"


# --- what goes wrong


def test_full_disk_ends_it_with_a_whole_table(place: Path, monkeypatch: pytest.MonkeyPatch):
    write, calls = labelling.write_atomically, 0

    def full_at_the_third(path: Path, content: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls >= 3:
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(labelling, "write_atomically", full_at_the_third)

    stop, gave_up = threading.Event(), threading.Event()
    timer = threading.Timer(WAIT_S / 2, lambda: (gave_up.set(), stop.set()))
    timer.start()
    try:
        with pytest.raises(DataError, match=r"new: cannot be written: No space left on device; free some space"):
            collect_pictures(
                load_config(place / "station.yaml", CollectingStation), CollectWishes("good", place / "new"), print,
                stop=stop,
            )  # fmt: skip
    finally:
        timer.cancel()

    assert not gave_up.is_set()
    files = {row["file"] for row in rows(place / "new")}
    assert len(files) == 2
    assert {path.relative_to(place / "new").as_posix() for path in (place / "new").rglob("*.png")} == files


def test_ctrl_c_leaves_a_whole_table_and_exit_code_0(place: Path):
    (place / "main.py").write_text("from partgate.cli.main import main\nmain()\n")
    process = subprocess.Popen(
        [sys.executable, str(place / "main.py"), "collect", "station.yaml", "--label", "good", "--out", "new"],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=os.environ,
    )  # fmt: skip
    try:
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until and not (place / "new" / "labels.csv").exists():
            time.sleep(0.05)
        process.send_signal(2)
        out, err = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
        process.wait()

    assert (process.returncode, err) == (0, "")
    assert "parts collected" in out
    files = {path.relative_to(place / "new").as_posix() for path in (place / "new").rglob("*.png")}
    assert {row["file"] for row in rows(place / "new")} == files
