"""Every trigger is put on record once, as a result or as a declared miss, and counted."""

import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from partgate.controllers.block import sequences_between
from partgate.inference.several import undecidable
from partgate.parts import Frame, Reason, Record, Trigger, Verdict
from partgate.records.schema import canonical_json
from partgate.station.account import KeepsRecords, StationFacts, Summary
from partgate.station.series import Alarms
from partgate.station.status import Onlookers
from partgate.station.views import Judged, View


class Books:
    """Keeps the account of one run.

    Args:
        facts: The station's name.
        store: Where records go.
        alarms: Hears of every result and miss.
        onlookers: Are told each record as it is kept.
    """

    def __init__(self, facts: StationFacts, store: KeepsRecords, alarms: Alarms, onlookers: Onlookers) -> None:
        self.summary = Summary()
        self._facts, self._store, self._alarms, self._onlookers = facts, store, alarms, onlookers

    def judged(self, trigger: Trigger, judged: Judged) -> Record:
        """Count a result and return its record, not kept yet: what becomes of it is known later."""
        record = make_record(self._facts.name, trigger, judged)
        decision = judged.inspection.decision
        self._alarms.judged(decision)
        self.summary.results += 1
        truth = (judged.frame.true_class if judged.frame else None) or "?"
        self.summary.lanes[truth, decision.verdict.name, judged.inspection.lane] += 1
        if decision.verdict is Verdict.RECHECK:
            self.summary.rechecks[decision.reason] += 1
            self.summary.last_recheck[decision.reason] = decision.detail
        return record

    def keep(self, record: Record) -> None:
        """Put a record where records go."""
        self._store.add(record)
        self._onlookers.result(record)

    def missed(self, view: View, boot: int, first: int, last: int, reason: Reason, detail: str) -> tuple[Record, int]:
        """Return the record of a range of triggers without a result, not kept yet, and how many they are."""
        now = time.monotonic()
        judged = Judged(undecidable(reason, detail), view)
        record = make_record(self._facts.name, Trigger(boot, last, 0, now, now), judged)
        count = len(sequences_between(first, last)) + (2 if first != last else 1)
        return replace(record, missed=True, first_sequence=first), count

    def missed_now(self, view: View, boot: int, first: int, last: int, reason: Reason, detail: str) -> Record:
        """Return the same for triggers of this run, and count them."""
        record, count = self.missed(view, boot, first, last, reason, detail)
        self.summary.misses += count
        if reason is Reason.OVERRUN:  # other misses are stops that somebody wants
            self._alarms.missed(count, detail)
        return record


def make_record(station: str, trigger: Trigger, judged: Judged) -> Record:
    """Return what is known about a part before its result is sent."""
    inspection, frame, view = judged.inspection, judged.frame, judged.view
    prediction, recipe = inspection.prediction, view.inspector.recipe
    score = prediction.defect_score if prediction else None
    picture_at, judged_at = judged.picture_at, judged.judged_at
    return Record(
        station=station,
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
        bundle_id=view.bundle_id,
        recipe_sha256=view.recipe_sha256 or None,
        lane=inspection.lane,
        class_number=inspection.class_number,
        defect_score=score if score is not None and score == score else None,
        defect_class=prediction.defect_class if prediction else None,
        true_class=frame.true_class if frame else None,
        source=frame.source if frame else None,
        part_id=trigger.part_id,
        lot=trigger.lot,
        grab_ms=None if picture_at is None else 1000 * (picture_at - trigger.seen_at),
        judge_ms=None if picture_at is None or judged_at is None else 1000 * (judged_at - picture_at),
        camera=frame.camera if frame else None,
        captured_at=frame.captured_at if frame else None,
        block_id=frame.block_id if frame else None,
        camera_settings=_settings_of(frame) if frame and frame.settings else None,
        image=frame.image if frame else None,
        more_frames=judged.more_frames,
    )


def _settings_of(frame: Frame) -> str:
    """Return the camera's settings as JSON, which knows no infinity and nothing that is not a number."""
    return canonical_json({
        name: value if isinstance(value, str) or math.isfinite(value) else str(value)
        for name, value in frame.settings.items()
    })  # fmt: skip
