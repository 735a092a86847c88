"""What both OPC UA drivers share: the names of the words, the thread that asyncua runs in.

asyncua is asynchronous, a station is not: each driver owns one thread with an event loop, hands it one task at a time
and waits for it no longer than its time-out. A task that is given up may still be executed by the other side.
"""

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeVar

from partgate.controllers.block import KNOWN_COMMANDS, Command, ControllerWords
from partgate.errors import ConfigError

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

SHOWN = 5  # problems in one message
_END_WITHIN_S = 1.0
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
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

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

    def close(self, cut: Callable[[], None]) -> None:
        """Cut what is open, cancel what still runs and end the thread.

        A loop that is held up does all this later: nobody waits for it longer, and no socket stays open.

        Args:
            cut: Called in the loop; closes connections without a word.
        """
        asyncio.run_coroutine_threadsafe(_end(cut), self._loop)
        self._thread.join(_END_WITHIN_S)


async def _end(cut: Callable[[], None]) -> None:
    try:
        cut()
        await asyncio.sleep(0)  # what a library begins when its connection ends is cancelled, too
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.wait([asyncio.gather(*others, return_exceptions=True)], timeout=_END_WITHIN_S / 2)
        cut()  # until it was cancelled a task may have connected
        await asyncio.sleep(0)  # lets the transports close their sockets
    finally:
        asyncio.get_running_loop().stop()


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


def check_written(nodes: Sequence[str], statuses: Sequence[Any]) -> None:
    """Refuse a Write of which not every item was done.

    Args:
        nodes: Ids of the variables, in the order of the request.
        statuses: asyncua's, one for each.

    Raises:
        ValueError: If one is bad or missing.
    """
    done = sum(status.is_good() for status in statuses)
    if done != len(nodes):
        bad = [f"{node} ({status.name})" for node, status in zip(nodes, statuses, strict=False) if not status.is_good()]
        refused = ", ".join(bad[:SHOWN]) or "not told"
        raise ValueError(f"only {done} of {len(nodes)} variables were written; refused: {refused}")


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


def cut(client: Any) -> None:
    """Drop an asyncua client's connection without a word."""
    protocol = client.uaclient.protocol if client else None
    if protocol and protocol.transport:
        protocol.transport.abort()
