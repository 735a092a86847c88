"""A PLC on a plain socket that keeps the handshake but for one rule, and a person who looks at its lamps and lanes."""

import socketserver
import struct
import threading
import time
from typing import Self

from partgate.glossary import text
from partgate.station.check_line import Answer

FACTORS = (1, 3, 7, 11, 13, 17)
WINDOW_S = 0.4
WATCHDOG_S = 0.3
HEARTBEAT_S = 0.02


class CrookedPlc:
    """56 words behind function codes 3 and 16; ``breaks`` names the one rule that it does not keep."""

    def __init__(self, breaks: str = "") -> None:
        self.breaks = breaks
        self.words = [0] * 56
        self.words[16:23] = [1, 65534, 0, 1, 0, round(1000 * WINDOW_S), 0 if breaks == "no boot" else 7]
        self.words[19] = 0 if breaks == "not enabled" else 1
        self.words[20] = 9 if breaks == "other recipe" else 0
        self.results: list[tuple[int, ...]] = []  # words 1-7 of every write of the whole block
        self.heartbeats: list[int] = []
        self.accepted: set[int] = set()  # parts that reached the good lane
        self._part_at = self._heard_at = -10.0
        self._stop = threading.Event()
        plc = self

        class Request(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                plc.serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Request)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def wd_fault(self) -> bool:
        if self.breaks == "watchdog always on":
            return True
        if self.breaks == "watchdog never trips":
            return False
        return time.monotonic() - self._heard_at > WATCHDOG_S

    @property
    def accept(self) -> bool:
        return self.breaks == "accept on when the heartbeat is back" and len(self.accepted) > 0 and not self.wd_fault

    def put_part(self) -> None:
        if self.breaks == "sensor unplugged":
            return
        step = 2 if self.breaks == "sensor bounces" else 1
        self.words[17] = (self.words[17] + step - 1) % 65535 + 1
        self._part_at = time.monotonic()
        if self.breaks == "acknowledges parts":
            self.words[18] = self.words[17]
        if self.breaks == "accept unless rejected":
            self.accepted.add(self.words[17])

    def _beat(self) -> None:
        period = {"frozen": 1000.0, "limping": 0.5}.get(self.breaks, HEARTBEAT_S)
        while not self._stop.wait(period):
            self.words[16] = (self.words[16] + 1) % 65536
            if self.breaks == "another station":
                self.words[0] = (self.words[0] + 1) % 65536

    def serve(self, line: object) -> None:
        stream = line.makefile("rwb")  # type: ignore[attr-defined]
        while header := stream.read(8):
            transaction, _, _, unit, function = struct.unpack(">HHHBB", header)
            address, count = struct.unpack(">HH", stream.read(4))
            if function == 3:
                body = bytes([2 * count]) + struct.pack(f">{count}H", *self.words[address : address + count])
            else:
                new = list(struct.unpack(f">{count}H", stream.read(1 + 2 * count)[1:]))
                body = struct.pack(">HH", address, count)
                if self.breaks == "refuses writes":
                    function, body = function | 0x80, b"\x02"
                else:
                    self._write(address, new)
            stream.write(struct.pack(">HHHBB", transaction, 0, 2 + len(body), unit, function) + body)
            stream.flush()

    def _write(self, address: int, new: list[int]) -> None:
        if address == 0 and new[0] != self.words[0]:
            self._heard_at = time.monotonic()
            self.heartbeats.append(new[0])
        self.words[address : address + len(new)] = new
        if address == 0 and len(new) == 11:
            self.results.append(tuple(new[1:8]))
            if new[1]:
                self._take()

    def _take(self) -> None:
        *core, check = self.words[1:8]
        sequence, verdict, _, lane, boot, _ = core
        intact = check == (sum(f * word for f, word in zip(FACTORS, core, strict=True)) + 42330) % 65536
        if not intact or self.breaks == "no acknowledge":
            return
        self.words[18] = self.words[17] if self.breaks == "acknowledges the newest part" else sequence
        in_time = time.monotonic() - self._part_at <= WINDOW_S or self.breaks == "no window"
        own = sequence == self.words[17] or self.breaks == "takes a stale result"
        this_start = boot == self.words[22] or self.breaks == "takes another boot"
        if in_time and own and this_start and verdict == 1 and lane >= 1 and self.breaks != "ignores good":
            self.accepted.add(self.words[17])


class Bystander:
    """Sends a part when told to, and says what lamps and lanes show."""

    def __init__(self, plc: CrookedPlc) -> None:
        self.plc = plc
        self.asked: list[str] = []

    def tell(self, sentence: str) -> None:
        self.plc.put_part()

    def ask(self, question: str) -> Answer:
        plc = self.plc
        rejected = plc.words[17] not in plc.accepted
        seen = {
            "alive": not plc.wd_fault,
            "good": not rejected,
            "watchdog": plc.wd_fault and not plc.accept,
            "back": not plc.wd_fault and not plc.accept,
        }
        step = next(
            step
            for step in ("alive", "silence", "late", "stale", "other_boot", "good", "watchdog", "back")
            if text(f"check.ask.{step}", "en") == question
        )
        self.asked.append(step)
        return Answer.YES if seen.get(step, rejected) else Answer.NO
