"""What can be set on a simulated controller, checked as a whole."""

import time
from dataclasses import dataclass, field
from typing import Literal, get_args

from partgate.errors import ConfigError
from partgate.simulate.conveyor import SENSOR_GAP_SCANS, ConveyorSettings
from partgate.simulate.gate_values import GateSettings
from partgate.simulate.words import BLOCK_WORDS, LOT_WORDS, PART_ID_WORDS, pack_text

SOONER_SCANS = 5  # a part may come to the gate this much before the measured travel time
LATER_SCANS = 8  # and this much after it
SEQUENCE_DIGITS = 5  # of 65535, behind the prefix of a part id
WATCHDOG_MS = 300

Transport = Literal["modbus", "opcua", "s7", "tcp"]
Role = Literal["server", "client"]


def boot_from_clock() -> int:
    """Return a boot number 1..65535 that differs between starts: tenths of a second, as no memory is retained."""
    return int(time.time() * 10) % 65535 + 1


def fit_gate(belt: ConveyorSettings, window_ms: int = 200, scan_ms: int = 10) -> GateSettings:
    """Return the gate's limits for a belt: a little around its travel time, one and a half parts as the longest cover.

    Source:
        Own: the measured travel time less 5 and plus 8 scans, as in the sample program ``gate.st``; a list that holds
        every part that the belt can have on the way.

    Example:
        >>> gate = fit_gate(ConveyorSettings(cover_ms=60, travel_ms=520))
        >>> gate.travel_min_scans, gate.travel_max_scans, gate.part_max_scans, gate.list_size
        (47, 60, 9, 8)
    """
    travel, cover = round(belt.travel_ms / scan_ms), round(belt.cover_ms / scan_ms)
    longest = travel + LATER_SCANS
    on_way = longest // max(1, round(belt.interval_ms / scan_ms)) + 2  # and one that touches or comes too close
    return GateSettings(
        scan_ms=scan_ms,
        watchdog_scans=WATCHDOG_MS // scan_ms,
        travel_min_scans=travel - SOONER_SCANS,
        travel_max_scans=longest,
        part_max_scans=cover * 3 // 2,
        list_size=max(GateSettings().list_size, on_way),
        window_ms=window_ms,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlcSettings:
    """Everything about one simulated controller.

    Attributes:
        transport: What carries the words.
        role: With ``tcp``: ``server`` listens for a station of role client, ``client`` connects to one of role server.
        host: Address to listen on, this machine alone unless set; as client the station's.
        port: TCP port; 0 takes a free one to listen on.
        base_address: With ``modbus``: register of offset 0, zero-based.
        boot: ``PLC_BOOT`` of the first start; from the clock where left out.
        conveyor: Times of the belt.
        window_ms: Time allowed from trigger to result, milliseconds.
        scan_ms: Time of one scan, milliseconds.
        gate: Limits of the gate; fitted to belt, window and scan where left out.
        recipe: Number wanted.
        lot: ASCII, at most 16 characters.
        part_id_prefix: Each part's id is this and its ``TRIG_SEQ``; at most 27 characters; no ids where empty.

    Raises:
        ConfigError: If a value is out of range or the belt is too fast for the gate; every problem at once.
    """

    transport: Transport = "modbus"
    role: Role = "server"
    host: str = "127.0.0.1"
    port: int = 0
    base_address: int = 0
    boot: int | None = None
    conveyor: ConveyorSettings = field(default_factory=ConveyorSettings)
    window_ms: int = 200
    scan_ms: int = 10
    gate: GateSettings | None = None
    recipe: int = 0
    lot: str = ""
    part_id_prefix: str = ""

    def __post_init__(self) -> None:
        problems = [*self._line_problems(), *self._range_problems(), *self._text_problems()]
        if 1 <= self.scan_ms <= 100:
            problems += self._belt_problems()
        if problems:
            raise ConfigError([f"simulated controller: {problem}" for problem in problems])

    @property
    def gate_settings(self) -> GateSettings:
        """Return the gate's limits as given, else as fitted to the belt."""
        return self.gate or fit_gate(self.conveyor, self.window_ms, self.scan_ms)

    def _line_problems(self) -> list[str]:
        choices = (("transport", self.transport, get_args(Transport)), ("role", self.role, get_args(Role)))
        problems = [
            f"{name} must be one of {', '.join(sorted(known))}; got {value!r}"
            for name, value, known in choices
            if value not in known
        ]
        if self.role == "client" and self.transport != "tcp":
            problems.append(f"role client is for transport tcp; with {self.transport} the controller is the server")
        if self.role == "client" and self.port == 0:
            problems.append("role client needs the port that the station listens on, got 0")
        if self.base_address and self.transport != "modbus":
            problems.append(f"base_address is for transport modbus; got {self.base_address} with {self.transport}")
        return problems

    def _range_problems(self) -> list[str]:
        highest_base = 65536 - BLOCK_WORDS
        ranges = (
            ("port", self.port, 0, 65535),
            ("base_address", self.base_address, 0, highest_base),
            ("boot", 1 if self.boot is None else self.boot, 1, 65535),
            ("recipe", self.recipe, 0, 65535),
            ("window_ms", self.window_ms, 1, 65535),
            ("scan_ms", self.scan_ms, 1, 100),
        )
        return [
            f"{name} must be {low} to {high}, got {value}"
            for name, value, low, high in ranges
            if not low <= value <= high
        ]

    def _text_problems(self) -> list[str]:
        problems = []
        longest_prefix = 2 * len(PART_ID_WORDS) - SEQUENCE_DIGITS
        if not self.part_id_prefix.isascii() or len(self.part_id_prefix) > longest_prefix:
            problems.append(
                f"part_id_prefix must be ASCII of at most {longest_prefix} characters, got {self.part_id_prefix!r}"
            )
        try:
            pack_text(self.lot, len(LOT_WORDS))
        except ValueError as error:
            problems.append(f"lot: {error}")
        return problems

    def _belt_problems(self) -> list[str]:
        belt, gate = self.conveyor, self.gate_settings
        scan_ms = gate.scan_ms
        travel, cover = round(belt.travel_ms / scan_ms), round(belt.cover_ms / scan_ms)
        sooner, later = travel - gate.travel_min_scans, gate.travel_max_scans - travel
        problems = []
        if cover < SENSOR_GAP_SCANS:
            problems.append(f"cover_ms must be at least {SENSOR_GAP_SCANS * scan_ms}, got {belt.cover_ms}")
        if sooner < 0 or later < 0:
            problems.append(
                f"travel_ms must lie between the gate's limits {gate.travel_min_scans * scan_ms} and "
                f"{gate.travel_max_scans * scan_ms}, got {belt.travel_ms}"
            )
        shortest = scan_ms * max(cover + SENSOR_GAP_SCANS, sooner + 1, later + 1)
        if belt.interval_ms < shortest:
            problems.append(
                f"interval_ms must be at least {shortest}, or a neighbour's verdict could be taken; "
                f"got {belt.interval_ms}"
            )
        if not cover < gate.part_max_scans < 2 * cover:
            problems.append(
                f"part_max_scans must lie between one part's cover and two ({cover} and {2 * cover} scans), "
                f"or parts that touch are not seen; got {gate.part_max_scans}"
            )
        longest_window = (gate.travel_min_scans - 2) * scan_ms
        if gate.window_ms >= longest_window:
            problems.append(
                f"window_ms must be shorter than {longest_window}, the travel time less two scans; got {gate.window_ms}"
            )
        return problems
