"""Values that travel between the steps of an inspection: frozen, small, without work in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""RGB picture, shape (height, width, 3), values 0-255."""


class Verdict(IntEnum):
    """What happens to the part; the numbers are those on the wire (OPC 40001-101 result evaluation)."""

    GOOD = 1
    REJECT = 2
    RECHECK = 3


class Reason(IntEnum):
    """Why a verdict is what it is; the numbers are those on the wire."""

    MODEL = 0
    RECHECK_BAND = 1
    UNKNOWN_PATTERN = 2
    PICTURE_NOT_USABLE = 3
    NO_WHOLE_PICTURE = 4
    OVERRUN = 5
    TOO_LATE = 6
    GOLDEN_SAMPLE = 7
    ENGINE_FAILED = 8
    LOCKED = 9
    NOT_READY = 10


class StationState(IntEnum):
    """What a station is doing, with the names of OPC 40100-1; the numbers are bits 10 to 12 of the state word."""

    PREOPERATIONAL = 0  # not running, or going offline
    HALTED = 1  # stopped by a person or a rule; takes no part until it is released
    ERROR = 2  # a fault is in force that keeps it from taking parts
    INITIALIZED = 3  # running, but the controller does not ask for parts
    READY = 4  # takes the next trigger
    SINGLE_EXECUTION = 5  # judges a part, or waits for its acknowledge
    CONTINUOUS_EXECUTION = 6  # judges without a trigger for each part


class Fault(IntEnum):
    """What is wrong with the station; the numbers are those on the wire."""

    NONE = 0
    CAMERA = 1
    ENGINE = 2
    RECIPE = 3
    CONTROLLER_LOST = 4
    NO_ACKNOWLEDGE = 5
    RECORDS = 6
    GOLDEN_SAMPLE = 7
    SERIES = 8
    SECOND_STATION = 9


@dataclass(frozen=True, slots=True)
class Trigger:
    """One part at the camera, as the controller announced it."""

    boot: int  # PLC_BOOT the sequence belongs to
    sequence: int  # 1..65535
    window_ms: int  # time allowed from trigger to result
    seen_at: float  # monotonic seconds
    deadline: float  # monotonic seconds; counted from the read before the one that saw it, so it is never too late
    part_id: str | None = None  # from the controller, where it gives one
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one part."""

    image: Image
    captured_at: datetime  # UTC, middle of the exposure where the camera tells it, else when it came
    camera: str
    source: str | None = None  # file the picture was played from
    true_class: str | None = None  # known only where a labelled folder is played
    block_id: int | None = None  # the camera's own number of the picture; a gap is a picture that was lost
    settings: Mapping[str, float | str] = field(default_factory=dict)  # as read back: exposure_us, gain_db, ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one picture."""

    defect_score: float  # 0 = surely good, 1 = surely defect; NaN where the model gave no number
    probabilities: Mapping[str, float]  # per class, summing to 1
    predicted_class: str  # most likely of all classes
    defect_class: str | None  # most likely class that is not the good one; None where nothing but good exists
    region: str | None = None  # named region or tile that this is about, the worst of them; None where there is but one


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one part and why."""

    verdict: Verdict
    reason: Reason
    detail: str = ""  # technical addition: the error's text, the limit crossed


@dataclass(frozen=True, slots=True)
class Result:
    """What is sent to the controller about one part."""

    trigger: Trigger
    decision: Decision
    class_number: int = 0  # 0 = none
    lane: int = 0  # 0 = reject lane


@dataclass(frozen=True, slots=True)
class Record:
    """One trigger as it is kept: a result, or a declared miss."""

    station: str
    boot: int
    sequence: int
    at: datetime  # UTC, when the trigger was seen
    verdict: Verdict
    reason: Reason
    detail: str
    sent: bool  # the result was written to the controller
    missed: bool  # no result: the trigger is declared as missed
    first_sequence: int  # of a range of missed triggers; the same as ``sequence`` everywhere else
    recipe: str
    bundle_id: str
    lane: int = 0
    class_number: int = 0
    defect_score: float | None = None
    defect_class: str | None = None
    true_class: str | None = None
    source: str | None = None
    part_id: str | None = None
    lot: str | None = None
    latency_ms: float | None = None  # trigger seen -> result written
    acknowledged: bool = False
    recipe_sha256: str | None = None  # of the recipe's file
    result_at: datetime | None = None  # UTC, when the result was written
    grab_ms: float | None = None  # trigger seen -> picture in hand
    judge_ms: float | None = None  # picture in hand -> verdict
    write_ms: float | None = None  # verdict -> result written
    camera: str | None = None  # that took the picture the verdict rests on
    captured_at: datetime | None = None  # UTC, of that picture
    block_id: int | None = None  # the camera's number of it
    camera_settings: str | None = None  # canonical JSON
    image: Image | None = field(default=None, compare=False)
    more_frames: tuple[Frame, ...] = field(default=(), compare=False)  # of further cameras


@dataclass(frozen=True, slots=True)
class StationStatus:
    """What a station says of itself to whoever looks on: never a sort signal."""

    station: str
    at: datetime  # UTC
    state: StationState
    fault: Fault
    trigger_ready: bool
    is_shadow: bool
    recipe: str
    recipe_number: int
    warnings: tuple[str, ...] = ()
    problem: str | None = None  # why no part is taken, in words
    triggers: int = 0  # since the station was started
    results: int = 0
    misses: int = 0
