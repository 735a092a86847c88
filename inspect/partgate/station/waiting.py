"""Results that were sent and wait for the controller's acknowledge."""

import logging
from collections import deque
from dataclasses import replace

from partgate.controllers.base import Controller
from partgate.controllers.block import ControllerWords
from partgate.parts import Record
from partgate.station.bookkeeping import Books
from partgate.station.signals import Signals

logger = logging.getLogger(__name__)


class Waiting:
    """Keeps each record back until its result was acknowledged, or was not in time.

    Args:
        depth: Results that may wait at once; the part behind them is an overrun.
        books: Where the records go then.
        signals: Hears whether the controller takes results.
    """

    def __init__(self, depth: int, books: Books, signals: Signals) -> None:
        self._depth, self._books, self._signals = depth, books, signals
        # Oldest first, with the moment until when; None is final and waits only for those before it: records are kept
        # in the order of their triggers, or a restart could not tell which are missing.
        self._records: deque[tuple[Record, float | None]] = deque()

    def __bool__(self) -> bool:
        return any(until is not None for _, until in self._records)

    @property
    def is_full(self) -> bool:
        """Tell whether no further part may be taken."""
        return sum(until is not None for _, until in self._records) >= self._depth

    def add(self, record: Record, until: float) -> None:
        """Take a record whose result was sent, and the moment (monotonic) until when it is to be acknowledged."""
        self._records.append((record, until))

    def keep(self, record: Record) -> None:
        """Keep a record that waits for nothing, behind those that do."""
        self._records.append((record, None))
        self._keep_what_is_final()

    def take(self, words: ControllerWords, now: float, who: Controller) -> None:
        """Keep every record whose result was acknowledged by now, or was not in time.

        The controller tells the newest result it took. One before it was overtaken: it counts as not acknowledged.
        """
        taken = [
            record for record, until in self._records
            if until is not None and (record.boot, record.sequence) == (words.boot, words.acknowledged)
        ]  # fmt: skip
        while taken and self._records:
            record, until = self._records.popleft()
            is_taken = record is taken[0]
            self._books.keep(record if until is None else replace(record, acknowledged=is_taken))
            if is_taken:
                self._signals.acknowledged(True)
                break
        self._keep_what_is_final()
        while self._records and (until := self._records[0][1]) is not None and now > until:
            logger.error("%s: result %d was not acknowledged", who, self._records[0][0].sequence)
            self._give_up_first()
        self._signals.is_busy = self.is_full

    def give_up_all(self) -> None:
        """Keep every record that still waits, as not acknowledged."""
        while self._records:
            self._give_up_first()
        self._signals.is_busy = False

    def give_up_oldest(self) -> None:
        """Make room for the next part: its trigger came before the acknowledge."""
        if self.is_full:
            self._give_up_first()

    def _give_up_first(self) -> None:
        self._books.keep(replace(self._records.popleft()[0], acknowledged=False))
        self._signals.acknowledged(False)
        self._keep_what_is_final()

    def _keep_what_is_final(self) -> None:
        while self._records and self._records[0][1] is None:
            self._books.keep(self._records.popleft()[0])
