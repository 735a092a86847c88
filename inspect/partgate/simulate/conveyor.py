"""A belt that carries parts past the camera sensor to the gate, in scans of the controller.

It stands on the gate's side of the wire and sees what no station sees: which lane each physical part really took.
Belt and controller move in one step, so that both stand still together when the process is frozen.
"""

from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

from partgate.simulate.gate import Gate
from partgate.simulate.gate_values import TakenResult
from partgate.simulate.words import Word

SENSOR_GAP_SCANS = 2  # shortest gap between two parts that a sensor read once a scan surely sees
OUTCOMES_KEPT = 10_000  # whoever wants all of them takes each as its part leaves


@dataclass(frozen=True, slots=True)
class ConveyorSettings:
    """Times of the belt, milliseconds; each is rounded to whole scans.

    Attributes:
        interval_ms: From one part's front edge at the camera to the next one's. 600 unless set: with the other two
            as they are, at most one part is between camera and gate.
        cover_ms: How long one part covers a sensor.
        travel_ms: From the camera sensor to the gate sensor.
        lockstep: A part enters as soon as the part before it is acknowledged or its window is over, at the earliest
            ``interval_ms`` after it: as fast as the station can.
    """

    interval_ms: int = 600
    cover_ms: int = 60
    travel_ms: int = 520
    lockstep: bool = False


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What became of one physical part."""

    number: int  # counted by the belt, from 1
    boot: int  # PLC_BOOT when it came past the camera; 0 = it never came past
    sequence: int  # TRIG_SEQ that announced it; 0 = none: put down at the gate, or touching the part before it
    lane: int  # 0 = reject
    accepted: bool  # the gate was open at any time while the part covered its sensor
    result: TakenResult | None = None  # that the gate acted on when this part was at it
    truth: str | None = None  # what the part really is, where the feeder knows it


@dataclass(slots=True)
class _BeltPart:
    number: int
    age: int  # scans since its front edge came to the camera sensor
    boot: int = 0
    truth: str | None = None
    sequence: int = 0
    lane: int = 0
    accepted: bool = False
    result: TakenResult | None = None

    def to_outcome(self) -> PartOutcome:
        return PartOutcome(
            self.number, self.boot, self.sequence, self.lane, self.accepted, self.result, self.truth
        )  # fmt: skip


@dataclass(slots=True)
class _Arrivals:
    """Parts still to come, one like the other."""

    left: int
    gap: int  # scans to keep behind the part before
    waits: bool  # in lockstep: for the answer to the part before
    truth: str | None


class Conveyor:
    """Feeds parts only when told, and tells of every part that leaves the belt's end which lane it took.

    Not thread-safe: whoever scans it also guards it.

    Attributes:
        gate: The controller; replaced by a new one when it restarts, while the parts stay where they are.
        on_left: Called with each part that has left, within the scan.
        entered: Number of the last part that was put on the belt.
        left: Number of parts that have left.
    """

    def __init__(self, gate: Gate, settings: ConveyorSettings | None = None) -> None:
        self.gate = gate
        self.settings = settings or ConveyorSettings()
        self.on_left: Callable[[PartOutcome], None] | None = None
        self.entered = 0
        self.left = 0
        self._outcomes: deque[PartOutcome] = deque(maxlen=OUTCOMES_KEPT)
        self._taken_away: deque[int] = deque(maxlen=OUTCOMES_KEPT)
        self._cover = self._to_scans(self.settings.cover_ms)
        self._travel = self._to_scans(self.settings.travel_ms)
        self._interval = self._to_scans(self.settings.interval_ms)
        if self._cover < 2:
            raise ValueError(f"cover_ms must be at least two scans of {gate.settings.scan_ms} ms, got {self.settings}")
        if self._interval < self._cover + SENSOR_GAP_SCANS:
            raise ValueError(f"interval_ms must be at least two scans longer than cover_ms, got {self.settings}")
        self._belt: list[_BeltPart] = []
        self._arrivals: deque[_Arrivals] = deque()
        self._endless = False
        self._since_last_entry = self._interval  # scans; the first part enters at once
        self._gate_free = SENSOR_GAP_SCANS  # scans since the last part left the gate sensor
        self._waiting_strays = 0
        self._ghost_scans = 0  # until the gate no longer waits for a part that was taken away
        self._marked: set[int] = set()  # parts to take away once they have passed the camera

    def _to_scans(self, time_ms: int) -> int:
        return round(time_ms / self.gate.settings.scan_ms)

    @property
    def outcomes(self) -> list[PartOutcome]:
        """Return the last parts that have left, at most 10 000, in the order of leaving."""
        return list(self._outcomes)

    @property
    def taken_away(self) -> list[int]:
        """Return the numbers of the last parts that somebody took off the belt, at most 10 000."""
        return list(self._taken_away)

    @property
    def is_empty(self) -> bool:
        """Return whether no part is on the belt or still to come."""
        return not (self._belt or self._arrivals or self._waiting_strays or self._endless)

    def feed(
        self,
        parts: int = 1,
        *,
        touching: int = 1,
        gap_ms: int | None = None,
        truth: str | None = None,
        at_once: bool = False,
    ) -> None:
        """Let parts come to the camera, behind those that are already waiting to come.

        Args:
            parts: Number of arrivals.
            touching: Parts in contact in each arrival; they make one long sensor edge.
            gap_ms: Time behind the part before, front edge to front edge; ``interval_ms`` where left out.
            truth: What these parts really are, for their outcome.
            at_once: Before those that are already waiting.
        """
        gap = self._interval if gap_ms is None else self._to_scans(gap_ms)
        if parts < 1 or touching < 1:
            raise ValueError(f"parts and touching must be at least 1, got {parts} and {touching}")
        if gap < self._cover + SENSOR_GAP_SCANS:
            raise ValueError(f"gap_ms must be at least two scans longer than cover_ms, got {gap_ms}; or use touching")
        first = _Arrivals(1 if touching > 1 else parts, gap, gap_ms is None, truth)
        further = _Arrivals(touching - 1, self._cover, False, truth)
        arrivals = [first] if touching == 1 else [copy(group) for _ in range(parts) for group in (first, further)]
        if at_once:
            self._arrivals.extendleft(reversed(arrivals))
        else:
            self._arrivals.extend(arrivals)

    def feed_endlessly(self) -> None:
        """Let a part come every ``interval_ms`` until ``stop_feeding``."""
        self._endless = True

    def stop_feeding(self) -> None:
        """Let no further part come; those on the belt travel on."""
        self._endless = False
        self._arrivals.clear()

    def put_at_gate(self) -> None:
        """Put a part down at the gate that never passed the camera, as soon as there is room for a sensor edge."""
        self._waiting_strays += 1

    def take_away(self, number: int | None = None) -> None:
        """Take a part off the belt between camera and gate, at the earliest when it has passed the camera.

        Args:
            number: Which part; it may still have to come. The last one before the gate where left out.

        Raises:
            ValueError: If the part has reached the gate already, or no part is before it.
        """
        travelling = [part.number for part in self._belt if part.age < self._travel]
        number = max(travelling, default=0) if number is None else number
        if number < 1 or (number <= self.entered and number not in travelling):
            raise ValueError(f"part {number} must be before the gate to be taken away; before it: {travelling}")
        self._marked.add(number)

    def scan(self) -> None:
        """Move everything on by one scan and run the gate's scan in it."""
        self._put_arrivals()
        self._put_strays()
        at_camera = [part for part in self._belt if 0 <= part.age < self._cover]
        at_gate = [part for part in self._belt if self._travel <= part.age < self._travel + self._cover]
        announced = self.gate.memory[Word.TRIG_SEQ]
        reaches_gate = bool(at_gate) and not self.gate.part_at_gate
        self.gate.part_at_camera = bool(at_camera)
        self.gate.part_at_gate = bool(at_gate)
        self.gate.scan()
        if self.gate.memory[Word.TRIG_SEQ] != announced and at_camera:
            at_camera[0].boot = self.gate.memory[Word.PLC_BOOT]
            at_camera[0].sequence = self.gate.memory[Word.TRIG_SEQ]
        self._gate_free = 0 if at_gate else self._gate_free + 1
        judged = self.gate.judged
        for part in at_gate:
            opens = self.gate.accept and not part.accepted
            if opens:
                part.accepted = True
                part.lane = self.gate.memory[Word.LANE_OUT]
            if judged is not None and (opens or reaches_gate):
                part.result = judged.result
        self._move()

    def _put_arrivals(self) -> None:
        self._since_last_entry += 1
        if self._endless and not self._arrivals:
            self._arrivals.append(_Arrivals(1, self._interval, True, None))
        if not self._arrivals:
            return
        coming = self._arrivals[0]
        if self._since_last_entry < coming.gap or (coming.waits and not self._may_enter()):
            return
        coming.left -= 1
        if coming.left == 0:
            self._arrivals.popleft()
        self._put_part(age=0, truth=coming.truth)
        self._since_last_entry = 0

    def _may_enter(self) -> bool:
        """Say whether the part before has its answer, or none in time; a stray is let onto the belt first."""
        if not self.settings.lockstep:
            return True
        memory = self.gate.memory
        window = memory[Word.WINDOW_MS] // self.gate.settings.scan_ms
        answered = memory[Word.ACK_SEQ] == memory[Word.TRIG_SEQ]
        return self._waiting_strays == 0 and (answered or self._since_last_entry > window + 1)

    def _put_strays(self) -> None:
        if self._waiting_strays and self._has_room_at_gate():
            self._waiting_strays -= 1
            self._put_part(age=self._travel)
        self._ghost_scans = max(0, self._ghost_scans - 1)

    def _put_part(self, age: int, truth: str | None = None) -> None:
        self.entered += 1
        boot = self.gate.memory[Word.PLC_BOOT] if age == 0 else 0
        self._belt.append(_BeltPart(self.entered, age, boot, truth))

    def _has_room_at_gate(self) -> bool:
        """Say whether one more part fits at the gate, where no sensor could take it for another one.

        Parts cannot lie in one another, and a stray in the very place of a part that was taken away is that part.
        """
        sooner = self._travel - self.gate.settings.travel_min_scans
        clearance = max(self._cover + SENSOR_GAP_SCANS, sooner + 1)
        has_gap = self._gate_free >= SENSOR_GAP_SCANS and self._ghost_scans == 0
        return has_gap and all(self._travel - part.age >= clearance for part in self._belt)

    def _move(self) -> None:
        staying = []
        for part in self._belt:
            part.age += 1
            if part.number in self._marked and self._cover <= part.age <= self._travel:
                self._marked.remove(part.number)
                self._taken_away.append(part.number)
                self._ghost_scans = self.gate.settings.travel_max_scans - part.age + SENSOR_GAP_SCANS
            elif part.age >= self._travel + self._cover:
                self._leave(part.to_outcome())
            else:
                staying.append(part)
        self._belt = staying

    def _leave(self, outcome: PartOutcome) -> None:
        self.left += 1
        self._outcomes.append(outcome)
        if self.on_left is not None:
            self.on_left(outcome)
