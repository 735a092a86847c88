"""What the gate works with: the times of its line, a part on its list, the result that it took for a part."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Times of one line; the limits count scans, because a controller counts scans.

    Attributes:
        scan_ms: Time of one scan, milliseconds.
        watchdog_scans: The station counts as lost after so many scans without a change of its heartbeat.
        travel_min_scans: Shortest time from camera to gate. Both limits must lie nearer to the measured time than the
            next part does, or a neighbour's verdict is taken.
        travel_max_scans: Longest time from camera to gate; who has not come by then was taken away.
        part_max_scans: A sensor covered longer than this sees parts that touch.
        list_size: Parts that can be between camera and gate.
        window_ms: Time allowed from trigger to result where ``WINDOW_MS`` holds none, milliseconds.
    """

    scan_ms: int = 10
    watchdog_scans: int = 30
    travel_min_scans: int = 47
    travel_max_scans: int = 60
    part_max_scans: int = 20
    list_size: int = 8
    window_ms: int = 200


@dataclass(frozen=True, slots=True)
class TakenResult:
    """The result that was taken as a part's own."""

    sequence: int
    boot: int
    verdict: int
    lane: int
    after_scans: int  # from the part's trigger until it was taken


@dataclass(slots=True)
class ListedPart:
    """One part between camera and gate; not ok until its own GOOD has come."""

    sequence: int = 0
    ok: bool = False
    lane: int = 0
    age: int = 0  # scans since the camera sensor rose
    result: TakenResult | None = None  # looked at by whoever judges the gate, never by the gate
