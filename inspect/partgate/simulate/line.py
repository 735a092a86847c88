"""What every transport of the simulated controller shares: the memory behind it, its line's faults, its promise."""

import asyncio
import errno
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from partgate.errors import ControllerError
from partgate.simulate.words import RESULT_WORDS

AnswerKind = Literal["all", "writes", "results"]


@dataclass(frozen=True, slots=True)
class Memory:
    """The controller's words, as a request sees them: each call is one request, between two scans."""

    read: Callable[[int, int], list[int]]  # offset, count
    write: Callable[[Mapping[int, int]], None]  # words by their offsets


class Line:
    """What is wrong with the line at the moment; changed only in the loop that serves it.

    Attributes:
        thawed: Cleared while the controller is frozen: requests are kept and executed afterwards.
        answer_delay_s: How long each answer is held back after its request was executed.
        withheld: Number of answers that were withheld so far.
    """

    def __init__(self) -> None:
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.answer_delay_s = 0.0
        self.withheld = 0
        self._withhold_kind: AnswerKind = "all"
        self._withhold_count: int | None = 0  # None: until told otherwise
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run work that outlives its connection: what has come in is executed even if the client is gone."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Give up whatever is still to be executed or answered."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def withhold(self, kind: AnswerKind, count: int | None) -> None:
        """Withhold the next answers of a kind; their requests are executed all the same."""
        self._withhold_kind = kind
        self._withhold_count = count

    def answer(self, written: Collection[int], send: Callable[[], None]) -> None:
        """Send an answer, unless the line is told to lose it, or later where it is told to delay it.

        Args:
            written: Offsets that the request wrote; none for a read.
            send: Sends it, or does nothing where the client has gone.
        """
        if self._withholds(written):
            return
        if self.answer_delay_s == 0:
            send()
        else:
            self.spawn(self._send_later(send, self.answer_delay_s))

    async def _send_later(self, send: Callable[[], None], delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await self.thawed.wait()
        send()

    def _withholds(self, written: Collection[int]) -> bool:
        is_of_kind = {
            "all": True,
            "writes": bool(written),
            "results": any(offset in RESULT_WORDS for offset in written),
        }
        if self._withhold_count == 0 or not is_of_kind[self._withhold_kind]:
            return False
        if self._withhold_count is not None:
            self._withhold_count -= 1
        self.withheld += 1
        return True


class Link(Protocol):
    """One transport in front of the memory; used only in the loop that scans.

    A request that has come in is executed whole and once, between two scans, also when its client has gone; while
    the line is frozen it waits.
    """

    @property
    def port(self) -> int:
        """Return the TCP port, the one in fact taken where 0 was asked for."""
        ...

    async def listen(self) -> None:
        """Offer the line, again after ``stop_listening`` and then on the same port.

        Raises:
            ControllerError: If the address cannot be listened on.
        """
        ...

    async def stop_listening(self) -> None:
        """Drop all clients and refuse new ones; harmless where nothing listens."""
        ...

    def close_connections(self) -> None:
        """Drop all clients at once, unsent answers included; they may connect again."""
        ...


def describe(transport: str, host: str, port: int) -> str:
    """Return what the simulated controller is called in messages."""
    return f"simulated controller ({transport} {host}:{port})"


def cannot_listen(transport: str, host: str, port: int, error: Exception) -> ControllerError:
    """Return the error for an address that cannot be listened on, with what to do."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EACCES:
        step = f"ports below 1024 need special rights: choose a port above 1023, got {port}"
    elif number == errno.EADDRINUSE:
        step = f"another program listens on port {port}: stop it, or choose another port"
    else:
        step = "give an address of this machine, for example 127.0.0.1, and a free port"
    return ControllerError(f"{describe(transport, host, port)}: cannot listen there: {error}; {step}")
