"""What both OPC UA drivers share: the names of the words, the thread that asyncua runs in, waiting after a refusal.

asyncua is asynchronous, a station is not: each driver owns one thread with an event loop, hands it one task at a time
and waits for it no longer than its time-out. A task that is given up may still be executed by the other side.
"""

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from types import ModuleType
from typing import Any, TypeVar

from partgate.controllers.block import KNOWN_COMMANDS, Command, ControllerWords
from partgate.errors import ConfigError, ControllerPausedError

STATION_WORDS = (
    "VIS_HB", "RES_SEQ", "VERDICT", "CLASS", "LANE", "RES_BOOT", "REASON", "CHECK", "STATE", "FAULT", "RECIPE_ACTIVE",
)  # fmt: skip
CONTROLLER_WORDS = ("PLC_HB", "TRIG_SEQ", "ACK_SEQ", "CMD", "RECIPE", "WINDOW_MS", "PLC_BOOT")
TEXTS = {"PART_ID": 32, "LOT": 16}  # longest, in characters
STATE_ORDER = ("STATE", "FAULT", "RECIPE_ACTIVE", "VIS_HB")
RESULT_ORDER = ("VERDICT", "CLASS", "LANE", "RES_BOOT", "REASON", "CHECK", "RES_SEQ")
"""Servers apply the items of a Write one by one, in this order, and may stop at one. The heartbeat comes after the
state that it vouches for; ``RES_SEQ`` after the whole result, so that a result cut short still bears the old sequence,
and its ``CHECK`` does not fit."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LONGEST_REFUSED_S = 0.1, 2.0, 30.0
T = TypeVar("T")


def import_asyncua(who: object) -> ModuleType:
    """Return the library; it keeps its tracebacks to itself, the drivers tell what happened in one sentence.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        import asyncua
    except ImportError as error:
        raise ConfigError([f'{who}: needs the library asyncua; run: pip install "partgate[opcua]"']) from error
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    return asyncua


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: None)  # tasks of a connection that was dropped
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, task: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Return what a task gives.

        Raises:
            TimeoutError: If it takes longer; it is cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(task, self._loop)
        try:
            return future.result(timeout_s)
        except (concurrent.futures.TimeoutError, TimeoutError):
            future.cancel()
            raise TimeoutError(f"no answer within {timeout_s:g} s") from None

    def close(self) -> None:
        """Cancel what still runs and end the thread."""
        ended = asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop)
        concurrent.futures.wait([ended], timeout=1)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1)
        if not self._thread.is_alive():
            self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.wait([asyncio.ensure_future(asyncio.gather(*others, return_exceptions=True))], timeout=0.5)


class BackOff:
    """Lets the next attempt wait: 0.1 s, then twice as long each time.

    Up to 2 s after a failure, up to 30 s after a refusal: a wrong password tried often locks the account.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause_s, self._try_from = _FIRST_PAUSE_S, 0.0

    def check(self, who: object) -> None:
        """Raise ``ControllerError`` while it is too early to try again."""
        wait_s = self._try_from - self._clock()
        if wait_s > 0:
            raise ControllerPausedError(f"{who}: is tried again in {wait_s:.1f} s")

    def failed(self, *, refused: bool) -> None:
        """Take note of a failed attempt."""
        longest_s = _LONGEST_REFUSED_S if refused else _LONGEST_PAUSE_S
        self._pause_s = min(self._pause_s, longest_s)
        self._try_from = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, longest_s)

    def succeeded(self) -> None:
        """Take note of a whole answer: the next failure waits shortly again."""
        self._pause_s = _FIRST_PAUSE_S


def find_problem(value: Any, kind: str, words: tuple[int, int] | None) -> str | None:
    """Return what is wrong with a value that was read, as the rest of a sentence, or ``None``.

    Args:
        value: asyncua's data value.
        kind: Name of the type that it must have, such as ``UInt16``.
        words: Fewest and most elements of an array; ``None``: one value.
    """
    if value.StatusCode is not None and not value.StatusCode.is_good():
        return f"cannot be read ({value.StatusCode.name})"
    content, found = value.Value.Value, value.Value.VariantType.name
    if isinstance(content, list):
        found += f" array of {len(content)}"
    if words is None:
        fits = value.Value.VariantType.name == kind and not isinstance(content, list)
        fits = fits and (content is not None or kind == "String")
        return None if fits else f"holds {found}, must be {kind}"
    fewest, most = words
    if value.Value.VariantType.name == kind and isinstance(content, list) and fewest <= len(content) <= most:
        return None
    return f"holds {found}, must be {kind} array of {fewest}{'' if fewest == most else ' or more'}"


def take_words(word: Mapping[str, Any]) -> ControllerWords:
    """Return the controller's words from values by name; ``PART_ID`` and ``LOT`` may be missing.

    Raises:
        ValueError: If a text is too long or cannot be printed.
    """
    text = {}
    for name, longest in TEXTS.items():
        value = word.get(name) or ""
        if len(value) > longest or not value.isprintable():
            raise ValueError(f"{name} must be at most {longest} printable characters, got {value[:40]!r}")
        text[name] = value.strip() or None
    return ControllerWords(
        word["PLC_HB"], word["TRIG_SEQ"], word["ACK_SEQ"], Command(word["CMD"] & KNOWN_COMMANDS), word["RECIPE"],
        word["WINDOW_MS"], word["PLC_BOOT"], text["PART_ID"], text["LOT"],
    )  # fmt: skip


async def cut(client: Any) -> None:
    """Drop an asyncua client's connection without a word."""
    protocol = client.uaclient.protocol if client else None
    if protocol and protocol.transport:
        protocol.transport.abort()
