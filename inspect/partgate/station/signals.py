"""What station and controller say of themselves: both heartbeats, the state word, the fault in force."""

import logging
import time
from typing import Protocol

from partgate.controllers.base import Controller
from partgate.controllers.block import ControllerWords, State, StationWords
from partgate.parts import Fault

logger = logging.getLogger(__name__)

BEAT_S = 0.1
LOST_AFTER_S = 0.3
ENGINE_CHECK_S = 1.0  # an engine that judged no part for so long is tried on an empty picture
_GOES_ON = (Fault.NONE, Fault.NO_ACKNOWLEDGE)  # a missing acknowledge is told, the next part is taken all the same


class ChecksItself(Protocol):
    """An engine that can be tried without a part."""

    def check(self) -> None:
        """Try it; raises where it fails."""
        ...


class MayBeLost(Protocol):
    """A camera that may be gone."""

    @property
    def is_lost(self) -> bool:
        """Tell whether there is no camera now."""
        ...


class KeepsProblem(Protocol):
    """A record store that says why it cannot write."""

    @property
    def problem(self) -> str | None:
        """Return why records are not safe now."""
        ...


class Signals:
    """Counts the station's heartbeat up after checking engine and camera, and listens to the controller's.

    Called by the loop alone, never by a thread of its own: a loop or an engine that hangs must look dead. A camera that
    is known to be lost is a fault, and the heartbeat goes on.

    Args:
        recipe_number: The recipe in force.
        shadow: The station judges, but sends no results.
    """

    def __init__(
        self, engine: ChecksItself, camera: MayBeLost, store: KeepsProblem, recipe_number: int, *, shadow: bool
    ) -> None:
        self.is_busy = self.is_overrun = False
        self.is_heard = False  # the controller's heartbeat changes
        self._engine, self._camera, self._store = engine, camera, store
        self._recipe_number, self._shadow = recipe_number, shadow
        self._heartbeat = self._boot = 0
        self._beat_at = self._engine_ok_at = 0.0
        self._engine_failed = self._recipe_differs = self._no_acknowledge = False
        self._heard: tuple[int, float] | None = None  # the controller's heartbeat and when it last changed

    def start_listening(self, words: ControllerWords) -> None:
        """Begin with a controller that counts as lost until its heartbeat has changed."""
        self._heard, self.is_heard = (words.heartbeat, time.monotonic()), False

    def listen(self, words: ControllerWords, who: Controller) -> None:
        """Notice whether the controller's heartbeat changes and which recipe it wants."""
        now = time.monotonic()
        self._boot = words.boot
        self._recipe_differs = words.recipe not in (0, self._recipe_number)
        if self._heard is None or words.heartbeat != self._heard[0]:
            self._heard, self.is_heard = (words.heartbeat, now), True
        elif self.is_heard and now - self._heard[1] > LOST_AFTER_S:
            self.is_heard = False
            logger.error("%s: no heartbeat for %.1f s", who, LOST_AFTER_S)

    def engine_answered(self, *, failed: bool) -> None:
        """Take note of how the engine did on a part."""
        self._engine_failed, self._engine_ok_at = failed, time.monotonic()

    def acknowledged(self, yes: bool) -> None:
        """Take note of whether the controller took the last result."""
        self._no_acknowledge = not yes

    def beat(self, controller: Controller, *, check_engine: bool = True) -> None:
        """Count the heartbeat up when it is due and write it.

        Args:
            controller: Where to.
            check_engine: Try an idle engine first; not while a part waits.

        Raises:
            ControllerError: If it cannot be written.
        """
        now = time.monotonic()
        if now < self._beat_at:
            return
        if check_engine and now - self._engine_ok_at > ENGINE_CHECK_S:
            self._check_engine()
        self._heartbeat = (self._heartbeat + 1) % 65536
        self._beat_at = now + BEAT_S
        controller.write_state(self.words())

    def words(self, *, online: bool = True) -> StationWords:
        """Return what the station says of itself now."""
        fault = self.fault()
        state = State.ONLINE if online else State(0)
        flags = (
            (online and not self.is_busy and fault in _GOES_ON, State.TRIGGER_READY),
            (self.is_busy, State.BUSY),
            (fault is not Fault.NONE, State.FAULT),
            (self.is_overrun, State.OVERRUN),
            (self._camera.is_lost, State.CAMERA_LOST),
            (not self._recipe_differs, State.RECIPE_READY),
            (self._shadow, State.SHADOW),
        )
        for is_set, flag in flags:
            state |= flag if is_set else State(0)
        return StationWords(self._heartbeat, state, fault, self._recipe_number)

    def fault(self) -> Fault:
        """Return the gravest fault in force."""
        found = (
            (self._engine_failed, Fault.ENGINE),
            (self._camera.is_lost, Fault.CAMERA),
            (self._recipe_differs, Fault.RECIPE),
            (bool(self._store.problem), Fault.RECORDS),
            (not self.is_heard, Fault.CONTROLLER_LOST),
            (self._no_acknowledge, Fault.NO_ACKNOWLEDGE),
        )
        return next((fault for is_set, fault in found if is_set), Fault.NONE)

    def why_not_ready(self) -> str | None:
        """Return why no part may be judged now; a lost camera or engine speaks for itself when it is asked."""
        if not self.is_heard:
            return "the controller's heartbeat does not change"
        if self._boot == 0:
            return "PLC_BOOT is 0: the controller must count its starts from 1, or a restart goes unnoticed"
        if self._recipe_differs:
            return f"the controller wants another recipe than {self._recipe_number}"
        if self._store.problem:
            return f"records cannot be written: {self._store.problem}"
        return None

    def _check_engine(self) -> None:
        try:
            self._engine.check()
            self._engine_failed = False
        except Exception:  # whatever an engine can throw is a fault, not the end of the line
            if not self._engine_failed:
                logger.exception("engine failed")
            self._engine_failed = True
        self._engine_ok_at = time.monotonic()
