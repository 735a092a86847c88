"""All publishers of a station: one call for a result, one for the status, none of which waits or raises."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from partgate.errors import PartgateError, PublishError
from partgate.parts import Record, StationState, StationStatus
from partgate.publish.base import PublisherConfig
from partgate.publish.messages import encode_test
from partgate.publish.outbox import Outbox

logger = logging.getLogger(__name__)

_RENEWALS = 3  # statuses sent in the life of one: two may be lost
_TRIAL_VALID_S = 60.0
_TAKES_PARTS = (StationState.READY, StationState.SINGLE_EXECUTION, StationState.CONTINUOUS_EXECUTION)


@dataclass(frozen=True, slots=True)
class Trial:
    """What happened to a test message."""

    publisher: str
    took_ms: float
    problem: str | None = None


class Publishers:
    """Passes results and status on to every outbox; owned by the loop's thread.

    Entered, it connects in threads of its own; left, it sends what waits for at most some seconds.
    """

    def __init__(self, outboxes: Sequence[Outbox], status_period_s: float, clock: Callable[[], float]) -> None:
        self._outboxes = outboxes
        self._period_s = status_period_s
        self._clock = clock
        self._said: StationStatus | None = None
        self._renew_from = 0.0

    def __enter__(self) -> Self:
        for outbox in self._outboxes:
            outbox.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        for outbox in self._outboxes:
            outbox.finish()  # all at the same time
        for outbox in self._outboxes:
            outbox.close()

    def result(self, record: Record) -> None:
        """Publish a result; returns at once and never raises."""
        for outbox in self._outboxes:
            outbox.put(record)

    def status(self, status: StationStatus) -> None:
        """Publish the status where it is news, or time to renew it; returns at once, call it as often as you like.

        A change between ready and executing is no news, each part brings two of them; nor is a count.
        """
        now, said = self._clock(), _news_of(status)
        if said == self._said and now < self._renew_from:
            return
        self._said, self._renew_from = said, now + self._period_s
        for outbox in self._outboxes:
            outbox.put_status(status)

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what keeps messages from arriving now, one sentence for each publisher in trouble."""
        return tuple(outbox.problem for outbox in self._outboxes if outbox.problem is not None)


def open_publishers(
    configs: Sequence[PublisherConfig], station: str, clock: Callable[[], float] = time.monotonic
) -> Publishers:
    """Return the publishers of a station; they connect when their ``with`` block is entered.

    Nothing of them keeps a station from starting: a missing password, library or broker is told and tried again.

    Args:
        configs: What stands under ``publish`` in the station file; may be empty.
        station: The station's name.
        clock: Monotonic seconds.
    """
    for config in configs:
        if config.sends_secret_in_plain:
            logger.warning("publisher '%s': its password travels readable over the network; use TLS", config.name)
    period_s = min((config.status_expire_after_s for config in configs), default=0.0) / _RENEWALS
    return Publishers([Outbox(config, station) for config in configs], period_s, clock)


def try_publishers(configs: Sequence[PublisherConfig], station: str) -> list[Trial]:
    """Send one test message through each publisher, at once, and return what happened.

    A station that runs with the same settings is not disturbed: the message is of kind ``test``, and the connection is
    its own.
    """
    return [_try(config, station) for config in configs]


def _try(config: PublisherConfig, station: str) -> Trial:
    publisher, problem, began = config.open(station, is_trial=True), None, time.perf_counter()
    try:
        with publisher:
            publisher.publish(encode_test(station, datetime.now(UTC)), _TRIAL_VALID_S)
    except PublishError as error:
        problem = str(error)
    except PartgateError as error:  # a password or certificate that cannot be read
        problem = f"{publisher}: {error}"
    return Trial(str(publisher), 1000 * (time.perf_counter() - began), problem)


def _news_of(status: StationStatus) -> StationStatus:
    """Return the status without what changes with every part."""
    state = StationState.READY if status.state in _TAKES_PARTS else status.state
    return replace(status, at=datetime.min, state=state, trigger_ready=True, triggers=0, results=0, misses=0)
