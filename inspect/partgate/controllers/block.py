"""The words on the wire: what a station writes, what a controller writes, and the check word. One home for all drivers.

Source:
    ``docs/handshake.md``; verdict numbers after OPC 40001-101 (result evaluation).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntFlag

from partgate.parts import Fault, Result, StationState

STATION_WORDS = 11  # offsets 0..10
CONTROLLER_OFFSET = 16
CONTROLLER_WORDS = 40  # offsets 16..55
STATE_OFFSET = 8  # state, fault, recipe: 8..10
LAST_SEQUENCE = 65535
_CHECK_START = 42330
_STATION_STATE_BIT = 10
KNOWN_COMMANDS = 0b111111
_PART_ID, _LOT = slice(16, 32), slice(32, 40)  # from offset 16


class State(IntFlag):
    """Bits 0 to 9 of the state word; bits 10 to 12 hold the number of the ``StationState``."""

    ONLINE = 1 << 0
    TRIGGER_READY = 1 << 1
    BUSY = 1 << 2
    FAULT = 1 << 3
    OVERRUN = 1 << 4
    CAMERA_LOST = 1 << 5
    RECIPE_READY = 1 << 6
    SHADOW = 1 << 7
    LOCKED = 1 << 8
    WARNING = 1 << 9


class Command(IntFlag):
    """Bits of the controller's command word; levels, not edges."""

    ENABLE = 1 << 0
    CLEAR_FAULT = 1 << 1
    CHANGE_RECIPE = 1 << 2
    REJECT_NOT_CONFIRMED = 1 << 3  # the sensor behind the ejector did not see the part
    BIN_FULL = 1 << 4
    AIR_LOW = 1 << 5


@dataclass(frozen=True, slots=True)
class StationWords:
    """What the station says about itself."""

    heartbeat: int
    state: State
    fault: Fault
    recipe: int
    station_state: StationState = StationState.PREOPERATIONAL


@dataclass(frozen=True, slots=True)
class ControllerWords:
    """What the controller says."""

    heartbeat: int
    trigger_sequence: int  # 0 = no part yet
    acknowledged: int
    command: Command
    recipe: int  # 0 = no wish
    window_ms: int  # 0 = not set
    boot: int
    part_id: str | None = None
    lot: str | None = None
    # Monotonic seconds when a controller that writes by itself was last heard before it wrote this trigger: it may have
    # happened any time since. None where the station asks.
    not_before: float | None = field(default=None, compare=False)


def check_word(sequence: int, verdict: int, class_number: int, lane: int, boot: int, reason: int) -> int:
    """Return the check word of a result.

    Example:
        >>> check_word(4711, 2, 7, 0, 3, 2)
        47169
    """
    total = sequence + 3 * verdict + 7 * class_number + 11 * lane + 13 * boot + 17 * reason + _CHECK_START
    return total % 65536


def encode_station_block(result: Result | None, words: StationWords) -> list[int]:
    """Return offsets 0 to 10; without a result its words are 0.

    Raises:
        ValueError: If a GOOD names lane 0 or a REJECT another lane: no such block may reach a controller.
    """
    own = [int(words.state) | int(words.station_state) << _STATION_STATE_BIT, int(words.fault), words.recipe]
    if result is None:
        return [words.heartbeat, 0, 0, 0, 0, 0, 0, check_word(0, 0, 0, 0, 0, 0), *own]
    verdict, reason = result.decision.verdict, result.decision.reason
    if (verdict.name == "GOOD" and result.lane < 1) or (verdict.name == "REJECT" and result.lane != 0):
        raise ValueError(f"a {verdict.name} cannot go to lane {result.lane}")
    core = (result.trigger.sequence, int(verdict), result.class_number, result.lane, result.trigger.boot, int(reason))
    return [words.heartbeat, *core, check_word(*core), *own]


def decode_controller_block(words: Sequence[int]) -> ControllerWords:
    """Return what offsets 16 to 55 say.

    Args:
        words: 40 words, or at least the first 7 where a controller carries no part id.

    Raises:
        ValueError: If there are fewer than 7.
    """
    if len(words) < 7:
        raise ValueError(f"the controller's block has at least 7 words, got {len(words)}")
    heartbeat, trigger, acknowledged, command, recipe, window, boot = words[:7]
    return ControllerWords(
        heartbeat, trigger, acknowledged, Command(command & KNOWN_COMMANDS), recipe, window, boot,
        _text(words[_PART_ID]), _text(words[_LOT]),
    )  # fmt: skip


def _text(words: Sequence[int]) -> str | None:
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    text = raw.split(b"\0", 1)[0].decode("ascii", "replace").strip()
    return text or None


def sequences_between(before: int, after: int) -> list[int]:
    """Return the sequences strictly between two, in order; 65535 is followed by 1.

    Args:
        before: 0..65535; 0 means that none came before.
        after: 1..65535.

    Example:
        >>> sequences_between(65533, 2)
        [65534, 65535, 1]
    """
    distance = (after - before) % LAST_SEQUENCE
    return [(before + step - 1) % LAST_SEQUENCE + 1 for step in range(1, distance)]
