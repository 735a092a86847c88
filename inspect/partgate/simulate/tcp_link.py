"""JSON lines: the station asks with one object a line, the controller answers each with all its words.

Nothing is taken from a line that is not whole, not an object, or holds a name or a value that is not the station's;
its connection ends. So does one whose line is longer than 4096 bytes.

Source:
    JSON: RFC 8259. The lines: ``docs/guides/tcp.md``.
"""

import json
from typing import Any

from partgate.simulate.line import Memory
from partgate.simulate.stream import Answer
from partgate.simulate.words import BLOCK_WORDS, CONTROLLER_NAMES, STATION_NAMES, TEXT_WORDS, unpack_text

LONGEST_LINE = 4096  # bytes


class TcpWire:
    """Executes the station's lines on the memory."""

    name = "tcp"

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def split(self, received: bytes) -> tuple[list[bytes], bytes]:
        """Return whole lines and the begun one."""
        *lines, begun = received.split(b"\n")
        if max(map(len, (*lines, begun))) > LONGEST_LINE:
            raise ValueError(f"line longer than {LONGEST_LINE} bytes")
        return lines, begun

    def execute(self, frame: bytes) -> Answer:
        """Write the words of a line, if any, and answer with the controller's."""
        said: Any = json.loads(frame)  # its errors are ValueErrors
        if not isinstance(said, dict):
            raise ValueError("not an object")
        asked = said.pop("ASK", None)
        unknown = said.keys() - STATION_NAMES.keys()
        if unknown or not all(_is_word(value) for value in (asked, *said.values())):
            raise ValueError(f"not the station's words: {sorted(said)}")
        words = {int(STATION_NAMES[name]): value for name, value in said.items()}
        if words:
            self._memory.write(words)
        return Answer(self._reply(asked), words.keys())

    def _reply(self, asked: int) -> bytes:
        memory = self._memory.read(0, BLOCK_WORDS)
        reply: dict[str, int | str] = {"ASK": asked}
        reply |= {name: memory[word] for name, word in CONTROLLER_NAMES.items()}
        texts = {name: unpack_text(memory[where.start : where.stop]) for name, where in TEXT_WORDS.items()}
        reply |= {name: text for name, text in texts.items() if text}
        return json.dumps(reply).encode() + b"\n"


def _is_word(value: object) -> bool:
    return type(value) is int and 0 <= value <= 65535
