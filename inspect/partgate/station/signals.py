"""What station and controller say of themselves: both heartbeats, the state word, the fault in force."""

import logging
import time

from partgate.controllers.base import Controller
from partgate.controllers.block import Command, ControllerWords, State, StationWords
from partgate.parts import Fault, StationState
from partgate.station.account import KeepsRecords, MayBeLost
from partgate.station.drifts import Drifts
from partgate.station.recipes import RecipeShelf
from partgate.station.series import Alarms

logger = logging.getLogger(__name__)

BEAT_S = 0.1
LOST_AFTER_S = 0.3
ENGINE_CHECK_S = 1.0  # an engine that judged no part for so long is tried on an empty picture
_FULL_TURN = 65536
_CHECK_SHARE = 20  # at most a twentieth of the time


class Signals:
    """Counts the station's heartbeat up after checking engine and camera, and listens to the controller's.

    Called by the loop alone, never by a thread of its own: a loop or an engine that hangs must look dead. A camera that
    is known to be lost is a fault, and the heartbeat goes on.

    Args:
        shelf: The recipe in force, whose engines are tried.
        cameras: Where pictures come from.
        store: Where records go.
        alarms: Rejects and misses in a row, and what the controller reports of its devices.
        drifts: What changes slowly in the pictures.
        shadow: The station judges, but sends no results.
    """

    def __init__(
        self, shelf: RecipeShelf, cameras: MayBeLost, store: KeepsRecords, alarms: Alarms, drifts: Drifts, *,
        shadow: bool,
    ) -> None:  # fmt: skip
        self.is_busy = self.is_overrun = False
        self.is_heard = False  # the controller's heartbeat changes
        self.is_shared = False  # another station writes there
        self._shelf, self._cameras, self._store, self._alarms = shelf, cameras, store, alarms
        self._drifts, self._shadow = drifts, shadow
        self._heartbeat = self._boot = self._wanted_recipe = 0
        self._beat_at = self._engine_ok_at = 0.0
        self._engine_failed = self._no_acknowledge = False
        self._is_enabled = self._was_silent = False
        self._next_view = 0
        self._heard: tuple[int, float] | None = None  # the controller's heartbeat and when it last changed

    @property
    def heartbeat(self) -> int:
        """Return the station's heartbeat as last counted."""
        return self._heartbeat

    def continue_behind(self, heartbeat: int) -> None:
        """Count on from the heartbeat that stands at the controller, so that the first one is a change."""
        self._heartbeat = heartbeat

    def start_listening(self, words: ControllerWords) -> None:
        """Begin with a controller that counts as lost until its heartbeat has changed."""
        self._heard, self.is_heard = (words.heartbeat, time.monotonic()), False

    def listen(self, words: ControllerWords, who: Controller) -> None:
        """Notice whether the controller's heartbeat changes, which recipe it wants and what it reports."""
        now = time.monotonic()
        self._boot, self._wanted_recipe = words.boot, words.recipe
        self._is_enabled = Command.ENABLE in words.command
        self._alarms.listen(words.command)
        if Command.CLEAR_FAULT in words.command:
            self.acknowledged(True)
            self._shelf.forget_refusal()
        if self._heard is None or words.heartbeat != self._heard[0]:
            if self._was_silent:
                logger.warning("%s: its heartbeat is back", who)
            self._heard, self.is_heard, self._was_silent = (words.heartbeat, now), True, False
        elif self.is_heard and now - self._heard[1] > LOST_AFTER_S:
            self.is_heard, self._was_silent = False, True
            logger.error("%s: no heartbeat for %.1f s", who, LOST_AFTER_S)

    def engine_answered(self, *, failed: bool) -> None:
        """Take note of how the engine did on a part."""
        self._engine_failed, self._engine_ok_at = failed, time.monotonic()

    def acknowledged(self, yes: bool) -> None:
        """Take note of whether the controller took the last result."""
        self._no_acknowledge = not yes

    def beat(self, controller: Controller, *, check_engine: bool = True) -> bool:
        """Count the heartbeat up when it is due and write it; tell whether it was due.

        Args:
            controller: Where to.
            check_engine: Try an idle engine first; not while a part waits.

        Raises:
            ControllerError: If it cannot be written.
        """
        now = time.monotonic()
        if now < self._beat_at:
            return False
        if check_engine and now - self._engine_ok_at > self._check_engine_every_s:
            self._check_engine()
        self._heartbeat = (self._heartbeat + 1) % _FULL_TURN
        self._beat_at = now + BEAT_S
        controller.write_state(self.words())
        return True

    def words(self, *, online: bool = True) -> StationWords:
        """Return what the station says of itself now."""
        fault = self.fault()
        state = State.ONLINE if online else State(0)
        flags = (
            (online and self.is_ready, State.TRIGGER_READY),
            (self.is_busy, State.BUSY),
            (fault is not Fault.NONE, State.FAULT),
            (self.is_overrun, State.OVERRUN),
            (self._cameras.is_lost, State.CAMERA_LOST),
            (not self._recipe_differs, State.RECIPE_READY),
            (self._shadow, State.SHADOW),
            (self._alarms.is_locked, State.LOCKED),
            (bool(self.warnings), State.WARNING),
        )
        for is_set, flag in flags:
            state |= flag if is_set else State(0)
        return StationWords(self._heartbeat, state, fault, self._shelf.number, self.station_state(online=online))

    def station_state(self, *, online: bool = True) -> StationState:
        """Return what the station is doing, by the names of OPC 40100-1."""
        if not online:
            return StationState.PREOPERATIONAL
        if self._alarms.is_locked or self._alarms.halted_by:
            return StationState.HALTED
        if self.fault() not in self._goes_on:
            return StationState.ERROR
        if self.is_busy:
            return StationState.SINGLE_EXECUTION
        return StationState.READY if self.is_ready and self._is_enabled else StationState.INITIALIZED

    @property
    def is_ready(self) -> bool:
        """Tell whether the next trigger will be taken."""
        return not self.is_busy and self.fault() in self._goes_on and self.why_not_ready() is None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what is not as it should be while parts are judged all the same."""
        records = () if self._store.problem is None else (f"records cannot be written: {self._store.problem}",)
        return (*self._alarms.warnings, *records, *self._cameras.differences, *self._drifts.warnings)

    def fault(self) -> Fault:
        """Return the gravest fault in force."""
        found = (
            (self._engine_failed, Fault.ENGINE),
            (self._cameras.is_lost, Fault.CAMERA),
            (self._recipe_differs and not self._shelf.is_opening, Fault.RECIPE),
            (self._alarms.is_locked, Fault.SERIES),
            (bool(self._store.problem) and self._store.locks, Fault.RECORDS),
            (self.is_shared, Fault.SECOND_STATION),
            (not self.is_heard, Fault.CONTROLLER_LOST),
            (bool(self._store.problem), Fault.RECORDS),
            (self._no_acknowledge, Fault.NO_ACKNOWLEDGE),
            (self._alarms.series is not None, Fault.SERIES),
        )
        return next((fault for is_set, fault in found if is_set), Fault.NONE)

    def why_not_ready(self) -> str | None:
        """Return why no part may be judged now; a lost camera or engine speaks for itself when it is asked."""
        if not self.is_heard:
            return "the controller's heartbeat does not change"
        if self._boot == 0:
            return "PLC_BOOT is 0: the controller must count its starts from 1, or a restart goes unnoticed"
        if self._shelf.is_opening:
            return f"recipe {self._shelf.wanted} is being opened"
        if self._recipe_differs:
            return self._why_another_recipe()
        if self._store.problem and self._store.locks:
            return f"records cannot be written: {self._store.problem}"
        if self._alarms.halted_by:
            return f"the controller reports: {self._alarms.halted_by}"
        return None

    def why_locked(self) -> str | None:
        """Return why no part may be good although parts could be judged."""
        return f"locked after {self._alarms.series}; clear the fault (CMD bit 1)" if self._alarms.is_locked else None

    @property
    def _goes_on(self) -> tuple[Fault, ...]:
        """Faults that are told while the next part is taken all the same."""
        records = () if self._store.locks else (Fault.RECORDS,)
        series = () if self._alarms.is_locked else (Fault.SERIES,)
        return (Fault.NONE, Fault.NO_ACKNOWLEDGE, *records, *series)

    @property
    def _recipe_differs(self) -> bool:
        return self._wanted_recipe not in (0, self._shelf.number)

    def _why_another_recipe(self) -> str:
        number = self._wanted_recipe
        if refusal := self._shelf.why_refused(number):
            return refusal
        return f"the controller wants another recipe than {self._shelf.number} and does not ask for it (CMD bit 2)"

    @property
    def _check_engine_every_s(self) -> float:
        """A part that comes during a check has to wait for it: so a slow engine is tried less often."""
        return max(ENGINE_CHECK_S, _CHECK_SHARE * self._shelf.in_force.engine_p99_s)

    def _check_engine(self) -> None:
        self._next_view += 1
        try:
            self._shelf.in_force.check(self._next_view)
            self._engine_failed = False
        except Exception:  # whatever an engine can throw is a fault, not the end of the line
            if not self._engine_failed:
                logger.exception("engine failed")
            self._engine_failed = True
        self._engine_ok_at = time.monotonic()
