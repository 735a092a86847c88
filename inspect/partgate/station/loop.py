"""One trigger, one verdict, one record: the loop that can be read to an auditor.

Silence means reject. GOOD is sent only for the newest part, judged on a picture that was taken after its trigger,
within the controller's window, while records can be written. Whatever else happens ends in another verdict, or in
silence.
"""

import logging
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from partgate.controllers.base import Controller
from partgate.controllers.block import LAST_SEQUENCE, Command, ControllerWords, sequences_between
from partgate.errors import CameraError, ControllerError
from partgate.inference.inspector import Inspection
from partgate.parts import Decision, Frame, Reason, Record, Result, Trigger, Verdict
from partgate.station.account import GivesPictures, JudgesPictures, KeepsRecords, StationFacts, Summary
from partgate.station.signals import BEAT_S, Signals

logger = logging.getLogger(__name__)

_TWO_SCANS_S = 0.02  # of the controller
_CAMERA_RESERVE_S = 0.02
_SHORTEST_WAIT_S = 0.01
_DEFAULT_WINDOW_MS = 200


class Station:
    """Runs one station over a controller, a watched camera, an inspector and a record store."""

    def __init__(
        self, facts: StationFacts, controller: Controller, camera: GivesPictures, inspector: JudgesPictures,
        store: KeepsRecords,
    ) -> None:  # fmt: skip
        self.summary = Summary()
        self._facts, self._controller, self._camera = facts, controller, camera
        self._inspector, self._store = inspector, store
        self._signals = Signals(inspector, camera, store, inspector.recipe.number, shadow=facts.shadow)
        self._is_open = self._is_told = self._has_connected = False
        self._last: tuple[int, int] | None = None  # boot and sequence of the newest trigger accounted for
        self._polled_at = 0.0
        self._waiting: tuple[Record, float] | None = None  # sent, not acknowledged yet; until when

    def run(self, parts: int | None, stop: threading.Event, linger_s: float = 0.0) -> Summary:
        """Judge parts until so many triggers are accounted for, or ``stop`` is set; return what was done.

        A controller that is lost is opened again; the station goes on with what it then reads, and replays nothing.

        Args:
            parts: Triggers to take; ``None`` goes on until stopped.
            stop: Ends the run after the part in hand.
            linger_s: How long the heartbeat goes on after the last part: without it the controller rejects the parts
                that are still on their way to the gate.
        """
        self._last = self._store.last_trigger(self._facts.name)
        try:
            while not stop.is_set() and (parts is None or self.summary.triggers < parts):
                try:
                    if not self._is_open:
                        self._connect()
                    self._turn()
                    time.sleep(self._controller.poll_period_s)
                except ControllerError as error:
                    self._lose_controller(error)
                    stop.wait(BEAT_S)
            self._finish(time.monotonic() + linger_s)
        finally:
            self._stop_waiting(acknowledged=False)
            self._close_controller()
        return self.summary

    def _connect(self) -> None:
        """Open the controller, read where it stands, throw away what an earlier connection left, then go online."""
        self._controller.__enter__()
        self._is_open = True
        self._polled_at = time.monotonic()
        words = self._controller.read()
        self._signals.start_listening(words)
        self._resynchronise(words, was_off=not self._has_connected)
        self._has_connected = True
        if self._is_told:
            logger.warning("%s is back", self._controller)
        self._is_told = False

    def _resynchronise(self, words: ControllerWords, *, was_off: bool = False) -> None:
        """Declare as missed what was triggered since the newest record, and clear the block; nothing is replayed.

        A station that was off for a night may find the sequence nearly a round further; one that has just read it may
        not, so there a sequence that went back is a controller that restarted without counting its start.
        """
        known, self._last = self._last, (words.boot, words.trigger_sequence)
        if known is not None:
            restarted = known[0] != words.boot or (not was_off and _went_back(known[1], words.trigger_sequence))
            before = 0 if restarted else known[1]
            if words.trigger_sequence not in (0, before):
                first = before % 65535 + 1
                lost = self._declare_missed(
                    words.boot, first, words.trigger_sequence, Reason.NOT_READY, "not connected"
                )
                self.summary.missed_before += lost
        self._controller.clear(self._signals.words())

    def _turn(self) -> None:
        """Read the controller once and do what it asks for."""
        # A trigger seen now came after the read before was *asked for*: the controller may have answered it late.
        read_before, self._polled_at = self._polled_at, time.monotonic()
        words = self._controller.read()
        now = time.monotonic()
        self._signals.listen(words, self._controller)
        self._take_acknowledge(words, now)
        if Command.CLEAR_FAULT in words.command:
            self._signals.acknowledged(True)
        assert self._last is not None
        boot, sequence = self._last
        is_new = words.trigger_sequence not in (0, sequence)
        self._signals.beat(self._controller, check_engine=not is_new)
        if words.boot != boot or (is_new and _went_back(sequence, words.trigger_sequence)):
            logger.warning("%s was restarted (boot %d, now %d)", self._controller, boot, words.boot)
            self._stop_waiting(acknowledged=False)
            self._resynchronise(words)
        elif is_new:
            self._take_trigger(words, now, read_before)

    def _take_trigger(self, words: ControllerWords, now: float, read_before: float) -> None:
        assert self._last is not None
        passed = sequences_between(self._last[1], words.trigger_sequence)
        was_busy = self._waiting is not None
        self._stop_waiting(acknowledged=False)
        self._signals.is_overrun = bool(passed) or was_busy
        self.summary.triggers += len(passed) + 1
        if passed:
            self._count_missed(
                self._declare_missed(words.boot, passed[0], passed[-1], Reason.OVERRUN, "the next part came too soon")
            )
        self._last = (words.boot, words.trigger_sequence)
        window_ms = words.window_ms or _DEFAULT_WINDOW_MS
        trigger = Trigger(
            words.boot, words.trigger_sequence, window_ms, now, read_before + window_ms / 1000, words.part_id, words.lot
        )
        if Command.ENABLE not in words.command:
            sequence = trigger.sequence
            self._count_missed(
                self._declare_missed(words.boot, sequence, sequence, Reason.NOT_READY, "not enabled by the controller")
            )
            return
        self._signals.is_busy = True
        try:
            inspection, frame = self._judge(trigger, was_busy=was_busy)
        except BaseException as error:  # a lost controller or a bug: the part is on record all the same
            detail = f"{type(error).__name__} while the part was judged: {error}"
            sequence = trigger.sequence
            self._count_missed(self._declare_missed(trigger.boot, sequence, sequence, Reason.NOT_READY, detail))
            raise
        self._answer(trigger, inspection, frame)

    def _judge(self, trigger: Trigger, *, was_busy: bool) -> tuple[Inspection, Frame | None]:
        """Return the verdict on the part of a trigger; every way out but the last is not good."""
        if obstacle := self._signals.why_not_ready():
            return _undecidable(Reason.NOT_READY, obstacle), None
        age_s = time.monotonic() - (trigger.deadline - trigger.window_ms / 1000)
        if was_busy or age_s > self._facts.trigger_age_s:
            self._signals.is_overrun = True
            detail = f"seen up to {1000 * age_s:.0f} ms after the trigger; the part has moved on"
            return _undecidable(Reason.OVERRUN, detail), None
        spare_s = self._facts.engine_p99_s + self._controller.poll_period_s + _CAMERA_RESERVE_S
        timeout_s = max(_SHORTEST_WAIT_S, trigger.deadline - time.monotonic() - spare_s)
        try:
            frame = self._camera.grab(timeout_s, self._keep_beating)
        except CameraError as error:
            return _undecidable(Reason.NO_WHOLE_PICTURE, str(error)), None
        inspection = self._inspector.inspect(frame.image)
        failed = inspection.decision.reason is Reason.ENGINE_FAILED
        if failed or inspection.prediction is not None:  # an unusable picture says nothing about the engine
            self._signals.engine_answered(failed=failed)
        late_s = time.monotonic() - trigger.deadline
        if inspection.decision.verdict is Verdict.GOOD and late_s > 0:
            detail = f"judged {1000 * late_s:.0f} ms after the window of {trigger.window_ms} ms"
            return replace(_undecidable(Reason.TOO_LATE, detail), prediction=inspection.prediction), frame
        return inspection, frame

    def _answer(self, trigger: Trigger, inspection: Inspection, frame: Frame | None) -> None:
        """Send the result once; its record waits for the acknowledge."""
        record = self._record(trigger, inspection, frame)
        self.summary.results += 1
        truth = (frame.true_class if frame else None) or "?"
        self.summary.lanes[truth, inspection.decision.verdict.name, inspection.lane] += 1
        try:
            if not self._facts.shadow:
                result = Result(trigger, inspection.decision, inspection.class_number, inspection.lane)
                self._controller.send(result, self._signals.words())
                record = replace(record, sent=True)
        finally:  # a result that could not be sent is on record as such
            latency_ms = (time.monotonic() - trigger.seen_at) * 1000
            record = replace(record, latency_ms=latency_ms)
            if record.sent:
                self.summary.latencies_ms.append(latency_ms)
                self._waiting = (record, trigger.seen_at + trigger.window_ms / 1000 + _TWO_SCANS_S)
            else:
                self._signals.is_busy = False
                if not self._facts.shadow:  # the controller may still execute a write that it did not answer
                    record = replace(record, detail=f"{record.detail} not confirmed by the controller".strip())
                self._store.add(record)

    def _take_acknowledge(self, words: ControllerWords, now: float) -> None:
        if self._waiting is None:
            return
        record, until = self._waiting
        if words.acknowledged == record.sequence and words.boot == record.boot:
            self._stop_waiting(acknowledged=True)
        elif now > until:
            logger.error("%s: result %d was not acknowledged", self._controller, record.sequence)
            self._stop_waiting(acknowledged=False)

    def _stop_waiting(self, *, acknowledged: bool) -> None:
        self._signals.is_busy = False
        if self._waiting is not None:
            self._store.add(replace(self._waiting[0], acknowledged=acknowledged))
            self._signals.acknowledged(acknowledged)
            self._waiting = None

    def _keep_beating(self) -> None:
        self._signals.beat(self._controller, check_engine=False)

    def _finish(self, until: float) -> None:
        """Take no further part, keep the heartbeat while parts are on their way, then go offline."""
        try:
            while self._is_open and (self._waiting is not None or time.monotonic() < until):
                words = self._controller.read()
                self._signals.listen(words, self._controller)
                self._take_acknowledge(words, time.monotonic())
                self._signals.is_busy = True
                self._signals.beat(self._controller)
                time.sleep(self._controller.poll_period_s)
            if self._is_open:
                self._declare_rest(self._controller.read())
                self._controller.write_state(self._signals.words(online=False))
        except ControllerError as error:
            logger.warning("%s", error)

    def _declare_rest(self, words: ControllerWords) -> None:
        """Put on record what was triggered after the last part was taken."""
        assert self._last is not None
        boot, sequence = self._last
        if words.boot != boot or _went_back(sequence, words.trigger_sequence):
            return
        if words.trigger_sequence not in (0, sequence):
            rest = [*sequences_between(sequence, words.trigger_sequence), words.trigger_sequence]
            self._last = (boot, words.trigger_sequence)
            self.summary.triggers += len(rest)
            self._count_missed(
                self._declare_missed(boot, rest[0], rest[-1], Reason.NOT_READY, "the station was stopping")
            )

    def _lose_controller(self, error: ControllerError) -> None:
        if not self._is_told:
            logger.error("%s", error)
        self._is_told = True
        self._stop_waiting(acknowledged=False)
        self._signals.is_heard = False
        self._close_controller()

    def _close_controller(self) -> None:
        if self._is_open:
            self._is_open = False
            self._controller.__exit__(None, None, None)

    def _declare_missed(self, boot: int, first: int, last: int, reason: Reason, detail: str) -> int:
        """Put a range of triggers without a result on record, and return how many they are."""
        now = time.monotonic()
        record = self._record(Trigger(boot, last, 0, now, now), _undecidable(reason, detail), None)
        self._store.add(replace(record, missed=True, first_sequence=first))
        return len(sequences_between(first, last)) + (2 if first != last else 1)

    def _count_missed(self, missed: int) -> None:
        self._signals.is_busy = False
        self.summary.misses += missed

    def _record(self, trigger: Trigger, inspection: Inspection, frame: Frame | None) -> Record:
        prediction, recipe = inspection.prediction, self._inspector.recipe
        score = prediction.defect_score if prediction else None
        return Record(
            station=self._facts.name,
            boot=trigger.boot,
            sequence=trigger.sequence,
            first_sequence=trigger.sequence,
            at=datetime.now(UTC) - timedelta(seconds=time.monotonic() - trigger.seen_at),
            verdict=inspection.decision.verdict,
            reason=inspection.decision.reason,
            detail=inspection.decision.detail,
            sent=False,
            missed=False,
            recipe=recipe.name,
            bundle_id=self._facts.bundle_id,
            lane=inspection.lane,
            class_number=inspection.class_number,
            defect_score=score if score is not None and score == score else None,
            defect_class=prediction.defect_class if prediction else None,
            true_class=frame.true_class if frame else None,
            source=frame.source if frame else None,
            part_id=trigger.part_id,
            lot=trigger.lot,
            image=frame.image if frame else None,
        )


def _went_back(before: int, after: int) -> bool:
    """Tell whether a sequence is behind another: a controller that restarted without changing its boot number."""
    return (after - before) % LAST_SEQUENCE > LAST_SEQUENCE // 2


def _undecidable(reason: Reason, detail: str) -> Inspection:
    return Inspection(Decision(Verdict.RECHECK, reason, detail), None, 0, 0)
