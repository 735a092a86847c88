"""Several cameras on one part: all must be good, one reject is enough, none may be missing."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partgate.errors import CameraError, CameraLostError
from partgate.inference.inspector import Inspection
from partgate.inference.several import worst_of
from partgate.parts import Decision, Frame, Prediction, Reason, Trigger, Verdict
from partgate.station.account import StationFacts
from partgate.station.eyes import Cameras
from partgate.station.judge import Judge
from partgate.station.views import View, Views

from .conftest import make_recipe

BRIGHT, DARK, TORN = 220, 30, None


class Played:
    """Judges by brightness and remembers that it was asked."""

    def __init__(self, folder: Path) -> None:
        self.recipe = make_recipe(folder)
        self.asked = 0
        self.late_s = 0.0

    def inspect(self, image: Any) -> Inspection:
        self.asked += 1
        time.sleep(self.late_s)
        score = 0.1 if image.mean() > 127 else 0.9
        verdict = Verdict.GOOD if score < 0.5 else Verdict.REJECT
        prediction = Prediction(score, {"good": 1 - score, "defect": score}, "good", "defect")
        decision = Decision(verdict, Reason.MODEL, "" if score < 0.5 else "scratch")
        return Inspection(decision, prediction, int(verdict == Verdict.GOOD), 0)

    def check(self) -> None: ...


class Signals:
    """Stands where the station's signals do."""

    is_overrun = False
    obstacle: str | None = None
    locked: str | None = None

    def why_not_ready(self) -> str | None:
        return self.obstacle

    def why_locked(self) -> str | None:
        return self.locked

    def engine_answered(self, *, failed: bool) -> None: ...


class Bench:
    def __init__(self, folder: Path, **pictures: int | None) -> None:
        self.inspectors = {name: Played(folder) for name in pictures}
        self.signals: Any = Signals()
        self._pictures = pictures

    is_lost = False

    def grab(
        self, timeout_s: float, while_waiting: Any, not_after: float | None = None
    ) -> dict[str, Frame | CameraError]:
        return {
            name: CameraError(f"camera '{name}': torn")
            if level is None
            else Frame(np.full((4, 4, 3), level, np.uint8), datetime.now(UTC), name)
            for name, level in self._pictures.items()
        }

    def judge(self, window_s: float = 5.0) -> Any:
        views = Views(1, tuple(View(name, one, f"{name}-model") for name, one in self.inspectors.items()), 0.01)
        now = time.monotonic()
        trigger = Trigger(1, 1, int(1000 * window_s), now, now + window_s)
        judge = Judge(StationFacts("line", trigger_age_s=1.0), self, self.signals)
        return judge.judge(trigger, views, 0.005, lambda: None, is_too_soon=False)


@pytest.mark.parametrize(
    ("top", "side", "verdict", "reason"),
    [
        (BRIGHT, BRIGHT, Verdict.GOOD, Reason.MODEL),
        (BRIGHT, DARK, Verdict.REJECT, Reason.MODEL),
        (DARK, BRIGHT, Verdict.REJECT, Reason.MODEL),
        (BRIGHT, TORN, Verdict.RECHECK, Reason.NO_WHOLE_PICTURE),
        (TORN, BRIGHT, Verdict.RECHECK, Reason.NO_WHOLE_PICTURE),
        (TORN, DARK, Verdict.REJECT, Reason.MODEL),
        (TORN, TORN, Verdict.RECHECK, Reason.NO_WHOLE_PICTURE),
    ],
)
def test_part_is_good_only_where_every_camera_says_so(
    tmp_path: Path, top: int | None, side: int | None, verdict: Verdict, reason: Reason
):
    decision = Bench(tmp_path, top=top, side=side).judge().inspection.decision

    assert (decision.verdict, decision.reason) == (verdict, reason)


def test_reject_names_the_camera_and_keeps_the_pictures_of_the_others(tmp_path: Path):
    judged = Bench(tmp_path, top=BRIGHT, side=DARK).judge()

    assert judged.inspection.decision.detail == "camera 'side': scratch"
    assert (judged.view.bundle_id, judged.frame.camera) == ("side-model", "side")
    assert [frame.camera for frame in judged.more_frames] == ["top"]


def test_camera_that_gave_nothing_at_all_is_no_whole_picture(tmp_path: Path):
    bench = Bench(tmp_path, top=BRIGHT, side=BRIGHT)
    del bench._pictures["side"]

    decision = bench.judge().inspection.decision

    assert (decision.reason, decision.detail) == (Reason.NO_WHOLE_PICTURE, "camera 'side': gave no picture")


def test_good_that_several_cameras_found_too_late_is_not_good(tmp_path: Path):
    bench = Bench(tmp_path, top=BRIGHT, side=BRIGHT)
    bench.inspectors["side"].late_s = 0.2

    assert bench.judge(window_s=0.1).inspection.decision.reason is Reason.TOO_LATE


def test_locked_station_gives_no_verdict_but_its_lock(tmp_path: Path):
    bench = Bench(tmp_path, top=BRIGHT)
    bench.signals.locked = "locked after 3 rejects in a row"

    judged = bench.judge()

    assert (judged.inspection.decision.verdict, judged.inspection.decision.reason) == (Verdict.RECHECK, Reason.LOCKED)
    assert bench.inspectors["top"].asked == 0


def test_score_that_is_no_number_is_the_worst_of_equal_verdicts():
    def reject(score: float) -> Inspection:
        return Inspection(Decision(Verdict.REJECT, Reason.MODEL), Prediction(score, {}, "good", None), 0, 0)

    assert worst_of({"a": reject(0.9), "b": reject(float("nan")), "c": reject(0.95)}) == "b"


class PlayedCamera:
    """A watched camera without a thread."""

    problem: str | None = None
    is_lost = False
    differences = ("gain must be 1, got 2",)
    open_within_s = 0.1

    def __init__(self, error: CameraLostError | None = None) -> None:
        self.error, self.asked, self.is_closed = error, 0, False

    def start(self) -> None: ...

    def wait_until_open(self, within_s: float) -> None:
        if self.error:
            raise self.error

    def close(self) -> None:
        self.is_closed = True

    def ask(self, timeout_s: float) -> int:
        self.asked += 1
        return self.asked

    def collect(self, ticket: int, while_waiting: Any) -> tuple[int, int]:
        return ticket, self.asked


def as_cameras(**cameras: PlayedCamera) -> Cameras:
    made: Any = cameras
    return Cameras(made)


def test_all_cameras_are_asked_before_the_first_is_waited_for():
    top, side = PlayedCamera(), PlayedCamera()
    asked: list[str] = []
    top.ask = lambda timeout_s, not_after: asked.append("top") or 1  # type: ignore[method-assign, func-returns-value]
    side.ask = lambda timeout_s, not_after: asked.append("side") or 1  # type: ignore[method-assign, func-returns-value]
    top.collect = lambda ticket, while_waiting: tuple(asked)  # type: ignore[method-assign]

    found: Any = as_cameras(top=top, side=side).grab(0.1, lambda: None)

    assert found["top"] == ("top", "side")


def test_camera_that_does_not_open_closes_the_others():
    top, side = PlayedCamera(), PlayedCamera(CameraLostError("camera 'side': not there"))

    with pytest.raises(CameraLostError, match="camera 'side': not there"):
        as_cameras(top=top, side=side).open(1.0)

    assert top.is_closed
    assert side.is_closed


def test_one_lost_camera_is_a_lost_station():
    top, side = PlayedCamera(), PlayedCamera()
    side.is_lost, side.problem = True, "camera 'side': unplugged"
    cameras = as_cameras(top=top, side=side)

    assert cameras.is_lost
    assert cameras.problem == "camera 'side': unplugged"
    assert len(cameras.differences) == 2
