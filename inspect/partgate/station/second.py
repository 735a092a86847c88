"""Two stations on one controller: the second finds the first one's heartbeat and keeps away."""

import time

from partgate.controllers.base import Controller
from partgate.errors import SecondStationError
from partgate.station.signals import LOST_AFTER_S, Signals

_LOOK_EVERY_S = 0.25
_SUSPECT_FOR_S = 2.0  # each own heartbeat hides the foreign one for a while
_POLL_S = 0.02


class SecondStation:
    """Looks whether the heartbeat that stands at the controller is this station's own.

    Args:
        signals: Knows the own heartbeat.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._look_at = 0.0
        self._suspect: tuple[int, float] | None = None  # seen once, and when: a late write of our own may have left it
        self._has_looked = False

    def refuse(self, controller: Controller) -> None:
        """Look before anything is written.

        Raises:
            SecondStationError: If somebody else counts a heartbeat up there.
        """
        first = controller.station_heartbeat()
        self._look_at, self._suspect = time.monotonic() + _LOOK_EVERY_S, None
        is_own = self._has_looked and first == self._signals.heartbeat
        self._has_looked = True
        if first is None or is_own:
            return
        until = time.monotonic() + LOST_AFTER_S
        while time.monotonic() < until:
            if controller.station_heartbeat() != first:
                raise _another(controller)
            time.sleep(_POLL_S)
        self._signals.continue_behind(first)

    def look(self, controller: Controller) -> None:
        """Look now and then, between two parts.

        Raises:
            SecondStationError: If a foreign heartbeat stood there twice within two seconds, and changed.
        """
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_S
        found = controller.station_heartbeat()
        if found is None or found == self._signals.heartbeat:
            return
        if self._suspect is not None and found != self._suspect[0] and now - self._suspect[1] < _SUSPECT_FOR_S:
            raise _another(controller)
        self._suspect = (found, now)


def _another(controller: Controller) -> SecondStationError:
    return SecondStationError(
        f"{controller}: another station writes there (fault 9): its heartbeat changes; stop that station, or give this "
        "one a block of its own"
    )
