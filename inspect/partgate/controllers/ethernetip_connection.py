"""pylogix' connection with what it lacks: an end to waiting, and answers that are looked at.

Imported when the driver connects, since it stands on the library.

Source:
    pylogix 1.1.6 (``lgx_comm.py``): its calls, and where type and sequence stand in an answer.
"""

import select
import socket
import struct
import time
from typing import Any

from pylogix.lgx_comm import Connection  # type: ignore[import-untyped]  # has no types

_HEADER_BYTES = 24
_SEND_UNIT_DATA = 0x70
_SEQUENCE_AT = 44


class TimedConnection(Connection):  # type: ignore[misc]  # has no types
    """One request, one whole answer, by one moment; a connection that has failed is never used again."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.msg_socket.close()  # for messages that a PLC begins
        self.trouble = ""
        self._deadline = 0.0
        self._asked: int | None = None  # sequence of the request that waits for its answer

    def begin(self, within_s: float) -> None:
        """Give all that follows so much time, in seconds."""
        self._deadline, self.trouble = time.monotonic() + within_s, ""

    def open(self) -> tuple[bool, str]:
        """Connect once; return whether that was possible, else why not."""
        self.begin(3 * self.parent.SocketTimeout)  # a connection, a session, a way through it
        try:
            connected, why = super().connect()
        except (OSError, struct.error) as error:  # hung up on between two steps
            return False, str(error)
        if connected:
            self.Socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected, self.trouble or str(why)

    def connect(self, connected: bool = True) -> list[Any]:
        """Say whether it is connected; the library would connect again by itself, without reading first."""
        return [self.SocketConnected, "Connection lost"]

    def drop(self) -> None:
        """Close without a word: nobody is there to hear it."""
        self.SocketConnected = False
        self.Socket.close()

    def close(self) -> None:
        """Say good-bye and close."""
        self.begin(self.parent.SocketTimeout)
        super().close()

    def send(self, request: bytes, connected: bool = True, slot: int | None = None) -> tuple[int, bytes | None]:
        """Send one request and return status and answer, none where something is wrong."""
        if select.select([self.Socket], [], [], 0)[0]:  # an answer that nobody waits for, or the end
            self.trouble = "sent something unasked" if self.Socket.recv(4096) else "has hung up"
            return 1, None
        self._asked = self._sequence_counter
        try:
            status: tuple[int, bytes | None] = super().send(request, connected, slot)
        finally:
            self._asked = None
        return status

    def receive_data(self) -> bytes | None:
        """Return one whole answer, none where something is wrong."""
        try:
            answer = self._receive_whole()
            self._check(answer)
        except (OSError, ValueError, struct.error) as error:
            self.trouble = str(error)
            return None
        return answer

    def _receive_whole(self) -> bytes:
        received, length = b"", _HEADER_BYTES
        while len(received) < length:
            so_far = " in the middle of it" if received else ""
            self.Socket.settimeout(max(self._deadline - time.monotonic(), 1e-6))
            try:
                piece = self.Socket.recv(4096)
            except TimeoutError:
                raise TimeoutError(f"timed out{so_far}") from None
            if not piece:
                raise ConnectionError(f"has hung up{so_far}")
            received += piece
            if len(received) >= _HEADER_BYTES:
                length = _HEADER_BYTES + int(struct.unpack_from("<H", received, 2)[0])
        if len(received) > length:
            raise ValueError(f"{len(received) - length} bytes stand behind it")
        return received

    def _check(self, answer: bytes) -> None:
        """Refuse what is no answer to the request that waits."""
        if struct.unpack_from("<I", answer, 8)[0] != 0:
            raise ValueError(f"status {answer[8:12].hex()} in its header")
        if self._asked is None:
            return
        command, sequence = struct.unpack_from("<H", answer)[0], struct.unpack_from("<H", answer, _SEQUENCE_AT)[0]
        if command != _SEND_UNIT_DATA or sequence != self._asked:
            raise ValueError(f"it answers request {sequence}, must be {self._asked}")
        struct.unpack_from("<H", answer, _SEQUENCE_AT + 4)  # the status
