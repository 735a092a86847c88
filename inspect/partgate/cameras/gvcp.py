"""Questions to a GigE Vision camera that are answered in a millisecond, or not at all.

A library that repeats an unanswered request finds out after seconds that a cable is pulled; here it takes 0.24 s.
Reading needs no control of the camera, so it works beside any program that has it. Registers are only read.

Source:
    AIA, GigE Vision 2.0: GVCP, sections 14-16 (READREG 0x0080, READMEM 0x0084), 28 (bootstrap registers).
"""

import contextlib
import socket
import struct
import time
from typing import Self

_PORT = 3956
_KEY, _WANTS_ANSWER = 0x42, 0x01
_READ_REGISTER, _READ_MEMORY = 0x0080, 0x0084
_WAITS_S = (0.06, 0.06, 0.12)  # for the answer to each try; a camera answers in 1 ms, a PC under load reads it late
_HEAD = struct.Struct(">HHHH")  # status, command, length, number of the request

CONTROL = 0x0A00
"""Register: who controls the camera; 0 is nobody."""
_CONTROLLED = 0x3  # exclusive, or with control
_CONTROLLER = 0x0A14  # address of who controls it; version 1.1 and later
_SERIAL, _SERIAL_BYTES = 0x00D8, 16


class ControlChannel:
    """One camera, asked by one thread at a time; one in a network that this PC is not in does not answer.

    Args:
        address: Its IPv4 address.
    """

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Connected: a PC whose camera program has ended refuses at once, and only this camera's answers come in. Where
        # this PC has no way to that network, every question is then one that is not answered.
        with contextlib.suppress(OSError):
            self._socket.connect((address, _PORT))
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()

    def is_controlled(self) -> bool | None:
        """Tell whether a program controls the camera; None where it does not answer within 0.24 s."""
        answer = self._ask(_READ_REGISTER, struct.pack(">I", CONTROL))
        if answer is None:
            return None
        return len(answer) >= 4 and bool(struct.unpack(">I", answer[:4])[0] & _CONTROLLED)

    def controller(self) -> str:
        """Return the address of the PC that controls the camera; empty where the camera does not tell."""
        answer = self._ask(_READ_REGISTER, struct.pack(">I", _CONTROLLER))
        return socket.inet_ntoa(answer[:4]) if answer and len(answer) >= 4 and any(answer[:4]) else ""

    def serial(self) -> str | None:
        """Return the camera's serial number, empty where it has none; None where it does not answer."""
        answer = self._ask(_READ_MEMORY, struct.pack(">IHH", _SERIAL, 0, _SERIAL_BYTES))
        return None if answer is None else answer[4:].split(b"\0")[0].decode("utf-8", "replace").strip()

    def _ask(self, command: int, request: bytes) -> bytes | None:
        self._number = self._number % 0xFFFF + 1  # 0 is not allowed; tries share it, so that a late answer counts
        message = struct.pack(">BBHHH", _KEY, _WANTS_ANSWER, command, len(request), self._number) + request
        for within_s in _WAITS_S:
            try:
                self._socket.send(message)
                if (answer := self._wait(command + 1, time.monotonic() + within_s)) is not None:
                    return answer
            except OSError:  # refused, or no way there
                return None
        return None

    def _wait(self, command: int, until: float) -> bytes | None:
        """Return the answer to this very request: empty where it is a refusal, None where none comes in time."""
        while (left := until - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                answer = self._socket.recv(1024)
            except TimeoutError:
                return None
            if len(answer) < _HEAD.size:
                continue
            status, said, length, number = _HEAD.unpack_from(answer)
            if said == command and number == self._number:
                return b"" if status else answer[_HEAD.size : _HEAD.size + length]
        return None
