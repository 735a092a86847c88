"""Two stations on one controller: the second finds the first one's heartbeat and keeps away."""

import time

from partgate.controllers.base import Controller
from partgate.errors import ControllerError
from partgate.station.signals import LOST_AFTER_S, Signals

_LOOK_EVERY_S = 1.0
_POLL_S = 0.02


class SecondStation:
    """Looks whether the heartbeat that stands at the controller is this station's own.

    Args:
        signals: Knows the own heartbeat.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._look_at = 0.0
        self._suspect: int | None = None  # a foreign heartbeat seen once: a late write of our own may have left it

    def refuse(self, controller: Controller) -> None:
        """Look before anything is written.

        Raises:
            ControllerError: If somebody else counts a heartbeat up there.
        """
        first = controller.station_heartbeat()
        self._look_at, self._suspect = time.monotonic() + _LOOK_EVERY_S, None
        if first is None or first == self._signals.heartbeat:
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
            ControllerError: If a foreign heartbeat stood there twice, and changed.
        """
        if time.monotonic() < self._look_at:
            return
        found = controller.station_heartbeat()
        if found is None or found == self._signals.heartbeat:
            self._look_at, self._suspect = time.monotonic() + _LOOK_EVERY_S, None
            return
        if self._suspect is not None and found != self._suspect:
            raise _another(controller)
        self._suspect = found  # looked at again in the next turn


def _another(controller: Controller) -> ControllerError:
    return ControllerError(
        f"{controller}: another station writes there (fault 9): its heartbeat changes; stop that station, or give this "
        "one a block of its own"
    )
