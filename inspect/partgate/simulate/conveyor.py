"""A belt that carries parts past the camera sensor to the gate, in scans of the controller.

It stands on the gate's side of the wire and sees what no station sees: which lane each physical part really took.
Belt and controller move in one step, so that both stand still together when the process is frozen.
"""

from collections import deque
from dataclasses import dataclass

from partgate.simulate.gate import Gate
from partgate.simulate.words import Word

SENSOR_GAP_SCANS = 2  # shortest gap between two parts that a sensor read once a scan surely sees


@dataclass(frozen=True, slots=True)
class ConveyorSettings:
    """Times of the belt, milliseconds; each is rounded to whole scans.

    Attributes:
        interval_ms: From one part's front edge at the camera to the next one's. 600 unless set: with the other two
            as they are, at most one part is between camera and gate.
        cover_ms: How long one part covers a sensor.
        travel_ms: From the camera sensor to the gate sensor.
    """

    interval_ms: int = 600
    cover_ms: int = 60
    travel_ms: int = 520


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What became of one physical part."""

    number: int  # counted by the belt, from 1
    boot: int  # PLC_BOOT when it came past the camera; 0 = it never came past
    sequence: int  # TRIG_SEQ that announced it; 0 = none: put down at the gate, or touching the part before it
    lane: int  # 0 = reject
    accepted: bool  # the gate was open at any time while the part covered its sensor


@dataclass(slots=True)
class _BeltPart:
    number: int
    age: int  # scans since its front edge came to the camera sensor
    boot: int = 0
    sequence: int = 0
    lane: int = 0
    accepted: bool = False


class Conveyor:
    """Feeds parts only when told; every part that leaves the belt's end is in ``outcomes`` with the lane it took.

    Not thread-safe: whoever scans it also guards it.

    Attributes:
        gate: The controller; replaced by a new one when it restarts, while the parts stay where they are.
        outcomes: One entry for each part that has left, in the order of leaving.
        taken_away: Numbers of the parts that somebody took off the belt.
        entered: Number of the last part that was put on the belt.
    """

    def __init__(self, gate: Gate, settings: ConveyorSettings | None = None) -> None:
        self.gate = gate
        self.settings = settings or ConveyorSettings()
        self.outcomes: list[PartOutcome] = []
        self.taken_away: list[int] = []
        self.entered = 0
        self._cover = self._to_scans(self.settings.cover_ms)
        self._travel = self._to_scans(self.settings.travel_ms)
        self._interval = self._to_scans(self.settings.interval_ms)
        if self._cover < 2:
            raise ValueError(f"cover_ms must be at least two scans of {gate.settings.scan_ms} ms, got {self.settings}")
        if self._interval < self._cover + SENSOR_GAP_SCANS:
            raise ValueError(f"interval_ms must be at least two scans longer than cover_ms, got {self.settings}")
        self._belt: list[_BeltPart] = []
        self._arrivals: deque[int] = deque()  # scans to keep behind the part before
        self._endless = False
        self._since_last_entry = self._interval  # scans; the first part enters at once
        self._gate_free = SENSOR_GAP_SCANS  # scans since the last part left the gate sensor
        self._waiting_strays = 0
        self._marked: set[int] = set()  # parts to take away once they have passed the camera

    def _to_scans(self, time_ms: int) -> int:
        return round(time_ms / self.gate.settings.scan_ms)

    @property
    def is_empty(self) -> bool:
        """Return whether no part is on the belt or still to come."""
        return not (self._belt or self._arrivals or self._waiting_strays or self._endless)

    def feed(self, parts: int = 1, *, touching: int = 1, gap_ms: int | None = None) -> None:
        """Let parts come to the camera, behind those that are already waiting to come.

        Args:
            parts: Number of arrivals.
            touching: Parts in contact in each arrival; they make one long sensor edge.
            gap_ms: Time behind the part before, front edge to front edge; ``interval_ms`` where left out.
        """
        gap = self._interval if gap_ms is None else self._to_scans(gap_ms)
        if parts < 1 or touching < 1:
            raise ValueError(f"parts and touching must be at least 1, got {parts} and {touching}")
        if gap < self._cover + SENSOR_GAP_SCANS:
            raise ValueError(f"gap_ms must be at least two scans longer than cover_ms, got {gap_ms}; or use touching")
        for _ in range(parts):
            self._arrivals.append(gap)
            self._arrivals.extend([self._cover] * (touching - 1))

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
        self.gate.part_at_camera = bool(at_camera)
        self.gate.part_at_gate = bool(at_gate)
        self.gate.scan()
        if self.gate.memory[Word.TRIG_SEQ] != announced and at_camera:
            at_camera[0].boot = self.gate.memory[Word.PLC_BOOT]
            at_camera[0].sequence = self.gate.memory[Word.TRIG_SEQ]
        self._gate_free = 0 if at_gate else self._gate_free + 1
        for part in at_gate:
            if self.gate.accept and not part.accepted:
                part.accepted = True
                part.lane = self.gate.memory[Word.LANE_OUT]
        self._move()

    def _put_arrivals(self) -> None:
        self._since_last_entry += 1
        if self._endless and not self._arrivals:
            self._arrivals.append(self._interval)
        if self._arrivals and self._since_last_entry >= self._arrivals[0]:
            self._arrivals.popleft()
            self._put_part(age=0)
            self._since_last_entry = 0

    def _put_strays(self) -> None:
        if self._waiting_strays and self._has_room_at_gate():
            self._waiting_strays -= 1
            self._put_part(age=self._travel)

    def _put_part(self, age: int) -> None:
        self.entered += 1
        boot = self.gate.memory[Word.PLC_BOOT] if age == 0 else 0
        self._belt.append(_BeltPart(self.entered, age, boot))

    def _has_room_at_gate(self) -> bool:
        """Say whether one more part fits at the gate with a gap on both sides: parts cannot lie in one another."""
        clearance = self._cover + SENSOR_GAP_SCANS
        return self._gate_free >= SENSOR_GAP_SCANS and all(self._travel - part.age >= clearance for part in self._belt)

    def _move(self) -> None:
        staying = []
        for part in self._belt:
            part.age += 1
            if part.number in self._marked and self._cover <= part.age <= self._travel:
                self._marked.remove(part.number)
                self.taken_away.append(part.number)
            elif part.age >= self._travel + self._cover:
                self.outcomes.append(PartOutcome(part.number, part.boot, part.sequence, part.lane, part.accepted))
            else:
                staying.append(part)
        self._belt = staying
