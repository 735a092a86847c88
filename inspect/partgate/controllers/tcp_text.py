"""The reduced profile as plain lines over TCP, for devices that can neither JSON nor registers.

Each line is ASCII and ended by a line feed. The device sends ``TRIGGER`` for each part at the camera, ``ENABLE 1`` or
``ENABLE 0``, and each ``HB`` line back as it came. The station sends ``GOOD 17``, ``REJECT 17`` or ``RECHECK 17`` once
for the 17th part of this connection, ``READY 1``, ``BUSY 1`` and so on where they change, and ``HB 0`` and ``HB 1`` in
turn every 100 ms. Parts are counted from 1 on both sides of each connection, and 65535 is followed by 1. A line that
is not one of these ends the connection, and so does a heartbeat that does not come back within ``answer_within_s``.
What stood unsent at that moment is thrown away, not delivered later.

A robot or PLC that can do more uses ``tcp``, ``modbus`` or another kind that carries the whole block: there a result
names its boot and has a check word. Neither password nor encryption: keep it on the machine's own network. Tried
against netcat and plain sockets, not on a device.

Source:
    Own; the signals: ``docs/handshake.md``.
"""

import socket
import struct
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from partgate.configfile import Host
from partgate.controllers.reduced import Inputs, ReducedConfig
from partgate.controllers.reduced_controller import ReducedController
from partgate.parts import Verdict

_LONGEST_LINE = 64  # bytes, without its end
_MOST_BYTES = 4096  # taken in one read
_WRITE_S = 0.1
_DISCARD_UNSENT = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time


class TcpTextControllerConfig(ReducedConfig):
    """Which side connects, and where."""

    KIND: ClassVar[str] = "tcp_text"

    kind: Literal["tcp_text"]
    role: Literal["client", "server"] = Field(description="client: the station connects; server: the device connects")
    host: Literal[""] | Host = Field(
        default="",
        description="client: address of the device; server: own address to listen on, by default 127.0.0.1 (this PC)",
    )
    port: int = Field(ge=1, le=65535, description="TCP port")
    waits_for_enable: bool = Field(default=False, description="no part is wanted before the device has sent ENABLE 1")
    connect_within_s: float = Field(default=1.0, gt=0, le=5, description="longest wait for a connection, in seconds")
    answer_within_s: float = Field(
        default=0.3, gt=0, le=1, description="longest wait for a heartbeat line to come back, in seconds"
    )

    @model_validator(mode="after")
    def _knows_where(self) -> Self:
        if self.role == "client" and not self.host:
            raise ValueError("role 'client' needs host, the address of the device")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port, the loopback where a server names no host."""
        return self.host or "127.0.0.1", self.port

    def open(self) -> ReducedController:
        """Return the controller that these settings describe."""
        host, port = self.address
        where = f"client of {host}:{port}" if self.role == "client" else f"server on {host}:{port}"
        return ReducedController(self, TextTerminal(self), f"tcp_text {where}")


class TextTerminal:
    """Lines to and from one device; not thread-safe."""

    def __init__(self, config: TcpTextControllerConfig) -> None:
        self._config = config
        self._line: socket.socket | None = None
        self._begin()

    def _begin(self) -> None:
        self._rest = b""
        self._enable = not self._config.waits_for_enable
        self._beats = 0
        self._unanswered: list[tuple[bytes, float]] = []  # heartbeat lines and when they were sent
        self._shown: dict[str, bool] = {}

    def open(self) -> None:
        """Connect or be connected to; nothing is sent."""
        self._begin()
        self._line = self._connect() if self._config.role == "client" else self._accept()
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Hang up; what stands unsent is thrown away."""
        if self._line is not None:
            with suppress(OSError):
                self._line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD_UNSENT)
            self._line.close()
        self._line = None

    def read(self) -> Inputs:
        """Take the lines that have come, without waiting."""
        self._rest += self._received()
        *lines, self._rest = self._rest.split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            raise OSError(f"sent {_quote(self._rest)}, a line of more than {_LONGEST_LINE} bytes")
        triggers = sum(self._take(line.removesuffix(b"\r")) for line in lines)
        if self._unanswered and time.monotonic() - self._unanswered[0][1] > self._config.answer_within_s:
            sent = self._unanswered[0][0].decode()
            raise OSError(
                f"'{sent}' did not come back within {self._config.answer_within_s:g} s; send each HB line back"
            )
        return Inputs(enable=self._enable, triggers=triggers, beats=self._beats)

    def show(self, *, ready: bool, busy: bool, beat: bool, holds_good: bool) -> None:
        """Send READY and BUSY where they change, and the heartbeat."""
        wanted = {"READY": ready, "BUSY": busy, "HB": beat}
        changed = [name for name, on in wanted.items() if self._shown.get(name) != on]
        if "HB" in changed:
            self._unanswered.append((b"HB %d" % beat, time.monotonic()))
        if changed:
            self._send("".join(f"{name} {wanted[name]:d}\n" for name in changed))
        self._shown = wanted

    def announce(self, verdict: Verdict, sequence: int) -> None:
        """Send a verdict's line."""
        self._send(f"{verdict.name} {sequence}\n")

    def withdraw(self) -> None:
        """Do nothing: the device ends its own output, after its own time."""

    def switch_off(self) -> None:
        """Do nothing: a line that hangs up tells it."""

    def switch(self, outputs: Mapping[int | str, bool]) -> None:
        """Refuse: there are no outputs."""
        raise ValueError(
            f"a text line has no outputs {', '.join(map(str, outputs))}; give the lamps a device of their own"
        )

    def _take(self, line: bytes) -> int:
        """Take one line and return how many parts it announces."""
        if line == b"TRIGGER":
            return 1
        if line in (b"ENABLE 0", b"ENABLE 1"):
            self._enable = line.endswith(b"1")
        elif self._unanswered and line == self._unanswered[0][0]:
            del self._unanswered[0]
            self._beats = (self._beats + 1) % 65536
        else:
            expected = f", '{self._unanswered[0][0].decode()}' back" if self._unanswered else ""
            raise OSError(f"sent {_quote(line)}; the lines are 'TRIGGER', 'ENABLE 1', 'ENABLE 0'{expected}")
        return 0

    def _received(self) -> bytes:
        line = self._connected()
        line.setblocking(False)
        try:
            received = line.recv(_MOST_BYTES)
        except BlockingIOError:
            return b""
        if not received:
            so_far = f" in mid-line: {_quote(self._rest)}" if self._rest else ""
            raise OSError(f"has hung up{so_far}; it is connected again when it is there")
        return received

    def _send(self, text: str) -> None:
        line = self._connected()
        line.settimeout(_WRITE_S)
        try:
            line.sendall(text.encode("ascii"))
        except OSError as error:
            raise OSError(f"{text.strip()!r} could not be sent ({error}); does the device read its lines?") from error

    def _connected(self) -> socket.socket:
        if self._line is None:
            raise OSError("is not connected")
        return self._line

    def _connect(self) -> socket.socket:
        try:
            return socket.create_connection(self._config.address, self._config.connect_within_s)
        except OSError as error:
            raise OSError(f"no connection ({error}); is the device on and listening?") from error

    def _accept(self) -> socket.socket:
        try:
            listener = socket.create_server(self._config.address, backlog=1)
        except OSError as error:
            raise OSError(f"cannot listen there ({error}); is another program or station using it?") from error
        with closing(listener):  # from the first peer on nobody listens: the second is refused
            listener.settimeout(self._config.connect_within_s)
            try:
                return listener.accept()[0]
            except TimeoutError as error:
                raise TimeoutError("no device has connected; switch it on") from error


def _quote(raw: bytes) -> str:
    return repr(raw[:40].decode("ascii", "backslashreplace")) + (" …" if len(raw) > 40 else "")
