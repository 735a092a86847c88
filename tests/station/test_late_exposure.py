"""Until when a part may be exposed: every camera hears it with the part."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pytest

from partgate.cameras.base import CameraConfig, refuse_late
from partgate.errors import CameraError
from partgate.parts import Frame, Reason
from partgate.station.eyes import Cameras
from partgate.station.watch import WatchedCamera

from .played_loop import AGE_S, DONE, IDLE, PART, Bench, late

WAIT_S = 20


class AskedConfig(CameraConfig):
    KIND: ClassVar[str] = "asked"
    kind: Literal["asked"] = "asked"
    heard: ClassVar[dict[str, float | None]] = {}

    def open(self) -> "AskedCamera":
        return AskedCamera(self.name)


class AskedCamera:
    differences = ()

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None: ...

    def check(self) -> None: ...

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        AskedConfig.heard[self._name] = not_after
        return Frame(np.zeros((1, 1, 3), np.uint8), datetime.now(UTC), self._name)


def test_part_whose_exposure_was_refused_is_not_decidable(tmp_path: Path):
    bench = Bench(tmp_path, IDLE, PART, DONE)
    bench.camera.before = lambda keep_beating: refuse_late(time.monotonic() - 0.02, "camera 'top'")

    bench.run()

    assert bench.outcomes == [(5, 5, False, "RECHECK", Reason.NO_WHOLE_PICTURE)]
    assert "not exposed" in bench.store.records[0].detail


def test_camera_may_expose_until_the_trigger_is_as_old_as_allowed(tmp_path: Path):
    took_s = 0.05
    bench = Bench(tmp_path, IDLE, late(PART, took_s), DONE)

    bench.run()

    left_s = bench.camera.may_expose_for_s
    assert left_s is not None
    assert left_s <= AGE_S - took_s  # the answer that told of the part took so long


def test_every_camera_of_a_station_hears_the_same_moment():
    cameras = Cameras({name: WatchedCamera(AskedConfig(name=name)) for name in ("top", "side")})
    cameras.open(WAIT_S)
    not_after = time.monotonic() + WAIT_S
    try:
        cameras.grab(WAIT_S, lambda: None, not_after)
    finally:
        cameras.close()

    assert AskedConfig.heard == {"top": not_after, "side": not_after}


@pytest.mark.parametrize("not_after", [None, float("inf")], ids=["no moment", "later"])
def test_camera_that_is_in_time_is_not_refused(not_after: Any):
    refuse_late(not_after, "camera 'top'")


def test_refusal_says_by_how_much():
    with pytest.raises(
        CameraError, match=r"camera 'top': not exposed in time: 5\d ms too late for this part \(trigger_age_ms\)"
    ):
        refuse_late(time.monotonic() - 0.05, "camera 'top'")
