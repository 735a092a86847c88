"""From a trigger to a verdict: is the part still there, a picture of every camera, the worst of their verdicts."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from partgate.errors import CameraError
from partgate.inference.inspector import Inspection
from partgate.inference.several import undecidable, worst_of
from partgate.parts import Frame, Reason, Trigger, Verdict
from partgate.station.account import GivesPictures, StationFacts
from partgate.station.signals import Signals
from partgate.station.views import Judged, Views

_CAMERA_RESERVE_S = 0.02
_SHORTEST_WAIT_S = 0.01


class Judge:
    """Finds the verdict on a part; every way out but the last is not good.

    Args:
        facts: How old a trigger may be.
        cameras: Where pictures come from.
        signals: Tells why no part may be judged, and hears how the engine did.
    """

    def __init__(self, facts: StationFacts, cameras: GivesPictures, signals: Signals) -> None:
        self._facts, self._cameras, self._signals = facts, cameras, signals

    def judge(
        self, trigger: Trigger, views: Views, poll_period_s: float, keep_beating: Callable[[], None], *,
        is_too_soon: bool,
    ) -> Judged:  # fmt: skip
        """Return the verdict on the part of a trigger.

        Args:
            trigger: The newest one.
            views: The recipe in force when it came.
            poll_period_s: Of the controller; the camera's time-out leaves room for it.
            keep_beating: Called while a picture is awaited.
            is_too_soon: The controller has not taken the part before.
        """
        if obstacle := self._signals.why_not_ready():
            return _no_picture(views, Reason.NOT_READY, obstacle)
        if locked := self._signals.why_locked():
            return _no_picture(views, Reason.LOCKED, locked)
        came_at = trigger.deadline - trigger.window_ms / 1000
        age_s = time.monotonic() - came_at
        if is_too_soon or age_s > self._facts.trigger_age_s:
            self._signals.is_overrun = True
            detail = f"seen up to {1000 * age_s:.0f} ms after the trigger; the part has moved on"
            return _no_picture(views, Reason.OVERRUN, detail)
        spare_s = views.engine_p99_s + poll_period_s + _CAMERA_RESERVE_S
        timeout_s = max(_SHORTEST_WAIT_S, trigger.deadline - time.monotonic() - spare_s)
        pictures = self._cameras.grab(timeout_s, keep_beating, came_at + self._facts.trigger_age_s)
        return self._in_time(self._look(views, pictures, keep_beating), trigger)

    def _look(
        self, views: Views, pictures: Mapping[str, Frame | CameraError], keep_beating: Callable[[], None]
    ) -> Judged:
        picture_at = time.monotonic()
        frames = {camera: frame for camera, frame in pictures.items() if isinstance(frame, Frame)}
        inspections: dict[str, Inspection] = {}
        for view in views.views:
            if view.camera in frames:
                inspections[view.camera] = view.inspector.inspect(frames[view.camera].image)
                self._hear_the_engine(inspections[view.camera])
                keep_beating()
            else:
                lost = pictures.get(view.camera, f"camera '{view.camera}': gave no picture")
                inspections[view.camera] = undecidable(Reason.NO_WHOLE_PICTURE, str(lost))
        camera = worst_of(inspections)
        view = next(view for view in views.views if view.camera == camera)
        return Judged(
            _name_camera(inspections, camera), view, frames.get(camera),
            tuple(frame for name, frame in frames.items() if name != camera),
            picture_at if frames else None, time.monotonic() if frames else None,
            {name: found.measures for name, found in inspections.items() if found.measures is not None},
        )  # fmt: skip

    def _hear_the_engine(self, inspection: Inspection) -> None:
        failed = inspection.decision.reason is Reason.ENGINE_FAILED
        if failed or inspection.prediction is not None:  # an unusable picture says nothing about the engine
            self._signals.engine_answered(failed=failed)

    @staticmethod
    def _in_time(judged: Judged, trigger: Trigger) -> Judged:
        late_s = time.monotonic() - trigger.deadline
        if judged.inspection.decision.verdict is not Verdict.GOOD or late_s <= 0:
            return judged
        detail = f"judged {1000 * late_s:.0f} ms after the window of {trigger.window_ms} ms"
        late = replace(undecidable(Reason.TOO_LATE, detail), prediction=judged.inspection.prediction)
        return replace(judged, inspection=late)


def _no_picture(views: Views, reason: Reason, detail: str) -> Judged:
    return Judged(undecidable(reason, detail), views.views[0])


def _name_camera(inspections: Mapping[str, Inspection], camera: str) -> Inspection:
    """Return the verdict that holds, with the camera it comes from where there are several and it is not good."""
    worst = inspections[camera]
    decision = worst.decision
    if len(inspections) == 1 or decision.verdict is Verdict.GOOD or decision.reason is Reason.NO_WHOLE_PICTURE:
        return worst
    detail = f"camera '{camera}': {decision.detail}" if decision.detail else f"camera '{camera}'"
    return replace(worst, decision=replace(decision, detail=detail))
