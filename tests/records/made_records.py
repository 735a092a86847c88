"""Records of made parts, and a wait for what a store does in its own thread."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from partgate.parts import Reason, Record, Verdict

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PICTURE = np.full((8, 8, 3), 100, np.uint8)


def make_record(sequence: int, **changes: object) -> Record:
    """Return the record of a good part, one second behind the one before."""
    record = Record(
        station="line", boot=1, sequence=sequence, first_sequence=sequence, at=AT + timedelta(seconds=sequence),
        verdict=Verdict.GOOD, reason=Reason.MODEL, detail="", sent=True, missed=False, recipe="cover",
        bundle_id="0" * 64, lane=1, defect_score=0.1, image=PICTURE,
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; a busy machine may take its time."""
    pause = threading.Event()
    for _ in range(4000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("the condition did not come true within 20 s")
