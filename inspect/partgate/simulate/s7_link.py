"""S7 communication in front of the gate's memory: a data block of 112 bytes, words big-endian, as a CPU offers it.

Connection request (ISO on TCP, any rack and slot), set-up of at most 240 bytes a frame, read and write of variables
in whole bytes. What else a client asks for is answered as "not available". A block that does not exist is answered by
item code 0x0A, an address outside it by 0x05. Own code, not a library's: a client's library must not meet itself.

Source:
    TPKT: RFC 1006; COTP: ISO 8073 class 0; the S7 layer as open clients speak it (python-snap7, the dissector of
    Wireshark), seen from outside; tried with python-snap7, not with a CPU.
"""

import struct
from dataclasses import dataclass

from partgate.simulate.line import Memory
from partgate.simulate.stream import Answer
from partgate.simulate.words import TEXT_WORDS

DATA_BLOCK = 1
BLOCK_BYTES = 2 * TEXT_WORDS["LOT"].stop  # 112
LONGEST_PDU = 240  # bytes, as small CPUs agree to
LONGEST_FRAME = 4 + 3 + LONGEST_PDU
_TPKT_VERSION = 3
_COTP_CONNECT, _COTP_CONFIRM, _COTP_DATA = 0xE0, 0xD0, 0xF0
_S7, _JOB, _ACK_DATA = 0x32, 1, 3
_SET_UP, _READ, _WRITE = 0xF0, 4, 5
_READ_HEADER = 14  # bytes of a PDU in front of what was read
_AREA_DATA_BLOCK = 0x84
_DONE, _OUTSIDE, _NO_BLOCK = 0xFF, 0x05, 0x0A
_UNITS_BYTES = {2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 4}  # bytes of one BYTE, CHAR, WORD, INT, DWORD, DINT, REAL
_IN_BITS = (3, 4, 5)  # kinds of data whose length counts bits


@dataclass(frozen=True, slots=True)
class _Item:
    block: int
    start: int  # byte
    count: int  # bytes

    @property
    def problem(self) -> int:
        """Return the item's code, 0xFF where it may be executed."""
        if self.block != DATA_BLOCK:
            return _NO_BLOCK
        return _DONE if self.start + self.count <= BLOCK_BYTES else _OUTSIDE


class S7Wire:
    """Executes S7 requests on the memory."""

    name = "s7"

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def split(self, received: bytes) -> tuple[list[bytes], bytes]:
        """Return whole frames without their TPKT header, and the begun one."""
        frames = []
        while len(received) >= 4:
            version, length = received[0], int.from_bytes(received[2:4], "big")
            if version != _TPKT_VERSION or not 7 <= length <= LONGEST_FRAME:
                raise ValueError(f"no S7: version {version}, length {length}")
            if len(received) < length:
                break
            frames.append(received[4:length])
            received = received[length:]
        return frames, received

    def execute(self, frame: bytes) -> Answer:
        """Execute one frame."""
        kind = frame[1]
        if kind == _COTP_CONNECT:
            rest = frame[7 : frame[0] + 1]
            return Answer(_frame(bytes([frame[0], _COTP_CONFIRM]) + frame[4:6] + b"\0\1\0" + rest))
        if kind != _COTP_DATA or frame[0] != 2 or len(frame) < 14 or frame[3] != _S7 or frame[4] != _JOB:
            raise ValueError("no S7 job")
        reference, parameter_bytes, data_bytes = struct.unpack_from(">HHH", frame, 7)
        parameters, data = frame[13 : 13 + parameter_bytes], frame[13 + parameter_bytes :]
        if len(parameters) != parameter_bytes or len(data) != data_bytes or not parameters:
            raise ValueError("S7 job of wrong length")
        try:
            return self._execute_job(reference, parameters, data)
        except (struct.error, IndexError) as error:
            raise ValueError("S7 job that is not whole") from error

    def _execute_job(self, reference: int, parameters: bytes, data: bytes) -> Answer:
        function = parameters[0]
        if function == _SET_UP:
            calling, called, wanted = struct.unpack_from(">HHH", parameters, 2)
            agreed = struct.pack(">BBHHH", _SET_UP, 0, calling, called, min(wanted, LONGEST_PDU))
            return Answer(_reply(reference, agreed, b""))
        if function == _READ:
            read = self._read(_items(parameters))
            if len(read) > LONGEST_PDU - _READ_HEADER:
                return Answer(_reply(reference, parameters[:1], b"", error=0x8500))  # more than one frame holds
            return Answer(_reply(reference, parameters[:2], read))
        if function == _WRITE:
            codes, written = self._write(_items(parameters), data)
            return Answer(_reply(reference, parameters[:2], codes), written)
        return Answer(_reply(reference, parameters[:1], b"", error=0x8104))

    def _read(self, items: list[_Item]) -> bytes:
        image = self._image()
        data = b""
        for item in items:
            data += b"\0" * (len(data) % 2)  # each item begins at an even byte
            if item.problem != _DONE:
                data += struct.pack(">BBH", item.problem, 0, 0)
            else:
                data += struct.pack(">BBH", _DONE, 4, 8 * item.count) + image[item.start : item.start + item.count]
        return data

    def _write(self, items: list[_Item], data: bytes) -> tuple[bytes, set[int]]:
        """Write what may be written, all items in one go; return a code for each and the offsets written."""
        image = bytearray(self._image())
        codes, written, at = b"", set[int](), 0
        for item in items:
            kind, length = struct.unpack_from(">xBH", data, at)
            count = length // 8 if kind in _IN_BITS else length
            value = data[at + 4 : at + 4 + count]
            if len(value) != item.count or count != item.count:
                raise ValueError(f"{len(value)} bytes for {item.count}")
            at += 4 + count + count % 2
            codes += bytes([item.problem])
            if item.problem == _DONE:
                image[item.start : item.start + item.count] = value
                written |= set(range(item.start // 2, (item.start + item.count + 1) // 2))
        if written:
            self._memory.write(
                {offset: int.from_bytes(image[2 * offset : 2 * offset + 2], "big") for offset in written}
            )
        return codes, written

    def _image(self) -> bytes:
        words = self._memory.read(0, BLOCK_BYTES // 2)
        return struct.pack(f">{len(words)}H", *words)


def _items(parameters: bytes) -> list[_Item]:
    items = []
    for number in range(parameters[1]):
        unit, count, block, area, address = struct.unpack_from(">3xBHHB3s", parameters, 2 + 12 * number)
        if area != _AREA_DATA_BLOCK or unit not in _UNITS_BYTES:
            block = 0  # no other area and no single bits are offered
        items.append(_Item(block, int.from_bytes(address, "big") // 8, count * _UNITS_BYTES.get(unit, 1)))
    return items


def _reply(reference: int, parameters: bytes, data: bytes, error: int = 0) -> bytes:
    header = struct.pack(">BBHHHHH", _S7, _ACK_DATA, 0, reference, len(parameters), len(data), error)
    return _frame(bytes([2, _COTP_DATA, 0x80]) + header + parameters + data)


def _frame(payload: bytes) -> bytes:
    return struct.pack(">BBH", _TPKT_VERSION, 0, 4 + len(payload)) + payload
