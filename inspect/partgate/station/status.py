"""Hands results and the station's status to whoever looks on: lamps, publishers; never a sort signal."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from partgate.parts import Record, StationStatus

logger = logging.getLogger(__name__)


class Onlookers:
    """Tells each record as it is kept, and the status with each heartbeat.

    Whatever an onlooker does ends here: the line goes on.

    Args:
        on_status: Each takes a status; returns at once.
        on_result: Each takes a record; returns at once.
    """

    def __init__(
        self,
        on_status: Sequence[Callable[[StationStatus], None]] = (),
        on_result: Sequence[Callable[[Record], None]] = (),
    ) -> None:
        self._on_status, self._on_result = tuple(on_status), tuple(on_result)
        self._has_failed = False

    def status(self, status: StationStatus) -> None:
        """Tell what the station is now."""
        for take in self._on_status:
            self._tell(take, status)

    def result(self, record: Record) -> None:
        """Tell a result or a declared miss."""
        for take in self._on_result:
            self._tell(take, record)

    def _tell(self, take: Callable[[Any], None], what: object) -> None:
        try:
            take(what)
        except Exception:  # an onlooker's bug must not stop the line; the first one is told
            if not self._has_failed:
                logger.exception("an onlooker failed; the line goes on")
            self._has_failed = True


class OnceReady:
    """An onlooker that tells once that the station takes parts.

    Args:
        tell: Is called with the first status that says so.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell: Callable[[], None] | None = tell

    def __call__(self, status: StationStatus) -> None:
        """Look at a status."""
        if self._tell is not None and status.trigger_ready:
            tell, self._tell = self._tell, None
            tell()
