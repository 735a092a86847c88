"""Tells whoever watches this process that it is ready and alive: systemd, or ``partgate watch``.

Both are told in the words of systemd, one datagram each: ``READY=1``, ``WATCHDOG=1``, ``STATUS=...``, ``STOPPING=1``.
systemd names its socket in ``NOTIFY_SOCKET``; ``partgate watch``, which runs on every system, listens on a port of the
loopback and names it with a password for each station in ``PARTGATE_WATCH``.

Source:
    systemd, sd_notify(3) and sd_watchdog_enabled(3): the protocol, the socket's forms, WATCHDOG_USEC and WATCHDOG_PID.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

WATCH_VARIABLE = "PARTGATE_WATCH"
OF_SYSTEMD = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
MOST_BYTES = 1024
_BEAT_EVERY_S = 1.0
_LOOPBACK = "127.0.0.1"

Send = Callable[[bytes], object]


class Alive:
    """The station's sign of life; silent where nobody asked for one.

    Called by the loop where it counts its heartbeat, after it has checked camera and engine, never by a thread of its
    own: a loop that hangs must look dead. No call waits, and none raises: a watcher that is gone stops no station.

    Args:
        environment: Where the watcher is named; the process's own unless given.
        clock: Monotonic seconds.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        found = os.environ if environment is None else environment
        self._clock = clock
        self._listeners = [send for send in (_systemd(found), _own_watcher(found)) if send is not None]
        self._every_s = min(_BEAT_EVERY_S, _watchdog_s(found) / 4)  # systemd asks for one within half of it
        self._is_ready = False
        self._beat_at = -float("inf")

    def ready(self, status: str = "") -> None:
        """Say once that camera and engine were tried and the loop begins."""
        if self._listeners and not self._is_ready:
            self._is_ready = True
            self._tell("READY=1", status)

    def beat(self, text: str = "") -> None:
        """Say that the loop is alive; told once a second at most, however often it is called.

        Args:
            text: What the station is doing, one line for ``systemctl status``.
        """
        if not self._listeners or self._clock() - self._beat_at < self._every_s:
            return
        self._beat_at = self._clock()
        self._tell("WATCHDOG=1", text)

    def stopping(self, status: str = "") -> None:
        """Say that the station is about to end, as it was asked to."""
        if self._listeners:
            self._tell("STOPPING=1", status)

    def _tell(self, what: str, status: str) -> None:
        said = " ".join(status.split())  # a line feed would begin another message
        message = f"{what}\nSTATUS={said}" if said else what
        content = message.encode("utf-8", "replace")[:MOST_BYTES]
        for send in self._listeners:
            with suppress(OSError):  # gone, or so far behind that its queue is full
                send(content)


def _systemd(environment: Mapping[str, str]) -> Send | None:
    name = environment.get("NOTIFY_SOCKET", "")
    if name[:1] not in ("/", "@") or not hasattr(socket, "AF_UNIX"):
        return None
    address = "\0" + name[1:] if name.startswith("@") else name  # @ stands for Linux's abstract sockets
    return lambda content: _send(socket.AF_UNIX, address, content)


def _own_watcher(environment: Mapping[str, str]) -> Send | None:
    port, _, password = environment.get(WATCH_VARIABLE, "").partition(":")
    if not (password and port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        return None
    address, head = (_LOOPBACK, int(port)), f"{password}\n".encode()
    return lambda content: _send(socket.AF_INET, address, head + content)


def _send(family: socket.AddressFamily, address: str | tuple[str, int], content: bytes) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as found:  # once a second: nothing is kept open, nothing to close
        found.setblocking(False)  # the loop never waits for its watcher
        found.sendto(content, address)


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Return how soon systemd wants a sign of life; infinite where it wants none of this process."""
    microseconds, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or pid not in ("", str(os.getpid())):
        return float("inf")
    return int(microseconds) / 1e6
