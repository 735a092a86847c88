"""A bounded queue and a thread in front of a publisher: the loop's call returns at once, whatever the network does.

Results go out in order, one at a time, each until it is taken, too old or pushed out by newer ones. Of the status only
the newest waits; it is sent again after each reconnect, because a broker has meanwhile said that the station is gone.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from partgate.errors import PartgateError, PublishError
from partgate.parts import Record, StationStatus
from partgate.publish.base import Publisher, PublisherConfig
from partgate.publish.messages import encode_result, encode_status

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
_TEND_EVERY_S = 0.5
_SHORTEST_LIFE_S = 1.0  # a broker counts the life of a message in whole seconds
_CLOSE_WITHIN_S = 3.0
_GRACE_S = 0.5


@dataclass(slots=True)
class OutboxCounts:
    """What became of the results given so far."""

    given: int = 0
    published: int = 0
    dropped: int = 0  # pushed out by newer ones, or left at the end
    expired: int = 0
    refused: int = 0  # the receiver will never take them

    @property
    def lost(self) -> int:
        """Return how many results nobody was given."""
        return self.dropped + self.expired + self.refused


@dataclass(frozen=True, slots=True)
class _Waiting:
    content: Record | StationStatus
    expires_at: float  # monotonic seconds


class Outbox:
    """Keeps results until a publisher took them; ``put`` and ``put_status`` neither wait nor raise.

    Args:
        config: The publisher; it is opened, and opened again, in a thread of its own.
        station: The station's name.
        wait: Waits so many seconds between two attempts; by default until the outbox closes, at most.
    """

    def __init__(self, config: PublisherConfig, station: str, wait: Callable[[float], object] | None = None) -> None:
        self._config, self._station = config, station
        self._changed = threading.Condition()
        self._results: deque[_Waiting] = deque()
        self._status: _Waiting | None = None  # to be sent
        self._last_status: _Waiting | None = None  # sent, to be said again after a reconnect
        self._is_closing = False
        self._stop_at = float("inf")
        self._wait = wait or self._wait_unless_closing
        self._pause_s, self._opened_at = FIRST_PAUSE_S, 0.0
        self._failed_kind: str | None = None  # kind of message that must succeed before all is well again
        self._lost_before = 0  # results lost before the present trouble
        self.counts = OutboxCounts()
        self.problem: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"publish {config.name}", daemon=True)

    def start(self) -> None:
        """Begin to connect and to publish."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Return how many results wait."""
        return len(self._results)

    def put(self, record: Record) -> None:
        """Take a result; where the outbox is full the oldest is dropped and counted. Pictures are not kept."""
        expires_at = time.monotonic() + self._config.expire_after_s
        with self._changed:
            self.counts.given += 1
            self._results.append(_Waiting(replace(record, image=None, more_frames=()), expires_at))
            self._drop_oldest()
            self._changed.notify_all()

    def put_status(self, status: StationStatus) -> None:
        """Take the newest status; one that still waits is replaced."""
        with self._changed:
            self._status = _Waiting(status, time.monotonic() + self._config.status_expire_after_s)
            self._changed.notify_all()

    def finish(self) -> None:
        """Publish what waits, within three seconds, and end; returns at once."""
        with self._changed:
            self._is_closing, self._stop_at = True, time.monotonic() + _CLOSE_WITHIN_S
            self._changed.notify_all()

    def close(self) -> None:
        """Wait until what waits is published, at most three seconds; what is left, and why, is told."""
        if not self._is_closing:
            self.finish()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_WITHIN_S + _GRACE_S)
        with self._changed:
            left = self.counts.given - self.counts.published - self.counts.lost  # also one in a hung driver's hand
            self.counts.dropped += left
            self._results.clear()
        if left:
            logger.error("publisher '%s': %d results were not published before the end: %s",
                         self._config.name, left, self.problem or "the receiver is too slow")  # fmt: skip

    def _run(self) -> None:
        while True:
            try:
                with self._config.open(self._station) as publisher:
                    self._opened_at = time.monotonic()
                    self._say_status_again()
                    self._serve(publisher)
                return
            except PublishError as error:
                self._note_trouble(str(error), error.is_refused)
            except PartgateError as error:  # a password or certificate that cannot be read
                self._note_trouble(f"publisher '{self._config.name}': {error}", True)
            except Exception as error:  # a bug in a driver must not end publishing for good
                if self.problem is None:
                    logger.exception("publisher '%s' failed", self._config.name)
                self._note_trouble(f"publisher '{self._config.name}': {type(error).__name__}", True)
            if not self._is_closing:
                self._wait(self._pause_s)
            if self._is_closing:
                return
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _wait_unless_closing(self, pause_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing, pause_s)

    def _serve(self, publisher: Publisher) -> None:
        """Publish until the outbox closes and is empty, or its time is over."""
        while time.monotonic() < self._stop_at:
            item = self._take()
            if item is not None:
                self._deliver(publisher, item)
            elif self._is_closing:
                return
            else:
                publisher.tend()

    def _take(self) -> _Waiting | None:
        """Return what is to be sent next, after a wait for it; ``None`` where nothing came."""
        with self._changed:
            self._changed.wait_for(lambda: self._status or self._results or self._is_closing, _TEND_EVERY_S)
            if self._status is not None:
                item, self._status = self._status, None
                return item
            return self._results.popleft() if self._results else None

    def _deliver(self, publisher: Publisher, item: _Waiting) -> None:
        is_result = isinstance(item.content, Record)
        message = encode_result(item.content) if isinstance(item.content, Record) else encode_status(item.content)
        valid_s = item.expires_at - time.monotonic()
        if valid_s < _SHORTEST_LIFE_S:
            self.counts.expired += is_result
            return
        try:
            publisher.publish(message, valid_s)
        except PublishError as error:
            self._failed_kind = message.kind
            if not error.drops_message:
                self._put_back(item)
                raise
            self.counts.refused += is_result
            if error.is_refused:
                raise
            self._note_trouble(str(error), is_refused=False)
            return
        except BaseException:
            self._put_back(item)
            raise
        self.counts.published += is_result
        if not is_result:
            self._last_status = item
        self._note_success(message.kind)

    def _put_back(self, item: _Waiting) -> None:
        with self._changed:
            if isinstance(item.content, Record):
                self._results.appendleft(item)
                self._drop_oldest()
            elif self._status is None:
                self._status = item

    def _say_status_again(self) -> None:
        with self._changed:
            self._status = self._status or self._last_status

    def _drop_oldest(self) -> None:
        """Make room; called with the lock held."""
        while len(self._results) > self._config.outbox_size:
            self._results.popleft()
            self.counts.dropped += 1

    def _note_trouble(self, problem: str, is_refused: bool) -> None:
        if self.problem is None:
            self._lost_before = self.counts.lost
            logger.error("%s (results wait in the outbox, at most %d)", problem, self._config.outbox_size)
        self.problem = problem
        if is_refused:
            self._pause_s = LONGEST_PAUSE_S

    def _note_success(self, kind: str) -> None:
        if self._failed_kind not in (None, kind):
            return
        if self.problem is not None:
            logger.warning("publisher '%s' is back; %d results were lost meanwhile, %d wait",
                           self._config.name, self.counts.lost - self._lost_before, self.waiting)  # fmt: skip
        self.problem, self._failed_kind = None, None
        if time.monotonic() - self._opened_at >= self._config.SOUND_AFTER_S:
            self._pause_s = FIRST_PAUSE_S
