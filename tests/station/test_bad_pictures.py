"""Pictures and clocks that go wrong on a line: nothing of it is good by mistake, and every trigger is on record."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from partgate.configfile import load_config
from partgate.errors import CameraError
from partgate.parts import Reason
from partgate.picture_check import learn_limits, measure
from partgate.records.store import read_records
from partgate.records.verify import verify_records
from partgate.station import bookkeeping, loop
from partgate.station.config import StationConfig
from partgate.station.frames import StreamedCamera
from partgate.station.line_trigger import FrameQueue
from partgate.station.run import run_station

from ..conftest import make_part, write_picture

WAIT_S = 20
PARTS = 4


@pytest.fixture
def play(make_run: Callable[..., Path], tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """A function: let a station judge the pictures in a folder; gives its records."""

    def run(**recipe: Any) -> list[dict[str, Any]]:
        make_run(tmp_path / "run", recipe=recipe, recheck_from=0.98, reject_from=0.99)
        content = {
            "name": "line",
            "recipe": "run",
            "camera": {"kind": "folder", "name": "top", "folder": "pictures"},
            "controller": {"kind": "memory", "interval_ms": 100, "window_ms": 10_000},
            "records": {"folder": "records", "pictures": {"keep": "none"}},
            "trigger_age_ms": 10_000,
        }
        (tmp_path / "station.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        count = len(list((tmp_path / "pictures").iterdir()))
        summary = run_station(load_config(tmp_path / "station.yaml", StationConfig), count, threading.Event()).summary
        assert summary.adds_up
        return [row for row in read_records(tmp_path / "records") if not row["missed"]]

    return run


def parts_of(height_px: int, width_px: int) -> list[np.ndarray[Any, Any]]:
    return [make_part("none", seed, height_px, width_px) for seed in range(PARTS)]


LEARNED = {"picture": learn_limits([measure(make_part("none", 50 + seed)) for seed in range(40)])}


@pytest.mark.parametrize(
    ("height_px", "width_px", "told"),
    [(20, 27, "picture of 27 x 20 px is smaller than"), (64, 48, "width / height 0.75 is not within")],
    ids=["less-than-half", "turned"],
)
def test_resolution_other_than_at_training_is_not_decidable_with_both_figures(
    play: Callable[..., list[dict[str, Any]]], tmp_path: Path, height_px: int, width_px: int, told: str
):
    for number, picture in enumerate(parts_of(height_px, width_px)):
        write_picture(tmp_path / "pictures" / f"{number}.png", picture)

    rows = play(**LEARNED)

    assert {(row["verdict"], row["reason"]) for row in rows} == {("RECHECK", Reason.PICTURE_NOT_USABLE)}
    assert all(told in row["detail"] for row in rows)


def test_higher_resolution_than_at_training_never_moves_the_region_to_another_place(
    play: Callable[..., list[dict[str, Any]]], tmp_path: Path
):
    size = {"whole_height_px": 24, "whole_width_px": 32}
    for number, picture in enumerate(parts_of(48, 64)):
        write_picture(tmp_path / "pictures" / f"{number}.png", picture)

    rows = play(picture=LEARNED["picture"].model_copy(update=size))

    assert {(row["verdict"], row["reason"]) for row in rows} == {("RECHECK", Reason.PICTURE_NOT_USABLE)}
    assert all("picture of 64 x 48 px is not of 32 x 24 px as at training" in row["detail"] for row in rows)


def test_picture_of_twenty_megapixels_is_judged_like_any_other(
    play: Callable[..., list[dict[str, Any]]], tmp_path: Path
):
    whole = cv2.resize(make_part("none", 1), (5472, 3648))
    write_picture(tmp_path / "pictures" / "0.jpg", np.asarray(whole, np.uint8))

    rows = play()

    assert [(row["verdict"], row["reason"]) for row in rows] == [("GOOD", Reason.MODEL)]


class BackwardsClock(datetime):
    """A clock of the PC that somebody sets back again and again."""

    told = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        BackwardsClock.told += 1
        return datetime.now(tz) - timedelta(hours=BackwardsClock.told)


def test_clock_of_the_pc_that_goes_backwards_changes_no_verdict_and_breaks_no_record(
    play: Callable[..., list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for number, picture in enumerate(parts_of(48, 64)):
        write_picture(tmp_path / "pictures" / f"{number}.png", picture)
    for module in (bookkeeping, loop):
        monkeypatch.setattr(module, "datetime", BackwardsClock)

    rows = play()

    times = [row["at"] for row in rows]
    assert times == sorted(times, reverse=True)
    assert [row["sequence"] for row in rows] == sorted(row["sequence"] for row in rows)
    assert {row["verdict"] for row in rows} == {"GOOD"}
    assert verify_records(tmp_path / "records").problems == ()


def test_camera_that_sends_faster_than_it_is_looked_at_keeps_the_newest_and_tells_the_rest():
    sent = 50
    queue, numbers = FrameQueue(), iter(range(sent))

    class Fast:
        differences = ()

        def __enter__(self) -> "Fast":
            return self

        def __exit__(self, *_: object) -> None: ...

        def check(self) -> None: ...

        def grab(self, timeout_s: float) -> Any:
            number = next(numbers, None)
            if number is None:
                done.set()
                threading.Event().wait(0.01)
                raise CameraError("no picture")
            return SimpleNamespace(block_id=number)

    done = threading.Event()
    config: Any = SimpleNamespace(name="top", straightener=lambda: None, open=Fast, open_within_s=WAIT_S)
    camera = StreamedCamera(config, queue)
    camera.open(WAIT_S)
    try:
        assert done.wait(WAIT_S)
        pictures, why = queue.collect()
    finally:
        camera.close()

    assert [one.frame.block_id for one in pictures] == list(range(sent - len(pictures), sent))
    assert why == f"{sent - len(pictures)} pictures more than fit came between two triggers"
