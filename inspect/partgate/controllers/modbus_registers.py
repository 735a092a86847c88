"""What a Modbus server of the station holds: the words of both sides, and the answer to each request.

Served here and not by pymodbus, whose server answers one request per packet, forgets what came behind it in the same
packet, and does not tell who wrote.

Source:
    MODBUS Application Protocol Specification V1.1b3: function codes 3, 4, 6, 16 and 23, exception codes 1, 2, 3 and 6.
"""

import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from partgate.controllers.block import CONTROLLER_OFFSET, CONTROLLER_WORDS

WHOLE_BLOCK = CONTROLLER_OFFSET + CONTROLLER_WORDS
# Heartbeat, trigger, acknowledge, boot: without them nobody knows where the controller stands.
_NEEDED = frozenset((16, 17, 18, 22))
_READ_HOLDING, _READ_INPUT, _WRITE_ONE, _WRITE_MANY, _READ_AND_WRITE = 3, 4, 6, 16, 23
_NO_FUNCTION, _NO_ADDRESS, _NO_VALUE, _BUSY = 1, 2, 3, 6
_MOST_READ = 125  # words in one request
_TRIGGER = 17  # TRIG_SEQ
_OWNS_FOR_S = 1.0  # ten heartbeats


class _RefusedError(Exception):
    """A request is answered by an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Registers:
    """The 56 words of both sides, whole at every moment, and who of the clients may write.

    Args:
        first_register: Register of offset 0.
        clock: Monotonic clock in seconds.

    Example:
        >>> registers = Registers(first_register=100)
        >>> registers.put({0: [7]})
        >>> registers.answer(bytes((3, 0, 100, 0, 1)), "the PLC").hex()  # read one register from 100 on
        '03020007'
        >>> registers.answer(bytes((6, 0, 100, 0, 1)), "the PLC").hex()  # the heartbeat is the station's
        '8602'
    """

    def __init__(self, first_register: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_complete = threading.Event()  # the controller has said where it stands
        self._first, self._clock = first_register, clock
        self._lock = threading.Lock()
        self._words = [0] * WHOLE_BLOCK
        self._written: set[int] = set()
        self._owner: tuple[object, float] | None = None  # a connection, and when it wrote last
        self._heard_at = self._clock()  # the owner, whatever it asked for
        self.trigger_not_before = self._heard_at
        self.was_taken_over = False  # by a client beside the one that wrote: what stands here is of two

    def put(self, blocks: Mapping[int, Sequence[int]]) -> None:
        """Set the station's words, all at one moment.

        Args:
            blocks: Words by the offset of the first.
        """
        with self._lock:
            for offset, words in blocks.items():
                self._words[offset : offset + len(words)] = words

    def controller_words(self) -> list[int]:
        """Return the controller's 40 words as they stand at one moment."""
        with self._lock:
            return self._words[CONTROLLER_OFFSET:]

    def forget(self, connection: object) -> None:
        """Let others write once a connection is closed."""
        with self._lock:
            if self._owner is not None and self._owner[0] is connection:
                self._owner = None

    def answer(self, request: bytes, connection: object, *, may_write: bool = True) -> bytes:
        """Carry out one request and return its answer, an exception where it cannot be.

        Args:
            request: Function code and what belongs to it, without the header.
            connection: Who asks.
            may_write: Whether it comes from where writes are taken.
        """
        function = request[0]
        try:
            with self._lock:
                before = self._words[_TRIGGER]
                answer = self._carry_out(function, request[1:], connection if may_write else None)
                if self._owner is not None and self._owner[0] is connection:
                    if self._words[_TRIGGER] != before:
                        self.trigger_not_before = self._heard_at
                    self._heard_at = self._clock()
                return answer
        except _RefusedError as refused:
            return bytes((function | 0x80, refused.code))
        except struct.error:  # too short or too long for its function
            return bytes((function | 0x80, _NO_VALUE))

    def _carry_out(self, function: int, body: bytes, writer: object | None) -> bytes:
        if function in (_READ_HOLDING, _READ_INPUT):
            return bytes((function,)) + self._read(*struct.unpack(">HH", body))
        if function == _WRITE_ONE:
            register, value = struct.unpack(">HH", body)
            self._write(register, [value], writer)
            return bytes((function,)) + body
        if function == _WRITE_MANY:
            register, count = struct.unpack(">HH", body[:4])
            self._write(register, _values(count, body[4:]), writer)
            return bytes((function,)) + body[:4]
        if function == _READ_AND_WRITE:
            read_from, read_count, register, count = struct.unpack(">HHHH", body[:8])
            self._offset(read_from, read_count, 0)  # nothing is written by a request that is refused
            self._write(register, _values(count, body[8:]), writer)
            return bytes((function,)) + self._read(read_from, read_count)
        raise _RefusedError(_NO_FUNCTION)

    def _read(self, register: int, count: int) -> bytes:
        offset = self._offset(register, count, 0)
        return bytes((2 * count,)) + struct.pack(f">{count}H", *self._words[offset : offset + count])

    def _write(self, register: int, values: Sequence[int], writer: object | None) -> None:
        offset, now = self._offset(register, len(values), CONTROLLER_OFFSET), self._clock()
        if writer is None:
            raise _RefusedError(_BUSY)
        if self._owner is not None and self._owner[0] is not writer and now - self._owner[1] < _OWNS_FOR_S:
            raise _RefusedError(_BUSY)
        self.was_taken_over |= self._owner is not None and self._owner[0] is not writer
        self._owner = (writer, now)
        self._words[offset : offset + len(values)] = values
        if not self.is_complete.is_set():
            self._written.update(range(offset, offset + len(values)))
            if self._written >= _NEEDED:
                self.is_complete.set()

    def _offset(self, register: int, count: int, least: int) -> int:
        """Return the offset of a register where all that are meant are offered."""
        if not 1 <= count <= _MOST_READ:
            raise _RefusedError(_NO_VALUE)
        offset = register - self._first
        if offset < least or offset + count > WHOLE_BLOCK:
            raise _RefusedError(_NO_ADDRESS)
        return offset


def _values(count: int, body: bytes) -> tuple[int, ...]:
    """Return the words of a write: a byte with their length, then they."""
    if not count or len(body) != 1 + 2 * count or body[0] != 2 * count:
        raise _RefusedError(_NO_VALUE)
    return struct.unpack(f">{count}H", body[1:])
