"""The thread in which a simulated controller scans and serves, and the lock around its memory."""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from partgate.simulate.conveyor import Conveyor
from partgate.simulate.gate import Gate
from partgate.simulate.line import Line, Memory, describe
from partgate.simulate.links import open_link
from partgate.simulate.settings import PlcSettings, boot_from_clock
from partgate.simulate.words import LOT_WORDS, PART_ID_WORDS, RESULT_WORDS, Word, pack_text

WRITES_KEPT = 10_000
LOOP_ANSWERS_WITHIN_S = 10.0
TICK_S = 0.05  # how often a waiting thread looks by itself, where no scan wakes it


@dataclass(frozen=True, slots=True)
class StationWrite:
    """One write request that touched the result words 1-7, as it stands in the memory afterwards."""

    scan: int  # scans since the simulator was started
    offset: int  # lowest of the words in the request
    count: int  # number of words in the request
    result: tuple[int, ...]  # words 1-7: sequence, verdict, class, lane, boot, reason, check

    @property
    def sequence(self) -> int:
        """Return the part that the result is for."""
        return self.result[0]

    @property
    def verdict(self) -> int:
        """Return 0 none, 1 good, 2 reject, 3 not decidable."""
        return self.result[1]


class PlcLoop:
    """Runs gate, belt and server in a thread of its own from ``start`` to ``stop`` (or in a ``with`` block).

    A scan that was missed is not made up for: a controller that stood still and then rushed through its scans would
    run out windows and travel times of parts that, on this belt, stood still with it.
    """

    def __init__(self, settings: PlcSettings | None = None) -> None:
        self.settings = settings or PlcSettings()
        gate = Gate(self.settings.boot or boot_from_clock(), self.settings.gate_settings)
        self._gate = gate
        self._conveyor = Conveyor(gate, self.settings.conveyor)
        self._write_fixed_words()
        self._changed = threading.Condition()
        self._writes: deque[StationWrite] = deque(maxlen=WRITES_KEPT)
        self._counted_before: Counter[str] = Counter()  # by the starts before this one
        self._scans = 0
        self._damage_next = False
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._ending: asyncio.Event
        self._line = Line()
        self._link = open_link(self.settings, Memory(self._read_words, self._write_words), self._line)

    def __str__(self) -> str:
        return describe(self.settings.transport, self.settings.host, self._link.port)

    # ---- start and stop ----

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen and scan; return when both are so.

        Raises:
            ControllerError: If the address cannot be listened on.
        """
        started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(started)), name=str(self), daemon=True)
        self._thread.start()
        try:
            started.result(LOOP_ANSWERS_WITHIN_S)
        except BaseException:
            self._thread.join(LOOP_ANSWERS_WITHIN_S)
            self._thread = None
            raise

    def stop(self) -> None:
        """Stop scanning and listening; harmless when stopped already."""
        if self._thread is None:
            return
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(LOOP_ANSWERS_WITHIN_S)
        self._thread = None

    async def _run(self, started: "Future[None]") -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        try:
            await self._link.listen()
        except BaseException as error:
            started.set_exception(error)
            return
        scanning = asyncio.create_task(self._scan_forever())
        ending = asyncio.create_task(self._ending.wait())
        started.set_result(None)
        await asyncio.wait({scanning, ending}, return_when=asyncio.FIRST_COMPLETED)
        scanning.cancel()
        ending.cancel()
        (failure, _) = await asyncio.gather(scanning, ending, return_exceptions=True)
        await self._link.stop_listening()
        await self._line.end()
        with self._changed:
            if not isinstance(failure, asyncio.CancelledError):
                self._failure = failure if isinstance(failure, BaseException) else None
            self._changed.notify_all()

    async def _scan_forever(self) -> None:
        scan_s = self._gate.settings.scan_ms / 1000
        due = self._loop.time()
        while True:
            await self._line.thawed.wait()
            self._scan()
            now = self._loop.time()
            due += scan_s
            if due < now:
                due = now + scan_s  # the scans in between are gone
            await asyncio.sleep(due - now)

    def _scan(self) -> None:
        with self._changed:
            announced = self._gate.memory[Word.TRIG_SEQ]
            self._conveyor.scan()
            self._scans += 1
            if self.settings.part_id_prefix and self._gate.memory[Word.TRIG_SEQ] != announced:
                self._put_text(PART_ID_WORDS, f"{self.settings.part_id_prefix}{self._gate.memory[Word.TRIG_SEQ]}")
            self._changed.notify_all()

    def _read_words(self, offset: int, count: int) -> list[int]:
        with self._changed:
            return self._gate.memory[offset : offset + count]

    def _write_words(self, words: Mapping[int, int]) -> None:
        with self._changed:
            memory = self._gate.memory
            for offset, word in words.items():
                memory[offset] = word
            if self._damage_next and Word.RES_CHECK in words and memory[Word.RES_SEQ] != 0:
                self._damage_next = False
                memory[Word.RES_CHECK] ^= 1
            if any(offset in words for offset in RESULT_WORDS):
                result = tuple(memory[RESULT_WORDS.start : RESULT_WORDS.stop])
                self._writes.append(StationWrite(self._scans, min(words), len(words), result))
            self._changed.notify_all()

    def _put_text(self, where: range, text: str) -> None:
        self._gate.memory[where.start : where.stop] = pack_text(text, len(where))

    def _write_fixed_words(self) -> None:
        self._gate.memory[Word.RECIPE] = self.settings.recipe
        self._put_text(LOT_WORDS, self.settings.lot)

    def _in_loop(self, action: Callable[[], None]) -> None:
        """Run something in the loop's thread and wait for it."""

        async def run() -> None:
            action()

        self._await_in_loop(run)

    def _await_in_loop(self, action: Callable[[], Coroutine[None, None, None]]) -> None:
        if self._thread is None:
            raise RuntimeError(f"{self}: must be started first")
        asyncio.run_coroutine_threadsafe(action(), self._loop).result(LOOP_ANSWERS_WITHIN_S)

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Wait for something to become true, looking after every scan and every write.

        Raises:
            TimeoutError: If it does not in time.
            RuntimeError: If the simulator itself has failed.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                self.raise_failure()
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    seen = f"scan {self._scans}, {self._gate.counters}, memory {self._gate.memory[:32]}"
                    raise TimeoutError(f"{self}: not so within {timeout_s:g} s; {seen}")
                self._changed.wait(min(left_s, TICK_S))

    def raise_failure(self) -> None:
        """Raise RuntimeError if the simulator itself has failed."""
        if self._failure is not None:
            raise RuntimeError(f"{self}: stopped scanning: {self._failure!r}") from self._failure
