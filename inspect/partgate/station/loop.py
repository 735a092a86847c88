"""One trigger, one verdict, one record: the loop that can be read to an auditor.

Silence means reject. GOOD is sent only for the newest part, judged on a picture that was taken after its trigger,
within the controller's window. Whatever else happens ends in another verdict, or in silence.
"""

import logging
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

from partgate.controllers.base import Controller
from partgate.controllers.block import Command, ControllerWords
from partgate.errors import ControllerError, ControllerPausedError, RecordError, SecondStationError
from partgate.parts import Reason, Result, StationStatus, Trigger
from partgate.records.audit import AuditEvent
from partgate.station.account import AnnouncesItself, GivesPictures, IsAlive, KeepsRecords, StationFacts, Summary
from partgate.station.accounted import Accounted
from partgate.station.bookkeeping import Books
from partgate.station.drifts import Drifts
from partgate.station.judge import Judge
from partgate.station.recipes import RecipeShelf
from partgate.station.second import SecondStation
from partgate.station.series import Alarms, AlarmsConfig
from partgate.station.signals import BEAT_S, Signals
from partgate.station.status import Onlookers
from partgate.station.views import Judged, View
from partgate.station.waiting import Waiting

logger = logging.getLogger(__name__)

_TWO_SCANS_S = 0.02  # of the controller
_DEFAULT_WINDOW_MS = 200
_RECORDS_WITHIN_S = 30.0  # at the start; the database's own time-out of some seconds is in it several times


class Station:
    """Runs one station over a controller, its cameras, its recipes and a record store."""

    def __init__(
        self, facts: StationFacts, controller: Controller, cameras: GivesPictures, shelf: RecipeShelf,
        store: KeepsRecords, alarms: AlarmsConfig | None = None, onlookers: Onlookers | None = None,
        alive: IsAlive | None = None,
    ) -> None:  # fmt: skip
        self._facts, self._controller, self._shelf, self._store = facts, controller, shelf, store
        self._onlookers, self._alive = onlookers or Onlookers(), alive
        self._alarms = Alarms(alarms or AlarmsConfig(), self._tell_alarm)
        self._drifts = Drifts(shelf, self._note)
        self._signals = Signals(shelf, cameras, store, self._alarms, self._drifts, shadow=facts.shadow)
        self._books = Books(facts, store, self._alarms, self._onlookers)
        self._judge = Judge(facts, cameras, self._signals)
        self._waiting = Waiting(facts.queue_depth, self._books, self._signals)
        self._second = SecondStation(self._signals)
        self._is_open = self._is_told = self._has_connected = False
        self._accounted = Accounted(None)
        self._polled_at = 0.0
        self._problem: str | None = None

    @property
    def summary(self) -> Summary:
        """Return what was done so far."""
        return self._books.summary

    def run(self, parts: int | None, stop: threading.Event, linger_s: float = 0.0) -> Summary:
        """Judge parts until so many triggers are accounted for, or ``stop`` is set; return what was done.

        A controller that is lost is opened again; the station goes on with what it then reads, and replays nothing.

        Args:
            parts: Triggers to take; ``None`` goes on until stopped.
            stop: Ends the run after the part in hand.
            linger_s: How long the heartbeat goes on after the last part: without it the controller rejects the parts
                that are still on their way to the gate.
        """
        self._accounted = Accounted(self._ask_records(stop))
        if self._alive:
            self._alive.ready()
        try:
            while not stop.is_set() and (parts is None or self.summary.triggers < parts):
                try:
                    if not self._is_open:
                        self._connect()
                    self._turn()
                    time.sleep(self._controller.poll_period_s)
                except ControllerError as error:
                    self._lose_controller(error)
                    self._tell_status()
                    stop.wait(BEAT_S)
            if self._alive:
                self._alive.stopping()
            self._finish(linger_s)
        finally:
            self._waiting.give_up_all()
            self._close_controller()
            self._tell_status(online=False)
        return self.summary

    def _ask_records(self, stop: threading.Event) -> tuple[int, int] | None:
        """Return boot and sequence of the newest record; one who holds the database for a while is waited for."""
        until = time.monotonic() + _RECORDS_WITHIN_S
        while True:
            try:
                return self._store.last_trigger(self._facts.name)
            except RecordError as error:
                if time.monotonic() > until or stop.wait(BEAT_S):
                    raise
                logger.warning("%s; it is tried again", error)

    def _connect(self) -> None:
        """Open the controller, read where it stands, throw away what an earlier connection left, then go online."""
        self._controller.__enter__()
        self._is_open = True
        self._second.refuse(self._controller)
        self._polled_at = time.monotonic()
        words = self._controller.read()
        self._signals.start_listening(words)
        self._resynchronise(words, was_off=not self._has_connected)
        self._has_connected = True
        if self._is_told:
            logger.warning("%s is back", self._controller)
        self._is_told, self._problem = False, None
        self._signals.is_shared = False

    def _resynchronise(self, words: ControllerWords, *, was_off: bool = False) -> None:
        """Declare as missed what was triggered since the newest record, and clear the block; nothing is replayed."""
        unseen = self._accounted.go_on_from(words, was_off=was_off)
        if unseen is not None:
            record, lost = self._books.missed(self._view, words.boot, *unseen, Reason.NOT_READY, "not connected")
            self._waiting.keep(record)
            self.summary.missed_before += lost
        self._controller.clear(self._signals.words())

    def _turn(self) -> None:
        """Read the controller once and do what it asks for."""
        # A trigger seen now came after the read before was *asked for*: the controller may have answered it late.
        read_before, self._polled_at = self._polled_at, time.monotonic()
        words = self._controller.read()
        now = time.monotonic()
        if words.not_before is not None:
            read_before = min(read_before, words.not_before)
        self._signals.listen(words, self._controller)
        self._waiting.take(words, now, self._controller)
        is_new = self._accounted.is_new(words)
        if not is_new:
            self._follow_recipe(words)
            self._second.look(self._controller)
        self._beat(check_engine=not is_new)
        if self._accounted.is_restarted(words):
            logger.warning("%s was restarted (boot %d, now %d)", self._controller, self._accounted.boot, words.boot)
            self._waiting.give_up_all()
            self._resynchronise(words)
        elif is_new:
            self._take_trigger(words, now, read_before)

    def _follow_recipe(self, words: ControllerWords) -> None:
        """Change the recipe where the controller asks for it; a part that comes meanwhile is not decidable."""
        if Command.CHANGE_RECIPE in words.command and words.recipe != 0:
            self._shelf.want(words.recipe)
        before = self._shelf.settle()
        if before is not None:
            now = self._shelf.in_force
            logger.warning("recipe %d '%s' is in force, before %d", now.number, now.name, before.number)
            cameras = {view.camera: view.in_force.facts() for view in now.views}
            self._note("change", {"what": "recipe", "was": before.number, "is": now.number, "cameras": cameras})

    def _take_trigger(self, words: ControllerWords, now: float, read_before: float) -> None:
        passed = self._accounted.take(words)
        is_too_soon = self._waiting.is_full
        self._waiting.give_up_oldest()
        self._signals.is_overrun = bool(passed) or is_too_soon
        self.summary.triggers += len(passed) + 1
        if passed:
            self._declare_missed(words.boot, passed[0], passed[-1], Reason.OVERRUN, "the next part came too soon")
        window_ms = words.window_ms or _DEFAULT_WINDOW_MS
        trigger = Trigger(
            words.boot, words.trigger_sequence, window_ms, now, read_before + window_ms / 1000, words.part_id, words.lot
        )
        sequence = trigger.sequence
        if Command.ENABLE not in words.command:
            self._declare_missed(words.boot, sequence, sequence, Reason.NOT_READY, "not enabled by the controller")
            return
        self._signals.is_busy = True
        try:
            judged = self._judge.judge(
                trigger, self._shelf.in_force, self._controller.poll_period_s, self._keep_beating,
                is_too_soon=is_too_soon,
            )  # fmt: skip
        except BaseException as error:  # a lost controller or a bug: the part is on record all the same
            detail = f"{type(error).__name__} while the part was judged: {error}"
            self._declare_missed(trigger.boot, sequence, sequence, Reason.NOT_READY, detail)
            raise
        self._answer(trigger, judged)
        self._drifts.take(judged.measures)

    def _answer(self, trigger: Trigger, judged: Judged) -> None:
        """Send the result once; its record waits for the acknowledge."""
        record = self._books.judged(trigger, judged)
        inspection = judged.inspection
        began = time.monotonic()
        try:
            if not self._facts.shadow:
                result = Result(trigger, inspection.decision, inspection.class_number, inspection.lane)
                self._controller.send(result, self._signals.words())
                record = replace(record, sent=True)
        finally:  # a result that could not be sent is on record as such
            now = time.monotonic()
            latency_ms = (now - trigger.seen_at) * 1000
            record = replace(record, latency_ms=latency_ms, result_at=datetime.now(UTC), write_ms=1000 * (now - began))
            if record.sent:
                self.summary.latencies_ms.append(latency_ms)
                self._waiting.add(record, trigger.seen_at + trigger.window_ms / 1000 + _TWO_SCANS_S)
            elif not self._facts.shadow:  # the controller may still execute a write that it did not answer
                record = replace(record, detail=f"{record.detail} not confirmed by the controller".strip())
            if not record.sent:
                self._waiting.keep(record)
            self._signals.is_busy = self._waiting.is_full

    def _keep_beating(self) -> None:
        self._beat(check_engine=False)

    def _beat(self, *, check_engine: bool) -> None:
        if self._signals.beat(self._controller, check_engine=check_engine):
            self._tell_status()

    def _finish(self, linger_s: float) -> None:
        """Take no further part, keep the heartbeat while parts are on their way, then go offline."""
        until = time.monotonic() + linger_s
        if isinstance(self._controller, AnnouncesItself):  # nobody sorts, so no part is on its way to a gate
            self._controller.stop_announcing()
            until = time.monotonic()
        try:
            while self._is_open and (self._waiting or time.monotonic() < until):
                words = self._controller.read()
                self._signals.listen(words, self._controller)
                self._waiting.take(words, time.monotonic(), self._controller)
                self._signals.is_busy = True
                self._beat(check_engine=True)
                time.sleep(self._controller.poll_period_s)
            if self._is_open:
                self._declare_rest(self._controller.read())
                self._controller.write_state(self._signals.words(online=False))
        except ControllerError as error:
            logger.warning("%s", error)

    def _declare_rest(self, words: ControllerWords) -> None:
        """Put on record what was triggered after the last part was taken."""
        rest = self._accounted.take_rest(words)
        if rest:
            self.summary.triggers += len(rest)
            self._declare_missed(words.boot, rest[0], rest[-1], Reason.NOT_READY, "the station was stopping")

    def _lose_controller(self, error: ControllerError) -> None:
        if not self._is_told:
            logger.error("%s", error)
        self._is_told = True
        if not isinstance(error, ControllerPausedError):  # that tells only when, not why
            self._problem = str(error)
            self._signals.is_shared = isinstance(error, SecondStationError)
        self._waiting.give_up_all()
        self._signals.is_heard = False
        self._close_controller()

    def _close_controller(self) -> None:
        if self._is_open:
            self._is_open = False
            self._controller.__exit__(None, None, None)

    def _declare_missed(self, boot: int, first: int, last: int, reason: Reason, detail: str) -> None:
        self._waiting.keep(self._books.missed_now(self._view, boot, first, last, reason, detail))
        self._signals.is_busy = self._waiting.is_full

    @property
    def _view(self) -> View:
        return self._shelf.in_force.views[0]

    def _tell_status(self, *, online: bool = True) -> None:
        words, summary, recipe = self._signals.words(online=online), self.summary, self._shelf.in_force
        problem = self._problem or self._signals.why_not_ready() or self._signals.why_locked()
        if self._alive:
            self._alive.beat(f"{words.station_state.name.lower()}, {summary.results} parts judged")
        self._onlookers.status(
            StationStatus(
                self._facts.name, datetime.now(UTC), words.station_state, words.fault, self._signals.is_ready,
                self._facts.shadow, recipe.name, recipe.number, self._signals.warnings, problem,
                summary.triggers, summary.results, summary.misses,
            )
        )  # fmt: skip

    def _tell_alarm(self, what: str, begins: bool) -> None:
        (logger.error if begins else logger.warning)("%s%s", what, "" if begins else ": over")
        self._note("alarm", {"what": what, "is": "begun" if begins else "over"})

    def _note(self, kind: str, content: dict[str, object]) -> None:
        self._store.note(AuditEvent(self._facts.name, kind, content))
