"""A line between a driver and its counterpart that can be spoiled."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

Change = Callable[[bytes], list[bytes | None]]


class Line:
    """Hands on what station and counterpart say, and spoils the counterpart's answers on demand.

    Attributes:
        requests: What the station sent, one entry for each packet.
        change: Gives the pieces in which an answer goes on, 20 ms apart; a piece of ``None`` hangs up.
    """

    def __init__(self, target: int) -> None:
        self.requests: list[bytes] = []
        self.change: Change = lambda answer: [answer]
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for work, ends in ((self._ask, (near, far)), (self._answer, (far, near))):
                    self._threads.append(threading.Thread(target=work, args=ends))
                    self._threads[-1].start()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while request := near.recv(4096):
                self.requests.append(request)
                far.sendall(request)
        self._hang_up(near, far)

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while answer := far.recv(4096):
                for place, piece in enumerate(self.change(answer)):
                    time.sleep(0.02 if place else 0)
                    if piece is None:
                        self._hang_up(near, far)
                    else:
                        near.sendall(piece)
        self._hang_up(near, far)

    def say(self, unasked: bytes) -> None:
        """Send the station something that it did not ask for."""
        self._open[0].sendall(unasked)

    @staticmethod
    def _hang_up(*ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._hang_up(self._listener, *self._open)
        for thread in self._threads:
            thread.join(10)
        for end in (self._listener, *self._open):
            end.close()
