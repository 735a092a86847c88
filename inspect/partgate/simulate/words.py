"""The 64 words between a station and its controller, as the controller sees them: offsets, check, text.

Written from the handshake's page alone and never shared with the station's side: an error in one of the two must
show as a damaged block, not cancel out.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum, IntFlag

BLOCK_WORDS = 64


class Word(IntEnum):
    """Offsets of the 16-bit words from the base address."""

    # written by the station, in one request
    VIS_HB = 0
    RES_SEQ = 1
    VERDICT = 2
    RES_CLASS = 3
    RES_LANE = 4
    RES_BOOT = 5
    REASON = 6
    RES_CHECK = 7
    VIS_STATE = 8
    VIS_FAULT = 9
    RECIPE_ACTIVE = 10
    # written by the controller
    PLC_HB = 16
    TRIG_SEQ = 17
    ACK_SEQ = 18
    CMD = 19
    RECIPE = 20
    WINDOW_MS = 21
    PLC_BOOT = 22
    N_GOOD = 23
    N_REJECT = 24
    N_TIMEOUT = 25
    N_LATE = 26
    N_OVERRUN = 27
    N_DAMAGED = 28
    N_STRAY = 29
    N_MISSING = 30
    LANE_OUT = 31
    PART_ID = 32
    LOT = 48


class State(IntFlag):
    """Bits of ``VIS_STATE`` that a test bench looks at."""

    ONLINE = 1
    TRIGGER_READY = 2


class Command(IntFlag):
    """Bits of ``CMD``; levels, not edges."""

    ENABLE = 1
    CLEAR_FAULT = 2
    CHANGE_RECIPE = 4
    REJECT_NOT_CONFIRMED = 8  # the sensor behind the ejector did not see the part
    BIN_FULL = 16
    AIR_LOW = 32


GOOD = 1  # the one VERDICT that opens a lane other than 0

RESULT_WORDS = range(Word.RES_SEQ, Word.RES_CHECK + 1)
PART_ID_WORDS = range(Word.PART_ID, Word.PART_ID + 16)
LOT_WORDS = range(Word.LOT, Word.LOT + 8)

COUNTERS: Mapping[str, Word] = {
    "good": Word.N_GOOD,
    "reject": Word.N_REJECT,
    "timeout": Word.N_TIMEOUT,
    "late": Word.N_LATE,
    "overrun": Word.N_OVERRUN,
    "damaged": Word.N_DAMAGED,
    "stray": Word.N_STRAY,
    "missing": Word.N_MISSING,
}

STATION_NAMES: Mapping[str, Word] = {
    "VIS_HB": Word.VIS_HB,
    "RES_SEQ": Word.RES_SEQ,
    "VERDICT": Word.VERDICT,
    "CLASS": Word.RES_CLASS,
    "LANE": Word.RES_LANE,
    "RES_BOOT": Word.RES_BOOT,
    "REASON": Word.REASON,
    "CHECK": Word.RES_CHECK,
    "STATE": Word.VIS_STATE,
    "FAULT": Word.VIS_FAULT,
    "RECIPE_ACTIVE": Word.RECIPE_ACTIVE,
}
"""The station's words by their names in the handshake, where a transport carries names."""

CONTROLLER_NAMES: Mapping[str, Word] = {
    word.name: word
    for word in (
        Word.PLC_HB, Word.TRIG_SEQ, Word.ACK_SEQ, Word.CMD, Word.RECIPE, Word.WINDOW_MS, Word.PLC_BOOT,
    )
}  # fmt: skip
"""The controller's words by their names; ``PART_ID`` and ``LOT`` are texts."""

TEXT_WORDS: Mapping[str, range] = {"PART_ID": PART_ID_WORDS, "LOT": LOT_WORDS}


def result_check(memory: Sequence[int]) -> int:
    """Return what ``RES_CHECK`` must hold for the result that stands in the memory.

    Args:
        memory: Words from offset 0, at least up to ``REASON``, each 0-65535.

    Source:
        Own: the weighted sum of the handshake. Different weights, so that two words that changed places do not fit;
        42330 added, so that a block of zeros does not fit either.

    Example:
        >>> result_check([0, 1, 1, 0, 1, 1, 0])
        42358
    """
    weighted = (
        memory[Word.RES_SEQ]
        + 3 * memory[Word.VERDICT]
        + 7 * memory[Word.RES_CLASS]
        + 11 * memory[Word.RES_LANE]
        + 13 * memory[Word.RES_BOOT]
        + 17 * memory[Word.REASON]
        + 42330
    )
    return weighted % 65536


def next_number(number: int) -> int:
    """Return the number after this one in the circle 1..65535; 0 means "none" and is skipped.

    Example:
        >>> next_number(65535)
        1
    """
    return 1 if number >= 65535 else number + 1


def pack_text(text: str, words: int) -> list[int]:
    """Return ASCII text as words, the first character in the high byte, filled up with zeros.

    Args:
        text: ASCII, at most two characters a word.
        words: Number of words to fill.

    Raises:
        ValueError: If the text is not ASCII or does not fit.

    Example:
        >>> [hex(word) for word in pack_text("A12", 3)]
        ['0x4131', '0x3200', '0x0']
    """
    if not text.isascii() or len(text) > 2 * words:
        raise ValueError(f"text must be ASCII with at most {2 * words} characters, got {text!r} ({len(text)})")
    raw = text.encode("ascii").ljust(2 * words, b"\0")
    return [int.from_bytes(raw[start : start + 2], "big") for start in range(0, len(raw), 2)]


def unpack_text(words: Sequence[int]) -> str:
    """Return the ASCII text that stands in words, up to the first zero.

    Example:
        >>> unpack_text([0x4131, 0x3200, 0])
        'A12'
    """
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    return raw.split(b"\0", 1)[0].decode("ascii", "replace")
